//! A world on turmoil: hosts that run programs, and what may befall them.
//!
//! Its time passes in steps of a millisecond. How programs begin and end is in `life`; what several
//! faults of links and clocks have in common is in `trouble`.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use super::life::program;
use super::network::Network;
use super::platform::TurmoilPlatform;
use super::shared::{HostState, Shared, State};
use super::task::inside_a_run;
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
use crate::trace::{Event, Kind, Trace};
use crate::world::World;

/// Simulated time passes in steps of this length.
const STEP: Duration = Duration::from_millis(1);

/// How many segments turmoil lets wait unread in one direction of a connection, and how many
/// connections unaccepted at a port. At the latter limit it panics, so it must be out of reach;
/// the bound on bytes is [`Settings::window_bytes`].
const TURMOIL_CAPACITY: usize = 1 << 20;

/// Hosts, a network between them, and time.
pub struct TurmoilWorld {
    pub(super) sim: turmoil::Sim<'static>,
    pub(super) shared: Arc<Shared>,
    settings: Settings,
    /// How much slower than usual links are, in milliseconds, by their ends in ascending order.
    slow_links: BTreeMap<(HostId, HostId), u64>,
    pub(super) wall_history: WallHistory,
}

impl World for TurmoilWorld {
    type Host = TurmoilPlatform;

    const KIND: EngineKind = EngineKind::Turmoil;

    fn build(seed: u64, settings: Settings) -> TurmoilWorld {
        let (min_ms, max_ms) = (settings.latency_min_ms, settings.latency_max_ms);
        assert!(1 <= min_ms && min_ms <= max_ms, "no latencies: {min_ms}..={max_ms} ms");
        let mut builder = turmoil::Builder::new();
        builder
            .rng_seed(Draws::new(seed, streams::TURMOIL, 0).bits())
            .epoch(SystemTime::UNIX_EPOCH + Duration::from_millis(settings.epoch_ms))
            .simulation_duration(Duration::MAX)
            .tick_duration(STEP)
            .min_message_latency(Duration::from_millis(min_ms))
            .max_message_latency(Duration::from_millis(max_ms))
            .tcp_capacity(TURMOIL_CAPACITY)
            // Cancelled attempts keep their port for ever in turmoil, so there must be many.
            .ephemeral_ports(10_000..=65_535);
        if settings.random_order {
            builder.enable_random_order();
        }
        let sim = builder.build();
        // turmoil draws from an exponential distribution; with this rate half of the draws reach
        // the end of the range, the rest spread over it.
        sim.set_message_latency_curve(0.7);
        let shared = Shared::new(State {
            seed,
            settings: settings.clone(),
            now_ns: 0,
            trace: Trace::of(&settings),
            tap: settings.tap.then(Box::default),
            hosts: Vec::new(),
            by_name: BTreeMap::new(),
            by_ip: BTreeMap::new(),
            net: Network::default(),
            panic: None,
            wakes: VecDeque::new(),
        });
        TurmoilWorld {
            sim,
            shared,
            settings,
            slow_links: BTreeMap::new(),
            wall_history: WallHistory::default(),
        }
    }

    fn host<F, Fut>(&mut self, name: &str, software: F) -> HostId
    where
        F: Fn(Self::Host) -> Fut + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let ip = self.sim.lookup(name);
        let host = self.shared.with(|state| {
            let host = HostId(state.hosts.len() as u32);
            let previous = state.by_name.insert(name.to_owned(), host);
            assert!(previous.is_none(), "there is a host {name} already");
            state.by_ip.insert(ip, host);
            state.hosts.push(HostState {
                name: name.to_owned(),
                running: true,
                powered: true,
                incarnation: 0,
                boot: 0,
                paused: Arc::new(AtomicBool::new(false)),
                pauses: 0,
                frozen: Vec::new(),
                clock: Clocks::new(self.settings.epoch_ms),
                clock_changes: Arc::new(AtomicU32::new(0)),
                alarms: BTreeMap::new(),
                last_alarm: 0,
                entropy: Draws::for_host(state.seed, streams::ENTROPY, host.0, 0),
                disk: Disk::new(state.seed, host.0, self.settings.disk),
                disk_waiters: BTreeMap::new(),
            });
            host
        });
        let software = Rc::new(software);
        let shared = Arc::clone(&self.shared);
        self.sim.host(name, move || program(Arc::clone(&shared), host, Rc::clone(&software)));
        host
    }

    fn now(&self) -> Time {
        Time::from_ns(self.shared.with(|state| state.now_ns))
    }

    fn step(&mut self) -> Result<(), RunPanic> {
        self.check()?;
        self.shared.with(State::deliver_resets);
        self.shared.set_stepping(true);
        let sim = &mut self.sim;
        let stepped = inside_a_run(&self.shared, || sim.step());
        self.shared.set_stepping(false);
        if let Some(Err(error)) = stepped {
            unreachable!("no program of ours returns an error: {error}");
        }
        let elapsed = self.sim.elapsed();
        self.shared.with(|state| {
            state.now_ns = u64::try_from(elapsed.as_nanos()).expect("a run ends within centuries");
        });
        self.check()
    }

    fn pass_until(&mut self, at: Time, attention: &Attention) -> Result<(), RunPanic> {
        while self.now() < at && !attention.is_asked() {
            self.step()?;
        }
        Ok(())
    }

    fn run_until(
        &mut self,
        limit_ms: u64,
        mut is_reached: impl FnMut(&mut Self) -> bool,
    ) -> Result<bool, RunPanic> {
        loop {
            if is_reached(self) {
                return Ok(true);
            }
            if self.elapsed_ms() >= limit_ms {
                return Ok(false);
            }
            self.step()?;
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
            host_state.boot += 1;
            host_state.disk.lose_power(now_ns);
            state.fall_silent(host);
        })
    }

    fn restart(&mut self, host: HostId) -> Result<(), RunPanic> {
        if self.is_running(host) {
            return self.check();
        }
        self.shared.with(|state| {
            let host_state = state.host_mut(host);
            host_state.running = true;
            if !std::mem::replace(&mut host_state.powered, true) {
                state.speak_again(host);
            }
            let incarnation = u64::from(state.host(host).incarnation);
            let entropy = Draws::for_host(state.seed, streams::ENTROPY, host.0, incarnation);
            state.host_mut(host).entropy = entropy;
        });
        self.bounce(host)
    }

    fn is_running(&self, host: HostId) -> bool {
        self.shared.with(|state| state.host(host).running)
    }

    fn pause(&mut self, host: HostId) {
        self.shared.with(|state| {
            let host_state = state.host_mut(host);
            host_state.pauses += 1;
            host_state.paused.store(true, Ordering::Relaxed);
            state.record(Some(host), Kind::Fault, b"pause");
            state.overhear_change(host, Change::Paused);
        });
    }

    fn resume(&mut self, host: HostId) {
        self.shared.with(|state| {
            let host_state = state.host_mut(host);
            host_state.pauses = host_state.pauses.saturating_sub(1);
            if host_state.pauses > 0 {
                return;
            }
            host_state.paused.store(false, Ordering::Relaxed);
            let frozen = std::mem::take(&mut host_state.frozen);
            state.wakes.extend(frozen);
            state.record(Some(host), Kind::Fault, b"resume");
            state.overhear_change(host, Change::Resumed);
        });
    }

    fn one_way(&mut self, from: &[HostId], to: &[HostId]) {
        self.for_links(from, to, b"block", State::block);
    }

    fn heal_one_way(&mut self, from: &[HostId], to: &[HostId]) {
        self.for_links(from, to, b"unblock", State::unblock);
    }

    fn reset_connections(&mut self, a: &[HostId], b: &[HostId], probability: f64, index: u64) {
        self.shared.with(|state| {
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
        let extra = self.slow_links.entry((a.min(b), a.max(b))).or_default();
        *extra = extra.saturating_add_signed(extra_ms);
        let extra_ms = *extra;
        let (a_name, b_name) = (self.name(a), self.name(b));
        let min = Duration::from_millis(self.settings.latency_min_ms + extra_ms);
        let max = Duration::from_millis(self.settings.latency_max_ms + extra_ms);
        self.sim.set_link_latency(a_name.as_str(), b_name.as_str(), min);
        self.sim.set_link_max_message_latency(a_name.as_str(), b_name.as_str(), max);
        let content = [b.0.to_le_bytes().as_slice(), &extra_ms.to_le_bytes()].concat();
        self.shared.with(|state| state.record(Some(a), Kind::Fault, &content));
    }

    fn hang_connects(&mut self, from: HostId, to: HostId) {
        self.change_syns(from, to, "drop SYNs", |count| count + 1);
    }

    fn end_hang_connects(&mut self, from: HostId, to: HostId) {
        self.change_syns(from, to, "let SYNs pass", |count| count.saturating_sub(1));
    }

    fn half_open(&mut self, a: HostId, b: HostId, silent: bool) {
        self.shared.with(|state| {
            state.sever(a, b, silent);
            state.record(Some(a), Kind::Fault, format!("forget {b} {silent}").as_bytes());
        });
    }

    fn reset_all(&mut self, a: HostId, b: HostId) {
        self.shared.with(|state| {
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
        self.rearm_alarms(host);
    }

    fn end_clock_drift(&mut self, host: HostId, clock: Clock, ppm: i64, since_ns: u64) {
        let content = format!("end of drift {} {ppm}", labels::clock(clock));
        self.change_clock(host, content.as_bytes(), |clocks, now_ns| {
            clocks.end_drift(now_ns, clock, ppm, since_ns);
        });
        self.rearm_alarms(host);
    }

    fn wall_offsets(&self) -> Vec<WallOffset> {
        self.shared
            .with(|state| self.wall_history.until(state.now_ns, |host| &state.host(host).clock))
    }

    fn add_disk_fault(&mut self, host: HostId, fault: DiskFault) -> DiskFaultId {
        self.shared.with(|state| {
            state.record(Some(host), Kind::Fault, labels::disk_fault(&fault).as_bytes());
            state.host_mut(host).disk.add_fault(fault)
        })
    }

    fn remove_disk_fault(&mut self, host: HostId, fault: DiskFaultId) {
        self.shared.with(|state| {
            let now_ns = state.now_ns;
            let host_state = state.host_mut(host);
            host_state.disk.remove_fault(now_ns, fault);
            let waiters = std::mem::take(&mut host_state.disk_waiters);
            state.wakes.extend(waiters.into_values());
            state.record(Some(host), Kind::Fault, b"disk fault ends");
        });
    }

    fn with_disk<R>(&mut self, host: HostId, work: impl FnOnce(&mut Disk) -> R) -> R {
        self.shared.with(|state| {
            let now_ns = state.now_ns;
            let disk = &mut state.host_mut(host).disk;
            disk.advance(now_ns);
            work(disk)
        })
    }

    fn hosts(&self) -> Vec<HostId> {
        self.shared.with(|state| (0..state.hosts.len() as u32).map(HostId).collect())
    }

    fn find(&self, name: &str) -> Option<HostId> {
        self.shared.with(|state| state.by_name.get(name).copied())
    }

    fn name(&self, host: HostId) -> String {
        self.shared.with(|state| state.host(host).name.clone())
    }

    fn connection_ends(&self) -> usize {
        self.shared.with(|state| state.net.ends())
    }

    fn seed(&self) -> u64 {
        self.shared.with(|state| state.seed)
    }

    fn record(&mut self, host: Option<HostId>, tag: u32, content: &[u8]) {
        self.shared.with(|state| state.record(host, Kind::Own(tag), content));
    }

    fn trace_hash(&self) -> u64 {
        self.shared.with(|state| state.trace.hash())
    }

    fn trace_count(&self) -> u64 {
        self.shared.with(|state| state.trace.count())
    }

    fn trace_events(&self) -> Vec<Event> {
        self.shared.with(|state| state.trace.events())
    }

    fn take_tapped(&self) -> Option<Tapped> {
        self.shared.with(|state| {
            let tap = state.tap.take()?;
            Some(tap.finish(state.hosts.iter().map(|host| host.name.clone()).collect()))
        })
    }
}
