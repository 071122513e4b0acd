//! Recipes: what programs build of znodes, ready made. A [`Lock`] lets one client at a time hold a
//! path; an [`Election`] lets one candidate at a time lead.
//!
//! Both are a line of ephemeral sequential znodes under one path, as ZooKeeper's manual describes
//! them ("ZooKeeper Recipes and Solutions", Locks and Leader Election): the first in the line holds,
//! and everyone else watches only the znode before its own, so that the end of a hold wakes one
//! client and not a herd.
//!
//! **A hold ends without asking.** When the session ends, so does the hold: [`Hold::ended`] says
//! so, but never in time for certain. A program that was paused, or whose last write is still under
//! way, may act when another one holds already (F. Junqueira, "Note on fencing and distributed
//! locks", 2016; M. Kleppmann, "How to do distributed locking", 2016). So whatever the hold protects
//! must be told its [`FencingToken`] with each change, and refuse a token that is lower than one it
//! has seen.
//!
//! **A lost connection is not the end.** A request whose answer was lost is settled first: the
//! znode's name carries an identifier that nobody else has, by which it is found again (the
//! manual's "recoverable errors and the GUID"; Apache Curator calls it protection). While the
//! connection is away a hold is [`HoldState::Doubtful`].
//!
//! The znodes are named as Curator's `InterProcessMutex` and `LeaderLatch` name theirs.

mod contender;
mod election;
mod hold;
mod line;
mod lock;

use keeper_core::error::Code;
use keeper_core::ids::Zxid;
use thiserror::Error;

pub use election::{Candidate, Election, Leadership};
pub use hold::{Hold, HoldState};
pub use lock::Lock;

use crate::error::ClientError;

/// Tells holds of one path apart: a later hold has a higher one. It is the czxid of the holder's
/// znode, so that a resource can keep the highest in eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FencingToken(pub Zxid);

/// Why there is no hold, or no more.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecipeError {
    /// A server said that the session is no more, and the znode went with it.
    #[error("{path}: the session expired")]
    SessionExpired {
        /// The path of the lock or the election.
        path: String,
    },
    /// The client was closed or given up.
    #[error("{path}: the client is closed")]
    Closed {
        /// The path of the lock or the election.
        path: String,
    },
    /// Somebody deleted the znode that stood for this client.
    #[error("{node}: the znode was deleted by somebody else")]
    NodeDeleted {
        /// The znode.
        node: String,
    },
    /// A server refused a request, for instance because an ACL does not allow it.
    #[error("{path}: {error}")]
    Refused {
        /// The path of the lock or the election.
        path: String,
        /// What it said.
        error: ClientError,
    },
}

impl RecipeError {
    fn of(path: &str, error: ClientError) -> RecipeError {
        let path = path.to_owned();
        match error {
            ClientError::SessionExpired => RecipeError::SessionExpired { path },
            ClientError::Server { code: Code::SessionExpired, .. } => {
                RecipeError::SessionExpired { path }
            }
            ClientError::Closed => RecipeError::Closed { path },
            error => RecipeError::Refused { path, error },
        }
    }

    /// Whether the znode is gone with its session, or will be.
    fn is_end_of_session(&self) -> bool {
        matches!(self, RecipeError::SessionExpired { .. } | RecipeError::Closed { .. })
    }
}
