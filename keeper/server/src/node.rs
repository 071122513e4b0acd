//! One server's loop.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use keeper_core::effect::{DiskOp, Effect, Level};
use keeper_core::event::{DiskToken, Event, Port};
use keeper_core::ids::{ConnectionId, ServerId, SessionId};
use keeper_core::observation::Observation;
use keeper_core::planted;
use keeper_core::replica::Replica;
use keeper_core::time::Now;
use keeper_core::wire::election::ServerState;
use keeper_core::zab::ensemble::{Ensemble, Settings};
use keeper_core::{reachable, sometimes};
use platform::{Listener, Mono, Platform, Stream, Task, Timer};
use probe::Probe;
use thiserror::Error;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::field::display;

use crate::bounds::{Bounds, DirectoryLost, Patience};
use crate::connection::{Arrival, Connection};
use crate::disk::{self, Directories, DiskError, DiskReport, Start};
use crate::election::{ElectionArrival, ElectionChange, Elections, PeerAddress};
use crate::newcomers::Newcomers;
use crate::ports::{Listeners, accept};
use crate::read_back::{FoundOn, read_back};
use crate::recover::RecoverError;
use crate::unread::{self, Unread};

/// Events taken at once.
const BATCH_MAX: usize = 256;
/// The pause after a connection could not be accepted (no file descriptors left), in milliseconds.
const ACCEPT_RETRY_MS: u64 = 100;
/// Bytes that one client may leave unread before it is hung up on at the next answer: see also
/// [`Bounds::unread_bytes_max`].
const CLIENT_UNREAD_BYTES_MAX: usize = 64 << 20;
/// Bytes that another server may leave unread before it is hung up on.
const PEER_UNREAD_BYTES_MAX: usize = 1 << 30;

/// Everything that a server needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// Who it is and who the others are.
    pub ensemble: Ensemble,
    /// Time limits and sizes.
    pub settings: Settings,
    /// Its files.
    pub directories: Directories,
    /// The address on which clients are served.
    pub client_address: String,
    /// The port on which clients are served.
    pub client_port: u16,
    /// All servers, this one included; empty for one that stands alone.
    pub servers: BTreeMap<ServerId, PeerAddress>,
    /// Whether the server ports listen on every address (`quorumListenOnAllIPs`).
    pub listen_on_all_addresses: bool,
    /// An operator takes what is left where the files are damaged (`--accept-loss`).
    pub accepts_loss: bool,
    /// Client connections from one address (`maxClientCnxns`); `None`: as many as come.
    pub max_client_connections: Option<u32>,
    /// What else it holds and tries at most.
    pub bounds: Bounds,
}

/// Why a server stopped for good.
#[derive(Debug, Error)]
pub enum NodeError {
    /// A port could not be had.
    #[error(
        "cannot listen on {address}:{port}: {source}; tried {tries} times (electionPortBindRetry)"
    )]
    Listen {
        /// The address.
        address: String,
        /// The port.
        port: u16,
        /// How often it was tried.
        tries: u32,
        /// The operating system's word.
        source: io::Error,
    },
    /// The data directory cannot be started from.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// It is gone, or may not be written.
    #[error(transparent)]
    Directory(#[from] DirectoryLost),
    /// Going on could damage the ensemble's data.
    #[error("{0}")]
    Fatal(String),
}

/// Runs a server until it must stop for good. A failing disk is no reason: the server then starts
/// over from what it can read back. A directory that is gone or may not be written is one, after a few
/// tries. `probe` makes a set for each start.
///
/// # Errors
/// See [`NodeError`].
pub async fn run<P: Platform, I: Probe<Observation>>(
    platform: P,
    config: NodeConfig,
    mut probe: impl FnMut() -> I + Send,
) -> Result<(), NodeError> {
    let mut listeners = Listeners::open(&platform, &config).await?;
    let mut patience = Patience::default();
    loop {
        let probe = probe();
        let found = read_back(&platform, &config, probe.clone(), &mut patience).await?;
        let mut node = Node::start(&platform, &config, found, probe);
        let DiskError { directory, source: error } = node.serve(&mut listeners).await?;
        reachable!(node, DiskRestartsMachine);
        if node.has_persisted {
            patience.restore();
        }
        drop(node);
        tracing::warn!(directory, %error, "the disk failed; starting over from what it holds");
        patience.failed(&directory, error)?;
        platform.sleep_ms(patience.pause_ms(config.settings.tick_ms)).await;
    }
}

/// A connection to the leader that has been made, or has not.
struct Dialed<P: Platform> {
    connection: ConnectionId,
    stream: Option<P::Stream>,
}

/// One life of the machine, from a recovery to the next.
struct Node<P: Platform, I: Probe<Observation>> {
    platform: P,
    probe: I,
    replica: Replica<I>,
    servers: BTreeMap<ServerId, PeerAddress>,
    connections: BTreeMap<ConnectionId, Connection<P::Task>>,
    /// Where clients connect from.
    client_addresses: BTreeMap<ConnectionId, SocketAddr>,
    client_counts: BTreeMap<IpAddr, u32>,
    max_client_connections: Option<u32>,
    unread_bytes_max: usize,
    /// What all clients together leave unread.
    unread: Arc<Unread>,
    /// Connections of the quorum port that have said nothing yet.
    newcomers: Newcomers<ConnectionId>,
    newcomer_ms_max: u64,
    dialing: BTreeMap<ConnectionId, P::Task>,
    elections: Elections<P>,
    operations: UnboundedSender<(DiskToken, DiskOp)>,
    disk: P::Task,
    inbox: Inbox<P>,
    arrivals: UnboundedSender<Arrival>,
    dialed: UnboundedSender<Dialed<P>>,
    next_connection: u64,
    effects: Vec<Effect>,
    fatal: Option<String>,
    /// The disk has made something durable in this life.
    has_persisted: bool,
    /// The last turn of the loop accepted a connection.
    has_accepted: bool,
    /// No connection is accepted before this moment, monotonic milliseconds.
    accept_after_ms: u64,
}

/// Where everything arrives.
struct Inbox<P: Platform> {
    arrivals: UnboundedReceiver<Arrival>,
    elections: UnboundedReceiver<ElectionArrival<P>>,
    dialed: UnboundedReceiver<Dialed<P>>,
    disk: UnboundedReceiver<DiskReport>,
}

impl<P: Platform, I: Probe<Observation>> Drop for Node<P, I> {
    fn drop(&mut self) {
        self.disk.abort();
        for task in self.dialing.values() {
            task.abort();
        }
    }
}

impl<P: Platform, I: Probe<Observation>> Node<P, I> {
    fn start(platform: &P, config: &NodeConfig, found: FoundOn<P>, probe: I) -> Node<P, I> {
        for warning in &found.warnings {
            tracing::warn!("{warning}");
        }
        let (arrivals, arrivals_inbox) = unbounded_channel();
        let (election_arrivals, elections_inbox) = unbounded_channel();
        let (dialed, dialed_inbox) = unbounded_channel();
        let (operations, queue) = unbounded_channel();
        let (reports, disk_inbox) = unbounded_channel();
        let last = found.recovered.last_zxid();
        let start = Start { last, witness: found.witness, epochs: found.epochs };
        let directories = config.directories.clone();
        let running =
            disk::run(platform.clone(), probe.clone(), directories, start, queue, reports);
        let disk = platform.spawn(running);
        let me = config.ensemble.me;
        let tick_ms = config.settings.tick_ms;
        let elections =
            Elections::new(platform.clone(), me, &config.servers, tick_ms, election_arrivals);
        let mut entropy = [0; 8];
        platform.fill(&mut entropy);
        let replica = Replica::new(
            now(platform),
            config.ensemble.clone(),
            config.settings.clone(),
            found.recovered,
            u64::from_le_bytes(entropy),
            probe.clone(),
        );
        Node {
            platform: platform.clone(),
            probe,
            replica,
            servers: config.servers.clone(),
            connections: BTreeMap::new(),
            client_addresses: BTreeMap::new(),
            client_counts: BTreeMap::new(),
            max_client_connections: config.max_client_connections,
            unread_bytes_max: config.bounds.unread_bytes_max,
            unread: Arc::default(),
            newcomers: Newcomers::new(),
            newcomer_ms_max: config.settings.init_ms(),
            dialing: BTreeMap::new(),
            elections,
            operations,
            disk,
            inbox: Inbox {
                arrivals: arrivals_inbox,
                elections: elections_inbox,
                dialed: dialed_inbox,
                disk: disk_inbox,
            },
            arrivals,
            dialed,
            next_connection: 0,
            effects: Vec::new(),
            fatal: None,
            has_persisted: false,
            has_accepted: false,
            accept_after_ms: 0,
        }
    }

    /// Serves until the disk fails, which is returned, or the server must stop for good.
    async fn serve(&mut self, listeners: &mut Listeners<P>) -> Result<DiskError, NodeError> {
        let mut timer = self.platform.timer();
        let mut batch = Vec::new();
        let at = now(&self.platform);
        self.replica.start(at, &mut self.effects);
        self.perform();
        loop {
            if let Some(reason) = self.fatal.take() {
                return Err(NodeError::Fatal(reason));
            }
            // New connections first: under load the inbox is never empty. But only every other time,
            // and not while they fail, lest nothing else be done. Votes and the disk before the
            // rest: they are few, and what waits for them is many.
            let may_accept = self.accept_after_ms <= now(&self.platform).mono_ms;
            let accepts = may_accept && !std::mem::take(&mut self.has_accepted);
            let wake_ms = match (self.replica.deadline_ms(), may_accept) {
                (deadline_ms, true) => deadline_ms,
                (Some(deadline_ms), false) => Some(deadline_ms.min(self.accept_after_ms)),
                (None, false) => Some(self.accept_after_ms),
            };
            timer.set(wake_ms.map(|ms| Mono(ms.saturating_mul(1_000_000))));
            tokio::select! {
                biased;
                stream = listeners.client.accept(), if accepts => {
                    self.accepted(stream, Port::Client);
                }
                stream = accept(&mut listeners.quorum), if accepts => {
                    self.accepted(stream, Port::Learner);
                }
                stream = accept(&mut listeners.election), if accepts => {
                    self.accepted_election(stream);
                }
                Some(report) = self.inbox.disk.recv() => match report {
                    DiskReport::Persisted(token) => {
                        self.has_persisted = true;
                        self.step(Event::Persisted { token });
                    }
                    DiskReport::Failed(error) => {
                        let is_leading = self.replica.state() == ServerState::Leading;
                        // Planted: a leader that writes nothing any more goes on.
                        if !(is_leading && planted!(self, Zk2247)) {
                            return Ok(error);
                        }
                    }
                },
                Some(arrival) = self.inbox.elections.recv() => self.election(arrival),
                Some(dialed) = self.inbox.dialed.recv() => self.dialed(dialed),
                _ = self.inbox.arrivals.recv_many(&mut batch, BATCH_MAX) => {
                    for arrival in batch.drain(..) {
                        self.step(arrival.event);
                    }
                }
                () = timer.fired() => {}
                // Nothing has arrived: accepting need not wait for it.
                () = std::future::ready(()), if may_accept && !accepts => {}
            }
            let due = now(&self.platform).mono_ms;
            if self.replica.deadline_ms().is_some_and(|deadline| deadline <= due) {
                self.step(Event::Tick);
            }
            // Whoever keeps connections has a deadline twice in a tick: no alarm of their own is needed.
            while let Some(silent) = self.newcomers.overdue(due, self.newcomer_ms_max) {
                self.hang_up(silent, "a connection to the quorum port says nothing");
            }
            if self.replica.is_catching_up() {
                // The next slice of a long history is due at once: what else runs here has its turn before.
                tokio::task::yield_now().await;
            }
        }
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Closed { connection } => drop(self.forget(connection)),
            Event::Bytes { connection, .. } => self.newcomers.remove(connection),
            _ => {}
        }
        let at = now(&self.platform);
        self.replica.step(at, event, &mut self.effects);
        self.perform();
    }

    fn perform(&mut self) {
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            self.perform_one(effect);
        }
        // Performing may have queued more, but never emits effects itself.
        self.effects = effects;
    }

    fn perform_one(&mut self, effect: Effect) {
        match effect {
            Effect::Notify { to, notification } => self.elections.notify(to, notification),
            Effect::ConnectLeader { connection, leader, timeout_ms } => {
                self.dial(connection, leader, timeout_ms);
            }
            Effect::Send { connection, bytes } => {
                let Some(open) = self.connections.get(&connection) else { return };
                if open.send(bytes).is_err() {
                    self.hang_up(connection, "a peer leaves too much unread");
                } else if self.unread.bytes() > self.unread_bytes_max {
                    self.hang_up_on_the_slowest();
                }
            }
            Effect::ReportDrained { connection } => {
                if let Some(open) = self.connections.get(&connection) {
                    open.report_drained();
                }
            }
            Effect::Read { connection, on } => {
                if let Some(open) = self.connections.get(&connection) {
                    open.set_reading(on);
                }
            }
            Effect::Close { connection } => {
                if let Some(task) = self.dialing.remove(&connection) {
                    task.abort();
                }
                if let Some(open) = self.forget(connection) {
                    open.close();
                }
            }
            Effect::Disk { token, op } => {
                // A disk side that stopped has reported why.
                let _ = self.operations.send((token, op));
            }
            Effect::Fatal { reason } => {
                tracing::error!("{reason}");
                self.fatal = Some(reason);
            }
            Effect::Log { level, message, client, session } => {
                self.log(level, &message, client, session);
            }
        }
    }

    /// A line of the log. One about a client names its address and its session, as far as it has them.
    fn log(
        &self,
        level: Level,
        message: &str,
        client: Option<ConnectionId>,
        session: Option<SessionId>,
    ) {
        let server = self.replica.id().0;
        let address = client.and_then(|client| self.client_addresses.get(&client)).map(display);
        let session = session.map(display);
        match level {
            Level::Info => tracing::info!(server, address, session, "{message}"),
            Level::Warn => tracing::warn!(server, address, session, "{message}"),
        }
    }

    /// Ends a connection at once, and says why.
    fn hang_up(&mut self, connection: ConnectionId, why: &str) {
        let session = self.replica.session_of(connection);
        self.log(Level::Warn, why, Some(connection), session);
        if let Some(open) = self.forget(connection) {
            open.hang_up();
        }
        let _ = self.arrivals.send(Event::Closed { connection }.into());
    }

    /// The clients together leave more unread than they may. What those held who go is free only once their
    /// tasks have ended, so it is counted anew.
    fn hang_up_on_the_slowest(&mut self) {
        let clients = self.client_addresses.keys();
        let open = clients.filter_map(|client| Some((*client, self.connections.get(client)?)));
        let accounts = open.map(|(client, open)| (client, open.unread()));
        for client in unread::slowest(self.unread_bytes_max, accounts) {
            self.hang_up(client, "a client leaves too much unread (unreadAnswersMaxBytes)");
        }
    }

    fn accepted(&mut self, stream: io::Result<P::Stream>, port: Port) {
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => return self.accept_failed(&error),
        };
        self.has_accepted = true;
        self.next_connection += 1;
        let connection = ConnectionId(self.next_connection);
        if port == Port::Client && !self.admit(connection, &stream) {
            return;
        }
        match port {
            Port::Client => {
                self.open(connection, stream, CLIENT_UNREAD_BYTES_MAX, self.unread.clone());
            }
            Port::Learner => {
                self.open(connection, stream, PEER_UNREAD_BYTES_MAX, Arc::default());
                let at_ms = now(&self.platform).mono_ms;
                if let Some(oldest) = self.newcomers.add(connection, at_ms) {
                    self.hang_up(oldest, "too many connections to the quorum port say nothing");
                }
            }
        }
        self.step(Event::Accepted { connection, port });
    }

    /// Whether a client's address may have one connection more.
    fn admit(&mut self, connection: ConnectionId, stream: &P::Stream) -> bool {
        let Ok(address) = stream.peer_addr() else { return false };
        let count = self.client_counts.entry(address.ip()).or_default();
        if self.max_client_connections.is_some_and(|max| *count >= max) {
            tracing::warn!(%address, "too many connections from one address (maxClientCnxns)");
            return false;
        }
        *count += 1;
        self.client_addresses.insert(connection, address);
        true
    }

    /// Forgets a connection; its tasks end.
    fn forget(&mut self, connection: ConnectionId) -> Option<Connection<P::Task>> {
        if let Some(address) = self.client_addresses.remove(&connection)
            && let Some(count) = self.client_counts.get_mut(&address.ip())
        {
            *count -= 1;
            if *count == 0 {
                self.client_counts.remove(&address.ip());
            }
        }
        self.newcomers.remove(connection);
        self.connections.remove(&connection)
    }

    fn open(
        &mut self,
        connection: ConnectionId,
        stream: P::Stream,
        unread_bytes_max: usize,
        all: Arc<Unread>,
    ) {
        let (platform, arrivals) = (&self.platform, self.arrivals.clone());
        let open = Connection::start(platform, connection, stream, arrivals, unread_bytes_max, all);
        self.connections.insert(connection, open);
    }

    fn accepted_election(&mut self, stream: io::Result<P::Stream>) {
        match stream {
            Ok(stream) => {
                self.has_accepted = true;
                self.elections.accept(stream);
            }
            Err(error) => self.accept_failed(&error),
        }
    }

    fn accept_failed(&mut self, error: &io::Error) {
        tracing::warn!(%error, "a connection could not be accepted; pausing");
        self.accept_after_ms = now(&self.platform).mono_ms + ACCEPT_RETRY_MS;
    }

    fn election(&mut self, arrival: ElectionArrival<P>) {
        for change in self.elections.take(arrival) {
            self.step(match change {
                ElectionChange::Vote(from, notification) => Event::Election { from, notification },
                ElectionChange::Peer(peer, up) => Event::ElectionPeer { peer, up },
            });
        }
    }

    fn dial(&mut self, connection: ConnectionId, leader: ServerId, timeout_ms: u64) {
        let Some(address) = self.servers.get(&leader).cloned() else {
            let _ = self.arrivals.send(Event::Closed { connection }.into());
            return;
        };
        let (platform, dialed) = (self.platform.clone(), self.dialed.clone());
        let task = self.platform.spawn(async move {
            let connecting = platform.connect(&address.host, address.quorum_port);
            let stream = platform.timeout(timeout_ms, connecting).await;
            let stream = stream.ok().and_then(Result::ok);
            let _ = dialed.send(Dialed { connection, stream });
        });
        self.dialing.insert(connection, task);
    }

    fn dialed(&mut self, dialed: Dialed<P>) {
        let Dialed { connection, stream } = dialed;
        if self.dialing.remove(&connection).is_none() {
            return;
        }
        sometimes!(self, DialFails, stream.is_none());
        match stream {
            Some(stream) => {
                self.open(connection, stream, PEER_UNREAD_BYTES_MAX, Arc::default());
                self.step(Event::Connected { connection });
            }
            None => self.step(Event::Closed { connection }),
        }
    }
}

fn now<P: Platform>(platform: &P) -> Now {
    let wall_ms = i64::try_from(platform.wall_ns() / 1_000_000).unwrap_or(i64::MAX);
    Now { mono_ms: platform.now().0 / 1_000_000, wall_ms }
}
