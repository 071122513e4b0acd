//! A host's task: it stands still while its host is paused, and its panic fails the run.
//!
//! Every poll of every task of a host passes here, so that a pause is what SIGSTOP is: nothing of
//! the program runs, while its timers run out and its messages arrive, and afterwards all of it
//! happens at once.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::task::{Context, Poll};

use crate::shared::{HostId, Shared};

/// A panic in a run: an assertion that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct RunPanic {
    /// On which host; none if the engine itself panicked.
    pub host: Option<HostId>,
    /// That host's name.
    pub host_name: Option<String>,
    /// World time, in nanoseconds since the start of the run.
    pub at_ns: u64,
    /// Where in the source, and what it said.
    pub message: String,
}

impl fmt::Display for RunPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_ms = self.at_ns as f64 / 1e6;
        match &self.host_name {
            Some(name) => write!(f, "{name} panicked at {at_ms:.3} ms: {}", self.message),
            None => write!(f, "the engine panicked at {at_ms:.3} ms: {}", self.message),
        }
    }
}

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

/// Runs a part of a run; a panic is an error that says where and what.
pub(crate) fn catching<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    install_hook();
    let was_inside = INSIDE_A_RUN.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    INSIDE_A_RUN.set(was_inside);
    result.map_err(|payload| LAST_PANIC.take().unwrap_or_else(|| text_of(&*payload)))
}

/// Keeps the first panic of a run.
pub(crate) fn record_panic(shared: &Shared, host: Option<HostId>, payload: &(dyn Any + Send)) {
    let message = LAST_PANIC.take().unwrap_or_else(|| text_of(payload));
    shared.with(|state| {
        let host_name = host.map(|host| state.host(host).name.clone());
        let at_ns = state.now_ns;
        state.panic.get_or_insert(RunPanic { host, host_name, at_ns, message });
    });
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}

thread_local! {
    /// Whether this thread is inside a run, whose panics are results and not to be printed.
    static INSIDE_A_RUN: Cell<bool> = const { Cell::new(false) };
    /// Place and text of the last panic inside a run on this thread.
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs a part of a run; a panic is recorded and `None`.
pub(crate) fn inside_a_run<R>(shared: &Shared, work: impl FnOnce() -> R) -> Option<R> {
    install_hook();
    let was_inside = INSIDE_A_RUN.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    INSIDE_A_RUN.set(was_inside);
    result.map_err(|payload| record_panic(shared, None, &*payload)).ok()
}

/// The panic hook belongs to the process: ours keeps what a run's panic says, and leaves every
/// other panic to the hook that was there before.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !INSIDE_A_RUN.get() {
                return previous(info);
            }
            let text = text_of(info.payload());
            let place = info.location().map(|place| format!("{place}: ")).unwrap_or_default();
            // Nobody else borrows it: the borrows of this module end at once.
            LAST_PANIC.set(Some(format!("{place}{text}")));
        }));
    });
}
