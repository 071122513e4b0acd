//! The table of links and connections that every stream of a world passes.
//!
//! TCP never loses or reorders bytes: it delays them, stalls, resets or times out. So a blocked
//! direction of a link keeps what was sent and delivers it when the link is whole again (RFC 9293,
//! retransmission); a machine that lost power answers nothing, and once it is back it answers what
//! belongs to a connection that it does not know with a reset (RFC 9293, 3.5.1, half-open
//! connections).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::task::Waker;

use super::shared::State;
use crate::host::HostId;
use crate::seed::Draws;
use crate::tap::{Change, ConnId};
use crate::trace::Kind;

/// How long a sender waits before it tries again what was not answered.
const RETRANSMIT_NS: u64 = 1_000_000_000;

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) local: HostId,
    pub(crate) peer: HostId,
    /// The other end, once both are known.
    mate: Option<ConnId>,
    mate_gone: bool,
    halves: u8,
    addresses: (SocketAddr, SocketAddr),
    /// Bytes sent that the peer's program has not read.
    in_flight: u64,
    /// The peer's machine has lost power since the connection was made, or what stands between has
    /// forgotten the connection.
    stale: bool,
    /// Nobody answers what is sent into the void.
    unanswered: bool,
    /// Nothing more will be read, though nothing says so.
    muted: bool,
    /// Bytes sent into the void: to a stale peer, or past a reset that is still held up.
    unacknowledged: u64,
    reset: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// Whether a stream may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// For a writer: with so many bytes at most.
    Open(usize),
    /// A writer's bytes vanish.
    Void,
    Wait,
    Reset,
}

/// All links and connections.
#[derive(Debug, Default)]
pub(crate) struct Network {
    /// How many faults block each direction.
    blocks: BTreeMap<(HostId, HostId), u32>,
    /// How many faults drop SYNs.
    dropped_syns: BTreeMap<(HostId, HostId), u32>,
    conns: BTreeMap<ConnId, Conn>,
    by_addresses: BTreeMap<(HostId, SocketAddr, SocketAddr), ConnId>,
    /// Resets under way, by the time of their arrival.
    resets: BTreeSet<(u64, ConnId)>,
    /// How many connection attempts from one host to another are waiting for an answer.
    attempts: BTreeMap<(HostId, HostId), u32>,
    next_conn: u64,
}

impl Network {
    pub(crate) fn is_open(&self, from: HostId, to: HostId) -> bool {
        self.blocks.is_empty() || !self.blocks.contains_key(&(from, to))
    }

    pub(crate) fn is_whole(&self, a: HostId, b: HostId) -> bool {
        self.is_open(a, b) && self.is_open(b, a)
    }

    /// Whether a SYN is dropped because it is one.
    pub(crate) fn drops_syns(&self, from: HostId, to: HostId) -> bool {
        self.dropped_syns.contains_key(&(from, to))
    }

    pub(crate) fn change_dropped_syns(&mut self, from: HostId, to: HostId, change: fn(u32) -> u32) {
        let count = change(self.dropped_syns.remove(&(from, to)).unwrap_or(0));
        if count > 0 {
            self.dropped_syns.insert((from, to), count);
        }
    }

    /// How many ends of connections exist.
    pub(crate) fn ends(&self) -> usize {
        self.conns.len()
    }

    fn conn(&mut self, id: ConnId) -> &mut Conn {
        self.conns.get_mut(&id).expect("an end is known while one of its halves lives")
    }
}

impl State {
    /// Blocks one direction of a link once more.
    pub(crate) fn block(&mut self, from: HostId, to: HostId) {
        if from != to {
            let count = self.net.blocks.entry((from, to)).or_default();
            *count += 1;
            if *count == 1 {
                self.overhear_change(from, Change::Blocked(to));
            }
        }
    }

    /// Takes one block away; with the last one what was held up goes on.
    pub(crate) fn unblock(&mut self, from: HostId, to: HostId) {
        let Some(count) = self.net.blocks.get_mut(&(from, to)) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        self.net.blocks.remove(&(from, to));
        self.overhear_change(from, Change::Unblocked(to));
        for conn in self.net.conns.values_mut() {
            if conn.local == to && conn.peer == from {
                self.wakes.extend(conn.reader.take());
                self.wakes.extend(conn.writer.take());
            }
        }
    }

    /// Resets connections between two hosts, each with `probability`.
    pub(crate) fn reset_between(&mut self, a: HostId, b: HostId, probability: f64, d: &mut Draws) {
        let between: Vec<ConnId> = self
            .net
            .conns
            .iter()
            .filter(|(id, conn)| {
                let is_pair =
                    (conn.local, conn.peer) == (a, b) || (conn.local, conn.peer) == (b, a);
                // The older end speaks for both.
                is_pair && conn.mate.is_none_or(|mate| **id < mate)
            })
            .map(|(id, _)| *id)
            .collect();
        for id in between {
            if d.chance(probability) {
                let mate = self.net.conn(id).mate;
                self.reset(id);
                mate.into_iter().for_each(|mate| self.reset(mate));
            }
        }
    }

    /// What stands between two hosts forgets their connections: each end is to the other as if its
    /// machine had lost power and were back.
    pub(crate) fn sever(&mut self, a: HostId, b: HostId, silent: bool) {
        let arrival_ns = self.now_ns + self.round_trip_ns();
        for (id, conn) in &mut self.net.conns {
            let ends = (conn.local, conn.peer);
            if a == b || (ends != (a, b) && ends != (b, a)) {
                continue;
            }
            conn.stale = true;
            conn.muted = true;
            conn.unanswered = silent;
            conn.unacknowledged += conn.in_flight;
            if conn.in_flight > 0 && !silent {
                self.net.resets.insert((arrival_ns, *id));
            }
        }
    }

    /// The machine of `host` lost power: its peers hear nothing of it.
    pub(crate) fn fall_silent(&mut self, host: HostId) {
        let blocks = &self.net.blocks;
        for conn in self.net.conns.values_mut().filter(|conn| conn.peer == host) {
            conn.stale = true;
            // What waited in the lost machine's send buffer is gone with it.
            conn.muted |= blocks.contains_key(&(host, conn.local));
            conn.unacknowledged += conn.in_flight;
        }
    }

    /// The machine of `host` is back: it resets what it does not know when it hears of it.
    pub(crate) fn speak_again(&mut self, host: HostId) {
        let arrival_ns = self.now_ns + self.round_trip_ns();
        let stale = self
            .net
            .conns
            .iter()
            .filter(|(_, conn)| conn.peer == host && conn.stale && conn.unacknowledged > 0)
            .filter(|(_, conn)| !conn.unanswered);
        self.net.resets.extend(stale.map(|(id, _)| (arrival_ns, *id)));
    }

    /// Lets the resets that have arrived take effect.
    pub(crate) fn deliver_resets(&mut self) {
        while let Some(&(at_ns, id)) = self.net.resets.first() {
            if at_ns > self.now_ns {
                return;
            }
            self.net.resets.pop_first();
            let Some(conn) = self.net.conns.get(&id) else { continue };
            if self.host(conn.peer).powered && self.net.is_whole(conn.local, conn.peer) {
                self.reset(id);
            } else {
                self.net.resets.insert((self.now_ns + RETRANSMIT_NS, id));
            }
        }
    }

    /// A connection attempt begins.
    pub(crate) fn begin_attempt(&mut self, from: HostId, to: HostId) {
        *self.net.attempts.entry((from, to)).or_default() += 1;
    }

    /// A connection attempt ends. If it was given up just as it was accepted, the accepting end has
    /// no other end: it is reset.
    pub(crate) fn end_attempt(&mut self, from: HostId, to: HostId) {
        let count = self.net.attempts.get_mut(&(from, to)).expect("attempts end once");
        *count -= 1;
        if *count > 0 {
            return;
        }
        self.net.attempts.remove(&(from, to));
        let is_orphan = |conn: &Conn| {
            conn.local == to && conn.peer == from && conn.mate.is_none() && !conn.mate_gone
        };
        let orphans = self.net.conns.iter().filter(|(_, conn)| is_orphan(conn));
        let orphans: Vec<ConnId> = orphans.map(|(id, _)| *id).collect();
        orphans.into_iter().for_each(|id| self.reset(id));
    }

    /// One end of a connection exists. `stale` if its peer has lost power meanwhile.
    pub(crate) fn add_end(
        &mut self,
        local: HostId,
        peer: HostId,
        addresses: (SocketAddr, SocketAddr),
        stale: bool,
    ) -> ConnId {
        let net = &mut self.net;
        let id = ConnId::from_number(net.next_conn);
        if let Some(tap) = &mut self.tap {
            tap.open(id, local, peer, addresses);
        }
        net.next_conn += 1;
        let mate = net.by_addresses.get(&(peer, addresses.1, addresses.0)).copied();
        if let Some(mate) = mate {
            net.conn(mate).mate = Some(id);
        }
        net.by_addresses.insert((local, addresses.0, addresses.1), id);
        net.conns.insert(
            id,
            Conn {
                local,
                peer,
                mate,
                mate_gone: false,
                halves: 2,
                addresses,
                in_flight: 0,
                stale,
                muted: stale,
                unanswered: false,
                unacknowledged: 0,
                reset: false,
                reader: None,
                writer: None,
            },
        );
        id
    }

    /// An accepted end whose attempt has been given up will never have another end.
    pub(crate) fn reset_if_orphan(&mut self, id: ConnId) {
        let conn = self.net.conn(id);
        let (attempt, mate) = ((conn.peer, conn.local), conn.mate);
        if mate.is_none() && !self.net.attempts.contains_key(&attempt) {
            self.reset(id);
        }
    }

    /// One half of an end was dropped.
    pub(crate) fn drop_half(&mut self, id: ConnId) {
        let conn = self.net.conn(id);
        conn.halves -= 1;
        if conn.halves > 0 {
            return;
        }
        let conn = self.net.conns.remove(&id).expect("it was found above");
        let key = (conn.local, conn.addresses.0, conn.addresses.1);
        if self.net.by_addresses.get(&key) == Some(&id) {
            self.net.by_addresses.remove(&key);
        }
        if let Some(mate) = conn.mate.and_then(|mate| self.net.conns.get_mut(&mate)) {
            mate.mate = None;
            mate.mate_gone = true;
            self.wakes.extend(mate.writer.take());
        }
    }

    /// Whether a reader may look for bytes. Remembers its waker either way.
    pub(crate) fn reading_gate(&mut self, id: ConnId, waker: &Waker) -> Gate {
        let conn = self.net.conns.get_mut(&id).expect("a half keeps its end");
        if conn.reset {
            return Gate::Reset;
        }
        remember(&mut conn.reader, waker);
        let held =
            !self.net.blocks.is_empty() && self.net.blocks.contains_key(&(conn.peer, conn.local));
        if conn.muted || held { Gate::Wait } else { Gate::Open(usize::MAX) }
    }

    /// Bytes were read: the sender may send more.
    pub(crate) fn was_read(&mut self, id: ConnId, bytes: &[u8]) {
        let conn = self.net.conn(id);
        let (ends, mate) = ((conn.local, conn.peer), conn.mate);
        if let Some(mate) = mate {
            let mate = self.net.conn(mate);
            mate.in_flight = mate.in_flight.saturating_sub(bytes.len() as u64);
            self.wakes.extend(mate.writer.take());
        }
        self.trace.record_between(self.now_ns, ends, Kind::Received, bytes);
        self.overhear(|tap, moment| tap.read(id, moment, bytes.len()));
    }

    /// The stream ended or failed for its reader. False if the reader must not learn of it, because
    /// the peer's machine had no power to say so.
    pub(crate) fn may_end(&mut self, id: ConnId) -> bool {
        let conn = self.net.conn(id);
        if conn.stale {
            conn.muted = true;
            return false;
        }
        let local = conn.local;
        self.record(Some(local), Kind::StreamEnded, b"");
        true
    }

    /// Whether a writer may write, and how much.
    pub(crate) fn writing_gate(&mut self, id: ConnId, waker: &Waker) -> Gate {
        let window = self.settings.window_bytes;
        let conn = self.net.conns.get_mut(&id).expect("a half keeps its end");
        if conn.reset {
            return Gate::Reset;
        }
        let held = self.net.blocks.contains_key(&(conn.peer, conn.local));
        let is_void = conn.stale || (held && conn.unacknowledged > 0);
        let used = if is_void { conn.unacknowledged } else { conn.in_flight };
        if used >= window && (is_void || !conn.mate_gone) {
            remember(&mut conn.writer, waker);
            return Gate::Wait;
        }
        if is_void {
            return Gate::Void;
        }
        let room = if conn.mate_gone { window } else { window - used };
        Gate::Open(room.min(self.settings.segment_bytes) as usize)
    }

    /// Bytes were given to the engine.
    pub(crate) fn was_sent(&mut self, id: ConnId, bytes: &[u8]) {
        let conn = self.net.conn(id);
        conn.in_flight += bytes.len() as u64;
        let ends = (conn.local, conn.peer);
        self.trace.record_between(self.now_ns, ends, Kind::Sent, bytes);
        self.overhear(|tap, moment| tap.wrote(id, moment, bytes, false));
    }

    /// Bytes were sent that nobody will ever receive.
    pub(crate) fn was_sent_into_void(&mut self, id: ConnId, bytes: &[u8]) {
        let arrival_ns = self.now_ns + self.round_trip_ns();
        let conn = self.net.conn(id);
        let is_first = conn.unacknowledged == 0;
        conn.unacknowledged += bytes.len() as u64;
        let (local, peer, stale) = (conn.local, conn.peer, conn.stale && !conn.unanswered);
        if stale && (is_first || self.host(peer).powered) {
            self.net.resets.insert((arrival_ns, id));
        }
        self.trace.record_between(self.now_ns, (local, peer), Kind::Sent, bytes);
        self.overhear(|tap, moment| tap.wrote(id, moment, bytes, true));
    }

    /// The engine says that the peer has reset the connection. True if the writer must not know
    /// yet, because the way back is blocked or the peer had no power to say so.
    pub(crate) fn hides_reset(&mut self, id: ConnId) -> bool {
        let conn = self.net.conns.get(&id).expect("a half keeps its end");
        conn.stale || !self.net.is_open(conn.peer, conn.local)
    }

    fn reset(&mut self, id: ConnId) {
        let conn = self.net.conn(id);
        if conn.reset {
            return;
        }
        conn.reset = true;
        let local = conn.local;
        let wakers = [conn.reader.take(), conn.writer.take()];
        self.wakes.extend(wakers.into_iter().flatten());
        self.record(Some(local), Kind::StreamEnded, b"reset");
    }

    fn round_trip_ns(&self) -> u64 {
        self.settings.latency_max_ms * 2_000_000
    }
}

fn remember(slot: &mut Option<Waker>, waker: &Waker) {
    match slot {
        Some(kept) if kept.will_wake(waker) => {}
        _ => *slot = Some(waker.clone()),
    }
}
