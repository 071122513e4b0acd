//! The halves of a connection.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use sim::engine::{EngineRead, EngineStream, EngineWrite};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::tcp;

use super::stream::TcpStream;

/// The reading half of a stream that was split for good.
pub struct OwnedReadHalf(Reading);

enum Reading {
    Simulated(EngineRead),
    Real(tcp::OwnedReadHalf),
}

/// The writing half of a stream that was split for good. Dropping it ends the peer's reading.
pub struct OwnedWriteHalf(Writing);

enum Writing {
    Simulated(EngineWrite),
    Real(tcp::OwnedWriteHalf),
}

/// The reading half of a stream, borrowed.
pub struct ReadHalf<'a>(BorrowedRead<'a>);

enum BorrowedRead<'a> {
    Simulated(&'a mut EngineRead),
    Real(tcp::ReadHalf<'a>),
}

/// The writing half of a stream, borrowed.
pub struct WriteHalf<'a>(BorrowedWrite<'a>);

enum BorrowedWrite<'a> {
    Simulated(&'a mut EngineWrite),
    Real(tcp::WriteHalf<'a>),
}

/// Two halves are not of the same stream; they are given back.
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tried to reunite halves that are not from the same socket")
    }
}

impl Error for ReuniteError {}

pub(super) fn owned((read, write): (EngineRead, EngineWrite)) -> (OwnedReadHalf, OwnedWriteHalf) {
    (OwnedReadHalf(Reading::Simulated(read)), OwnedWriteHalf(Writing::Simulated(write)))
}

pub(super) fn owned_real(
    (read, write): (tcp::OwnedReadHalf, tcp::OwnedWriteHalf),
) -> (OwnedReadHalf, OwnedWriteHalf) {
    (OwnedReadHalf(Reading::Real(read)), OwnedWriteHalf(Writing::Real(write)))
}

pub(super) fn borrowed<'a>(
    (read, write): (&'a mut EngineRead, &'a mut EngineWrite),
) -> (ReadHalf<'a>, WriteHalf<'a>) {
    (ReadHalf(BorrowedRead::Simulated(read)), WriteHalf(BorrowedWrite::Simulated(write)))
}

pub(super) fn borrowed_real<'a>(
    (read, write): (tcp::ReadHalf<'a>, tcp::WriteHalf<'a>),
) -> (ReadHalf<'a>, WriteHalf<'a>) {
    (ReadHalf(BorrowedRead::Real(read)), WriteHalf(BorrowedWrite::Real(write)))
}

impl OwnedReadHalf {
    /// Puts both halves of a stream together again.
    ///
    /// # Errors
    /// They are of two streams.
    pub fn reunite(self, write: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        match (self.0, write.0) {
            (Reading::Simulated(read), Writing::Simulated(write)) => {
                let reunited = EngineStream::reunite(read, write).map(TcpStream::simulated);
                reunited.map_err(|halves| {
                    let (read, write) = owned(halves);
                    ReuniteError(read, write)
                })
            }
            (Reading::Real(read), Writing::Real(write)) => {
                let reunited = read.reunite(write).map(TcpStream::real);
                reunited.map_err(|tcp::ReuniteError(read, write)| {
                    let (read, write) = owned_real((read, write));
                    ReuniteError(read, write)
                })
            }
            (read, write) => Err(ReuniteError(OwnedReadHalf(read), OwnedWriteHalf(write))),
        }
    }
}

impl OwnedWriteHalf {
    /// Puts both halves of a stream together again.
    ///
    /// # Errors
    /// They are of two streams.
    pub fn reunite(self, read: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        read.reunite(self)
    }
}

/// All halves know both addresses.
macro_rules! addresses {
    ($($half:ty, $kind:ident;)*) => {$(
        impl $half {
            /// This end's address.
            ///
            /// # Errors
            /// The operating system's, real or simulated.
            pub fn local_addr(&self) -> io::Result<SocketAddr> {
                match &self.0 {
                    $kind::Simulated(half) => half.local_addr(),
                    $kind::Real(half) => half.local_addr(),
                }
            }

            /// The peer's address.
            ///
            /// # Errors
            /// The operating system's, real or simulated.
            pub fn peer_addr(&self) -> io::Result<SocketAddr> {
                match &self.0 {
                    $kind::Simulated(half) => half.peer_addr(),
                    $kind::Real(half) => half.peer_addr(),
                }
            }
        }

        impl fmt::Debug for $half {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut debug = f.debug_struct(stringify!($half));
                debug.field("peer_addr", &self.peer_addr()).finish_non_exhaustive()
            }
        }
    )*};
}

addresses! {
    OwnedReadHalf, Reading;
    OwnedWriteHalf, Writing;
    ReadHalf<'_>, BorrowedRead;
    WriteHalf<'_>, BorrowedWrite;
}

/// Reading halves read.
macro_rules! reads {
    ($($half:ty, $kind:ident;)*) => {$(
        impl AsyncRead for $half {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                match &mut self.0 {
                    $kind::Simulated(half) => Pin::new(&mut *half).poll_read(cx, buf),
                    $kind::Real(half) => Pin::new(half).poll_read(cx, buf),
                }
            }
        }
    )*};
}

reads! {
    OwnedReadHalf, Reading;
    ReadHalf<'_>, BorrowedRead;
}

/// Writing halves write.
macro_rules! writes {
    ($($half:ty, $kind:ident;)*) => {$(
        impl AsyncWrite for $half {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                match &mut self.0 {
                    $kind::Simulated(half) => Pin::new(&mut *half).poll_write(cx, buf),
                    $kind::Real(half) => Pin::new(half).poll_write(cx, buf),
                }
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match &mut self.0 {
                    $kind::Simulated(half) => Pin::new(&mut *half).poll_flush(cx),
                    $kind::Real(half) => Pin::new(half).poll_flush(cx),
                }
            }

            fn poll_shutdown(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                match &mut self.0 {
                    $kind::Simulated(half) => Pin::new(&mut *half).poll_shutdown(cx),
                    $kind::Real(half) => Pin::new(half).poll_shutdown(cx),
                }
            }
        }
    )*};
}

writes! {
    OwnedWriteHalf, Writing;
    WriteHalf<'_>, BorrowedWrite;
}
