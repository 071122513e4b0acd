//! The disk of a host: operations, and waiting for them by the agenda.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::agenda::Event;
use super::current::{self, Waiter};
use super::platform::EnginePlatform;
use super::state::State;
use crate::disk::{Errno, OpId, Operation, Outcome};
use crate::files::{DiskAccess, DiskFile, DiskFiles};
use crate::host::HostId;
use crate::labels;
use crate::trace::Kind;

impl State {
    /// Submits an operation of a program, if it has not been killed.
    fn submit(&mut self, of: EnginePlatform, operation: Operation) -> Option<OpId> {
        if !self.is_alive(of.host, of.incarnation) {
            return None;
        }
        labels::submitted(&operation, |content| {
            self.record(Some(of.host), Kind::DiskSubmitted, content);
        });
        let now_ns = self.now_ns;
        Some(self.host_mut(of.host).disk.submit(now_ns, operation))
    }

    /// The result of an operation; otherwise it is entered in the agenda and `cx` waits for it.
    fn completed(
        &mut self,
        host: HostId,
        operation: OpId,
        cx: &Context<'_>,
    ) -> Option<Result<Outcome, Errno>> {
        let now_ns = self.now_ns;
        let host_state = &mut self.hosts[host.0 as usize];
        host_state.disk.advance(now_ns);
        let Some(result) = host_state.disk.take(operation) else {
            host_state.disk_waiters.entry(operation).or_default().remember(cx.waker());
            // While the disk stalls nothing is due: the end of the stall wakes who waits.
            if let Some(due_ns) = host_state.disk.due_ns(operation) {
                self.agenda.push(due_ns, Event::Disk { host, operation });
            }
            return None;
        };
        host_state.disk_waiters.remove(&operation);
        labels::completed(&result, |content| {
            self.record(Some(host), Kind::DiskCompleted, content);
        });
        Some(result)
    }

    /// An operation may be done: who waits for it looks.
    pub(crate) fn disk_is_due(&mut self, host: HostId, operation: OpId) {
        let waiter = self.hosts[host.0 as usize].disk_waiters.get_mut(&operation);
        self.wakes.extend(waiter.map(Waiter::take));
    }

    /// The disk's operations are due at other times than before: who waits looks anew.
    pub(crate) fn wake_disk_waiters(&mut self, host: HostId) {
        let waiters = self.hosts[host.0 as usize].disk_waiters.values_mut();
        self.wakes.extend(waiters.map(Waiter::take));
    }

    /// Nobody asks for the result any more.
    fn abandon(&mut self, host: HostId, operation: OpId) -> Option<Waiter> {
        let host_state = &mut self.hosts[host.0 as usize];
        host_state.disk.abandon(operation);
        host_state.disk_waiters.remove(&operation)
    }
}

/// The files of one host.
pub type EngineFiles = DiskFiles<EnginePlatform>;

/// An open file of a host.
pub type EngineFile = DiskFile<EnginePlatform>;

impl DiskAccess for EnginePlatform {
    async fn perform(&self, operation: Operation) -> io::Result<Outcome> {
        let of = *self;
        match current::with(of.world, |state| state.submit(of, operation)) {
            Some(id) => Completion { platform: of, id, done: false }.await,
            None => std::future::pending().await,
        }
    }

    fn leave(&self, operation: Operation) {
        let of = *self;
        current::try_with(of.world, |state| {
            if let Some(id) = state.submit(of, operation) {
                state.abandon(of.host, id);
            }
        });
    }
}

/// Waits for an operation. Dropping it leaves the operation to be done.
struct Completion {
    platform: EnginePlatform,
    id: OpId,
    done: bool,
}

impl Future for Completion {
    type Output = io::Result<Outcome>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Outcome>> {
        let (of, id) = (self.platform, self.id);
        let result = current::with(of.world, |state| state.completed(of.host, id, cx));
        let Some(result) = result else { return Poll::Pending };
        self.done = true;
        Poll::Ready(result.map_err(|Errno(errno)| io::Error::from_raw_os_error(errno)))
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if !self.done {
            let of = self.platform;
            // The waiter is dropped after the state is let go: it may be foreign.
            drop(current::try_with(of.world, |state| state.abandon(of.host, self.id)));
        }
    }
}
