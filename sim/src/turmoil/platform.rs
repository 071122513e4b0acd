//! [`Platform`] on a turmoil host: the shell that runs in production runs here unchanged.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use platform::{Listener, Mono, Platform, Task};
use tokio::task::AbortHandle;
use turmoil::net::{TcpListener, TcpStream};

use super::files::TurmoilFiles;
use super::shared::{Shared, State};
use super::stream::{TurmoilStream, os_error};
use super::task::Gated;
use super::timer::TurmoilTimer;
use crate::host::{Host, HostId};
use crate::time::Time;
use crate::trace::Kind;

/// EADDRINUSE of Linux.
const ADDRESS_IN_USE: i32 = 98;
/// EADDRNOTAVAIL of Linux.
const ADDRESS_NOT_AVAILABLE: i32 = 99;
/// ETIMEDOUT of Linux.
const TIMED_OUT: i32 = 110;
/// EHOSTUNREACH of Linux.
const HOST_UNREACHABLE: i32 = 113;
/// ECONNREFUSED of Linux.
const CONNECTION_REFUSED: i32 = 111;

/// How long a connection attempt waits after each of its SYNs: Linux's `tcp_syn_retries` of 6.
const SYN_WAITS_MS: [u64; 7] = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000];

/// One host of a [`super::TurmoilWorld`]. Its methods are for the host's own tasks.
#[derive(Clone)]
pub struct TurmoilPlatform {
    pub(crate) shared: Arc<Shared>,
    pub(crate) host: HostId,
    /// A handle that outlived a kill of its host does nothing.
    pub(crate) incarnation: u32,
}

impl TurmoilPlatform {
    pub(super) fn is_alive(&self, state: &State) -> bool {
        state.host(self.host).incarnation == self.incarnation
    }

    /// The host and address that a name or address stands for.
    fn resolve(&self, name: &str) -> io::Result<(HostId, IpAddr)> {
        if name == "localhost" {
            return Ok((self.host, Ipv4Addr::LOCALHOST.into()));
        }
        if let Ok(ip) = name.parse::<IpAddr>() {
            if ip.is_loopback() {
                return Ok((self.host, ip));
            }
            let host = self.shared.with(|state| state.by_ip.get(&ip).copied());
            return host.map(|host| (host, ip)).ok_or_else(|| os_error(HOST_UNREACHABLE));
        }
        self.shared
            .with(|state| {
                let host = *state.by_name.get(name)?;
                state.by_ip.iter().find(|(_, id)| **id == host).map(|(ip, _)| (host, *ip))
            })
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no host {name}")))
    }

    fn may_reach(&self, peer: HostId) -> bool {
        self.shared.with(|state| state.host(peer).powered && state.net.is_whole(self.host, peer))
    }

    /// One SYN and what comes of it. `None` if nothing came: another SYN may.
    async fn attempt(
        &self,
        peer: HostId,
        ip: IpAddr,
        port: u16,
    ) -> Option<io::Result<TurmoilStream>> {
        let is_dropped = self.shared.with(|state| state.net.drops_syns(self.host, peer));
        if is_dropped || !self.may_reach(peer) {
            return None;
        }
        let attempt = Attempt::begin(&self.shared, self.host, peer);
        let boot = self.shared.with(|state| state.host(peer).boot);
        match TcpStream::connect((ip, port)).await {
            Ok(stream) => {
                // The answer takes the way back, which may be blocked by now.
                while !self.may_reach(peer) {
                    self.sleep_ms(SYN_WAITS_MS[0]).await;
                }
                let stream = self.adopt(peer, stream, boot, Kind::Connected);
                drop(attempt);
                Some(Ok(stream))
            }
            Err(_) if !self.may_reach(peer) => None,
            Err(_) => Some(Err(os_error(CONNECTION_REFUSED))),
        }
    }

    /// Enters one end of a connection into the table.
    fn adopt(&self, peer: HostId, stream: TcpStream, boot: u32, kind: Kind) -> TurmoilStream {
        let local_addr = stream.local_addr().expect("a simulated stream knows its address");
        let peer_addr = stream.peer_addr().expect("a simulated stream knows its peer");
        let id = self.shared.with(|state| {
            let stale = state.host(peer).boot != boot;
            let id = state.add_end(self.host, peer, (local_addr, peer_addr), stale);
            if kind == Kind::Accepted {
                state.reset_if_orphan(id);
            }
            state.record(Some(self.host), kind, &peer.0.to_le_bytes());
            id
        });
        TurmoilStream::new(Arc::clone(&self.shared), id, stream)
    }
}

/// A connection attempt that waits for its answer.
struct Attempt {
    shared: Arc<Shared>,
    from: HostId,
    to: HostId,
}

impl Attempt {
    fn begin(shared: &Arc<Shared>, from: HostId, to: HostId) -> Attempt {
        shared.with(|state| state.begin_attempt(from, to));
        Attempt { shared: Arc::clone(shared), from, to }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.shared.with(|state| state.end_attempt(self.from, self.to));
    }
}

impl Host for TurmoilPlatform {
    fn host(&self) -> HostId {
        self.host
    }

    fn incarnation(&self) -> u32 {
        self.incarnation
    }

    fn world_time(&self) -> Time {
        Time::from_ns(self.shared.now_ns())
    }

    fn record(&self, tag: u32, content: &[u8]) {
        self.shared.with(|state| state.record(Some(self.host), Kind::Own(tag), content));
    }
}

impl Platform for TurmoilPlatform {
    type Stream = TurmoilStream;
    type Listener = TurmoilListener;
    type Timer = TurmoilTimer;
    type Task = TurmoilTask;
    type Files = TurmoilFiles;

    fn now(&self) -> Mono {
        let world_ns = self.shared.now_ns();
        Mono(self.shared.with(|state| state.host(self.host).clock.monotonic_ns(world_ns)))
    }

    fn wall_ns(&self) -> u64 {
        let world_ns = self.shared.now_ns();
        self.shared.with(|state| state.host(self.host).clock.wall_ns(world_ns))
    }

    fn timer(&self) -> TurmoilTimer {
        TurmoilTimer::new(Arc::clone(&self.shared), self.host)
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) -> TurmoilTask {
        if !self.shared.with(|state| self.is_alive(state)) {
            return TurmoilTask(None);
        }
        let task = Gated::new(Arc::clone(&self.shared), self.host, task);
        // Not `tokio::spawn`: a runtime drops its tasks in an order that depends on identifiers
        // counted across all threads of the process, a local set in the order of spawning.
        TurmoilTask(Some(tokio::task::spawn_local(task).abort_handle()))
    }

    fn fill(&self, bytes: &mut [u8]) {
        self.shared.with(|state| state.host_mut(self.host).entropy.fill(bytes));
    }

    fn files(&self) -> TurmoilFiles {
        TurmoilFiles::new(self.clone())
    }

    async fn listen(&self, address: &str, port: u16) -> io::Result<TurmoilListener> {
        let ip: IpAddr = match self.resolve(address) {
            Ok((host, ip)) if host == self.host && ip.is_loopback() => ip,
            Ok((host, _)) if host == self.host => Ipv4Addr::UNSPECIFIED.into(),
            _ if address == "0.0.0.0" => Ipv4Addr::UNSPECIFIED.into(),
            _ => return Err(os_error(ADDRESS_NOT_AVAILABLE)),
        };
        let bound = TcpListener::bind((ip, port)).await;
        let inner = bound.map_err(|_| os_error(ADDRESS_IN_USE))?;
        let port = inner.local_addr()?.port();
        Ok(TurmoilListener { platform: self.clone(), inner, port })
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<TurmoilStream> {
        let (peer, ip) = self.resolve(host)?;
        let mut result = None;
        for wait_ms in SYN_WAITS_MS {
            result = self.attempt(peer, ip, port).await;
            if result.is_some() {
                break;
            }
            self.sleep_ms(wait_ms).await;
        }
        let result = result.unwrap_or_else(|| Err(os_error(TIMED_OUT)));
        if result.is_err() {
            let content = peer.0.to_le_bytes();
            self.shared.with(|s| s.record(Some(self.host), Kind::ConnectFailed, &content));
        }
        result
    }
}

/// A listening port of a host.
pub struct TurmoilListener {
    platform: TurmoilPlatform,
    inner: TcpListener,
    port: u16,
}

impl Listener for TurmoilListener {
    type Stream = TurmoilStream;

    async fn accept(&mut self) -> io::Result<TurmoilStream> {
        let (stream, origin) = self.inner.accept().await?;
        let (peer, boot) = self.platform.shared.with(|state| {
            let peer = state.by_ip.get(&origin.ip()).copied().unwrap_or(self.platform.host);
            (peer, state.host(peer).boot)
        });
        Ok(self.platform.adopt(peer, stream, boot, Kind::Accepted))
    }

    fn port(&self) -> u16 {
        self.port
    }
}

/// A task of a host.
pub struct TurmoilTask(Option<AbortHandle>);

impl Task for TurmoilTask {
    fn abort(&self) {
        if let Some(handle) = &self.0 {
            handle.abort();
        }
    }
}
