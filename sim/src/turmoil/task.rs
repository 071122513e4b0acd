//! A host's task: it stands still while its host is paused, and its panic fails the run.
//!
//! Every poll of every task of a host passes here, so that a pause is what SIGSTOP is: nothing of
//! the program runs, while its timers run out and its messages arrive, and afterwards all of it
//! happens at once.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use super::shared::Shared;
use crate::host::HostId;
use crate::panics::{RunPanic, catching, message_of};
use crate::place::{self, Place};

/// A task, gated.
pub(crate) struct Gated {
    shared: Arc<Shared>,
    host: HostId,
    paused: Arc<AtomicBool>,
    work: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Gated {
    pub(crate) fn new(
        shared: Arc<Shared>,
        host: HostId,
        work: impl Future<Output = ()> + 'static,
    ) -> Gated {
        let paused = shared.with(|state| Arc::clone(&state.host(host).paused));
        Gated { shared, host, paused, work: Some(Box::pin(work)) }
    }
}

impl Future for Gated {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let me = &mut *self;
        if me.paused.load(Ordering::Relaxed) {
            me.shared.with(|state| state.host_mut(me.host).frozen.push(cx.waker().clone()));
            return Poll::Pending;
        }
        let Some(work) = &mut me.work else { return Poll::Ready(()) };
        let at_ns = me.shared.now_ns();
        let _here = place::enter(Place { host: me.host, at_ns });
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(polled) => polled,
            Err(payload) => {
                record_panic(&me.shared, Some(me.host), &*payload);
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Gated {
    /// tokio would swallow a panic of what a killed task owns.
    fn drop(&mut self) {
        let work = self.work.take();
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(work))) {
            record_panic(&self.shared, Some(self.host), &*payload);
        }
    }
}

/// Runs a part of a run; a panic is recorded and `None`.
pub(crate) fn inside_a_run<R>(shared: &Shared, work: impl FnOnce() -> R) -> Option<R> {
    catching(work).map_err(|message| keep_panic(shared, None, message)).ok()
}

fn record_panic(shared: &Shared, host: Option<HostId>, payload: &(dyn Any + Send)) {
    keep_panic(shared, host, message_of(payload));
}

/// Keeps the first panic of a run.
fn keep_panic(shared: &Shared, host: Option<HostId>, message: String) {
    shared.with(|state| {
        let host_name = host.map(|host| state.host(host).name.clone());
        let at_ns = state.now_ns;
        state.panic.get_or_insert(RunPanic { host, host_name, at_ns, message });
    });
}
