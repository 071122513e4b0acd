//! Fast leader election (ZooKeeper's `FastLeaderElection`): servers that look for a leader exchange
//! votes until a quorum agrees, or join an ensemble that is already led.
//!
//! Which server wins matters for speed only: discovery and synchronisation keep a wrong choice from
//! doing harm. Where every peer that can be reached has already agreed, the round ends at once
//! instead of waiting for Apache's `finalizeWait`.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{Epoch, ServerId, Zxid};
use crate::time::Now;
use crate::wire::election::{Notification, ServerState};
use crate::zab::ensemble::Ensemble;

/// How long a quorum's agreement may still be overturned by a better vote, in milliseconds.
const FINALIZE_WAIT_MS: u64 = 200;
/// The first pause before votes are sent again, in milliseconds.
const RESEND_FIRST_MS: u64 = 200;
/// The longest pause before votes are sent again, in milliseconds. Apache's is a minute; a server
/// that waits so long for a lost message prolongs an outage for nothing.
const RESEND_MAX_MS: u64 = 3_200;

/// No ensemble gets this far; a peer that says so is not believed.
const ROUND_MAX: u64 = 1 << 62;

/// A candidate for leadership, ordered by what makes it preferable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Vote {
    /// The candidate's currentEpoch.
    pub peer_epoch: Epoch,
    /// Its last logged transaction.
    pub zxid: Zxid,
    /// The candidate.
    pub leader: ServerId,
}

/// A vote as a peer sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cast {
    vote: Vote,
    round: u64,
    state: ServerState,
}

/// The result of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elected {
    /// The winning vote.
    pub vote: Vote,
    /// The round in which it won.
    pub round: u64,
}

/// Votes to be sent and, at last, a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Peers that are to be told our present vote.
    pub send_to: BTreeSet<ServerId>,
    /// The end of the election.
    pub elected: Option<Elected>,
}

/// One server's part in electing a leader, over all rounds of its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    /// The round (`logicalclock`).
    round: u64,
    own: Vote,
    proposal: Vote,
    /// Votes of this round.
    received: BTreeMap<ServerId, Cast>,
    /// Votes of servers that follow or lead.
    established: BTreeMap<ServerId, Cast>,
    /// Peers whose connection ended or could not be made.
    unreachable: BTreeSet<ServerId>,
    /// When a quorum's agreement becomes final.
    finalize_at_ms: Option<u64>,
    resend_at_ms: u64,
    resend_pause_ms: u64,
    looking: bool,
}

impl Election {
    /// Before the first round.
    pub fn new() -> Election {
        Election {
            round: 0,
            own: Vote::default(),
            proposal: Vote::default(),
            received: BTreeMap::new(),
            established: BTreeMap::new(),
            unreachable: BTreeSet::new(),
            finalize_at_ms: None,
            resend_at_ms: 0,
            resend_pause_ms: RESEND_FIRST_MS,
            looking: false,
        }
    }

    /// Begins a round with this server's own vote.
    pub fn start(&mut self, now: Now, ensemble: &Ensemble, own: Vote) -> Output {
        self.round += 1;
        self.own = own;
        self.proposal = own;
        self.received.clear();
        self.established.clear();
        self.resend_pause_ms = RESEND_FIRST_MS;
        self.looking = true;
        let mut out = Output::default();
        self.announce(now, ensemble, &mut out);
        self.count_own(ensemble);
        self.judge(now, ensemble, &mut out);
        out
    }

    /// A peer became reachable or unreachable.
    pub fn peer(&mut self, now: Now, ensemble: &Ensemble, peer: ServerId, up: bool) -> Output {
        let mut out = Output::default();
        if up {
            self.unreachable.remove(&peer);
            out.send_to.insert(peer);
        } else {
            self.unreachable.insert(peer);
        }
        if self.looking {
            self.judge(now, ensemble, &mut out);
        }
        out
    }

    /// A peer's vote arrived while this server looks for a leader.
    pub fn receive(
        &mut self,
        now: Now,
        ensemble: &Ensemble,
        from: ServerId,
        message: &Notification,
    ) -> Output {
        let mut out = Output::default();
        let vote =
            Vote { peer_epoch: message.peer_epoch, zxid: message.zxid, leader: message.leader };
        let is_sane = message.round < ROUND_MAX;
        if !self.looking || !is_sane || !ensemble.is_voter(from) || !ensemble.is_voter(vote.leader)
        {
            return out;
        }
        let cast = Cast { vote, round: message.round, state: message.state };
        match message.state {
            ServerState::Looking => self.receive_looking(now, ensemble, from, cast, &mut out),
            ServerState::Following | ServerState::Leading => {
                self.receive_established(ensemble, from, cast, &mut out);
            }
            ServerState::Observing => {}
        }
        out
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Now, ensemble: &Ensemble) -> Output {
        let mut out = Output::default();
        if !self.looking {
            return out;
        }
        self.judge(now, ensemble, &mut out);
        if self.looking && now.mono_ms >= self.resend_at_ms {
            let pause = (self.resend_pause_ms * 2).min(RESEND_MAX_MS);
            self.announce(now, ensemble, &mut out);
            self.resend_pause_ms = pause;
            self.resend_at_ms = now.mono_ms + pause;
        }
        out
    }

    /// When [`Election::tick`] has something to do.
    pub fn deadline_ms(&self) -> Option<u64> {
        let finalize = self.finalize_at_ms.unwrap_or(u64::MAX);
        self.looking.then(|| finalize.min(self.resend_at_ms))
    }

    /// The vote to report at present.
    pub fn proposal(&self) -> Vote {
        self.proposal
    }

    /// The round to report at present.
    pub fn round(&self) -> u64 {
        self.round
    }

    /// The server lost interest (it was told to follow or lead otherwise, or stops).
    pub fn stop(&mut self) {
        self.looking = false;
        self.finalize_at_ms = None;
    }

    fn receive_looking(
        &mut self,
        now: Now,
        ensemble: &Ensemble,
        from: ServerId,
        cast: Cast,
        out: &mut Output,
    ) {
        if cast.round > self.round {
            self.round = cast.round;
            self.received.clear();
            self.proposal = self.own.max(cast.vote);
            self.announce(now, ensemble, out);
            self.count_own(ensemble);
        } else if cast.round < self.round {
            out.send_to.insert(from);
            return;
        } else if cast.vote > self.proposal {
            self.proposal = cast.vote;
            self.announce(now, ensemble, out);
            self.count_own(ensemble);
        }
        self.received.insert(from, cast);
        self.finalize_at_ms = None;
        self.judge(now, ensemble, out);
    }

    /// A quorum that follows the same living leader is joined (ZOOKEEPER-1732, ZOOKEEPER-3922).
    fn receive_established(
        &mut self,
        ensemble: &Ensemble,
        from: ServerId,
        cast: Cast,
        out: &mut Output,
    ) {
        let same = |other: &Cast| {
            other.vote.leader == cast.vote.leader && other.vote.peer_epoch == cast.vote.peer_epoch
        };
        if cast.round == self.round {
            self.received.insert(from, cast);
            let supporters = self.received.iter().filter(|(_, other)| {
                if other.state == ServerState::Looking {
                    other.vote == cast.vote && other.round == cast.round
                } else {
                    same(other)
                }
            });
            let supporters = supporters.map(|(server, _)| *server).collect();
            if ensemble.is_quorum(&supporters)
                && self.leads(&self.received, ensemble, cast.vote.leader, cast.round)
            {
                return self.finish(cast, out);
            }
        }
        self.established.insert(from, cast);
        let supporters =
            self.established.iter().filter(|(_, other)| same(other)).map(|(server, _)| *server);
        let supporters = supporters.collect();
        if ensemble.is_quorum(&supporters)
            && self.leads(&self.established, ensemble, cast.vote.leader, cast.round)
        {
            self.finish(cast, out);
        }
    }

    /// Whether the supposed leader says itself that it leads; a crashed one would be elected again
    /// and again.
    fn leads(
        &self,
        votes: &BTreeMap<ServerId, Cast>,
        ensemble: &Ensemble,
        leader: ServerId,
        round: u64,
    ) -> bool {
        if leader == ensemble.me {
            return round == self.round;
        }
        votes.get(&leader).is_some_and(|cast| cast.state == ServerState::Leading)
    }

    fn finish(&mut self, cast: Cast, out: &mut Output) {
        self.round = cast.round;
        self.proposal = cast.vote;
        self.stop();
        out.elected = Some(Elected { vote: cast.vote, round: cast.round });
    }

    fn announce(&mut self, now: Now, ensemble: &Ensemble, out: &mut Output) {
        out.send_to.extend(ensemble.peers());
        self.finalize_at_ms = None;
        self.resend_at_ms = now.mono_ms + self.resend_pause_ms;
    }

    fn count_own(&mut self, ensemble: &Ensemble) {
        let cast = Cast { vote: self.proposal, round: self.round, state: ServerState::Looking };
        self.received.insert(ensemble.me, cast);
    }

    /// Ends the round if a quorum agrees with our proposal and nobody can be expected to object.
    fn judge(&mut self, now: Now, ensemble: &Ensemble, out: &mut Output) {
        let agreeing: BTreeSet<ServerId> = self
            .received
            .iter()
            .filter(|(_, cast)| cast.vote == self.proposal && cast.round == self.round)
            .map(|(server, _)| *server)
            .collect();
        if !ensemble.is_quorum(&agreeing) {
            self.finalize_at_ms = None;
            return;
        }
        let waiting = ensemble
            .peers()
            .any(|peer| !self.unreachable.contains(&peer) && !agreeing.contains(&peer));
        let finalize_at_ms = *self.finalize_at_ms.get_or_insert(now.mono_ms + FINALIZE_WAIT_MS);
        if !waiting || now.mono_ms >= finalize_at_ms {
            let elected = Elected { vote: self.proposal, round: self.round };
            self.stop();
            out.elected = Some(elected);
        }
    }
}

impl Default for Election {
    fn default() -> Election {
        Election::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ensemble(me: u64, voters: u64) -> Ensemble {
        Ensemble {
            me: ServerId(me),
            voters: (1..=voters).map(ServerId).collect(),
            config_text: String::new(),
            config_version: 0,
        }
    }

    fn vote(leader: u64, epoch: u32, zxid: u64) -> Vote {
        Vote { peer_epoch: Epoch(epoch), zxid: Zxid(zxid), leader: ServerId(leader) }
    }

    fn notification(state: ServerState, round: u64, vote: Vote) -> Notification {
        Notification {
            state,
            leader: vote.leader,
            zxid: vote.zxid,
            round,
            peer_epoch: vote.peer_epoch,
            config: None,
        }
    }

    fn at(mono_ms: u64) -> Now {
        Now { mono_ms, wall_ms: 0 }
    }

    fn looking(voters: u64, reachable: &[u64]) -> (Election, Ensemble) {
        let ensemble = ensemble(1, voters);
        let mut election = Election::new();
        for peer in 2..=voters {
            let up = reachable.contains(&peer);
            election.peer(at(0), &ensemble, ServerId(peer), up);
        }
        let out = election.start(at(0), &ensemble, vote(1, 1, 5));
        assert_eq!(out.send_to.len(), voters as usize - 1);
        assert_eq!(out.elected.is_some(), voters == 1);
        (election, ensemble)
    }

    #[test]
    fn a_server_alone_elects_itself() {
        looking(1, &[]);
    }

    #[test]
    fn the_better_vote_is_taken_over_and_passed_on() {
        let (mut election, ensemble) = looking(3, &[2, 3]);
        let message = notification(ServerState::Looking, 1, vote(3, 1, 9));
        let out = election.receive(at(1), &ensemble, ServerId(3), &message);
        assert_eq!(election.proposal(), vote(3, 1, 9));
        assert_eq!(out.send_to.len(), 2);
        assert_eq!(out.elected, None, "server 2 can be reached and has not agreed");
        let out = election.tick(at(201), &ensemble);
        assert_eq!(out.elected.map(|elected| elected.vote.leader), Some(ServerId(3)));
    }

    #[test]
    fn the_round_ends_at_once_where_all_in_reach_agree() {
        let (mut election, ensemble) = looking(3, &[3]);
        let message = notification(ServerState::Looking, 1, vote(3, 1, 9));
        let out = election.receive(at(1), &ensemble, ServerId(3), &message);
        assert_eq!(out.elected.map(|elected| elected.vote.leader), Some(ServerId(3)));
    }

    #[test]
    fn an_older_round_is_answered_and_not_counted() {
        let (mut election, ensemble) = looking(3, &[2]);
        election.start(at(5), &ensemble, vote(1, 1, 5));
        let message = notification(ServerState::Looking, 1, vote(2, 9, 9));
        let out = election.receive(at(6), &ensemble, ServerId(2), &message);
        assert_eq!(out.send_to, BTreeSet::from([ServerId(2)]));
        assert_eq!((election.proposal(), out.elected), (vote(1, 1, 5), None));
    }

    #[test]
    fn a_newer_round_is_joined_with_the_better_of_both_votes() {
        let (mut election, ensemble) = looking(5, &[2]);
        let message = notification(ServerState::Looking, 7, vote(2, 1, 3));
        election.receive(at(6), &ensemble, ServerId(2), &message);
        assert_eq!((election.round(), election.proposal()), (7, vote(1, 1, 5)));
    }

    #[test]
    fn an_established_ensemble_is_joined_only_if_its_leader_leads() {
        let (mut election, ensemble) = looking(5, &[2, 3, 4, 5]);
        let led = vote(5, 4, 1);
        for follower in [2, 3, 4] {
            let message = notification(ServerState::Following, 3, led);
            let out = election.receive(at(1), &ensemble, ServerId(follower), &message);
            assert_eq!(out.elected, None, "the leader itself was not heard");
        }
        let message = notification(ServerState::Leading, 3, led);
        let out = election.receive(at(2), &ensemble, ServerId(5), &message);
        assert_eq!(out.elected, Some(Elected { vote: led, round: 3 }));
    }

    #[test]
    fn votes_are_sent_again_after_a_growing_pause() {
        let (mut election, ensemble) = looking(3, &[]);
        assert_eq!(election.deadline_ms(), Some(200));
        assert_eq!(election.tick(at(200), &ensemble).send_to.len(), 2);
        assert_eq!(election.deadline_ms(), Some(600));
        assert!(election.tick(at(599), &ensemble).send_to.is_empty());
        assert_eq!(election.tick(at(600), &ensemble).send_to.len(), 2);
        assert_eq!(election.deadline_ms(), Some(1400));
    }
}
