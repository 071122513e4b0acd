//! Strikes a world with faults at their times, and takes them back.
//!
//! Faults may overlap: a host that two faults hold down starts when the later one ends, blocks of a
//! link and shifts of a clock add up.

use std::collections::BTreeMap;

use super::{Fault, Target, TimedFault};
use crate::clock::Clock;
use crate::disk::{DiskFault, DiskFaultId, EIO, ENOSPC, OpKind};
use crate::shared::HostId;
use crate::simulation::Simulation;
use crate::task::RunPanic;

const NS_PER_MS: u64 = 1_000_000;

/// Who is who at a moment, as the caller knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// The leader, if there is one.
    pub leader: Option<HostId>,
    /// The followers, in a stable order.
    pub followers: Vec<HostId>,
    /// Who is being synchronised by a leader, and for how long, in milliseconds; in a stable order.
    pub learners: Vec<(HostId, u64)>,
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
}

/// How to take a fault back.
#[derive(Debug)]
enum Undo {
    /// Directed links, each to be unblocked, and with what probability connections are reset.
    Links(Vec<(HostId, HostId)>, f64),
    Start(HostId),
    Resume(HostId),
    Disk(HostId, DiskFaultId),
    SlowLinks(Vec<(HostId, HostId)>, u32),
    Clock(HostId, i64),
    Drift {
        host: HostId,
        clock: Clock,
        ppm: i64,
        since_ns: u64,
    },
    /// A wall clock that jumps: by how much it is off, and when it jumps again.
    Jumping {
        host: HostId,
        off_ms: i64,
        next_ms: u64,
    },
    /// A rolling restart: who is down, the next turn and its time.
    Rolling {
        down: Option<HostId>,
        turn: usize,
        next_ms: u64,
    },
    Nothing,
}

#[derive(Debug)]
enum Stage {
    /// Strikes at this moment, in nanoseconds, if its target is there by then.
    Waiting(u64),
    /// Waits for its mark to be hit: see [`Schedule::spring`].
    Snare,
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
    fn until_ns(&self) -> Option<u64> {
        self.timed.until_ms.map(|until_ms| until_ms.saturating_mul(NS_PER_MS))
    }

    fn next_ns(&self) -> Option<u64> {
        match &self.stage {
            Stage::Waiting(at_ns) => Some(*at_ns),
            Stage::Active(Undo::Rolling { next_ms, .. } | Undo::Jumping { next_ms, .. }) => {
                let next_ns = next_ms.saturating_mul(NS_PER_MS);
                Some(self.until_ns().map_or(next_ns, |until_ns| until_ns.min(next_ns)))
            }
            Stage::Snare | Stage::Active(_) => self.until_ns(),
            Stage::Done => None,
        }
    }
}

/// Faults with their times. Give it the world once per step, or whenever [`Schedule::next_ns`] is
/// due.
#[derive(Debug)]
pub struct Schedule {
    entries: Vec<Entry>,
    /// How many faults hold each host down.
    down: BTreeMap<HostId, u32>,
}

impl Schedule {
    /// A schedule of which nothing has happened yet.
    pub fn new(faults: Vec<TimedFault>) -> Schedule {
        let entry = |timed: TimedFault| {
            let stage = match timed.mark() {
                Some(_) => Stage::Snare,
                None => Stage::Waiting(timed.at_ms.saturating_mul(NS_PER_MS)),
            };
            Entry { timed, stage, here: None }
        };
        Schedule { entries: faults.into_iter().map(entry).collect(), down: BTreeMap::new() }
    }

    /// When the next fault begins, goes on or ends, in nanoseconds since the start of the run; none
    /// if nothing is left to do by time.
    pub fn next_ns(&self) -> Option<u64> {
        self.entries.iter().filter_map(Entry::next_ns).min()
    }

    /// The mark that a fault waits for was hit by `host`: it strikes at `at_ns`.
    pub fn spring(&mut self, fault: usize, host: HostId, at_ns: u64) {
        let entry = &mut self.entries[fault];
        if matches!(entry.stage, Stage::Snare) {
            entry.stage = Stage::Waiting(at_ns);
            entry.here = Some(host);
        }
    }

    /// Does what is due by the world's time, in the order of time, then of the schedule. `roles` is
    /// asked when a fault strikes someone who is not named.
    ///
    /// # Errors
    /// What a killed program owned panicked.
    pub fn advance<S: Simulation>(
        &mut self,
        world: &mut S,
        roles: &mut dyn FnMut(&S) -> Roles,
    ) -> Result<Vec<Applied>, RunPanic> {
        let mut applied = Vec::new();
        let now_ns = world.elapsed_ns();
        loop {
            let due = |entry: &Entry| entry.next_ns().filter(|next_ns| *next_ns <= now_ns);
            let times = self.entries.iter().enumerate();
            let next = times.filter_map(|(index, entry)| Some((due(entry)?, index))).min();
            let Some((_, index)) = next else { return Ok(applied) };
            if let Some(target) = self.awaited(index, now_ns)
                && resolve(world, roles, None, std::slice::from_ref(target)).is_empty()
            {
                self.entries[index].stage = Stage::Waiting(now_ns + NS_PER_MS);
                continue;
            }
            applied.push(self.advance_one(index, world, roles)?);
        }
    }

    /// Whom a fault that has not struck waits for; none if it strikes at once, or its time is over.
    fn awaited(&self, index: usize, now_ns: u64) -> Option<&Target> {
        let entry = &self.entries[index];
        let Stage::Waiting(_) = &entry.stage else { return None };
        let is_over = entry.until_ns().is_some_and(|until_ns| until_ns <= now_ns);
        entry.timed.fault.target().filter(|target| matches!(target, Target::Learner(_)) && !is_over)
    }

    /// Ends every fault, those to come too.
    ///
    /// # Errors
    /// As [`Schedule::advance`].
    pub fn finish<S: Simulation>(&mut self, world: &mut S) -> Result<Vec<Applied>, RunPanic> {
        let mut applied = Vec::new();
        for index in 0..self.entries.len() {
            match std::mem::replace(&mut self.entries[index].stage, Stage::Done) {
                Stage::Active(undo) => applied.push(self.undo(index, undo, world)?),
                Stage::Waiting(_) | Stage::Snare | Stage::Done => {}
            }
        }
        Ok(applied)
    }

    fn advance_one<S: Simulation>(
        &mut self,
        index: usize,
        world: &mut S,
        roles: &mut dyn FnMut(&S) -> Roles,
    ) -> Result<Applied, RunPanic> {
        let now_ns = world.elapsed_ns();
        let timed = self.entries[index].timed.clone();
        let is_over = self.entries[index].until_ns().is_some_and(|until_ns| until_ns <= now_ns);
        let here = self.entries[index].here;
        match std::mem::replace(&mut self.entries[index].stage, Stage::Done) {
            Stage::Active(undo @ Undo::Rolling { .. }) if !is_over => {
                let (stage, hosts) = self.roll_on(&timed.fault, undo, world, roles)?;
                self.entries[index].stage = stage;
                Ok(Applied { at_ns: now_ns, index, began: true, hosts })
            }
            Stage::Active(Undo::Jumping { host, off_ms, .. }) if !is_over => {
                let undo = jump(&timed.fault, host, off_ms, world);
                self.entries[index].stage = Stage::Active(undo);
                Ok(Applied { at_ns: now_ns, index, began: true, hosts: vec![host] })
            }
            Stage::Active(undo) => self.undo(index, undo, world),
            Stage::Waiting(_) => {
                let who = &mut |world: &S, targets: &[Target]| resolve(world, roles, here, targets);
                let (undo, hosts) = self.strike(&timed.fault, world, who)?;
                self.entries[index].stage = Stage::Active(undo);
                Ok(Applied { at_ns: now_ns, index, began: true, hosts })
            }
            // Nobody has hit its mark.
            Stage::Snare => Ok(Applied { at_ns: now_ns, index, began: false, hosts: vec![] }),
            Stage::Done => unreachable!("what is done is never due"),
        }
    }

    fn strike<S: Simulation>(
        &mut self,
        fault: &Fault,
        world: &mut S,
        who: &mut dyn FnMut(&S, &[Target]) -> Vec<HostId>,
    ) -> Result<(Undo, Vec<HostId>), RunPanic> {
        let mut one =
            |world: &S, target: &Target| who(world, std::slice::from_ref(target)).first().copied();
        let error =
            |kinds: &[OpKind], errno, nth| DiskFault::Error { kinds: kinds.to_vec(), errno, nth };
        let (target, disk_fault) = match fault {
            Fault::Partition { .. } | Fault::OneWay { .. } | Fault::IsolateLeader { .. } => {
                return Ok(cut(fault, world, who));
            }
            Fault::SlowLink { from, to, extra_ms } => {
                let links = pairs(&who(world, from), &who(world, to));
                for &(a, b) in &links {
                    world.slow_link(a, b, i64::from(*extra_ms));
                }
                let hosts = ends(&links);
                return Ok((Undo::SlowLinks(links, *extra_ms), hosts));
            }
            Fault::Restart { .. } => {
                let next_ms = world.elapsed_ms();
                return Ok((Undo::Rolling { down: None, turn: 0, next_ms }, Vec::new()));
            }
            Fault::Crash { target } | Fault::PowerLoss { target } => {
                let Some(host) = one(world, target) else { return Ok((Undo::Nothing, vec![])) };
                let is_power_loss = matches!(fault, Fault::PowerLoss { .. });
                self.take_down(world, host, is_power_loss)?;
                return Ok((Undo::Start(host), vec![host]));
            }
            Fault::Pause { target } => {
                let Some(host) = one(world, target) else { return Ok((Undo::Nothing, vec![])) };
                world.pause(host);
                return Ok((Undo::Resume(host), vec![host]));
            }
            Fault::ClockOffset { target, offset_ms } => {
                let Some(host) = one(world, target) else { return Ok((Undo::Nothing, vec![])) };
                world.shift_clock(host, *offset_ms);
                return Ok((Undo::Clock(host, *offset_ms), vec![host]));
            }
            Fault::ClockDrift { target, ppm, of } => {
                let Some(host) = one(world, target) else { return Ok((Undo::Nothing, vec![])) };
                world.drift_clock(host, *of, *ppm);
                let (clock, ppm, since_ns) = (*of, *ppm, world.elapsed_ns());
                return Ok((Undo::Drift { host, clock, ppm, since_ns }, vec![host]));
            }
            Fault::ClockJump { target, .. } => {
                let Some(host) = one(world, target) else { return Ok((Undo::Nothing, vec![])) };
                return Ok((jump(fault, host, 0, world), vec![host]));
            }
            Fault::SlowDisk { target, factor: 0 } => (target, DiskFault::Stall),
            Fault::SlowDisk { target, factor } => (target, DiskFault::Slow { factor: *factor }),
            Fault::Eio { target, op, nth } => (target, error(&[*op], EIO, *nth)),
            Fault::Enospc { target } => {
                (target, error(&[OpKind::Write, OpKind::Create], ENOSPC, None))
            }
            Fault::FsyncFail { target } => (target, error(&[OpKind::Sync], EIO, Some(1))),
        };
        let Some(host) = one(world, target) else { return Ok((Undo::Nothing, vec![])) };
        let id = world.add_disk_fault(host, disk_fault);
        Ok((Undo::Disk(host, id), vec![host]))
    }

    /// The next turn of a rolling restart: starts who is down, or kills the next.
    fn roll_on<S: Simulation>(
        &mut self,
        fault: &Fault,
        undo: Undo,
        world: &mut S,
        roles: &mut dyn FnMut(&S) -> Roles,
    ) -> Result<(Stage, Vec<HostId>), RunPanic> {
        let (Fault::Restart { targets, down_ms, gap_ms }, Undo::Rolling { down, turn, .. }) =
            (fault, undo)
        else {
            unreachable!("only a rolling restart rolls on");
        };
        let now_ms = world.elapsed_ms();
        if let Some(host) = down {
            self.let_up(world, host)?;
            let next_ms = now_ms + gap_ms;
            let is_last = turn == targets.len();
            let rolling = Stage::Active(Undo::Rolling { down: None, turn, next_ms });
            return Ok((if is_last { Stage::Done } else { rolling }, vec![host]));
        }
        let Some(target) = targets.get(turn) else { return Ok((Stage::Done, vec![])) };
        let host = resolve(world, roles, None, std::slice::from_ref(target)).first().copied();
        if let Some(host) = host {
            self.take_down(world, host, false)?;
        }
        let next_ms = now_ms + down_ms;
        let rolling = Undo::Rolling { down: host, turn: turn + 1, next_ms };
        Ok((Stage::Active(rolling), host.into_iter().collect()))
    }

    fn undo<S: Simulation>(
        &mut self,
        index: usize,
        undo: Undo,
        world: &mut S,
    ) -> Result<Applied, RunPanic> {
        let hosts = match undo {
            Undo::Links(links, reset_on_heal) => {
                for &(from, to) in &links {
                    world.heal_one_way(&[from], &[to]);
                }
                reset_across(world, &links, reset_on_heal, index);
                ends(&links)
            }
            Undo::Start(host) => {
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
            Undo::SlowLinks(links, extra_ms) => {
                for &(a, b) in &links {
                    world.slow_link(a, b, -i64::from(extra_ms));
                }
                ends(&links)
            }
            Undo::Clock(host, offset_ms) => {
                world.shift_clock(host, offset_ms.saturating_neg());
                vec![host]
            }
            Undo::Drift { host, clock, ppm, since_ns } => {
                world.end_clock_drift(host, clock, ppm, since_ns);
                vec![host]
            }
            Undo::Jumping { host, off_ms, .. } => {
                world.shift_clock(host, off_ms.saturating_neg());
                vec![host]
            }
            Undo::Nothing => Vec::new(),
        };
        Ok(Applied { at_ns: world.elapsed_ns(), index, began: false, hosts })
    }

    fn take_down<S: Simulation>(
        &mut self,
        world: &mut S,
        host: HostId,
        is_power_loss: bool,
    ) -> Result<(), RunPanic> {
        *self.down.entry(host).or_default() += 1;
        match is_power_loss {
            true => world.power_loss(host),
            false if world.is_running(host) => world.crash(host),
            false => Ok(()),
        }
    }

    fn let_up<S: Simulation>(&mut self, world: &mut S, host: HostId) -> Result<(), RunPanic> {
        let count = self.down.get_mut(&host).expect("who is let up was taken down");
        *count -= 1;
        if *count > 0 {
            return Ok(());
        }
        self.down.remove(&host);
        world.restart(host)
    }
}

/// The next jump of a wall clock that is off by `off_ms`: away from the right time or back to it.
fn jump<S: Simulation>(fault: &Fault, host: HostId, off_ms: i64, world: &mut S) -> Undo {
    let Fault::ClockJump { by_ms, every_ms, .. } = fault else {
        unreachable!("only a fault that jumps jumps again");
    };
    let off_after_ms = if off_ms == 0 { *by_ms } else { 0 };
    world.shift_clock(host, off_after_ms.saturating_sub(off_ms));
    // Two jumps in one moment would never let time pass.
    let next_ms = every_ms.map_or(u64::MAX, |every_ms| world.elapsed_ms() + every_ms.max(1));
    Undo::Jumping { host, off_ms: off_after_ms, next_ms }
}

/// Blocks links.
fn cut<S: Simulation>(
    fault: &Fault,
    world: &mut S,
    who: &mut dyn FnMut(&S, &[Target]) -> Vec<HostId>,
) -> (Undo, Vec<HostId>) {
    let mut links = Vec::new();
    let reset_on_heal = match fault {
        Fault::Partition { sides, reset_on_heal } => {
            let sides: Vec<Vec<HostId>> = sides.iter().map(|side| who(world, side)).collect();
            for (n, side) in sides.iter().enumerate() {
                let others = sides.iter().enumerate().filter(|(other, _)| *other != n);
                others.for_each(|(_, other)| links.extend(pairs(side, other)));
            }
            *reset_on_heal
        }
        Fault::OneWay { from, to, reset_on_heal } => {
            links = pairs(&who(world, from), &who(world, to));
            *reset_on_heal
        }
        Fault::IsolateLeader { reset_on_heal } => {
            let leader = who(world, &[Target::Leader]);
            let others: Vec<HostId> =
                world.hosts().into_iter().filter(|host| !leader.contains(host)).collect();
            links = pairs(&leader, &others);
            links.extend(pairs(&others, &leader));
            *reset_on_heal
        }
        other => unreachable!("{other:?} cuts no link"),
    };
    for &(from, to) in &links {
        world.one_way(&[from], &[to]);
    }
    let hosts = ends(&links);
    (Undo::Links(links, reset_on_heal), hosts)
}

fn reset_across<S: Simulation>(
    world: &mut S,
    links: &[(HostId, HostId)],
    probability: f64,
    index: usize,
) {
    if probability <= 0.0 {
        return;
    }
    let mut undirected: Vec<(HostId, HostId)> =
        links.iter().map(|&(a, b)| (a.min(b), a.max(b))).collect();
    undirected.sort_unstable();
    undirected.dedup();
    for (n, (a, b)) in undirected.into_iter().enumerate() {
        let stream = (index as u64) << 32 | n as u64;
        world.reset_connections(&[a], &[b], probability, stream);
    }
}

/// The hosts that targets stand for, each once; `here` is who hit the mark of a fault that waited. Who does not exist is left out.
fn resolve<S: Simulation>(
    world: &S,
    roles: &mut dyn FnMut(&S) -> Roles,
    here: Option<HostId>,
    targets: &[Target],
) -> Vec<HostId> {
    let mut hosts = Vec::new();
    for target in targets {
        let host = match target {
            Target::Host(name) => world.find(name),
            Target::Leader => roles(world).leader,
            Target::RandomFollower(index) => {
                let followers = roles(world).followers;
                let count = followers.len().max(1) as u64;
                followers.get((index % count) as usize).copied()
            }
            Target::Learner(after_ms) => {
                let mut learners = roles(world).learners.into_iter();
                learners.find(|(_, since_ms)| since_ms >= after_ms).map(|(host, _)| host)
            }
            Target::Mark(_) => here,
        };
        hosts.extend(host.filter(|host| !hosts.contains(host)));
    }
    hosts
}

fn pairs(from: &[HostId], to: &[HostId]) -> Vec<(HostId, HostId)> {
    let all = from.iter().flat_map(|&from| to.iter().map(move |&to| (from, to)));
    all.filter(|(from, to)| from != to).collect()
}

fn ends(links: &[(HostId, HostId)]) -> Vec<HostId> {
    let mut hosts: Vec<HostId> = links.iter().flat_map(|&(a, b)| [a, b]).collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}
