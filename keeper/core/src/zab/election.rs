//! Fast leader election (ZooKeeper's `FastLeaderElection`): servers that look for a leader exchange
//! votes until a quorum agrees, or join an ensemble that is already led.
//!
//! Which server wins matters for speed only: discovery and synchronisation keep a wrong choice from
//! doing harm. Where every peer that can be reached has already agreed, the round ends at once
//! instead of waiting for Apache's `finalizeWait`.
//!
//! The best vote need not be one that can win: where links are cut in part, a server that few can reach is
//! elected again and again on the word of those who hear it, and a majority that reaches each other stands
//! still ("quorum loss" and "chained" partitions: Ng and others, "Omni-Paxos", EuroSys 2023). So this server votes
//! for the best candidate of the round that it hears itself and does not *shun*; it shuns for a time who could not
//! be reached, who fell silent as its leader, and who cannot win because so many stay with another one. What is
//! sent stays a vote as ZooKeeper's servers send them, and nobody votes for a candidate whose history is
//! older than its own. So who wins is as recent as those who elected it; that what was committed is kept does not
//! rest on it, but on discovery alone (`replica::discovery`).

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{Epoch, ServerId, Zxid};
use crate::time::Now;
use crate::wire::election::{Notification, ServerState};
use crate::zab::ensemble::Ensemble;

/// How long a quorum's agreement may still be overturned by a better vote, in milliseconds, but a tick at most.
const FINALIZE_WAIT_MS: u64 = 200;
/// The first pause before votes are sent again, in milliseconds. The longest is a tick, or this: Apache's is a
/// minute, and a server that waits so long for a lost message prolongs an outage for nothing.
const RESEND_FIRST_MS: u64 = 200;

/// For how many ticks who cannot lead now is shunned: long enough for the others to agree.
pub const ASIDE_TICKS: u64 = 2;

/// For how many ticks a candidate is shunned that so many others keep voting against: longer than it takes all
/// who vote for it to see that, or those who came first would be back before the last have left.
const HOPELESS_TICKS: u64 = 6;

/// Within how many of the longest pauses between two votes a peer must have been heard to count as one that is.
const HEARD_PAUSES: u64 = 2;

/// No ensemble gets this far; a peer that says so is not believed.
const ROUND_MAX: u64 = 1 << 62;

/// Whom a server without a voice votes for: nobody. Apache's observers send this number, too, and who is no voter
/// is passed over by every server.
pub const NOBODY: ServerId = ServerId(1 << 63);

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
    /// Who stands, or stood, in this round, and with which history.
    candidates: BTreeMap<ServerId, Vote>,
    /// Votes of this round.
    received: BTreeMap<ServerId, Cast>,
    /// Votes of servers that follow or lead.
    established: BTreeMap<ServerId, Cast>,
    /// Peers whose connection ended or could not be made.
    unreachable: BTreeSet<ServerId>,
    /// When peers were heard last, in monotonic milliseconds.
    heard_ms: BTreeMap<ServerId, u64>,
    /// When a quorum's agreement becomes final.
    finalize_at_ms: Option<u64>,
    resend_at_ms: u64,
    resend_pause_ms: u64,
    looking: bool,
    /// This server has no voice: it votes for nobody, ends no round, and joins only whom a quorum of others
    /// follows.
    is_voiceless: bool,
    /// `tickTime`: the time in which a peer that hears a vote is expected to have answered it.
    tick_ms: u64,
    /// Candidates that are voted for only where there is no other, and until when.
    shunned: BTreeMap<ServerId, u64>,
    /// Those of them who could not be reached, and until when they are not joined either.
    unreached: BTreeMap<ServerId, u64>,
    /// When others have had time to take the present vote over.
    weigh_at_ms: u64,
}

impl Election {
    /// Before the first round; `tick_ms` is `tickTime`.
    pub fn new(tick_ms: u64) -> Election {
        Election {
            round: 0,
            own: Vote::default(),
            proposal: Vote::default(),
            candidates: BTreeMap::new(),
            received: BTreeMap::new(),
            established: BTreeMap::new(),
            unreachable: BTreeSet::new(),
            heard_ms: BTreeMap::new(),
            finalize_at_ms: None,
            resend_at_ms: 0,
            resend_pause_ms: RESEND_FIRST_MS,
            looking: false,
            is_voiceless: false,
            tick_ms: tick_ms.max(1),
            shunned: BTreeMap::new(),
            unreached: BTreeMap::new(),
            weigh_at_ms: 0,
        }
    }

    /// For so long this server votes for `candidate` only where it knows no other.
    pub fn shun(&mut self, now: Now, candidate: ServerId, for_ms: u64) {
        let until_ms = self.shunned.entry(candidate).or_default();
        *until_ms = (*until_ms).max(now.mono_ms + for_ms);
    }

    /// This server could not reach the candidate.
    pub fn not_reached(&mut self, now: Now, candidate: ServerId, for_ms: u64) {
        self.shun(now, candidate, for_ms);
        self.unreached.insert(candidate, now.mono_ms + for_ms);
    }

    /// The candidate has shown that it should win.
    pub fn forgive(&mut self, candidate: ServerId) {
        self.unreached.remove(&candidate);
        self.shunned.remove(&candidate);
    }

    /// A peer said something, whatever it was.
    pub fn hear(&mut self, now: Now, peer: ServerId) {
        self.heard_ms.insert(peer, now.mono_ms);
    }

    /// Whether this server has no voice from now on.
    pub fn set_voiceless(&mut self, is_voiceless: bool) {
        self.is_voiceless = is_voiceless;
    }

    /// The server found is not to be followed yet: others are asked again after a tick.
    pub fn keep_looking(&mut self, now: Now) {
        self.looking = true;
        self.established.clear();
        self.resend_at_ms = now.mono_ms + self.tick_ms;
    }

    /// Begins a round with this server's own vote.
    pub fn start(&mut self, now: Now, ensemble: &Ensemble, own: Vote) -> Output {
        self.round += 1;
        self.own = own;
        self.proposal = own;
        self.candidates = [(own.leader, own)].into();
        self.received.clear();
        self.established.clear();
        self.resend_pause_ms = RESEND_FIRST_MS;
        self.looking = true;
        self.weigh_later(now);
        let mut out = Output::default();
        if self.is_shunned(now, ensemble.me) && !self.is_voiceless {
            // Others would take this server's own vote over before it could take over theirs.
            self.finalize_at_ms = None;
            self.resend_at_ms = now.mono_ms + self.resend_pause_ms;
        } else {
            self.announce(now, ensemble, &mut out);
        }
        if !self.is_voiceless {
            self.count_own(ensemble);
            self.judge(now, ensemble, &mut out);
        }
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
            self.heard_ms.remove(&peer);
        }
        if self.looking && !self.is_voiceless {
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
        self.hear(now, from);
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
            ServerState::Looking if self.is_voiceless => {}
            ServerState::Looking => self.receive_looking(now, ensemble, from, cast, &mut out),
            ServerState::Following | ServerState::Leading => {
                self.receive_established(now, ensemble, from, cast, &mut out);
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
        if self.is_voiceless {
            self.shunned.retain(|_, until_ms| now.mono_ms < *until_ms);
            self.weigh_later(now);
        } else {
            self.weigh(now, ensemble);
            self.revise(now, ensemble, &mut out);
            self.judge(now, ensemble, &mut out);
        }
        if self.looking && now.mono_ms >= self.resend_at_ms {
            self.resend_pause_ms = (self.resend_pause_ms * 2).min(self.resend_longest_ms());
            self.resend_at_ms = now.mono_ms + self.resend_pause_ms;
            out.send_to.extend(ensemble.peers());
        }
        out
    }

    /// When [`Election::tick`] has something to do.
    pub fn deadline_ms(&self) -> Option<u64> {
        let finalize = self.finalize_at_ms.unwrap_or(u64::MAX);
        // Something is to be reconsidered when votes have stood still, and when a time of shunning ends.
        let forgiven = self.shunned.values().copied().min().unwrap_or(u64::MAX);
        let reconsider = self.weigh_at_ms.min(forgiven);
        self.looking.then(|| finalize.min(self.resend_at_ms).min(reconsider))
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
        self.established.remove(&from);
        if cast.round < self.round {
            out.send_to.insert(from);
            return;
        }
        let is_new_round = cast.round > self.round;
        if is_new_round {
            self.round = cast.round;
            self.candidates = [(self.own.leader, self.own)].into();
            self.received.clear();
        }
        self.candidates.insert(cast.vote.leader, cast.vote);
        self.revise(now, ensemble, out);
        if is_new_round && out.send_to.is_empty() {
            self.announce(now, ensemble, out);
            self.count_own(ensemble);
        }
        // A vote that is merely sent again overturns nothing.
        if self.received.insert(from, cast) != Some(cast) {
            self.finalize_at_ms = None;
            self.weigh_later(now);
        }
        self.judge(now, ensemble, out);
    }

    fn is_shunned(&self, now: Now, candidate: ServerId) -> bool {
        self.shunned.get(&candidate).is_some_and(|until_ms| now.mono_ms < *until_ms)
    }

    /// The longest pause before votes are sent again.
    fn resend_longest_ms(&self) -> u64 {
        self.tick_ms.max(RESEND_FIRST_MS)
    }

    /// Whether this server hears the peer itself: who looks for a leader says so, and answers, again and again.
    fn is_heard(&self, now: Now, peer: ServerId) -> bool {
        let within_ms = HEARD_PAUSES * self.resend_longest_ms();
        self.heard_ms.get(&peer).is_some_and(|heard_ms| now.mono_ms <= heard_ms + within_ms)
    }

    fn is_near(&self, now: Now, candidate: ServerId) -> bool {
        candidate == self.own.leader || self.is_heard(now, candidate)
    }

    /// Those of this round whose history is not older than this server's.
    fn eligible(&self) -> impl Iterator<Item = Vote> {
        let history = |vote: &Vote| (vote.peer_epoch, vote.zxid);
        let own = history(&self.own);
        self.candidates.values().filter(move |vote| history(vote) >= own).copied()
    }

    /// The vote to cast.
    fn preferred(&self, now: Now) -> Vote {
        let rank = |vote: &Vote| {
            (!self.is_shunned(now, vote.leader), self.is_near(now, vote.leader), *vote)
        };
        self.eligible().max_by_key(rank).unwrap_or(self.own)
    }

    /// Casts another vote if another one is to be preferred by now.
    fn revise(&mut self, now: Now, ensemble: &Ensemble, out: &mut Output) {
        let preferred = self.preferred(now);
        if preferred != self.proposal {
            self.proposal = preferred;
            self.announce(now, ensemble, out);
            self.count_own(ensemble);
        }
    }

    /// Gives up a candidate that cannot win, once all have had time to vote for it.
    fn weigh(&mut self, now: Now, ensemble: &Ensemble) {
        self.shunned.retain(|_, until_ms| now.mono_ms < *until_ms);
        if now.mono_ms < self.weigh_at_ms {
            return;
        }
        self.weigh_later(now);
        if self.is_hopeless(now, ensemble) {
            self.shun(now, self.proposal.leader, self.tick_ms * HOPELESS_TICKS);
        }
    }

    /// Votes change: whether our candidate can win is to be considered once they stand still, and all have had time
    /// to answer. Else those who give different candidates up at a time would meet nowhere.
    fn weigh_later(&mut self, now: Now) {
        self.weigh_at_ms = now.mono_ms + self.tick_ms;
    }

    /// Whether so many stay with another candidate, although they know of ours, that ours cannot win, while
    /// another one could if this server, and who votes as it does, voted for that one.
    fn is_hopeless(&self, now: Now, ensemble: &Ensemble) -> bool {
        let ours = self.proposal.leader;
        let history = |vote: &Vote| (vote.peer_epoch, vote.zxid);
        let is_newer = |peer: &ServerId, vote: &Vote| {
            self.candidates.get(peer).is_some_and(|stands| history(stands) > history(vote))
        };
        let could_win = |vote: Vote| {
            let may_vote_so = |peer: &ServerId| match self.received.get(peer) {
                // Whoever has more than the candidate does not.
                _ if is_newer(peer, &vote) => false,
                Some(cast) if cast.vote.leader == vote.leader || cast.vote.leader == ours => true,
                // It may not know that this server stands: so far it has voted for another.
                Some(cast) => {
                    vote.leader == ensemble.me && ours != ensemble.me && cast.vote < self.own
                }
                None => self.is_heard(now, *peer),
            };
            let mut voters: BTreeSet<ServerId> = ensemble.peers().filter(may_vote_so).collect();
            voters.insert(ensemble.me);
            ensemble.is_quorum(&voters)
        };
        let is_open = |vote: &Vote| {
            let candidate = vote.leader;
            candidate != ours && !self.is_shunned(now, candidate) && self.is_near(now, candidate)
        };
        let mut others = self.eligible().filter(is_open);
        !could_win(self.proposal) && others.any(could_win)
    }

    /// A quorum that follows the same living leader is joined (ZOOKEEPER-1732, ZOOKEEPER-3922), unless this server
    /// has just given that leader up.
    fn receive_established(
        &mut self,
        now: Now,
        ensemble: &Ensemble,
        from: ServerId,
        cast: Cast,
        out: &mut Output,
    ) {
        let is_out_of_reach =
            self.unreached.get(&cast.vote.leader).is_some_and(|until_ms| now.mono_ms < *until_ms);
        if is_out_of_reach {
            return;
        }
        if cast.round == self.round && !self.is_voiceless {
            self.received.insert(from, cast);
            if self.supports(&self.received, ensemble, cast) {
                return self.finish(cast, out);
            }
        }
        self.established.insert(from, cast);
        if self.supports(&self.established, ensemble, cast) {
            self.finish(cast, out);
        }
    }

    /// Whether, by these votes, a quorum follows the leader of `cast`, which leads. Those who lack only this server
    /// for a quorum have one with it, unless anybody says otherwise: a leader that waits for its quorum would wait
    /// for `initLimit`.
    fn supports(&self, votes: &BTreeMap<ServerId, Cast>, ensemble: &Ensemble, cast: Cast) -> bool {
        let is_same = |other: &Cast| match other.state {
            ServerState::Looking => other.vote == cast.vote && other.round == cast.round,
            _ => {
                other.vote.leader == cast.vote.leader
                    && other.vote.peer_epoch == cast.vote.peer_epoch
            }
        };
        let supporters = votes.iter().filter(|(_, other)| is_same(other));
        let mut supporters: BTreeSet<ServerId> = supporters.map(|(server, _)| *server).collect();
        let mut decided = votes.values().filter(|other| other.state != ServerState::Looking);
        if !self.is_voiceless && decided.all(is_same) {
            supporters.insert(ensemble.me);
        }
        ensemble.is_quorum(&supporters) && self.leads(votes, ensemble, cast.vote.leader, cast.round)
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
        self.weigh_later(now);
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
        // Who is shunned, and who has voted for such a candidate, has nothing to say that would change ours.
        let is_passed_over = |peer: &ServerId| {
            let cast = self.received.get(peer).filter(|cast| cast.round == self.round);
            self.is_shunned(now, *peer)
                || cast.is_some_and(|cast| self.is_shunned(now, cast.vote.leader))
        };
        let waiting = ensemble.peers().any(|peer| {
            let is_done = self.unreachable.contains(&peer) || agreeing.contains(&peer);
            !is_done && !is_passed_over(&peer)
        });
        let wait_ms = FINALIZE_WAIT_MS.min(self.tick_ms);
        let finalize_at_ms = *self.finalize_at_ms.get_or_insert(now.mono_ms + wait_ms);
        if !waiting || now.mono_ms >= finalize_at_ms {
            let elected = Elected { vote: self.proposal, round: self.round };
            self.stop();
            out.elected = Some(elected);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK_MS: u64 = 100;

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
        let mut election = Election::new(TICK_MS);
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

    /// Server 3 of four hears 4, which has the newest history; 1 and 2, which do not, stay with 2.
    #[test]
    fn a_candidate_that_cannot_win_is_given_up() {
        let ensemble = Ensemble { me: ServerId(3), ..ensemble(3, 4) };
        let mut election = Election::new(TICK_MS);
        for peer in [1, 2, 4] {
            election.peer(at(0), &ensemble, ServerId(peer), true);
        }
        election.start(at(0), &ensemble, vote(3, 1, 5));
        let cast = |leader| notification(ServerState::Looking, 1, vote(leader, 1, 5 + leader / 4));
        for (from, leader) in [(4, 4), (1, 2), (2, 2)] {
            let out = election.receive(at(from), &ensemble, ServerId(from), &cast(leader));
            assert_eq!(out.elected, None);
        }
        assert_eq!(election.proposal(), vote(4, 1, 6), "the best vote of all");
        assert_eq!(election.tick(at(50), &ensemble), Output::default());
        // 1 and 2 had time to take it over, and with both of them away it can have no quorum.
        let out = election.tick(at(104), &ensemble);
        assert_eq!((election.proposal(), out.elected), (vote(3, 1, 5), None));
        assert_eq!(out.send_to.len(), 3, "the others hear of it");
        let agree = |election: &mut Election, from| {
            let cast = notification(ServerState::Looking, 1, vote(3, 1, 5));
            election.receive(at(110), &ensemble, ServerId(from), &cast).elected
        };
        assert_eq!(agree(&mut election, 1), None);
        let elected = agree(&mut election, 2).map(|elected| elected.vote.leader);
        assert_eq!(elected, Some(ServerId(3)), "4 has said all it could");
    }

    #[test]
    fn who_was_not_reached_is_not_joined_either() {
        let (mut election, ensemble) = looking(3, &[2, 3]);
        election.not_reached(at(0), ServerId(3), 300);
        let says = |election: &mut Election, at_ms, from, state| {
            let message = notification(state, 1, vote(3, 2, 9));
            election.receive(at(at_ms), &ensemble, ServerId(from), &message).elected.is_some()
        };
        let leads = |election: &mut Election, at_ms| {
            says(election, at_ms, 2, ServerState::Following);
            says(election, at_ms, 3, ServerState::Leading)
        };
        assert!(!leads(&mut election, 299));
        assert!(leads(&mut election, 300));
    }

    #[test]
    fn who_is_shunned_is_voted_for_only_where_there_is_no_other() {
        let (mut election, ensemble) = looking(5, &[2, 3]);
        election.shun(at(0), ServerId(3), 300);
        let best = notification(ServerState::Looking, 1, vote(3, 2, 9));
        election.receive(at(1), &ensemble, ServerId(3), &best);
        assert_eq!(election.proposal(), vote(1, 1, 5));
        let other = notification(ServerState::Looking, 1, vote(2, 1, 5));
        election.receive(at(2), &ensemble, ServerId(2), &other);
        assert_eq!(election.proposal(), vote(2, 1, 5), "the better of the others");
        election.tick(at(299), &ensemble);
        assert_eq!(election.proposal(), vote(2, 1, 5));
        election.hear(at(299), ServerId(2));
        election.hear(at(299), ServerId(3));
        election.tick(at(300), &ensemble);
        assert_eq!(election.proposal(), vote(3, 2, 9), "the time is over");
    }

    #[test]
    fn nobody_votes_for_a_candidate_whose_history_is_older_than_its_own() {
        let (mut election, ensemble) = looking(5, &[2, 3]);
        election.shun(at(0), ServerId(1), 300);
        let older = notification(ServerState::Looking, 1, vote(3, 1, 4));
        election.receive(at(1), &ensemble, ServerId(3), &older);
        assert_eq!(election.proposal(), vote(1, 1, 5), "although it stands aside");
        let as_new = notification(ServerState::Looking, 1, vote(2, 1, 5));
        election.receive(at(2), &ensemble, ServerId(2), &as_new);
        assert_eq!(election.proposal(), vote(2, 1, 5));
    }

    /// 3 has voted for 4 by now; 1 hears 3, and not 4.
    #[test]
    fn who_stood_in_this_round_may_be_voted_for() {
        let (mut election, ensemble) = looking(5, &[2, 3]);
        for stands in [vote(3, 1, 6), vote(4, 1, 7)] {
            let message = notification(ServerState::Looking, 1, stands);
            election.receive(at(1), &ensemble, ServerId(3), &message);
        }
        assert_eq!(election.proposal(), vote(3, 1, 6));
    }

    #[test]
    fn hearsay_counts_less_than_what_is_heard() {
        let (mut election, ensemble) = looking(3, &[2, 3]);
        let best = notification(ServerState::Looking, 1, vote(3, 1, 9));
        election.receive(at(1), &ensemble, ServerId(2), &best);
        assert_eq!(election.proposal(), vote(1, 1, 5), "only 2 hears 3");
        election.receive(at(2), &ensemble, ServerId(3), &best);
        assert_eq!(election.proposal(), vote(3, 1, 9));
    }

    #[test]
    fn who_has_fallen_silent_is_voted_for_no_longer() {
        let (mut election, ensemble) = looking(5, &[2, 3, 4, 5]);
        let best = notification(ServerState::Looking, 1, vote(3, 1, 9));
        election.receive(at(1), &ensemble, ServerId(3), &best);
        let silent_ms = 1 + HEARD_PAUSES * RESEND_FIRST_MS;
        election.tick(at(silent_ms), &ensemble);
        assert_eq!(election.proposal(), vote(3, 1, 9));
        election.tick(at(silent_ms + 1), &ensemble);
        assert_eq!(election.proposal(), vote(1, 1, 5));
    }

    #[test]
    fn who_stands_aside_does_not_begin() {
        let (mut election, ensemble) = looking(3, &[2, 3]);
        election.shun(at(0), ServerId(1), 300);
        assert_eq!(election.start(at(0), &ensemble, vote(1, 1, 5)), Output::default());
        let other = notification(ServerState::Looking, 2, vote(2, 1, 5));
        let out = election.receive(at(1), &ensemble, ServerId(2), &other);
        assert_eq!((election.proposal(), out.send_to.len()), (vote(2, 1, 5), 2));
        // Where nobody else stands, it does.
        election.start(at(10), &ensemble, vote(1, 1, 5));
        assert_eq!(election.tick(at(210), &ensemble).send_to.len(), 2);
        assert_eq!(election.proposal(), vote(1, 1, 5));
    }

    #[test]
    fn a_candidate_that_can_win_is_waited_for() {
        let (mut election, ensemble) = looking(5, &[2, 3, 4, 5]);
        let best = notification(ServerState::Looking, 1, vote(5, 1, 9));
        election.receive(at(1), &ensemble, ServerId(5), &best);
        let own = notification(ServerState::Looking, 1, vote(2, 1, 5));
        election.receive(at(2), &ensemble, ServerId(2), &own);
        for peer in [3, 4] {
            election.hear(at(3), ServerId(peer));
        }
        election.tick(at(199), &ensemble);
        assert_eq!(election.proposal(), vote(5, 1, 9), "3 and 4 may vote for it");
    }

    #[test]
    fn a_vote_that_is_sent_again_does_not_put_the_end_off() {
        let (mut election, ensemble) = looking(3, &[2, 3]);
        let message = notification(ServerState::Looking, 1, vote(3, 1, 9));
        for at_ms in [1, 50, 99] {
            let out = election.receive(at(at_ms), &ensemble, ServerId(3), &message);
            assert_eq!(out.elected, None, "{at_ms}");
        }
        let out = election.receive(at(101), &ensemble, ServerId(3), &message);
        assert_eq!(out.elected.map(|elected| elected.vote.leader), Some(ServerId(3)));
    }

    #[test]
    fn votes_are_sent_again_after_a_pause_that_grows_up_to_a_tick() {
        let ensemble = ensemble(1, 3);
        let mut election = Election::new(500);
        election.start(at(0), &ensemble, vote(1, 1, 5));
        for (at_ms, votes) in [(200, 2), (599, 0), (600, 2), (1_099, 0), (1_100, 2), (1_600, 2)] {
            assert_eq!(election.tick(at(at_ms), &ensemble).send_to.len(), votes, "{at_ms}");
        }
        assert_eq!(election.deadline_ms(), Some(2_100));
    }
}
