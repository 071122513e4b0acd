//! Strikes a world with faults at their times, and takes them back.
//!
//! Faults may overlap: a host that two faults hold down starts when the later one ends, blocks of a
//! link and shifts of a clock add up. What a fault does is in the module of what it befalls; that a
//! server forgets only when nothing is lost by it is the business of `amnesia`.

mod amnesia;
mod clocks;
mod disks;
mod links;
mod own;
mod process;

use std::collections::BTreeMap;

use super::{Fault, Target, TimedFault};
use crate::HostId;
use crate::RunPanic;
use crate::World;
use crate::disk::DiskFaultId;
use amnesia::Amnesia;
pub use amnesia::Forgot;
pub use own::{HostOwnFaults, OwnFaults};
use process::How;
pub use process::Upgrades;

const NS_PER_MS: u64 = 1_000_000;

/// Who is who at a moment, as the system under test says: the world itself knows only hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Who plays which role.
    pub castings: Vec<Casting>,
    /// All servers, whatever they do; the other hosts are clients.
    pub servers: Vec<HostId>,
    /// Servers that serve: one that has forgotten is whole again when it is among them.
    pub serving: Vec<HostId>,
    /// Servers that serve and could be replaced by others: the writes of no other may go wrong.
    pub replaceable: Vec<HostId>,
    /// Servers without which nothing would be lost now: all that they know is known elsewhere.
    pub expendable: Vec<HostId>,
    /// Servers whose program has given up because of what it found on its disk.
    pub refusing: Vec<HostId>,
    /// Servers, up or down, that hold durably all that was ever acknowledged; none if the system's servers cannot
    /// tell damage from what a crash leaves. If they can, damage may strike any of them at any time, as long as one
    /// of these stays undamaged.
    pub copies: Option<Vec<HostId>>,
}

/// Who plays a role at a moment, and for how long, in milliseconds; in a stable order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Casting {
    /// The role's name, as plans spell it.
    pub role: &'static str,
    /// Those who play it.
    pub players: Vec<(HostId, u64)>,
}

impl Standing {
    fn players(&self, role: &str) -> Option<&[(HostId, u64)]> {
        let casting = self.castings.iter().find(|casting| casting.role == role)?;
        Some(&casting.players)
    }
}

/// Something that a schedule did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// When, in nanoseconds since the start of the run.
    pub at_ns: u64,
    /// Which fault of the schedule.
    pub index: usize,
    /// Whether it struck (or a rolling restart went on), or ended.
    pub began: bool,
    /// Whom it struck; empty if its target did not exist at the time, so that nothing happened.
    pub hosts: Vec<HostId>,
    /// The directions between hosts that it struck, each from one to another, as it began; empty for a
    /// fault that strikes none.
    pub links: Vec<(HostId, HostId)>,
    /// Whether they went down and forgot what they had acknowledged, and how.
    pub forgot: Option<Forgot>,
}

/// How to take a fault back.
#[derive(Debug)]
enum Undo {
    Links(links::Undo),
    Start(HostId),
    Resume(HostId),
    Disk(HostId, DiskFaultId),
    Clock(HostId, clocks::Undo),
    Own(HostId),
    /// A rolling restart: who is down, the next turn and its time.
    Rolling {
        down: Option<HostId>,
        turn: usize,
        next_ms: u64,
    },
    /// Writes go wrong, of which nobody knows until the power goes.
    Armed(HostId, DiskFaultId),
    /// A server that has forgotten stays down until then, in nanoseconds.
    Down(HostId, u64),
    Nothing,
}

#[derive(Debug)]
enum Stage {
    /// Strikes at this moment, in nanoseconds, if its target is there by then.
    Waiting(u64),
    /// Waits for its mark to be hit: see [`Schedule::fire`].
    Triggered,
    Active(Undo),
    Done,
}

#[derive(Debug)]
struct Entry {
    timed: TimedFault,
    stage: Stage,
    /// Who hit its mark.
    here: Option<HostId>,
}

impl Entry {
    fn new(timed: TimedFault) -> Entry {
        let stage = match timed.mark() {
            Some(_) => Stage::Triggered,
            None => Stage::Waiting(timed.at_ms.saturating_mul(NS_PER_MS)),
        };
        Entry { timed, stage, here: None }
    }

    fn until_ns(&self) -> Option<u64> {
        self.timed.until_ms.map(|until_ms| until_ms.saturating_mul(NS_PER_MS))
    }

    fn next_ns(&self) -> Option<u64> {
        let first = |next_ms: u64| {
            let next_ns = next_ms.saturating_mul(NS_PER_MS);
            Some(self.until_ns().map_or(next_ns, |until_ns| until_ns.min(next_ns)))
        };
        match &self.stage {
            Stage::Waiting(at_ns) => Some(*at_ns),
            Stage::Active(Undo::Rolling { next_ms, .. }) => first(*next_ms),
            Stage::Active(Undo::Clock(_, clocks::Undo::Jumping { next_ms, .. })) => first(*next_ms),
            Stage::Active(Undo::Down(_, until_ns)) => Some(*until_ns),
            Stage::Triggered | Stage::Active(_) => self.until_ns(),
            Stage::Done => None,
        }
    }

    fn is_over(&self, now_ns: u64) -> bool {
        self.until_ns().is_some_and(|until_ns| until_ns <= now_ns)
    }
}

/// Faults with their times. Give it the world once per step, or whenever [`Schedule::next_ns`] is
/// due.
#[derive(Debug)]
pub struct Schedule {
    entries: Vec<Entry>,
    /// How many faults hold each host down.
    down: BTreeMap<HostId, u32>,
    amnesia: Amnesia,
    upgrades: Upgrades,
    own_faults: OwnFaults,
    /// Whether everybody whom its faults name exists.
    is_checked: bool,
}

impl Schedule {
    /// A schedule of which nothing has happened yet.
    pub fn new(faults: Vec<TimedFault>) -> Schedule {
        let amnesia = Amnesia::new(&faults);
        Schedule {
            entries: faults.into_iter().map(Entry::new).collect(),
            down: BTreeMap::new(),
            amnesia,
            upgrades: Upgrades::default(),
            own_faults: OwnFaults::default(),
            is_checked: false,
        }
    }

    /// With which settings servers start again, once the schedule has changed them.
    pub fn upgrades(&self) -> Upgrades {
        self.upgrades.clone()
    }

    /// Which faults of the system's own kinds are in force.
    pub fn own_faults(&self) -> OwnFaults {
        self.own_faults.clone()
    }

    /// When the next fault begins, goes on or ends, in nanoseconds since the start of the run; none
    /// if nothing is left to do by time.
    pub fn next_ns(&self) -> Option<u64> {
        let faults = self.entries.iter().filter_map(Entry::next_ns);
        faults.chain(self.amnesia.next_ns()).min()
    }

    /// The mark that a fault waits for was hit by `host`: it strikes at `at_ns`.
    pub fn fire(&mut self, fault: usize, host: HostId, at_ns: u64) {
        let entry = &mut self.entries[fault];
        if matches!(entry.stage, Stage::Triggered) {
            // Who is struck without delay is as good as dead: that comes before all that is due.
            let is_exact = entry.timed.mark().is_some_and(|target| target.after_us == 0);
            entry.stage = Stage::Waiting(if is_exact { 0 } else { at_ns });
            entry.here = Some(host);
        }
    }

    /// Does what is due by the world's time, in the order of time, then of the schedule. `standing` is
    /// asked when a fault strikes someone who is not named.
    ///
    /// # Errors
    /// What a killed program owned panicked; or, the first time, a fault names nobody: who is not there by
    /// then never comes, and its faults would strike nobody in silence.
    pub fn advance<S: World>(
        &mut self,
        world: &mut S,
        standing: &mut dyn FnMut(&S) -> Standing,
    ) -> Result<Vec<Applied>, RunPanic> {
        if !std::mem::replace(&mut self.is_checked, true) {
            self.check(world, &standing(world))?;
        }
        let mut applied = self.tend(world, standing)?;
        let now_ns = world.elapsed_ns();
        loop {
            let due = |entry: &Entry| entry.next_ns().filter(|next_ns| *next_ns <= now_ns);
            let times = self.entries.iter().enumerate();
            let next = times.filter_map(|(index, entry)| Some((due(entry)?, index))).min();
            let Some((_, index)) = next else { return Ok(applied) };
            match self.instead(index, world, standing) {
                Some(stage) => self.entries[index].stage = stage,
                None => applied.push(self.advance_one(index, world, standing)?),
            }
        }
    }

    /// Whether everybody whom faults name is a host of the world, or a role that somebody can play.
    fn check<S: World>(&self, world: &S, standing: &Standing) -> Result<(), RunPanic> {
        let is_known = |name: &str| world.find(name).is_some() || standing.players(name).is_some();
        for (number, entry) in self.entries.iter().enumerate() {
            let mut unknown = None;
            entry.timed.fault.for_targets(&mut |field, target| {
                if let Target::Named(name) = target
                    && !is_known(name)
                {
                    unknown.get_or_insert((field, name));
                }
            });
            let Some((field, name)) = unknown else { continue };
            let mut hosts: Vec<String> =
                world.hosts().into_iter().map(|host| world.name(host)).collect();
            hosts.extend(standing.castings.iter().map(|casting| casting.role.to_owned()));
            let expected = hosts.join(", ");
            let message = format!(
                "faults[{number}].{field}: there is no host or role `{name}`, expected one of {expected}"
            );
            return Err(RunPanic {
                host: None,
                host_name: None,
                at_ns: world.elapsed_ns(),
                message,
            });
        }
        Ok(())
    }

    /// What comes of a fault that is due to strike and may not yet; none of any other.
    fn instead<S: World>(
        &self,
        index: usize,
        world: &S,
        standing: &mut dyn FnMut(&S) -> Standing,
    ) -> Option<Stage> {
        let now_ns = world.elapsed_ns();
        let entry = &self.entries[index];
        let Entry { timed: TimedFault { fault, .. }, stage: Stage::Waiting(_), here } = entry
        else {
            return None;
        };
        let is_over = entry.is_over(now_ns);
        let later = Stage::Waiting(now_ns + NS_PER_MS);
        if !self.may_begin(index, fault, world, standing) {
            return Some(if is_over { Stage::Done } else { later });
        }
        let awaited = fault.target().filter(|target| matches!(target, Target::Since(..)))?;
        let is_there = !resolve(world, standing, *here, std::slice::from_ref(awaited)).is_empty();
        (!is_there && !is_over).then_some(later)
    }

    /// Ends every fault, those to come too.
    ///
    /// # Errors
    /// As [`Schedule::advance`].
    pub fn finish<S: World>(&mut self, world: &mut S) -> Result<Vec<Applied>, RunPanic> {
        let mut applied = Vec::new();
        for index in 0..self.entries.len() {
            match std::mem::replace(&mut self.entries[index].stage, Stage::Done) {
                Stage::Active(undo) => applied.push(self.undo(index, undo, world)?),
                Stage::Waiting(_) | Stage::Triggered | Stage::Done => {}
            }
        }
        Ok(applied)
    }

    fn advance_one<S: World>(
        &mut self,
        index: usize,
        world: &mut S,
        standing: &mut dyn FnMut(&S) -> Standing,
    ) -> Result<Applied, RunPanic> {
        let at_ns = world.elapsed_ns();
        let timed = self.entries[index].timed.clone();
        let (is_over, here) = (self.entries[index].is_over(at_ns), self.entries[index].here);
        let began =
            |hosts| Applied { at_ns, index, began: true, hosts, links: Vec::new(), forgot: None };
        match std::mem::replace(&mut self.entries[index].stage, Stage::Done) {
            Stage::Active(undo @ Undo::Rolling { .. }) if !is_over => {
                let (stage, hosts) = self.roll_on(&timed.fault, undo, world, standing)?;
                self.entries[index].stage = stage;
                Ok(began(hosts))
            }
            Stage::Active(Undo::Clock(host, clocks::Undo::Jumping { off_ms, .. })) if !is_over => {
                let undo = Undo::Clock(host, clocks::jump(&timed.fault, host, off_ms, world));
                self.entries[index].stage = Stage::Active(undo);
                Ok(began(vec![host]))
            }
            Stage::Active(Undo::Armed(host, id)) => {
                self.discharge(index, host, id, world, standing)
            }
            Stage::Active(undo) => self.undo(index, undo, world),
            Stage::Waiting(_) => {
                let can_tell = standing(world).copies.is_some();
                let who =
                    &mut |world: &S, targets: &[Target]| resolve(world, standing, here, targets);
                let (undo, hosts) = self.strike(index, &timed.fault, world, can_tell, who)?;
                let links = match &undo {
                    Undo::Links(undo) => undo.links().to_vec(),
                    _ => Vec::new(),
                };
                self.entries[index].stage = Stage::Active(undo);
                let forgot = Forgot::by(&timed.fault).filter(|_| !hosts.is_empty());
                Ok(Applied { forgot, links, ..began(hosts) })
            }
            // Nobody has hit its mark.
            Stage::Triggered => Ok(Applied { began: false, ..began(Vec::new()) }),
            Stage::Done => unreachable!("what is done is never due"),
        }
    }

    fn strike<S: World>(
        &mut self,
        index: usize,
        fault: &Fault,
        world: &mut S,
        can_tell: bool,
        who: &mut dyn FnMut(&S, &[Target]) -> Vec<HostId>,
    ) -> Result<(Undo, Vec<HostId>), RunPanic> {
        let Some(target) = fault.target() else {
            if let Fault::Restart { .. } = fault {
                let next_ms = world.elapsed_ms();
                return Ok((Undo::Rolling { down: None, turn: 0, next_ms }, Vec::new()));
            }
            let undo = links::begin(fault, world, who);
            let hosts = undo.hosts();
            return Ok((Undo::Links(undo), hosts));
        };
        let Some(host) = who(world, std::slice::from_ref(target)).first().copied() else {
            return Ok((Undo::Nothing, Vec::new()));
        };
        let undo = match fault {
            Fault::Crash { .. } => {
                self.take_down(world, host, How::Kill)?;
                Undo::Start(host)
            }
            Fault::PowerLoss { .. } => {
                self.take_down(world, host, How::PowerLoss)?;
                Undo::Start(host)
            }
            Fault::Rot { .. } if can_tell => {
                self.rot(index, fault, host, world)?;
                Undo::Start(host)
            }
            Fault::Wipe { .. } | Fault::Restore { .. } | Fault::Rot { .. } => {
                self.forget(index, fault, host, world)?;
                Undo::Start(host)
            }
            Fault::Pause { .. } => {
                world.pause(host);
                Undo::Resume(host)
            }
            Fault::ClockOffset { .. } | Fault::ClockDrift { .. } | Fault::ClockJump { .. } => {
                Undo::Clock(host, clocks::begin(fault, host, world))
            }
            Fault::Own { name, amount, .. } => {
                self.own_faults.begin(index, host, name, *amount);
                Undo::Own(host)
            }
            _ => {
                let id = world.add_disk_fault(host, disks::begin(fault));
                match Forgot::by_writes(fault) {
                    Some(_) => Undo::Armed(host, id),
                    None => Undo::Disk(host, id),
                }
            }
        };
        Ok((undo, vec![host]))
    }

    fn undo<S: World>(
        &mut self,
        index: usize,
        undo: Undo,
        world: &mut S,
    ) -> Result<Applied, RunPanic> {
        let hosts = match undo {
            Undo::Links(undo) => undo.end(world, index),
            Undo::Start(host) | Undo::Down(host, _) => {
                self.let_up(world, host)?;
                vec![host]
            }
            Undo::Rolling { down, .. } => {
                if let Some(host) = down {
                    self.let_up(world, host)?;
                }
                down.into_iter().collect()
            }
            Undo::Resume(host) => {
                world.resume(host);
                vec![host]
            }
            Undo::Disk(host, id) => {
                world.remove_disk_fault(host, id);
                vec![host]
            }
            Undo::Armed(host, id) => {
                disks::disarm(world, host, id);
                vec![host]
            }
            Undo::Clock(host, undo) => {
                undo.end(host, world);
                vec![host]
            }
            Undo::Own(host) => {
                self.own_faults.end(index, host);
                vec![host]
            }
            Undo::Nothing => Vec::new(),
        };
        let (at_ns, links) = (world.elapsed_ns(), Vec::new());
        Ok(Applied { at_ns, index, began: false, hosts, links, forgot: None })
    }
}

/// The hosts that targets stand for, each once; `here` is who hit the mark of a fault that waited.
/// Who does not exist is left out.
fn resolve<S: World>(
    world: &S,
    standing: &mut dyn FnMut(&S) -> Standing,
    here: Option<HostId>,
    targets: &[Target],
) -> Vec<HostId> {
    let mut hosts = Vec::new();
    for target in targets {
        let host = match target {
            Target::Named(name) => match standing(world).players(name) {
                Some(players) => players.first().map(|(host, _)| *host),
                None => world.find(name),
            },
            Target::Nth(role, index) => {
                let now = standing(world);
                let players = now.players(role).unwrap_or_default();
                let count = players.len().max(1) as u64;
                players.get((index % count) as usize).map(|(host, _)| *host)
            }
            Target::Since(role, after_ms) => {
                let now = standing(world);
                let mut players = now.players(role).unwrap_or_default().iter();
                players.find(|(_, since_ms)| since_ms >= after_ms).map(|(host, _)| *host)
            }
            Target::Mark(_) | Target::Here => here,
        };
        hosts.extend(host.filter(|host| !hosts.contains(host)));
    }
    hosts
}
