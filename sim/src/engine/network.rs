//! The table of links and connections.
//!
//! What of a connection is a program's (the halves that it holds) and what is its kernel's are kept
//! apart: a kernel goes on delivering what a closed stream still holds, answers with a reset what
//! belongs to no connection that it knows (RFC 9293, 3.5.1), and forgets everything without power.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::current::Waiter;
use super::lane::{Lane, What};
use super::ports::Ports;
use super::settings::EngineSettings;
use super::state::State;
use super::trouble::{Severed, Troubles};
use crate::host::HostId;
use crate::seed::Draws;
use crate::streams;
use crate::tap::Change;
use crate::tap::ConnId;
use crate::trace::Kind;

/// ECONNRESET of Linux.
pub(crate) const CONNECTION_RESET: i32 = 104;

/// The client's end of a connection, and its lane to the server.
pub(crate) const CLIENT: u8 = 0;
/// The server's end of a connection, and its lane to the client.
pub(crate) const SERVER: u8 = 1;

/// Names a connection. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnKey {
    slot: u32,
    generation: u32,
}

/// What a kernel knows of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// Its program has it, or may accept it.
    Open,
    /// Its program has closed it; what was written is still to be delivered.
    Orphan,
    /// All was delivered. More from the peer is refused.
    Finished,
    /// Nothing: it was never there, was reset, or the power was gone.
    Unknown,
}

impl Kernel {
    /// Whether the kernel waits for acknowledgements.
    pub(crate) fn is_sending(self) -> bool {
        matches!(self, Kernel::Open | Kernel::Orphan)
    }
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) host: HostId,
    pub(crate) address: SocketAddr,
    pub(crate) kernel: Kernel,
    /// How many halves its program holds.
    pub(crate) halves: u8,
    /// Why it failed, as an errno.
    pub(crate) error: Option<i32>,
    pub(crate) reader: Waiter,
    pub(crate) writer: Waiter,
}

/// How far the client's attempt has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Connecting,
    Failed(i32),
    /// The stream is there and not taken yet.
    Connected,
    /// The program has its stream, or has given up.
    Taken,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Conn {
    birth: u64,
    pub(crate) phase: Phase,
    pub(crate) connector: Waiter,
    /// The client's port is not free yet.
    has_port: bool,
    /// Which listener has answered the SYN.
    pub(crate) greeted: Option<u64>,
    pub(crate) ends: [End; 2],
    /// What stands between the ends has forgotten the connection.
    pub(crate) severed: Option<Severed>,
    /// Lane `n` leads away from end `n`.
    pub(crate) lanes: [Lane; 2],
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    conn: Option<Box<Conn>>,
}

/// All connections that some kernel or program knows.
#[derive(Debug, Default)]
pub(crate) struct Conns {
    slots: Vec<Slot>,
    free: Vec<u32>,
    births: u64,
}

impl Conns {
    pub(crate) fn get(&self, key: ConnKey) -> Option<&Conn> {
        let slot = self.slots.get(key.slot as usize)?;
        slot.conn.as_deref().filter(|_| slot.generation == key.generation)
    }

    pub(crate) fn get_mut(&mut self, key: ConnKey) -> Option<&mut Conn> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        slot.conn.as_deref_mut().filter(|_| slot.generation == key.generation)
    }

    pub(crate) fn add(&mut self, ends: [End; 2], lanes: [Lane; 2]) -> ConnKey {
        self.births += 1;
        let conn = Conn {
            birth: self.births,
            phase: Phase::Connecting,
            connector: Waiter::Nobody,
            has_port: true,
            greeted: None,
            severed: None,
            ends,
            lanes,
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 connections")
        });
        let entry = &mut self.slots[slot as usize];
        entry.conn = Some(Box::new(conn));
        ConnKey { slot, generation: entry.generation }
    }

    fn remove(&mut self, key: ConnKey) -> Option<Box<Conn>> {
        let slot = &mut self.slots[key.slot as usize];
        slot.generation = slot.generation.checked_add(1).expect("fewer than 2^32 in a slot");
        self.free.push(key.slot);
        slot.conn.take()
    }

    /// Those of which `is_wanted`, the oldest first.
    fn select(&self, is_wanted: impl Fn(&Conn) -> bool) -> Vec<ConnKey> {
        let mut found: Vec<(u64, ConnKey)> = Vec::new();
        for (number, slot) in self.slots.iter().enumerate() {
            if let Some(conn) = slot.conn.as_deref().filter(|conn| is_wanted(conn)) {
                let key = ConnKey { slot: number as u32, generation: slot.generation };
                found.push((conn.birth, key));
            }
        }
        found.sort_unstable_by_key(|(birth, _)| *birth);
        found.into_iter().map(|(_, key)| key).collect()
    }

    /// Those of two hosts, the oldest first.
    pub(crate) fn between(&self, a: HostId, b: HostId) -> Vec<ConnKey> {
        self.select(|conn| {
            let hosts = (conn.ends[0].host, conn.ends[1].host);
            hosts == (a, b) || hosts == (b, a)
        })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

impl Conn {
    /// The name by which the tap knows an end.
    pub(crate) fn tap_id(&self, side: u8) -> ConnId {
        ConnId::from_number(self.birth << 1 | u64::from(side))
    }
}

/// What is unusual about one direction of a link.
#[derive(Clone, Copy, Debug, Default)]
struct Link {
    /// How many faults block it.
    blocks: u32,
    /// How much longer than usual everything is under way.
    extra_ns: u64,
    /// Bytes per second; none: as everywhere.
    bandwidth: Option<u64>,
    /// When what was sent so far has left its host.
    free_ns: u64,
}

/// All directions of links.
#[derive(Debug, Default)]
pub(crate) struct Links {
    unusual: BTreeMap<(HostId, HostId), Link>,
    latency_ns: (u64, u64),
    loopback_ns: u64,
    bandwidth: u64,
}

impl Links {
    /// Whether what `from` sends arrives at `to`. A host always reaches itself.
    pub(crate) fn is_open(&self, from: HostId, to: HostId) -> bool {
        self.unusual.is_empty() || self.unusual.get(&(from, to)).is_none_or(|l| l.blocks == 0)
    }

    /// When `len` bytes that are sent now along a lane arrive.
    pub(crate) fn arrival_ns(&mut self, lane: &mut Lane, now_ns: u64, len: usize) -> u64 {
        if lane.from == lane.to {
            return now_ns + self.loopback_ns;
        }
        let latency_ns = lane.draw_latency_ns(self.latency_ns);
        if self.unusual.is_empty() && self.bandwidth == 0 {
            return now_ns + latency_ns;
        }
        let link = (lane.from, lane.to);
        let limit = self.unusual.get(&link).and_then(|l| l.bandwidth).unwrap_or(self.bandwidth);
        if limit == 0 {
            let extra_ns = self.unusual.get(&link).map_or(0, |l| l.extra_ns);
            return now_ns + latency_ns + extra_ns;
        }
        let link = self.unusual.entry(link).or_default();
        let sending_ns = u128::from(len as u64) * 1_000_000_000 / u128::from(limit);
        link.free_ns = link.free_ns.max(now_ns) + sending_ns as u64;
        link.free_ns + latency_ns + link.extra_ns
    }
}

/// Everything between hosts.
#[derive(Debug)]
pub(crate) struct Network {
    seed: u64,
    pub(crate) conns: Conns,
    pub(crate) links: Links,
    pub(crate) troubles: Troubles,
    pub(crate) ports: Ports,
    /// How many connections each host has tried to make to each other.
    attempts: BTreeMap<(HostId, HostId), u64>,
}

impl Network {
    pub(crate) fn new(seed: u64, settings: &EngineSettings) -> Network {
        let links = Links {
            unusual: BTreeMap::new(),
            latency_ns: settings.latency_range_ns(),
            loopback_ns: settings.loopback_ns,
            bandwidth: settings.bandwidth_bytes_per_s,
        };
        Network {
            seed,
            conns: Conns::default(),
            links,
            troubles: Troubles::default(),
            ports: Ports::default(),
            attempts: BTreeMap::new(),
        }
    }

    /// The two lanes of the next connection from `client` to `server`. Their latencies come from
    /// streams of their own, so that no other connection moves them.
    pub(crate) fn next_lanes(&mut self, client: HostId, server: HostId) -> [Lane; 2] {
        let ordinal = self.attempts.entry((client, server)).or_default();
        *ordinal += 1;
        let (seed, ordinal) = (self.seed, *ordinal);
        [(client, server, CLIENT), (server, client, SERVER)].map(|(from, to, side)| {
            let index = u64::from(to.0) << 48 | ordinal << 1 | u64::from(side);
            Lane::new(from, to, Draws::for_host(seed, streams::LATENCY, from.0, index))
        })
    }

    /// How many ends of connections programs hold.
    pub(crate) fn ends(&self) -> usize {
        let conns = self.conns.slots.iter().filter_map(|slot| slot.conn.as_deref());
        conns.flat_map(|conn| &conn.ends).filter(|end| end.halves > 0).count()
    }
}

impl State {
    /// Blocks one direction of a link once more.
    pub(crate) fn block(&mut self, from: HostId, to: HostId) {
        if from == to {
            return;
        }
        let link = self.net.links.unusual.entry((from, to)).or_default();
        link.blocks += 1;
        if link.blocks == 1 {
            self.overhear_change(from, Change::Blocked(to));
        }
    }

    /// Takes one block away. What was held up goes on when it is sent again.
    pub(crate) fn unblock(&mut self, from: HostId, to: HostId) {
        let mut is_open = false;
        self.change_link(from, to, |link| {
            is_open = link.blocks == 1;
            link.blocks = link.blocks.saturating_sub(1);
        });
        if is_open {
            self.overhear_change(from, Change::Unblocked(to));
        }
    }

    /// Makes one direction of a link slower or faster; says by how much it is slower now.
    pub(crate) fn slow_down(&mut self, from: HostId, to: HostId, extra_ns: i64) -> u64 {
        let mut slower_ns = 0;
        self.change_link(from, to, |link| {
            link.extra_ns = link.extra_ns.saturating_add_signed(extra_ns);
            slower_ns = link.extra_ns;
        });
        slower_ns
    }

    /// Limits one direction of a link; none: to what the settings say. What waits there already comes
    /// at the new rate.
    pub(crate) fn limit_bandwidth(&mut self, from: HostId, to: HostId, limit: Option<u64>) {
        let now_ns = self.now_ns;
        let links = &mut self.net.links;
        let (_, longest_ns) = links.latency_ns;
        let link = links.unusual.entry((from, to)).or_default();
        // Without any limit (0) nothing waits: before, or from now on.
        let (before, after) =
            (link.bandwidth.unwrap_or(links.bandwidth), limit.unwrap_or(links.bandwidth));
        let ratio = if after == 0 { (0, 1) } else { (before, after) };
        let rest_ns = u128::from(link.free_ns.saturating_sub(now_ns));
        let rest_ns = rest_ns * u128::from(ratio.0) / u128::from(ratio.1);
        link.free_ns = link.free_ns.min(now_ns) + u64::try_from(rest_ns).unwrap_or(u64::MAX);
        let usual_ns = longest_ns + link.extra_ns;
        self.change_link(from, to, |link| link.bandwidth = limit);
        if before == 0 || before == after {
            return;
        }
        for key in self.net.conns.between(from, to) {
            for side in [CLIENT, SERVER] {
                let Some(conn) = self.net.conns.get_mut(key) else { continue };
                let lane = &mut conn.lanes[usize::from(side)];
                if lane.from != from {
                    continue;
                }
                lane.stretch(now_ns, usual_ns, ratio);
                let first_ns = lane.items.front().map(|item| item.arrival_ns);
                if lane.armed_ns.is_some() && first_ns.is_some() && lane.armed_ns != first_ns {
                    self.arm(key, side);
                }
            }
        }
    }

    fn change_link(&mut self, from: HostId, to: HostId, change: impl FnOnce(&mut Link)) {
        let now_ns = self.now_ns;
        let link = self.net.links.unusual.entry((from, to)).or_default();
        change(link);
        let is_usual = link.blocks == 0 && link.extra_ns == 0 && link.bandwidth.is_none();
        if is_usual && link.free_ns <= now_ns {
            self.net.links.unusual.remove(&(from, to));
        }
    }

    /// Resets connections between two hosts, each with `probability`.
    pub(crate) fn reset_between(&mut self, a: HostId, b: HostId, probability: f64, d: &mut Draws) {
        for key in self.net.conns.between(a, b) {
            let conn = self.net.conns.get(key).expect("it was found above");
            if conn.phase == Phase::Connecting || !d.chance(probability) {
                continue;
            }
            for side in [CLIENT, SERVER] {
                if let Some(conn) = self.net.conns.get_mut(key) {
                    conn.lanes[usize::from(side)].die();
                }
                self.fail_end(key, side, CONNECTION_RESET);
            }
        }
    }

    /// An end is over: its kernel forgets it, and its program is told why.
    pub(crate) fn fail_end(&mut self, key: ConnKey, side: u8, errno: i32) {
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        let end = &mut conn.ends[usize::from(side)];
        let was = std::mem::replace(&mut end.kernel, Kernel::Unknown);
        let lane = &mut conn.lanes[usize::from(side)];
        lane.timeout = None;
        if lane.is_lost {
            lane.die();
        }
        if was == Kernel::Open {
            end.error = Some(errno);
            self.wakes.extend([end.reader.take(), end.writer.take()]);
            let host = end.host;
            self.record(Some(host), Kind::StreamEnded, &errno.to_le_bytes());
        }
        self.forget_if_over(key);
    }

    /// A half of an end is dropped by its program.
    pub(crate) fn drop_half(&mut self, key: ConnKey, side: u8) {
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        let end = &mut conn.ends[usize::from(side)];
        if self.hosts[end.host.0 as usize].is_doomed {
            return;
        }
        if end.halves > 0 {
            end.halves -= 1;
            if end.halves == 0 {
                self.close_end(key, side);
            }
        }
    }

    /// Nobody holds an end any more: close(2). What was written is still delivered, unless bytes
    /// were left unread: then the peer is told by a reset (RFC 2525, 2.17).
    pub(crate) fn close_end(&mut self, key: ConnKey, side: u8) {
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        let end = &mut conn.ends[usize::from(side)];
        (end.reader, end.writer) = (Waiter::Nobody, Waiter::Nobody);
        end.halves = 0;
        if end.kernel == Kernel::Open {
            let incoming = &mut conn.lanes[usize::from(1 - side)];
            if incoming.arrived > 0 {
                self.send_reset(key, side);
            } else {
                end.kernel = Kernel::Orphan;
                self.send_fin(key, side);
            }
        }
        self.forget_if_over(key);
    }

    /// Ends the bytes of a lane, if they have not ended.
    pub(crate) fn send_fin(&mut self, key: ConnKey, side: u8) {
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        if !conn.ends[usize::from(side)].kernel.is_sending() {
            return;
        }
        let lane = &mut conn.lanes[usize::from(side)];
        if !std::mem::replace(&mut lane.fin_sent, true) {
            self.send(key, side, What::Fin);
        } else {
            self.finish_if_delivered(key, side);
        }
    }

    /// An orphan of which everything was delivered and acknowledged is finished.
    pub(crate) fn finish_if_delivered(&mut self, key: ConnKey, side: u8) {
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        let (end, lane) = (&mut conn.ends[usize::from(side)], &conn.lanes[usize::from(side)]);
        if end.kernel == Kernel::Orphan && lane.items.is_empty() && lane.timeout.is_none() {
            end.kernel = Kernel::Finished;
            self.forget_if_over(key);
        }
    }

    /// A connection that no kernel and no program knows is forgotten; the client's port is free as
    /// soon as its own host knows nothing of it.
    pub(crate) fn forget_if_over(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get(key) else { return };
        let is_over = |end: &End| end.halves == 0 && !end.kernel.is_sending();
        let client = &conn.ends[usize::from(CLIENT)];
        if conn.phase != Phase::Taken || !is_over(client) {
            return;
        }
        let is_forgotten = is_over(&conn.ends[usize::from(SERVER)]);
        if conn.has_port {
            let (host, port) = (client.host, client.address.port());
            self.net.ports.free(host, port);
            self.net.conns.get_mut(key).expect("it was found above").has_port = false;
        }
        if is_forgotten {
            self.net.conns.remove(key);
        }
    }

    /// The host's machine is without power: its kernel forgets everything and says nothing.
    pub(crate) fn fall_silent(&mut self, host: HostId) {
        self.close_all_datagrams(host);
        for port in self.net.ports.of(host) {
            self.net.ports.close(host, port);
        }
        for key in self.net.conns.select(|conn| conn.ends.iter().any(|end| end.host == host)) {
            let conn = self.net.conns.get_mut(key).expect("it was found above");
            for (end, lane) in conn.ends.iter_mut().zip(&mut conn.lanes) {
                if end.host == host {
                    end.kernel = Kernel::Unknown;
                    lane.timeout = None;
                    if lane.is_lost {
                        lane.die();
                    }
                }
            }
            self.forget_if_over(key);
        }
    }

    /// The host's program is gone with all that it owned: what is left of its handles is elsewhere,
    /// and is closed as a kernel closes the files of a killed process.
    pub(crate) fn close_all(&mut self, host: HostId) {
        self.close_all_datagrams(host);
        for key in self.net.conns.select(|conn| conn.ends.iter().any(|end| end.host == host)) {
            let conn = self.net.conns.get(key).expect("it was found above");
            let sides = [CLIENT, SERVER];
            let held = sides.map(|side| {
                let end = &conn.ends[usize::from(side)];
                end.host == host && end.halves > 0
            });
            for side in sides.into_iter().filter(|side| held[usize::from(*side)]) {
                self.close_end(key, side);
            }
            if self.net.conns.get(key).is_some_and(|conn| conn.ends[0].host == host) {
                self.give_up_connecting(key);
            }
        }
        let ports = self.net.ports.of(host);
        ports.into_iter().for_each(|port| self.stop_listening(host, port));
    }
}
