//! Faults that take programs and machines down, and let them up again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Schedule, Stage, Standing, Undo, resolve};
use crate::HostId;
use crate::RunPanic;
use crate::World;
use crate::disk::Disk;
use crate::fault::{Fault, Settings};

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

/// With which settings hosts start, as far as they were changed: a rolling upgrade changes them one
/// host after the other. The world is single-threaded; the lock is for the compiler.
#[derive(Clone, Debug, Default)]
pub struct Upgrades(Arc<Mutex<BTreeMap<HostId, Settings>>>);

impl Upgrades {
    /// Which settings a host starts with now that are not those of the plan.
    pub fn of(&self, host: HostId) -> Settings {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&host).cloned().unwrap_or_default()
    }

    fn change(&self, host: HostId, settings: &Settings) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = settings.iter().map(|(name, value)| (name.clone(), *value));
        all.entry(host).or_default().extend(changed);
    }
}

impl Schedule {
    /// The next turn of a rolling restart: starts who is down, or kills the next.
    pub(super) fn roll_on<S: World>(
        &mut self,
        fault: &Fault,
        undo: Undo,
        world: &mut S,
        standing: &mut dyn FnMut(&S) -> Standing,
    ) -> Result<(Stage, Vec<HostId>), RunPanic> {
        let (
            Fault::Restart { targets, down_ms, gap_ms, settings },
            Undo::Rolling { down, turn, .. },
        ) = (fault, undo)
        else {
            unreachable!("only a rolling restart rolls on");
        };
        let now_ms = world.elapsed_ms();
        if let Some(host) = down {
            self.let_up(world, host)?;
            let next_ms = now_ms.saturating_add(*gap_ms);
            let is_last = turn == targets.len();
            let rolling = Stage::Active(Undo::Rolling { down: None, turn, next_ms });
            return Ok((if is_last { Stage::Done } else { rolling }, vec![host]));
        }
        let Some(target) = targets.get(turn) else { return Ok((Stage::Done, vec![])) };
        let host = resolve(world, standing, None, std::slice::from_ref(target)).first().copied();
        if let Some(host) = host {
            self.take_down(world, host, How::Kill)?;
            self.upgrades.change(host, settings);
        }
        let next_ms = now_ms.saturating_add(*down_ms);
        let rolling = Undo::Rolling { down: host, turn: turn + 1, next_ms };
        Ok((Stage::Active(rolling), host.into_iter().collect()))
    }

    /// Holds a host down once more.
    pub(super) fn take_down<S: World>(
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
    pub(super) fn let_up<S: World>(&mut self, world: &mut S, host: HostId) -> Result<(), RunPanic> {
        let count = self.down.get_mut(&host).expect("who is let up was taken down");
        *count -= 1;
        if *count > 0 {
            return Ok(());
        }
        self.down.remove(&host);
        world.restart(host)
    }
}
