//! The thread of a run.

use std::cell::RefCell;

use platform::Platform;
use sim::engine;
use sim::seed::Draws;

use crate::UPTIME_S;

thread_local! {
    /// What the system's entropy is on this thread outside of hosts; none on a thread of no run.
    static ENTROPY: RefCell<Option<Draws>> = const { RefCell::new(None) };
}

/// Runs `work` on a thread of its own, on which clocks and entropy are the hosts' of the world that it
/// runs, and waits for its end. Equal seeds give equal entropy; take the seed of the world.
///
/// # Panics
/// If `work` does.
pub fn in_fresh_thread<R: Send>(seed: u64, work: impl FnOnce() -> R + Send) -> R {
    let run = move || {
        ENTROPY.set(Some(Draws::new(seed, "thread entropy", 0)));
        let result = work();
        ENTROPY.set(None);
        result
    };
    std::thread::scope(|scope| match scope.spawn(run).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// Whether this thread is one of a run.
fn is_of_a_run() -> bool {
    // A thread that ends has no run any more, and a stream that is in use belongs to one.
    ENTROPY.try_with(|entropy| entropy.try_borrow().map_or(true, |e| e.is_some())).unwrap_or(false)
}

/// Fills `bytes` as the seed has it; false on a thread of no run.
pub(crate) fn fill(bytes: &mut [u8]) -> bool {
    if !is_of_a_run() {
        return false;
    }
    if let Some(here) = engine::here() {
        here.system_entropy(bytes);
        return true;
    }
    let filled = ENTROPY.try_with(|entropy| {
        let mut entropy = entropy.try_borrow_mut().ok()?;
        entropy.as_mut().map(|draws| draws.fill(bytes))
    });
    filled.ok().flatten().is_some()
}

/// The time of day of the host that runs here, in nanoseconds since the epoch.
pub(crate) fn wall_ns() -> Option<u64> {
    if !is_of_a_run() {
        return None;
    }
    engine::here().map(|here| here.wall_ns())
}

/// The monotonic clock of the host that runs here, in nanoseconds.
pub(crate) fn monotonic_ns() -> Option<u64> {
    if !is_of_a_run() {
        return None;
    }
    engine::here().map(|here| here.now().0.saturating_add(UPTIME_S * 1_000_000_000))
}
