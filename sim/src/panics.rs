//! Panics of a run: they are results of it, not output.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::host::HostId;

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

thread_local! {
    /// Whether this thread is inside a run, whose panics are results and not to be printed.
    static INSIDE_A_RUN: Cell<bool> = const { Cell::new(false) };
    /// Place and text of the last panic inside a run on this thread.
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs a part of a run; a panic is an error that says where and what.
pub(crate) fn catching<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    install_hook();
    let was_inside = INSIDE_A_RUN.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    INSIDE_A_RUN.set(was_inside);
    result.map_err(|payload| message_of(&*payload))
}

/// Where and what a panic inside a run was that has just been caught on this thread.
pub(crate) fn message_of(payload: &(dyn Any + Send)) -> String {
    LAST_PANIC.take().unwrap_or_else(|| text_of(payload))
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
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
