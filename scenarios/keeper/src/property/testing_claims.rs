//! Hand-made records of one line for the tests of locks and elections: a client has the claim of
//! its number, and positions are counters of one epoch.

use crate::claims::{Claim, ClaimEnd, Grant, GuardedWrite, Recipe};
use crate::record::{ClientOperation, ClientOutcome, Observed, RunRecord};
use keeper_core::ids::{SessionId, Zxid};
use keeper_core::observation::Observation;
use keeper_core::record::{Acl, Stat};
use keeper_core::wire::client::{CreateRequest, Request, Response};

use super::testing::{plan, zxid};
use super::{Property, PropertyVerdict};

const PATH: &str = "/lock";

/// A line under construction.
#[derive(Clone, Default)]
pub(super) struct Line {
    record: RunRecord,
}

impl Line {
    pub(super) fn new() -> Line {
        let mut line = Line::default();
        line.record.healed_after_ms = Some(1);
        line
    }

    fn now_ns(&mut self) -> u64 {
        self.record.end_ns += 1_000_000;
        self.record.end_ns
    }

    fn claim(&mut self, client: u32) -> &mut Claim {
        let asked_ns = self.now_ns();
        let found = self.record.history.claims.iter().position(|claim| claim.client == client);
        let index = found.unwrap_or(self.record.history.claims.len());
        if found.is_none() {
            self.record.history.claims.push(Claim {
                client,
                planned: client as usize,
                recipe: Recipe::Lock,
                path: PATH.into(),
                asked_ns,
                grant: None,
                end: None,
            });
        }
        &mut self.record.history.claims[index]
    }

    fn requested(&mut self, client: u32, request: Request, outcome: ClientOutcome) -> i32 {
        let xid = self.record.history.operations.len() as i32 + 1;
        let invoke_ns = self.now_ns();
        self.record.history.operations.push(ClientOperation {
            client,
            planned: client as usize,
            session: SessionId(client.into()),
            xid,
            request,
            invoke_ns,
            complete_ns: Some(invoke_ns + 1),
            outcome,
            invoke_sequence: 0,
            sequence: 0,
        });
        xid
    }

    /// The servers took a transaction.
    fn deliver(&mut self, session: u32, cxid: i32, zxid: Zxid) {
        let session = SessionId(session.into());
        let (hash, digest) = (zxid.0, zxid.0);
        let at_ns = self.now_ns();
        let is_change = true;
        let observation = Observation::Delivered { zxid, hash, digest, is_change, session, cxid };
        self.record.observations.push(Observed { at_ns, server: 1, incarnation: 1, observation });
    }

    fn create(client: u32, turn: usize) -> Request {
        let path = format!("{PATH}/c{client}-{turn}-lock-");
        let (data, acl, flags) = (None, Acl::open(), 3);
        Request::Create(CreateRequest { path, data, acl, flags, want_stat: true })
    }

    fn node(client: u32, turn: usize) -> String {
        format!("{PATH}/c{client}-{turn}-lock-0000000001")
    }

    fn turns(&self, client: u32) -> usize {
        let is_create =
            |op: &&ClientOperation| op.client == client && matches!(op.request, Request::Create(_));
        self.record.history.operations.iter().filter(is_create).count()
    }

    pub(super) fn stand(mut self, client: u32, counter: u32) -> Line {
        self.claim(client);
        let (zxid, turn) = (zxid(1, counter), self.turns(client));
        let stat = Stat { czxid: zxid, ..Stat::default() };
        let response = Response::PathStat { path: Line::node(client, turn), stat };
        let outcome = ClientOutcome::Ok { zxid, response };
        let cxid = self.requested(client, Line::create(client, turn), outcome);
        self.deliver(client, cxid, zxid);
        self
    }

    /// The answer is lost; the znode may have been created all the same.
    pub(super) fn stand_unanswered(mut self, client: u32, counter: Option<u32>) -> Line {
        self.claim(client);
        let turn = self.turns(client);
        let request = Line::create(client, turn);
        let cxid = self.requested(client, request, ClientOutcome::Unknown);
        if let Some(counter) = counter {
            self.deliver(client, cxid, zxid(1, counter));
        }
        self
    }

    /// The client is told that it holds, with its last znode.
    pub(super) fn grant(self, client: u32, seen: u32) -> Line {
        let own = |op: &&ClientOperation| op.client == client;
        let create = self.record.history.operations.iter().rfind(|op| {
            own(op)
                && matches!(
                    op.outcome,
                    ClientOutcome::Ok { zxid: _, response: Response::PathStat { .. } }
                )
        });
        let Some(ClientOutcome::Ok { zxid, .. }) = create.map(|op| op.outcome.clone()) else {
            panic!("nobody stands")
        };
        self.grant_with(client, seen, zxid.counter())
    }

    pub(super) fn grant_with(mut self, client: u32, seen: u32, token: u32) -> Line {
        let (at_ns, turn) = (self.now_ns(), self.turns(client) - 1);
        self.claim(client).grant = Some(Grant {
            at_ns,
            node: Line::node(client, turn),
            session: SessionId(client.into()),
            token: zxid(1, token),
            seen: zxid(1, seen),
        });
        self
    }

    /// Another claim is told that it holds by the same znode.
    pub(super) fn grant_again(mut self, client: u32, seen: u32) -> Line {
        let at_ns = self.now_ns();
        let mut again = self.claim(client).clone();
        again.planned += 100;
        let grant = again.grant.as_mut().expect("it was granted");
        (grant.at_ns, grant.seen) = (at_ns, zxid(1, seen));
        self.record.history.claims.push(again);
        self
    }

    pub(super) fn leave(mut self, client: u32, counter: u32) -> Line {
        let (zxid, turn) = (zxid(1, counter), self.turns(client) - 1);
        let request = Request::Delete { path: Line::node(client, turn), version: -1 };
        let outcome = ClientOutcome::Ok { zxid, response: Response::Empty };
        let cxid = self.requested(client, request, outcome);
        self.deliver(client, cxid, zxid);
        self
    }

    pub(super) fn release(self, client: u32, counter: u32) -> Line {
        self.leave(client, counter).say_released(client)
    }

    pub(super) fn say_released(mut self, client: u32) -> Line {
        let at_ns = self.now_ns();
        self.claim(client).end = Some((ClaimEnd::Released, at_ns));
        self
    }

    pub(super) fn close_session(mut self, client: u32, counter: u32) -> Line {
        self.deliver(client, -1, zxid(1, counter));
        let session = SessionId(client.into());
        let observation = Observation::SessionClosed { session, ephemerals_left: 0 };
        let at_ns = self.now_ns();
        self.record.observations.push(Observed { at_ns, server: 1, incarnation: 1, observation });
        self.claim(client).end = Some((ClaimEnd::SessionExpired, at_ns));
        self
    }

    pub(super) fn write(mut self, client: u32, token: u32, accepted: bool) -> Line {
        let at_ns = self.now_ns();
        let (planned, path) = (client as usize, PATH.to_owned());
        let (token, newest) = (zxid(1, token), Zxid::ZERO);
        let write = GuardedWrite { client, planned, path, token, newest, accepted, at_ns };
        self.record.history.guarded_writes.push(write);
        self
    }

    /// Asserts that the property is silent.
    pub(super) fn keeps(self, property: Property) {
        let verdict = (property.check)(&plan(), &self.record);
        assert_eq!(verdict, PropertyVerdict::Holds, "{}", property.name);
    }

    /// Asserts that the property fires with these words.
    pub(super) fn breaks(self, property: Property, words: &str) {
        let verdict = (property.check)(&plan(), &self.record);
        let violation = verdict.violation().expect(property.name);
        assert!(violation.headline.contains(words), "{violation:?}");
        assert!(!violation.lines.is_empty());
    }
}
