//! What a server tells of its protocol, so that properties can be judged by what it did.

use crate::ids::{Epoch, ServerId, SessionId, Zxid};

/// Which way a learner was brought up to the leader's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncKind {
    /// The missing proposals.
    Diff,
    /// A cut of the learner's log, then the missing proposals.
    Trunc,
    /// The whole tree.
    Snap,
}

/// A step of the protocol, told at the moment it takes effect on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// The server looks for a leader.
    Looking,
    /// The server follows `leader`.
    Following {
        /// Whom.
        leader: ServerId,
    },
    /// The server was elected and begins discovery.
    Leading,
    /// A quorum acknowledged `epoch`: this server is its only leader.
    EpochEstablished {
        /// The new epoch.
        epoch: Epoch,
        /// The last transaction of the history that the epoch begins with.
        history: Zxid,
    },
    /// A quorum holds the initial history: broadcast begins.
    Serving {
        /// The leader's epoch.
        epoch: Epoch,
    },
    /// The leader chose how to synchronise a learner.
    SyncChosen {
        /// The learner.
        learner: ServerId,
        /// The way.
        kind: SyncKind,
    },
    /// This learner began to receive the leader's history, in this way.
    SyncBegun {
        /// The way.
        kind: SyncKind,
    },
    /// This learner has the leader's history: it serves clients once it has applied what is committed.
    SyncEnded,
    /// The leader decided a transaction.
    Proposed {
        /// Its position.
        zxid: Zxid,
        /// A hash of its encoded form.
        hash: u64,
        /// The newest transaction that this server had applied.
        applied: Zxid,
    },
    /// The server promised that it holds everything up to here durably.
    Acknowledged {
        /// The last transaction covered.
        zxid: Zxid,
        /// The last transaction that was durable here.
        durable: Zxid,
    },
    /// A committed transaction changed the tree.
    Delivered {
        /// Its position.
        zxid: Zxid,
        /// A hash of its encoded form.
        hash: u64,
        /// The tree's digest afterwards.
        digest: u64,
        /// Whether it changes anything; a refused request does not. The digest cannot tell: it is a
        /// sum of checksums, which two changes may leave as it was.
        is_change: bool,
        /// The session that asked for it.
        session: SessionId,
        /// The request within the session.
        cxid: i32,
    },
    /// The tree was replaced by a leader's snapshot.
    Replaced {
        /// The snapshot's last transaction.
        zxid: Zxid,
        /// The tree's digest.
        digest: u64,
    },
    /// The log was cut after `zxid`.
    Truncated {
        /// The last transaction kept.
        zxid: Zxid,
    },
    /// A transaction was queued for the log.
    Logged {
        /// Its position.
        zxid: Zxid,
        /// A hash of its encoded form.
        hash: u64,
    },
    /// What a start found on disk.
    Recovered {
        /// The snapshot's last transaction.
        snapshot: Zxid,
        /// The log's last transaction.
        last: Zxid,
        /// The tree's digest at the snapshot.
        digest: u64,
    },
    /// A start found that what had been synced is not there any more, and set everything aside.
    DamageFound {
        /// What.
        what: String,
    },
    /// The server starts without a voice, because its data were damaged.
    Voiceless,
    /// A leader has brought the server up to its history: it has a voice again.
    VoiceRegained,
    /// The epoch numbers as the server now believes them; both are durable.
    Epochs {
        /// The last epoch promised to.
        accepted: Epoch,
        /// The last epoch joined.
        current: Epoch,
        /// The newest transaction in the log.
        last_logged: Zxid,
    },
    /// Another server sent what the protocol rules out over an ordered connection. The connection is
    /// given up.
    Unexpected {
        /// What came instead of what.
        what: String,
    },
    /// A session's ephemerals and the session itself after its end was applied.
    SessionClosed {
        /// Which.
        session: SessionId,
        /// Ephemerals that are still there: always 0.
        ephemerals_left: usize,
    },
    /// The tree holds ephemerals of a session that the server does not know: never.
    Orphaned {
        /// Whose.
        session: SessionId,
        /// How many.
        ephemerals: usize,
    },
    /// A client's connection is gone from the server's tables.
    ConnectionEnded {
        /// Watches of it that are still there: always 0.
        watches_left: usize,
    },
}
