//! One client's place in a line, from its znode's creation to its end: a task of its own, so that
//! the znode is cleared away whatever becomes of the program's future.

use std::future::Future;

use bytes::Bytes;
use keeper_core::error::Code;
use keeper_core::ids::Zxid;
use keeper_core::record::Acl;
use keeper_core::wire::client::CreateMode;
use platform::Platform;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{oneshot, watch};

use super::hold::{Grant, HoldState, Order, Phase, Waiting};
use super::line::Line;
use super::{FencingToken, RecipeError};
use crate::client::Client;
use crate::error::ClientError;
use crate::event::{ClientEvent, ClientEventKind};
use crate::reply::Reply;

/// Pause before a request that a server has refused for the moment is made again, in milliseconds.
const RETRY_PAUSE_MS: u64 = 100;

/// Joins a line.
pub(super) fn join<P: Platform>(client: &Client<P>, line: &Line, data: Bytes) -> Waiting {
    let (phase, phases) = watch::channel(Phase::Waiting);
    let (orders, order) = oneshot::channel();
    let mut id = [0; 16];
    client.platform().fill(&mut id);
    let contender = Contender {
        client: client.clone(),
        prefix: line.prefix(id),
        line: line.clone(),
        data,
        node: None,
        events: client.events(),
        phase,
    };
    client.platform().spawn(contender.run(order));
    Waiting { phase: phases, orders, path: line.path.clone() }
}

struct Contender<P: Platform> {
    client: Client<P>,
    line: Line,
    /// What this contender's znode's name begins with, and nobody else's.
    prefix: String,
    data: Bytes,
    /// The znode's path, once it is known.
    node: Option<String>,
    events: UnboundedReceiver<ClientEvent>,
    phase: watch::Sender<Phase>,
}

impl<P: Platform> Contender<P> {
    async fn run(mut self, mut orders: oneshot::Receiver<Order>) {
        let order = tokio::select! {
            biased;
            // An error means that nobody wants the place any more.
            order = &mut orders => order.ok(),
            error = self.contend() => {
                if !error.is_end_of_session() {
                    // What it says is of no more use: the place is lost already.
                    let _ = self.withdraw().await;
                }
                self.phase.send_replace(Phase::Ended(Some(error)));
                return;
            }
        };
        let withdrawn = self.withdraw().await;
        self.phase.send_replace(Phase::Ended(withdrawn.clone().err()));
        if let Some(order) = order {
            // Whoever gave the order may have stopped waiting.
            let _ = order.send(withdrawn);
        }
    }

    /// Stands in line and then holds, until something ends it.
    async fn contend(&mut self) -> RecipeError {
        let grant = match self.stand().await {
            Ok(grant) => grant,
            Err(error) => return error,
        };
        let token = grant.token;
        let say = |contender: &Self, state| {
            contender.phase.send_replace(Phase::Granted(grant.clone(), state));
        };
        say(self, HoldState::Held);
        loop {
            match self.next_event().await {
                Err(error) => return error,
                Ok(ClientEventKind::Disconnected { .. }) => say(self, HoldState::Doubtful),
                Ok(ClientEventKind::Connected { .. }) => say(self, HoldState::Held),
                Ok(ClientEventKind::Watch { event, .. }) if event.path == grant.node => {
                    match self.own_token().await {
                        Ok(Some(now)) if now == token => {}
                        Ok(_) => return self.deleted(),
                        Err(error) => return error,
                    }
                }
                Ok(_) => {}
            }
        }
    }

    /// Waits until nobody is before this contender.
    async fn stand(&mut self) -> Result<Grant, RecipeError> {
        let node = self.create().await?;
        loop {
            let path = self.line.path.clone();
            let listed = ask(&self.client, || self.client.get_children2(&path, false)).await;
            let Some(listed) = found(listed).map_err(|error| self.error(error))? else {
                return Err(self.deleted());
            };
            let (children, _) = listed.value;
            let places = self.line.sort(children);
            let Some(mine) = places.iter().position(|place| self.line.node(&place.name) == node)
            else {
                return Err(self.deleted());
            };
            if mine > 0 {
                let before = self.line.node(&places[mine - 1].name);
                self.wait_for_end_of(&before).await?;
                continue;
            }
            let Some(token) = self.own_token().await? else { return Err(self.deleted()) };
            let (seen, session) = (listed.zxid, listed.origin.session);
            return Ok(Grant { node, token, seen, session });
        }
    }

    /// Creates the znode, once.
    async fn create(&mut self) -> Result<String, RecipeError> {
        let path = self.line.node(&self.prefix);
        loop {
            let mode = CreateMode::EphemeralSequential;
            let created = self.client.create2(&path, self.data.clone(), Acl::open(), mode).await;
            let node = match created {
                Ok(reply) => Some(reply.value.0),
                Err(error) if error.code() == Some(Code::NoNode) => {
                    self.make_ancestors().await?;
                    None
                }
                // It was not sent.
                Err(ClientError::Timeout) => None,
                Err(error) if error.outcome_unknown() || is_momentary(&error) => {
                    self.find_own().await?
                }
                Err(error) => return Err(self.error(error)),
            };
            if let Some(node) = node {
                self.node = Some(node.clone());
                return Ok(node);
            }
        }
    }

    async fn make_ancestors(&self) -> Result<(), RecipeError> {
        for path in self.line.ancestors() {
            let made = ask(&self.client, || {
                self.client.create(path, Bytes::new(), Acl::open(), CreateMode::Persistent)
            });
            match made.await {
                Err(error) if error.code() != Some(Code::NodeExists) => {
                    return Err(self.error(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// This contender's znode, whose creation was not answered, if it was created.
    ///
    /// The sync comes first: the leader answers it after all that it had proposed, and what was
    /// still on its way on the old connection is refused once the session has moved. So what is not
    /// there now will not be there later.
    async fn find_own(&self) -> Result<Option<String>, RecipeError> {
        let path = &self.line.path;
        ask(&self.client, || self.client.sync(path)).await.map_err(|error| self.error(error))?;
        let listed = ask(&self.client, || self.client.get_children2(path, false)).await;
        let Some(listed) = found(listed).map_err(|error| self.error(error))? else {
            return Ok(None);
        };
        let (children, _) = listed.value;
        let mine = children.iter().find(|name| name.starts_with(&self.prefix));
        Ok(mine.map(|name| self.line.node(name)))
    }

    /// The token of this contender's znode, none if the znode is gone; leaves a watch on it.
    async fn own_token(&self) -> Result<Option<FencingToken>, RecipeError> {
        let Some(node) = &self.node else { return Ok(None) };
        let stat = ask(&self.client, || self.client.exists(node, true)).await;
        let stat = stat.map_err(|error| self.error(error))?.value;
        Ok(stat.map(|stat| FencingToken(Zxid(stat.czxid.0))))
    }

    /// Waits until something happens to the znode before. Reading its data leaves a watch only if
    /// it is there.
    async fn wait_for_end_of(&mut self, before: &str) -> Result<(), RecipeError> {
        let watched = ask(&self.client, || self.client.get_data(before, true)).await;
        if found(watched).map_err(|error| self.error(error))?.is_none() {
            return Ok(());
        }
        loop {
            match self.next_event().await? {
                ClientEventKind::Watch { event, .. } if event.path == before => return Ok(()),
                _ => {}
            }
        }
    }

    async fn next_event(&mut self) -> Result<ClientEventKind, RecipeError> {
        match self.events.recv().await.map(|event| event.kind) {
            Some(ClientEventKind::Expired) => Err(self.error(ClientError::SessionExpired)),
            Some(ClientEventKind::Closed) | None => Err(self.error(ClientError::Closed)),
            Some(kind) => Ok(kind),
        }
    }

    /// Leaves the line.
    async fn withdraw(&mut self) -> Result<(), RecipeError> {
        let node = match self.node.take() {
            Some(node) => Some(node),
            // The creation may be under way still.
            None => self.find_own().await?,
        };
        let Some(node) = node else { return Ok(()) };
        let deleted = ask(&self.client, || self.client.delete(&node, -1)).await;
        found(deleted).map(drop).map_err(|error| self.error(error))
    }

    fn error(&self, error: ClientError) -> RecipeError {
        RecipeError::of(&self.line.path, error)
    }

    fn deleted(&self) -> RecipeError {
        let node = self.node.clone().unwrap_or_else(|| self.line.node(&self.prefix));
        RecipeError::NodeDeleted { node }
    }
}

/// Makes a request until it is answered for good. Only for what may be done twice.
pub(super) async fn ask<P: Platform, T, F>(
    client: &Client<P>,
    request: impl Fn() -> F,
) -> Result<Reply<T>, ClientError>
where
    F: Future<Output = Result<Reply<T>, ClientError>>,
{
    loop {
        match request().await {
            Err(ClientError::ConnectionLoss { .. } | ClientError::Timeout) => {}
            Err(error) if is_momentary(&error) => {
                client.platform().sleep_ms(RETRY_PAUSE_MS).await;
            }
            answer => return answer,
        }
    }
}

/// Whether a server may answer otherwise a little later, or another one now.
fn is_momentary(error: &ClientError) -> bool {
    matches!(
        error.code(),
        Some(
            Code::ConnectionLoss
                | Code::OperationTimeout
                | Code::RequestTimeout
                | Code::SessionMoved
                | Code::NotReadOnly
                | Code::ThrottledOp
        )
    )
}

/// An answer about a znode that may be gone.
pub(super) fn found<T>(
    answer: Result<Reply<T>, ClientError>,
) -> Result<Option<Reply<T>>, ClientError> {
    match answer {
        Err(error) if error.code() == Some(Code::NoNode) => Ok(None),
        answer => answer.map(Some),
    }
}
