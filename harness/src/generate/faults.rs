//! Kinds of single faults and how each is drawn.

use sim::clock::Clock;
use sim::disk::OpKind;
use sim::fault::{Fault, FaultFamily, Target, TimedFault};
use sim::seed::Draws;

use super::Ground;
use crate::system::Part;

/// The fastest drift that is drawn, and as a negative number the slowest, in millionths of the true
/// rate.
const DRIFT_PPM_MAX: u64 = 500_000;

/// Where and when faults are drawn.
pub(super) struct Site<'a> {
    pub(super) draws: &'a mut Draws,
    pub(super) ground: &'a Ground,
    /// When the fault begins.
    pub(super) at_ms: u64,
    /// When it must have ended.
    pub(super) end_ms: u64,
}

/// A way to draw faults.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// Its stream's name.
    pub(super) name: &'static str,
    pub(super) family: FaultFamily,
    /// Without what there is no such fault.
    pub(super) needs: &'static [Need],
    /// Faults that begin at the site's time or soon after.
    pub(super) draw: fn(&mut Site<'_>) -> Vec<TimedFault>,
}

/// What a kind of fault needs of the ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// More than one server.
    Several,
    /// So many servers that a minority of them can be left out.
    Minority,
    /// Somebody who leads.
    Leader,
    /// Somebody who learns.
    Learner,
    /// Marks in the code.
    Marks,
    /// Servers that may forget: somebody who follows, and damage that can be noticed.
    Amnesia,
    /// Servers that know damage for what it is.
    ToldDamage,
    /// Settings that an upgrade changes.
    Upgrade,
    /// Servers that send datagrams.
    Datagrams,
}

impl Kind {
    /// Whether there can be such a fault here.
    pub(super) fn fits(&self, ground: &Ground) -> bool {
        self.needs.iter().all(|need| match need {
            Need::Several => ground.servers.len() > 1,
            Need::Minority => ground.servers.len() > 2,
            Need::Leader => ground.role(Part::Leads).is_some(),
            Need::Learner => ground.role(Part::Learns).is_some(),
            Need::Marks => !ground.marks().is_empty(),
            Need::Amnesia => ground.role(Part::Follows).is_some() && !ground.files.is_empty(),
            Need::ToldDamage => ground.tells_damage && !ground.files.is_empty(),
            Need::Upgrade => ground.upgrade.is_some(),
            Need::Datagrams => ground.sends_datagrams,
        })
    }
}

/// Single faults; others are in [`super::links`] and [`super::amnesia`].
pub(super) const SINGLE: [Kind; 15] = [
    Kind {
        name: "partition",
        family: FaultFamily::Network,
        needs: &[Need::Several],
        draw: partition,
    },
    Kind { name: "bridge", family: FaultFamily::Network, needs: &[Need::Several], draw: bridge },
    Kind { name: "one way", family: FaultFamily::Network, needs: &[Need::Several], draw: one_way },
    Kind {
        name: "isolate leader",
        family: FaultFamily::Network,
        needs: &[Need::Several, Need::Leader],
        draw: isolate_leader,
    },
    Kind {
        name: "slow link",
        family: FaultFamily::Network,
        needs: &[Need::Several],
        draw: slow_link,
    },
    Kind { name: "crash", family: FaultFamily::Process, needs: &[], draw: crash },
    Kind { name: "power loss", family: FaultFamily::Process, needs: &[], draw: power_loss },
    Kind { name: "pause", family: FaultFamily::Process, needs: &[], draw: pause },
    Kind { name: "slow disk", family: FaultFamily::Disk, needs: &[], draw: slow_disk },
    Kind { name: "eio", family: FaultFamily::Disk, needs: &[], draw: eio },
    Kind { name: "enospc", family: FaultFamily::Disk, needs: &[], draw: enospc },
    Kind { name: "fsync fail", family: FaultFamily::Disk, needs: &[], draw: fsync_fail },
    Kind { name: "clock offset", family: FaultFamily::Clock, needs: &[], draw: clock_offset },
    Kind { name: "clock drift", family: FaultFamily::Clock, needs: &[], draw: clock_drift },
    Kind { name: "clock jump", family: FaultFamily::Clock, needs: &[], draw: clock_jump },
];

impl Site<'_> {
    /// A fault that begins now and ends after so long, the range being logarithmic.
    pub(super) fn for_ms(&mut self, low_ms: u64, high_ms: u64, fault: Fault) -> TimedFault {
        let lasts_ms = self.draws.log_uniform(low_ms, high_ms);
        self.until(self.at_ms + lasts_ms, fault)
    }

    /// A fault that begins now.
    pub(super) fn until(&self, until_ms: u64, fault: Fault) -> TimedFault {
        self.between(self.at_ms, until_ms, fault)
    }

    /// A fault of that time, as far as the time is left.
    pub(super) fn between(&self, at_ms: u64, until_ms: u64, fault: Fault) -> TimedFault {
        let at_ms = at_ms.min(self.end_ms - 1);
        TimedFault::new(at_ms, Some(until_ms.clamp(at_ms + 1, self.end_ms)), fault)
    }

    /// How many servers there are.
    pub(super) fn servers(&self) -> u64 {
        self.ground.servers.len() as u64
    }

    /// The server of that number, from 1.
    pub(super) fn host(&self, server: u64) -> Target {
        Target::named(self.ground.servers[server as usize - 1].clone())
    }

    pub(super) fn any_host(&mut self) -> Target {
        let server = self.draws.range(1, self.servers());
        self.host(server)
    }

    /// Who leads.
    ///
    /// # Panics
    /// If nobody ever does: a kind that asks for it says that it needs one.
    pub(super) fn leader(&self) -> Target {
        Target::named(self.ground.role(Part::Leads).expect("the kind needs a leader"))
    }

    /// One of those who follow, or any server where nobody does.
    pub(super) fn follower(&mut self) -> Target {
        let number = self.draws.below(self.servers());
        match self.ground.role(Part::Follows) {
            Some(role) => Target::Nth(role.to_owned(), number),
            None => self.host(number + 1),
        }
    }

    /// A server, the leader as often as not.
    pub(super) fn any_target(&mut self) -> Target {
        match self.draws.below(4) {
            0 | 1 if self.ground.role(Part::Leads).is_some() => self.leader(),
            2 => self.follower(),
            _ => self.any_host(),
        }
    }

    /// All servers in random order.
    pub(super) fn shuffled(&mut self) -> Vec<Target> {
        let mut hosts: Vec<Target> =
            self.ground.servers.iter().map(|name| Target::named(name.clone())).collect();
        self.draws.shuffle(&mut hosts);
        hosts
    }

    /// Connections across a healed partition survive it, are reset, or some of each.
    pub(super) fn reset_on_heal(&mut self) -> f64 {
        [0.0, 0.0, 0.3, 1.0][self.draws.below(4) as usize]
    }
}

/// The servers in two parts.
fn partition(site: &mut Site<'_>) -> Vec<TimedFault> {
    let mut one = site.shuffled();
    let other = one.split_off(site.draws.range(1, site.servers() - 1) as usize);
    let reset_on_heal = site.reset_on_heal();
    vec![site.for_ms(300, 8_000, Fault::Partition { sides: vec![one, other], reset_on_heal })]
}

/// Two parts that reach each other only through one server between them.
fn bridge(site: &mut Site<'_>) -> Vec<TimedFault> {
    let mut one = site.shuffled();
    let mut other = one.split_off(site.servers() as usize / 2);
    // Of two servers none can stand between: they are parted.
    if other.len() > 1 {
        other.pop();
    }
    let reset_on_heal = site.reset_on_heal();
    vec![site.for_ms(300, 6_000, Fault::Partition { sides: vec![one, other], reset_on_heal })]
}

/// What a server says, or what it should hear, does not arrive.
fn one_way(site: &mut Site<'_>) -> Vec<TimedFault> {
    let (one, others) = (vec![site.any_target()], site.shuffled());
    let (from, to) = if site.draws.chance(0.5) { (one, others) } else { (others, one) };
    let reset_on_heal = site.reset_on_heal();
    vec![site.for_ms(300, 6_000, Fault::OneWay { from, to, reset_on_heal })]
}

fn isolate_leader(site: &mut Site<'_>) -> Vec<TimedFault> {
    let reset_on_heal = site.reset_on_heal();
    let who = site.leader();
    vec![site.for_ms(300, 6_000, Fault::Isolate { who, reset_on_heal })]
}

fn slow_link(site: &mut Site<'_>) -> Vec<TimedFault> {
    let (from, to) = (vec![site.any_target()], site.shuffled());
    let extra_ms = site.draws.log_uniform(5, 400) as u32;
    vec![site.for_ms(500, 6_000, Fault::SlowLink { from, to, extra_ms })]
}

fn crash(site: &mut Site<'_>) -> Vec<TimedFault> {
    let target = site.any_target();
    vec![site.for_ms(20, 6_000, Fault::Crash { target })]
}

fn power_loss(site: &mut Site<'_>) -> Vec<TimedFault> {
    let target = site.any_target();
    vec![site.for_ms(20, 6_000, Fault::PowerLoss { target })]
}

/// From a short collection of garbage to a SIGSTOP.
fn pause(site: &mut Site<'_>) -> Vec<TimedFault> {
    let target = site.any_target();
    vec![site.for_ms(50, 6_000, Fault::Pause { target })]
}

/// Slower, or, with a factor of 0, silent.
fn slow_disk(site: &mut Site<'_>) -> Vec<TimedFault> {
    let target = site.any_target();
    let factor = if site.draws.chance(0.3) { 0 } else { site.draws.log_uniform(5, 500) };
    vec![site.for_ms(200, 5_000, Fault::SlowDisk { target, factor })]
}

fn eio(site: &mut Site<'_>) -> Vec<TimedFault> {
    const OPERATIONS: [OpKind; 6] = [
        OpKind::Write,
        OpKind::Sync,
        OpKind::Sync,
        OpKind::SyncDir,
        OpKind::Create,
        OpKind::Rename,
    ];
    let target = site.any_target();
    let op = OPERATIONS[site.draws.below(OPERATIONS.len() as u64) as usize];
    let nth = site.draws.chance(0.7).then(|| site.draws.log_uniform(1, 16));
    vec![site.for_ms(100, 2_500, Fault::Eio { target, op, nth })]
}

fn enospc(site: &mut Site<'_>) -> Vec<TimedFault> {
    let target = site.any_target();
    vec![site.for_ms(100, 2_500, Fault::Enospc { target })]
}

fn fsync_fail(site: &mut Site<'_>) -> Vec<TimedFault> {
    let target = site.any_target();
    vec![site.for_ms(500, 2_500, Fault::FsyncFail { target })]
}

fn clock_offset(site: &mut Site<'_>) -> Vec<TimedFault> {
    let target = site.any_target();
    let size_ms = site.draws.log_uniform(10, 600_000) as i64;
    let offset_ms = if site.draws.chance(0.5) { size_ms } else { -size_ms };
    vec![site.for_ms(500, 10_000, Fault::ClockOffset { target, offset_ms })]
}

/// From a bad oscillator to a virtual machine whose host takes its time away.
fn clock_drift(site: &mut Site<'_>) -> Vec<TimedFault> {
    const CLOCKS: [Clock; 4] = [Clock::Both, Clock::Both, Clock::Wall, Clock::Monotonic];
    let target = site.any_target();
    let size_ppm = site.draws.log_uniform(50, DRIFT_PPM_MAX) as i64;
    let ppm = if site.draws.chance(0.5) { size_ppm } else { -size_ppm };
    let of = CLOCKS[site.draws.below(CLOCKS.len() as u64) as usize];
    vec![site.for_ms(1_000, 12_000, Fault::ClockDrift { target, ppm, of })]
}

/// One jump, or one after the other.
fn clock_jump(site: &mut Site<'_>) -> Vec<TimedFault> {
    let target = site.any_target();
    let size_ms = site.draws.log_uniform(10, 600_000) as i64;
    let by_ms = if site.draws.chance(0.5) { size_ms } else { -size_ms };
    let every_ms = site.draws.chance(0.5).then(|| site.draws.log_uniform(5, 1_000));
    vec![site.for_ms(200, 5_000, Fault::ClockJump { target, by_ms, every_ms })]
}
