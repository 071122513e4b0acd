//! What a program sees of datagrams, and of names.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::task::{Context, Poll};

use super::connect::ADDRESS_NOT_AVAILABLE;
use super::current::{self, WorldId};
use super::datagrams::{Datagram, SocketKey};
use super::platform::{EnginePlatform, HOST_UNREACHABLE};
use super::state::State;
use crate::host::HostId;

/// EMSGSIZE of Linux.
const MESSAGE_TOO_LONG: i32 = 90;
/// The most bytes that a datagram over IPv4 carries.
const DATAGRAM_BYTES_MAX: usize = 65_507;

fn failed<T>(errno: i32) -> io::Result<T> {
    Err(io::Error::from_raw_os_error(errno))
}

impl EnginePlatform {
    /// The address of a host by its name, or of an address by itself: what a lookup answers. It costs
    /// no time and cannot fail by a fault.
    ///
    /// # Errors
    /// There is no host of that name.
    pub fn lookup(&self, name: &str) -> io::Result<IpAddr> {
        if let Ok(ip) = name.parse() {
            return Ok(ip);
        }
        current::with(self.world, |state| self.resolve(state, name)).map(|(_, ip)| ip)
    }

    /// This host's own address.
    pub fn own_ip(&self) -> IpAddr {
        current::with(self.world, |state| state.host(self.host).ip)
    }

    /// Binds a port for datagrams at an address of this host, or at all of them (an unspecified
    /// address); port 0 stands for any.
    ///
    /// # Errors
    /// The port is taken, or the address is another host's.
    pub fn bind_udp(&self, address: SocketAddr) -> io::Result<EngineUdp> {
        let key = current::with(self.world, |state| {
            let ip = address.ip();
            let is_own = ip.is_unspecified() || ip.is_loopback() || ip == state.host(self.host).ip;
            if !is_own {
                return failed(ADDRESS_NOT_AVAILABLE);
            }
            if !state.is_alive(self.host, self.incarnation) {
                return Err(io::ErrorKind::NotConnected.into());
            }
            let bound = state.bind_datagrams(self.host, address.port(), ip.is_loopback());
            bound.map_err(io::Error::from_raw_os_error)
        })?;
        Ok(EngineUdp { world: self.world, key, ip: address.ip() })
    }
}

/// A socket for datagrams. Dropping it frees its port.
pub struct EngineUdp {
    world: WorldId,
    key: SocketKey,
    /// Where it is bound.
    ip: IpAddr,
}

impl EngineUdp {
    /// Where it is bound.
    pub fn local_addr(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.key.port)
    }

    /// From now on it receives from `peer` alone.
    ///
    /// # Errors
    /// No host has that address.
    pub fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        current::with(self.world, |state| {
            self.host_of(state, peer)?;
            state.connect_datagrams(self.key, peer);
            Ok(())
        })
    }

    /// Sends a datagram. It never waits, and says nothing of what becomes of it.
    ///
    /// # Errors
    /// No host has that address, or the datagram is too long.
    pub fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        if bytes.len() > DATAGRAM_BYTES_MAX {
            return failed(MESSAGE_TOO_LONG);
        }
        current::with(self.world, |state| {
            let host = self.host_of(state, to)?;
            state.send_datagram(self.key, host, to, bytes);
            Ok(bytes.len())
        })
    }

    /// The next datagram and its sender's address; the datagram stays where it is if it is only
    /// peeked at. One task at a time is told of an arrival.
    pub fn poll_recv_from(
        &self,
        cx: &Context<'_>,
        buf: &mut [u8],
        peeks: bool,
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let received = self.receive(!peeks, Some(cx));
        received.map_or(Poll::Pending, |datagram| Poll::Ready(Ok(fill(buf, &datagram))))
    }

    /// As [`EngineUdp::poll_recv_from`], of what is there already.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`]: nothing is.
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let received = self.receive(true, None);
        received.map_or(Err(io::ErrorKind::WouldBlock.into()), |d| Ok(fill(buf, &d)))
    }

    /// Ready once a datagram waits.
    pub fn poll_readable(&self, cx: &Context<'_>) -> Poll<()> {
        self.receive(false, Some(cx)).map_or(Poll::Pending, |_| Poll::Ready(()))
    }

    fn receive(&self, takes: bool, cx: Option<&Context<'_>>) -> Option<Datagram> {
        let waker = cx.map(Context::waker);
        current::with(self.world, |state| state.receive_datagram(self.key, takes, waker))
    }

    fn host_of(&self, state: &State, address: SocketAddr) -> io::Result<HostId> {
        let ip = address.ip();
        let is_own = ip.is_loopback() || ip == IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let host = if is_own { Some(self.key.host) } else { state.host_at(ip) };
        host.map_or_else(|| failed(HOST_UNREACHABLE), Ok)
    }
}

/// What does not fit is lost (recv(2)).
fn fill(buf: &mut [u8], datagram: &Datagram) -> (usize, SocketAddr) {
    let len = datagram.bytes.len().min(buf.len());
    buf[..len].copy_from_slice(&datagram.bytes[..len]);
    (len, datagram.from)
}

impl Drop for EngineUdp {
    fn drop(&mut self) {
        // The waiter is dropped after the state is let go: it may be foreign.
        drop(current::try_with(self.world, |state| state.close_datagrams(self.key)));
    }
}
