//! Listening for connections.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::task::{Context, Poll};

use platform::{Listener, Stream};
use sim::engine::platform::{EngineListener, EnginePlatform};
use tokio::sync::Mutex;

use super::addresses::{ToSocketAddrs, no_address, resolve};
use super::stream::TcpStream;
use crate::simulated::here;

/// A port that is listened on.
pub struct TcpListener(Kind);

enum Kind {
    Simulated {
        inner: EngineListener,
        ip: IpAddr,
        /// The engine tells one task of an arrival: the others wait for their turn.
        turn: Mutex<()>,
    },
    Real(tokio::net::TcpListener),
}

impl TcpListener {
    /// Listens at an address of this host; port 0 stands for any.
    ///
    /// # Errors
    /// The operating system's, real or simulated.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<TcpListener> {
        let mut failure = no_address();
        for address in resolve(address.asked()).await? {
            let bound = match here() {
                Some(here) => TcpListener::bind_in_world(here, address),
                None => tokio::net::TcpListener::bind(address).await.map(TcpListener::real),
            };
            match bound {
                Ok(listener) => return Ok(listener),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    pub(super) fn bind_in_world(
        here: EnginePlatform,
        address: SocketAddr,
    ) -> io::Result<TcpListener> {
        let ip = match address.ip() {
            ip if ip.is_unspecified() => Ipv4Addr::UNSPECIFIED.into(),
            ip => ip,
        };
        let inner = here.listen_at(&ip.to_string(), address.port())?;
        Ok(TcpListener(Kind::Simulated { inner, ip, turn: Mutex::new(()) }))
    }

    pub(super) fn real(listener: tokio::net::TcpListener) -> TcpListener {
        TcpListener(Kind::Real(listener))
    }

    /// The next connection, and its peer's address. Cancel safe.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match &self.0 {
            Kind::Simulated { turn, .. } => {
                let _turn = turn.lock().await;
                poll_fn(|cx| self.poll_accept(cx)).await
            }
            Kind::Real(listener) => {
                listener.accept().await.map(|(stream, peer)| (TcpStream::real(stream), peer))
            }
        }
    }

    /// As [`TcpListener::accept`]; the last task that polled is told of an arrival.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        match &self.0 {
            Kind::Simulated { inner, .. } => inner.poll_accept(cx).map(|stream| {
                let peer = stream.peer_addr()?;
                Ok((TcpStream::simulated(stream), peer))
            }),
            Kind::Real(listener) => {
                listener.poll_accept(cx).map_ok(|(stream, peer)| (TcpStream::real(stream), peer))
            }
        }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The operating system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Kind::Simulated { inner, ip, .. } => Ok(SocketAddr::new(*ip, inner.port())),
            Kind::Real(listener) => listener.local_addr(),
        }
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").field("local_addr", &self.local_addr()).finish()
    }
}
