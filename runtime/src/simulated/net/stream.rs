//! A connection.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use platform::{Platform, Stream};
use sim::engine::EngineStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::addresses::{ToSocketAddrs, no_address, resolve};
use super::halves::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::simulated::here;

/// A connection to a peer.
pub struct TcpStream(Kind);

enum Kind {
    Simulated { inner: EngineStream, is_nodelay: AtomicBool },
    Real(tokio::net::TcpStream),
}

impl TcpStream {
    /// Connects to the first of the addresses that answers.
    ///
    /// # Errors
    /// The operating system's, real or simulated. A host that does not answer is given up after
    /// about two minutes, so that a program had better have a time limit of its own.
    pub async fn connect(address: impl ToSocketAddrs) -> io::Result<TcpStream> {
        let mut failure = no_address();
        for address in resolve(address.asked()).await? {
            let connected = match here() {
                Some(here) => {
                    let (host, port) = (address.ip().to_string(), address.port());
                    here.connect(&host, port).await.map(TcpStream::simulated)
                }
                None => tokio::net::TcpStream::connect(address).await.map(TcpStream::real),
            };
            match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    pub(super) fn simulated(inner: EngineStream) -> TcpStream {
        TcpStream(Kind::Simulated { inner, is_nodelay: AtomicBool::new(false) })
    }

    pub(super) fn real(stream: tokio::net::TcpStream) -> TcpStream {
        TcpStream(Kind::Real(stream))
    }

    /// This end's address.
    ///
    /// # Errors
    /// The operating system's, real or simulated.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Kind::Simulated { inner, .. } => inner.local_addr(),
            Kind::Real(stream) => stream.local_addr(),
        }
    }

    /// The peer's address.
    ///
    /// # Errors
    /// The operating system's, real or simulated.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Kind::Simulated { inner, .. } => inner.peer_addr(),
            Kind::Real(stream) => stream.peer_addr(),
        }
    }

    /// Whether small writes leave at once. In a world they always do.
    ///
    /// # Errors
    /// The operating system's.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        match &self.0 {
            Kind::Simulated { is_nodelay, .. } => {
                is_nodelay.store(nodelay, Ordering::Relaxed);
                Ok(())
            }
            Kind::Real(stream) => stream.set_nodelay(nodelay),
        }
    }

    /// What was said by [`TcpStream::set_nodelay`].
    ///
    /// # Errors
    /// The operating system's.
    pub fn nodelay(&self) -> io::Result<bool> {
        match &self.0 {
            Kind::Simulated { is_nodelay, .. } => Ok(is_nodelay.load(Ordering::Relaxed)),
            Kind::Real(stream) => stream.nodelay(),
        }
    }

    /// Ends when a read would not wait. Cancel safe.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn readable(&self) -> io::Result<()> {
        match &self.0 {
            Kind::Simulated { inner, .. } => {
                poll_fn(|cx| inner.reading().poll_peek(cx, &mut [])).await;
                Ok(())
            }
            Kind::Real(stream) => stream.readable().await,
        }
    }

    /// Ends when a write would not wait. Cancel safe.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn writable(&self) -> io::Result<()> {
        match &self.0 {
            Kind::Simulated { inner, .. } => {
                poll_fn(|cx| inner.writing().poll_writable(cx)).await;
                Ok(())
            }
            Kind::Real(stream) => stream.writable().await,
        }
    }

    /// Copies what a read would give, and leaves it there. Cancel safe.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Kind::Simulated { inner, .. } => {
                Ok(poll_fn(|cx| inner.reading().poll_peek(cx, buf)).await)
            }
            Kind::Real(stream) => stream.peek(buf).await,
        }
    }

    /// Reads without waiting.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`], or the operating system's.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Kind::Simulated { inner, .. } => inner.reading().try_read(buf),
            Kind::Real(stream) => stream.try_read(buf),
        }
    }

    /// Writes without waiting.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`], or the operating system's.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Kind::Simulated { inner, .. } => inner.writing().try_write(buf),
            Kind::Real(stream) => stream.try_write(buf),
        }
    }

    /// Both halves, to be used at once in one task.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        match &mut self.0 {
            Kind::Simulated { inner, .. } => halves::borrowed(inner.halves_mut()),
            Kind::Real(stream) => halves::borrowed_real(stream.split()),
        }
    }

    /// Both halves, each to go its own way. Dropping the writing half ends the peer's reading.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        match self.0 {
            Kind::Simulated { inner, .. } => halves::owned(inner.into_split()),
            Kind::Real(stream) => halves::owned_real(stream.into_split()),
        }
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpStream").field("peer_addr", &self.peer_addr()).finish_non_exhaustive()
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Simulated { inner, .. } => Pin::new(inner).poll_read(cx, buf),
            Kind::Real(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Kind::Simulated { inner, .. } => Pin::new(inner).poll_write(cx, buf),
            Kind::Real(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Simulated { inner, .. } => Pin::new(inner).poll_flush(cx),
            Kind::Real(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Simulated { inner, .. } => Pin::new(inner).poll_shutdown(cx),
            Kind::Real(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
