//! Locks and elections as their clients saw them, and the resource that they protect.
//!
//! The resource is a store in the world that every client reaches. It takes a write only if its
//! fencing token is not lower than the highest that it has taken (M. Kleppmann, "How to do
//! distributed locking", 2016). It writes down what it refused too: a store that asks for no token
//! would have taken that.

use std::collections::BTreeMap;

use keeper_core::ids::{SessionId, Zxid};
use keeper_core::plants::Plant;

use harness::Recording;
use sim::Host;

use crate::system::Keeper;

/// This module's events in the trace.
const TAG_CLAIM: u32 = 4;

/// Which recipe a claim is made by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recipe {
    /// A lock.
    Lock,
    /// A leader election.
    Election,
}

/// One client's way to a lock or to leadership, and through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The client, from 1.
    pub client: u32,
    /// Its position among the plan's operations.
    pub planned: usize,
    /// By which recipe.
    pub recipe: Recipe,
    /// Of which path.
    pub path: String,
    /// When it was made.
    pub asked_ns: u64,
    /// What came of it; none if the client was never told that it holds.
    pub grant: Option<Grant>,
    /// How and when it ended; none if the run ended first.
    pub end: Option<(ClaimEnd, u64)>,
}

/// A client was told that it holds, or leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// When.
    pub at_ns: u64,
    /// The znode that stands for it.
    pub node: String,
    /// The client's session.
    pub session: SessionId,
    /// The fencing token: the znode's czxid.
    pub token: Zxid,
    /// The state of the tree in which the client was seen to be the first in the line.
    pub seen: Zxid,
}

/// How a claim ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimEnd {
    /// The client gave it back.
    Released,
    /// A server said that the session is no more.
    SessionExpired,
    /// The client had closed its session.
    Closed,
    /// Somebody deleted the znode.
    NodeDeleted,
    /// A server refused, or an answer was lost to a client that does not ask again.
    Failed(String),
}

/// A write of a protected resource, as it arrived there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardedWrite {
    /// The client, from 1.
    pub client: u32,
    /// The position of its claim among the plan's operations.
    pub planned: usize,
    /// The path of the lock or election that protects the resource.
    pub path: String,
    /// The token that came with it.
    pub token: Zxid,
    /// The highest token that the resource had taken before; zero if none.
    pub newest: Zxid,
    /// Whether the resource took it.
    pub accepted: bool,
    /// When.
    pub at_ns: u64,
}

/// The protected resources by path: the highest token that each has taken.
#[derive(Debug, Default)]
pub(crate) struct Resources(BTreeMap<String, Zxid>);

/// The part of a run's notebook that is about claims.
pub(crate) trait ClaimNotes {
    /// A client asks. The returned position names the claim.
    fn ask(&self, platform: &impl Host, claim: Claim) -> usize;

    /// A client was told that it holds.
    fn grant(&self, platform: &impl Host, claim: usize, grant: Grant);

    /// A claim is over.
    fn end_claim(&self, platform: &impl Host, claim: usize, end: ClaimEnd);

    /// A write of a claim's holder arrives at the resource. A planted bug makes the resource take
    /// whatever comes.
    fn write_guarded(&self, platform: &impl Host, claim: usize);
}

impl ClaimNotes for Recording<Keeper> {
    fn ask(&self, platform: &impl Host, claim: Claim) -> usize {
        self.event(platform, TAG_CLAIM, &format!("{claim:?}"));
        let mut notes = self.notes();
        let claims = &mut notes.history().claims;
        claims.push(claim);
        claims.len() - 1
    }

    fn grant(&self, platform: &impl Host, claim: usize, grant: Grant) {
        self.event(platform, TAG_CLAIM, &format!("{claim} {grant:?}"));
        self.notes().record.history.claims[claim].grant = Some(grant);
    }

    fn end_claim(&self, platform: &impl Host, claim: usize, end: ClaimEnd) {
        self.event(platform, TAG_CLAIM, &format!("{claim} {end:?}"));
        self.notes().record.history.claims[claim].end = Some((end, platform.world_ns()));
    }

    fn write_guarded(&self, platform: &impl Host, claim: usize) {
        let plant = self.plant();
        let mut guard = self.notes();
        let notes = &mut *guard;
        let Claim { client, planned, path, grant, .. } = &notes.record.history.claims[claim];
        let Some(token) = grant.as_ref().map(|grant| grant.token) else { return };
        let (client, planned, path) = (*client, *planned, path.clone());
        let newest = notes.state.resources.0.get(&path).copied().unwrap_or(Zxid::ZERO);
        let ignores_tokens = token < newest && plant == Some(Plant::ResourceIgnoresTokens.id());
        let accepted = token >= newest || ignores_tokens;
        if accepted {
            notes.state.resources.0.insert(path.clone(), newest.max(token));
        }
        let at_ns = platform.world_ns();
        let write = GuardedWrite { client, planned, path, token, newest, accepted, at_ns };
        self.event(platform, TAG_CLAIM, &format!("{write:?}"));
        notes.record.history.guarded_writes.push(write);
        drop(guard);
        if ignores_tokens {
            let site = concat!("squall plant ResourceIgnoresTokens at ", file!(), ":", line!());
            self.reach_plant(platform, 0, site);
        }
    }
}
