//! Committed transactions take effect: on the tree, on sessions, on watches, and as answers.
//!
//! What one event commits of a serving server is bounded by what one event can carry. The history that a server was
//! started with is not: it is committed at once when the server begins to serve. It is applied in
//! slices, one for each [`crate::event::Event::Tick`], and votes, pings and alarms have their turn in between. A
//! leader sends UPTODATE behind it, so that nobody delivers before the leader does.

use crate::error::Code;
use crate::ids::Zxid;
use crate::observation::Observation;
use crate::tree::TxnResult;
use crate::txn::{Txn, TxnBody, decode_txn_shared};
use crate::{always, reachable, sometimes};
use probe::{Probe, hash_bytes};

use super::{FollowerPhase, Replica, Role};

impl<I: Probe<Observation>> Replica<I> {
    /// Applies everything logged up to and including `upto`.
    pub(super) fn apply_upto(&mut self, upto: Zxid) {
        self.apply_some(upto, usize::MAX);
        self.has_applied_what_is_committed();
    }

    /// Only who serves, or is about to, applies everything that was committed before.
    fn has_applied_what_is_committed(&mut self) {
        self.may_be_ahead = false;
        self.begin_snapshot_if_due();
    }

    /// Up to where a server that does not serve yet, but may, has to apply first.
    pub(super) fn catches_up_to(&self) -> Option<Zxid> {
        match &self.role {
            Role::Leading(leader) if leader.is_catching_up() => Some(leader.committed),
            Role::Following(follower) if follower.phase == FollowerPhase::CatchingUp => {
                Some(follower.committed)
            }
            Role::Looking | Role::Leading(_) | Role::Following(_) => None,
        }
    }

    /// A server may serve, once it has applied all that is committed.
    pub(super) fn begin_to_catch_up(&mut self) {
        let count = self.history.unapplied();
        self.go_on_applying();
        if self.is_catching_up() {
            self.info(format!("applying {count} transactions before clients are served"));
        }
    }

    /// The next slice of what a server has to apply before it serves; behind the last one it does.
    pub(super) fn go_on_applying(&mut self) {
        let Some(upto) = self.catches_up_to() else { return };
        let count_max = self.settings.apply_max.max(1);
        self.apply_some(upto, count_max);
        if self.history.next_to_apply(upto).is_some() {
            reachable!(self, AppliesInSlices);
            self.apply_at_ms = self.now.mono_ms + self.settings.apply_pause_ms;
            return;
        }
        // What is left of the history would hold the whole log that it was read from.
        self.history.detach();
        self.has_applied_what_is_committed();
        match self.role {
            Role::Looking => {}
            Role::Leading(_) => self.lead_clients(),
            Role::Following(_) => self.follow_with_clients(),
        }
    }

    fn apply_some(&mut self, upto: Zxid, count_max: usize) {
        for _ in 0..count_max {
            let Some(entry) = self.history.next_to_apply(upto) else { break };
            let zxid = entry.zxid;
            let hash = if I::EVENTS { hash_bytes(&entry.txn) } else { 0 };
            let (txn, _) =
                decode_txn_shared(&entry.txn).expect("transactions are decoded when they come");
            sometimes!(
                self,
                AppliedBeforeOwnWrite,
                matches!(self.role, Role::Following(_))
                    && zxid > self.history.durable(self.persisted)
            );
            self.history.mark_applied(zxid);
            self.apply(&txn, hash);
        }
        let (applied, last) = (self.history.applied(), self.history.last());
        always!(self, AppliedIsLogged, applied <= last, "{applied} of a log up to {last}");
        self.history.trim(self.settings.commit_log_count, self.persisted);
    }

    fn apply(&mut self, txn: &Txn, hash: u64) {
        let (zxid, session, cxid) = (txn.header.zxid, txn.header.session, txn.header.cxid);
        let applied = match self.may_be_ahead {
            true => self.tree.apply_tolerant(txn),
            false if I::EVENTS => self.apply_spoilt(txn),
            false => self.tree.apply(txn),
        };
        self.transactions_since_snapshot += 1;
        self.outstanding.applied(zxid);
        let digest = self.digest();
        self.observe(|| {
            let is_change = txn.body.is_change();
            Observation::Delivered { zxid, hash, digest, is_change, session, cxid }
        });
        // Events leave before the answers that show the change.
        for trigger in &applied.triggers {
            let connections = self.watches.trigger(trigger);
            sometimes!(self, WatchFires, !connections.is_empty());
            sometimes!(self, WatchFiresForSeveral, connections.len() > 1);
            for connection in connections {
                self.send_event(connection, trigger.kind, &trigger.path);
            }
        }
        match &txn.body {
            TxnBody::CreateSession { timeout_ms } => self.session_created(txn, *timeout_ms),
            TxnBody::CloseSession { .. } => self.session_closed(txn, &applied.result),
            _ => {
                let connection = self.clients.complete_write(session, cxid, zxid, &applied.result);
                match connection {
                    // The session lives elsewhere: whose request this was cannot be told, so no
                    // answer is given (ZOOKEEPER-710).
                    Some(connection) if applied.result == TxnResult::Error(Code::SessionMoved) => {
                        self.drop_client(connection);
                    }
                    Some(connection) => self.answer(connection),
                    None => {
                        let is_here = self.clients.of_session(session).is_some();
                        sometimes!(self, AnswerOfFormerConnection, is_here);
                    }
                }
            }
        }
        if I::EVENTS {
            self.observe_orphans(session);
        }
    }

    fn session_created(&mut self, txn: &Txn, timeout_ms: i32) {
        let session = txn.header.session;
        self.sessions.insert(session, timeout_ms);
        if let Some(connection) = self.clients.of_session(session) {
            self.open_session(connection, true);
        }
    }

    fn session_closed(&mut self, txn: &Txn, result: &TxnResult) {
        let (session, cxid) = (txn.header.session, txn.header.cxid);
        self.sessions.remove(&session);
        if let Role::Leading(leader) = &mut self.role
            && let Some(tracker) = leader.sessions.as_mut()
        {
            tracker.remove(session);
            always!(self, ClosedIsUntracked, !tracker.is_tracked(session), "{session} is tracked");
        }
        let gone = matches!(result, TxnResult::SessionClosed { deleted } if !deleted.is_empty());
        sometimes!(self, EphemeralsGo, gone);
        let ephemerals_left = self.tree.ephemerals(session).count();
        self.observe(|| Observation::SessionClosed { session, ephemerals_left });
        if let Some(connection) =
            self.clients.complete_write(session, cxid, txn.header.zxid, result)
        {
            self.answer(connection);
        }
        // A client whose session expired learns it when it connects again.
        if let Some(connection) = self.clients.of_session(session) {
            self.drop_client(connection);
        }
    }
}
