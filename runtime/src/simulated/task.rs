//! Tasks.
//!
//! In a world a task is one of its host: it ends with the host's program, stands still while the host
//! is paused, and its panic fails the run at once, so that nobody ever awaits a task that panicked.

mod handle;
mod set;

use std::future::Future;

pub use handle::{AbortHandle, JoinError, JoinHandle};
pub use set::JoinSet;
pub use tokio::task::{consume_budget, unconstrained, yield_now};

use super::here;

/// Starts a task. It goes on when its handle is dropped.
///
/// # Panics
/// Outside of a world, outside of tokio's runtimes.
#[expect(clippy::disallowed_methods, reason = "outside of a world tasks are tokio's")]
pub fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match here() {
        Some(here) => handle::spawn_on(here, work),
        None => JoinHandle::real(tokio::spawn(work)),
    }
}

/// Runs `work` on a thread that may block. Outside of worlds only.
///
/// # Panics
/// In a world: a thread's timing is no seed's.
#[expect(clippy::disallowed_methods, reason = "outside of a world threads are tokio's")]
#[track_caller]
pub fn spawn_blocking<F, R>(work: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    assert!(
        here().is_none(),
        "task::spawn_blocking starts a thread, whose timing no seed decides: in a world, call the \
         function in an ordinary task (`task::spawn(async move {{ work() }})`), and read and write \
         files by squall_runtime::fs"
    );
    JoinHandle::real(tokio::task::spawn_blocking(work))
}
