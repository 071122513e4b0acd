//! What a leader knows of its learners: who promised, who is synchronised, what is acknowledged,
//! and when a quorum has confirmed that it still follows.
//!
//! The phases are those of ZAB 1.0: discovery (a quorum promises a new epoch), synchronisation (a
//! quorum holds the leader's history), broadcast. Rules of what to send are in
//! `replica::leading`; this is the book-keeping that they ask.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::event::DiskToken;
use crate::ids::{ConnectionId, Epoch, ServerId, Zxid};
use crate::limits::QUORUM_PACKET_BYTES_MAX;
use crate::log::SnapshotWriter;
use crate::session::{Origin, SessionTracker};
use crate::wire::quorum::QuorumDecoder;
use crate::zab::ensemble::Ensemble;

/// For how many ticks a leader's own disk may take to hold the new epoch.
const DISK_TICKS_MAX: u64 = 3;

/// How far the leader itself has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Gathering the accepted epochs of a quorum.
    Discovery,
    /// The new epoch is being made durable as acceptedEpoch.
    Proposing {
        /// The disk operation.
        token: DiskToken,
        /// When it was asked for, in monotonic milliseconds.
        from_ms: u64,
    },
    /// Waiting for a quorum to promise the epoch.
    AwaitingEpochAcks,
    /// Bringing a quorum to this history.
    Synchronisation {
        /// The disk operation that makes currentEpoch durable, behind the whole history.
        token: DiskToken,
    },
    /// A quorum holds this history: it is committed, and served once it is applied.
    Broadcast,
}

/// How far one learner has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LearnerPhase {
    /// Connected; FOLLOWERINFO has not come.
    AwaitingInfo,
    /// Waits for the new epoch.
    AwaitingEpoch,
    /// LEADERINFO is out.
    AwaitingEpochAck,
    /// Waits until a quorum has promised.
    Promised {
        /// The end of its log.
        last: Zxid,
    },
    /// As [`LearnerPhase::Promised`], but its history is newer than the leader's, so that its promise does
    /// not count.
    Newer {
        /// The end of its log.
        last: Zxid,
    },
    /// A snapshot or a long history is being sent; what follows it is held back.
    Sending,
    /// NEWLEADER is out.
    AwaitingNewLeaderAck,
    /// Has this leader's history; UPTODATE is out once the leader serves.
    Synced,
    /// UPTODATE is out.
    Active,
}

/// One learner's connection.
#[derive(Debug)]
pub struct Learner {
    /// Its phase.
    pub phase: LearnerPhase,
    /// Who it is, once FOLLOWERINFO has come.
    pub server: Option<ServerId>,
    /// When it was last heard from, monotonic milliseconds.
    pub heard_ms: u64,
    /// Everything up to here is durable at the learner.
    pub acked: Zxid,
    /// What an acknowledgement of NEWLEADER will vouch for.
    pub synced_upto: Zxid,
    /// Pings sent on this connection.
    pub pings_sent: u64,
    /// Pings echoed; they come back in order.
    pub pings_echoed: u64,
    /// When the last echo came, or since when one is waited for, monotonic milliseconds.
    pub echoed_ms: u64,
    /// The snapshot that is being sent.
    pub snapshot: Option<SnapshotWriter>,
    /// The history that is sent, behind the snapshot if there is one.
    pub backlog: VecDeque<(Zxid, Bytes)>,
    /// Packets that wait until all of that has left.
    pub held_back: Vec<u8>,
    /// Its data were damaged, and it has not acknowledged NEWLEADER since: it counts in no quorum.
    pub is_damaged: bool,
    /// Its incoming packets.
    pub decoder: QuorumDecoder,
}

impl Learner {
    /// A learner that has just connected.
    pub fn new(now_ms: u64) -> Learner {
        Learner {
            phase: LearnerPhase::AwaitingInfo,
            server: None,
            heard_ms: now_ms,
            acked: Zxid::ZERO,
            synced_upto: Zxid::ZERO,
            pings_sent: 0,
            pings_echoed: 0,
            echoed_ms: now_ms,
            snapshot: None,
            backlog: VecDeque::new(),
            held_back: Vec::new(),
            is_damaged: false,
            decoder: QuorumDecoder::new(QUORUM_PACKET_BYTES_MAX),
        }
    }

    /// Whether live proposals and commits go to it.
    pub fn forwards(&self) -> bool {
        matches!(
            self.phase,
            LearnerPhase::Sending
                | LearnerPhase::AwaitingNewLeaderAck
                | LearnerPhase::Synced
                | LearnerPhase::Active
        )
    }

    /// UPTODATE goes out: from now on it has something to say.
    pub fn begin_to_serve(&mut self, now_ms: u64) {
        self.phase = LearnerPhase::Active;
        self.heard_ms = now_ms;
    }

    /// A ping goes out that is to be echoed.
    pub fn ping(&mut self, now_ms: u64) {
        if self.pings_sent == self.pings_echoed {
            self.echoed_ms = now_ms;
        }
        self.pings_sent += 1;
    }

    /// A ping comes back.
    pub fn echo(&mut self, now_ms: u64) {
        self.pings_echoed += 1;
        self.echoed_ms = now_ms;
    }

    /// Whether it is neither silent nor deaf: within `limit_ms` it was heard from, and has echoed a ping if there
    /// was one. Where nothing reaches it any more, what it has to say may come through for long, and it has left
    /// already (Apache's `SyncLimitCheck` gives up a learner by what it has not acknowledged). Who waits for
    /// UPTODATE has nothing to say.
    pub fn is_alive(&self, now_ms: u64, limit_ms: u64) -> bool {
        let is_recent = |at_ms: u64| now_ms <= at_ms + limit_ms;
        let echoes = self.pings_sent == self.pings_echoed || is_recent(self.echoed_ms);
        self.phase == LearnerPhase::Synced || is_recent(self.heard_ms) && echoes
    }

    /// Whether it acknowledged NEWLEADER.
    pub fn is_synced(&self) -> bool {
        matches!(self.phase, LearnerPhase::Synced | LearnerPhase::Active)
    }
}

/// A `sync` request that waits for its barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncRequest {
    /// Where the answer goes.
    pub origin: Origin,
    /// Of the leader's own client: the connection on which it came.
    pub connection: ConnectionId,
    /// Which request.
    pub cxid: i32,
    /// Whether its session was alive when it came. Else its turn comes too, for answers to a learner
    /// carry no name, but it is no success: the session's end is decided.
    pub is_alive: bool,
}

/// Sync requests that one ping round will answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Barrier {
    /// The echo count from which each learner has confirmed.
    targets: BTreeMap<ConnectionId, u64>,
    /// The last transaction proposed before: it must be committed first.
    proposed: Zxid,
    requests: Vec<SyncRequest>,
}

/// A leader's book.
#[derive(Debug)]
pub struct Leader {
    /// Its own phase.
    pub phase: Phase,
    /// The epoch proposed or led.
    pub epoch: Epoch,
    /// The last transaction of the history with which the epoch begins.
    pub initial: Zxid,
    /// Connected learners.
    pub learners: BTreeMap<ConnectionId, Learner>,
    /// Voters whose accepted epoch is known.
    pub connecting: BTreeSet<ServerId>,
    /// Voters that promised the epoch.
    pub promised: BTreeSet<ServerId>,
    /// Voters that cannot promise it, having promised it to another.
    pub spent: BTreeSet<ServerId>,
    /// The last zxid given out.
    pub last_proposed: Zxid,
    /// Everything up to here is committed.
    pub committed: Zxid,
    /// This server's own durable position.
    pub own_acked: Zxid,
    /// Whether this server itself has acknowledged NEWLEADER.
    pub own_synced: bool,
    /// Live sessions, once the history with which broadcast begins is applied.
    pub sessions: Option<SessionTracker>,
    /// When leading began, for the time limit on the first two phases.
    pub began_ms: u64,
    /// When the leader gives way to one whose history is newer, unless a quorum has promised without it.
    pub give_way_at_ms: Option<u64>,
    /// When learners are pinged next.
    pub ping_at_ms: u64,
    /// When a quorum must next be seen to follow.
    pub check_at_ms: u64,
    barriers: VecDeque<Barrier>,
    /// Sync requests that wait for the next ping round.
    pub waiting_syncs: Vec<SyncRequest>,
}

impl Leader {
    /// A leader just elected.
    pub fn new(now_ms: u64, initial: Zxid, accepted: Epoch, tick_ms: u64) -> Leader {
        Leader {
            phase: Phase::Discovery,
            epoch: Epoch(accepted.0.saturating_add(1)),
            initial,
            learners: BTreeMap::new(),
            connecting: BTreeSet::new(),
            promised: BTreeSet::new(),
            spent: BTreeSet::new(),
            last_proposed: initial,
            committed: Zxid::ZERO,
            own_acked: Zxid::ZERO,
            own_synced: false,
            sessions: None,
            began_ms: now_ms,
            give_way_at_ms: None,
            ping_at_ms: now_ms + (tick_ms / 2).max(1),
            check_at_ms: now_ms + tick_ms,
            barriers: VecDeque::new(),
            waiting_syncs: Vec::new(),
        }
    }

    /// Whether broadcast has begun, and the history with which it begins is not applied yet.
    pub fn is_catching_up(&self) -> bool {
        self.phase == Phase::Broadcast && self.sessions.is_none()
    }

    /// A voter's accepted epoch counts towards the epoch to propose. True once a quorum is known.
    pub fn connect(&mut self, ensemble: &Ensemble, server: ServerId, accepted: Epoch) -> bool {
        if ensemble.is_voter(server) {
            if accepted >= self.epoch {
                self.epoch = Epoch(accepted.0.saturating_add(1));
            }
            self.connecting.insert(server);
        }
        self.connecting.contains(&ensemble.me) && ensemble.is_quorum(&self.connecting)
    }

    /// A server's data were damaged: its accepted epoch counts still, but neither itself nor what it promised on
    /// an earlier connection.
    pub fn leave_out(&mut self, server: ServerId, accepted: Epoch) {
        if self.phase == Phase::Discovery && accepted >= self.epoch {
            self.epoch = Epoch(accepted.0.saturating_add(1));
        }
        self.connecting.remove(&server);
        self.promised.remove(&server);
        self.spent.remove(&server);
    }

    /// A voter promised the epoch. True once a quorum has.
    pub fn promise(&mut self, ensemble: &Ensemble, server: ServerId) -> bool {
        if ensemble.is_voter(server) {
            self.promised.insert(server);
        }
        self.promised.contains(&ensemble.me) && ensemble.is_quorum(&self.promised)
    }

    /// Whether those who are connected could still make a quorum of promises.
    pub fn may_be_promised(&self, ensemble: &Ensemble) -> bool {
        let mut voters = self.counted();
        voters.insert(ensemble.me);
        voters.retain(|voter| !self.spent.contains(voter));
        ensemble.is_quorum(&voters)
    }

    /// When the leader's own disk should hold the new epoch, while nothing else is waited for.
    pub fn disk_limit_ms(&self, tick_ms: u64) -> u64 {
        match self.phase {
            Phase::Proposing { from_ms, .. } => from_ms + DISK_TICKS_MAX * tick_ms,
            _ => u64::MAX,
        }
    }

    /// Those who wait here although their history is newer than the leader's.
    pub fn newer(&self) -> impl Iterator<Item = ServerId> {
        let is_newer = |learner: &&Learner| matches!(learner.phase, LearnerPhase::Newer { .. });
        self.learners.values().filter(is_newer).filter_map(|learner| learner.server)
    }

    /// Whether the other voters, connected or not, could make a quorum of promises.
    pub fn may_do_without_newer(&self, ensemble: &Ensemble) -> bool {
        let newer: BTreeSet<ServerId> = self.newer().collect();
        let is_free = |voter: &&ServerId| !newer.contains(voter) && !self.spent.contains(voter);
        ensemble.is_quorum(&ensemble.voters.iter().filter(is_free).copied().collect())
    }

    /// The voters that acknowledged NEWLEADER, this server among them if it did.
    pub fn synced_voters(&self, ensemble: &Ensemble) -> BTreeSet<ServerId> {
        let mut voters: BTreeSet<ServerId> = self
            .learners
            .values()
            .filter(|learner| learner.is_synced())
            .filter_map(|learner| learner.server)
            .filter(|server| ensemble.is_voter(*server))
            .collect();
        if self.own_synced {
            voters.insert(ensemble.me);
        }
        voters
    }

    /// The newest position that a quorum of voters holds durably.
    pub fn quorum_acked(&self, ensemble: &Ensemble) -> Zxid {
        let mut acked: BTreeMap<ServerId, Zxid> = BTreeMap::new();
        for learner in self.learners.values().filter(|learner| learner.is_synced()) {
            if let Some(server) = learner.server.filter(|server| ensemble.is_voter(*server)) {
                let entry = acked.entry(server).or_default();
                *entry = (*entry).max(learner.acked);
            }
        }
        acked.insert(ensemble.me, self.own_acked);
        let mut positions: Vec<Zxid> = acked.into_values().collect();
        positions.sort_unstable_by(|a, b| b.cmp(a));
        positions.get(ensemble.voters.len() / 2).copied().unwrap_or(Zxid::ZERO)
    }

    /// The voters that hold `zxid` durably, as far as the leader knows.
    pub fn voters_with(&self, ensemble: &Ensemble, zxid: Zxid) -> BTreeSet<ServerId> {
        let mut voters: BTreeSet<ServerId> = self
            .learners
            .values()
            .filter(|learner| learner.is_synced() && learner.acked >= zxid)
            .filter_map(|learner| learner.server)
            .filter(|server| ensemble.is_voter(*server))
            .collect();
        if self.own_acked >= zxid {
            voters.insert(ensemble.me);
        }
        voters
    }

    /// The next zxid, or `None` when the epoch's counter, whose last value is `counter_max`, is used
    /// up.
    pub fn next_zxid(&self, counter_max: u32) -> Option<Zxid> {
        if self.last_proposed.epoch() == self.epoch {
            self.last_proposed.next().filter(|next| next.counter() <= counter_max)
        } else {
            Some(Zxid::new(self.epoch, 1))
        }
    }

    /// Learners that are connected and count.
    fn counted(&self) -> BTreeSet<ServerId> {
        let counted = self.learners.values().filter(|learner| !learner.is_damaged);
        counted.filter_map(|learner| learner.server).collect()
    }

    /// Whether a quorum (this server included) is still connected.
    pub fn quorum_connected(&self, ensemble: &Ensemble) -> bool {
        let mut connected = self.counted();
        connected.insert(ensemble.me);
        ensemble.is_quorum(&connected)
    }

    /// Whether a quorum (this server included) was heard from, and answers, within `limit_ms`.
    pub fn quorum_alive(&self, ensemble: &Ensemble, now_ms: u64, limit_ms: u64) -> bool {
        let mut alive: BTreeSet<ServerId> = self
            .learners
            .values()
            .filter(|learner| learner.is_synced() && learner.is_alive(now_ms, limit_ms))
            .filter_map(|learner| learner.server)
            .collect();
        alive.insert(ensemble.me);
        ensemble.is_quorum(&alive)
    }

    /// Whether a ping round is under way.
    pub fn has_barrier(&self) -> bool {
        !self.barriers.is_empty()
    }

    /// A barrier begins behind `proposed`: every synchronised learner has been pinged once more.
    pub fn begin_barrier(&mut self, proposed: Zxid, requests: Vec<SyncRequest>) {
        let targets = self
            .learners
            .iter()
            .filter(|(_, learner)| learner.phase == LearnerPhase::Active)
            .map(|(connection, learner)| (*connection, learner.pings_sent))
            .collect();
        self.barriers.push_back(Barrier { targets, proposed, requests });
    }

    /// A learner was pinged once more: an echo of that confirms every barrier that began before, also
    /// where the learner (or its present connection) came later than the barrier.
    pub fn pinged(&mut self, connection: ConnectionId, pings_sent: u64) {
        for barrier in &mut self.barriers {
            barrier.targets.entry(connection).or_insert(pings_sent);
        }
    }

    /// The sync requests whose ping round a quorum has echoed and behind which nothing is left that
    /// was proposed before them, in the order in which they came.
    pub fn passed_barriers(&mut self, ensemble: &Ensemble) -> Vec<SyncRequest> {
        let mut passed = Vec::new();
        while let Some(barrier) = self.barriers.front() {
            let mut confirmed = BTreeSet::from([ensemble.me]);
            for (connection, target) in &barrier.targets {
                let learner = self.learners.get(connection);
                if let Some(server) = learner
                    .filter(|learner| learner.pings_echoed >= *target)
                    .and_then(|learner| learner.server)
                {
                    confirmed.insert(server);
                }
            }
            if !ensemble.is_quorum(&confirmed) || self.committed < barrier.proposed {
                break;
            }
            passed.extend(self.barriers.pop_front().expect("looked at above").requests);
        }
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ensemble() -> Ensemble {
        Ensemble {
            me: ServerId(1),
            voters: (1..=3).map(ServerId).collect(),
            config_text: String::new(),
            config_version: 0,
        }
    }

    fn leader() -> Leader {
        let mut leader = Leader::new(0, Zxid(5), Epoch(2), 100);
        for server in [2, 3] {
            let mut learner = Learner::new(0);
            learner.server = Some(ServerId(server));
            learner.phase = LearnerPhase::Active;
            leader.learners.insert(ConnectionId(server), learner);
        }
        leader.own_synced = true;
        leader
    }

    #[test]
    fn the_epoch_is_beyond_every_accepted_one_of_a_quorum() {
        let mut leader = Leader::new(0, Zxid(5), Epoch(2), 100);
        assert!(!leader.connect(&ensemble(), ServerId(2), Epoch(7)));
        assert!(leader.connect(&ensemble(), ServerId(1), Epoch(2)));
        assert_eq!(leader.epoch, Epoch(8));
        assert_eq!(leader.next_zxid(2), Some(Zxid::new(Epoch(8), 1)));
        leader.last_proposed = Zxid::new(Epoch(8), 1);
        assert_eq!(leader.next_zxid(2), Some(Zxid::new(Epoch(8), 2)));
        leader.last_proposed = Zxid::new(Epoch(8), 2);
        assert_eq!(leader.next_zxid(2), None);
    }

    #[test]
    fn who_is_damaged_counts_in_no_quorum_whatever_it_promised_before() {
        let ensemble = ensemble();
        let mut leader = Leader::new(0, Zxid(5), Epoch(2), 100);
        leader.connect(&ensemble, ServerId(1), Epoch(2));
        assert!(leader.connect(&ensemble, ServerId(2), Epoch(3)));
        leader.leave_out(ServerId(2), Epoch(7));
        assert_eq!(leader.epoch, Epoch(8), "what it accepted counts still");
        assert!(!leader.connect(&ensemble, ServerId(1), Epoch(2)));
        leader.promise(&ensemble, ServerId(2));
        leader.leave_out(ServerId(2), Epoch(7));
        assert!(!leader.promise(&ensemble, ServerId(1)));
        assert!(leader.promise(&ensemble, ServerId(3)));
        let mut learner = Learner::new(0);
        (learner.server, learner.is_damaged) = (Some(ServerId(2)), true);
        leader.learners.insert(ConnectionId(2), learner);
        assert!(!leader.quorum_connected(&ensemble) && !leader.may_be_promised(&ensemble));
        leader.learners.get_mut(&ConnectionId(2)).unwrap().is_damaged = false;
        assert!(leader.quorum_connected(&ensemble) && leader.may_be_promised(&ensemble));
    }

    #[test]
    fn committed_is_what_a_majority_holds() {
        let mut leader = leader();
        leader.own_acked = Zxid(9);
        assert_eq!(leader.quorum_acked(&ensemble()), Zxid(0));
        leader.learners.get_mut(&ConnectionId(3)).unwrap().acked = Zxid(7);
        assert_eq!(leader.quorum_acked(&ensemble()), Zxid(7));
        leader.own_acked = Zxid(6);
        assert_eq!(leader.quorum_acked(&ensemble()), Zxid(6));
        leader.learners.get_mut(&ConnectionId(3)).unwrap().phase =
            LearnerPhase::AwaitingNewLeaderAck;
        assert_eq!(leader.quorum_acked(&ensemble()), Zxid(0), "it is not synchronised");
    }

    #[test]
    fn voters_hold_what_they_acknowledged() {
        let mut leader = leader();
        leader.own_acked = Zxid(9);
        leader.learners.get_mut(&ConnectionId(3)).unwrap().acked = Zxid(7);
        let holders = |zxid| leader.voters_with(&ensemble(), Zxid(zxid));
        assert_eq!(holders(7), BTreeSet::from([ServerId(1), ServerId(3)]));
        assert!(ensemble().is_bare_quorum(&holders(7)));
        assert_eq!(holders(8), BTreeSet::from([ServerId(1)]));
        assert!(!ensemble().is_bare_quorum(&holders(8)), "it is none");
        assert!(!ensemble().is_bare_quorum(&holders(0)), "it is more");
    }

    #[test]
    fn a_barrier_passes_when_a_quorum_echoes_a_later_ping() {
        let mut leader = leader();
        let request = SyncRequest {
            origin: Origin::Local,
            connection: ConnectionId(1),
            cxid: 1,
            is_alive: true,
        };
        for learner in leader.learners.values_mut() {
            learner.pings_sent = 4;
            learner.pings_echoed = 3;
        }
        leader.begin_barrier(Zxid::ZERO, vec![request]);
        assert!(leader.passed_barriers(&ensemble()).is_empty());
        leader.learners.get_mut(&ConnectionId(2)).unwrap().pings_echoed = 4;
        assert_eq!(leader.passed_barriers(&ensemble()), vec![request]);
        assert!(leader.passed_barriers(&ensemble()).is_empty());
    }

    #[test]
    fn a_quorum_may_do_without_one_whose_history_is_newer_and_not_without_two() {
        let mut leader = leader();
        assert!(leader.may_do_without_newer(&ensemble()));
        for (server, may) in [(2, true), (3, false)] {
            let learner = leader.learners.get_mut(&ConnectionId(server)).unwrap();
            learner.phase = LearnerPhase::Newer { last: Zxid(9) };
            assert_eq!(leader.may_do_without_newer(&ensemble()), may, "{server}");
        }
        assert!(leader.newer().eq([ServerId(2), ServerId(3)]));
        let learner = leader.learners.get_mut(&ConnectionId(3)).unwrap();
        learner.phase = LearnerPhase::AwaitingEpochAck;
        leader.spent.insert(ServerId(3));
        assert!(!leader.may_do_without_newer(&ensemble()), "3 cannot promise this epoch");
    }

    #[test]
    fn silence_beyond_the_limit_loses_the_quorum() {
        let leader = leader();
        assert!(leader.quorum_alive(&ensemble(), 500, 500));
        assert!(!leader.quorum_alive(&ensemble(), 501, 500));
    }
}
