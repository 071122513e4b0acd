//! What travels: the client protocol, the election protocol and the quorum protocol.

pub mod client;
pub mod election;
pub mod quorum;
