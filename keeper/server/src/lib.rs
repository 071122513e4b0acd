//! The coordination server's shell: performs the machine's effects on a platform.
//!
//! One loop per server owns the machine, takes what has arrived in batches, steps the machine and
//! performs its effects in order. Reading, writing and syncing happen in tasks beside it.

mod aside;
mod bounds;
pub mod config;
mod connection;
mod disk;
mod election;
mod lock;
mod newcomers;
pub mod node;
mod ports;
mod purge;
mod read_back;
pub mod recover;
mod unread;
mod witness;

pub use bounds::{Bounds, DirectoryLost};
pub use disk::Directories;
pub use election::PeerAddress;
pub use lock::{DirectoryLock, LockError};
pub use node::{NodeConfig, NodeError, run};
pub use purge::purge;
