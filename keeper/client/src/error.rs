//! Why a request has no answer.

use keeper_core::error::Code;
use keeper_core::ids::{SessionId, Zxid};
use keeper_core::jute::DecodeError;
use keeper_core::wire::client::{FrameError, OpCode};
use thiserror::Error;

use crate::reply::Origin;

/// Why a request was not answered, or not as wished.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClientError {
    /// The server refused. A refused write changed nothing.
    #[error("server answered {code} at zxid {zxid}")]
    Server {
        /// Its reason.
        code: Code,
        /// The state in which it refused.
        zxid: Zxid,
        /// The refusal's place among all that this client saw.
        sequence: u64,
        /// The request as the server knew it.
        origin: Origin,
    },
    /// The connection was lost after the request had been sent: the outcome is unknown. The session
    /// may well live on.
    #[error("connection lost with the request in flight, its outcome is unknown: {loss}")]
    ConnectionLoss {
        /// What happened to the connection.
        loss: Loss,
        /// The loss's place among all that this client saw.
        sequence: u64,
        /// The request as the server would know it.
        origin: Origin,
    },
    /// A server said that the session is no more. The request was not sent.
    #[error("session expired before the request was sent")]
    SessionExpired,
    /// The client was closed. The request was not sent.
    #[error("client closed before the request was sent")]
    Closed,
    /// No server could be reached within the request time-out. The request was not sent.
    #[error("no connection within the request time-out, the request was not sent")]
    Timeout,
    /// The operation is the client's own business or takes another client. It was not sent.
    #[error("{0:?} cannot be submitted")]
    NotForCallers(OpCode),
    /// The server's answer is none to this request.
    #[error("answer of another kind than {0:?} has")]
    WrongAnswer(OpCode),
}

impl ClientError {
    /// The server's code, if it refused.
    pub fn code(&self) -> Option<Code> {
        match self {
            ClientError::Server { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether a write may have taken effect all the same.
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, ClientError::ConnectionLoss { .. } | ClientError::WrongAnswer(_))
    }

    /// The request as the server knew it; `None` if it was never sent.
    pub fn origin(&self) -> Option<Origin> {
        match self {
            ClientError::Server { origin, .. } | ClientError::ConnectionLoss { origin, .. } => {
                Some(*origin)
            }
            _ => None,
        }
    }
}

/// What ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Loss {
    /// The stream ended or failed.
    #[error("stream ended")]
    Ended,
    /// The server was silent for two thirds of the session time-out.
    #[error("server silent")]
    Silent,
    /// The server left a request unanswered for the request time-out.
    #[error("request unanswered")]
    Unanswered,
    /// The server spoke wrongly.
    #[error("protocol error: {0}")]
    Protocol(#[from] ProtocolError),
}

/// How a server spoke wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// An impossible packet length.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A packet that is no answer.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// An answer out of order.
    #[error("answer to xid {got} where {} is due", name(.expected))]
    WrongXid {
        /// The oldest unanswered request.
        expected: Option<i32>,
        /// What was answered.
        got: i32,
    },
    /// Another session than the one asked for.
    #[error("session {got} instead of {expected}")]
    WrongSession {
        /// The session asked for.
        expected: SessionId,
        /// The session given.
        got: SessionId,
    },
    /// Watches or identities could not be set again after a reconnection.
    #[error("state could not be set again: {0}")]
    NotRestored(Code),
}

fn name(xid: &Option<i32>) -> String {
    xid.map_or_else(|| "none".to_owned(), |xid| xid.to_string())
}
