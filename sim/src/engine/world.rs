//! A world on the engine: hosts that run programs, and what may befall them.
//!
//! One world runs on one thread, the one that made it, and nothing of it is shared with another:
//! many run side by side. Everything that happens is decided by the seed, the settings and the calls
//! made here. What a call changes shows from the next instant on: nothing runs during the call but
//! the destructors of what a kill drops.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;

use super::current::{self, WorldId};
use super::executor::{self, Work};
use super::platform::EnginePlatform;
use super::settings::EngineSettings;
use super::state::{self, State};
use crate::clock::{Clock, Clocks, WallHistory, WallOffset};
use crate::disk::{Disk, DiskFault, DiskFaultId};
use crate::seed::Draws;
use crate::shared::HostId;
use crate::simulation::Attention;
use crate::tap::{Change, Tapped};
use crate::task::{RunPanic, catching};
use crate::trace::{Event, Kind};

type Program = Rc<dyn Fn(EnginePlatform) -> Work>;

/// Hosts, a network between them, and time.
pub struct EngineWorld {
    pub(super) id: WorldId,
    pub(super) state: Rc<RefCell<State>>,
    /// What each host runs.
    programs: Vec<Program>,
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
    /// Alarms.
    pub timers: usize,
    /// Listening ports.
    pub ports: usize,
    /// Events to come, stale ones too.
    pub events: usize,
}

impl EngineWorld {
    /// An empty world. [`crate::world::Settings`] will do for `settings`.
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

    /// Adds a host that runs `software`, now and again after each restart. When the program's
    /// future ends, the tasks that it spawned go on.
    ///
    /// # Panics
    /// If the name is taken.
    pub fn host<F, Fut>(&mut self, name: &str, software: F) -> HostId
    where
        F: Fn(EnginePlatform) -> Fut + 'static,
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

    fn start(&mut self, host: HostId) {
        let incarnation = self.state.borrow().host(host).incarnation;
        let platform = EnginePlatform { world: self.id, host, incarnation };
        let work = self.programs[host.0 as usize](platform);
        let mut state = self.state.borrow_mut();
        state.record(Some(host), Kind::Started, b"");
        state.overhear_change(host, Change::Started);
        state.spawn(host, work);
    }

    /// World time, in nanoseconds since the start.
    pub fn elapsed_ns(&self) -> u64 {
        self.state.borrow().now_ns
    }

    /// World time, in whole milliseconds since the start.
    pub fn elapsed_ms(&self) -> u64 {
        self.elapsed_ns() / 1_000_000
    }

    /// Lets happen what is to happen at the next instant, which is the present one if tasks are ready.
    /// If nothing is to happen, ever, a millisecond passes.
    ///
    /// # Errors
    /// A task or the engine panicked, was livelocked or was disturbed from another thread: the run
    /// is over, and every later step says so again.
    ///
    /// # Panics
    /// Inside a tokio runtime, whose cooperative budget would make tasks wait for a wake that the
    /// engine never sees.
    pub fn step(&mut self) -> Result<(), RunPanic> {
        self.advance(None, true, None)
    }

    /// Lets time pass up to `at_ns` since the start. What is due just then happens later.
    ///
    /// # Errors
    /// As [`EngineWorld::step`].
    ///
    /// # Panics
    /// As [`EngineWorld::step`].
    pub fn run_until_ns(&mut self, at_ns: u64) -> Result<(), RunPanic> {
        if self.elapsed_ns() >= at_ns {
            return Ok(());
        }
        self.advance(Some(at_ns), false, None)
    }

    /// As [`EngineWorld::run_until_ns`], but only to the instant in which somebody asks for attention.
    ///
    /// # Errors
    /// As [`EngineWorld::step`].
    pub fn run_unless(&mut self, at_ns: u64, attention: &Attention) -> Result<(), RunPanic> {
        if self.elapsed_ns() >= at_ns {
            return Ok(());
        }
        self.advance(Some(at_ns), false, Some(attention))
    }

    /// As [`EngineWorld::run_until_ns`], in milliseconds.
    ///
    /// # Errors
    /// As [`EngineWorld::step`].
    pub fn run_until_ms(&mut self, at_ms: u64) -> Result<(), RunPanic> {
        self.run_until_ns(at_ms.saturating_mul(1_000_000))
    }

    /// Lets `ms` milliseconds pass.
    ///
    /// # Errors
    /// As [`EngineWorld::step`].
    pub fn run_for_ms(&mut self, ms: u64) -> Result<(), RunPanic> {
        self.run_until_ns(self.elapsed_ns() + ms * 1_000_000)
    }

    /// Lets time pass until `is_reached`, which is asked after each instant, but at most to
    /// `limit_ms` since the start. Whether it was reached.
    ///
    /// # Errors
    /// As [`EngineWorld::step`].
    pub fn run_until(
        &mut self,
        limit_ms: u64,
        mut is_reached: impl FnMut(&mut EngineWorld) -> bool,
    ) -> Result<bool, RunPanic> {
        let limit_ns = limit_ms.saturating_mul(1_000_000);
        loop {
            if is_reached(self) {
                return Ok(true);
            }
            if self.elapsed_ns() >= limit_ns {
                return Ok(false);
            }
            self.advance(Some(limit_ns), true, None)?;
        }
    }

    /// Runs to a limit (none: to the next event), or there and through one instant only, or until
    /// somebody asks for attention.
    fn advance(
        &mut self,
        limit_ns: Option<u64>,
        is_step: bool,
        attention: Option<&Attention>,
    ) -> Result<(), RunPanic> {
        self.check()?;
        assert!(
            tokio::runtime::Handle::try_current().is_err(),
            "the engine runs outside of tokio's runtimes: inside, tokio makes tasks wait unseen"
        );
        let entered = current::enter(self.id, &self.state);
        let state = &self.state;
        let caught = catching(|| {
            state.borrow_mut().take_late_wakes();
            // Whom a fault or the harness woke runs at the present instant.
            let was_ready = !state.borrow().busy.is_empty();
            executor::run_ready(state);
            if was_ready && is_step {
                return;
            }
            let is_asked = || attention.is_some_and(Attention::is_asked);
            let limit_ns = limit_ns.unwrap_or_else(|| state.borrow().next_ns());
            while !is_asked()
                && state.borrow().panic.is_none()
                && state::next_instant(state, limit_ns)
            {
                executor::run_ready(state);
                if is_step {
                    break;
                }
            }
        });
        drop(entered);
        if let Err(message) = caught {
            self.state.borrow_mut().fail(None, message);
        }
        self.check()
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
    /// As [`EngineWorld::crash`].
    pub fn power_loss(&mut self, host: HostId) -> Result<(), RunPanic> {
        self.take_down(host, b"power loss", |state| {
            let now_ns = state.now_ns;
            let host_state = state.host_mut(host);
            host_state.powered = false;
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
        let _entered = current::enter(self.id, &self.state);
        let (bodies, waiters) = {
            let mut state = self.state.borrow_mut();
            let now_ns = state.now_ns;
            let host_state = state.host_mut(host);
            host_state.running = false;
            host_state.is_doomed = false;
            host_state.incarnation += 1;
            host_state.pauses = 0;
            host_state.frozen.clear();
            host_state.disk.advance(now_ns);
            host_state.disk.kill_process();
            let waiters = std::mem::take(&mut host_state.disk_waiters);
            and(&mut state);
            state.record(Some(host), Kind::Died, how);
            let has_power = state.host(host).powered;
            let change = if has_power { Change::Crashed } else { Change::LostPower };
            state.overhear_change(host, change);
            (state.take_tasks(Some(host)), waiters)
        };
        drop(waiters);
        for (host, body) in bodies {
            executor::drop_body(&self.state, host, body);
        }
        current::with(self.id, |state| state.close_all(host));
        self.check()
    }

    /// Starts a host's program again, and its machine if need be. Nothing happens if it runs.
    ///
    /// # Errors
    /// The run is over.
    pub fn restart(&mut self, host: HostId) -> Result<(), RunPanic> {
        if !self.is_running(host) {
            let mut state = self.state.borrow_mut();
            let incarnation = u64::from(state.host(host).incarnation);
            let entropy = Draws::for_host(state.seed, "entropy", host.0, incarnation);
            let host_state = state.host_mut(host);
            host_state.running = true;
            host_state.powered = true;
            host_state.entropy = entropy;
            drop(state);
            self.start(host);
        }
        self.check()
    }

    /// Whether a host's program runs (a paused one does).
    pub fn is_running(&self, host: HostId) -> bool {
        self.state.borrow().host(host).running
    }

    /// Stops a host's program where it is. Pauses add up.
    pub fn pause(&mut self, host: HostId) {
        let mut state = self.state.borrow_mut();
        state.host_mut(host).pauses += 1;
        state.freeze(host);
        state.record(Some(host), Kind::Fault, b"pause");
        state.overhear_change(host, Change::Paused);
    }

    /// Ends a pause. Nothing happens if there is none, as after a crash.
    pub fn resume(&mut self, host: HostId) {
        let mut state = self.state.borrow_mut();
        let host_state = state.host_mut(host);
        host_state.pauses = host_state.pauses.saturating_sub(1);
        if host_state.pauses == 0 {
            state.thaw(host);
            state.record(Some(host), Kind::Fault, b"resume");
            state.overhear_change(host, Change::Resumed);
        }
    }

    /// Holds up what `from` sends to `to`, in this direction only. Blocks add up.
    pub fn one_way(&mut self, from: &[HostId], to: &[HostId]) {
        self.for_links(from, to, b"block", State::block);
    }

    /// Takes back one [`EngineWorld::one_way`] of the same hosts: what was held up arrives when it
    /// is sent again.
    pub fn heal_one_way(&mut self, from: &[HostId], to: &[HostId]) {
        self.for_links(from, to, b"unblock", State::unblock);
    }

    /// Holds up all that `a` and `b` send to each other. Connection attempts hang. Blocks add up.
    pub fn partition(&mut self, a: &[HostId], b: &[HostId]) {
        self.one_way(a, b);
        self.one_way(b, a);
    }

    /// Takes back one [`EngineWorld::partition`] of the same hosts.
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
        let mut state = self.state.borrow_mut();
        for &from in from {
            for &to in to {
                change(&mut state, from, to);
                state.record(Some(from), Kind::Fault, &[what, &to.0.to_le_bytes()].concat());
            }
        }
    }

    /// Resets each connection between `a` and `b` with `probability`, as a firewall or a kernel
    /// that gave up may after a long partition. `index` names the stream of draws: the fault's.
    pub fn reset_connections(&mut self, a: &[HostId], b: &[HostId], probability: f64, index: u64) {
        let _entered = current::enter(self.id, &self.state);
        current::with(self.id, |state| {
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
        let mut state = self.state.borrow_mut();
        let extra_ns = extra_ms.saturating_mul(1_000_000);
        state.slow_down(a, b, extra_ns);
        let slower_ms = state.slow_down(b, a, extra_ns) / 1_000_000;
        let content = [b.0.to_le_bytes().as_slice(), &slower_ms.to_le_bytes()].concat();
        state.record(Some(a), Kind::Fault, &content);
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
    }

    /// Takes back an [`EngineWorld::drift_clock`] that was made at `since_ns`, and sets the wall
    /// clock right as far as that drift made it wrong.
    pub fn end_clock_drift(&mut self, host: HostId, clock: Clock, ppm: i64, since_ns: u64) {
        let content = format!("end of drift {clock:?} {ppm}");
        self.change_clock(host, content.as_bytes(), |clocks, now_ns| {
            clocks.end_drift(now_ns, clock, ppm, since_ns);
        });
    }

    /// How far wall clocks were off: before and after each change of one, in order of time, and now
    /// for those that ever changed.
    pub fn wall_offsets(&self) -> Vec<WallOffset> {
        let state = self.state.borrow();
        self.wall_history.until(state.now_ns, |host| &state.host(host).clock)
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

    /// Begins a fault of a host's disk.
    pub fn add_disk_fault(&mut self, host: HostId, fault: DiskFault) -> DiskFaultId {
        let mut state = self.state.borrow_mut();
        state.record(Some(host), Kind::Fault, format!("{fault:?}").as_bytes());
        let now_ns = state.now_ns;
        let disk = &mut state.host_mut(host).disk;
        disk.advance(now_ns);
        disk.add_fault(fault)
    }

    /// Ends a fault of a host's disk.
    pub fn remove_disk_fault(&mut self, host: HostId, fault: DiskFaultId) {
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

    /// Looks at a host's disk, or changes it, at no cost in time.
    pub fn with_disk<R>(&mut self, host: HostId, work: impl FnOnce(&mut Disk) -> R) -> R {
        let mut state = self.state.borrow_mut();
        let now_ns = state.now_ns;
        let disk = &mut state.host_mut(host).disk;
        disk.advance(now_ns);
        work(disk)
    }

    /// All hosts, in the order in which they were added.
    pub fn hosts(&self) -> Vec<HostId> {
        (0..self.programs.len() as u32).map(HostId).collect()
    }

    /// The host of that name.
    pub fn find(&self, name: &str) -> Option<HostId> {
        self.state.borrow().by_name.get(name).copied()
    }

    /// A host's name.
    pub fn name(&self, host: HostId) -> String {
        self.state.borrow().host(host).name.clone()
    }

    /// How many ends of connections are open: a leak shows here.
    pub fn connection_ends(&self) -> usize {
        self.state.borrow().net.ends()
    }

    /// What exists now.
    pub fn census(&self) -> Census {
        let state = self.state.borrow();
        Census {
            tasks: state.tasks.len(),
            connection_ends: state.net.ends(),
            connections: state.net.conns.len(),
            timers: state.timers.len(),
            ports: state.net.ports.len(),
            events: state.agenda.len(),
        }
    }

    /// How often tasks were polled.
    pub fn polls(&self) -> u64 {
        self.state.borrow().polls
    }

    /// The recorder of this run: the trace, and a place for the harness's own events.
    pub fn recorder(&self) -> EngineRecorder {
        EngineRecorder { state: Rc::clone(&self.state) }
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.state.borrow().seed
    }

    fn check(&self) -> Result<(), RunPanic> {
        self.state.borrow().panic.clone().map_or(Ok(()), Err)
    }
}

impl Drop for EngineWorld {
    /// Programs end with their world, the oldest task first, while their handles still work.
    fn drop(&mut self) {
        let _entered = current::enter(self.id, &self.state);
        let bodies = self.state.borrow_mut().take_tasks(None);
        for (host, body) in bodies {
            executor::drop_body(&self.state, host, body);
        }
    }
}

/// Appends events to the trace of a run, and reads it. It may outlive its world.
#[derive(Clone)]
pub struct EngineRecorder {
    state: Rc<RefCell<State>>,
}

impl EngineRecorder {
    /// Records an event of the harness. Its tag and content are part of the hash.
    pub fn record(&self, host: Option<HostId>, tag: u32, content: &[u8]) {
        self.state.borrow_mut().record(host, Kind::Own(tag), content);
    }

    /// The hash over all events so far.
    pub fn hash(&self) -> u64 {
        self.state.borrow().trace.hash()
    }

    /// How many events there were.
    pub fn count(&self) -> u64 {
        self.state.borrow().trace.count()
    }

    /// The last events, oldest first.
    pub fn last(&self) -> Vec<Event> {
        self.state.borrow().trace.last().cloned().collect()
    }

    /// All events, if [`crate::world::Settings::keep_trace`] asked for them.
    pub fn all(&self) -> Option<Vec<Event>> {
        self.state.borrow().trace.all().map(<[Event]>::to_vec)
    }

    /// Ends the tapping, and gives what was overheard, if
    /// [`crate::world::Settings::keep_trace`] asked for it.
    pub fn take_tapped(&self) -> Option<Tapped> {
        let mut state = self.state.borrow_mut();
        let tap = state.tap.take()?;
        Some(tap.finish(state.hosts.iter().map(|host| host.name.clone()).collect()))
    }
}
