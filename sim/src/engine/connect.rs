//! Handshakes: a SYN, its answer, and the end of the handshake, which makes the server's end.
//!
//! A SYN that is not answered is sent again after 1, 2, 4 .. 64 seconds, then the attempt fails with
//! ETIMEDOUT (Linux's `tcp_syn_retries` of 6). A machine where nobody listens refuses; one without
//! power, or whose backlog is full, does not answer.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::agenda::Event;
use super::current::{self, Waiter, WorldId};
use super::delivery::TIMED_OUT;
use super::lane::What;
use super::network::{CLIENT, ConnKey, End, Kernel, Phase, SERVER};
use super::state::State;
use super::stream::{EngineStream, StreamEnd};
use crate::host::HostId;
use crate::trace::Kind;

/// How long an attempt waits after each of its SYNs.
const SYN_WAITS_MS: [u64; 7] = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000];
/// EADDRINUSE of Linux.
pub(crate) const ADDRESS_IN_USE: i32 = 98;
/// EADDRNOTAVAIL of Linux.
pub(crate) const ADDRESS_NOT_AVAILABLE: i32 = 99;
/// ECONNREFUSED of Linux.
const CONNECTION_REFUSED: i32 = 111;

/// What became of the end of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    Opened,
    BacklogFull,
    NobodyListens,
}

impl State {
    /// Begins to connect; the first SYN leaves now.
    pub(crate) fn begin_connect(
        &mut self,
        from: HostId,
        to: HostId,
        ip: IpAddr,
        port: u16,
    ) -> Result<ConnKey, i32> {
        let own_port = self.net.ports.take_any(from).ok_or(ADDRESS_NOT_AVAILABLE)?;
        let own_ip = if ip.is_loopback() { ip } else { self.host(from).ip };
        let end = |host, ip, port| End {
            host,
            address: SocketAddr::new(ip, port),
            kernel: Kernel::Unknown,
            halves: 0,
            error: None,
            reader: Waiter::Nobody,
            writer: Waiter::Nobody,
        };
        let lanes = self.net.next_lanes(from, to);
        let key = self.net.conns.add([end(from, own_ip, own_port), end(to, ip, port)], lanes);
        self.syn(key, 0);
        Ok(key)
    }

    /// Sends a SYN, if the attempt still needs one; after the last it fails.
    pub(crate) fn syn(&mut self, key: ConnKey, attempt: u8) {
        let now_ns = self.now_ns;
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        if conn.phase != Phase::Connecting {
            return;
        }
        let Some(wait_ms) = SYN_WAITS_MS.get(usize::from(attempt)) else {
            return self.fail_connecting(key, TIMED_OUT);
        };
        let lane = &mut conn.lanes[usize::from(CLIENT)];
        let arrival_ns = self.net.links.arrival_ns(lane, now_ns, 0);
        self.agenda.push(arrival_ns, Event::SynArrive { conn: key });
        let next = Event::Syn { conn: key, attempt: attempt + 1 };
        self.agenda.push(now_ns + wait_ms * 1_000_000, next);
    }

    /// A SYN arrives, or is lost.
    pub(crate) fn syn_arrives(&mut self, key: ConnKey) {
        let now_ns = self.now_ns;
        let Some(conn) = self.net.conns.get(key) else { return };
        let (from, to) = (conn.ends[0].host, conn.ends[1].host);
        let port = conn.ends[1].address.port();
        let is_there = self.net.links.is_open(from, to) && self.hosts[to.0 as usize].powered;
        if !is_there || conn.phase != Phase::Connecting {
            return;
        }
        if self.drops_syns(from, to) || self.is_next_lost(from, to) {
            return;
        }
        let listening = self.net.ports.get(to, port);
        let listening = listening.filter(|listening| !listening.is_loopback || from == to);
        if listening.is_some_and(|l| l.backlog.len() >= self.settings.backlog_max) {
            return;
        }
        let greeted = listening.map(|listening| listening.birth);
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        conn.greeted = greeted;
        let lane = &mut conn.lanes[usize::from(SERVER)];
        let arrival_ns = self.net.links.arrival_ns(lane, now_ns, 0);
        let answer = Event::SynAnswer { conn: key, refused: greeted.is_none() };
        self.agenda.push(arrival_ns, answer);
    }

    /// The answer to a SYN arrives, or is lost.
    pub(crate) fn syn_answered(&mut self, key: ConnKey, refused: bool) {
        let Some(conn) = self.net.conns.get(key) else { return };
        let (from, to) = (conn.ends[0].host, conn.ends[1].host);
        let is_there = self.net.links.is_open(to, from) && self.hosts[from.0 as usize].powered;
        if !is_there || conn.phase != Phase::Connecting || self.is_next_lost(to, from) {
            return;
        }
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        if refused {
            return self.fail_connecting(key, CONNECTION_REFUSED);
        }
        conn.phase = Phase::Connected;
        conn.ends[0].kernel = Kernel::Open;
        conn.ends[0].halves = 2;
        self.wakes.push(conn.connector.take());
        self.overhear_end(key, CLIENT);
        self.send(key, CLIENT, What::Open);
    }

    /// Tells the tap, if there is one, that an end exists.
    fn overhear_end(&mut self, key: ConnKey, side: u8) {
        let (Some(tap), Some(conn)) = (&mut self.tap, self.net.conns.get(key)) else { return };
        let [own, peer] = [side, 1 - side].map(|side| &conn.ends[usize::from(side)]);
        tap.open(conn.tap_id(side), own.host, peer.host, (own.address, peer.address));
    }

    fn fail_connecting(&mut self, key: ConnKey, errno: i32) {
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        conn.phase = Phase::Failed(errno);
        self.wakes.push(conn.connector.take());
    }

    /// The program does not want the connection any more, or has heard that there is none.
    pub(crate) fn give_up_connecting(&mut self, key: ConnKey) {
        let Some(conn) = self.net.conns.get_mut(key) else { return };
        if std::mem::replace(&mut conn.phase, Phase::Taken) != Phase::Taken {
            self.close_end(key, CLIENT);
        }
    }

    /// The handshake ends: the connection waits to be accepted.
    pub(crate) fn open(&mut self, key: ConnKey) -> Opening {
        let Some(conn) = self.net.conns.get_mut(key) else { return Opening::NobodyListens };
        let server = &mut conn.ends[usize::from(SERVER)];
        let listening = self.net.ports.get_mut(server.host, server.address.port());
        let Some(listening) = listening.filter(|l| Some(l.birth) == conn.greeted) else {
            return Opening::NobodyListens;
        };
        if listening.backlog.len() >= self.settings.backlog_max {
            return Opening::BacklogFull;
        }
        server.kernel = Kernel::Open;
        listening.backlog.push_back(key);
        self.wakes.push(listening.acceptor.take());
        self.overhear_end(key, SERVER);
        Opening::Opened
    }

    /// Listens; port 0 stands for any. Returns the port and the listener's number.
    pub(crate) fn listen(
        &mut self,
        host: HostId,
        port: u16,
        is_loopback: bool,
    ) -> Result<(u16, u64), i32> {
        self.net.ports.open(host, port, is_loopback).ok_or(ADDRESS_IN_USE)
    }

    /// Closes a port. Who waited to be accepted is reset.
    pub(crate) fn stop_listening(&mut self, host: HostId, port: u16) {
        let Some(listening) = self.net.ports.close(host, port) else { return };
        for key in listening.backlog {
            if self.net.conns.get(key).is_some_and(|c| c.ends[1].kernel == Kernel::Open) {
                self.send_reset(key, SERVER);
                self.forget_if_over(key);
            }
        }
    }

    /// The next connection of a listening port, in the program's hands.
    pub(crate) fn accept(
        &mut self,
        listener: &EngineListener,
        cx: &Context<'_>,
    ) -> Option<EngineStream> {
        let listening = self.net.ports.get_mut(listener.host, listener.port)?;
        if listening.birth != listener.birth {
            return None;
        }
        while let Some(key) = listening.backlog.pop_front() {
            let Some(conn) = self.net.conns.get_mut(key) else { continue };
            conn.ends[usize::from(SERVER)].halves = 2;
            let (peer, address) = (conn.ends[0].host, conn.ends[0].address);
            self.record(Some(listener.host), Kind::Accepted, &peer.0.to_le_bytes());
            let end = StreamEnd { world: listener.world, key, side: SERVER };
            return Some(EngineStream::new(end, address));
        }
        listening.acceptor.remember(cx.waker());
        None
    }
}

/// A connection attempt that waits for its answer. Dropping it gives up.
pub(crate) struct Connecting {
    pub(crate) world: WorldId,
    pub(crate) host: HostId,
    pub(crate) peer: HostId,
    pub(crate) key: ConnKey,
}

impl Future for Connecting {
    type Output = io::Result<EngineStream>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Connecting { world, host, peer, key } = *self;
        current::with(world, |state| {
            let conn = state.net.conns.get_mut(key).expect("an attempt is known while it waits");
            let peer_bytes = peer.0.to_le_bytes();
            match conn.phase {
                Phase::Connecting => {
                    conn.connector.remember(cx.waker());
                    Poll::Pending
                }
                Phase::Failed(errno) => {
                    state.record(Some(host), Kind::ConnectFailed, &peer_bytes);
                    Poll::Ready(Err(io::Error::from_raw_os_error(errno)))
                }
                Phase::Connected => {
                    conn.phase = Phase::Taken;
                    let address = conn.ends[usize::from(SERVER)].address;
                    state.record(Some(host), Kind::Connected, &peer_bytes);
                    let end = StreamEnd { world, key, side: CLIENT };
                    Poll::Ready(Ok(EngineStream::new(end, address)))
                }
                Phase::Taken => panic!("a connection attempt is not polled after its end"),
            }
        })
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        current::try_with(self.world, |state| state.give_up_connecting(self.key));
    }
}

/// A listening port of a host.
pub struct EngineListener {
    pub(crate) world: WorldId,
    pub(crate) host: HostId,
    pub(crate) port: u16,
    pub(crate) birth: u64,
}

impl platform::Listener for EngineListener {
    type Stream = EngineStream;

    async fn accept(&mut self) -> io::Result<EngineStream> {
        std::future::poll_fn(|cx| {
            let accepted = current::with(self.world, |state| state.accept(self, cx));
            accepted.map_or(Poll::Pending, |stream| Poll::Ready(Ok(stream)))
        })
        .await
    }

    fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for EngineListener {
    fn drop(&mut self) {
        current::try_with(self.world, |state| {
            let listening = state.net.ports.get(self.host, self.port);
            if listening.is_some_and(|listening| listening.birth == self.birth) {
                state.stop_listening(self.host, self.port);
            }
        });
    }
}
