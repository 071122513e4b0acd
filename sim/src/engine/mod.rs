//! The event-driven engine: a world whose time jumps from one event to the next.
//!
//! It stands beside turmoil behind the same [`Platform`](::platform::Platform), so the same shells
//! run on both. Here a host costs nothing while nothing happens to it, time is counted in
//! nanoseconds, tasks that are ready at one instant run in an order that the seed decides, and TCP
//! retransmits.
//!
//! One run is one thread. [`EngineWorld`] owns the state; the handles that programs hold are
//! plain numbers (so they are `Send`) and find the state through their thread while the world runs
//! (`current`). Everything that happens at an instant is taken from the agenda (`agenda`) before any
//! task is polled (`executor`). The network is in `network` (the table), `lane` (one direction of a
//! connection), `delivery` (what arrives, is lost and is sent again), `connect` (handshakes),
//! `trouble` (flaky links, firewalls), `ports`, `stream` and `ends` (what programs see); datagrams are
//! in `datagrams` and `udp`, alarms in `timers`, files in `files`. What programs ask for that were
//! handed no platform is in `here` and `guests`.

mod agenda;
mod connect;
mod current;
mod datagrams;
mod delivery;
mod ends;
mod executor;
mod files;
mod guests;
mod here;
mod lane;
mod life;
mod network;
pub mod platform;
mod ports;
mod settings;
mod state;
mod stream;
mod timers;
mod trouble;
mod udp;
pub mod world;

pub use files::{EngineFile, EngineFiles};
pub use here::here;
pub use settings::EngineSettings;
pub use stream::{EngineRead, EngineStream, EngineWrite};
pub use udp::EngineUdp;
pub use world::{Census, EngineWorld};
