//! What planted bugs do to a server, where that takes more than a line, and what it takes to see
//! them. Nothing here is called where `I::EVENTS` is false.

use std::collections::BTreeMap;

use crate::error::Code;
use crate::event::DiskToken;
use crate::ids::{SessionId, Zxid};
use crate::observation::{Observation, SyncKind};
use crate::path;
use crate::planted;
use crate::tree::Applied;
use crate::txn::{Txn, TxnBody};
use crate::wire::client::{CreateMode, MultiOp, Request};
use crate::zab::history::History;
use crate::zab::sync::SyncPlan;
use probe::Probe;

use super::{FollowerPhase, Replica, Role};

impl<I: Probe<Observation>> Replica<I> {
    /// Applies a committed transaction to the tree, or what a planted bug makes of it.
    pub(super) fn apply_spoilt(&mut self, txn: &Txn) -> Applied {
        let parents = self.parents_left_behind(txn);
        let applied = match self.spoil(txn) {
            Some(body) => self.tree.apply(&Txn { header: txn.header, body }),
            None => self.tree.apply(txn),
        };
        for (parent, pzxid) in parents {
            self.tree.set_pzxid(&parent, pzxid);
        }
        applied
    }

    /// The znodes whose pzxid does not tell that the transaction deleted children of theirs, and
    /// what it tells.
    fn parents_left_behind(&self, txn: &Txn) -> Vec<(String, Zxid)> {
        let session = txn.header.session;
        let is_end = matches!(txn.body, TxnBody::CloseSession { .. });
        let is_replayed = is_end && self.is_replayed(txn.header.zxid);
        let has_some = is_replayed && self.tree.ephemerals(session).next().is_some();
        if !(has_some && planted!(self, Zk3145)) {
            return Vec::new();
        }
        // Planted: they are as they were before.
        let parents = self.tree.ephemerals(session).filter_map(path::parent);
        let told = |parent: &str| Some((parent.to_owned(), self.tree.get(parent)?.stat().pzxid));
        parents.filter_map(told).collect()
    }

    /// Whether the log held it when the server started.
    fn is_replayed(&self, zxid: Zxid) -> bool {
        self.history.get(zxid).is_some_and(|entry| entry.token == DiskToken(0))
    }

    fn spoil(&self, txn: &Txn) -> Option<TxnBody> {
        let (zxid, session) = (txn.header.zxid, txn.header.session);
        let is_replayed = self.is_replayed(zxid);
        match &txn.body {
            TxnBody::Create(create) if is_replayed && planted!(self, Zk1046) => {
                // Planted: a count that never exceeds the parent's leaves the parent as it is.
                let mut create = create.clone();
                create.parent_cversion = i32::MIN;
                Some(TxnBody::Create(create))
            }
            TxnBody::CloseSession { .. } if self.tree.ephemerals(session).next().is_some() => {
                // Planted: the session goes, its ephemerals stay.
                let stays = is_replayed && planted!(self, Zk4541)
                    || !is_replayed && self.is_learned_late(zxid) && planted!(self, Zk2355);
                stays.then_some(TxnBody::Error { code: Code::SystemError })
            }
            _ => None,
        }
    }

    /// Whether an earlier leader proposed it, and this server came to its present leader without
    /// having applied it.
    fn is_learned_late(&self, zxid: Zxid) -> bool {
        matches!(&self.role, Role::Following(follower) if zxid.epoch() < follower.epoch)
    }

    /// What other requests have under way for the paths of a multi that was aborted.
    pub(super) fn spoil_outstanding(&mut self, body: &TxnBody, request: &Request) {
        let Request::Multi(ops) = request else { return };
        let touched = touched(ops);
        if body.is_aborted() && self.outstanding.has_any(&touched) && planted!(self, Zk1624) {
            // Planted: the pending changes are rolled back, whosesoever they are.
            self.outstanding.forget(&touched);
        }
    }

    /// A server that starts without a snapshot has the whole history in its log.
    pub(super) fn forget_the_log(&mut self) {
        let is_all = self.history.applied() == Zxid::ZERO && self.history.unapplied() > 0;
        if is_all && planted!(self, Zk3644) {
            // Planted: without a snapshot there is nothing to continue, so the log is not read.
            self.history = History::new(Zxid::ZERO, Vec::new());
        }
    }

    /// The sessions that a snapshot file names, if they are not those that there are.
    pub(super) fn spoilt_sessions(&self) -> Option<BTreeMap<SessionId, i32>> {
        // Planted: the table was taken before the tree was, and has none of its sessions.
        let is_planted = !self.sessions.is_empty() && planted!(self, Zk3144);
        is_planted.then(BTreeMap::new)
    }

    /// How a learner whose log ends with `learner_last` is synchronised.
    pub(super) fn spoil_plan(&self, plan: SyncPlan, learner_last: Zxid) -> SyncPlan {
        if plan.kind != SyncKind::Snap {
            return plan;
        }
        let holds_none = self.history.applied() == self.history.base();
        if holds_none && planted!(self, Zk4352) {
            // Planted: no committed transaction is held, so none is missing.
            return SyncPlan { kind: SyncKind::Diff, from: learner_last };
        }
        let logged = self.history.last();
        if logged > plan.from && planted!(self, Zk3104) {
            // Planted: the tree goes out as if all that is proposed were in it.
            return SyncPlan { from: logged, ..plan };
        }
        plan
    }

    /// Whether a learner is not sent a transaction that it lacks.
    pub(super) fn is_left_out(&self, zxid: Zxid) -> bool {
        // Planted: what came while this server was itself synchronised never entered its list.
        self.learned.contains(&zxid) && planted!(self, Zk4925)
    }

    /// Remembers what synchronisation has brought.
    pub(super) fn note_learned(&mut self) {
        let Role::Following(follower) = &self.role else { return };
        self.learned.extend(self.history.after(follower.common).map(|entry| entry.zxid));
    }

    /// Whether a follower finds nothing to commit at `zxid`.
    pub(super) fn is_forgotten(&self, phase: FollowerPhase, zxid: Zxid) -> bool {
        let awaits =
            matches!(phase, FollowerPhase::Joining { .. } | FollowerPhase::AwaitingUpToDate);
        // The epoch is written at NEWLEADER, behind what came before it.
        let is_older = self.history.get(zxid).is_some_and(|entry| entry.token < self.epochs_token);
        // Planted: the list of pending proposals was emptied at NEWLEADER.
        awaits && is_older && planted!(self, Zk4394)
    }

    /// The end of this server's history, as its vote names it.
    pub(super) fn spoilt_vote(&self, logged: Zxid) -> Zxid {
        let applied = self.history.applied();
        // Planted: what waits in the log is not counted.
        if applied < logged && planted!(self, Zk3023) { applied } else { logged }
    }

    /// What is wrong with a tree that a leader sent.
    pub(super) fn spoil_installed(&mut self) {
        if self.tree.shares_lists() && planted!(self, Zk3306) {
            // Planted: a list is counted when it is read, not for each node that has it.
            self.tree.count_lists_once();
        }
    }

    /// Tells of ephemerals whose session is not known here.
    pub(super) fn observe_orphans(&mut self, session: SessionId) {
        let ephemerals = self.tree.ephemerals(session).count();
        if ephemerals > 0 && !self.sessions.contains_key(&session) {
            self.observe(|| Observation::Orphaned { session, ephemerals });
        }
    }

    /// The same for all sessions, of a tree that was read.
    pub(super) fn observe_all_orphans(&mut self) {
        let owners: Vec<SessionId> = self.tree.ephemeral_owners().map(|(owner, _)| owner).collect();
        for session in owners {
            self.observe_orphans(session);
        }
    }
}

/// Whether a request creates ephemerals.
pub(super) fn creates_ephemeral(request: &Request) -> bool {
    let is_ephemeral = |flags| CreateMode::from_flags(flags).is_some_and(CreateMode::is_ephemeral);
    match request {
        Request::Create(create) => is_ephemeral(create.flags),
        Request::Multi(ops) => {
            ops.iter().any(|op| matches!(op, MultiOp::Create(create) if is_ephemeral(create.flags)))
        }
        _ => false,
    }
}

/// The paths for which a multi would have kept changes: those of its parts, and the parents of what
/// it creates or deletes.
fn touched(ops: &[MultiOp]) -> Vec<&str> {
    let mut paths = Vec::new();
    for op in ops {
        match op {
            MultiOp::Create(create) => {
                paths.push(create.path.as_str());
                paths.extend(path::parent(&create.path));
            }
            MultiOp::Delete { path, .. } => {
                paths.push(path);
                paths.extend(path::parent(path));
            }
            MultiOp::SetData { path, .. } => paths.push(path),
            MultiOp::Check { .. } | MultiOp::CreateContainer(_) | MultiOp::CreateTtl { .. } => {}
        }
    }
    paths
}
