//! Following: the leader's history becomes this server's, then its proposals do (ZooKeeper's
//! `Learner` and `Follower`).
//!
//! The order on disk is what keeps an acknowledged write safe: the leader's history, then
//! currentEpoch, and only when both are durable the acknowledgement of NEWLEADER
//! (ZOOKEEPER-3911, ZOOKEEPER-4643, ZOOKEEPER-4646, ZOOKEEPER-4785).

use bytes::Bytes;

use crate::effect::{DiskOp, Effect};
use crate::event::DiskToken;
use crate::ids::{ConnectionId, ServerId, Zxid};
use crate::jute::Encode;
use crate::observation::{Observation, SyncKind};
use crate::txn::decode_txn;
use crate::wire::quorum::payload::PROTOCOL_VERSION;
use crate::wire::quorum::{EpochAck, LearnerInfo, PacketKind, QuorumPacket};
use crate::zab::history::{Entry, follows};
use crate::{always, planted, reachable, sometimes};
use probe::Probe;

use super::{Follower, FollowerPhase, Replica, Role};

/// What follows a snapshot on the stream (`LearnerHandler`).
pub(super) const SNAPSHOT_SIGNATURE: &str = "BenWasHere";
/// Attempts to connect to an elected leader before another election.
const CONNECT_ATTEMPTS_MAX: u32 = 5;
/// For how many ticks they are made at most: an attempt whose SYNs are dropped hangs.
const CONNECT_TICKS_MAX: u64 = 2;
/// The pause between them, in milliseconds.
const CONNECT_PAUSE_MS: u64 = 100;

/// Why a leader is given up.
type Refusal = String;

impl<I: Probe<Observation>> Replica<I> {
    /// Another server was elected.
    pub(super) fn follow(&mut self, leader: ServerId) {
        self.info(format!("following server {leader}"));
        self.observe(|| Observation::Following { leader });
        self.close_early_learners();
        let connection = self.next_connection();
        let follower = Follower::new(self.now.mono_ms, leader, connection);
        self.role = Role::Following(Box::new(follower));
        self.connect_leader(connection, leader);
    }

    fn next_connection(&mut self) -> ConnectionId {
        self.next_connection += 1;
        ConnectionId(self.next_connection)
    }

    fn connect_leader(&mut self, connection: ConnectionId, leader: ServerId) {
        let timeout_ms = self.settings.tick_ms.max(1);
        self.out.push(Effect::ConnectLeader { connection, leader, timeout_ms });
    }

    pub(super) fn on_leader_connected(&mut self, connection: ConnectionId) {
        let now_ms = self.now.mono_ms;
        let accepted = self.accepted_epoch;
        let info = LearnerInfo {
            server: self.ensemble.me,
            protocol_version: PROTOCOL_VERSION,
            config_version: Some(self.ensemble.config_version as i64),
            extra: self.own_condition(),
        };
        let Role::Following(follower) = &mut self.role else { return self.close(connection) };
        if follower.connection != connection {
            return self.close(connection);
        }
        follower.heard_ms = now_ms;
        follower.phase = FollowerPhase::AwaitingEpoch;
        let mut data = Vec::new();
        info.encode(&mut data);
        let zxid = Zxid::new(accepted, 0);
        self.send_leader(QuorumPacket::with_data(PacketKind::FollowerInfo, zxid, data));
    }

    pub(super) fn on_leader_closed(&mut self) {
        let now_ms = self.now.mono_ms;
        let limit_ms = CONNECT_TICKS_MAX * self.settings.tick_ms;
        let Role::Following(follower) = &mut self.role else { return };
        let connecting = matches!(follower.phase, FollowerPhase::Connecting { .. });
        let is_enough = follower.attempts >= CONNECT_ATTEMPTS_MAX
            || now_ms + CONNECT_PAUSE_MS > follower.began_ms + limit_ms;
        sometimes!(self, LeaderNeverReached, connecting && is_enough);
        sometimes!(self, LeaderLost, !connecting);
        if follower.phase == FollowerPhase::AwaitingSync {
            // It may have given way to this server, who must not stand aside then.
            self.election.forgive(self.ensemble.me);
        }
        if !connecting {
            // It died or gave up; if not, others follow it still, and it is joined again.
            self.shun_leader();
            self.look("the connection to the leader ended");
        } else if is_enough {
            let leader = follower.leader;
            self.election.not_reached(self.now, leader, self.settings.sync_ms());
            self.look("the leader was not reached");
        } else {
            reachable!(self, LeaderUnreachable);
            let retry_at_ms = Some(now_ms + CONNECT_PAUSE_MS);
            follower.phase = FollowerPhase::Connecting { retry_at_ms };
        }
    }

    /// Who fell silent or gave up is not to be elected again at once on the word of those who still hear it.
    pub(super) fn shun_leader(&mut self) {
        if let Role::Following(follower) = &self.role {
            let for_ms = self.settings.aside_ms();
            self.election.shun(self.now, follower.leader, for_ms);
        }
    }

    pub(super) fn on_leader_bytes(&mut self, bytes: &[u8]) {
        let now_ms = self.now.mono_ms;
        let Role::Following(follower) = &mut self.role else { return };
        follower.heard_ms = now_ms;
        let mut handled = match &mut follower.snapshot {
            Some(_) => self.on_snapshot_bytes(bytes),
            None => {
                follower.decoder.push(bytes);
                Ok(())
            }
        };
        // A packet may end the following: it is looked up anew each time.
        while handled.is_ok() {
            let Role::Following(follower) = &mut self.role else { return };
            if follower.snapshot.is_some() {
                return;
            }
            handled = match follower.decoder.next_packet() {
                Ok(Some(packet)) => self.on_leader_packet(packet),
                Ok(None) => return,
                Err(error) => Err(error.to_string()),
            };
        }
        if let Err(reason) = handled {
            self.look(&reason);
        }
    }

    fn on_leader_packet(&mut self, packet: QuorumPacket) -> Result<(), Refusal> {
        use FollowerPhase::*;
        let Role::Following(follower) = &mut self.role else { return Ok(()) };
        match (follower.phase, packet.kind) {
            (AwaitingEpoch, PacketKind::LeaderInfo) => {
                self.expect_a_fair_count(packet.data.as_deref().unwrap_or_default())?;
                self.on_leader_info(packet.zxid)
            }
            (AwaitingSync, PacketKind::Diff) => self.on_diff(packet.zxid),
            (AwaitingSync, PacketKind::Trunc) => self.on_trunc(packet.zxid),
            (AwaitingSync, PacketKind::Snap) => {
                self.on_snap(packet.zxid, packet.data.as_deref().unwrap_or_default())
            }
            (
                AwaitingNewLeader | Joining { .. } | AwaitingUpToDate | CatchingUp | Serving,
                PacketKind::Proposal,
            ) => self.on_proposal(packet.zxid, packet.data),
            (
                AwaitingNewLeader | Joining { .. } | AwaitingUpToDate | CatchingUp | Serving,
                PacketKind::Commit,
            ) => self.on_commit(packet.zxid),
            // The leader lives, and is busy with what it has to apply.
            (AwaitingUpToDate, PacketKind::Ping) => Ok(()),
            (CatchingUp | Serving, PacketKind::Ping) => {
                self.on_ping(packet.zxid);
                Ok(())
            }
            (AwaitingNewLeader, PacketKind::NewLeader) => self.on_new_leader(packet.zxid),
            (AwaitingUpToDate, PacketKind::UpToDate) => {
                self.on_up_to_date(packet.zxid);
                Ok(())
            }
            (Serving, kind) => self.on_serving_packet(kind, &packet),
            (phase, kind) => self.unexpected(format!("the leader sent {kind:?} while {phase:?}")),
        }
    }

    fn on_leader_info(&mut self, zxid: Zxid) -> Result<(), Refusal> {
        let epoch = zxid.epoch();
        let (accepted, current) = (self.accepted_epoch, self.current_epoch);
        let phase = if epoch > accepted {
            self.accepted_epoch = epoch;
            let token = self.disk(DiskOp::AcceptedEpoch(epoch));
            FollowerPhase::Promising { token, current }
        } else if epoch == accepted {
            // Promised before, perhaps to another: it must not count for this leader.
            reachable!(self, EpochPromisedBefore);
            self.send_epoch_ack(EpochAck(None));
            FollowerPhase::AwaitingSync
        } else {
            reachable!(self, EpochRefused);
            return Err(format!("the leader's epoch {epoch} is behind the accepted {accepted}"));
        };
        let Role::Following(follower) = &mut self.role else { return Ok(()) };
        follower.epoch = epoch;
        follower.phase = phase;
        Ok(())
    }

    fn send_epoch_ack(&mut self, ack: EpochAck) {
        let mut data = Vec::new();
        ack.encode(&mut data);
        let last = self.history.last();
        self.send_leader(QuorumPacket::with_data(PacketKind::AckEpoch, last, data));
    }

    fn on_diff(&mut self, zxid: Zxid) -> Result<(), Refusal> {
        self.observe(|| Observation::SyncBegun { kind: SyncKind::Diff });
        // Planted: currentEpoch comes before the history that the epoch begins with.
        if zxid > self.history.last() && planted!(self, Zk4643) {
            self.join_epoch();
        }
        self.begin_receiving(zxid.min(self.history.last()));
        Ok(())
    }

    fn on_trunc(&mut self, zxid: Zxid) -> Result<(), Refusal> {
        self.observe(|| Observation::SyncBegun { kind: SyncKind::Trunc });
        if zxid < self.history.applied() || !self.history.contains(zxid) {
            let applied = self.history.applied();
            let reason = format!(
                "the leader wants the log cut after {zxid}, but {applied} is committed here: \
                 the ensemble's histories have diverged"
            );
            self.out.push(Effect::Fatal { reason: reason.clone() });
            return Err(reason);
        }
        let late = if I::EVENTS { self.written_late(zxid) } else { Vec::new() };
        reachable!(self, LearnerTruncates);
        sometimes!(self, TruncatesUnwritten, !late.is_empty());
        self.history.truncate(zxid);
        self.disk(DiskOp::Truncate { zxid });
        self.observe(|| Observation::Truncated { zxid });
        // Planted: the writer of the last role was not stopped; what it had queued comes behind the
        // cut.
        if !late.is_empty() && planted!(self, Zk4712) {
            for Entry { zxid, txn, .. } in late {
                self.disk(DiskOp::Append { zxid, txn });
            }
        }
        self.begin_receiving(zxid);
        Ok(())
    }

    /// What follows `zxid` in the log and was still on its way to the disk when the last role ended.
    fn written_late(&self, zxid: Zxid) -> Vec<Entry> {
        let is_late = |entry: &&Entry| entry.token > self.durable_before;
        self.history.after(zxid).filter(is_late).cloned().collect()
    }

    /// The leader's history shares everything up to `common` with this log.
    fn begin_receiving(&mut self, common: Zxid) {
        let applied = self.history.applied();
        reachable!(self, LearnerReceives);
        if let Role::Following(follower) = &mut self.role {
            follower.phase = FollowerPhase::AwaitingNewLeader;
            follower.committed = applied;
            follower.common = common;
        }
    }

    fn on_proposal(&mut self, zxid: Zxid, data: Option<Bytes>) -> Result<(), Refusal> {
        let last = self.history.last();
        if !follows(last, zxid) {
            return self.unexpected(format!("the leader proposed {zxid} after {last}"));
        }
        let txn = data.ok_or("the leader sent a proposal without a transaction")?;
        let (decoded, _) = decode_txn(&txn).map_err(|error| error.to_string())?;
        if decoded.header.zxid != zxid {
            return Err(format!("the proposal {zxid} holds {}", decoded.header.zxid));
        }
        // Planted: it is kept in memory until UPTODATE.
        if !self.is_established() && planted!(self, Zk3911) {
            self.history.push(Entry { zxid, txn, token: DiskToken::NEVER });
            return Ok(());
        }
        self.log_txn(zxid, txn);
        reachable!(self, FollowerLogs);
        let waits = matches!(&self.role, Role::Following(follower) if follower.awaits_up_to_date());
        sometimes!(self, ProposalBeforeUpToDate, waits);
        // Planted: a proposal is acknowledged as it comes.
        if self.is_serving() && planted!(self, AckBeforeFsync) {
            self.acknowledge_upto(zxid);
        }
        Ok(())
    }

    fn on_commit(&mut self, zxid: Zxid) -> Result<(), Refusal> {
        let last = self.history.last();
        let Role::Following(follower) = &mut self.role else { return Ok(()) };
        if zxid > last {
            let what = format!("the leader committed {zxid}, but only {last} was proposed");
            return self.unexpected(what);
        }
        follower.committed = follower.committed.max(zxid);
        sometimes!(self, CommitBeforeUpToDate, follower.awaits_up_to_date());
        let phase = follower.phase;
        if I::EVENTS && self.is_forgotten(phase, zxid) {
            let reason = format!("the leader committed {zxid}, of which nothing is known here");
            self.out.push(Effect::Fatal { reason: reason.clone() });
            return Err(reason);
        }
        if phase == FollowerPhase::Serving {
            self.apply_upto(zxid);
        }
        Ok(())
    }

    fn on_new_leader(&mut self, zxid: Zxid) -> Result<(), Refusal> {
        let Role::Following(follower) = &mut self.role else { return Ok(()) };
        let epoch = follower.epoch;
        if zxid.epoch() != epoch {
            return Err(format!("NEWLEADER of {zxid} in epoch {epoch}"));
        }
        // What the leader has committed, or had all along, is covered by this acknowledgement; the
        // rest is acknowledged one by one.
        follower.acked = follower.committed.max(follower.common);
        if I::EVENTS {
            self.note_learned();
        }
        let token = self.join_epoch();
        let upto = self.history.last();
        if let Role::Following(follower) = &mut self.role {
            follower.phase = FollowerPhase::Joining { token, upto };
        }
        let durable = self.history.durable(self.persisted);
        sometimes!(self, NewLeaderWaitsForDisk, durable < upto);
        // Planted: NEWLEADER is acknowledged without waiting for the disk.
        if durable < upto && planted!(self, Zk4646) {
            self.acknowledge_new_leader(upto);
        }
        Ok(())
    }

    /// From here on the leader's epoch is this server's.
    fn join_epoch(&mut self) -> DiskToken {
        if let Role::Following(follower) = &self.role {
            self.current_epoch = follower.epoch;
        }
        let joined = self.disk(DiskOp::CurrentEpoch(self.current_epoch));
        self.clear_damage().unwrap_or(joined)
    }

    pub(super) fn on_follower_persisted(&mut self) {
        let persisted = self.persisted;
        let now_ms = self.now.mono_ms;
        let Role::Following(follower) = &mut self.role else { return };
        match follower.phase {
            FollowerPhase::Promising { token, current } if persisted >= token => {
                follower.begin_to_wait(now_ms, FollowerPhase::AwaitingSync);
                reachable!(self, FollowerHasPromised);
                self.observe_epochs();
                self.send_epoch_ack(EpochAck(Some(current)));
            }
            FollowerPhase::Joining { token, upto } if persisted >= token => {
                self.acknowledge_new_leader(upto);
            }
            _ => {}
        }
        self.acknowledge_proposals();
    }

    /// The history up to `upto` and the epoch are durable here.
    fn acknowledge_new_leader(&mut self, upto: Zxid) {
        let now_ms = self.now.mono_ms;
        let Role::Following(follower) = &mut self.role else { return };
        follower.begin_to_wait(now_ms, FollowerPhase::AwaitingUpToDate);
        reachable!(self, NewLeaderAnswered);
        let zxid = Zxid::new(follower.epoch, 0);
        self.regain_voice();
        self.observe_epochs();
        let durable = self.history.durable(self.persisted);
        self.observe(|| Observation::Acknowledged { zxid: upto, durable });
        self.send_leader(QuorumPacket::bare(PacketKind::Ack, zxid));
    }

    /// Acknowledges every proposal that has become durable.
    fn acknowledge_proposals(&mut self) {
        self.acknowledge_upto(self.history.durable(self.persisted));
    }

    /// Acknowledges proposals one by one, as ZooKeeper's leader counts them.
    fn acknowledge_upto(&mut self, vouched: Zxid) {
        let durable = self.history.durable(self.persisted);
        let Role::Following(follower) = &mut self.role else { return };
        let is_joining = matches!(follower.phase, FollowerPhase::Joining { .. });
        // Planted: what NEWLEADER's acknowledgement would cover is acknowledged before it.
        let is_early = is_joining && vouched > follower.common && planted!(self, Zk4685);
        if is_early {
            follower.acked = follower.common;
        }
        if !(follower.has_joined() || is_early) || vouched <= follower.acked {
            return;
        }
        let from = std::mem::replace(&mut follower.acked, vouched);
        let last = self.history.last();
        always!(self, AcknowledgedIsLogged, vouched <= last, "{vouched} of a log up to {last}");
        let mut packets = Vec::new();
        for entry in self.history.after(from).take_while(|entry| entry.zxid <= vouched) {
            QuorumPacket::bare(PacketKind::Ack, entry.zxid).encode(&mut packets);
        }
        sometimes!(
            self,
            AcknowledgesSeveral,
            self.history.after(from).next().is_none_or(|first| first.zxid != vouched)
        );
        self.observe(|| Observation::Acknowledged { zxid: vouched, durable });
        let Role::Following(follower) = &self.role else { return };
        let connection = follower.connection;
        self.send(connection, packets);
    }

    /// What the log shared with the leader's from the start was never sent, and so never committed
    /// by name: UPTODATE tells how far it is. An Apache leader does not tell, but what it shares is
    /// committed by its own account.
    fn on_up_to_date(&mut self, zxid: Zxid) {
        // What the plant ZK-3911 kept in memory.
        if I::EVENTS {
            for Entry { zxid, txn, .. } in self.history.take_unlogged() {
                self.log_txn(zxid, txn);
            }
        }
        let last = self.history.last();
        let Role::Following(follower) = &mut self.role else { return };
        let known = if zxid == QuorumPacket::NO_ZXID { follower.common } else { zxid };
        sometimes!(self, UpToDateCommits, known.min(last) > follower.committed);
        follower.committed = follower.committed.max(known.min(last));
        follower.phase = FollowerPhase::CatchingUp;
        let epoch = follower.epoch;
        // Planted: the epoch of the election stays.
        let is_news = self.settled.0.peer_epoch != epoch;
        if !(is_news && planted!(self, Zk1732)) {
            self.settle_epoch();
        }
        reachable!(self, FollowerServes);
        let joined = self.current_epoch;
        always!(self, ServesInJoinedEpoch, epoch == joined, "serves in {epoch}, joined {joined}");
        self.observe(|| Observation::SyncEnded);
        self.begin_to_catch_up();
        self.send_leader(QuorumPacket::bare(PacketKind::Ack, Zxid::new(epoch, 0)));
    }

    /// What is known to be committed is applied: clients may come.
    pub(super) fn follow_with_clients(&mut self) {
        let Role::Following(follower) = &mut self.role else { return };
        follower.phase = FollowerPhase::Serving;
        let (epoch, committed) = (follower.epoch, follower.committed);
        self.info(format!("serving as a follower in epoch {epoch} from {committed}"));
    }

    pub(super) fn tick_following(&mut self) {
        let now_ms = self.now.mono_ms;
        let Role::Following(follower) = &mut self.role else { return };
        let leader = follower.leader;
        if let FollowerPhase::Connecting { retry_at_ms: Some(at) } = follower.phase
            && now_ms >= at
        {
            follower.attempts += 1;
            follower.phase = FollowerPhase::Connecting { retry_at_ms: None };
            let connection = self.next_connection();
            if let Role::Following(follower) = &mut self.role {
                follower.connection = connection;
            }
            return self.connect_leader(connection, leader);
        }
        if now_ms > follower.heard_ms + follower.silence_ms(&self.settings) {
            reachable!(self, LeaderSilent);
            self.shun_leader();
            self.look("the leader is silent");
        }
    }

    pub(super) fn follower_deadline_ms(&self, follower: &Follower) -> u64 {
        let silence = follower.heard_ms + follower.silence_ms(&self.settings) + 1;
        match follower.phase {
            FollowerPhase::Connecting { retry_at_ms: Some(at) } => at.min(silence),
            _ => silence,
        }
    }

    pub(super) fn send_leader(&mut self, packet: QuorumPacket) {
        if let Role::Following(follower) = &self.role {
            let connection = follower.connection;
            self.send_packet(connection, packet);
        }
    }
}
