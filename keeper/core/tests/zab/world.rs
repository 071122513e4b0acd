//! Several servers in memory: messages in order on every link, disks that a script can hold back,
//! clients, and a clock that moves when the script says so.

mod clients;
mod effects;
mod marking;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use keeper_core::event::{DiskToken, Event, Port};
use keeper_core::ids::{ConnectionId, ServerId, Zxid};
use keeper_core::plants::Plant;
use keeper_core::replica::Replica;
use keeper_core::time::Now;
use keeper_core::zab::ensemble::{Ensemble, Settings};

use crate::client::Client;
use crate::disk::Disk;
use crate::text::{Names, QuorumText};
use marking::Marking;

/// Who sends or receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Host {
    Server(u64),
    Client(u64),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Server(server) => write!(f, "n{server}"),
            Host::Client(client) => write!(f, "c{client}"),
        }
    }
}

/// Election messages and quorum connections are held apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    Votes,
    Packets,
}

/// Something under way to a server.
struct Flight {
    lane: Lane,
    from: Host,
    to: u64,
    what: What,
}

enum What {
    Event(Event),
    /// A connection from this one of the sender's.
    Connect(ConnectionId),
    /// The disk has time for what is pending.
    Sync,
}

/// One side of a connection, as the server knows it.
struct End {
    peer: Host,
    /// The peer's name for the connection.
    peer_connection: ConnectionId,
    /// Reads along what this side sends.
    sent: QuorumText,
}

/// The servers, what is between them, and what has happened since the trace was last taken.
pub(crate) struct World {
    settings: Settings,
    now_ms: u64,
    running: BTreeMap<u64, Replica<Marking>>,
    marking: Marking,
    disks: BTreeMap<u64, Disk>,
    clients: BTreeMap<u64, Client>,
    flights: VecDeque<Flight>,
    held: BTreeSet<(Lane, u64, u64)>,
    cut: BTreeSet<(u64, u64)>,
    ends: BTreeMap<(u64, ConnectionId), End>,
    last_connection: u64,
    names: Names,
    trace: String,
    /// Whether the trace has the leader's heartbeats and their echoes.
    pub(crate) shows_pings: bool,
    /// The most transactions that a server has applied in one step, within an epoch.
    pub(crate) applied_at_once: usize,
}

impl World {
    /// Three servers with empty disks; none has started.
    pub(crate) fn new() -> World {
        World::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> World {
        World::planted(settings, None)
    }

    /// Servers that carry a planted bug, or none.
    pub(crate) fn planted(settings: Settings, plant: Option<Plant>) -> World {
        World {
            settings,
            now_ms: 0,
            running: BTreeMap::new(),
            marking: Marking { plant, ..Marking::default() },
            disks: (1..=3).map(|server| (server, Disk::default())).collect(),
            clients: BTreeMap::new(),
            flights: VecDeque::new(),
            held: BTreeSet::new(),
            cut: BTreeSet::new(),
            ends: BTreeMap::new(),
            last_connection: 0,
            names: Names::default(),
            trace: String::new(),
            shows_pings: false,
            applied_at_once: 0,
        }
    }

    /// Three servers that have elected n3 and serve.
    pub(crate) fn serving() -> World {
        World::new().served()
    }

    pub(crate) fn served(mut self) -> World {
        for server in 1..=3 {
            self.start(server);
        }
        self.run();
        assert!(self.running.values().all(Replica::is_serving), "{}", self.trace);
        self.take();
        self
    }

    /// What has happened since the last time.
    pub(crate) fn take_all(&mut self) -> String {
        std::mem::take(&mut self.trace)
    }

    /// What has happened since the last time, without election messages.
    pub(crate) fn take(&mut self) -> String {
        let lines = self.take_all();
        lines.lines().filter(|line| !line.contains(": vote n")).map(|l| format!("{l}\n")).collect()
    }

    /// A server that is down loses what it had synced, and knows it.
    pub(crate) fn damage(&mut self, server: u64) {
        self.set_disk(server, Disk::damaged());
    }

    pub(crate) fn set_disk(&mut self, server: u64, disk: Disk) {
        self.disks.insert(server, disk);
    }

    /// Starts a server from its disk; the others that run see it come.
    pub(crate) fn start(&mut self, server: u64) {
        let ensemble = Ensemble {
            me: ServerId(server),
            voters: (1..=3).map(ServerId).collect(),
            config_text: String::new(),
            config_version: 0,
        };
        let (now, settings) = (self.now(), self.settings.clone());
        let recovered = self.disks[&server].recover();
        let marking = self.marking.clone();
        let mut replica = Replica::new(now, ensemble, settings, recovered, 0, marking);
        let mut effects = Vec::new();
        replica.start(now, &mut effects);
        self.running.insert(server, replica);
        self.perform(server, effects);
        for peer in 1..=3 {
            if peer != server && self.running.contains_key(&peer) {
                self.meet(server, peer, true);
            } else if peer != server {
                // A call that is not answered.
                self.step(server, Event::ElectionPeer { peer: ServerId(peer), up: false });
            }
        }
    }

    /// A server is gone, with what its disk was not asked to sync; its peers notice at once.
    pub(crate) fn crash(&mut self, server: u64) {
        self.running.remove(&server);
        self.disks.get_mut(&server).unwrap().crash();
        let gone = |flight: &Flight| {
            flight.to == server
                || matches!(flight.what, What::Connect(_)) && flight.from == Host::Server(server)
        };
        self.flights.retain(|flight| !gone(flight));
        for peer in 1..=3 {
            if peer != server && self.running.contains_key(&peer) {
                self.disconnect(server, peer);
                self.meet(server, peer, false);
            }
        }
        self.run();
    }

    /// Two servers lose each other: what was under way between them too.
    pub(crate) fn cut(&mut self, a: u64, b: u64) {
        self.cut.insert((a.min(b), a.max(b)));
        let between = [(Host::Server(a), b), (Host::Server(b), a)];
        self.flights.retain(|flight| !between.contains(&(flight.from, flight.to)));
        self.disconnect(a, b);
        self.meet(a, b, false);
        self.run();
    }

    pub(crate) fn mend(&mut self, a: u64, b: u64) {
        self.cut.remove(&(a.min(b), a.max(b)));
        self.meet(a, b, true);
        self.run();
    }

    /// Keeps what one server sends another under way, in order.
    pub(crate) fn hold(&mut self, lane: Lane, from: u64, to: u64) {
        self.held.insert((lane, from, to));
    }

    pub(crate) fn release(&mut self, lane: Lane, from: u64, to: u64) {
        self.held.remove(&(lane, from, to));
        self.run();
    }

    /// Lets the oldest packet of a link that is held arrive, and runs.
    pub(crate) fn deliver_one(&mut self, from: u64, to: u64) {
        let is_next = |flight: &Flight| flight.from == Host::Server(from) && flight.to == to;
        let at = self.flights.iter().position(is_next).unwrap();
        let flight = self.flights.remove(at).unwrap();
        self.arrive(flight);
        self.run();
    }

    /// From now on a server's disk operations wait for the script.
    pub(crate) fn hold_disk(&mut self, server: u64) {
        self.disks.get_mut(&server).unwrap().held = true;
    }

    pub(crate) fn release_disk(&mut self, server: u64) {
        self.disks.get_mut(&server).unwrap().held = false;
        self.sync(server);
    }

    /// Everything that a server asked of its disk becomes durable.
    pub(crate) fn sync(&mut self, server: u64) {
        self.sync_ops(server, usize::MAX);
    }

    /// The next `count` operations become durable.
    pub(crate) fn sync_ops(&mut self, server: u64, count: usize) {
        let token = self.disks.get_mut(&server).unwrap().sync(count);
        self.persisted(server, token);
        self.run();
    }

    /// Moves the clock, with every tick on the way.
    pub(crate) fn advance(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        for _ in 0..10_000 {
            self.run();
            let due = |(server, replica): (&u64, &Replica<Marking>)| {
                Some((replica.deadline_ms()?, *server))
            };
            let next = self.running.iter().filter_map(due).min();
            let Some((at_ms, server)) = next.filter(|(at_ms, _)| *at_ms <= until_ms) else {
                self.now_ms = until_ms;
                return;
            };
            self.now_ms = self.now_ms.max(at_ms);
            self.step(server, Event::Tick);
        }
        panic!("a tick is due again and again:\n{}", self.trace);
    }

    /// Moves the clock; whose alarms are due by then learns of it later.
    pub(crate) fn wait(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    /// Tells a server to look at the clock, and runs.
    pub(crate) fn tick(&mut self, server: u64) {
        self.step(server, Event::Tick);
        self.run();
    }

    /// Delivers whatever is not held back, oldest first, until nothing more happens.
    pub(crate) fn run(&mut self) {
        for _ in 0..10_000 {
            let held = &self.held;
            let free = |flight: &Flight| match flight.from {
                Host::Server(from) => !held.contains(&(flight.lane, from, flight.to)),
                Host::Client(_) => true,
            };
            let Some(at) = self.flights.iter().position(free) else { return };
            let flight = self.flights.remove(at).unwrap();
            self.arrive(flight);
        }
        panic!("the servers never come to rest:\n{}", self.trace);
    }

    /// Whether a server shows a node.
    pub(crate) fn shows(&self, server: u64, path: &str) -> bool {
        self.running[&server].tree().contains(path)
    }

    /// Whether a server serves clients.
    pub(crate) fn serves(&self, server: u64) -> bool {
        self.running[&server].is_serving()
    }

    fn now(&self) -> Now {
        Now { mono_ms: self.now_ms, wall_ms: 1_000_000 + self.now_ms as i64 }
    }

    fn note(&mut self, line: String) {
        self.trace.push_str(&line);
        self.trace.push('\n');
    }

    fn next_connection(&mut self) -> ConnectionId {
        self.last_connection += 1;
        ConnectionId(self.last_connection)
    }

    fn connect(&mut self, server: u64, at: ConnectionId, peer: Host, peer_at: ConnectionId) {
        let end = End { peer, peer_connection: peer_at, sent: QuorumText::new() };
        self.ends.insert((server, at), end);
    }

    /// Ends every connection between two servers; both are told.
    fn disconnect(&mut self, a: u64, b: u64) {
        let between = |server: u64, end: &End| match end.peer {
            Host::Server(peer) => (server, peer) == (a, b) || (server, peer) == (b, a),
            Host::Client(_) => false,
        };
        let lost: Vec<(u64, ConnectionId)> = self
            .ends
            .iter()
            .filter(|((server, _), end)| between(*server, end))
            .map(|(key, _)| *key)
            .collect();
        for (server, connection) in lost {
            let end = self.ends.remove(&(server, connection)).unwrap();
            self.fly(end.peer, server, Event::Closed { connection });
        }
    }

    /// Election connections come and go at once: no server decides without having met the others.
    fn meet(&mut self, a: u64, b: u64, up: bool) {
        for (server, peer) in [(a, b), (b, a)] {
            let event = Event::ElectionPeer { peer: ServerId(peer), up };
            self.step(server, event);
        }
    }

    fn is_cut(&self, a: Host, b: u64) -> bool {
        matches!(a, Host::Server(a) if self.cut.contains(&(a.min(b), a.max(b))))
    }

    fn fly(&mut self, from: Host, to: u64, event: Event) {
        self.fly_in(Lane::Packets, from, to, event);
    }

    fn fly_in(&mut self, lane: Lane, from: Host, to: u64, event: Event) {
        self.flights.push_back(Flight { lane, from, to, what: What::Event(event) });
    }

    fn arrive(&mut self, Flight { from, to, what, .. }: Flight) {
        match what {
            What::Event(event) => {
                if let Event::Closed { connection } = event {
                    self.ends.remove(&(to, connection));
                }
                self.step(to, event);
            }
            What::Connect(connection) => self.arrive_connect(from, to, connection),
            What::Sync => {
                let token = self.disks.get_mut(&to).unwrap().sync(usize::MAX);
                self.persisted(to, token);
            }
        }
    }

    fn arrive_connect(&mut self, from: Host, to: u64, connection: ConnectionId) {
        let Host::Server(follower) = from else { unreachable!("clients open directly") };
        if !self.running.contains_key(&to) || self.is_cut(from, to) {
            return self.step(follower, Event::Closed { connection });
        }
        let accepted = self.next_connection();
        self.connect(to, accepted, from, connection);
        self.connect(follower, connection, Host::Server(to), accepted);
        self.step(to, Event::Accepted { connection: accepted, port: Port::Learner });
        self.step(follower, Event::Connected { connection });
    }

    fn persisted(&mut self, server: u64, token: Option<DiskToken>) {
        if let Some(token) = token {
            self.note(format!("n{server} disk durable"));
            self.step(server, Event::Persisted { token });
        }
    }

    fn step(&mut self, server: u64, event: Event) {
        let now = self.now();
        let Some(replica) = self.running.get_mut(&server) else { return };
        let applied = replica.applied();
        let mut effects = Vec::new();
        replica.step(now, event, &mut effects);
        let now_applied = replica.applied();
        self.perform(server, effects);
        if now_applied != applied {
            self.note_applied(server, now_applied);
        }
        if now_applied.epoch() == applied.epoch() {
            let count = now_applied.counter().saturating_sub(applied.counter()) as usize;
            self.applied_at_once = self.applied_at_once.max(count);
        }
    }

    fn note_applied(&mut self, server: u64, zxid: Zxid) {
        self.note(format!("n{server} shows {zxid}"));
    }
}
