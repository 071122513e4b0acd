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

mod shunned;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{Epoch, ServerId, Zxid};
use crate::time::Now;
use crate::wire::election::{Notification, ServerState};
use crate::zab::ensemble::Ensemble;

use shunned::{Shunned, Why};

/// How long a quorum's agreement may still be overturned by a better vote, in milliseconds, but a tick at most.
const FINALIZE_WAIT_MS: u64 = 200;
/// The first pause before votes are sent again, in milliseconds, but half a tick at most: who has not answered
/// within a tick has been asked twice. The longest is a tick, or this: Apache's is a minute, and a server that
/// waits so long for a lost message prolongs an outage for nothing.
const RESEND_FIRST_MS: u64 = 200;

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

impl Vote {
    /// How new the candidate's history is.
    fn history(&self) -> (Epoch, Zxid) {
        (self.peer_epoch, self.zxid)
    }
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
    /// Peers without a voice: they will not vote.
    voiceless: BTreeSet<ServerId>,
    /// When peers were heard last, in monotonic milliseconds.
    heard_ms: BTreeMap<ServerId, u64>,
    /// When this server began to look for a leader, in monotonic milliseconds.
    began_ms: u64,
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
    /// Candidates that are voted for only where there is no other.
    shunned: Shunned,
    /// When others have had time to take the present vote over.
    weigh_at_ms: u64,
    /// The candidate has been given more time, because it votes for another itself.
    has_waited: bool,
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
            voiceless: BTreeSet::new(),
            heard_ms: BTreeMap::new(),
            began_ms: 0,
            finalize_at_ms: None,
            resend_at_ms: 0,
            resend_pause_ms: RESEND_FIRST_MS,
            looking: false,
            is_voiceless: false,
            tick_ms: tick_ms.max(1),
            shunned: Shunned::default(),
            weigh_at_ms: 0,
            has_waited: false,
        }
    }

    /// For so long this server votes for `candidate` only where it knows no other.
    pub fn shun(&mut self, now: Now, candidate: ServerId, for_ms: u64) {
        self.shunned.add(candidate, now.mono_ms + for_ms, Why::Failed);
    }

    /// This server could not reach the candidate.
    pub fn not_reached(&mut self, now: Now, candidate: ServerId, for_ms: u64) {
        self.shunned.add(candidate, now.mono_ms + for_ms, Why::Unreached);
    }

    /// The candidate has shown that it should win.
    pub fn forgive(&mut self, candidate: ServerId) {
        self.shunned.forgive(candidate);
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
        self.resend_pause_ms = RESEND_FIRST_MS.min(self.tick_ms / 2).max(1);
        self.looking = true;
        self.began_ms = now.mono_ms;
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
        if message.leader == NOBODY {
            self.voiceless.insert(from);
            self.received.remove(&from);
        } else {
            self.voiceless.remove(&from);
        }
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
            self.shunned.expire(now.mono_ms);
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
        let forgiven = self.shunned.next_ms().unwrap_or(u64::MAX);
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
            if cast.vote != self.proposal {
                // It may have begun after our vote was sent.
                out.send_to.insert(from);
            }
            self.weigh_later(now);
            self.return_to_who_wins(now, ensemble, out);
        }
        self.judge(now, ensemble, out);
    }

    fn is_shunned(&self, now: Now, candidate: ServerId) -> bool {
        self.shunned.contains(now.mono_ms, candidate)
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
        let own = self.own.history();
        self.candidates.values().filter(move |vote| vote.history() >= own).copied()
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
        self.shunned.expire(now.mono_ms);
        if now.mono_ms < self.weigh_at_ms {
            return;
        }
        let has_waited = self.has_waited;
        self.weigh_later(now);
        let ours = self.proposal.leader;
        let Some(other) = self.instead_of_ours(now, ensemble) else { return };
        let is_reluctant = self.is_shunned(now, other) || self.follows_another(ours);
        if !has_waited && is_reluctant {
            self.has_waited = true;
            return;
        }
        let until_ms = now.mono_ms + self.tick_ms * HOPELESS_TICKS;
        self.shunned.add(ours, until_ms, Why::Hopeless);
        self.shunned.forgive(other);
    }

    /// Whether a candidate votes for another one itself. If that one cannot win, it has yet to find out, and will
    /// then vote for itself, or for one that can.
    fn follows_another(&self, candidate: ServerId) -> bool {
        self.received.get(&candidate).is_some_and(|cast| cast.vote.leader != candidate)
    }

    /// A candidate that was given up too soon wins at once with this server's vote.
    fn return_to_who_wins(&mut self, now: Now, ensemble: &Ensemble, out: &mut Output) {
        let wins = |vote: &Vote| {
            let for_it = |(_, cast): &(&ServerId, &Cast)| cast.vote.leader == vote.leader;
            let voters = self.received.iter().filter(for_it).map(|(voter, _)| *voter);
            let voters: BTreeSet<ServerId> = voters.chain([ensemble.me]).collect();
            ensemble.is_quorum(&voters)
        };
        let is_given_up = |vote: &Vote| {
            let candidate = vote.leader;
            candidate != ensemble.me
                && self.shunned.is_hopeless_only(now.mono_ms, candidate)
                && self.is_near(now, candidate)
                && self.received.contains_key(&candidate)
                && !self.follows_another(candidate)
        };
        let back = self.eligible().find(|vote| is_given_up(vote) && wins(vote));
        if let Some(vote) = back {
            self.forgive(vote.leader);
            self.revise(now, ensemble, out);
        }
    }

    /// Votes change: whether our candidate can win is to be considered once they stand still, and all have had time
    /// to answer. Else those who give different candidates up at a time would meet nowhere.
    fn weigh_later(&mut self, now: Now) {
        self.weigh_at_ms = now.mono_ms + self.tick_ms;
        self.has_waited = false;
    }

    /// If so many stay with another candidate, although they know of ours, that ours cannot win: one that could if
    /// this server, and who votes as it does, voted for that one. Better one that is shunned than none.
    fn instead_of_ours(&self, now: Now, ensemble: &Ensemble) -> Option<ServerId> {
        let ours = self.proposal.leader;
        let is_newer = |peer: &ServerId, vote: &Vote| {
            self.candidates.get(peer).is_some_and(|stands| stands.history() > vote.history())
        };
        let could_win = |vote: Vote| {
            let may_vote_so = |peer: &ServerId| match self.received.get(peer) {
                // Whoever has more than the candidate does not, nor who has no voice.
                _ if is_newer(peer, &vote) || self.voiceless.contains(peer) => false,
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
        if could_win(self.proposal) {
            return None;
        }
        let is_open = |vote: &Vote| {
            let candidate = vote.leader;
            let is_unreached = self.shunned.is_unreached(now.mono_ms, candidate);
            candidate != ours && self.is_near(now, candidate) && !is_unreached
        };
        let others = self.eligible().filter(is_open).filter(|vote| could_win(*vote));
        let other = others.max_by_key(|vote| (!self.is_shunned(now, vote.leader), *vote));
        other.map(|vote| vote.leader)
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
        if self.shunned.is_unreached(now.mono_ms, cast.vote.leader) {
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

    /// Whether a peer has said nothing since it was asked first, half a tick ago: it may be gone, and its connection
    /// does not know yet.
    fn has_not_answered(&self, now: Now, peer: ServerId) -> bool {
        let is_late = now.mono_ms >= self.began_ms + (self.tick_ms / 2).max(1);
        is_late && self.heard_ms.get(&peer).is_none_or(|heard_ms| *heard_ms < self.began_ms)
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
            let will_not_vote = self.unreachable.contains(&peer)
                || self.voiceless.contains(&peer)
                || self.has_not_answered(now, peer);
            let is_done = will_not_vote || agreeing.contains(&peer);
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
