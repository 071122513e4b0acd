//! What a client does with locks and elections: it stands in line, writes the protected resource as
//! soon as it holds and again before it releases, and stops when it is told that it does not hold
//! any more. The requests of the recipes are written down like all others.

use std::fmt;
use std::sync::Arc;

use keeper_client::recipe::{Election, Hold, HoldState, Lock, RecipeError};
use keeper_client::{Client, ClientError, Reply, Tap};
use keeper_core::ids::Zxid;
use keeper_core::plants::Plant;
use keeper_core::record::{Acl, Stat};
use keeper_core::wire::client::{CreateMode, Request, Response};

use sim::Host;

use super::{Program, SEQUENCE_STRIDE};
use crate::action::Action;
use crate::claims::{Claim, ClaimEnd, ClaimNotes, Grant, Recipe};

/// How long a write is under way to the protected resource, in milliseconds. What its client learns
/// meanwhile does not call it back.
const WRITE_MS: u64 = 3;

/// Notes a recipe's requests.
struct Notebook<H> {
    program: Program<H>,
    planned: usize,
    base: u64,
}

impl<H> fmt::Debug for Notebook<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "requests of operation {}", self.planned)
    }
}

impl<H: Host> Tap for Notebook<H> {
    fn submitted(&self, request: &Request) -> u64 {
        self.program.begin(self.planned, request.clone()) as u64
    }

    fn answered(&self, note: u64, answer: &Result<Reply<Response>, ClientError>) {
        self.program.end(note as usize, self.base, answer.clone());
    }
}

impl<H: Host> Program<H> {
    /// Begins a claim; a task sees it through.
    pub(super) async fn contend(&self, planned: usize, action: &Action, client: &Client<H>) {
        let (recipe, path, hold_ms) = match action {
            Action::Lock { path, hold_ms } => (Recipe::Lock, path.clone(), *hold_ms),
            Action::Lead { path, hold_ms } => (Recipe::Election, path.clone(), *hold_ms),
            other => unreachable!("{other:?} claims nothing"),
        };
        let place = self.contentions.clone().acquire_owned().await.expect("never closed");
        let base = self.with(|shared| shared.sessions) * SEQUENCE_STRIDE;
        let notebook = Notebook { program: self.clone(), planned, base };
        let client = client.tapped(Arc::new(notebook));
        let claim = Claim {
            client: self.plan.number,
            planned,
            recipe,
            path: path.clone(),
            asked_ns: self.platform.world_ns(),
            grant: None,
            end: None,
        };
        let claim = self.recording.ask(&self.platform, claim);
        let program = self.clone();
        self.platform.spawn(async move {
            let end = match program.recording.plant() {
                Some(plant) if plant == Plant::LockWithoutOrder.id() => {
                    program.hold_without_order(claim, &path, &client, hold_ms).await
                }
                _ => {
                    let held = match recipe {
                        Recipe::Lock => Lock::new(&client, path).acquire().await,
                        Recipe::Election => {
                            let data = format!("c{}", program.plan.number);
                            Election::new(&client, path).lead(data).await.map(Hold::from)
                        }
                    };
                    match held {
                        Ok(hold) => program.hold(claim, hold, hold_ms).await,
                        Err(error) => end_of(&error),
                    }
                }
            };
            program.recording.end_claim(&program.platform, claim, end);
            drop(place);
        });
    }

    async fn hold(&self, claim: usize, mut hold: Hold, hold_ms: u64) -> ClaimEnd {
        let grant = Grant {
            at_ns: self.platform.world_ns(),
            node: hold.node().to_owned(),
            session: hold.session(),
            token: hold.token().0,
            seen: hold.seen(),
        };
        self.recording.grant(&self.platform, claim, grant);
        self.write_if_held(claim, &hold).await;
        let enough = self.platform.sleep_ms(hold_ms);
        tokio::select! {
            biased;
            error = hold.ended() => return end_of(&error),
            () = enough => {}
        }
        self.write_if_held(claim, &hold).await;
        match hold.release().await {
            Ok(()) => ClaimEnd::Released,
            Err(error) => end_of(&error),
        }
    }

    /// Writes unless it is known that the hold is over. By the time the write arrives it may be.
    async fn write_if_held(&self, claim: usize, hold: &Hold) {
        if !matches!(hold.state(), HoldState::Ended(_)) {
            self.write(claim).await;
        }
    }

    async fn write(&self, claim: usize) {
        self.platform.sleep_ms(WRITE_MS).await;
        self.recording.write_guarded(&self.platform, claim);
    }

    /// A planted bug: whoever has created a znode believes that it holds.
    async fn hold_without_order(
        &self,
        claim: usize,
        path: &str,
        client: &Client<H>,
        hold_ms: u64,
    ) -> ClaimEnd {
        let failed = |error: ClientError| ClaimEnd::Failed(error.to_string());
        // There may be a parent already.
        let _ = client.create(path, "", Acl::open(), CreateMode::Persistent).await;
        let name = format!("{path}/{claim}-lock-");
        let mode = CreateMode::EphemeralSequential;
        let Reply { value, zxid, origin, .. } =
            match client.create2(&name, "", Acl::open(), mode).await {
                Ok(reply) => reply,
                Err(error) => return failed(error),
            };
        let (node, Stat { czxid, .. }) = value;
        let at_ns = self.platform.world_ns();
        let token = Zxid(czxid.0);
        let grant = Grant { at_ns, node: node.clone(), session: origin.session, token, seen: zxid };
        self.recording.grant(&self.platform, claim, grant);
        let site = concat!("squall plant LockWithoutOrder at ", file!(), ":", line!());
        self.recording.reach_plant(&self.platform, 0, site);
        self.write(claim).await;
        self.platform.sleep_ms(hold_ms).await;
        self.write(claim).await;
        match client.delete(&node, -1).await {
            Ok(_) => ClaimEnd::Released,
            Err(error) => failed(error),
        }
    }
}

fn end_of(error: &RecipeError) -> ClaimEnd {
    match error {
        RecipeError::SessionExpired { .. } => ClaimEnd::SessionExpired,
        RecipeError::Closed { .. } => ClaimEnd::Closed,
        RecipeError::NodeDeleted { .. } => ClaimEnd::NodeDeleted,
        RecipeError::Refused { .. } => ClaimEnd::Failed(error.to_string()),
    }
}
