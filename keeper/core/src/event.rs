//! Everything that can happen to a server.

use bytes::Bytes;

use crate::ids::{ConnectionId, ServerId};
use crate::wire::election::Notification;

/// What the shell tells the machine.
#[derive(Clone, Debug)]
pub enum Event {
    /// Time has come to [`crate::replica::Replica::deadline_ms`], or simply passed.
    Tick,
    /// An election message arrived.
    Election {
        /// Who sent it.
        from: ServerId,
        /// What it says.
        notification: Notification,
    },
    /// The set of peers with a standing election connection changed.
    ElectionPeer {
        /// The peer.
        peer: ServerId,
        /// Whether it can be reached.
        up: bool,
    },
    /// Somebody connected.
    Accepted {
        /// The new connection.
        connection: ConnectionId,
        /// To which port.
        port: Port,
    },
    /// A [`crate::effect::Effect::ConnectLeader`] succeeded.
    Connected {
        /// The connection asked for.
        connection: ConnectionId,
    },
    /// Bytes arrived on a client's, learner's or the leader's connection.
    Bytes {
        /// Where.
        connection: ConnectionId,
        /// Any part of the stream, in order.
        bytes: Bytes,
    },
    /// The connection ended, failed, or could not be made.
    Closed {
        /// Which.
        connection: ConnectionId,
    },
    /// Everything sent on this connection has left (answers
    /// [`crate::effect::Effect::ReportDrained`]).
    Drained {
        /// Which.
        connection: ConnectionId,
    },
    /// Every disk operation up to this token is durable.
    Persisted {
        /// The last one covered.
        token: DiskToken,
    },
}

/// A port that accepts connections for the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// `clientPort`.
    Client,
    /// The quorum port of `server.N`, where learners come.
    Learner,
}

/// Counts disk operations, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskToken(pub u64);

impl DiskToken {
    /// Stands for a disk operation that has not been asked for.
    pub const NEVER: DiskToken = DiskToken(u64::MAX);
}
