//! Sockets and names. In a world they are the host's: names of hosts are resolved by the world, and
//! what befalls the network befalls them.

mod addresses;
mod halves;
mod listener;
mod socket;
mod stream;
mod udp;

pub use addresses::{ToSocketAddrs, lookup_host};
pub use listener::TcpListener;
pub use socket::TcpSocket;
pub use stream::TcpStream;
pub use udp::UdpSocket;

/// The owned and borrowed halves of a stream.
pub mod tcp {
    pub use super::halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
}
