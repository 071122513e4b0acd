//! The ports of each host: those that programs listen on, and those that connecting programs get.

use std::collections::{BTreeSet, VecDeque};

use super::current::Waiter;
use super::network::ConnKey;
use crate::host::HostId;

/// The ports that Linux gives to connecting programs (`ip_local_port_range`).
const EPHEMERAL: std::ops::RangeInclusive<u16> = 32_768..=60_999;

/// A port that a program listens on.
#[derive(Debug)]
pub(crate) struct Listening {
    port: u16,
    /// Names it among all that ever listened.
    pub(crate) birth: u64,
    /// Only the host itself reaches it.
    pub(crate) is_loopback: bool,
    /// Connections that wait to be accepted.
    pub(crate) backlog: VecDeque<ConnKey>,
    pub(crate) acceptor: Waiter,
}

#[derive(Debug)]
struct HostPorts {
    taken: BTreeSet<u16>,
    /// Which one a connecting program gets next, if it is free.
    next: u16,
    /// A few; they are looked up more often than anything else.
    listening: Vec<Listening>,
}

impl Default for HostPorts {
    fn default() -> HostPorts {
        HostPorts { taken: BTreeSet::new(), next: *EPHEMERAL.start(), listening: Vec::new() }
    }
}

/// All ports.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    hosts: Vec<HostPorts>,
    births: u64,
}

impl Ports {
    fn host_mut(&mut self, host: HostId) -> &mut HostPorts {
        let number = host.0 as usize;
        if self.hosts.len() <= number {
            self.hosts.resize_with(number + 1, HostPorts::default);
        }
        &mut self.hosts[number]
    }

    /// A port for a connecting program; none if all are taken.
    pub(crate) fn take_any(&mut self, host: HostId) -> Option<u16> {
        let ports = self.host_mut(host);
        for _ in EPHEMERAL {
            let port = ports.next;
            ports.next = if port == *EPHEMERAL.end() { *EPHEMERAL.start() } else { port + 1 };
            if ports.taken.insert(port) {
                return Some(port);
            }
        }
        None
    }

    /// A port is free again.
    pub(crate) fn free(&mut self, host: HostId, port: u16) {
        self.host_mut(host).taken.remove(&port);
    }

    /// Listens; port 0 stands for any. Returns the port and the listener's number; none if the port
    /// is taken.
    pub(crate) fn open(
        &mut self,
        host: HostId,
        port: u16,
        is_loopback: bool,
    ) -> Option<(u16, u64)> {
        let port = match port {
            0 => self.take_any(host)?,
            port => self.host_mut(host).taken.insert(port).then_some(port)?,
        };
        self.births += 1;
        let birth = self.births;
        let (backlog, acceptor) = (VecDeque::new(), Waiter::Nobody);
        let listening = Listening { port, birth, is_loopback, backlog, acceptor };
        self.host_mut(host).listening.push(listening);
        Some((port, birth))
    }

    /// Listens no more.
    pub(crate) fn close(&mut self, host: HostId, port: u16) -> Option<Listening> {
        let ports = self.host_mut(host);
        let at = ports.listening.iter().position(|listening| listening.port == port)?;
        ports.taken.remove(&port);
        Some(ports.listening.remove(at))
    }

    /// Who listens on a port.
    pub(crate) fn get(&self, host: HostId, port: u16) -> Option<&Listening> {
        let ports = self.hosts.get(host.0 as usize)?;
        ports.listening.iter().find(|listening| listening.port == port)
    }

    /// As [`Ports::get`].
    pub(crate) fn get_mut(&mut self, host: HostId, port: u16) -> Option<&mut Listening> {
        let ports = self.hosts.get_mut(host.0 as usize)?;
        ports.listening.iter_mut().find(|listening| listening.port == port)
    }

    /// The ports that a host listens on.
    pub(crate) fn of(&self, host: HostId) -> Vec<u16> {
        let ports = self.hosts.get(host.0 as usize);
        ports.map_or(Vec::new(), |ports| ports.listening.iter().map(|l| l.port).collect())
    }

    /// How many ports are listened on.
    pub(crate) fn len(&self) -> usize {
        self.hosts.iter().map(|ports| ports.listening.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: HostId = HostId(3);

    #[test]
    fn port_is_taken_once_and_free_again_after_its_end() {
        let mut ports = Ports::default();
        let any = ports.take_any(HOST).unwrap();
        assert_eq!(ports.open(HOST, any, false), None, "a connection has it");
        assert_eq!(ports.open(HOST, 80, false), Some((80, 1)));
        assert_eq!(ports.open(HOST, 80, true), None);
        assert_eq!(ports.open(HostId(1), 80, false), Some((80, 2)), "hosts do not share ports");
        assert_eq!((ports.of(HOST), ports.len()), (vec![80], 2));
        ports.close(HOST, 80).unwrap();
        assert!(ports.get(HOST, 80).is_none() && ports.close(HOST, 80).is_none());
        assert_eq!(ports.open(HOST, 80, false), Some((80, 3)));
        ports.free(HOST, any);
        assert_eq!(ports.open(HOST, any, false), Some((any, 4)));
    }

    #[test]
    fn connecting_programs_get_each_port_in_turn() {
        let mut ports = Ports::default();
        let first = ports.take_any(HOST).unwrap();
        ports.free(HOST, first);
        assert_eq!(ports.take_any(HOST), Some(first + 1), "not the same one at once");
        let rest = std::iter::from_fn(|| ports.take_any(HOST)).count();
        assert_eq!(rest, EPHEMERAL.count() - 1);
    }
}
