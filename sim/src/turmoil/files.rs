//! The disk of a turmoil host: operations, and waiting for them by the runtime's alarms.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::platform::TurmoilPlatform;
use super::stream::os_error;
use crate::disk::{Errno, OpId, Operation, Outcome};
use crate::files::{DiskAccess, DiskFile, DiskFiles};
use crate::labels;
use crate::trace::Kind;

/// The files of one host.
pub type TurmoilFiles = DiskFiles<TurmoilPlatform>;

/// An open file of a host.
pub type TurmoilFile = DiskFile<TurmoilPlatform>;

impl TurmoilPlatform {
    /// Submits an operation, unless the host's program has been killed.
    fn submit(&self, operation: Operation) -> Option<OpId> {
        let now_ns = self.shared.now_ns();
        let host = self.host;
        self.shared.with(|state| {
            if !self.is_alive(state) {
                return None;
            }
            labels::submitted(&operation, |content| {
                state.record(Some(host), Kind::DiskSubmitted, content);
            });
            Some(state.host_mut(host).disk.submit(now_ns, operation))
        })
    }
}

impl DiskAccess for TurmoilPlatform {
    async fn perform(&self, operation: Operation) -> io::Result<Outcome> {
        match self.submit(operation) {
            Some(id) => Completion { platform: self.clone(), id, done: false, sleep: None }.await,
            None => std::future::pending().await,
        }
    }

    fn leave(&self, operation: Operation) {
        if let Some(id) = self.submit(operation) {
            self.shared.with(|state| state.host_mut(self.host).disk.abandon(id));
        }
    }
}

/// Waits for an operation. Dropping it leaves the operation to be done.
struct Completion {
    platform: TurmoilPlatform,
    id: OpId,
    done: bool,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Completion {
    /// The result, or else when to look again.
    fn check(&self, cx: &Context<'_>, now_ns: u64) -> Result<Result<Outcome, Errno>, Option<u64>> {
        let host = self.platform.host;
        self.platform.shared.with(|state| {
            let host_state = state.host_mut(host);
            host_state.disk.advance(now_ns);
            let Some(result) = host_state.disk.take(self.id) else {
                host_state.disk_waiters.insert(self.id, cx.waker().clone());
                return Err(host_state.disk.due_ns(self.id));
            };
            host_state.disk_waiters.remove(&self.id);
            labels::completed(&result, |content| {
                state.record(Some(host), Kind::DiskCompleted, content);
            });
            Ok(result)
        })
    }
}

impl Future for Completion {
    type Output = io::Result<Outcome>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Outcome>> {
        loop {
            let now_ns = self.platform.shared.now_ns();
            match self.check(cx, now_ns) {
                Ok(result) => {
                    self.done = true;
                    return Poll::Ready(result.map_err(|Errno(errno)| os_error(errno)));
                }
                // The disk stalls: it wakes its waiters when it goes on.
                Err(None) => return Poll::Pending,
                Err(Some(due_ns)) => {
                    let ahead = Duration::from_nanos(due_ns.saturating_sub(now_ns));
                    let deadline = Instant::now() + ahead;
                    let sleep = self
                        .sleep
                        .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
                    if sleep.deadline() != deadline {
                        sleep.as_mut().reset(deadline);
                    }
                    ready!(sleep.as_mut().poll(cx));
                    self.sleep = None;
                }
            }
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let host = self.platform.host;
        let waiter = self.platform.shared.with(|state| {
            let host_state = state.host_mut(host);
            // After a power loss or a kill the operation is not known any more.
            host_state.disk.abandon(self.id);
            host_state.disk_waiters.remove(&self.id)
        });
        drop(waiter);
    }
}
