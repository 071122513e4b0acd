//! One server as one machine: `step` takes an event and says what is to be done.
//!
//! ```text
//! client bytes -> clients -> (leader) prepare -> propose -> log, learners
//!                         -> (follower) forward to the leader
//! acknowledgements of a quorum -> commit -> apply -> watches, replies
//! ```
//!
//! The tree holds committed transactions only. What must be durable before something is said waits
//! for [`Event::Persisted`]: a promise of an epoch, an acknowledgement, a leader's own vote for its
//! proposal. Disk operations take effect in the order in which they are emitted, so "B after A on
//! disk" needs no waiting in between.

mod apply;
mod clients;
mod discovery;
mod follower;
mod following;
mod forward;
mod leading;
mod learners;
mod looking;
mod plants;
mod reads;
mod snapshot;
mod submit;
mod voice;

pub use follower::{Follower, FollowerPhase};

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::effect::{DiskOp, Effect, Level};
use crate::event::{DiskToken, Event, Port};
use crate::ids::{ConnectionId, Epoch, ServerId, SessionId, Zxid};
use crate::observation::Observation;
use crate::pipeline::client::Clients;
use crate::pipeline::prepare::Outstanding;
use crate::session::first_session_id;
use crate::time::Now;
use crate::tree::{Tree, WatchTable};
use crate::wire::election::ServerState;
use crate::zab::election::{Election, Vote};
use crate::zab::ensemble::{Ensemble, Settings};
use crate::zab::history::{Entry, History};
use crate::zab::leader::Leader;
use crate::{always, sometimes};
use probe::{Off, Probe};

use snapshot::SnapshotJob;
use voice::Voice;

/// What a server found in its data directory.
#[derive(Debug)]
pub struct Recovered {
    /// The tree of the newest valid snapshot, or an empty one.
    pub tree: Tree,
    /// The sessions of that snapshot and their time-outs in milliseconds.
    pub sessions: BTreeMap<SessionId, i32>,
    /// The log after the snapshot: positions and encoded transactions, all of them durable.
    pub tail: Vec<(Zxid, Bytes)>,
    /// The file `acceptedEpoch`.
    pub accepted_epoch: Epoch,
    /// The file `currentEpoch`.
    pub current_epoch: Epoch,
    /// Something that had been synced was lost, and no leader has made up for it yet: see the module `voice`.
    pub is_damaged: bool,
    /// The snapshot is Apache's, and parts of the tree may be ahead of its zxid.
    pub may_be_ahead: bool,
}

impl Recovered {
    /// The last transaction of the history.
    pub fn last_zxid(&self) -> Zxid {
        self.tail.last().map_or(self.tree.last_zxid(), |(zxid, _)| *zxid)
    }

    /// A server that has never run.
    pub fn empty() -> Recovered {
        Recovered {
            tree: Tree::new(),
            sessions: BTreeMap::new(),
            tail: Vec::new(),
            accepted_epoch: Epoch(0),
            current_epoch: Epoch(0),
            is_damaged: false,
            may_be_ahead: false,
        }
    }
}

/// What the server is at present.
#[derive(Debug)]
enum Role {
    Looking,
    Leading(Box<Leader>),
    Following(Box<Follower>),
}

/// A coordination server.
#[derive(Debug)]
pub struct Replica<I: Probe<Observation> = Off> {
    probe: I,
    ensemble: Ensemble,
    settings: Settings,
    now: Now,
    accepted_epoch: Epoch,
    current_epoch: Epoch,
    /// What this server lost must come back from a leader before it counts.
    voice: Voice,
    history: History,
    tree: Tree,
    /// Parts of the tree show transactions that it has not come to yet: Apache writes and sends it while it goes on
    /// changing. All of them were committed, so a server that serves next has come past them.
    may_be_ahead: bool,
    sessions: BTreeMap<SessionId, i32>,
    watches: WatchTable,
    clients: Clients,
    outstanding: Outstanding,
    election: Election,
    role: Role,
    /// The vote to report while following or leading.
    settled: (Vote, u64),
    /// When the last election was decided here, in monotonic milliseconds.
    settled_ms: u64,
    /// Who is known to look for a leader again since the last election was decided here.
    lookers: BTreeSet<ServerId>,
    last_token: DiskToken,
    persisted: DiskToken,
    /// The last change of an epoch file.
    epochs_token: DiskToken,
    /// What was durable when the last role ended.
    durable_before: DiskToken,
    /// Transactions that synchronisation has brought: a planted bug leaves them out.
    learned: BTreeSet<Zxid>,
    /// Learners that connected before this server knew that it leads, and what they have said.
    early_learners: BTreeMap<ConnectionId, Vec<u8>>,
    next_session: i64,
    next_connection: u64,
    snapshot: Option<SnapshotJob>,
    /// When the next slice is due, if there is something left to apply before the server serves.
    apply_at_ms: u64,
    transactions_since_snapshot: u64,
    /// When old files were removed last, on the monotonic clock.
    purged_ms: Option<u64>,
    out: Vec<Effect>,
}

impl<I: Probe<Observation>> Replica<I> {
    /// A server as its data directory left it. `entropy` keeps session identifiers apart when the
    /// wall clock repeats itself. Call [`Replica::start`] next.
    pub fn new(
        now: Now,
        ensemble: Ensemble,
        settings: Settings,
        recovered: Recovered,
        entropy: u64,
        probe: I,
    ) -> Replica<I> {
        let Recovered { tree, sessions, tail, accepted_epoch, current_epoch, .. } = recovered;
        let Recovered { is_damaged, may_be_ahead, .. } = recovered;
        let snapshot = tree.last_zxid();
        let on_disk = |(zxid, txn)| Entry { zxid, txn, token: DiskToken(0) };
        let history = History::new(snapshot, tail.into_iter().map(on_disk));
        let next_session = first_session_id(ensemble.me.0, now.wall_ms) | (entropy & 0xffff) as i64;
        let tick_ms = settings.tick_ms;
        let mut replica = Replica {
            probe,
            ensemble,
            settings,
            now,
            accepted_epoch,
            current_epoch,
            voice: Voice::new(is_damaged),
            transactions_since_snapshot: history.unapplied() as u64,
            history,
            tree,
            may_be_ahead,
            sessions,
            watches: WatchTable::new(),
            clients: Clients::default(),
            outstanding: Outstanding::default(),
            election: Election::new(tick_ms),
            role: Role::Looking,
            settled: (Vote::default(), 0),
            settled_ms: 0,
            lookers: BTreeSet::new(),
            last_token: DiskToken(0),
            persisted: DiskToken(0),
            epochs_token: DiskToken(0),
            durable_before: DiskToken(0),
            learned: BTreeSet::new(),
            early_learners: BTreeMap::new(),
            next_session,
            next_connection: 1 << 63,
            snapshot: None,
            apply_at_ms: 0,
            purged_ms: None,
            out: Vec::new(),
        };
        replica.set_config_node();
        if I::EVENTS {
            replica.forget_the_log();
            replica.observe_all_orphans();
        }
        let (last, digest) = (replica.history.last(), replica.digest());
        replica.observe(|| Observation::Recovered { snapshot, last, digest });
        if is_damaged {
            replica.observe(|| Observation::Voiceless);
        }
        replica
    }

    /// Begins to look for a leader.
    pub fn start(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.now = now;
        self.look("the server starts");
        effects.append(&mut self.out);
    }

    /// Takes one event and appends what is to be done.
    pub fn step(&mut self, now: Now, event: Event, effects: &mut Vec<Effect>) {
        self.now = now;
        match event {
            Event::Tick => self.tick(),
            Event::Election { from, notification } => self.on_notification(from, notification),
            Event::ElectionPeer { peer, up } => self.on_election_peer(peer, up),
            Event::Accepted { connection, port: Port::Client } => self.on_client(connection),
            Event::Accepted { connection, port: Port::Learner } => self.on_learner(connection),
            Event::Connected { connection } => self.on_leader_connected(connection),
            Event::Bytes { connection, bytes } => self.on_bytes(connection, &bytes),
            Event::Closed { connection } => self.on_closed(connection),
            Event::Drained { connection } => self.on_drained(connection),
            Event::Persisted { token } => self.on_persisted(token),
        }
        effects.append(&mut self.out);
    }

    /// When [`Event::Tick`] is due, in monotonic milliseconds.
    pub fn deadline_ms(&self) -> Option<u64> {
        let role_ms = match &self.role {
            Role::Looking => self.election.deadline_ms(),
            Role::Leading(leader) => Some(self.leader_deadline_ms(leader)),
            Role::Following(follower) => Some(self.follower_deadline_ms(follower)),
        };
        // What is left to apply goes on at once, behind whatever else has come.
        let apply_ms = self.catches_up_to().map(|_| self.apply_at_ms);
        [role_ms, self.clients.deadline_ms(), apply_ms].into_iter().flatten().min()
    }

    /// This server's number.
    pub fn id(&self) -> ServerId {
        self.ensemble.me
    }

    /// The role, as election messages spell it.
    pub fn state(&self) -> ServerState {
        match self.role {
            Role::Looking => ServerState::Looking,
            Role::Leading(_) => ServerState::Leading,
            Role::Following(_) => ServerState::Following,
        }
    }

    /// Whether clients are served: a history that was found at the start is applied first.
    pub fn is_serving(&self) -> bool {
        match &self.role {
            Role::Looking => false,
            Role::Leading(leader) => leader.sessions.is_some(),
            Role::Following(follower) => follower.phase == FollowerPhase::Serving,
        }
    }

    /// Whether a history is being applied in slices, one for each [`Event::Tick`], before clients are served.
    pub fn is_catching_up(&self) -> bool {
        self.catches_up_to().is_some()
    }

    /// The epoch joined last.
    pub fn current_epoch(&self) -> Epoch {
        self.current_epoch
    }

    /// The last transaction that the tree holds.
    pub fn applied(&self) -> Zxid {
        self.history.applied()
    }

    /// The tree's digest (ZooKeeper's `DigestCalculator`, version 2).
    pub fn digest(&self) -> u64 {
        self.tree.digest().tree_digest as u64
    }

    /// The tree, for reading.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Live sessions and their time-outs in milliseconds.
    pub fn sessions(&self) -> &BTreeMap<SessionId, i32> {
        &self.sessions
    }

    fn tick(&mut self) {
        self.drop_overdue_clients();
        match self.role {
            Role::Looking => {
                let output = self.election.tick(self.now, &self.ensemble);
                sometimes!(self, VotesSentAgain, !output.send_to.is_empty());
                self.on_election_output(output);
            }
            Role::Leading(_) => self.tick_leading(),
            Role::Following(_) => self.tick_following(),
        }
        self.go_on_applying();
    }

    fn on_bytes(&mut self, connection: ConnectionId, bytes: &[u8]) {
        if self.clients.contains(connection) {
            return self.on_client_bytes(connection, bytes);
        }
        match &self.role {
            Role::Leading(leader) if leader.learners.contains_key(&connection) => {
                self.on_learner_bytes(connection, bytes);
            }
            Role::Following(follower) if follower.connection == connection => {
                self.on_leader_bytes(bytes);
            }
            Role::Looking => self.on_early_learner_bytes(connection, bytes),
            Role::Leading(_) | Role::Following(_) => {}
        }
    }

    fn on_closed(&mut self, connection: ConnectionId) {
        if self.clients.contains(connection) {
            return self.on_client_closed(connection);
        }
        match &self.role {
            Role::Leading(leader) if leader.learners.contains_key(&connection) => {
                self.on_learner_closed(connection);
            }
            Role::Following(follower) if follower.connection == connection => {
                self.on_leader_closed();
            }
            Role::Looking | Role::Leading(_) | Role::Following(_) => {
                self.early_learners.remove(&connection);
            }
        }
    }

    fn on_persisted(&mut self, token: DiskToken) {
        assert!(token <= self.last_token, "{token:?} was never asked for");
        let before = self.persisted;
        always!(self, DiskReportsInOrder, token > before, "{token:?} after {before:?}");
        self.persisted = self.persisted.max(token);
        self.advance_snapshot();
        match self.role {
            Role::Looking => {}
            Role::Leading(_) => self.on_leader_persisted(),
            Role::Following(_) => self.on_follower_persisted(),
        }
    }

    /// Emits a disk operation.
    fn disk(&mut self, op: DiskOp) -> DiskToken {
        self.last_token.0 += 1;
        let token = self.last_token;
        if matches!(op, DiskOp::AcceptedEpoch(_) | DiskOp::CurrentEpoch(_)) {
            self.epochs_token = token;
        }
        self.out.push(Effect::Disk { token, op });
        token
    }

    /// Appends a transaction to the log and to the history.
    fn log_txn(&mut self, zxid: Zxid, txn: Bytes) {
        let hash = if I::EVENTS { probe::hash_bytes(&txn) } else { 0 };
        let token = self.disk(DiskOp::Append { zxid, txn: txn.clone() });
        self.history.push(Entry { zxid, txn, token });
        self.observe(|| Observation::Logged { zxid, hash });
    }

    fn send(&mut self, connection: ConnectionId, bytes: impl Into<Bytes>) {
        self.out.push(Effect::Send { connection, bytes: bytes.into() });
    }

    fn close(&mut self, connection: ConnectionId) {
        self.out.push(Effect::Close { connection });
    }

    fn info(&mut self, message: String) {
        let (level, client, session) = (Level::Info, None, None);
        self.out.push(Effect::Log { level, message, client, session });
    }

    fn observe(&mut self, observation: impl FnOnce() -> Observation) {
        if I::EVENTS {
            self.probe.observe(observation());
        }
    }

    /// What can only be a bug of the other server: the connection to it is given up.
    fn unexpected(&mut self, what: String) -> Result<(), String> {
        self.observe(|| Observation::Unexpected { what: what.clone() });
        Err(what)
    }

    /// Tells the epochs, once they are durable.
    fn observe_epochs(&mut self) {
        if self.persisted < self.epochs_token {
            return;
        }
        let (accepted, current) = (self.accepted_epoch, self.current_epoch);
        always!(
            self,
            AcceptedNotBehind,
            accepted >= current,
            "acceptedEpoch is {accepted}, currentEpoch {current}"
        );
        let last_logged = self.history.last();
        self.observe(|| Observation::Epochs { accepted, current, last_logged });
    }

    /// `/zookeeper/config` holds the configuration that this server runs with (ZOOKEEPER-2819).
    fn set_config_node(&mut self) {
        let text = Bytes::from(self.ensemble.config_text.clone());
        let version = Zxid(self.ensemble.config_version);
        self.tree.set_config(text, version, 0);
    }
}
