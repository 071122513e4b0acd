//! Discovery, the leader's part: which epoch is to come, and the promises of a quorum (DSN 2011, "Zab:
//! High-performance broadcast for primary-backup systems", section V, phase 1).
//!
//! What may have been committed is in the newest history of any quorum that promises: whoever promised takes part
//! in no earlier epoch any more. So a leader is as recent as each of a quorum of promises, and those of
//! servers with a newer history are not counted among them. If no quorum comes without them, the leader gives
//! way. A server outside that is merely ahead must not stop a majority that is well: what it alone holds was
//! never committed.

use crate::effect::DiskOp;
use crate::ids::{ConnectionId, Epoch, ServerId, Zxid};
use crate::observation::Observation;
use crate::reachable;
use crate::zab::leader::{LearnerPhase, Phase};
use probe::Probe;

use super::leading::leader_info;
use super::{Replica, Role};

impl<I: Probe<Observation>> Replica<I> {
    /// A voter (this server among them) told which epoch it accepted last. One whose data were damaged counts in no
    /// quorum yet.
    pub(super) fn learner_connects(&mut self, server: ServerId, accepted: Epoch, counts: bool) {
        let Role::Leading(leader) = &mut self.role else { return };
        if !counts {
            reachable!(self, VoicelessNotCounted);
            leader.leave_out(server, accepted);
        }
        if leader.phase == Phase::Discovery {
            if counts && leader.connect(&self.ensemble, server, accepted) {
                let epoch = leader.epoch;
                self.accepted_epoch = epoch;
                let token = self.log_own_epoch(DiskOp::AcceptedEpoch(epoch));
                reachable!(self, EpochProposed);
                self.set_phase(Phase::Proposing { token, from_ms: self.now.mono_ms });
                if I::EVENTS && token <= self.persisted {
                    self.on_leader_persisted();
                }
            }
        } else if accepted > leader.epoch && self.ensemble.is_voter(server) {
            // It promised a later epoch to a leader that never came to be, and can join only one
            // beyond that.
            reachable!(self, LeaderOutpromised);
            self.look("a follower has promised a later epoch");
        }
    }

    /// LEADERINFO to every learner that waits for it.
    pub(super) fn announce_epoch(&mut self) {
        let Role::Leading(leader) = &mut self.role else { return };
        if matches!(leader.phase, Phase::Discovery | Phase::Proposing { .. }) {
            return;
        }
        let zxid = Zxid::new(leader.epoch, 0);
        let mut waiting = Vec::new();
        for (connection, learner) in &mut leader.learners {
            if learner.phase == LearnerPhase::AwaitingEpoch {
                learner.phase = LearnerPhase::AwaitingEpochAck;
                waiting.push(*connection);
            }
        }
        for connection in waiting {
            self.send_packet(connection, leader_info(zxid));
        }
    }

    /// A learner's FOLLOWERINFO was understood.
    pub(super) fn learner_informs(
        &mut self,
        connection: ConnectionId,
        server: ServerId,
        accepted: Epoch,
    ) {
        let Some(learner) = self.learner(connection) else { return };
        learner.server = Some(server);
        learner.phase = LearnerPhase::AwaitingEpoch;
        let counts = !learner.is_damaged;
        self.learner_connects(server, accepted, counts);
        self.announce_epoch();
    }

    /// A learner's ACKEPOCH: `current` is absent if it had promised this epoch before, which then
    /// does not count again.
    pub(super) fn learner_promises(
        &mut self,
        connection: ConnectionId,
        current: Option<Epoch>,
        last: Zxid,
    ) {
        let own = (self.current_epoch, self.history.last());
        let Role::Leading(leader) = &mut self.role else { return };
        let established = matches!(leader.phase, Phase::Synchronisation { .. } | Phase::Broadcast);
        let is_behind = !established && current.is_some_and(|current| (current, last) > own);
        if is_behind {
            reachable!(self, LeaderBehindFollower);
            return self.note_newer(connection, last);
        }
        let Some(learner) = leader.learners.get_mut(&connection) else { return };
        learner.phase = LearnerPhase::Promised { last };
        let (server, is_damaged) = (learner.server, learner.is_damaged);
        if established {
            return self.synchronise(connection, last);
        }
        match (server, current) {
            // It is brought up with the others, once they have promised.
            _ if is_damaged => {}
            (Some(server), Some(_)) => self.promise(server),
            (Some(server), None) => {
                leader.spent.insert(server);
                if !leader.may_be_promised(&self.ensemble) {
                    reachable!(self, LeaderEpochTaken);
                    self.look("a follower has promised this epoch to another");
                }
            }
            (None, _) => {}
        }
    }

    /// A follower's history is newer than this leader's: a quorum has to come without it, soon.
    fn note_newer(&mut self, connection: ConnectionId, last: Zxid) {
        let give_way_at_ms = self.now.mono_ms + self.settings.tick_ms;
        let Role::Leading(leader) = &mut self.role else { return };
        if let Some(learner) = leader.learners.get_mut(&connection) {
            learner.phase = LearnerPhase::Newer { last };
        }
        leader.give_way_at_ms.get_or_insert(give_way_at_ms);
        if !leader.may_do_without_newer(&self.ensemble) {
            self.give_way();
        }
    }

    /// No quorum came without those whose history is newer. What is committed may be there alone: one of
    /// them is to be elected.
    pub(super) fn give_way(&mut self) {
        let Role::Leading(leader) = &self.role else { return };
        for server in leader.newer() {
            self.election.forgive(server);
        }
        reachable!(self, LeaderGivesWay);
        let for_ms = self.settings.aside_ms();
        self.election.shun(self.now, self.ensemble.me, for_ms);
        self.look("a follower's history is more recent");
    }

    /// A voter promised the epoch; with a quorum the epoch is this leader's.
    pub(super) fn promise(&mut self, server: ServerId) {
        let Role::Leading(leader) = &mut self.role else { return };
        if leader.phase != Phase::AwaitingEpochAcks || !leader.promise(&self.ensemble, server) {
            return;
        }
        let (epoch, history) = (leader.epoch, self.history.last());
        leader.initial = history;
        leader.last_proposed = history;
        let waiting: Vec<(ConnectionId, Zxid)> = leader
            .learners
            .iter()
            .filter_map(|(connection, learner)| match learner.phase {
                LearnerPhase::Promised { last } | LearnerPhase::Newer { last } => {
                    Some((*connection, last))
                }
                _ => None,
            })
            .collect();
        leader.give_way_at_ms = None;
        // Synchronisation has a time limit of its own.
        leader.began_ms = self.now.mono_ms;
        reachable!(self, EpochEstablished);
        self.observe(|| Observation::EpochEstablished { epoch, history });
        self.current_epoch = epoch;
        let token = self.log_own_epoch(DiskOp::CurrentEpoch(epoch));
        self.set_phase(Phase::Synchronisation { token });
        for (connection, last) in waiting {
            self.synchronise(connection, last);
        }
        if I::EVENTS && token <= self.persisted {
            self.on_leader_persisted();
        }
    }
}
