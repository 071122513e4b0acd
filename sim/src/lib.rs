//! The world: hosts with a network, clocks and disks that a seed decides, and faults that strike
//! them.
//!
//! There are two: our own engine, in [`mod@engine`], and with feature `turmoil` the simulator of
//! tokio-rs, which needs `--cfg tokio_unstable`. What they share is here: [`disk`], [`clock`],
//! [`trace`], [`tap`] and the named streams of [`seed`].

mod attention;
pub mod clock;
mod connected;
pub mod disk;
pub mod engine;
mod engines;
pub mod fault;
pub mod files;
mod host;
mod labels;
pub mod logs;
mod panics;
mod place;
pub mod pulse;
pub mod seed;
mod settings;
mod streams;
pub mod tap;
pub mod time;
pub mod trace;
#[cfg(feature = "turmoil")]
pub mod turmoil;
pub mod world;

pub use attention::Attention;
pub use connected::Connected;
pub use engines::{Capability, EngineKind, NotBuiltIn, OnWorld};
pub use host::{Host, HostId};
pub use panics::RunPanic;
pub use place::{Place, is_off_engine, place};
pub use settings::Settings;
pub use world::{DatagramTrouble, World};
