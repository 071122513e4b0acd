//! Datagrams.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::OnceLock;

use sim::engine::EngineUdp;
use tokio::sync::Mutex;

use super::addresses::{ToSocketAddrs, no_address, resolve};
use crate::simulated::here;

/// ENOTCONN of Linux.
const NOT_CONNECTED: i32 = 107;
/// EDESTADDRREQ of Linux.
const DESTINATION_REQUIRED: i32 = 89;

/// A socket for datagrams.
pub struct UdpSocket(Kind);

enum Kind {
    Simulated {
        inner: EngineUdp,
        peer: OnceLock<SocketAddr>,
        /// The engine tells one task of an arrival: the others wait for their turn.
        turn: Mutex<()>,
    },
    Real(tokio::net::UdpSocket),
}

impl UdpSocket {
    /// Binds a port at an address of this host; port 0 stands for any.
    ///
    /// # Errors
    /// The operating system's, real or simulated.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<UdpSocket> {
        let mut failure = no_address();
        for address in resolve(address.asked()).await? {
            let bound = match here() {
                Some(here) => here.bind_udp(address).map(|inner| Kind::Simulated {
                    inner,
                    peer: OnceLock::new(),
                    turn: Mutex::new(()),
                }),
                None => tokio::net::UdpSocket::bind(address).await.map(Kind::Real),
            };
            match bound {
                Ok(kind) => return Ok(UdpSocket(kind)),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Where it is bound.
    ///
    /// # Errors
    /// The operating system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Kind::Simulated { inner, .. } => Ok(inner.local_addr()),
            Kind::Real(socket) => socket.local_addr(),
        }
    }

    /// Whom it sends to and receives from.
    ///
    /// # Errors
    /// The operating system's: it was not connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Kind::Simulated { peer, .. } => {
                peer.get().copied().ok_or_else(|| io::Error::from_raw_os_error(NOT_CONNECTED))
            }
            Kind::Real(socket) => socket.peer_addr(),
        }
    }

    /// From now on it sends to and receives from one peer. In a world that is said once.
    ///
    /// # Errors
    /// The operating system's, real or simulated.
    pub async fn connect(&self, address: impl ToSocketAddrs) -> io::Result<()> {
        let mut failure = no_address();
        for address in resolve(address.asked()).await? {
            let connected = match &self.0 {
                Kind::Simulated { inner, peer, .. } => inner.connect(address).map(|()| {
                    let kept = *peer.get_or_init(|| address);
                    assert_eq!(kept, address, "a simulated socket is connected once");
                }),
                Kind::Real(socket) => socket.connect(address).await,
            };
            match connected {
                Ok(()) => return Ok(()),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Sends a datagram to the peer.
    ///
    /// # Errors
    /// The operating system's, real or simulated.
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Kind::Simulated { inner, peer, .. } => inner.send_to(buf, *connected(peer)?),
            Kind::Real(socket) => socket.send(buf).await,
        }
    }

    /// Sends a datagram. That it was sent says nothing of its arrival.
    ///
    /// # Errors
    /// The operating system's, real or simulated.
    pub async fn send_to(&self, buf: &[u8], target: impl ToSocketAddrs) -> io::Result<usize> {
        // As tokio's, it tries one address.
        let found = resolve(target.asked()).await?;
        let address = *found.first().ok_or_else(no_address)?;
        match &self.0 {
            Kind::Simulated { inner, .. } => inner.send_to(buf, address),
            Kind::Real(socket) => socket.send_to(buf, address).await,
        }
    }

    /// As [`UdpSocket::send_to`], without waiting.
    ///
    /// # Errors
    /// The operating system's, real or simulated.
    pub fn try_send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
        match &self.0 {
            Kind::Simulated { inner, .. } => inner.send_to(buf, target),
            Kind::Real(socket) => socket.try_send_to(buf, target),
        }
    }

    /// The next datagram of the peer; what does not fit is lost. Cancel safe.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Kind::Simulated { peer, .. } => {
                connected(peer)?;
                Ok(self.recv_from(buf).await?.0)
            }
            Kind::Real(socket) => socket.recv(buf).await,
        }
    }

    /// The next datagram and who sent it; what does not fit is lost. Cancel safe.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Kind::Simulated { inner, turn, .. } => {
                let _turn = turn.lock().await;
                poll_fn(|cx| inner.poll_recv_from(cx, buf, false)).await
            }
            Kind::Real(socket) => socket.recv_from(buf).await,
        }
    }

    /// The next datagram and who sent it; it stays where it is. Cancel safe.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Kind::Simulated { inner, turn, .. } => {
                let _turn = turn.lock().await;
                poll_fn(|cx| inner.poll_recv_from(cx, buf, true)).await
            }
            Kind::Real(socket) => socket.peek_from(buf).await,
        }
    }

    /// The next datagram, without waiting.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`], or the operating system's.
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Kind::Simulated { inner, .. } => inner.try_recv_from(buf),
            Kind::Real(socket) => socket.try_recv_from(buf),
        }
    }

    /// Ends when a datagram is there. Cancel safe.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn readable(&self) -> io::Result<()> {
        match &self.0 {
            Kind::Simulated { inner, turn, .. } => {
                let _turn = turn.lock().await;
                poll_fn(|cx| inner.poll_readable(cx)).await;
                Ok(())
            }
            Kind::Real(socket) => socket.readable().await,
        }
    }
}

fn connected(peer: &OnceLock<SocketAddr>) -> io::Result<&SocketAddr> {
    peer.get().ok_or_else(|| io::Error::from_raw_os_error(DESTINATION_REQUIRED))
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket").field("local_addr", &self.local_addr()).finish_non_exhaustive()
    }
}
