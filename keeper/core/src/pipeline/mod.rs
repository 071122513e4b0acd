//! The way of a request: prepared by the leader into a transaction, committed, answered where its
//! client is connected.

pub mod client;
pub mod prepare;
