//! A TCP socket that is neither connected nor listening yet.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::OnceLock;

use sim::engine::platform::EnginePlatform;

use super::listener::TcpListener;
use super::stream::TcpStream;
use crate::simulated::here;

/// EINVAL of Linux.
const ALREADY_BOUND: i32 = 22;

/// A TCP socket that is set up before it connects or listens.
#[derive(Debug)]
pub struct TcpSocket(Kind);

#[derive(Debug)]
enum Kind {
    Simulated { here: EnginePlatform, bound: OnceLock<SocketAddr>, unspecified: IpAddr },
    Real(tokio::net::TcpSocket),
}

impl TcpSocket {
    /// A socket for IPv4.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new_v4() -> io::Result<TcpSocket> {
        TcpSocket::new(Ipv4Addr::UNSPECIFIED.into(), tokio::net::TcpSocket::new_v4)
    }

    /// A socket for IPv6. In a world it is the same as one for IPv4, which hosts have.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new_v6() -> io::Result<TcpSocket> {
        TcpSocket::new(Ipv6Addr::UNSPECIFIED.into(), tokio::net::TcpSocket::new_v6)
    }

    fn new(
        unspecified: IpAddr,
        real: fn() -> io::Result<tokio::net::TcpSocket>,
    ) -> io::Result<TcpSocket> {
        Ok(TcpSocket(match here() {
            Some(here) => Kind::Simulated { here, bound: OnceLock::new(), unspecified },
            None => Kind::Real(real()?),
        }))
    }

    /// Lets a port be bound that connections of an earlier listener still hold. In a world no port is
    /// held so.
    ///
    /// # Errors
    /// The operating system's.
    pub fn set_reuseaddr(&self, reuseaddr: bool) -> io::Result<()> {
        match &self.0 {
            Kind::Simulated { .. } => Ok(()),
            Kind::Real(socket) => socket.set_reuseaddr(reuseaddr),
        }
    }

    /// Says where it is to listen, or in a normal build, from where it is to connect.
    ///
    /// # Errors
    /// The operating system's.
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        match &self.0 {
            Kind::Simulated { bound, .. } => {
                bound.set(address).map_err(|_| io::Error::from_raw_os_error(ALREADY_BOUND))
            }
            Kind::Real(socket) => socket.bind(address),
        }
    }

    /// Connects to `address`. In a world the own port is one that is free, whatever was bound.
    ///
    /// # Errors
    /// The operating system's, real or simulated.
    pub async fn connect(self, address: SocketAddr) -> io::Result<TcpStream> {
        match self.0 {
            Kind::Simulated { .. } => TcpStream::connect(address).await,
            Kind::Real(socket) => socket.connect(address).await.map(TcpStream::real),
        }
    }

    /// Listens where it was bound.
    ///
    /// # Errors
    /// The operating system's, real or simulated.
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        match self.0 {
            Kind::Simulated { here, bound, unspecified } => {
                let address = bound.into_inner().unwrap_or(SocketAddr::new(unspecified, 0));
                TcpListener::bind_in_world(here, address)
            }
            Kind::Real(socket) => socket.listen(backlog).map(TcpListener::real),
        }
    }
}
