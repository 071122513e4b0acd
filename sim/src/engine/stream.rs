//! What a program sees of a connection.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::agenda::Event;
use super::current::{self, Waiter, WorldId};
use super::lane::What;
use super::network::{CONNECTION_RESET, ConnKey};
use super::state::State;
use crate::connected::Connected;
use crate::host::HostId;
use crate::trace::Kind;

/// EPIPE of Linux.
const BROKEN_PIPE: i32 = 32;
/// ENOTCONN of Linux.
pub(crate) const NOT_CONNECTED: i32 = 107;

/// Names an end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamEnd {
    pub(crate) world: WorldId,
    pub(crate) key: ConnKey,
    pub(crate) side: u8,
}

/// What chance does to a read or a write.
enum Whim {
    /// At most so many bytes.
    Go(usize),
    /// Not now.
    Yield,
}

fn failed<T>(errno: i32) -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::Error::from_raw_os_error(errno)))
}

impl State {
    /// Reads what has arrived.
    pub(crate) fn read(
        &mut self,
        end: StreamEnd,
        waker: &Waker,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (own, peer) = (usize::from(end.side), usize::from(1 - end.side));
        let Some(conn) = self.net.conns.get_mut(end.key) else { return failed(NOT_CONNECTED) };
        let host = conn.ends[own].host;
        if conn.ends[own].halves == 0 {
            return failed(NOT_CONNECTED);
        }
        let available = conn.lanes[peer].arrived.min(buf.remaining());
        if available == 0 {
            if let Some(errno) = conn.ends[own].error {
                return failed(errno);
            }
            if conn.lanes[peer].fin_arrived {
                self.record(Some(host), Kind::StreamEnded, b"");
                return Poll::Ready(Ok(()));
            }
            conn.ends[own].reader.remember(waker);
            return Poll::Pending;
        }
        let len = match self.whim(host, available, waker) {
            Whim::Go(len) => len,
            Whim::Yield => return Poll::Pending,
        };
        let conn = self.net.conns.get_mut(end.key).expect("it was found above");
        let lane = &mut conn.lanes[peer];
        let from = lane.from;
        let bytes = lane.bytes.front(len);
        buf.put_slice(bytes);
        self.trace.record_between(self.now_ns, (host, from), Kind::Received, bytes);
        lane.bytes.consume(len);
        lane.arrived -= len;
        lane.read += len as u64;
        if self.tap.is_some() {
            let id = conn.tap_id(end.side);
            self.overhear(|tap, moment| tap.read(id, moment, len));
        }
        self.make_room(end);
        Poll::Ready(Ok(()))
    }

    /// The sender learns that there is room: at once if it does not wait for it, which nobody can
    /// tell, and else after the time that the news takes.
    fn make_room(&mut self, end: StreamEnd) {
        let now_ns = self.now_ns;
        let (own, peer) = (usize::from(end.side), usize::from(1 - end.side));
        let conn = self.net.conns.get_mut(end.key).expect("it was found by the caller");
        let [first, second] = &mut conn.lanes;
        let (back, lane) = if own == 0 { (first, second) } else { (second, first) };
        if matches!(conn.ends[peer].writer, Waiter::Nobody) {
            if self.net.links.is_open(back.from, back.to) {
                lane.known_read = lane.read;
            }
        } else if !std::mem::replace(&mut lane.is_room_under_way, true) {
            let arrival_ns = self.net.links.arrival_ns(back, now_ns, 0);
            let side = 1 - end.side;
            self.agenda.push(arrival_ns, Event::Room { conn: end.key, side });
        }
    }

    /// Writes as much as there is room for.
    pub(crate) fn write(
        &mut self,
        end: StreamEnd,
        waker: &Waker,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let own = usize::from(end.side);
        let window = self.settings.common.window_bytes;
        let segment = self.settings.common.segment_bytes;
        let Some(conn) = self.net.conns.get_mut(end.key) else { return failed(BROKEN_PIPE) };
        let (host, lane) = (conn.ends[own].host, &conn.lanes[own]);
        match conn.ends[own].error {
            Some(CONNECTION_RESET) => return failed(BROKEN_PIPE),
            Some(errno) => return failed(errno),
            None if lane.fin_sent || conn.ends[own].halves == 0 => return failed(BROKEN_PIPE),
            None => {}
        }
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.hosts[host.0 as usize].is_doomed {
            return Poll::Ready(Ok(buf.len()));
        }
        let room = window.saturating_sub(lane.written - lane.known_read).min(segment) as usize;
        if room == 0 {
            conn.ends[own].writer.remember(waker);
            self.await_acknowledgement(end.key, end.side);
            return Poll::Pending;
        }
        let len = match self.whim(host, room.min(buf.len()), waker) {
            Whim::Go(len) => len,
            Whim::Yield => return Poll::Pending,
        };
        let conn = self.net.conns.get_mut(end.key).expect("it was found above");
        let id = conn.tap_id(end.side);
        let lane = &mut conn.lanes[own];
        let (to, is_void) = (lane.to, lane.is_dead);
        lane.bytes.push(&buf[..len]);
        lane.written += len as u64;
        self.send(end.key, end.side, What::Data(len));
        self.trace.record_between(self.now_ns, (host, to), Kind::Sent, &buf[..len]);
        self.overhear(|tap, moment| tap.wrote(id, moment, &buf[..len], is_void));
        Poll::Ready(Ok(len))
    }

    fn shut_down(&mut self, end: StreamEnd) -> Poll<io::Result<()>> {
        let own = usize::from(end.side);
        let Some(conn) = self.net.conns.get(end.key) else { return failed(NOT_CONNECTED) };
        if conn.ends[own].error.is_some() || conn.ends[own].halves == 0 {
            return failed(NOT_CONNECTED);
        }
        if self.host(conn.ends[own].host).is_doomed {
            return Poll::Ready(Ok(()));
        }
        self.send_fin(end.key, end.side);
        Poll::Ready(Ok(()))
    }

    /// Now and then a read or write does less than it could, as real ones may (read(2), write(2)).
    fn whim(&mut self, host: HostId, len: usize, waker: &Waker) -> Whim {
        let one_in = self.settings.spurious_one_in;
        if one_in == 0 {
            return Whim::Go(len);
        }
        let draws = &mut self.hosts[host.0 as usize].whim;
        if draws.below(one_in) != 0 {
            return Whim::Go(len);
        }
        if draws.below(2) == 0 {
            return Whim::Go(draws.range(1, len as u64) as usize);
        }
        let mut waiter = Waiter::Nobody;
        waiter.remember(waker);
        self.wakes.push(waiter);
        Whim::Yield
    }
}

/// A connection between two hosts.
pub type EngineStream = Connected<EngineRead, EngineWrite>;

impl EngineStream {
    pub(crate) fn new(end: StreamEnd, peer: SocketAddr) -> EngineStream {
        Connected::of(EngineRead(end), EngineWrite(end), peer)
    }

    /// Puts the halves together again that [`platform::Stream::into_split`] took apart; they are given back if
    /// they are of two streams.
    ///
    /// # Errors
    /// The halves do not belong together.
    pub fn reunite(
        read: EngineRead,
        write: EngineWrite,
    ) -> Result<EngineStream, (EngineRead, EngineWrite)> {
        let (a, b) = (read.0, write.0);
        let peer = read.peer_addr();
        match peer {
            Ok(peer) if (a.world, a.key, a.side) == (b.world, b.key, b.side) => {
                Ok(Connected::of(read, write, peer))
            }
            _ => Err((read, write)),
        }
    }
}

impl EngineRead {
    pub(crate) fn end(&self) -> StreamEnd {
        self.0
    }
}

impl EngineWrite {
    pub(crate) fn end(&self) -> StreamEnd {
        self.0
    }
}

/// The reading half of an [`EngineStream`].
pub struct EngineRead(StreamEnd);

/// The writing half of an [`EngineStream`]. Dropping it ends the peer's reading.
pub struct EngineWrite(StreamEnd);

impl Drop for EngineRead {
    fn drop(&mut self) {
        current::try_with(self.0.world, |state| state.drop_half(self.0.key, self.0.side));
    }
}

impl Drop for EngineWrite {
    fn drop(&mut self) {
        current::try_with(self.0.world, |state| {
            // Closing the whole decides by itself how the bytes end.
            let conn = state.net.conns.get(self.0.key);
            if conn.is_some_and(|conn| conn.ends[usize::from(self.0.side)].halves > 1) {
                state.send_fin(self.0.key, self.0.side);
            }
            state.drop_half(self.0.key, self.0.side);
        });
    }
}

impl AsyncRead for EngineRead {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        current::with(self.0.world, |state| state.read(self.0, cx.waker(), buf))
    }
}

impl AsyncWrite for EngineWrite {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        current::with(self.0.world, |state| state.write(self.0, cx.waker(), buf))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        current::with(self.0.world, |state| state.shut_down(self.0))
    }
}
