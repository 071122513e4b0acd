//! The world: hosts with a network, clocks and disks that a seed decides, and faults that strike
//! them. See [`world::World`].
//!
//! One engine is turmoil; what turmoil lacks (one-way partitions, pauses, wrong clocks, connections
//! that hang, disks) is a wrapper of ours around it, in `net`, [`disk`] and [`clock`]. The other is our
//! own, in [`mod@engine`].

#[cfg(not(any(tokio_unstable, doc, doctest)))]
compile_error!(
    "build with `--cfg tokio_unstable`: without it a run is not deterministic. It is set in \
     .cargo/config.toml, which a RUSTFLAGS variable or another working folder hides"
);

pub mod clock;
pub mod cluster;
pub mod disk;
pub mod engine;
pub mod fault;
pub mod files;
mod net;
pub mod platform;
pub mod seed;
mod shared;
pub mod simulation;
pub mod tap;
mod task;
pub mod trace;
pub mod world;

pub use shared::{HostId, Recorder};
pub use task::RunPanic;
