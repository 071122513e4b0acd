//! Where and when the program runs that is being polled on this thread, whichever world it is in: for
//! what has no handle, as a log line.

use std::cell::Cell;

use crate::engine;
use crate::host::{Host as _, HostId};

/// A host at a moment of world time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The host whose task is being polled.
    pub host: HostId,
    /// World time, in nanoseconds since the start of the run.
    pub at_ns: u64,
}

thread_local! {
    /// Set while another world than the engine's polls a task.
    static ELSEWHERE: Cell<Option<Place>> = const { Cell::new(None) };
}

/// A task of a host is polled until this is dropped.
#[cfg(feature = "turmoil")]
pub(crate) struct Entered(Option<Place>);

/// A world other than the engine's polls a task.
#[cfg(feature = "turmoil")]
pub(crate) fn enter(place: Place) -> Entered {
    Entered(ELSEWHERE.replace(Some(place)))
}

#[cfg(feature = "turmoil")]
impl Drop for Entered {
    fn drop(&mut self) {
        ELSEWHERE.set(self.0.take());
    }
}

/// The host whose task is being polled on this thread, and its world's time; none outside of every
/// world.
pub fn place() -> Option<Place> {
    let on_engine = engine::here().map(|here| Place { host: here.host(), at_ns: here.world_ns() });
    on_engine.or_else(|| ELSEWHERE.get())
}

/// Whether the task that is being polled on this thread belongs to a world that is not the engine's.
pub fn is_off_engine() -> bool {
    engine::here().is_none() && ELSEWHERE.get().is_some()
}
