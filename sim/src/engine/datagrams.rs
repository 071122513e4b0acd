//! Datagrams: sockets with a receive buffer, and what becomes of a datagram under way (RFC 768).
//!
//! A link without trouble delivers each datagram once and in order. Loss, duplication and reordering
//! are faults of links; what reaches a machine without power, a port where nobody is bound or a full
//! buffer is dropped, and nobody is told: the ICMP message of a real machine may get lost, too, so
//! that no program may rely on it. All draws are from streams of their own.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::task::Waker;

use super::agenda::Event;
use super::connect::{ADDRESS_IN_USE, ADDRESS_NOT_AVAILABLE};
use super::current::Waiter;
use super::lane::Lane;
use super::state::State;
use super::world::EngineWorld;
use crate::host::HostId;
use crate::seed::Draws;
use crate::streams;
use crate::trace::Kind;
use crate::world::DatagramTrouble;

/// The ports that Linux gives to sockets that ask for none (`ip_local_port_range`).
const EPHEMERAL: std::ops::RangeInclusive<u16> = 32_768..=60_999;
/// What a socket holds unread, as Linux's `rmem_default` has it; the rest is dropped.
const RECEIVE_BUFFER_BYTES: usize = 212_992;
/// What the buffer counts for each datagram beside its bytes.
const DATAGRAM_OVERHEAD_BYTES: usize = 256;
/// A datagram that is overtaken is under way longer by up to this multiple of the longest latency.
const OVERTAKEN_BY: u64 = 4;

/// One direction of a link.
type Direction = (HostId, HostId);

/// A datagram that has arrived.
#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    pub(crate) from: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

/// A datagram under way.
#[derive(Clone, Debug)]
struct Flight {
    link: Direction,
    to: SocketAddr,
    datagram: Datagram,
}

/// A bound port.
#[derive(Debug)]
struct Socket {
    /// Names it among all that were ever bound.
    birth: u64,
    /// Only the host itself reaches it.
    is_loopback: bool,
    /// From whom alone it receives.
    peer: Option<SocketAddr>,
    received: VecDeque<Datagram>,
    held_bytes: usize,
    reader: Waiter,
}

/// One direction of a link, once a datagram went that way.
#[derive(Debug)]
struct Path {
    /// Decides latencies, and has nothing in it.
    lane: Lane,
    /// Decides what gets lost, is doubled or overtaken.
    whims: Draws,
    last_arrival_ns: u64,
}

/// All sockets, and what is under way between them.
#[derive(Debug, Default)]
pub(crate) struct Datagrams {
    sockets: BTreeMap<(HostId, u16), Socket>,
    births: u64,
    /// Which port a socket that asks for none gets next, if it is free.
    next_ports: BTreeMap<HostId, u16>,
    flights: BTreeMap<u64, Flight>,
    sent: u64,
    paths: BTreeMap<Direction, Path>,
    troubles: BTreeMap<Direction, Vec<DatagramTrouble>>,
}

/// Names a bound socket of a host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SocketKey {
    pub(crate) host: HostId,
    pub(crate) port: u16,
    birth: u64,
}

impl Datagrams {
    fn get_mut(&mut self, key: SocketKey) -> Option<&mut Socket> {
        let socket = self.sockets.get_mut(&(key.host, key.port))?;
        (socket.birth == key.birth).then_some(socket)
    }

    fn free_port(&mut self, host: HostId) -> Option<u16> {
        let next = self.next_ports.entry(host).or_insert(*EPHEMERAL.start());
        for _ in EPHEMERAL {
            let port = *next;
            *next = if port == *EPHEMERAL.end() { *EPHEMERAL.start() } else { port + 1 };
            if !self.sockets.contains_key(&(host, port)) {
                return Some(port);
            }
        }
        None
    }

    /// How many sockets are bound.
    pub(crate) fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Forgets the sockets of a host. Who waits is returned: a waker must not be dropped while the
    /// state is in use.
    fn close_all(&mut self, host: HostId) -> Vec<Waiter> {
        let mut waiting = Vec::new();
        self.sockets.retain(|(of, _), socket| {
            let stays = *of != host;
            if !stays {
                waiting.push(socket.reader.take());
            }
            stays
        });
        waiting
    }
}

impl State {
    /// Binds a port; 0 stands for any.
    pub(crate) fn bind_datagrams(
        &mut self,
        host: HostId,
        port: u16,
        is_loopback: bool,
    ) -> Result<SocketKey, i32> {
        let datagrams = &mut self.datagrams;
        let port = match port {
            0 => datagrams.free_port(host).ok_or(ADDRESS_NOT_AVAILABLE)?,
            port if datagrams.sockets.contains_key(&(host, port)) => return Err(ADDRESS_IN_USE),
            port => port,
        };
        datagrams.births += 1;
        let birth = datagrams.births;
        let socket = Socket {
            birth,
            is_loopback,
            peer: None,
            received: VecDeque::new(),
            held_bytes: 0,
            reader: Waiter::Nobody,
        };
        datagrams.sockets.insert((host, port), socket);
        Ok(SocketKey { host, port, birth })
    }

    /// Frees a port. Who waits at it belongs to the program that closes it.
    pub(crate) fn close_datagrams(&mut self, key: SocketKey) -> Option<Waiter> {
        self.datagrams.get_mut(key)?;
        self.datagrams.sockets.remove(&(key.host, key.port)).map(|socket| socket.reader)
    }

    /// The host's program is gone, or its machine: so are its sockets.
    pub(crate) fn close_all_datagrams(&mut self, host: HostId) {
        let waiting = self.datagrams.close_all(host);
        self.wakes.extend(waiting);
    }

    /// From now on a socket receives from `peer` alone; what came from others is forgotten.
    pub(crate) fn connect_datagrams(&mut self, key: SocketKey, peer: SocketAddr) {
        if let Some(socket) = self.datagrams.get_mut(key) {
            socket.peer = Some(peer);
            socket.received.retain(|datagram| datagram.from == peer);
            let held = socket.received.iter().map(|d| d.bytes.len() + DATAGRAM_OVERHEAD_BYTES);
            socket.held_bytes = held.sum();
        }
    }

    /// Sends a datagram to a port of a host.
    pub(crate) fn send_datagram(
        &mut self,
        key: SocketKey,
        to_host: HostId,
        to: SocketAddr,
        bytes: &[u8],
    ) {
        let link = (key.host, to_host);
        if self.host(key.host).is_doomed || self.datagrams.get_mut(key).is_none() {
            return;
        }
        let own_ip = if to.ip().is_loopback() { to.ip() } else { self.host(key.host).ip };
        let from = SocketAddr::new(own_ip, key.port);
        let now_ns = self.now_ns;
        self.trace.record_between(now_ns, link, Kind::DatagramSent, bytes);
        let flight = Flight { link, to, datagram: Datagram { from, bytes: bytes.to_vec() } };
        for arrival_ns in self.datagram_arrivals_ns(link, bytes.len()) {
            let number = self.datagrams.sent;
            self.datagrams.sent += 1;
            self.datagrams.flights.insert(number, flight.clone());
            self.agenda.push(arrival_ns, Event::Datagram { number });
        }
    }

    /// When the copies of a datagram arrive that is sent now: none, one or two.
    fn datagram_arrivals_ns(&mut self, link: Direction, len: usize) -> Vec<u64> {
        let (seed, now_ns) = (self.seed, self.now_ns);
        let longest_ns = self.settings.latency_range_ns().1;
        let trouble = self.datagram_trouble(link);
        let path = self.datagrams.paths.entry(link).or_insert_with(|| {
            let draws = |purpose| Draws::for_host(seed, purpose, link.0.0, link.1.0.into());
            let lane = Lane::new(link.0, link.1, draws(streams::DATAGRAM_LATENCY));
            Path { lane, whims: draws(streams::DATAGRAM_TROUBLE), last_arrival_ns: 0 }
        });
        let mut arrivals_ns = Vec::new();
        if path.whims.chance(trouble.loss) {
            return arrivals_ns;
        }
        let copies = 1 + usize::from(path.whims.chance(trouble.duplicate));
        for _ in 0..copies {
            let arrival_ns = self.net.links.arrival_ns(&mut path.lane, now_ns, len);
            if path.whims.chance(trouble.reorder) {
                let late_ns = path.whims.range(1, OVERTAKEN_BY * longest_ns);
                arrivals_ns.push(arrival_ns + late_ns);
            } else {
                path.last_arrival_ns = path.last_arrival_ns.max(arrival_ns);
                arrivals_ns.push(path.last_arrival_ns);
            }
        }
        arrivals_ns
    }

    /// What all faults of a direction come to. What loses segments loses datagrams as well.
    fn datagram_trouble(&self, link: Direction) -> DatagramTrouble {
        let none = DatagramTrouble { loss: 0.0, duplicate: 0.0, reorder: 0.0 };
        if link.0 == link.1 {
            return none;
        }
        let also = |a: f64, b: f64| 1.0 - (1.0 - a) * (1.0 - b);
        let troubles = self.datagrams.troubles.get(&link);
        let troubles = troubles.map_or(&[][..], Vec::as_slice).iter();
        let sum = troubles.fold(none, |sum, trouble| DatagramTrouble {
            loss: also(sum.loss, trouble.loss),
            duplicate: also(sum.duplicate, trouble.duplicate),
            reorder: also(sum.reorder, trouble.reorder),
        });
        DatagramTrouble { loss: also(sum.loss, self.net.troubles.loss(link)), ..sum }
    }

    /// A datagram arrives, or is dropped.
    pub(crate) fn datagram_arrives(&mut self, number: u64) {
        let Some(flight) = self.datagrams.flights.remove(&number) else { return };
        let Flight { link: (from, to), to: address, datagram } = flight;
        if !self.net.links.is_open(from, to) || !self.host(to).powered {
            return;
        }
        let Some(socket) = self.datagrams.sockets.get_mut(&(to, address.port())) else { return };
        let is_for_it = socket.peer.is_none_or(|peer| peer == datagram.from);
        let is_reached = !socket.is_loopback || from == to;
        let held_bytes = socket.held_bytes + datagram.bytes.len() + DATAGRAM_OVERHEAD_BYTES;
        if !is_for_it || !is_reached || held_bytes > RECEIVE_BUFFER_BYTES {
            return;
        }
        socket.held_bytes = held_bytes;
        socket.received.push_back(datagram);
        self.wakes.push(socket.reader.take());
    }

    /// Takes the next datagram of a socket, or only looks at it. None: `waker`, if there is one, is
    /// told when one arrives.
    pub(crate) fn receive_datagram(
        &mut self,
        key: SocketKey,
        takes: bool,
        waker: Option<&Waker>,
    ) -> Option<Datagram> {
        let socket = self.datagrams.get_mut(key)?;
        let Some(first) = socket.received.front() else {
            waker.into_iter().for_each(|waker| socket.reader.remember(waker));
            return None;
        };
        if !takes {
            return Some(first.clone());
        }
        let datagram = socket.received.pop_front().expect("it was seen");
        socket.held_bytes -= datagram.bytes.len() + DATAGRAM_OVERHEAD_BYTES;
        let sender = self.host_of(key.host, datagram.from.ip());
        let link = (key.host, sender);
        self.trace.record_between(self.now_ns, link, Kind::DatagramReceived, &datagram.bytes);
        Some(datagram)
    }

    /// Whose address it is, as `host` sees it.
    fn host_of(&self, host: HostId, ip: IpAddr) -> HostId {
        self.host_at(ip).filter(|_| !ip.is_loopback()).unwrap_or(host)
    }
}

impl EngineWorld {
    pub(super) fn change_datagrams(
        &mut self,
        (a, b): Direction,
        what: &str,
        trouble: DatagramTrouble,
        change: impl Fn(&mut Vec<DatagramTrouble>),
    ) {
        let DatagramTrouble { loss, duplicate, reorder } = trouble;
        let mut state = self.state.borrow_mut();
        if a != b {
            for link in [(a, b), (b, a)] {
                let troubles = state.datagrams.troubles.entry(link).or_default();
                change(troubles);
                if troubles.is_empty() {
                    state.datagrams.troubles.remove(&link);
                }
            }
        }
        let content = format!("{what} {loss} {duplicate} {reorder} {b}");
        state.record(Some(a), Kind::Fault, content.as_bytes());
    }
}
