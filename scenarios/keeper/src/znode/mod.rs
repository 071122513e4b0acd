//! ZooKeeper histories: what clients asked, what they were told, and which watches fired.
//!
//! A [`ZHistory`] is what a recorder (in a simulator or beside real clients) writes down and what
//! every property of this module reads. Everything is plain data with serde; times are
//! nanoseconds of the recorder's clock (simulated or real), and nothing here reads a clock.
//!
//! Only one-shot watches are represented; persistent watches need other rules and are not
//! recorded here.

pub mod check_all;
pub mod ephemerals;
pub mod fifo;
mod identifiers;
mod jsonl;
mod placement;
pub mod read_your_writes;
pub mod reads;
mod render;
mod replay;
mod request;
pub mod sequential;
pub mod session_zxid;
pub mod single_znode;
pub mod sync_read;
#[cfg(test)]
pub(crate) mod testing;
mod tree;
pub mod watch_complete;
pub mod watch_once;
pub mod watch_order;
pub mod witness;

use serde::{Deserialize, Serialize};

pub use check_all::{PropertyName, check_all};
pub use identifiers::{ClientId, Cxid, Data, ErrorCode, SessionId, Zxid};
pub use jsonl::ReadError;
#[cfg(test)]
pub(crate) use render::operation_line;
pub use request::{CreateMode, MultiOp, MultiResult, Request, Response, Stat};

/// Everything that was observed of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZHistory {
    /// Every request of every client, in any order.
    pub operations: Vec<ZOperation>,
    /// Births, reconnects and ends of sessions, as their clients saw them.
    pub sessions: Vec<SessionEvent>,
    /// Watch events, as clients saw them.
    pub watches: Vec<WatchEvent>,
    /// What was committed, when an omniscient recorder knows it: *every* committed transaction,
    /// else `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commits: Option<Vec<Commit>>,
    /// What the system under test claims beyond ZooKeeper's own guarantees.
    #[serde(default)]
    pub claims: Claims,
}

/// Guarantees that only some systems give; a property that depends on one is silent without it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// `sync` is a barrier: a read that follows a successful `sync` on its session sees every
    /// write acknowledged before that `sync` was invoked. Apache ZooKeeper does not claim it.
    #[serde(default)]
    pub sync_is_barrier: bool,
    /// When servers' clocks ran fast: sessions may expire so much earlier. ZooKeeper's sessions rest
    /// on clocks of about the same rate for their timeliness alone (Hunt and others, "ZooKeeper",
    /// USENIX ATC 2010, section 4.4), so this costs no other guarantee.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fast_clocks: Vec<FastClock>,
}

impl Claims {
    /// The most that any server's clock may have advanced between two moments, in nanoseconds.
    pub fn elapsed_max_ns(&self, from_ns: u64, to_ns: u64) -> u64 {
        let gained = |fast: &FastClock| {
            let both_ns = fast.to_ns.min(to_ns).saturating_sub(fast.from_ns.max(from_ns));
            u128::from(both_ns) * u128::from(fast.ppm) / 1_000_000
        };
        let gained_ns: u128 = self.fast_clocks.iter().map(gained).sum();
        to_ns.saturating_sub(from_ns).saturating_add(u64::try_from(gained_ns).unwrap_or(u64::MAX))
    }
}

/// A server's clock that ran fast for a time. Several at a time add up, whosever they are: which of
/// the servers led at which moment is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FastClock {
    /// From when, in nanoseconds of true time.
    pub from_ns: u64,
    /// Until when.
    pub to_ns: u64,
    /// How much faster, in millionths of the true rate.
    pub ppm: u64,
}

/// One request of a client and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZOperation {
    /// Who asked.
    pub client: ClientId,
    /// The session on which it was asked.
    pub session: SessionId,
    /// The request's number on its session: unique there, and increasing in the order of sending.
    pub cxid: Cxid,
    /// What was asked.
    pub request: Request,
    /// Whether the read asked for a watch. `exists` registers one also when it answers NoNode,
    /// `getData` and `getChildren2` only when they succeed.
    #[serde(default)]
    pub watch: bool,
    /// When the client sent it.
    pub invoke_ns: u64,
    /// When the client had the answer, or learned that none would come; `None` if never.
    pub complete_ns: Option<u64>,
    /// The answer.
    pub outcome: Outcome,
    /// The reply header's zxid: for a write its own transaction's, for a read and `sync` the last
    /// transaction that the server had applied. `None` exactly when no reply came.
    pub zxid: Option<Zxid>,
    /// Recorder's counter when the request was sent.
    pub invoke_sequence: u64,
    /// Recorder's counter when the answer was seen (or the loss noticed). Counters increase in
    /// the order in which one client saw things, and decide between equal times.
    pub sequence: u64,
}

/// What a client learned about its request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// A reply without error. A multi that failed is also `Ok`: its results carry the errors.
    Ok(Response),
    /// A reply with an error: nothing was changed.
    Error(ErrorCode),
    /// Connection lost or timed out: it may have happened, may still happen, or never will.
    Unknown,
}

/// A change in the life of a session, as its client saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEvent {
    /// The client that owns the session.
    pub client: ClientId,
    /// The session.
    pub session: SessionId,
    /// What happened.
    pub kind: SessionEventKind,
    /// The server that the client spoke to, if it was connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// When.
    pub at_ns: u64,
    /// Recorder's counter, see [`ZOperation::sequence`].
    pub sequence: u64,
}

/// Kinds of session events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionEventKind {
    /// A new session was granted, with this negotiated time-out.
    Created {
        /// Negotiated session time-out in milliseconds.
        timeout_ms: u64,
    },
    /// The connection is gone; the session may live on.
    Disconnected,
    /// A server accepted the session again.
    Reconnected,
    /// A server told the client that the session has expired.
    Expired,
    /// The client closed the session and had the answer.
    Closed {
        /// Zxid of the closeSession transaction, from its reply header.
        zxid: Option<Zxid>,
    },
    /// The client asked to close, and never learned whether it happened.
    CloseUnknown,
}

/// One watch event that a client received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchEvent {
    /// Who received it.
    pub client: ClientId,
    /// On which session.
    pub session: SessionId,
    /// What it announced.
    pub kind: WatchEventKind,
    /// Of which znode.
    pub path: String,
    /// The zxid of the change, if the server sent it (Apache does since 3.9, and not for events
    /// made up after a reconnect).
    pub zxid: Option<Zxid>,
    /// When it was received.
    pub at_ns: u64,
    /// Recorder's counter, see [`ZOperation::sequence`].
    pub sequence: u64,
}

/// Kinds of watch events, by ZooKeeper's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WatchEventKind {
    /// The znode came to be.
    NodeCreated,
    /// The znode was deleted.
    NodeDeleted,
    /// Its data was set.
    NodeDataChanged,
    /// A child of it was created or deleted.
    NodeChildrenChanged,
}

/// One committed transaction, as an omniscient recorder knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Its position in the order of commits.
    pub zxid: Zxid,
    /// The session that caused it.
    pub session: SessionId,
    /// The request that caused it; meaningless for sessions' own transactions.
    pub cxid: Cxid,
    /// What kind of transaction it is.
    pub kind: CommitKind,
}

/// Kinds of committed transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommitKind {
    /// A client's write, whether it succeeded or was committed as an error.
    Operation,
    /// A new session.
    CreateSession,
    /// The end of a session: its ephemerals go in this transaction.
    CloseSession,
}

impl ZOperation {
    /// Whether the client knows what happened.
    pub fn is_known(&self) -> bool {
        !matches!(self.outcome, Outcome::Unknown)
    }

    /// The response, if there is one.
    pub fn response(&self) -> Option<&Response> {
        match &self.outcome {
            Outcome::Ok(response) => Some(response),
            Outcome::Error(_) | Outcome::Unknown => None,
        }
    }

    /// The zxid of the change that this operation is known to have made.
    pub fn committed_zxid(&self) -> Option<Zxid> {
        let changed = match &self.outcome {
            Outcome::Ok(Response::Multi { results }) => {
                !results.iter().any(|r| matches!(r, MultiResult::Error(_)))
            }
            Outcome::Ok(_) => true,
            Outcome::Error(_) | Outcome::Unknown => false,
        };
        if changed && self.request.is_write() { self.zxid } else { None }
    }

    /// Whether this operation returned before `other` was invoked, in real time.
    pub fn returned_before(&self, other: &ZOperation) -> bool {
        let Some(complete_ns) = self.complete_ns.filter(|_| self.is_known()) else {
            return false;
        };
        let same_tick = complete_ns == other.invoke_ns && self.client == other.client;
        complete_ns < other.invoke_ns || (same_tick && self.sequence < other.invoke_sequence)
    }
}
