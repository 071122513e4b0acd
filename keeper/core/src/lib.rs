//! The coordination server as pure machines: plain data stepped by events, emitting effects.
//!
//! Nothing here awaits, reads a clock, draws randomness or touches a socket or a file. The formats
//! (client, election and quorum protocols, transaction log, snapshots, epoch files) are Apache
//! ZooKeeper's own.

pub mod effect;
pub mod error;
pub mod event;
pub mod ids;
pub mod jute;
pub mod limits;
pub mod log;
pub mod marks;
pub mod observation;
pub mod path;
pub mod pipeline;
pub mod plants;
pub mod record;
pub mod replica;
pub mod session;
pub mod time;
pub mod tree;
pub mod txn;
pub mod wire;
pub mod zab;
