//! Leading: discovery, synchronisation, broadcast (ZooKeeper's `Leader` and `LearnerHandler`).

use bytes::Bytes;

use crate::effect::{DiskOp, Effect};
use crate::event::DiskToken;
use crate::ids::{ConnectionId, Zxid};
use crate::jute::{Encode, put_string};
use crate::limits;
use crate::log::SnapshotWriter;
use crate::observation::{Observation, SyncKind};
use crate::session::{Origin, SessionTracker};
use crate::wire::quorum::payload::{EXACT, KNOWS_DAMAGED, PROTOCOL_VERSION};
use crate::wire::quorum::{LeaderInfo, PacketKind, QuorumPacket};
use crate::zab::leader::{Leader, Learner, LearnerPhase, Phase, SyncRequest};
use crate::zab::sync;
use crate::{always, planted, reachable, sometimes};
use probe::Probe;

use super::{Replica, Role};

/// What a learner may say before it is answered, in bytes.
const EARLY_BYTES_MAX: usize = 4 << 10;

impl<I: Probe<Observation>> Replica<I> {
    /// This server was elected.
    pub(super) fn lead(&mut self) {
        let initial = self.history.last();
        let tick_ms = self.settings.tick_ms;
        let leader = Leader::new(self.now.mono_ms, initial, self.accepted_epoch, tick_ms);
        self.role = Role::Leading(Box::new(leader));
        self.info("leading: waiting for a quorum of followers".to_owned());
        self.observe(|| Observation::Leading);
        self.learner_connects(self.ensemble.me, self.accepted_epoch, true);
        for (connection, bytes) in std::mem::take(&mut self.early_learners) {
            self.on_learner(connection);
            self.on_bytes(connection, &bytes);
        }
    }

    /// Somebody connected to the quorum port. Only a leader has something to say there, but a
    /// follower may know who won an election before the winner does: it is kept waiting.
    pub(super) fn on_learner(&mut self, connection: ConnectionId) {
        let now_ms = self.now.mono_ms;
        match &mut self.role {
            Role::Leading(leader) => {
                leader.learners.insert(connection, Learner::new(now_ms));
            }
            Role::Looking => {
                reachable!(self, LearnerComesEarly);
                self.early_learners.insert(connection, Vec::new());
            }
            Role::Following(_) => self.close(connection),
        }
    }

    /// Sends away learners that wait for a leadership that does not come.
    pub(super) fn close_early_learners(&mut self) {
        sometimes!(self, EarlyLearnerSentAway, !self.early_learners.is_empty());
        for (connection, _) in std::mem::take(&mut self.early_learners) {
            self.close(connection);
        }
    }

    /// A learner that is kept waiting says FOLLOWERINFO and then waits too.
    pub(super) fn on_early_learner_bytes(&mut self, connection: ConnectionId, bytes: &[u8]) {
        let Some(said) = self.early_learners.get_mut(&connection) else { return };
        said.extend_from_slice(bytes);
        if said.len() > EARLY_BYTES_MAX {
            self.early_learners.remove(&connection);
            self.close(connection);
        }
    }

    pub(super) fn on_learner_closed(&mut self, connection: ConnectionId) {
        let Role::Leading(leader) = &mut self.role else { return };
        let Some(learner) = leader.learners.remove(&connection) else { return };
        let is_in_sync = learner.forwards() && !learner.is_synced();
        sometimes!(self, LearnerLostInSync, is_in_sync);
        let deserted = leader.phase == Phase::Broadcast && !leader.quorum_connected(&self.ensemble);
        if let Some(snapshot) = learner.snapshot {
            snapshot.abandon(&mut self.tree);
        }
        if deserted {
            reachable!(self, LeaderDeserted);
            self.look("no quorum of followers is connected any more");
        }
    }

    /// Ends a learner's connection from this side.
    pub(super) fn drop_learner(&mut self, connection: ConnectionId, why: &str) {
        self.info(format!("closing a learner's connection: {why}"));
        self.close(connection);
        self.on_learner_closed(connection);
    }

    /// An epoch file of the new leader itself.
    pub(super) fn log_own_epoch(&mut self, op: DiskOp) -> DiskToken {
        // Planted: the leader goes on without it.
        if planted!(self, Zk335) { self.persisted } else { self.disk(op) }
    }

    pub(super) fn on_leader_persisted(&mut self) {
        let persisted = self.persisted;
        let durable = self.history.durable(persisted);
        let Role::Leading(leader) = &mut self.role else { return };
        let is_serving = leader.phase == Phase::Broadcast;
        let is_more = leader.own_acked < durable;
        sometimes!(self, LeaderLogged, is_serving && is_more);
        leader.own_acked = durable;
        if is_more {
            self.observe(|| Observation::Acknowledged { zxid: durable, durable });
        }
        let Role::Leading(leader) = &mut self.role else { return };
        match leader.phase {
            Phase::Proposing { token, .. } if persisted >= token => {
                leader.phase = Phase::AwaitingEpochAcks;
                reachable!(self, LeaderHasPromised);
                self.observe_epochs();
                self.announce_epoch();
                self.promise(self.ensemble.me);
            }
            Phase::Synchronisation { token } if persisted >= token => {
                leader.own_synced = true;
                self.observe_epochs();
                self.serve_if_quorum_synced();
            }
            _ => {}
        }
        self.commit_what_is_acked();
    }

    /// Sends a learner what it lacks, then NEWLEADER; from here on it gets every proposal.
    pub(super) fn synchronise(&mut self, connection: ConnectionId, last: Zxid) {
        let mut plan = sync::plan(&self.history, last);
        if I::EVENTS {
            plan = self.spoil_plan(plan, last);
        }
        let logged = self.history.last();
        let Role::Leading(leader) = &mut self.role else { return };
        // Before broadcast all of the history is sent as committed: with this epoch it will be.
        let committed = match leader.phase {
            // Planted: all that is in the log.
            Phase::Broadcast if logged > leader.committed && planted!(self, Zk2846) => logged,
            Phase::Broadcast => leader.committed,
            _ => leader.initial,
        };
        let epoch = leader.epoch;
        let (kind, is_serving) = (plan.kind, leader.phase == Phase::Broadcast);
        let end = self.history.last();
        sometimes!(self, SyncByDiff, kind == SyncKind::Diff);
        sometimes!(self, SyncByTrunc, kind == SyncKind::Trunc);
        sometimes!(self, SyncBySnap, kind == SyncKind::Snap);
        sometimes!(self, SyncDuringBroadcast, is_serving);
        sometimes!(self, SyncSendsUncommitted, end > committed);
        always!(self, SyncWithinLog, plan.from <= end, "{} for a log up to {end}", plan.from);
        let Some(learner) = leader.learners.get_mut(&connection) else { return };
        learner.synced_upto = committed.max(plan.from);
        let learner_id = learner.server.unwrap_or_default();
        self.info(format!(
            "server {learner_id} at {last} is synchronised by {:?} from {}",
            plan.kind, plan.from
        ));
        self.observe(|| Observation::SyncChosen { learner: learner_id, kind: plan.kind });
        let opening = match plan.kind {
            SyncKind::Diff => QuorumPacket::bare(PacketKind::Diff, committed),
            SyncKind::Trunc => QuorumPacket::bare(PacketKind::Trunc, plan.from),
            SyncKind::Snap if self.may_be_ahead => QuorumPacket::bare(PacketKind::Snap, plan.from),
            SyncKind::Snap => {
                QuorumPacket::with_data(PacketKind::Snap, plan.from, Bytes::from_static(EXACT))
            }
        };
        let mut first = Vec::new();
        opening.encode(&mut first);
        let is_sent = |zxid| !(I::EVENTS && self.is_left_out(zxid));
        let after = self.history.after(plan.from).filter(|entry| is_sent(entry.zxid));
        let backlog = after.map(|entry| (entry.zxid, entry.txn.clone())).collect();
        let config = Bytes::from(self.ensemble.config_text.clone());
        let new_leader =
            QuorumPacket::with_data(PacketKind::NewLeader, Zxid::new(epoch, 0), config);
        if let Some(learner) = self.learner(connection) {
            learner.phase = LearnerPhase::Sending;
            learner.backlog = backlog;
            new_leader.encode(&mut learner.held_back);
        }
        if plan.kind == SyncKind::Snap {
            let snapshot = SnapshotWriter::stream(&mut self.tree, &self.sessions, &mut first);
            self.send(connection, first);
            if let Some(learner) = self.learner(connection) {
                learner.snapshot = Some(snapshot);
            }
            self.on_drained(connection);
        } else {
            self.send_backlog(connection, first);
        }
    }

    /// A learner's connection has room: the next part of its snapshot, or of the history.
    pub(super) fn on_drained(&mut self, connection: ConnectionId) {
        let Role::Leading(leader) = &mut self.role else { return };
        let Some(learner) = leader.learners.get_mut(&connection) else { return };
        if learner.phase != LearnerPhase::Sending {
            return;
        }
        // It says nothing while it receives, but it does receive.
        learner.heard_ms = self.now.mono_ms;
        let mut chunk = Vec::new();
        if let Some(mut snapshot) = learner.snapshot.take() {
            if !snapshot.chunk(&mut self.tree, limits::SNAPSHOT_CHUNK_BYTES, &mut chunk) {
                learner.snapshot = Some(snapshot);
                self.send(connection, chunk);
                return self.out.push(Effect::ReportDrained { connection });
            }
            put_string(&mut chunk, super::following::SNAPSHOT_SIGNATURE);
        }
        self.send_backlog(connection, chunk);
    }

    /// Sends `chunk`, filled up with the next part of the history; behind the last one comes what was held back.
    fn send_backlog(&mut self, connection: ConnectionId, mut chunk: Vec<u8>) {
        let Some(learner) = self.learner(connection) else { return };
        while chunk.len() < limits::SNAPSHOT_CHUNK_BYTES
            && let Some((zxid, txn)) = learner.backlog.pop_front()
        {
            QuorumPacket::with_data(PacketKind::Proposal, zxid, txn).encode(&mut chunk);
            if zxid <= learner.synced_upto {
                QuorumPacket::bare(PacketKind::Commit, zxid).encode(&mut chunk);
            }
        }
        let is_last = learner.backlog.is_empty();
        if is_last {
            learner.phase = LearnerPhase::AwaitingNewLeaderAck;
            chunk.append(&mut learner.held_back);
        }
        self.send(connection, chunk);
        if !is_last {
            reachable!(self, HistorySentInParts);
            self.out.push(Effect::ReportDrained { connection });
        }
    }

    /// A learner has this leader's whole history durably.
    pub(super) fn learner_synced(&mut self, connection: ConnectionId) {
        let Role::Leading(leader) = &mut self.role else { return };
        let (phase, is_serving) = (leader.phase.clone(), leader.sessions.is_some());
        let Some(learner) = leader.learners.get_mut(&connection) else { return };
        learner.acked = learner.acked.max(learner.synced_upto);
        learner.phase = LearnerPhase::Synced;
        learner.is_damaged = false;
        if phase != Phase::Broadcast {
            self.serve_if_quorum_synced();
        } else if is_serving {
            self.bring_up_to_date(connection);
            self.commit_what_is_acked();
        }
    }

    /// UPTODATE says what is committed: a learner whose log had it all before got no COMMIT for it.
    /// (Apache's leaders say nothing here, and its learners do not look.)
    fn bring_up_to_date(&mut self, connection: ConnectionId) {
        let now_ms = self.now.mono_ms;
        let Role::Leading(leader) = &mut self.role else { return };
        if let Some(learner) = leader.learners.get_mut(&connection) {
            learner.begin_to_serve(now_ms);
        }
        let mut committed = leader.committed;
        let vouched = leader.learners.get(&connection).map(|learner| learner.synced_upto);
        // Planted: it says what the acknowledgement of NEWLEADER covered.
        if let Some(vouched) = vouched.filter(|vouched| *vouched > committed)
            && planted!(self, CommitLdZxid)
        {
            committed = vouched;
        }
        self.send_packet(connection, QuorumPacket::bare(PacketKind::UpToDate, committed));
    }

    /// Broadcast begins once a quorum holds the initial history: it is committed by that.
    fn serve_if_quorum_synced(&mut self) {
        let Role::Leading(leader) = &mut self.role else { return };
        let synced = leader.synced_voters(&self.ensemble);
        let ready = matches!(leader.phase, Phase::Synchronisation { .. })
            && synced.contains(&self.ensemble.me)
            && self.ensemble.is_quorum(&synced);
        if !ready {
            return;
        }
        leader.phase = Phase::Broadcast;
        reachable!(self, LeaderServes);
        sometimes!(self, ServesWithBareQuorum, self.ensemble.is_bare_quorum(&synced));
        let own = self.current_epoch;
        always!(
            self,
            ServesDurableEpoch,
            leader.epoch == own && self.persisted >= self.epochs_token,
            "epoch {} is led, {own} joined; asked for {:?}, durable {:?}",
            leader.epoch,
            self.epochs_token,
            self.persisted
        );
        leader.committed = leader.initial;
        let epoch = leader.epoch;
        self.observe(|| Observation::Serving { epoch });
        self.begin_to_catch_up();
    }

    /// The initial history is applied: clients may come, here and to the learners.
    pub(super) fn lead_clients(&mut self) {
        let Role::Leading(leader) = &mut self.role else { return };
        let (epoch, initial) = (leader.epoch, leader.initial);
        let (tick_ms, now_ms) = (self.settings.tick_ms, self.now.mono_ms);
        leader.sessions = Some(SessionTracker::new(tick_ms, now_ms, &self.sessions));
        let synced: Vec<ConnectionId> = leader
            .learners
            .iter()
            .filter(|(_, learner)| learner.phase == LearnerPhase::Synced)
            .map(|(connection, _)| *connection)
            .collect();
        // With UPTODATE, which has the followers do so: a newcomer is to hear the same from all.
        self.settle_epoch();
        self.info(format!("serving as the leader of epoch {epoch} from {initial}"));
        for connection in synced {
            self.bring_up_to_date(connection);
        }
    }

    /// A quorum's acknowledgements commit proposals, strictly in their order.
    pub(super) fn commit_what_is_acked(&mut self) {
        let Role::Leading(leader) = &mut self.role else { return };
        if leader.phase != Phase::Broadcast {
            return;
        }
        let acked = leader.quorum_acked(&self.ensemble).min(leader.last_proposed);
        if acked <= leader.committed {
            return;
        }
        let end = self.history.last();
        always!(self, CommittedIsLogged, acked <= end, "{acked} of a log up to {end}");
        let holders = || leader.voters_with(&self.ensemble, acked);
        sometimes!(self, CommitByBareQuorum, self.ensemble.is_bare_quorum(&holders()));
        sometimes!(self, CommitBeforeOwnWrite, leader.own_acked < acked);
        let from = std::mem::replace(&mut leader.committed, acked);
        let zxids: Vec<Zxid> = self
            .history
            .after(from)
            .map(|entry| entry.zxid)
            .take_while(|zxid| *zxid <= acked)
            .collect();
        sometimes!(self, CommitsSeveral, zxids.len() > 1);
        for zxid in zxids {
            self.send_to_learners(&QuorumPacket::bare(PacketKind::Commit, zxid));
        }
        self.apply_upto(acked);
        self.pass_barriers();
    }

    /// A sync request waits for a ping round that begins after it: its echoes prove that a quorum
    /// still followed this leader then, so nothing newer was committed elsewhere. It waits, too, for
    /// all that was proposed before it (`Leader.processSync`): a client whose write was not answered
    /// learns by a sync and a read whether it took effect.
    pub(super) fn submit_sync(&mut self, request: SyncRequest) {
        let Role::Leading(leader) = &mut self.role else { return };
        leader.waiting_syncs.push(request);
        if !leader.has_barrier() {
            self.begin_barrier();
        }
    }

    /// One ping round for all syncs that have gathered, if there are any.
    fn begin_barrier(&mut self) {
        let Role::Leading(leader) = &mut self.role else { return };
        let requests = std::mem::take(&mut leader.waiting_syncs);
        if requests.is_empty() {
            return;
        }
        self.ping_learners();
        if let Role::Leading(leader) = &mut self.role {
            sometimes!(self, SyncBarrierShared, requests.len() > 1);
            leader.begin_barrier(self.history.last(), requests);
        }
        self.pass_barriers();
        let waits = matches!(&self.role, Role::Leading(leader) if leader.has_barrier());
        sometimes!(self, SyncBarrierWaits, waits);
    }

    /// Answers syncs whose ping round a quorum has echoed, if all before them is committed. One of a
    /// session whose end was decided when it came is refused: its client would take the session to
    /// be alive (Apache's leader checks the session of its own clients' syncs; an Apache learner
    /// does not look at the refusal's mark).
    pub(super) fn pass_barriers(&mut self) {
        let Role::Leading(leader) = &mut self.role else { return };
        for request in leader.passed_barriers(&self.ensemble) {
            sometimes!(self, SyncOfEndedSession, !request.is_alive);
            match request.origin {
                Origin::Local if !request.is_alive => self.drop_client(request.connection),
                Origin::Local => {
                    let (connection, cxid) = (request.connection, request.cxid);
                    if let Some(connection) = self.clients.complete_sync(connection, cxid) {
                        self.sync_passed(connection);
                    }
                }
                Origin::Learner(connection) => {
                    let refused = QuorumPacket::NO_ZXID;
                    let zxid = if request.is_alive { Zxid::ZERO } else { refused };
                    let packet = QuorumPacket::bare(PacketKind::Sync, zxid);
                    self.send_packet(connection, packet);
                }
            }
        }
        if matches!(&self.role, Role::Leading(leader) if !leader.has_barrier()) {
            self.begin_barrier();
        }
    }

    /// Those who wait for UPTODATE are pinged, too, since it comes late where there is much to apply; they pass it
    /// over, as Apache's learners do, and are not counted on.
    fn ping_learners(&mut self) {
        let (now_ms, zxid) = (self.now.mono_ms, self.last_proposed());
        let Role::Leading(leader) = &mut self.role else { return };
        let (mut synced, mut pinged) = (Vec::new(), Vec::new());
        for (connection, learner) in &mut leader.learners {
            if learner.is_synced() {
                synced.push(*connection);
            }
            if learner.phase == LearnerPhase::Active {
                learner.ping(now_ms);
                pinged.push((*connection, learner.pings_sent));
            }
        }
        for (connection, pings_sent) in pinged {
            leader.pinged(connection, pings_sent);
        }
        for connection in synced {
            self.send_packet(connection, QuorumPacket::bare(PacketKind::Ping, zxid));
        }
    }

    /// Sends a packet to every learner that is kept up to date, behind a snapshot under way.
    pub(super) fn send_to_learners(&mut self, packet: &QuorumPacket) {
        let mut encoded = Vec::with_capacity(64 + packet.data.as_ref().map_or(0, Bytes::len));
        packet.encode(&mut encoded);
        let encoded = Bytes::from(encoded);
        let Role::Leading(leader) = &mut self.role else { return };
        let mut live = Vec::new();
        for (connection, learner) in &mut leader.learners {
            // Planted: who has not acknowledged NEWLEADER gets nothing new.
            if learner.forwards() && !learner.is_synced() && planted!(self, Zk962) {
                continue;
            }
            let is_in_sync = learner.forwards() && !learner.is_synced();
            sometimes!(self, SentBeforeSynced, is_in_sync);
            if learner.phase == LearnerPhase::Sending {
                reachable!(self, HeldBackBehindSnapshot);
                learner.held_back.extend_from_slice(&encoded);
            } else if learner.forwards() {
                live.push(*connection);
            }
        }
        if planted!(self, HashOrder) {
            live = in_hash_order(live);
        }
        for connection in live {
            self.send(connection, encoded.clone());
        }
    }

    pub(super) fn tick_leading(&mut self) {
        let (now_ms, sync_ms, init_ms) =
            (self.now.mono_ms, self.settings.sync_ms(), self.settings.init_ms());
        let tick_ms = self.settings.tick_ms;
        let Role::Leading(leader) = &mut self.role else { return };
        if leader.phase != Phase::Broadcast {
            if now_ms >= leader.began_ms + init_ms {
                reachable!(self, LeaderUnfollowed);
                self.look("no quorum came within initLimit");
            } else if now_ms >= leader.disk_limit_ms(tick_ms) {
                // A quorum is there, and others have disks too.
                reachable!(self, LeaderDiskSlow);
                self.election.shun(self.now, self.ensemble.me, sync_ms);
                self.look("its disk takes too long to hold the new epoch");
            } else if leader.give_way_at_ms.is_some_and(|at_ms| now_ms >= at_ms) {
                leader.give_way_at_ms = None;
                if leader.newer().next().is_some() {
                    self.give_way();
                }
            }
            return;
        }
        let silent: Vec<ConnectionId> = leader
            .learners
            .iter()
            .filter(|(_, learner)| {
                let limit_ms = if learner.is_synced() { sync_ms } else { init_ms };
                !learner.is_alive(now_ms, limit_ms)
            })
            .map(|(connection, _)| *connection)
            .collect();
        if now_ms >= leader.check_at_ms || !silent.is_empty() {
            leader.check_at_ms = now_ms + (self.settings.tick_ms / 2).max(1);
            if !leader.quorum_alive(&self.ensemble, now_ms, sync_ms) {
                reachable!(self, LeaderUnheard);
                // If the fault is with this server, another one must lead; those who hear nothing of it say so too.
                self.election.shun(self.now, self.ensemble.me, sync_ms);
                return self.look("a quorum has been silent for syncLimit");
            }
        }
        for connection in silent {
            reachable!(self, LearnerSilent);
            self.drop_learner(connection, "it has not answered for too long");
        }
        let Role::Leading(leader) = &mut self.role else { return };
        if now_ms >= leader.ping_at_ms {
            leader.ping_at_ms = now_ms + (self.settings.tick_ms / 2).max(1);
            self.ping_learners();
        }
        self.expire_sessions();
    }

    pub(super) fn leader_deadline_ms(&self, leader: &Leader) -> u64 {
        if leader.phase != Phase::Broadcast {
            let give_way_at_ms = leader.give_way_at_ms.unwrap_or(u64::MAX);
            return give_way_at_ms
                .min(leader.disk_limit_ms(self.settings.tick_ms))
                .min(leader.began_ms + self.settings.init_ms());
        }
        let expiry = leader.sessions.as_ref().and_then(SessionTracker::deadline_ms);
        leader.ping_at_ms.min(leader.check_at_ms).min(expiry.unwrap_or(u64::MAX))
    }

    pub(super) fn learner(&mut self, connection: ConnectionId) -> Option<&mut Learner> {
        match &mut self.role {
            Role::Leading(leader) => leader.learners.get_mut(&connection),
            Role::Looking | Role::Following(_) => None,
        }
    }

    pub(super) fn send_packet(&mut self, connection: ConnectionId, packet: QuorumPacket) {
        let mut bytes = Vec::with_capacity(64);
        packet.encode(&mut bytes);
        self.send(connection, bytes);
    }

    pub(super) fn set_phase(&mut self, phase: Phase) {
        if let Role::Leading(leader) = &mut self.role {
            leader.phase = phase;
        }
    }
}

pub(super) fn leader_info(zxid: Zxid) -> QuorumPacket {
    let mut data = Vec::new();
    let extra = Bytes::from_static(KNOWS_DAMAGED);
    let info = LeaderInfo { protocol_version: PROTOCOL_VERSION, extra };
    info.encode(&mut data);
    QuorumPacket::with_data(PacketKind::LeaderInfo, zxid, data)
}

/// What `Plant::HashOrder` plants.
fn in_hash_order(connections: Vec<ConnectionId>) -> Vec<ConnectionId> {
    connections.into_iter().collect::<std::collections::HashSet<_>>().into_iter().collect()
}
