//! The second opinion: a world on turmoil, the simulator of tokio-rs, and our wrapper around it.
//!
//! turmoil brings hosts, time in steps of a millisecond, and a network; every host has a tokio
//! runtime of its own. What turmoil lacks is in the wrapper, which every read, accept, sleep and file
//! operation passes: `network` (blocked directions, connections that hang or are forgotten, power
//! losses), `stream`, `task` (pauses), `timer` (clocks that run wrong), `files` (disks). What it
//! cannot have, because it sends nothing again and does not count bytes, are flaky and narrow links.

#[cfg(not(any(tokio_unstable, doc, doctest)))]
compile_error!(
    "feature `turmoil` needs `--cfg tokio_unstable`: without it tokio's own draws are not seeded, and \
     a run is not deterministic. Set `rustflags = [\"--cfg\", \"tokio_unstable\"]` under [build] in \
     .cargo/config.toml (a RUSTFLAGS variable or another working folder hides it), or leave the \
     feature out"
);

mod files;
mod life;
mod network;
mod platform;
mod shared;
mod stream;
mod task;
mod timer;
mod trouble;
mod world;

pub use files::{TurmoilFile, TurmoilFiles};
pub use platform::{TurmoilListener, TurmoilPlatform, TurmoilTask};
pub use stream::{TurmoilRead, TurmoilStream, TurmoilWrite};
pub use timer::TurmoilTimer;
pub use world::TurmoilWorld;
