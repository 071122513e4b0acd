//! A connection as a program holds it: its two halves, which each world makes in its own way.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use platform::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection between two hosts: a half to read from, one to write to, and who is at the other end.
pub struct Connected<R, W> {
    read: R,
    write: W,
    peer: SocketAddr,
}

impl<R, W> Connected<R, W> {
    /// The connection of these halves.
    pub(crate) fn of(read: R, write: W, peer: SocketAddr) -> Connected<R, W> {
        Connected { read, write, peer }
    }

    /// The reading half, without taking it away.
    pub fn reading(&self) -> &R {
        &self.read
    }

    /// The writing half, without taking it away.
    pub fn writing(&self) -> &W {
        &self.write
    }

    /// Both halves, to be used at once.
    pub fn halves_mut(&mut self) -> (&mut R, &mut W) {
        (&mut self.read, &mut self.write)
    }
}

impl<R, W> Stream for Connected<R, W>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Read = R;
    type Write = W;

    fn into_split(self) -> (R, W) {
        (self.read, self.write)
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl<R: AsyncRead + Unpin, W: Unpin> AsyncRead for Connected<R, W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(cx, buf)
    }
}

impl<R: Unpin, W: AsyncWrite + Unpin> AsyncWrite for Connected<R, W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.write).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_shutdown(cx)
    }
}
