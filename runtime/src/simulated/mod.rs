//! A simulated build: a host's names in a world, and tokio's outside of every world.

pub mod fs;
pub mod net;
pub mod signal;
pub mod sync;
pub mod task;
pub mod time;

use sim::engine::platform::EnginePlatform;

/// The host whose task is being polled; none outside of every world.
///
/// # Panics
/// In a world of turmoil's, where these names would silently be the machine's own.
pub(crate) fn here() -> Option<EnginePlatform> {
    let here = sim::engine::here();
    assert!(
        here.is_some() || !sim::is_off_engine(),
        "squall_runtime runs on the engine only: choose it for this run (`--engine engine`), or write \
         the program against platform::Platform, which runs on turmoil as well"
    );
    here
}

/// Something that was made in a world is used outside of it, or the other way round.
pub(crate) fn mixed(what: &str) -> ! {
    panic!("{what} of a simulated host and of the real machine do not go together")
}
