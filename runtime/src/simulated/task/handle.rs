//! What is held of a task.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use platform::{Platform, Task};
use sim::engine::platform::{EnginePlatform, EngineTask};
use tokio::sync::oneshot;

/// A task whose result is awaited. Dropping it lets the task go on.
pub struct JoinHandle<T>(Joined<T>);

enum Joined<T> {
    Simulated { result: oneshot::Receiver<T>, abort: AbortHandle },
    Real(tokio::task::JoinHandle<T>),
}

/// Ends a task without awaiting it.
#[derive(Clone, Debug)]
pub struct AbortHandle(Abort);

#[derive(Clone, Debug)]
enum Abort {
    Simulated { task: EngineTask, has_ended: Arc<AtomicBool> },
    Real(tokio::task::AbortHandle),
}

/// Why a task has no result: it was aborted, or outside of a world it panicked.
pub struct JoinError(Failure);

enum Failure {
    Cancelled,
    Real(tokio::task::JoinError),
}

/// Tells that its task has ended, however it did.
struct Ending(Arc<AtomicBool>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Starts a task of a host.
pub(super) fn spawn_on<F>(here: EnginePlatform, work: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (sender, result) = oneshot::channel();
    let has_ended = Arc::new(AtomicBool::new(false));
    let ending = Ending(Arc::clone(&has_ended));
    let task = here.spawn(async move {
        // The result is there before the task says that it has ended, and an aborted task drops its
        // sender.
        let _ending = ending;
        let output = work.await;
        // Whoever dropped the handle does not want the result.
        let _ = sender.send(output);
    });
    let abort = AbortHandle(Abort::Simulated { task, has_ended });
    JoinHandle(Joined::Simulated { result, abort })
}

impl<T> JoinHandle<T> {
    pub(super) fn real(handle: tokio::task::JoinHandle<T>) -> JoinHandle<T> {
        JoinHandle(Joined::Real(handle))
    }

    /// Ends the task at its next suspension point, if it has not ended by then.
    pub fn abort(&self) {
        match &self.0 {
            Joined::Simulated { abort, .. } => abort.abort(),
            Joined::Real(handle) => handle.abort(),
        }
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        match &self.0 {
            Joined::Simulated { abort, .. } => abort.is_finished(),
            Joined::Real(handle) => handle.is_finished(),
        }
    }

    /// A handle that only ends the task.
    pub fn abort_handle(&self) -> AbortHandle {
        match &self.0 {
            Joined::Simulated { abort, .. } => abort.clone(),
            Joined::Real(handle) => AbortHandle(Abort::Real(handle.abort_handle())),
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Joined::Simulated { result, .. } => {
                Pin::new(result).poll(cx).map_err(|_| JoinError(Failure::Cancelled))
            }
            Joined::Real(handle) => Pin::new(handle).poll(cx).map_err(JoinError::real),
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("is_finished", &self.is_finished()).finish()
    }
}

impl AbortHandle {
    pub(super) fn real(handle: tokio::task::AbortHandle) -> AbortHandle {
        AbortHandle(Abort::Real(handle))
    }

    /// Ends the task at its next suspension point, if it has not ended by then.
    pub fn abort(&self) {
        match &self.0 {
            Abort::Simulated { task, .. } => task.abort(),
            Abort::Real(handle) => handle.abort(),
        }
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        match &self.0 {
            Abort::Simulated { has_ended, .. } => has_ended.load(Ordering::Relaxed),
            Abort::Real(handle) => handle.is_finished(),
        }
    }
}

impl JoinError {
    pub(super) fn cancelled() -> JoinError {
        JoinError(Failure::Cancelled)
    }

    pub(super) fn real(error: tokio::task::JoinError) -> JoinError {
        JoinError(Failure::Real(error))
    }

    /// Whether the task was aborted.
    pub fn is_cancelled(&self) -> bool {
        match &self.0 {
            Failure::Cancelled => true,
            Failure::Real(error) => error.is_cancelled(),
        }
    }

    /// Whether the task panicked. Never in a world, where a panic fails the run.
    pub fn is_panic(&self) -> bool {
        matches!(&self.0, Failure::Real(error) if error.is_panic())
    }

    /// What the task panicked with.
    ///
    /// # Panics
    /// If it did not panic.
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        self.try_into_panic().expect("the task panicked")
    }

    /// What the task panicked with.
    ///
    /// # Errors
    /// It did not panic; the error itself is given back.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, JoinError> {
        match self.0 {
            Failure::Cancelled => Err(self),
            Failure::Real(error) => error.try_into_panic().map_err(JoinError::real),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Failure::Cancelled => f.write_str("task was cancelled"),
            Failure::Real(error) => error.fmt(f),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> io::Error {
        io::Error::other(error.to_string())
    }
}
