//! Answers with what a recorder wants to know about them.

use keeper_core::ids::{SessionId, Zxid};

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply<T> {
    /// What was answered.
    pub value: T,
    /// The write's own position, or the last one that the server had applied for a read.
    pub zxid: Zxid,
    /// The answer's place among all answers and events that this client saw.
    pub sequence: u64,
    /// The request as the server knew it.
    pub origin: Origin,
}

impl<T> Reply<T> {
    /// The same reply with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Reply<U> {
        let Reply { value, zxid, sequence, origin } = self;
        Reply { value: change(value), zxid, sequence, origin }
    }
}

/// Where a request went and under which name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The session.
    pub session: SessionId,
    /// The xid, which the transaction log shows as cxid.
    pub xid: i32,
    /// The server's index in the list that the client was given.
    pub server: usize,
}
