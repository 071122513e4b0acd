//! The event-driven engine: a world whose time jumps from one event to the next.
//!
//! It stands beside turmoil behind the same [`platform::Platform`], so the same shells run on both.
//! Here a host costs nothing while nothing happens to it, time is counted in nanoseconds, tasks that
//! are ready at one instant run in an order that the seed decides, and TCP retransmits.
//!
//! One run is one thread. [`world::EngineWorld`] owns the state; the handles that programs hold are
//! plain numbers (so they are `Send`) and find the state through their thread while the world runs
//! (`current`). Everything that happens at an instant is taken from the agenda (`agenda`) before any
//! task is polled (`executor`). The network is in `network` (the table), `lane` (one direction of a
//! connection), `delivery` (what arrives, is lost and is sent again), `connect` (handshakes),
//! `trouble` (flaky links, firewalls), `ports` and `stream` (what programs see); alarms are in
//! `timers`, files in `files`.

mod agenda;
mod connect;
mod current;
mod delivery;
mod executor;
mod files;
mod lane;
mod network;
pub mod platform;
mod ports;
mod settings;
mod state;
mod stream;
mod timers;
mod trouble;
pub mod world;

pub use files::{EngineFile, EngineFiles};
pub use settings::EngineSettings;
pub use stream::{EngineRead, EngineStream, EngineWrite};
pub use world::{Census, EngineRecorder, EngineWorld};
