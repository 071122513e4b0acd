//! A world: hosts that run programs, and what may befall them.
//!
//! One world runs on one thread, and nothing of it is shared with another world: many run side by
//! side. Time is simulated, in steps of a millisecond. Everything that happens is decided by the
//! seed, the settings and the calls made here.

mod trouble;

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::clock::{Clock, Clocks, WallHistory, WallOffset};
use crate::disk::{Disk, DiskFault, DiskFaultId, DiskSettings};
use crate::net::Network;
use crate::platform::SimPlatform;
use crate::seed::Draws;
use crate::shared::{HostId, HostState, Recorder, Shared, State};
use crate::tap::Change;
use crate::task::{Gated, RunPanic, inside_a_run};
use crate::trace::{Kind, Trace};

/// Simulated time passes in steps of this length.
const STEP: Duration = Duration::from_millis(1);

/// How many segments turmoil lets wait unread in one direction of a connection, and how many
/// connections unaccepted at a port. At the latter limit it panics, so it must be out of reach;
/// the bound on bytes is [`Settings::window_bytes`].
const TURMOIL_CAPACITY: usize = 1 << 20;

/// What a world is like, besides its seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The wall clocks' time at the start, in milliseconds since the Unix epoch.
    pub epoch_ms: u64,
    /// The shortest time that bytes are under way between two hosts, in milliseconds, at least 1.
    pub latency_min_ms: u64,
    /// The longest such time on a link that is not slow.
    pub latency_max_ms: u64,
    /// Whether hosts take their turns within a step in random order.
    pub random_order: bool,
    /// How many bytes may be under way or unread in one direction of a connection.
    pub window_bytes: u64,
    /// The most bytes that one write takes.
    pub segment_bytes: u64,
    /// How many of the last events of the trace are kept.
    pub trace_ring: usize,
    /// Whether all events of the trace are kept, and what hosts write to each other.
    pub keep_trace: bool,
    /// How long disk operations take.
    pub disk: DiskSettings,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            epoch_ms: 1_700_000_000_000,
            latency_min_ms: 1,
            latency_max_ms: 2,
            random_order: true,
            window_bytes: 256 * 1024,
            segment_bytes: 64 * 1024,
            trace_ring: 256,
            keep_trace: false,
            disk: DiskSettings::default(),
        }
    }
}

/// Hosts, a network between them, and time.
pub struct World {
    sim: turmoil::Sim<'static>,
    shared: Arc<Shared>,
    settings: Settings,
    /// How much slower than usual links are, in milliseconds, by their ends in ascending order.
    slow_links: BTreeMap<(HostId, HostId), u64>,
    wall_history: WallHistory,
}

impl World {
    /// An empty world.
    ///
    /// # Panics
    /// If the settings' latencies are no range, or begin below a millisecond.
    pub fn new(seed: u64, settings: Settings) -> World {
        let (min_ms, max_ms) = (settings.latency_min_ms, settings.latency_max_ms);
        assert!(1 <= min_ms && min_ms <= max_ms, "no latencies: {min_ms}..={max_ms} ms");
        let mut builder = turmoil::Builder::new();
        builder
            .rng_seed(Draws::new(seed, "turmoil", 0).bits())
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
            trace: Trace::new(settings.trace_ring, settings.keep_trace),
            tap: settings.keep_trace.then(Box::default),
            hosts: Vec::new(),
            by_name: BTreeMap::new(),
            by_ip: BTreeMap::new(),
            net: Network::default(),
            panic: None,
            wakes: VecDeque::new(),
        });
        World {
            sim,
            shared,
            settings,
            slow_links: BTreeMap::new(),
            wall_history: WallHistory::default(),
        }
    }

    /// Adds a host that runs `software`, now and again after each restart. When the program's
    /// future ends, the tasks that it spawned go on.
    ///
    /// # Panics
    /// If the name is taken.
    pub fn host<F, Fut>(&mut self, name: &str, software: F) -> HostId
    where
        F: Fn(SimPlatform) -> Fut + 'static,
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
                entropy: Draws::for_host(state.seed, "entropy", host.0, 0),
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

    /// World time, in nanoseconds since the start.
    pub fn elapsed_ns(&self) -> u64 {
        self.shared.with(|state| state.now_ns)
    }

    /// World time, in whole milliseconds since the start.
    pub fn elapsed_ms(&self) -> u64 {
        self.elapsed_ns() / 1_000_000
    }

    /// Lets one millisecond pass.
    ///
    /// # Errors
    /// A task or the engine panicked: the run is over, and every later step says so again.
    pub fn step(&mut self) -> Result<(), RunPanic> {
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

    /// Lets time pass up to `at_ms` since the start.
    ///
    /// # Errors
    /// As [`World::step`].
    pub fn run_until_ms(&mut self, at_ms: u64) -> Result<(), RunPanic> {
        while self.elapsed_ms() < at_ms {
            self.step()?;
        }
        Ok(())
    }

    /// Lets `ms` milliseconds pass.
    ///
    /// # Errors
    /// As [`World::step`].
    pub fn run_for_ms(&mut self, ms: u64) -> Result<(), RunPanic> {
        self.run_until_ms(self.elapsed_ms() + ms)
    }

    /// Lets time pass until `is_reached`, but at most to `limit_ms` since the start. Whether it was
    /// reached.
    ///
    /// # Errors
    /// As [`World::step`].
    pub fn run_until(
        &mut self,
        limit_ms: u64,
        mut is_reached: impl FnMut(&mut World) -> bool,
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

    /// Kills a host's program: its connections close, what it had not flushed is lost.
    ///
    /// # Errors
    /// What it owned panicked as it was dropped.
    pub fn crash(&mut self, host: HostId) -> Result<(), RunPanic> {
        self.take_down(host, b"crash", |_| {})
    }

    /// Takes the power from a host's machine: its peers hear nothing, what was not synced survives
    /// in any part. It may follow a crash.
    ///
    /// # Errors
    /// As [`World::crash`].
    pub fn power_loss(&mut self, host: HostId) -> Result<(), RunPanic> {
        self.take_down(host, b"power loss", |state| {
            let now_ns = state.now_ns;
            let host_state = state.host_mut(host);
            host_state.powered = false;
            host_state.boot += 1;
            host_state.disk.lose_power(now_ns);
            state.fall_silent(host);
        })
    }

    fn take_down(
        &mut self,
        host: HostId,
        how: &[u8],
        and: impl FnOnce(&mut State),
    ) -> Result<(), RunPanic> {
        let dropped = self.shared.with(|state| {
            let now_ns = state.now_ns;
            let host_state = state.host_mut(host);
            host_state.running = false;
            host_state.incarnation += 1;
            host_state.pauses = 0;
            host_state.paused.store(false, Ordering::Relaxed);
            host_state.disk.advance(now_ns);
            host_state.disk.kill_process();
            let frozen = std::mem::take(&mut host_state.frozen);
            let waiters = std::mem::take(&mut host_state.disk_waiters);
            and(state);
            state.record(Some(host), Kind::Died, how);
            let has_power = state.host(host).powered;
            state
                .overhear_change(host, if has_power { Change::Crashed } else { Change::LostPower });
            (frozen, waiters)
        });
        // Wakers own tasks, and a task's drop may call back.
        drop(dropped);
        self.bounce(host)
    }

    /// Starts a host's program again, and its machine if need be. Nothing happens if it runs.
    ///
    /// # Errors
    /// As [`World::crash`].
    pub fn restart(&mut self, host: HostId) -> Result<(), RunPanic> {
        if self.is_running(host) {
            return Ok(());
        }
        self.shared.with(|state| {
            let host_state = state.host_mut(host);
            host_state.running = true;
            if !std::mem::replace(&mut host_state.powered, true) {
                state.speak_again(host);
            }
            let incarnation = u64::from(state.host(host).incarnation);
            let entropy = Draws::for_host(state.seed, "entropy", host.0, incarnation);
            state.host_mut(host).entropy = entropy;
        });
        self.bounce(host)
    }

    /// Drops all of a host's tasks and begins its program, which does nothing while the host is
    /// down. A killed program's host must stay in the simulation, because its kernel answers.
    fn bounce(&mut self, host: HostId) -> Result<(), RunPanic> {
        let name = self.name(host);
        let sim = &mut self.sim;
        inside_a_run(&self.shared, || sim.bounce(name));
        self.check()
    }

    /// Whether a host's program runs (a paused one does).
    pub fn is_running(&self, host: HostId) -> bool {
        self.shared.with(|state| state.host(host).running)
    }

    /// Stops a host's program where it is. Pauses add up.
    pub fn pause(&mut self, host: HostId) {
        self.shared.with(|state| {
            let host_state = state.host_mut(host);
            host_state.pauses += 1;
            host_state.paused.store(true, Ordering::Relaxed);
            state.record(Some(host), Kind::Fault, b"pause");
            state.overhear_change(host, Change::Paused);
        });
    }

    /// Ends a pause. Nothing happens if there is none, as after a crash.
    pub fn resume(&mut self, host: HostId) {
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

    /// Holds up what `from` sends to `to`, in this direction only. Blocks add up.
    pub fn one_way(&mut self, from: &[HostId], to: &[HostId]) {
        self.for_links(from, to, b"block", State::block);
    }

    /// Takes back one [`World::one_way`] of the same hosts.
    pub fn heal_one_way(&mut self, from: &[HostId], to: &[HostId]) {
        self.for_links(from, to, b"unblock", State::unblock);
    }

    /// Holds up all that `a` and `b` send to each other. Connection attempts hang. Blocks add up.
    pub fn partition(&mut self, a: &[HostId], b: &[HostId]) {
        self.one_way(a, b);
        self.one_way(b, a);
    }

    /// Takes back one [`World::partition`] of the same hosts: what was held up is delivered.
    pub fn heal(&mut self, a: &[HostId], b: &[HostId]) {
        self.heal_one_way(a, b);
        self.heal_one_way(b, a);
    }

    fn for_links(
        &mut self,
        from: &[HostId],
        to: &[HostId],
        what: &[u8],
        change: impl Fn(&mut State, HostId, HostId),
    ) {
        self.shared.with(|state| {
            for &from in from {
                for &to in to {
                    change(state, from, to);
                    state.record(Some(from), Kind::Fault, &[what, &to.0.to_le_bytes()].concat());
                }
            }
        });
    }

    /// Resets each connection between `a` and `b` with `probability`, as a firewall or a kernel
    /// that gave up may after a long partition. `index` names the stream of draws: the fault's.
    pub fn reset_connections(&mut self, a: &[HostId], b: &[HostId], probability: f64, index: u64) {
        self.shared.with(|state| {
            let mut draws = Draws::new(state.seed, "reset on heal", index);
            for &a in a {
                for &b in b {
                    state.reset_between(a, b, probability, &mut draws);
                }
            }
        });
    }

    /// Makes the link between two hosts slower, or with a negative number faster again. Changes add
    /// up, and what is under way keeps the speed that it was sent with.
    pub fn slow_link(&mut self, a: HostId, b: HostId, extra_ms: i64) {
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

    /// Moves a host's wall clock.
    pub fn shift_clock(&mut self, host: HostId, offset_ms: i64) {
        self.change_clock(host, &offset_ms.to_le_bytes(), |clock, _| clock.shift_ms(offset_ms));
    }

    /// Makes a host's clock run faster by `ppm` millionths of the true rate, or slower. Drifts add
    /// up. Alarms follow the monotonic clock, those that are armed too.
    pub fn drift_clock(&mut self, host: HostId, clock: Clock, ppm: i64) {
        let content = format!("drift {clock:?} {ppm}");
        self.change_clock(host, content.as_bytes(), |clocks, now_ns| {
            clocks.drift(now_ns, clock, ppm);
        });
        self.rearm_alarms(host);
    }

    /// Takes back a [`World::drift_clock`] that was made at `since_ns`, and sets the wall clock
    /// right as far as that drift made it wrong.
    pub fn end_clock_drift(&mut self, host: HostId, clock: Clock, ppm: i64, since_ns: u64) {
        let content = format!("end of drift {clock:?} {ppm}");
        self.change_clock(host, content.as_bytes(), |clocks, now_ns| {
            clocks.end_drift(now_ns, clock, ppm, since_ns);
        });
        self.rearm_alarms(host);
    }

    /// How far wall clocks were off: before and after each change of one, in order of time, and now
    /// for those that ever changed.
    pub fn wall_offsets(&self) -> Vec<WallOffset> {
        self.shared
            .with(|state| self.wall_history.until(state.now_ns, |host| &state.host(host).clock))
    }

    fn change_clock(&mut self, host: HostId, what: &[u8], change: impl FnOnce(&mut Clocks, u64)) {
        self.shared.with(|state| {
            let now_ns = state.now_ns;
            self.wall_history.change(host, &mut state.host_mut(host).clock, now_ns, change);
            state.record(Some(host), Kind::Fault, what);
        });
    }

    /// Whoever waits for an alarm asks again when it is due.
    fn rearm_alarms(&mut self, host: HostId) {
        self.shared.with(|state| {
            let host_state = state.host_mut(host);
            host_state.clock_changes.fetch_add(1, Ordering::Relaxed);
            let waiting: Vec<_> = host_state.alarms.values().cloned().collect();
            state.wakes.extend(waiting);
        });
    }

    /// Begins a fault of a host's disk.
    pub fn add_disk_fault(&mut self, host: HostId, fault: DiskFault) -> DiskFaultId {
        self.shared.with(|state| {
            state.record(Some(host), Kind::Fault, format!("{fault:?}").as_bytes());
            state.host_mut(host).disk.add_fault(fault)
        })
    }

    /// Ends a fault of a host's disk.
    pub fn remove_disk_fault(&mut self, host: HostId, fault: DiskFaultId) {
        self.shared.with(|state| {
            let now_ns = state.now_ns;
            let host_state = state.host_mut(host);
            host_state.disk.remove_fault(now_ns, fault);
            let waiters = std::mem::take(&mut host_state.disk_waiters);
            state.wakes.extend(waiters.into_values());
            state.record(Some(host), Kind::Fault, b"disk fault ends");
        });
    }

    /// Looks at a host's disk, or changes it, at no cost in time.
    pub fn with_disk<R>(&mut self, host: HostId, work: impl FnOnce(&mut Disk) -> R) -> R {
        self.shared.with(|state| {
            let now_ns = state.now_ns;
            let disk = &mut state.host_mut(host).disk;
            disk.advance(now_ns);
            work(disk)
        })
    }

    /// All hosts, in the order in which they were added.
    pub fn hosts(&self) -> Vec<HostId> {
        self.shared.with(|state| (0..state.hosts.len() as u32).map(HostId).collect())
    }

    /// The host of that name.
    pub fn find(&self, name: &str) -> Option<HostId> {
        self.shared.with(|state| state.by_name.get(name).copied())
    }

    /// A host's name.
    pub fn name(&self, host: HostId) -> String {
        self.shared.with(|state| state.host(host).name.clone())
    }

    /// How many ends of connections are open: a leak shows here.
    pub fn connection_ends(&self) -> usize {
        self.shared.with(|state| state.net.ends())
    }

    /// The recorder of this run: the trace, and a place for the harness's own events.
    pub fn recorder(&self) -> Recorder {
        Recorder { shared: Arc::clone(&self.shared) }
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.shared.with(|state| state.seed)
    }

    fn check(&self) -> Result<(), RunPanic> {
        self.shared.with(|state| state.panic.clone()).map_or(Ok(()), Err)
    }
}

/// A host's program from start to kill. It never ends, because turmoil forgets a host whose program
/// has ended, and with it the tasks that it spawned.
async fn program<F, Fut>(shared: Arc<Shared>, host: HostId, software: Rc<F>) -> turmoil::Result
where
    F: Fn(SimPlatform) -> Fut + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let incarnation = shared.with(|state| {
        let host_state = state.host(host);
        let incarnation = host_state.running.then_some(host_state.incarnation);
        if incarnation.is_some() {
            state.record(Some(host), Kind::Started, b"");
            state.overhear_change(host, Change::Started);
        }
        incarnation
    });
    if let Some(incarnation) = incarnation {
        let platform = SimPlatform { shared: Arc::clone(&shared), host, incarnation };
        // The program is built inside the gate too, so that its panics are the run's.
        Gated::new(shared, host, async move { software(platform).await }).await;
    }
    std::future::pending().await
}
