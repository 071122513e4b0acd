//! A world on the engine: hosts that run programs, and what may befall them.
//!
//! It runs on the thread that made it. How its time passes and how programs begin and end is in
//! `life`; what befalls its links is in `trouble`.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;

use super::current::{self, WorldId};
use super::executor::Work;
use super::platform::EnginePlatform;
use super::settings::EngineSettings;
use super::state::State;
use super::trouble::Severed;
use crate::attention::Attention;
use crate::clock::{Clock, Clocks, WallHistory, WallOffset};
use crate::disk::{Disk, DiskFault, DiskFaultId};
use crate::engines::EngineKind;
use crate::host::HostId;
use crate::labels;
use crate::panics::RunPanic;
use crate::seed::Draws;
use crate::settings::Settings;
use crate::streams;
use crate::tap::{Change, Tapped};
use crate::time::Time;
use crate::trace::{Event, Kind};
use crate::world::{DatagramTrouble, World};

type Program = Rc<dyn Fn(EnginePlatform) -> Work>;

/// Hosts, a network between them, and time.
pub struct EngineWorld {
    pub(super) id: WorldId,
    pub(super) state: Rc<RefCell<State>>,
    /// What each host runs.
    pub(super) programs: Vec<Program>,
    wall_history: WallHistory,
}

/// What exists at a moment. After a run that came to rest, more than expected is a leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    /// Tasks of all hosts.
    pub tasks: usize,
    /// Ends of connections that programs hold.
    pub connection_ends: usize,
    /// Connections that some kernel still knows.
    pub connections: usize,
    /// Alarms that programs of all hosts hold, armed or not.
    pub timers: usize,
    /// Listening ports, and those bound for datagrams.
    pub ports: usize,
    /// Events to come, stale ones too.
    pub events: usize,
}

impl EngineWorld {
    /// An empty world, with settings that only the engine has; [`Settings`] will do for `settings`.
    ///
    /// # Panics
    /// If the settings' latencies are no range, or begin at zero.
    pub fn new(seed: u64, settings: impl Into<EngineSettings>) -> EngineWorld {
        let settings = settings.into();
        let (min_ns, max_ns) = settings.latency_range_ns();
        assert!(1 <= min_ns && min_ns <= max_ns, "no latencies: {min_ns}..={max_ns} ns");
        let id = WorldId::fresh();
        let state = Rc::new(RefCell::new(State::new(id, seed, settings)));
        EngineWorld { id, state, programs: Vec::new(), wall_history: WallHistory::default() }
    }

    /// What exists now.
    pub fn census(&self) -> Census {
        let state = self.state.borrow();
        Census {
            tasks: state.tasks.len(),
            connection_ends: state.net.ends(),
            connections: state.net.conns.len(),
            timers: state.timers.len(),
            ports: state.net.ports.len() + state.datagrams.len(),
            events: state.agenda.len(),
        }
    }

    /// How often tasks were polled.
    pub fn polls(&self) -> u64 {
        self.state.borrow().polls
    }

    fn change_clock(
        &mut self,
        host: HostId,
        content: &[u8],
        change: impl FnOnce(&mut Clocks, u64),
    ) {
        let mut state = self.state.borrow_mut();
        let now_ns = state.now_ns;
        self.wall_history.change(host, &mut state.host_mut(host).clock, now_ns, change);
        state.reenter_timers(host);
        state.record(Some(host), Kind::Fault, content);
    }
}

impl World for EngineWorld {
    type Host = EnginePlatform;

    const KIND: EngineKind = EngineKind::Engine;

    fn build(seed: u64, settings: Settings) -> EngineWorld {
        EngineWorld::new(seed, settings)
    }

    fn host<F, Fut>(&mut self, name: &str, software: F) -> HostId
    where
        F: Fn(Self::Host) -> Fut + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let host = self.state.borrow_mut().add_host(name);
        let software = Rc::new(software);
        self.programs.push(Rc::new(move |platform| {
            let software = Rc::clone(&software);
            // The program is built inside the task, so that its panics are the run's.
            Box::pin(async move { software(platform).await })
        }));
        self.start(host);
        host
    }

    fn now(&self) -> Time {
        Time::from_ns(self.state.borrow().now_ns)
    }

    fn step(&mut self) -> Result<(), RunPanic> {
        self.advance(None, true, None)
    }

    fn pass_until(&mut self, at: Time, attention: &Attention) -> Result<(), RunPanic> {
        if self.now() >= at {
            return Ok(());
        }
        self.advance(Some(at.ns()), false, Some(attention))
    }

    fn run_until(
        &mut self,
        limit_ms: u64,
        mut is_reached: impl FnMut(&mut Self) -> bool,
    ) -> Result<bool, RunPanic> {
        let limit = Time::from_ms(limit_ms);
        loop {
            if is_reached(self) {
                return Ok(true);
            }
            if self.now() >= limit {
                return Ok(false);
            }
            self.advance(Some(limit.ns()), true, None)?;
        }
    }

    fn crash(&mut self, host: HostId) -> Result<(), RunPanic> {
        self.take_down(host, b"crash", |_| {})
    }

    fn power_loss(&mut self, host: HostId) -> Result<(), RunPanic> {
        self.take_down(host, b"power loss", |state| {
            let now_ns = state.now_ns;
            let host_state = state.host_mut(host);
            host_state.powered = false;
            host_state.disk.lose_power(now_ns);
            state.fall_silent(host);
        })
    }

    fn restart(&mut self, host: HostId) -> Result<(), RunPanic> {
        if !self.is_running(host) {
            let mut state = self.state.borrow_mut();
            let incarnation = u64::from(state.host(host).incarnation);
            let entropy = Draws::for_host(state.seed, streams::ENTROPY, host.0, incarnation);
            let host_state = state.host_mut(host);
            host_state.running = true;
            host_state.powered = true;
            host_state.entropy = entropy;
            drop(state);
            self.start(host);
        }
        self.check()
    }

    fn is_running(&self, host: HostId) -> bool {
        self.state.borrow().host(host).running
    }

    fn pause(&mut self, host: HostId) {
        let mut state = self.state.borrow_mut();
        state.host_mut(host).pauses += 1;
        state.freeze(host);
        state.record(Some(host), Kind::Fault, b"pause");
        state.overhear_change(host, Change::Paused);
    }

    fn resume(&mut self, host: HostId) {
        let mut state = self.state.borrow_mut();
        let host_state = state.host_mut(host);
        host_state.pauses = host_state.pauses.saturating_sub(1);
        if host_state.pauses == 0 {
            state.thaw(host);
            state.record(Some(host), Kind::Fault, b"resume");
            state.overhear_change(host, Change::Resumed);
        }
    }

    fn one_way(&mut self, from: &[HostId], to: &[HostId]) {
        self.for_links(from, to, b"block", State::block);
    }

    fn heal_one_way(&mut self, from: &[HostId], to: &[HostId]) {
        self.for_links(from, to, b"unblock", State::unblock);
    }

    fn reset_connections(&mut self, a: &[HostId], b: &[HostId], probability: f64, index: u64) {
        let _entered = current::enter(self.id, &self.state);
        current::with(self.id, |state| {
            let mut draws = Draws::new(state.seed, streams::RESET_ON_HEAL, index);
            for &a in a {
                for &b in b {
                    state.reset_between(a, b, probability, &mut draws);
                }
            }
        });
    }

    fn slow_link(&mut self, a: HostId, b: HostId, extra_ms: i64) {
        if a == b {
            return;
        }
        let mut state = self.state.borrow_mut();
        let extra_ns = extra_ms.saturating_mul(1_000_000);
        state.slow_down(a, b, extra_ns);
        let slower_ms = state.slow_down(b, a, extra_ns) / 1_000_000;
        let content = [b.0.to_le_bytes().as_slice(), &slower_ms.to_le_bytes()].concat();
        state.record(Some(a), Kind::Fault, &content);
    }

    fn flaky_link(&mut self, a: HostId, b: HostId, loss: f64) {
        self.for_directions(a, b, format!("flaky {loss}"), |state, direction| {
            state.add_loss(direction, loss);
        });
    }

    fn end_flaky_link(&mut self, a: HostId, b: HostId, loss: f64) {
        self.for_directions(a, b, format!("flaky no more {loss}"), |state, direction| {
            state.end_loss(direction, loss);
        });
    }

    fn trouble_datagrams(&mut self, a: HostId, b: HostId, trouble: DatagramTrouble) {
        self.change_datagrams((a, b), "datagrams in trouble", trouble, |troubles| {
            troubles.push(trouble);
        });
    }

    fn end_datagram_trouble(&mut self, a: HostId, b: HostId, trouble: DatagramTrouble) {
        self.change_datagrams((a, b), "datagrams out of trouble", trouble, |troubles| {
            if let Some(at) = troubles.iter().position(|other| *other == trouble) {
                troubles.remove(at);
            }
        });
    }

    fn narrow_link(&mut self, a: HostId, b: HostId, bytes_per_s: u64) {
        assert!(bytes_per_s > 0, "a link that carries nothing is a partition");
        self.for_directions(a, b, format!("narrow {bytes_per_s}"), |state, direction| {
            state.add_limit(direction, bytes_per_s);
        });
    }

    fn end_narrow_link(&mut self, a: HostId, b: HostId, bytes_per_s: u64) {
        self.for_directions(a, b, format!("narrow no more {bytes_per_s}"), |state, direction| {
            state.end_limit(direction, bytes_per_s);
        });
    }

    fn hang_connects(&mut self, from: HostId, to: HostId) {
        self.change_syns(from, to, "drop SYNs", |count| count + 1);
    }

    fn end_hang_connects(&mut self, from: HostId, to: HostId) {
        self.change_syns(from, to, "let SYNs pass", |count| count.saturating_sub(1));
    }

    fn half_open(&mut self, a: HostId, b: HostId, silent: bool) {
        let how = if silent { Severed::Drops } else { Severed::Rejects };
        let mut state = self.state.borrow_mut();
        state.sever(a, b, how);
        state.record(Some(a), Kind::Fault, format!("forget {b} {}", how.label()).as_bytes());
    }

    fn reset_all(&mut self, a: HostId, b: HostId) {
        let _entered = current::enter(self.id, &self.state);
        current::with(self.id, |state| {
            let certain = &mut Draws::new(state.seed, streams::RESET, 0);
            state.reset_between(a, b, 1.0, certain);
            state.record(Some(a), Kind::Fault, format!("reset {b}").as_bytes());
        });
    }

    fn shift_clock(&mut self, host: HostId, offset_ms: i64) {
        self.change_clock(host, &offset_ms.to_le_bytes(), |clock, _| clock.shift_ms(offset_ms));
    }

    fn drift_clock(&mut self, host: HostId, clock: Clock, ppm: i64) {
        let content = format!("drift {} {ppm}", labels::clock(clock));
        self.change_clock(host, content.as_bytes(), |clocks, now_ns| {
            clocks.drift(now_ns, clock, ppm);
        });
    }

    fn end_clock_drift(&mut self, host: HostId, clock: Clock, ppm: i64, since_ns: u64) {
        let content = format!("end of drift {} {ppm}", labels::clock(clock));
        self.change_clock(host, content.as_bytes(), |clocks, now_ns| {
            clocks.end_drift(now_ns, clock, ppm, since_ns);
        });
    }

    fn wall_offsets(&self) -> Vec<WallOffset> {
        let state = self.state.borrow();
        self.wall_history.until(state.now_ns, |host| &state.host(host).clock)
    }

    fn add_disk_fault(&mut self, host: HostId, fault: DiskFault) -> DiskFaultId {
        let mut state = self.state.borrow_mut();
        state.record(Some(host), Kind::Fault, labels::disk_fault(&fault).as_bytes());
        let now_ns = state.now_ns;
        let disk = &mut state.host_mut(host).disk;
        disk.advance(now_ns);
        disk.add_fault(fault)
    }

    fn remove_disk_fault(&mut self, host: HostId, fault: DiskFaultId) {
        let _entered = current::enter(self.id, &self.state);
        current::with(self.id, |state| {
            let now_ns = state.now_ns;
            let disk = &mut state.host_mut(host).disk;
            disk.advance(now_ns);
            disk.remove_fault(now_ns, fault);
            state.wake_disk_waiters(host);
            state.record(Some(host), Kind::Fault, b"disk fault ends");
        });
    }

    fn with_disk<R>(&mut self, host: HostId, work: impl FnOnce(&mut Disk) -> R) -> R {
        let mut state = self.state.borrow_mut();
        let now_ns = state.now_ns;
        let disk = &mut state.host_mut(host).disk;
        disk.advance(now_ns);
        work(disk)
    }

    fn hosts(&self) -> Vec<HostId> {
        (0..self.programs.len() as u32).map(HostId).collect()
    }

    fn find(&self, name: &str) -> Option<HostId> {
        self.state.borrow().by_name.get(name).copied()
    }

    fn name(&self, host: HostId) -> String {
        self.state.borrow().host(host).name.clone()
    }

    fn connection_ends(&self) -> usize {
        self.state.borrow().net.ends()
    }

    fn seed(&self) -> u64 {
        self.state.borrow().seed
    }

    fn record(&mut self, host: Option<HostId>, tag: u32, content: &[u8]) {
        self.state.borrow_mut().record(host, Kind::Own(tag), content);
    }

    fn trace_hash(&self) -> u64 {
        self.state.borrow().trace.hash()
    }

    fn trace_count(&self) -> u64 {
        self.state.borrow().trace.count()
    }

    fn trace_events(&self) -> Vec<Event> {
        self.state.borrow().trace.events()
    }

    fn take_tapped(&self) -> Option<Tapped> {
        let mut state = self.state.borrow_mut();
        let tap = state.tap.take()?;
        Some(tap.finish(state.hosts.iter().map(|host| host.name.clone()).collect()))
    }
}
