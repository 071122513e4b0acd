//! A write finds its way: prepared here by the leader, or forwarded to it.

use bytes::Bytes;

use crate::effect::{Effect, Level};
use crate::error::Code;
use crate::ids::{ConnectionId, SessionId, Zxid};
use crate::observation::Observation;
use crate::pipeline::prepare::{prepare, prepare_close_session};
use crate::session::Origin;
use crate::txn::{AskedAs, Txn, TxnBody, TxnHeader, encode_txn_asked};
use crate::wire::client::{CreateRequest, MultiOp, Request};
use crate::wire::quorum::{PacketKind, QuorumPacket};
use crate::zab::leader::SyncRequest;
use crate::{always, planted, reachable, sometimes};
use probe::{Probe, hash_bytes};

use super::{Replica, Role, plants};

impl<I: Probe<Observation>> Replica<I> {
    /// A request of a client of this server.
    pub(super) fn submit_local(&mut self, session: SessionId, cxid: i32, request: &Request) {
        match self.role {
            Role::Leading(_) => self.submit(Origin::Local, session, cxid, request),
            Role::Following(_) => self.forward(session, cxid, request),
            Role::Looking => {}
        }
    }

    /// A request at the leader, from its own client or a learner's.
    pub(super) fn submit(
        &mut self,
        origin: Origin,
        session: SessionId,
        cxid: i32,
        request: &Request,
    ) {
        if let Request::Sync { .. } = request {
            let connection = self.clients.of_session(session).unwrap_or(ConnectionId(0));
            let is_alive = self.touch_tracked(session);
            return self.submit_sync(SyncRequest { origin, connection, cxid, is_alive });
        }
        let now_ms = self.now.mono_ms;
        let Role::Leading(leader) = &mut self.role else { return };
        let mut next = leader.next_zxid(self.settings.epoch_transactions_max);
        if next.is_none() && planted!(self, Zk1277) {
            // Planted: the counter runs over into the epoch, which nobody was asked for.
            leader.epoch.0 += 1;
            next = Some(Zxid::new(leader.epoch, 1));
        }
        let Some(tracker) = leader.sessions.as_mut() else { return };
        let Some(zxid) = next else {
            reachable!(self, EpochUsedUp);
            return self.look("the epoch's transactions are used up");
        };
        let header = TxnHeader { session, cxid, zxid, time_ms: self.now.wall_ms };
        let body = match request {
            Request::CreateSession { timeout_ms } => {
                tracker.track(now_ms, session, *timeout_ms, Some(origin));
                TxnBody::CreateSession { timeout_ms: *timeout_ms }
            }
            Request::CloseSession if !tracker.is_tracked(session) => {
                reachable!(self, ClosedTwice);
                TxnBody::Error { code: Code::SessionExpired }
            }
            Request::CloseSession => {
                tracker.close(session);
                prepare_close_session(&self.tree, &mut self.outstanding, &header)
            }
            request => match tracker.check(session, origin) {
                // Planted: the session is closing, and may still create ephemerals.
                Err(Code::SessionExpired)
                    if I::EVENTS
                        && tracker.is_tracked(session)
                        && plants::creates_ephemeral(request)
                        && planted!(self, Zk1496) =>
                {
                    prepare(&self.tree, &mut self.outstanding, &header, request)
                }
                Ok(()) => prepare(&self.tree, &mut self.outstanding, &header, request),
                Err(code) => {
                    sometimes!(self, MovedSessionRefused, code == Code::SessionMoved);
                    sometimes!(self, WriteMeetsClosing, tracker.is_closing(session));
                    TxnBody::Error { code }
                }
            },
        };
        sometimes!(self, MultiRolledBack, body.is_aborted());
        if I::EVENTS {
            self.spoil_outstanding(&body, request);
        }
        self.propose(Txn { header, body }, &asked_as(request));
    }

    /// The client of a session was heard from. False if its end is decided.
    fn touch_tracked(&mut self, session: SessionId) -> bool {
        let now_ms = self.now.mono_ms;
        let Role::Leading(leader) = &mut self.role else { return false };
        leader.sessions.as_mut().is_some_and(|tracker| tracker.touch(now_ms, session))
    }

    /// A learner's request could not even be read: it keeps its place with an error.
    pub(super) fn submit_malformed(&mut self, session: SessionId, cxid: i32) {
        let Role::Leading(leader) = &mut self.role else { return };
        let Some(zxid) = leader.next_zxid(self.settings.epoch_transactions_max) else {
            return self.look("the epoch's transactions are used up");
        };
        let header = TxnHeader { session, cxid, zxid, time_ms: self.now.wall_ms };
        let body = TxnBody::Error { code: Code::MarshallingError };
        self.propose(Txn { header, body }, &[]);
    }

    /// Logs a transaction here and sends it to every learner that is being kept up to date.
    fn propose(&mut self, txn: Txn, asked: &[AskedAs]) {
        let zxid = txn.header.zxid;
        let mut bytes = Vec::with_capacity(128);
        encode_txn_asked(&txn, None, asked, &mut bytes);
        let bytes = Bytes::from(bytes);
        let (hash, applied) = (if I::EVENTS { hash_bytes(&bytes) } else { 0 }, self.applied());
        reachable!(self, LeaderProposes);
        let joined = self.current_epoch;
        always!(self, ProposalInOwnEpoch, zxid.epoch() == joined, "{zxid} in epoch {joined}");
        let (end, last) = (self.history.last(), self.last_proposed());
        always!(self, LogEndsWithProposal, end == last, "the log ends with {end}, not {last}");
        self.observe(|| Observation::Proposed { zxid, hash, applied });
        let packet = QuorumPacket::with_data(PacketKind::Proposal, zxid, bytes.clone());
        self.log_txn(zxid, bytes);
        if let Role::Leading(leader) = &mut self.role {
            leader.last_proposed = zxid;
        }
        self.send_to_learners(&packet);
    }

    /// Ends sessions whose time has run out.
    pub(super) fn expire_sessions(&mut self) {
        let now_ms = self.now.mono_ms;
        let Role::Leading(leader) = &mut self.role else { return };
        let Some(tracker) = leader.sessions.as_mut() else { return };
        for session in tracker.expire(now_ms) {
            reachable!(self, SessionExpires);
            let (level, client) = (Level::Info, self.clients.of_session(session));
            let message = "a session expired".to_owned();
            self.out.push(Effect::Log { level, message, client, session: Some(session) });
            self.submit(Origin::Local, session, 0, &Request::CloseSession);
        }
    }

    /// The newest zxid that the leader gave out, for its heartbeats.
    pub(super) fn last_proposed(&self) -> Zxid {
        match &self.role {
            Role::Leading(leader) => leader.last_proposed,
            _ => self.history.last(),
        }
    }
}

/// How the creates of a request were asked for: an Apache follower answers its client's create2 only
/// from a transaction of that type.
fn asked_as(request: &Request) -> Vec<AskedAs> {
    let asked = |create: &CreateRequest| {
        if create.want_stat { AskedAs::Create2 } else { AskedAs::Create }
    };
    match request {
        Request::Create(create) => vec![asked(create)],
        Request::Multi(ops) => ops
            .iter()
            .map(|op| match op {
                MultiOp::Create(create) => asked(create),
                _ => AskedAs::Create,
            })
            .collect(),
        _ => Vec::new(),
    }
}
