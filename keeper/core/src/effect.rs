//! Everything a server can ask of its shell.

use bytes::Bytes;

use crate::event::DiskToken;
use crate::ids::{ConnectionId, Epoch, ServerId, SessionId, Zxid};
use crate::wire::election::Notification;

/// What the machine asks for. Effects are performed in order; those on one connection, to one peer
/// or on the disk take effect in that order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send an election message; a later one replaces one that has not left yet.
    Notify {
        /// To whom.
        to: ServerId,
        /// What.
        notification: Notification,
    },
    /// Connect to the leader's quorum port.
    ConnectLeader {
        /// The name of the connection to be.
        connection: ConnectionId,
        /// Whose port.
        leader: ServerId,
        /// Give up (and report [`crate::event::Event::Closed`]) after this long.
        timeout_ms: u64,
    },
    /// Send bytes.
    Send {
        /// Where.
        connection: ConnectionId,
        /// What.
        bytes: Bytes,
    },
    /// Report [`crate::event::Event::Drained`] when what was sent so far has left.
    ReportDrained {
        /// Where.
        connection: ConnectionId,
    },
    /// Stop or go on reading from a connection (back-pressure).
    Read {
        /// Where.
        connection: ConnectionId,
        /// Whether to read.
        on: bool,
    },
    /// Close after what was sent so far has left. No [`crate::event::Event::Closed`] follows.
    Close {
        /// Which.
        connection: ConnectionId,
    },
    /// Perform a disk operation.
    Disk {
        /// Reported back by [`crate::event::Event::Persisted`].
        token: DiskToken,
        /// What to do.
        op: DiskOp,
    },
    /// The server cannot go on; its data must be looked at. The process ends.
    Fatal {
        /// Why, for the operator.
        reason: String,
    },
    /// Something an operator wants to read.
    Log {
        /// How urgent.
        level: Level,
        /// What happened.
        message: String,
        /// The client's connection that it is about.
        client: Option<ConnectionId>,
        /// The session that it is about.
        session: Option<SessionId>,
    },
}

/// The urgency of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For following what happens.
    Info,
    /// Somebody should look.
    Warn,
}

/// One operation on the data directory. They are performed strictly in order, each durable before
/// the next begins, except that neighbouring appends share one fsync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskOp {
    /// Append one record to the transaction log (`log.<zxid>` is begun when none is open).
    Append {
        /// The transaction's position.
        zxid: Zxid,
        /// The encoded transaction, without record header.
        txn: Bytes,
    },
    /// Close the log file; the next append begins another.
    Roll,
    /// Cut the log after `zxid` and remove later log files.
    Truncate {
        /// The last transaction to keep.
        zxid: Zxid,
    },
    /// Replace the file `acceptedEpoch`.
    AcceptedEpoch(Epoch),
    /// Replace the file `currentEpoch`.
    CurrentEpoch(Epoch),
    /// Forget that the data of this server were damaged: what a leader has sent is durable.
    ClearDamage,
    /// Begin the file `snapshot.<zxid>`, as a temporary file.
    SnapshotBegin {
        /// The last transaction that it covers.
        zxid: Zxid,
    },
    /// Append to the snapshot begun last.
    SnapshotChunk(Bytes),
    /// Make the snapshot durable under its name.
    SnapshotEnd {
        /// As in `SnapshotBegin`.
        zxid: Zxid,
    },
    /// Forget the unfinished snapshot.
    SnapshotAbort,
    /// Remove old snapshots and the logs that only they need.
    Purge {
        /// How many snapshots stay, the newest.
        snapshots: u32,
        /// How many of the logs begun at or before the oldest of them stay.
        logs: u32,
    },
}
