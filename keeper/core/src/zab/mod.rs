//! ZooKeeper Atomic Broadcast: who leads, what a learner lacks, and when a proposal is committed.

pub mod election;
pub mod ensemble;
pub mod history;
pub mod leader;
pub mod sync;
