//! Runs that do not go on: a task that never yields holds its run up for ever, and no limit of the run can
//! end it, because nobody in the run is asked.
//!
//! A thread looks at the [`Pulse`] of every run that is under way, and tells when one has stood still for too
//! long. It only looks. The thread of such a run cannot be stopped, so whoever is told keeps the plan and ends
//! the process. Time is counted in looks, not read from a clock: a process that was stopped and goes on
//! has not stood still.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use probe::MarkDeclaration;
use sim::pulse::{self, Last, Pulse};

use crate::plan::Plan;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The runs of this process that are under way, and how many looks one may stand still; none are noted
/// before somebody watches.
static WATCHED: Mutex<Vec<Arc<Watched>>> = Mutex::new(Vec::new());
static LOOKS_MAX: AtomicU64 = AtomicU64::new(0);

/// A run under way.
struct Watched {
    plan: Plan,
    marks: &'static [MarkDeclaration],
    pulse: Arc<Pulse>,
}

/// A run that has stood still for too long.
#[derive(Clone, Debug)]
pub struct Stuck {
    /// What was performed.
    pub plan: Plan,
    /// The host whose task does not yield, if the world says so.
    pub host: Option<String>,
    /// That task: its number in the order of their births.
    pub task: u64,
    /// The last mark that was hit or the last call of a platform, in words.
    pub last: String,
    /// How long it has stood still, by the looks.
    pub stood: Duration,
}

impl Stuck {
    /// What is wrong, in a line that is the same each time.
    pub fn headline(&self) -> String {
        let host = self.host.as_deref().unwrap_or("some host");
        format!("task {} of {host} never yields; the last that happened: {}", self.task, self.last)
    }
}

/// Watches every run of this process from now on, in a thread of its own, which lives as long as the process.
/// A run that stands still for `still_max` is told to `on_stuck`, once. A second call changes nothing but
/// the time: see [`patience`].
pub fn watch(still_max: Duration, mut on_stuck: impl FnMut(Stuck) + Send + 'static) {
    let is_first = LOOKS_MAX.load(Ordering::Relaxed) == 0;
    patience(still_max);
    if !is_first {
        return;
    }
    let look = move || {
        let mut seen: Vec<(Arc<Watched>, u64, u64)> = Vec::new();
        loop {
            std::thread::sleep(LOOK_EVERY);
            look_once(&mut seen, &mut on_stuck);
        }
    };
    #[allow(
        clippy::disallowed_methods,
        reason = "it is no part of any run, and outlives them all"
    )]
    drop(std::thread::spawn(look));
}

/// From now on a run may stand still for so long.
pub fn patience(still_max: Duration) {
    let looks = still_max.as_millis().div_ceil(LOOK_EVERY.as_millis());
    LOOKS_MAX.store(u64::try_from(looks).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
}

/// Compares every run with what was seen of it: its beats, and how many looks ago they changed.
fn look_once(seen: &mut Vec<(Arc<Watched>, u64, u64)>, on_stuck: &mut impl FnMut(Stuck)) {
    let looks_max = LOOKS_MAX.load(Ordering::Relaxed);
    let under_way = WATCHED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    seen.retain(|(run, ..)| under_way.iter().any(|other| Arc::ptr_eq(run, other)));
    for run in under_way {
        let reading = run.pulse.reading();
        let known = seen.iter_mut().find(|(other, ..)| Arc::ptr_eq(other, &run));
        let Some((_, beats, looks)) = known else {
            seen.push((run, reading.beats, 0));
            continue;
        };
        if *beats != reading.beats || !reading.is_running {
            (*beats, *looks) = (reading.beats, 0);
            continue;
        }
        *looks += 1;
        if *looks == looks_max {
            let last = match reading.last {
                Last::Nothing => "nothing".to_owned(),
                Last::Call(words) => words.to_owned(),
                Last::Mark(mark) => {
                    let name = run.marks.get(usize::from(mark)).map_or("unknown", |mark| mark.name);
                    format!("mark {name} was hit")
                }
            };
            on_stuck(Stuck {
                plan: run.plan.clone(),
                host: reading.host,
                task: reading.task,
                last,
                stood: LOOK_EVERY.saturating_mul(u32::try_from(*looks).unwrap_or(u32::MAX)),
            });
        }
    }
}

/// Performs a run that is watched, if anybody watches.
pub(crate) fn watched<R>(
    plan: &Plan,
    marks: &'static [MarkDeclaration],
    perform: impl FnOnce() -> R,
) -> R {
    /// The run is under way until this is dropped.
    struct UnderWay(Arc<Watched>);

    impl Drop for UnderWay {
        fn drop(&mut self) {
            let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
            watched.retain(|other| !Arc::ptr_eq(other, &self.0));
        }
    }

    if LOOKS_MAX.load(Ordering::Relaxed) == 0 {
        return perform();
    }
    let pulse = Arc::new(Pulse::default());
    let run = Arc::new(Watched { plan: plan.clone(), marks, pulse: Arc::clone(&pulse) });
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&run));
    let _under_way = UnderWay(run);
    pulse::shown(&pulse, perform)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::testing::short_plan;

    /// One test, because a process is watched once.
    #[test]
    fn a_run_that_stands_still_is_told_once_and_no_other() {
        let (sender, receiver) = channel();
        let stands = short_plan(987_654);
        // Other tests have runs of their own, which may be slow.
        let own = [stands.seed, stands.seed + 1, stands.seed + 2];
        // Longer than a loaded machine keeps a thread waiting.
        let limit = Duration::from_secs(1);
        watch(limit, move |stuck| {
            if own.contains(&stuck.plan.seed) {
                sender.send(stuck).unwrap();
            }
        });
        std::thread::scope(|scope| {
            let (done, is_done) = channel::<()>();
            scope.spawn(|| {
                // Its beats go on, and what takes long is not the world.
                watched(&short_plan(987_655), &[], || {
                    for _ in 0..100 {
                        pulse::current().during(|| std::thread::sleep(Duration::from_millis(20)));
                    }
                });
                watched(&short_plan(987_656), &[], || std::thread::sleep(limit * 2));
            });
            let stands = &stands;
            scope.spawn(move || {
                watched(stands, &[], || {
                    let pulse = pulse::current();
                    pulse.marked(2);
                    pulse.during(|| is_done.recv().unwrap());
                });
            });
            let stuck = receiver.recv_timeout(Duration::from_secs(20)).unwrap();
            assert_eq!(stuck.plan, *stands);
            let expected =
                "task 0 of some host never yields; the last that happened: mark unknown was hit";
            assert_eq!(stuck.headline(), expected);
            assert!(stuck.stood >= limit);
            assert!(receiver.recv_timeout(limit * 4).is_err(), "it is told once");
            done.send(()).unwrap();
        });
        assert!(WATCHED.lock().unwrap().iter().all(|run| !own.contains(&run.plan.seed)));
    }
}
