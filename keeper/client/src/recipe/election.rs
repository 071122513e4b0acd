//! Leader election: one candidate at a time leads.

use bytes::Bytes;
use keeper_core::ids::Zxid;
use keeper_core::record::Data;
use platform::Platform;

use super::contender::{ask, found, join};
use super::hold::{Hold, HoldState};
use super::line::Line;
use super::{FencingToken, RecipeError};
use crate::client::Client;

/// An election by its path. Who stood first leads; when its session ends, or it resigns, the next
/// one does.
#[derive(Clone, Debug)]
pub struct Election<P: Platform> {
    client: Client<P>,
    line: Line,
}

/// Somebody who stands for an election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its znode.
    pub node: String,
    /// What it said of itself, such as the address where it serves.
    pub data: Data,
    /// The token with which it leads, or would.
    pub token: FencingToken,
}

/// What a leader has. Dropping it resigns in the background.
#[derive(Debug)]
pub struct Leadership(Hold);

impl<P: Platform> Election<P> {
    /// The election at `path`, a znode that is made if it is not there and must be used for nothing
    /// else.
    pub fn new(client: &Client<P>, path: impl Into<String>) -> Election<P> {
        Election { client: client.clone(), line: Line::new(path, "latch-") }
    }

    /// Its path.
    pub fn path(&self) -> &str {
        &self.line.path
    }

    /// Stands for the election with `data` for others to read, and waits until this candidate
    /// leads. Lost connections are waited out; a future that is dropped withdraws, in the
    /// background.
    ///
    /// # Errors
    /// The session ended, the client was closed, somebody deleted the candidate's znode, or a
    /// server refused.
    pub async fn lead(&self, data: impl Into<Bytes>) -> Result<Leadership, RecipeError> {
        join(&self.client, &self.line, data.into()).granted().await.map(Leadership)
    }

    /// Who leads, as the server that serves this client knows it; none if nobody stands. It may
    /// have ended by the time it is read: `sync` first, to learn of what ended before.
    ///
    /// # Errors
    /// The session ended, the client was closed, or a server refused.
    pub async fn leader(&self) -> Result<Option<Candidate>, RecipeError> {
        let error = |error| RecipeError::of(&self.line.path, error);
        loop {
            let listed =
                ask(&self.client, || self.client.get_children2(&self.line.path, false)).await;
            let Some(listed) = found(listed).map_err(error)? else { return Ok(None) };
            let (children, _) = listed.value;
            let places = self.line.sort(children);
            let Some(first) = places.first() else { return Ok(None) };
            let node = self.line.node(&first.name);
            let read = ask(&self.client, || self.client.get_data(&node, false)).await;
            // It may have gone meanwhile: then another one leads.
            if let Some(read) = found(read).map_err(error)? {
                let (data, stat) = read.value;
                let token = FencingToken(Zxid(stat.czxid.0));
                return Ok(Some(Candidate { node, data, token }));
            }
        }
    }
}

impl Leadership {
    /// What everything that the leader commands must be told with each command.
    pub fn token(&self) -> FencingToken {
        self.0.token()
    }

    /// What is known of the leadership at this moment.
    pub fn state(&self) -> HoldState {
        self.0.state()
    }

    /// Waits until it ends against the leader's will, and says why. Cancel safe.
    pub async fn ended(&mut self) -> RecipeError {
        self.0.ended().await
    }

    /// Lets the next candidate lead.
    ///
    /// # Errors
    /// It had ended before, or a server refused to delete the candidate's znode.
    pub async fn resign(self) -> Result<(), RecipeError> {
        self.0.release().await
    }

    /// The place in the line that it rests on.
    pub fn hold(&self) -> &Hold {
        &self.0
    }
}

impl From<Leadership> for Hold {
    fn from(leadership: Leadership) -> Hold {
        leadership.0
    }
}
