//! What a run of the coordination server leaves behind beside the steps of its servers: what clients
//! asked and were told, and how the servers ended.

use keeper_core::error::Code;
use keeper_core::ids::{Epoch, SessionId, Zxid};
use keeper_core::wire::client::EventType;
use keeper_core::wire::client::{Request, Response};

use crate::claims::{Claim, GuardedWrite};
use crate::system::Keeper;

/// Everything that was seen of one run.
pub type RunRecord = harness::Record<Keeper>;
/// A step of one server's protocol.
pub type Observed = harness::record::Observed<keeper_core::observation::Observation>;

/// What clients saw, and how the servers ended.
#[derive(Clone, Debug, Default)]
pub struct KeeperHistory {
    /// Requests of clients, in the order in which they were made.
    pub operations: Vec<ClientOperation>,
    /// Births and ends of sessions, as clients saw them.
    pub sessions: Vec<ClientSessionEvent>,
    /// Watch events, as clients received them.
    pub watches: Vec<ClientWatchEvent>,
    /// Locks and elections, as clients saw them, in the order in which they were asked for.
    pub claims: Vec<Claim>,
    /// Writes of what locks and elections protect, in the order in which they arrived.
    pub guarded_writes: Vec<GuardedWrite>,
    /// The servers at the end.
    pub finals: Vec<FinalState>,
}

/// One request of a client and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientOperation {
    /// The client, from 1.
    pub client: u32,
    /// Its position among the plan's operations.
    pub planned: usize,
    /// The session on which it was sent; 0 if it never was.
    pub session: SessionId,
    /// The request's xid; 0 if it was never sent.
    pub xid: i32,
    /// The request as it was sent.
    pub request: Request,
    /// When it was made.
    pub invoke_ns: u64,
    /// When its end was known; `None` if the run ended first.
    pub complete_ns: Option<u64>,
    /// Its end.
    pub outcome: ClientOutcome,
    /// The client's counter when it was made.
    pub invoke_sequence: u64,
    /// The client's counter when its end was known.
    pub sequence: u64,
}

/// What a client learned of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientOutcome {
    /// An answer without error.
    Ok {
        /// The reply header's position.
        zxid: Zxid,
        /// The answer.
        response: Response,
    },
    /// An answer with an error.
    Error {
        /// The reply header's position.
        zxid: Zxid,
        /// The error.
        code: Code,
    },
    /// No answer came; it may have happened.
    Unknown,
    /// It was never sent, so it did not happen.
    NotSent,
}

/// A change of a client's session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSessionEvent {
    /// The client, from 1.
    pub client: u32,
    /// The session.
    pub session: SessionId,
    /// What happened.
    pub kind: SessionChange,
    /// The server spoken to, if any.
    pub server: Option<String>,
    /// When.
    pub at_ns: u64,
    /// The client's counter.
    pub sequence: u64,
}

/// Kinds of session events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionChange {
    /// A new session.
    Created {
        /// Its time-out.
        timeout_ms: u64,
    },
    /// The connection ended.
    Disconnected,
    /// A server took the session again.
    Reconnected,
    /// A server said that the session is no more.
    Expired,
    /// The client closed it and was answered.
    Closed {
        /// The reply header's position.
        zxid: Zxid,
    },
    /// The client closed it and was not answered.
    CloseUnknown,
}

/// A watch event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientWatchEvent {
    /// The client, from 1.
    pub client: u32,
    /// Its session.
    pub session: SessionId,
    /// What happened.
    pub kind: EventType,
    /// To which node.
    pub path: String,
    /// The position in the event's header, if it has one.
    pub zxid: Option<Zxid>,
    /// When.
    pub at_ns: u64,
    /// The client's counter.
    pub sequence: u64,
}

/// A server at the end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalState {
    /// The server, from 1.
    pub server: u32,
    /// Whether it serves clients.
    pub serving: bool,
    /// Whether it leads.
    pub leading: bool,
    /// Its epoch.
    pub epoch: Epoch,
    /// The last transaction applied.
    pub applied: Zxid,
    /// The tree's digest.
    pub digest: u64,
}
