//! What ordinary programs ask of a connection beyond reading and writing: addresses, readiness, and
//! looking at bytes without taking them.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};

use tokio::io::ReadBuf;

use super::connect::EngineListener;
use super::current;
use super::state::State;
use super::stream::{EngineRead, EngineStream, EngineWrite, NOT_CONNECTED, StreamEnd};

impl State {
    /// The addresses of an end: its own and the peer's.
    fn addresses(&self, end: StreamEnd) -> Option<(SocketAddr, SocketAddr)> {
        let conn = self.net.conns.get(end.key)?;
        let address = |side: u8| conn.ends[usize::from(side)].address;
        Some((address(end.side), address(1 - end.side)))
    }

    /// Whether a read would not wait.
    fn is_readable(&self, end: StreamEnd) -> bool {
        let Some(conn) = self.net.conns.get(end.key) else { return true };
        let lane = &conn.lanes[usize::from(1 - end.side)];
        let has_failed = conn.ends[usize::from(end.side)].error.is_some();
        has_failed || lane.arrived > 0 || lane.fin_arrived
    }

    /// Whether a write would not wait.
    fn is_writable(&self, end: StreamEnd) -> bool {
        let Some(conn) = self.net.conns.get(end.key) else { return true };
        let lane = &conn.lanes[usize::from(end.side)];
        let has_failed = conn.ends[usize::from(end.side)].error.is_some();
        let window = self.settings.common.window_bytes;
        has_failed || lane.fin_sent || lane.written - lane.known_read < window
    }

    /// Ready if a read would not wait. Copies what could be read.
    fn peek(&mut self, end: StreamEnd, cx: &Context<'_>, buf: &mut [u8]) -> Poll<usize> {
        let is_readable = self.is_readable(end);
        let Some(conn) = self.net.conns.get_mut(end.key) else { return Poll::Ready(0) };
        if !is_readable {
            conn.ends[usize::from(end.side)].reader.remember(cx.waker());
            return Poll::Pending;
        }
        let lane = &conn.lanes[usize::from(1 - end.side)];
        let len = lane.arrived.min(buf.len());
        buf[..len].copy_from_slice(lane.bytes.front(len));
        Poll::Ready(len)
    }

    /// Ready if a write would not wait.
    fn poll_writable(&mut self, end: StreamEnd, cx: &Context<'_>) -> Poll<()> {
        if self.is_writable(end) {
            return Poll::Ready(());
        }
        let conn = self.net.conns.get_mut(end.key).expect("what is over is writable");
        conn.ends[usize::from(end.side)].writer.remember(cx.waker());
        self.await_acknowledgement(end.key, end.side);
        Poll::Pending
    }
}

/// What came of an attempt that does not wait.
fn now<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

fn addresses(end: StreamEnd) -> io::Result<(SocketAddr, SocketAddr)> {
    let addresses = current::with(end.world, |state| state.addresses(end));
    addresses.ok_or_else(|| io::Error::from_raw_os_error(NOT_CONNECTED))
}

impl EngineStream {
    /// This end's own address.
    ///
    /// # Errors
    /// The connection is not known any more.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.reading().local_addr()
    }
}

impl EngineRead {
    /// This end's own address.
    ///
    /// # Errors
    /// The connection is not known any more.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        addresses(self.end()).map(|(own, _)| own)
    }

    /// The peer's address.
    ///
    /// # Errors
    /// The connection is not known any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        addresses(self.end()).map(|(_, peer)| peer)
    }

    /// Ready once a read would not wait. Copies what could be read.
    pub fn poll_peek(&self, cx: &Context<'_>, buf: &mut [u8]) -> Poll<usize> {
        let end = self.end();
        current::with(end.world, |state| state.peek(end, cx, buf))
    }

    /// Reads what has arrived already.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`]: nothing has. Otherwise as a read.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let (end, mut buf) = (self.end(), ReadBuf::new(buf));
        let polled = current::with(end.world, |state| match state.is_readable(end) {
            true => state.read(end, Waker::noop(), &mut buf),
            false => Poll::Pending,
        });
        now(polled).map(|()| buf.filled().len())
    }
}

impl EngineWrite {
    /// This end's own address.
    ///
    /// # Errors
    /// The connection is not known any more.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        addresses(self.end()).map(|(own, _)| own)
    }

    /// The peer's address.
    ///
    /// # Errors
    /// The connection is not known any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        addresses(self.end()).map(|(_, peer)| peer)
    }

    /// Ready once a write would not wait.
    pub fn poll_writable(&self, cx: &Context<'_>) -> Poll<()> {
        let end = self.end();
        current::with(end.world, |state| state.poll_writable(end, cx))
    }

    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`]: there is none. Otherwise as a write.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        let end = self.end();
        now(current::with(end.world, |state| match state.is_writable(end) {
            true => state.write(end, Waker::noop(), buf),
            false => Poll::Pending,
        }))
    }
}

impl EngineListener {
    /// The next connection. One task at a time is told of an arrival.
    pub fn poll_accept(&self, cx: &Context<'_>) -> Poll<EngineStream> {
        let accepted = current::with(self.world, |state| state.accept(self, cx));
        accepted.map_or(Poll::Pending, Poll::Ready)
    }
}
