//! Addresses, and names that stand for them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::vec;

use crate::simulated::here;

/// What a program gives as an address.
#[derive(Debug)]
pub struct Asked(What);

#[derive(Debug)]
enum What {
    Addresses(Vec<SocketAddr>),
    Name(String, u16),
}

/// What stands for addresses: an address, several, a name with a port.
pub trait ToSocketAddrs: sealed::Sealed {
    /// For this crate.
    #[doc(hidden)]
    fn asked(&self) -> io::Result<Asked>;
}

mod sealed {
    pub trait Sealed {}
}

/// The addresses that a name stands for.
///
/// # Errors
/// It is no name, or nobody has it.
pub async fn lookup_host(host: impl ToSocketAddrs) -> io::Result<vec::IntoIter<SocketAddr>> {
    Ok(resolve(host.asked()).await?.into_iter())
}

/// As [`lookup_host`], of what was asked for.
pub(super) async fn resolve(asked: io::Result<Asked>) -> io::Result<Vec<SocketAddr>> {
    match asked?.0 {
        What::Addresses(addresses) => Ok(addresses),
        What::Name(name, port) => match here() {
            Some(here) => Ok(vec![SocketAddr::new(here.lookup(&name)?, port)]),
            None => Ok(tokio::net::lookup_host((name, port)).await?.collect()),
        },
    }
}

/// What is wrong if there is no address to try.
pub(super) fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any address")
}

fn one(address: impl Into<SocketAddr>) -> io::Result<Asked> {
    Ok(Asked(What::Addresses(vec![address.into()])))
}

fn named(name: &str, port: u16) -> io::Result<Asked> {
    Ok(Asked(match name.parse::<IpAddr>() {
        Ok(ip) => What::Addresses(vec![SocketAddr::new(ip, port)]),
        Err(_) => What::Name(name.to_owned(), port),
    }))
}

fn parsed(text: &str) -> io::Result<Asked> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return one(address);
    }
    let wrong = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
    let (name, port) = text.rsplit_once(':').ok_or_else(|| wrong("invalid socket address"))?;
    named(name, port.parse().map_err(|_| wrong("invalid port value"))?)
}

/// Says how each type is asked for addresses.
macro_rules! addresses {
    ($($type:ty: $self:ident => $asked:expr;)*) => {$(
        impl sealed::Sealed for $type {}
        impl ToSocketAddrs for $type {
            fn asked(&$self) -> io::Result<Asked> {
                $asked
            }
        }
    )*};
}

addresses! {
    SocketAddr: self => one(*self);
    SocketAddrV4: self => one(*self);
    SocketAddrV6: self => one(*self);
    (IpAddr, u16): self => one(*self);
    (Ipv4Addr, u16): self => one(*self);
    (Ipv6Addr, u16): self => one(*self);
    [SocketAddr]: self => Ok(Asked(What::Addresses(self.to_vec())));
    str: self => parsed(self);
    String: self => parsed(self);
    (&str, u16): self => named(self.0, self.1);
    (String, u16): self => named(&self.0, self.1);
}

impl<T: ToSocketAddrs + ?Sized> sealed::Sealed for &T {}
impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    fn asked(&self) -> io::Result<Asked> {
        (**self).asked()
    }
}
