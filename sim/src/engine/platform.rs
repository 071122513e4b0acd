//! [`Platform`] on a host of the engine: the shell that runs in production runs here unchanged.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::task::{Context, Poll};

use platform::{Mono, Platform, Task, Timer};

use super::connect::{ADDRESS_NOT_AVAILABLE, Connecting};
use super::current::{self, WorldId};
use super::executor::{TaskKey, Work};
use super::files::EngineFiles;
use super::state::State;
use super::stream::EngineStream;
use crate::host::{Host, HostId};
use crate::time::Time;
use crate::trace::Kind;

pub use super::connect::EngineListener;

/// EHOSTUNREACH of Linux.
pub(crate) const HOST_UNREACHABLE: i32 = 113;

/// One host of an [`super::EngineWorld`]. Its methods are for the host's own tasks, while the world
/// runs; anywhere else they panic.
#[derive(Clone, Copy, Debug)]
pub struct EnginePlatform {
    pub(crate) world: WorldId,
    pub(crate) host: HostId,
    /// A handle that outlived a kill of its host does nothing.
    pub(crate) incarnation: u32,
}

impl EnginePlatform {
    /// As [`Platform::listen`], which never waits here.
    ///
    /// # Errors
    /// The port is taken, or the address is not this host's.
    pub fn listen_at(&self, address: &str, port: u16) -> io::Result<EngineListener> {
        current::with(self.world, |state| self.begin_listening(state, address, port))
    }

    /// The host and address that a name or address stands for.
    pub(crate) fn resolve(&self, state: &State, name: &str) -> io::Result<(HostId, IpAddr)> {
        if name == "localhost" {
            return Ok((self.host, Ipv4Addr::LOCALHOST.into()));
        }
        if let Ok(ip) = name.parse::<IpAddr>() {
            if ip.is_loopback() {
                return Ok((self.host, ip));
            }
            let host = state.host_at(ip);
            return host
                .map(|host| (host, ip))
                .ok_or_else(|| io::Error::from_raw_os_error(HOST_UNREACHABLE));
        }
        let host = state.by_name.get(name).copied();
        host.map(|host| (host, state.host(host).ip))
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no host {name}")))
    }

    fn begin_connect(&self, state: &mut State, host: &str, port: u16) -> io::Result<Connecting> {
        let (peer, ip) = self.resolve(state, host)?;
        if !state.is_alive(self.host, self.incarnation) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let key = state.begin_connect(self.host, peer, ip, port);
        let key = key.map_err(io::Error::from_raw_os_error)?;
        Ok(Connecting { world: self.world, host: self.host, peer, key })
    }

    fn begin_listening(
        &self,
        state: &mut State,
        address: &str,
        port: u16,
    ) -> io::Result<EngineListener> {
        let is_loopback = match self.resolve(state, address) {
            Ok((host, ip)) if host == self.host => ip.is_loopback(),
            _ if address == "0.0.0.0" => false,
            _ => return Err(io::Error::from_raw_os_error(ADDRESS_NOT_AVAILABLE)),
        };
        if !state.is_alive(self.host, self.incarnation) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let listening = state.listen(self.host, port, is_loopback);
        let (port, birth) = listening.map_err(io::Error::from_raw_os_error)?;
        Ok(EngineListener { world: self.world, host: self.host, port, birth })
    }
}

impl Host for EnginePlatform {
    fn host(&self) -> HostId {
        self.host
    }

    fn incarnation(&self) -> u32 {
        self.incarnation
    }

    fn world_time(&self) -> Time {
        Time::from_ns(current::with(self.world, |state| state.now_ns))
    }

    fn record(&self, tag: u32, content: &[u8]) {
        current::with(self.world, |state| {
            state.record(Some(self.host), Kind::Own(tag), content);
        });
    }

    fn doom(&self) {
        current::with(self.world, |state| {
            if state.is_alive(self.host, self.incarnation) {
                state.host_mut(self.host).is_doomed = true;
            }
        });
    }
}

impl Platform for EnginePlatform {
    type Stream = EngineStream;
    type Listener = EngineListener;
    type Timer = EngineTimer;
    type Task = EngineTask;
    type Files = EngineFiles;

    fn now(&self) -> Mono {
        Mono(current::with(self.world, |state| {
            state.host(self.host).clock.monotonic_ns(state.now_ns)
        }))
    }

    fn wall_ns(&self) -> u64 {
        current::with(self.world, |state| state.host(self.host).clock.wall_ns(state.now_ns))
    }

    fn timer(&self) -> EngineTimer {
        EngineTimer { world: self.world, host: self.host, slot: None, armed: None }
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) -> EngineTask {
        let mut work: Option<Work> = Some(Box::pin(task));
        let key = current::try_with(self.world, |state| {
            let is_alive = state.is_alive(self.host, self.incarnation);
            let work = work.take_if(|_| is_alive)?;
            Some(state.spawn(self.host, work))
        });
        // The work of a program that has been killed is dropped here, where nothing is borrowed.
        drop(work);
        EngineTask { world: self.world, key: key.flatten() }
    }

    fn fill(&self, bytes: &mut [u8]) {
        current::with(self.world, |state| state.host_mut(self.host).entropy.fill(bytes));
    }

    fn files(&self) -> EngineFiles {
        EngineFiles::new(*self)
    }

    async fn listen(&self, address: &str, port: u16) -> io::Result<EngineListener> {
        self.listen_at(address, port)
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<EngineStream> {
        let connecting = current::with(self.world, |state| self.begin_connect(state, host, port));
        connecting?.await
    }
}

/// A task of a host.
#[derive(Clone, Copy, Debug)]
pub struct EngineTask {
    world: WorldId,
    key: Option<TaskKey>,
}

impl Task for EngineTask {
    fn abort(&self) {
        if let Some(key) = self.key {
            current::try_with(self.world, |state| state.abort(key));
        }
    }
}

/// An alarm on a host's monotonic clock, exact to the nanosecond.
pub struct EngineTimer {
    world: WorldId,
    host: HostId,
    /// Its entry among the world's alarms, once it was armed.
    slot: Option<u32>,
    armed: Option<Mono>,
}

impl Timer for EngineTimer {
    fn set(&mut self, at: Option<Mono>) {
        if at == self.armed {
            return;
        }
        self.armed = at;
        let (host, slot) = (self.host, &mut self.slot);
        current::with(self.world, |state| {
            let slot = *slot.get_or_insert_with(|| state.add_timer(host));
            state.set_timer(slot, at.map(|at| at.0));
        });
    }

    fn poll_fired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Some(slot), Some(_)) = (self.slot, self.armed) else { return Poll::Pending };
        let host = self.host;
        let has_fired = current::with(self.world, |state| {
            let has_fired = state.take_fired(slot, cx.waker());
            if has_fired {
                state.record(Some(host), Kind::TimerFired, b"");
            }
            has_fired
        });
        if !has_fired {
            return Poll::Pending;
        }
        self.armed = None;
        Poll::Ready(())
    }
}

impl Drop for EngineTimer {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            current::try_with(self.world, |state| state.remove_timer(slot));
        }
    }
}
