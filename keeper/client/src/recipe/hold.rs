//! A place at the head of a line.

use keeper_core::ids::{SessionId, Zxid};
use tokio::sync::{oneshot, watch};

use super::{FencingToken, RecipeError};

/// What is known of a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldState {
    /// Nothing speaks against it. Only the fencing token proves it.
    Held,
    /// The connection is lost: the session, and with it the hold, may have ended. Do nothing that
    /// the token does not protect until it is [`HoldState::Held`] again.
    Doubtful,
    /// It is over: released, or as the error says.
    Ended(Option<RecipeError>),
}

/// Where a contender has got to.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    Waiting,
    Granted(Grant, HoldState),
    /// It is over, before it was granted or after.
    Ended(Option<RecipeError>),
}

/// What was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) node: String,
    pub(super) token: FencingToken,
    pub(super) seen: Zxid,
    pub(super) session: SessionId,
}

/// Asks a contender to leave the line, and where it says that it did.
pub(super) type Order = oneshot::Sender<Result<(), RecipeError>>;

/// What this client holds. Dropping it releases it in the background.
#[derive(Debug)]
pub struct Hold {
    grant: Grant,
    phase: watch::Receiver<Phase>,
    orders: oneshot::Sender<Order>,
}

/// A contender that was not granted anything yet. Dropping it makes it leave the line.
pub(super) struct Waiting {
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) orders: oneshot::Sender<Order>,
    pub(super) path: String,
}

impl Waiting {
    pub(super) async fn granted(mut self) -> Result<Hold, RecipeError> {
        let decided = self.phase.wait_for(|phase| !matches!(phase, Phase::Waiting)).await;
        match decided.map(|phase| phase.clone()) {
            Ok(Phase::Granted(grant, _)) => {
                Ok(Hold { grant, phase: self.phase, orders: self.orders })
            }
            Ok(Phase::Ended(Some(error))) => Err(error),
            // The contender's task ended with the program's runtime, or its host.
            Ok(Phase::Ended(None) | Phase::Waiting) | Err(_) => {
                Err(RecipeError::Closed { path: self.path })
            }
        }
    }
}

impl Hold {
    /// What the protected resource must be told with every change.
    pub fn token(&self) -> FencingToken {
        self.grant.token
    }

    /// The znode that stands for this hold.
    pub fn node(&self) -> &str {
        &self.grant.node
    }

    /// The session that it belongs to.
    pub fn session(&self) -> SessionId {
        self.grant.session
    }

    /// The state of the tree in which this client was seen to be the first in the line.
    pub fn seen(&self) -> Zxid {
        self.grant.seen
    }

    /// What is known of it at this moment.
    pub fn state(&self) -> HoldState {
        state_of(&self.phase.borrow())
    }

    /// Waits until what is known of it changes, and says what it is then. Cancel safe.
    pub async fn changed(&mut self) -> HoldState {
        if self.phase.changed().await.is_err() {
            // The contender's task says how it ended before it ends, unless its host has.
            let state = self.state();
            let path = self.grant.node.clone();
            return match state {
                HoldState::Ended(_) => state,
                _ => HoldState::Ended(Some(RecipeError::Closed { path })),
            };
        }
        self.state()
    }

    /// Waits until it ends against its holder's will, and says why. Cancel safe.
    pub async fn ended(&mut self) -> RecipeError {
        loop {
            let state = match self.state() {
                HoldState::Ended(reason) => HoldState::Ended(reason),
                _ => self.changed().await,
            };
            if let HoldState::Ended(reason) = state {
                let path = self.grant.node.clone();
                return reason.unwrap_or(RecipeError::Closed { path });
            }
        }
    }

    /// Gives it back, and waits until the next in the line may have it. It waits for a connection
    /// for as long as the session lives.
    ///
    /// # Errors
    /// It had ended before, or a server refused to delete the znode.
    pub async fn release(self) -> Result<(), RecipeError> {
        let (done, is_done) = oneshot::channel();
        let ended = || match state_of(&self.phase.borrow()) {
            HoldState::Ended(Some(error)) => error,
            _ => RecipeError::Closed { path: self.grant.node.clone() },
        };
        if self.orders.send(done).is_err() {
            return Err(ended());
        }
        match is_done.await {
            Ok(result) => result,
            Err(_) => Err(ended()),
        }
    }
}

fn state_of(phase: &Phase) -> HoldState {
    match phase {
        // A hold exists only after its grant.
        Phase::Waiting => HoldState::Doubtful,
        Phase::Granted(_, state) => state.clone(),
        Phase::Ended(reason) => HoldState::Ended(reason.clone()),
    }
}
