//! What goes into the session machine and what comes out.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use keeper_core::ids::{SessionId, Zxid};
use keeper_core::wire::client::{Frames, Request, Response};

use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::reply::Reply;

/// Where a server listens for clients.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerAddress {
    /// A name or an address.
    pub host: String,
    /// The client port.
    pub port: u16,
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A text is not `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not host:port")]
pub struct NotAnAddress(pub String);

impl FromStr for ServerAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NotAnAddress(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = port.parse().map_err(|_| wrong())?;
        if host.is_empty() { Err(wrong()) } else { Ok(ServerAddress { host: host.into(), port }) }
    }
}

/// A session that a server granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionHandle {
    /// The session.
    pub id: SessionId,
    /// What proves that a client may go on with it.
    pub password: Vec<u8>,
    /// The time-out that the server granted, in milliseconds.
    pub timeout_ms: i32,
}

/// A session to go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The session.
    pub id: SessionId,
    /// Its password.
    pub password: Vec<u8>,
    /// The latest state that it has seen; a server that is behind will not serve it.
    pub last_zxid_seen: Zxid,
}

/// How a session is to be kept.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// How many servers there are; at least one.
    pub servers: usize,
    /// The session time-out to ask for, in milliseconds.
    pub timeout_ms: i32,
    /// How long one attempt to connect may take, handshake included, in milliseconds.
    pub connect_timeout_ms: u64,
    /// How long a request may wait to be sent, and then to be answered, in milliseconds. `None`:
    /// for as long as the session lives and the connection is not silent.
    pub request_timeout_ms: Option<u64>,
    /// Requests that may be unanswered at a time; at least one.
    pub max_in_flight: usize,
    /// The longest packet that is accepted from a server, in bytes.
    pub max_packet_bytes: usize,
    /// The session to go on with; `None` asks for a new one.
    pub resume: Option<Resume>,
    /// Decides the order of the servers and the jitter of pauses.
    pub seed: u64,
}

impl SessionConfig {
    /// ZooKeeper's usual settings for this many servers.
    pub fn new(servers: usize, seed: u64) -> SessionConfig {
        SessionConfig {
            servers,
            timeout_ms: 10_000,
            connect_timeout_ms: 2_000,
            request_timeout_ms: None,
            max_in_flight: 1_000,
            max_packet_bytes: 4 * Frames::DEFAULT_MAX_BYTES,
            resume: None,
            seed,
        }
    }
}

/// The caller's name for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// The machine's name for one attempt to connect and the connection that comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection(pub u64);

/// What the session machine is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// The deadline has come, or time simply passed.
    Tick,
    /// The caller wants something.
    Submit {
        /// Comes back with the answer.
        ticket: Ticket,
        /// What is wanted. [`Request::CloseSession`] ends the session and the machine.
        request: Request,
    },
    /// An [`Effect::Connect`] succeeded.
    Connected(Connection),
    /// The next bytes of the stream.
    Bytes(Connection, Bytes),
    /// The stream ended, failed, or could not be made.
    Ended(Connection),
}

/// What the session machine wants done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Connect to a server.
    Connect {
        /// The name of the connection to be.
        connection: Connection,
        /// The server's index.
        server: usize,
    },
    /// Send bytes.
    Send(Connection, Vec<u8>),
    /// Close the connection, or give up connecting; no [`Event::Ended`] is expected.
    Disconnect(Connection),
    /// Tell the caller how a request ended.
    Complete(Ticket, Result<Reply<Response>, ClientError>),
    /// Tell the caller what happened.
    Notify(ClientEvent),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_as_they_print() {
        for text in ["zk1.example:2181", "127.0.0.1:1", "[::1]:2181"] {
            assert_eq!(text.parse::<ServerAddress>().unwrap().to_string(), text);
        }
        for text in ["", "zk1", ":2181", "zk1:", "zk1:65536", "zk1:x"] {
            assert_eq!(text.parse::<ServerAddress>(), Err(NotAnAddress(text.into())));
        }
    }
}
