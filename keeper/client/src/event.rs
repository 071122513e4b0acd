//! What happens to a client without its asking.

use keeper_core::ids::Zxid;
use keeper_core::wire::client::WatcherEvent;

use crate::error::Loss;
use crate::session::SessionHandle;

/// An event, in its place among all events and answers that one client saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientEvent {
    /// Grows by one with each event and each answer.
    pub sequence: u64,
    /// What happened.
    pub kind: ClientEventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEventKind {
    /// A watched node changed.
    Watch {
        /// What changed how.
        event: WatcherEvent,
        /// The change's position; `None` from servers that do not say (before 3.9).
        zxid: Option<Zxid>,
        /// The server's index in the list that the client was given.
        server: usize,
    },
    /// A server serves the session.
    Connected {
        /// The session.
        session: SessionHandle,
        /// The server's index in the list that the client was given.
        server: usize,
        /// Whether the session existed before.
        resumed: bool,
    },
    /// The connection was lost; the session may live on.
    Disconnected {
        /// The server's index in the list that the client was given.
        server: usize,
        /// Why.
        loss: Loss,
    },
    /// A server said that the session is no more. Nothing follows.
    Expired,
    /// The session was closed by this client. Nothing follows.
    Closed,
}
