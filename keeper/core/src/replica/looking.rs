//! Without a leader: electing one, and answering those who look for one.

use crate::effect::Effect;
use crate::ids::ServerId;
use crate::observation::Observation;
use crate::wire::election::{Notification, ServerState};
use crate::zab::election::{Elected, NOBODY, Output, Vote};
use crate::zab::leader::Phase;
use crate::{planted, reachable, sometimes};
use probe::Probe;

use super::{FollowerPhase, Replica, Role};

impl<I: Probe<Observation>> Replica<I> {
    /// Leaves whatever role the server has and looks for a leader. Clients are sent away: they find
    /// another server, or this one again once it serves.
    pub(super) fn look(&mut self, why: &str) {
        self.info(format!("looking for a leader: {why}"));
        reachable!(self, ElectionBegins);
        sometimes!(
            self,
            RoleLeftWithTail,
            !matches!(self.role, Role::Looking) && self.history.unapplied() > 0,
        );
        self.durable_before = self.persisted;
        if !matches!(self.role, Role::Looking) {
            self.keep_less_than_the_log();
        }
        match std::mem::replace(&mut self.role, Role::Looking) {
            Role::Looking => {}
            Role::Leading(leader) => {
                for (connection, learner) in leader.learners {
                    if let Some(snapshot) = learner.snapshot {
                        snapshot.abandon(&mut self.tree);
                    }
                    self.close(connection);
                }
            }
            Role::Following(follower) => {
                sometimes!(self, SyncInterrupted, follower.is_synchronising());
                let phase = follower.phase;
                let is_receiving = matches!(phase, FollowerPhase::ReceivingSnapshot);
                sometimes!(self, SnapshotInterrupted, is_receiving);
                let is_joining = matches!(phase, FollowerPhase::Joining { .. });
                sometimes!(self, JoiningInterrupted, is_joining);
                self.close(follower.connection);
            }
        }
        for connection in self.clients.clear() {
            self.watches.remove_connection(connection);
            self.close(connection);
        }
        self.outstanding = Default::default();
        self.observe(|| Observation::Looking);
        self.observe_epochs();
        let logged = self.history.last();
        let zxid = if I::EVENTS { self.spoilt_vote(logged) } else { logged };
        let is_voiceless = self.is_voiceless();
        self.election.set_voiceless(is_voiceless);
        let leader = if is_voiceless { NOBODY } else { self.ensemble.me };
        let own = Vote { peer_epoch: self.current_epoch, zxid, leader };
        let output = self.election.start(self.now, &self.ensemble, own);
        self.on_election_output(output);
    }

    /// Does nothing without a plant. Planted: a server that leaves its role forgets the end of its
    /// log, which stays in the file.
    fn keep_less_than_the_log(&mut self) {
        if self.history.unapplied() > 0 && planted!(self, Zk2845) {
            self.history.truncate(self.history.applied());
        }
        // What the plant ZK-3911 did not log was in memory only.
        if I::EVENTS {
            self.history.take_unlogged();
        }
    }

    pub(super) fn on_notification(&mut self, from: ServerId, notification: Notification) {
        if matches!(self.role, Role::Looking) {
            let follows_me = notification.state == ServerState::Following
                && notification.leader == self.ensemble.me
                && notification.round != self.election.round();
            if follows_me {
                // It waits here for a leadership that is over.
                self.close_early_learners();
            }
            let (round, proposal) = (self.election.round(), self.election.proposal());
            let output = self.election.receive(self.now, &self.ensemble, from, &notification);
            self.mark_vote(round, proposal, &notification, &output);
            self.on_election_output(output);
            return;
        }
        self.election.hear(self.now, from);
        if notification.state == ServerState::Looking {
            self.notify(from);
            // Who votes for nobody has no voice, and would be no help to anybody else.
            if self.ensemble.is_voter(notification.leader) {
                self.note_looker(from, notification.round);
            }
        } else {
            self.lookers.remove(&from);
        }
    }

    /// Who looks for a leader again does not follow the present one any more, and says so sooner than its
    /// connection does: one that is cut in one direction ends without a word. If it is the leader itself, or so many
    /// that no quorum is left to it, there is nothing to wait for, while those others may need this server for a
    /// quorum of theirs. Before this server serves, also who still looks in the same round after a while has not
    /// taken this leader; and a leader from whom nothing has come for `syncLimit` is gone, although it may be silent
    /// for longer while it waits for others.
    fn note_looker(&mut self, from: ServerId, round: u64) {
        let (leader, elected_in) = (self.settled.0.leader, self.settled.1);
        let is_late = self.now.mono_ms >= self.settled_ms + self.settings.aside_ms();
        let is_waiting = !self.is_established();
        let has_not_taken_it = is_waiting && round == elected_in && is_late;
        if round <= elected_in && !has_not_taken_it {
            return;
        }
        self.lookers.insert(from);
        if is_waiting && self.is_leader_silent() {
            self.shun_leader();
            return self.look("the leader is silent, and others look for one again");
        }
        let voters = self.ensemble.voters.difference(&self.lookers).copied().collect();
        let why = if from == leader {
            "the leader looks for one itself"
        } else if !self.ensemble.is_quorum(&voters) {
            "so many look for a leader again that this one has no quorum"
        } else {
            return;
        };
        self.election.shun(self.now, leader, self.settings.aside_ms());
        self.look(why);
    }

    /// Whether this server and its leader have come to broadcast.
    pub(super) fn is_established(&self) -> bool {
        match &self.role {
            Role::Looking => false,
            Role::Leading(leader) => leader.phase == Phase::Broadcast,
            Role::Following(follower) => follower.is_up_to_date(),
        }
    }

    fn is_leader_silent(&self) -> bool {
        let Role::Following(follower) = &self.role else { return false };
        self.now.mono_ms > follower.heard_ms + self.settings.sync_ms()
    }

    /// Tells what a vote has changed; before it, the round and the own vote were these.
    fn mark_vote(&self, round: u64, own: Vote, vote: &Notification, output: &Output) {
        let is_looking = vote.state == ServerState::Looking;
        sometimes!(self, ElectionRoundJump, is_looking && self.election.round() > round);
        let has_changed = self.election.proposal() != own;
        let is_same_round = vote.round == round;
        sometimes!(self, VoteChanged, is_looking && is_same_round && has_changed);
        sometimes!(self, StaleVoteAnswered, is_looking && vote.round < round);
        sometimes!(self, NewcomerJoins, !is_looking && output.elected.is_some());
    }

    pub(super) fn on_election_peer(&mut self, peer: ServerId, up: bool) {
        sometimes!(self, ElectionPeerLost, !up);
        let output = self.election.peer(self.now, &self.ensemble, peer, up);
        if matches!(self.role, Role::Looking) {
            self.on_election_output(output);
        }
    }

    pub(super) fn on_election_output(&mut self, output: Output) {
        for peer in output.send_to {
            self.notify(peer);
        }
        if let Some(elected) = output.elected {
            self.take_role(elected);
        }
    }

    /// Tells a peer this server's present vote.
    fn notify(&mut self, to: ServerId) {
        let (vote, round) = match self.role {
            Role::Looking => (self.election.proposal(), self.election.round()),
            _ => self.settled,
        };
        // Without a voice a server says the same whatever it does, lest it be counted.
        let (state, leader) = match self.is_voiceless() {
            true => (ServerState::Looking, NOBODY),
            false => (self.state(), vote.leader),
        };
        let notification = Notification {
            state,
            leader,
            zxid: vote.zxid,
            round,
            peer_epoch: vote.peer_epoch,
            config: Some(self.ensemble.config_text.clone().into()),
        };
        self.out.push(Effect::Notify { to, notification });
    }

    fn take_role(&mut self, elected: Elected) {
        if self.must_wait_for(elected) {
            return self.election.keep_looking(self.now);
        }
        self.settled = (elected.vote, elected.round);
        self.settled_ms = self.now.mono_ms;
        self.lookers.clear();
        let leader = elected.vote.leader;
        if leader == self.ensemble.me {
            self.lead();
        } else {
            self.follow(leader);
        }
        // Peers that still look learn how this server decided.
        let peers: Vec<ServerId> = self.ensemble.peers().collect();
        for peer in peers {
            self.notify(peer);
        }
    }

    /// The vote to report from now on carries the epoch that was established, so that newcomers
    /// hear the same from all members (ZOOKEEPER-1732).
    pub(super) fn settle_epoch(&mut self) {
        self.settled.0.peer_epoch = self.current_epoch;
    }
}
