//! When a server may forget: the fault atlas at run time.
//!
//! A protocol of consensus takes for granted that a server keeps what it has acknowledged (for ZAB: DSN
//! 2011, section II, servers recover with their stable storage). So a server forgets only when nothing
//! is lost by it:
//!
//! - the system says that it is expendable: all that it knows is known to servers that serve, so that it
//!   could be replaced by a new one;
//! - no other fault that may part or stop servers lasts;
//! - until it has served again, no such fault begins: it waits, or, once its time is over, never
//!   comes.
//!
//! ```text
//!               may forget                       serves again
//!   remembers ─────────────► down, forgets ──────────────────────► remembers
//!                                 │                                    ▲
//!                                 │ starts, finds damage, gives up     │
//!                                 ▼              nothing is lost by it │
//!                              refuses ──────────► disk wiped, starts ─┘
//! ```
//!
//! Damage that a server can tell is another matter (Alagappan and others, "Protocol-Aware Recovery for
//! Consensus-Based Storage", FAST 2018): where a system says so ([`Standing::copies`]), bits rot at any server at any
//! time, also at several, while others are away or parted, as long as one server whose disk did not rot holds all
//! that was acknowledged, up or down. With less than a majority undamaged a system may stand still; it must
//! lose nothing. Only those sectors rot whose being durable was followed by another sync: of the very last
//! batch of writes nothing can tell that it was there. What no server can tell stays as it was: another disk, an older
//! one, and writes that were acknowledged and never made. And damage waits while a server has forgotten so.
//!
//! Lost and misdirected writes are armed when their fault begins and show when it ends, in a loss of
//! power, if the server may forget at that moment. If not, or if the power goes for another reason
//! before, they are made good: they did not go wrong.
//!
//! A server that finds damage may give up rather than serve it (as the ZooKeeper Administrator's Guide
//! has it, "Troubleshooting": delete the data of the server and restart it). The operator is the
//! schedule, under the same condition. Damage may lie unread for long, in an old snapshot, so that at most a
//! minority of the disks may hold damage at a time.

use std::collections::{BTreeMap, BTreeSet};

use super::process::How;
use super::{Applied, Entry, NS_PER_MS, Schedule, Stage, Standing, Undo, resolve};
use crate::HostId;
use crate::RunPanic;
use crate::World;
use crate::clock::Clock;
use crate::disk::{Disk, DiskFaultId, DiskImage};
use crate::fault::{Fault, Target, TimedFault, disks_in_trouble_max};
use crate::seed::Draws;

/// How often the operator looks after servers with damaged disks, in nanoseconds.
const TEND_EVERY_NS: u64 = 100 * NS_PER_MS;

/// How a server came to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgot {
    /// Its disk is empty.
    Wiped,
    /// Its disk was set back to a backup without damage.
    SetBack,
    /// Its disk is damaged: it may hold less than it did, and what nobody wrote.
    Damaged,
}

impl Forgot {
    /// How a server forgets whom this fault strikes.
    pub(super) fn by(fault: &Fault) -> Option<Forgot> {
        match fault {
            Fault::Wipe { .. } => Some(Forgot::Wiped),
            Fault::Restore { .. } => Some(Forgot::SetBack),
            Fault::Rot { .. } => Some(Forgot::Damaged),
            _ => None,
        }
    }

    /// How a server forgets whose writes went wrong.
    pub(super) fn by_writes(fault: &Fault) -> Option<Forgot> {
        let goes_wrong = matches!(fault, Fault::LostWrite { .. } | Fault::MisdirectedWrite { .. });
        goes_wrong.then_some(Forgot::Damaged)
    }
}

/// Who has forgotten, and what may be damaged.
#[derive(Debug, Default)]
pub(super) struct Amnesia {
    /// Who has forgotten and not served since, and when it went down, in nanoseconds.
    forgetful: Option<(HostId, u64)>,
    /// Whose disk rotted that can tell, and that has not served since; and when, in nanoseconds.
    rotten: BTreeMap<HostId, u64>,
    /// Whose disk may hold damage, and by which fault.
    damaged: BTreeMap<HostId, usize>,
    /// When which fault needs backups that are not taken yet, in nanoseconds.
    to_back_up: BTreeSet<(u64, usize)>,
    /// Backups, by the fault that needs them.
    backups: BTreeMap<usize, BTreeMap<HostId, DiskImage>>,
    tended_ns: u64,
}

impl Amnesia {
    pub(super) fn new(faults: &[TimedFault]) -> Amnesia {
        let taken = |(index, timed): (usize, &TimedFault)| match timed.fault {
            Fault::Restore { taken_ms, .. } => Some((taken_ms.saturating_mul(NS_PER_MS), index)),
            _ => None,
        };
        let to_back_up = faults.iter().enumerate().filter_map(taken).collect();
        Amnesia { to_back_up, ..Amnesia::default() }
    }

    /// When a backup is due, or the operator looks again.
    pub(super) fn next_ns(&self) -> Option<u64> {
        let tend_ns = (!self.damaged.is_empty()).then_some(self.tended_ns + TEND_EVERY_NS);
        let backup_ns = self.to_back_up.first().map(|(at_ns, _)| *at_ns);
        tend_ns.into_iter().chain(backup_ns).min()
    }

    /// Takes the backups that are due, of every server; one of a damaged disk is thrown away, since
    /// bringing it back would be damage and not a way to forget.
    fn back_up<S: World>(&mut self, world: &mut S, standing: &mut dyn FnMut(&S) -> Standing) {
        while let Some(&(at_ns, index)) = self.to_back_up.first()
            && at_ns <= world.elapsed_ns()
        {
            self.to_back_up.pop_first();
            let servers = standing(world).servers;
            let image = |host| {
                let is_sound = !self.damaged.contains_key(&host)
                    && !world.with_disk(host, |disk| disk.has_bad_writes());
                is_sound.then(|| (host, world.with_disk(host, |disk| disk.backup())))
            };
            self.backups.insert(index, servers.into_iter().filter_map(image).collect());
        }
    }
}

impl Schedule {
    /// Whether a fault that is due to strike may.
    pub(super) fn may_begin<S: World>(
        &self,
        index: usize,
        fault: &Fault,
        world: &S,
        standing: &mut dyn FnMut(&S) -> Standing,
    ) -> bool {
        if !fault.is_amnesia() {
            return self.amnesia.forgetful.is_none() || !disrupts(fault, world, &standing(world));
        }
        let Some(target) = fault.target() else { return false };
        let here = self.entries[index].here;
        let hosts = resolve(world, standing, here, std::slice::from_ref(target));
        let Some(&host) = hosts.first() else { return false };
        let now = standing(world);
        if let (Fault::Rot { .. }, Some(copies)) = (fault, &now.copies) {
            return self.may_rot(host, copies);
        }
        let has_backup = || self.amnesia.backups.get(&index).is_some_and(|b| b.contains_key(&host));
        if matches!(fault, Fault::Restore { .. }) && !has_backup() {
            return false;
        }
        if fault.corrupts() && !self.may_be_damaged(host, &now) {
            return false;
        }
        match Forgot::by_writes(fault) {
            Some(_) => now.replaceable.contains(&host),
            None => self.may_forget(index, host, world, &now),
        }
    }

    /// Whether a disk may rot whose server can tell: one that holds everything must be left.
    fn may_rot(&self, host: HostId, copies: &[HostId]) -> bool {
        let is_left = |other: &&HostId| **other != host && !self.amnesia.rotten.contains_key(other);
        self.amnesia.forgetful.is_none()
            && !self.amnesia.rotten.contains_key(&host)
            && copies.iter().any(|other| is_left(&other))
    }

    /// Whether a server has forgotten and not served since, so that nothing else may strike servers.
    pub fn is_anyone_forgetful(&self) -> bool {
        self.amnesia.forgetful.is_some()
    }

    /// See the module's head.
    fn may_forget<S: World>(&self, index: usize, host: HostId, world: &S, now: &Standing) -> bool {
        self.amnesia.forgetful.is_none()
            && now.replaceable.contains(&host)
            && self.may_be_lost(index, host, world, now)
    }

    /// Whether nothing is lost with what a server knows, and nothing that lasts may change that.
    fn may_be_lost<S: World>(&self, index: usize, host: HostId, world: &S, now: &Standing) -> bool {
        let is_other = |(other, _): &(usize, &Entry)| *other != index;
        let mut others = self.entries.iter().enumerate().filter(is_other);
        now.expendable.contains(&host)
            && self.amnesia.forgetful.is_none_or(|(forgetful, _)| forgetful == host)
            && !others.any(|(_, entry)| {
                let is_active = matches!(&entry.stage, Stage::Active(undo) if undo.is_felt());
                is_active && disrupts(&entry.timed.fault, world, now)
            })
    }

    /// Only so many of the disks may hold damage.
    fn may_be_damaged(&self, host: HostId, now: &Standing) -> bool {
        let mut damaged: BTreeSet<HostId> = self.amnesia.damaged.keys().copied().collect();
        damaged.insert(host);
        damaged.len() <= disks_in_trouble_max(now.servers.len())
    }

    /// A server goes down, and bits of its disk have flipped that it can miss.
    pub(super) fn rot<S: World>(
        &mut self,
        index: usize,
        fault: &Fault,
        host: HostId,
        world: &mut S,
    ) -> Result<(), RunPanic> {
        let Fault::Rot { file, sectors, .. } = fault else { unreachable!("{fault:?} is no rot") };
        self.amnesia.rotten.insert(host, world.elapsed_ns());
        self.amnesia.damaged.insert(host, index);
        self.take_down(world, host, How::PowerLoss)?;
        let draws = &mut Draws::for_host(world.seed(), "rot", host.0, index as u64);
        world.with_disk(host, |disk| disk.rot_what_was_told(file, *sectors, draws));
        Ok(())
    }

    /// A server goes down and forgets.
    pub(super) fn forget<S: World>(
        &mut self,
        index: usize,
        fault: &Fault,
        host: HostId,
        world: &mut S,
    ) -> Result<(), RunPanic> {
        self.go_down_and_forget(index, host, world, Forgot::by(fault))?;
        match fault {
            Fault::Wipe { .. } => world.with_disk(host, Disk::wipe),
            Fault::Restore { .. } => {
                let images = self.amnesia.backups.remove(&index).unwrap_or_default();
                if let Some(image) = images.get(&host) {
                    world.with_disk(host, |disk| disk.restore(image));
                }
            }
            Fault::Rot { file, sectors, .. } => {
                let draws = &mut Draws::for_host(world.seed(), "rot", host.0, index as u64);
                world.with_disk(host, |disk| disk.rot(file, *sectors, draws));
            }
            other => unreachable!("{other:?} makes nobody forget at once"),
        }
        Ok(())
    }

    /// Writes that went wrong show in a loss of power, or are made good.
    pub(super) fn discharge<S: World>(
        &mut self,
        index: usize,
        host: HostId,
        id: DiskFaultId,
        world: &mut S,
        standing: &mut dyn FnMut(&S) -> Standing,
    ) -> Result<Applied, RunPanic> {
        let at_ns = world.elapsed_ns();
        let fault = self.entries[index].timed.fault.clone();
        let now = standing(world);
        let is_wrong = world.with_disk(host, |disk| disk.has_bad_writes());
        let may_show = self.may_forget(index, host, world, &now) && self.may_be_damaged(host, &now);
        if !is_wrong || !may_show {
            return self.undo(index, Undo::Armed(host, id), world);
        }
        let forgot = Forgot::by_writes(&fault);
        self.go_down_and_forget(index, host, world, forgot)?;
        world.remove_disk_fault(host, id);
        let (Fault::LostWrite { down_ms, .. } | Fault::MisdirectedWrite { down_ms, .. }) = fault
        else {
            unreachable!("only writes are armed");
        };
        let up_ns = at_ns.saturating_add(down_ms.saturating_mul(NS_PER_MS));
        self.entries[index].stage = Stage::Active(Undo::Down(host, up_ns));
        Ok(Applied { at_ns, index, began: true, hosts: vec![host], links: Vec::new(), forgot })
    }

    fn go_down_and_forget<S: World>(
        &mut self,
        index: usize,
        host: HostId,
        world: &mut S,
        forgot: Option<Forgot>,
    ) -> Result<(), RunPanic> {
        self.amnesia.forgetful = Some((host, world.elapsed_ns()));
        match forgot {
            Some(Forgot::Damaged) => {
                self.amnesia.damaged.insert(host, index);
            }
            Some(Forgot::Wiped | Forgot::SetBack) => {
                self.amnesia.damaged.remove(&host);
                self.amnesia.rotten.remove(&host);
            }
            None => {}
        }
        self.take_down(world, host, How::Forget)
    }

    /// What an operator does now and then: a server that gave up because of damage that a fault did
    /// is started anew with an empty disk, once nothing is lost by it. Call it when the faults are
    /// over, too.
    ///
    /// # Errors
    /// As [`Schedule::advance`].
    pub fn tend<S: World>(
        &mut self,
        world: &mut S,
        standing: &mut dyn FnMut(&S) -> Standing,
    ) -> Result<Vec<Applied>, RunPanic> {
        let now_ns = world.elapsed_ns();
        let mut applied = Vec::new();
        self.amnesia.back_up(world, standing);
        if self.amnesia.forgetful.is_none() && self.amnesia.damaged.is_empty() {
            return Ok(applied);
        }
        self.amnesia.tended_ns = now_ns;
        let now = standing(world);
        let down = &self.down;
        self.amnesia.rotten.retain(|host, since_ns| {
            *since_ns == now_ns || down.contains_key(host) || !now.serving.contains(host)
        });
        if let Some((host, since_ns)) = self.amnesia.forgetful
            && since_ns < now_ns
            && !self.down.contains_key(&host)
            && now.serving.contains(&host)
        {
            self.amnesia.forgetful = None;
        }
        for (host, index) in self.amnesia.damaged.clone() {
            let gave_up = now.refusing.contains(&host) && !self.down.contains_key(&host);
            if !gave_up || !self.may_be_lost(index, host, world, &now) {
                continue;
            }
            let forgot = Some(Forgot::Wiped);
            self.go_down_and_forget(index, host, world, forgot)?;
            world.with_disk(host, Disk::wipe);
            self.let_up(world, host)?;
            let (at_ns, hosts, links) = (now_ns, vec![host], Vec::new());
            applied.push(Applied { at_ns, index, began: false, hosts, links, forgot });
        }
        Ok(applied)
    }
}

impl Undo {
    /// Whether the fault has struck anybody so far that he can feel it.
    fn is_felt(&self) -> bool {
        !matches!(self, Undo::Nothing | Undo::Armed(..))
    }
}

/// Whether a fault may part servers, stop one, or make one forget.
fn disrupts<S: World>(fault: &Fault, world: &S, now: &Standing) -> bool {
    // Whoever plays a role is a server.
    let is_server = |target: &Target| match target {
        Target::Named(name) => world.find(name).is_none_or(|host| now.servers.contains(&host)),
        _ => true,
    };
    let has_server = |targets: &[Target]| targets.iter().any(is_server);
    match fault {
        Fault::Partition { sides, .. } => sides.iter().filter(|side| has_server(side)).count() > 1,
        Fault::Isolate { who, .. } => is_server(who),
        Fault::OneWay { from, to, .. }
        | Fault::SlowLink { from, to, .. }
        | Fault::FlakyLink { from, to, .. }
        | Fault::Bandwidth { from, to, .. }
        | Fault::ConnectHang { from, to }
        | Fault::HalfOpen { from, to, .. }
        | Fault::Reset { from, to } => has_server(from) && has_server(to),
        Fault::Restart { targets, .. } => has_server(targets),
        // Servers decide by their monotonic clocks alone.
        Fault::ClockOffset { .. } | Fault::ClockJump { .. } => false,
        Fault::ClockDrift { of: Clock::Wall, .. } => false,
        struck => struck.target().is_none_or(is_server),
    }
}
