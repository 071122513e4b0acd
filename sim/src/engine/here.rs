//! Where the program that is being polled runs: for code that was handed no platform.
//!
//! Programs written against tokio's own names find their host as they find their runtime: through
//! the thread.

use std::cell::Cell;

use super::current;
use super::platform::EnginePlatform;
use crate::host::HostId;

thread_local! {
    static HERE: Cell<Option<HostId>> = const { Cell::new(None) };
}

/// From now on this thread polls or drops a task of that host. Returns whose it did before.
pub(crate) fn set(host: Option<HostId>) -> Option<HostId> {
    HERE.replace(host)
}

/// The host whose task is being polled or dropped on this thread; none outside of every world.
pub fn here() -> Option<EnginePlatform> {
    let host = HERE.get()?;
    current::glimpse(|state| EnginePlatform {
        world: state.world,
        host,
        incarnation: state.host(host).incarnation,
    })
}
