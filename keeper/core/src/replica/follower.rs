//! What a follower knows of its leader, and how far it has come with it.

use std::collections::VecDeque;

use crate::event::DiskToken;
use crate::ids::{ConnectionId, Epoch, ServerId, Zxid};
use crate::limits::QUORUM_PACKET_BYTES_MAX;
use crate::log::SnapshotReader;
use crate::session::Touched;
use crate::wire::quorum::QuorumDecoder;
use crate::zab::ensemble::Settings;

/// How far a follower has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowerPhase {
    /// The connection is being made, or will be tried again at this moment.
    Connecting {
        /// Monotonic milliseconds; `None` while an attempt is under way.
        retry_at_ms: Option<u64>,
    },
    /// FOLLOWERINFO is out.
    AwaitingEpoch,
    /// The promise of the leader's epoch is being made durable.
    Promising {
        /// The disk operation.
        token: DiskToken,
        /// The epoch joined before, which the promise reports.
        current: Epoch,
    },
    /// ACKEPOCH is out.
    AwaitingSync,
    /// A snapshot is arriving.
    ReceivingSnapshot,
    /// The leader's proposals are arriving.
    AwaitingNewLeader,
    /// The whole history and the epoch are being made durable.
    Joining {
        /// The disk operation behind all of them.
        token: DiskToken,
        /// The last transaction that the acknowledgement of NEWLEADER will cover.
        upto: Zxid,
    },
    /// NEWLEADER is acknowledged.
    AwaitingUpToDate,
    /// UPTODATE has come; what it commits is being applied.
    CatchingUp,
    /// Clients are served.
    Serving,
}

/// A leader's tree on its way here.
#[derive(Debug)]
pub struct IncomingSnapshot {
    /// The last transaction that it covers.
    pub zxid: Zxid,
    /// What has come of it.
    pub reader: SnapshotReader,
    /// Whether the leader says that no part of its tree is ahead of `zxid`.
    pub is_exact: bool,
    /// What came behind the tree, until the signature is complete.
    pub rest: Option<Vec<u8>>,
}

/// A follower's book.
#[derive(Debug)]
pub struct Follower {
    /// Its leader.
    pub leader: ServerId,
    /// The connection to it.
    pub connection: ConnectionId,
    /// Its phase.
    pub phase: FollowerPhase,
    /// The leader's epoch, once known.
    pub epoch: Epoch,
    /// Attempts to connect so far.
    pub attempts: u32,
    /// When the leader was last heard from, monotonic milliseconds.
    pub heard_ms: u64,
    /// When following began, monotonic milliseconds.
    pub began_ms: u64,
    /// Everything up to here is committed, though not applied before UPTODATE.
    pub committed: Zxid,
    /// The last transaction that the log shared with the leader's when synchronisation began.
    pub common: Zxid,
    /// The last proposal acknowledged one by one.
    pub acked: Zxid,
    /// Sessions heard from since the last ping.
    pub touched: Touched,
    /// Syncs that wait for the leader; its answers carry no name and come in order.
    pub syncs: VecDeque<(ConnectionId, i32)>,
    /// Incoming packets.
    pub decoder: QuorumDecoder,
    /// The incoming snapshot.
    pub snapshot: Option<IncomingSnapshot>,
}

impl Follower {
    /// A follower that is about to connect.
    pub fn new(now_ms: u64, leader: ServerId, connection: ConnectionId) -> Follower {
        Follower {
            leader,
            connection,
            phase: FollowerPhase::Connecting { retry_at_ms: None },
            epoch: Epoch(0),
            attempts: 1,
            heard_ms: now_ms,
            began_ms: now_ms,
            committed: Zxid::ZERO,
            common: Zxid::ZERO,
            acked: Zxid::ZERO,
            touched: Touched::default(),
            syncs: VecDeque::new(),
            decoder: QuorumDecoder::new(QUORUM_PACKET_BYTES_MAX),
            snapshot: None,
        }
    }

    /// Whether NEWLEADER has come and UPTODATE has not.
    pub fn awaits_up_to_date(&self) -> bool {
        matches!(self.phase, FollowerPhase::Joining { .. } | FollowerPhase::AwaitingUpToDate)
    }

    /// Whether it is between the leader's first word about its history and UPTODATE.
    pub fn is_synchronising(&self) -> bool {
        matches!(
            self.phase,
            FollowerPhase::ReceivingSnapshot
                | FollowerPhase::AwaitingNewLeader
                | FollowerPhase::Joining { .. }
                | FollowerPhase::AwaitingUpToDate
        )
    }

    /// Whether the acknowledgement of NEWLEADER is out, so that proposals are acknowledged too.
    pub fn has_joined(&self) -> bool {
        self.phase == FollowerPhase::AwaitingUpToDate || self.is_up_to_date()
    }

    /// How long the leader may be silent, in milliseconds. It waits for this server while that writes what it was
    /// sent; before that it may wait for others, for `initLimit`, but then it is found again in the next election,
    /// and a leader that has died is not waited for so long.
    pub fn silence_ms(&self, settings: &Settings) -> u64 {
        match self.phase {
            FollowerPhase::Promising { .. } | FollowerPhase::Joining { .. } => settings.init_ms(),
            _ => settings.sync_ms(),
        }
    }

    /// It has answered, and it is the leader's turn again.
    pub fn begin_to_wait(&mut self, now_ms: u64, phase: FollowerPhase) {
        self.phase = phase;
        self.heard_ms = now_ms;
    }

    /// Whether UPTODATE has come.
    pub fn is_up_to_date(&self) -> bool {
        matches!(self.phase, FollowerPhase::CatchingUp | FollowerPhase::Serving)
    }
}
