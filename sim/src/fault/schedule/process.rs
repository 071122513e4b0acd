//! Faults that take programs and machines down, and let them up again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Roles, Schedule, Stage, Undo, resolve};
use crate::disk::Disk;
use crate::fault::Fault;
use crate::shared::HostId;
use crate::simulation::Simulation;
use crate::task::RunPanic;

/// How a host goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Its program is killed.
    Kill,
    /// Its machine loses power.
    PowerLoss,
    /// Its machine loses power, and writes that went wrong show.
    Forget,
}

/// Settings with which a server starts; none: those that it always had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerSettings {
    /// `snapCount`.
    pub snap_count: Option<u64>,
    /// `commitLogCount`.
    pub commit_log_count: Option<usize>,
}

/// With which settings hosts start, as far as they were changed: a rolling upgrade changes them one
/// host after the other. The world is single-threaded; the lock is for the compiler.
#[derive(Clone, Debug, Default)]
pub struct Upgrades(Arc<Mutex<BTreeMap<HostId, ServerSettings>>>);

impl Upgrades {
    /// With which settings a host starts now.
    pub fn of(&self, host: HostId) -> ServerSettings {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&host).copied().unwrap_or_default()
    }

    fn change(&self, host: HostId, snap_count: Option<u64>, commit_log_count: Option<usize>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = all.entry(host).or_default();
        settings.snap_count = snap_count.or(settings.snap_count);
        settings.commit_log_count = commit_log_count.or(settings.commit_log_count);
    }
}

impl Schedule {
    /// The next turn of a rolling restart: starts who is down, or kills the next.
    pub(super) fn roll_on<S: Simulation>(
        &mut self,
        fault: &Fault,
        undo: Undo,
        world: &mut S,
        roles: &mut dyn FnMut(&S) -> Roles,
    ) -> Result<(Stage, Vec<HostId>), RunPanic> {
        let (
            Fault::Restart { targets, down_ms, gap_ms, snap_count, commit_log_count },
            Undo::Rolling { down, turn, .. },
        ) = (fault, undo)
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
            self.take_down(world, host, How::Kill)?;
            self.upgrades.change(host, *snap_count, *commit_log_count);
        }
        let next_ms = now_ms + down_ms;
        let rolling = Undo::Rolling { down: host, turn: turn + 1, next_ms };
        Ok((Stage::Active(rolling), host.into_iter().collect()))
    }

    /// Holds a host down once more.
    pub(super) fn take_down<S: Simulation>(
        &mut self,
        world: &mut S,
        host: HostId,
        how: How,
    ) -> Result<(), RunPanic> {
        *self.down.entry(host).or_default() += 1;
        match how {
            How::Kill if world.is_running(host) => world.crash(host),
            How::Kill => Ok(()),
            How::PowerLoss => {
                // Only a moment at which nothing is lost by it lets wrong writes show.
                world.with_disk(host, Disk::make_good);
                world.power_loss(host)
            }
            How::Forget => world.power_loss(host),
        }
    }

    /// Holds a host down once less; with the last one it starts.
    pub(super) fn let_up<S: Simulation>(
        &mut self,
        world: &mut S,
        host: HostId,
    ) -> Result<(), RunPanic> {
        let count = self.down.get_mut(&host).expect("who is let up was taken down");
        *count -= 1;
        if *count > 0 {
            return Ok(());
        }
        self.down.remove(&host);
        world.restart(host)
    }
}
