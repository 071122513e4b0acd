//! What both simulated worlds offer, so that whole ensembles, faults and recorders are written once.
//!
//! [`World`] runs hosts on turmoil, a millisecond at a time; [`EngineWorld`] runs them on our own
//! engine, from event to event. A plan says which of them performs it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use platform::Platform;
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, WallOffset};
use crate::disk::{Disk, DiskFault, DiskFaultId};
use crate::engine::EngineWorld;
use crate::engine::platform::EnginePlatform;
use crate::platform::SimPlatform;
use crate::shared::HostId;
use crate::tap::Tapped;
use crate::task::RunPanic;
use crate::trace::Event;
use crate::world::{Settings, World};

/// Which world performs a plan.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    /// Our own event-driven engine: [`EngineWorld`].
    #[default]
    Engine,
    /// turmoil, with our wrapper around it: [`World`].
    Turmoil,
}

impl EngineKind {
    /// Every one, the default first.
    pub const ALL: [EngineKind; 2] = [EngineKind::Engine, EngineKind::Turmoil];

    /// Its name, as plans and the command line spell it.
    pub fn name(self) -> &'static str {
        match self {
            EngineKind::Engine => "engine",
            EngineKind::Turmoil => "turmoil",
        }
    }

    /// Whether it is the default, which plans leave out.
    pub fn is_default(&self) -> bool {
        *self == EngineKind::default()
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A flag by which a simulated program interrupts the passing of time, because the harness has to
/// act at once.
#[derive(Clone, Debug, Default)]
pub struct Attention(Arc<AtomicBool>);

impl Attention {
    /// Asks for attention.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether attention was asked for since it was last taken.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes notice.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// One host as its programs see it: a platform, and what their recorders need.
pub trait SimHandle: Platform {
    /// Which host this is.
    fn host(&self) -> HostId;

    /// World time in nanoseconds, the same on every host: for histories, not for programs.
    fn world_ns(&self) -> u64;

    /// Records an event of this host in the trace.
    fn record(&self, tag: u32, content: &[u8]);

    /// The harness is about to kill this host, right here: nothing that it does from now on shows.
    /// turmoil's world cannot do that; there it is killed within the millisecond.
    fn doom(&self) {}
}

/// A simulated world: hosts that run programs, and what may befall them. The methods do what the
/// methods of that name of [`World`] and [`EngineWorld`] do.
pub trait Simulation: Sized {
    /// What the programs of its hosts hold.
    type Handle: SimHandle;

    /// An empty world.
    fn build(seed: u64, settings: Settings) -> Self;

    /// Adds a host that runs `software`, now and again after each restart.
    fn host<F, Fut>(&mut self, name: &str, software: F) -> HostId
    where
        F: Fn(Self::Handle) -> Fut + 'static,
        Fut: Future<Output = ()> + 'static;

    /// Lets time pass up to `at_ns` since the start (turmoil: to the end of that millisecond), or
    /// until somebody asks for attention.
    ///
    /// # Errors
    /// A task or the engine panicked: the run is over.
    fn pass_until_ns(&mut self, at_ns: u64, attention: &Attention) -> Result<(), RunPanic>;

    /// World time, in nanoseconds since the start.
    fn elapsed_ns(&self) -> u64;

    /// World time, in whole milliseconds since the start.
    fn elapsed_ms(&self) -> u64 {
        self.elapsed_ns() / 1_000_000
    }

    /// Kills a host's program.
    ///
    /// # Errors
    /// What it owned panicked as it was dropped.
    fn crash(&mut self, host: HostId) -> Result<(), RunPanic>;

    /// Takes the power from a host's machine.
    ///
    /// # Errors
    /// As [`Simulation::crash`].
    fn power_loss(&mut self, host: HostId) -> Result<(), RunPanic>;

    /// Starts a host's program again, and its machine if need be.
    ///
    /// # Errors
    /// As [`Simulation::crash`].
    fn restart(&mut self, host: HostId) -> Result<(), RunPanic>;

    /// Whether a host's program runs (a paused one does).
    fn is_running(&self, host: HostId) -> bool;

    /// Stops a host's program where it is. Pauses add up.
    fn pause(&mut self, host: HostId);

    /// Ends a pause.
    fn resume(&mut self, host: HostId);

    /// Holds up what `from` sends to `to`. Blocks add up.
    fn one_way(&mut self, from: &[HostId], to: &[HostId]);

    /// Takes back one [`Simulation::one_way`] of the same hosts.
    fn heal_one_way(&mut self, from: &[HostId], to: &[HostId]);

    /// Resets each connection between `a` and `b` with `probability`; `index` names the draws.
    fn reset_connections(&mut self, a: &[HostId], b: &[HostId], probability: f64, index: u64);

    /// Makes the link between two hosts slower, or with a negative number faster again.
    fn slow_link(&mut self, a: HostId, b: HostId, extra_ms: i64);

    /// Segments between two hosts get lost with a probability.
    fn flaky_link(&mut self, a: HostId, b: HostId, loss: f64);

    /// Takes back one [`Simulation::flaky_link`] of the same loss.
    fn end_flaky_link(&mut self, a: HostId, b: HostId, loss: f64);

    /// Limits what the link between two hosts carries.
    fn narrow_link(&mut self, a: HostId, b: HostId, bytes_per_s: u64);

    /// Takes back one [`Simulation::narrow_link`] of the same limit.
    fn end_narrow_link(&mut self, a: HostId, b: HostId, bytes_per_s: u64);

    /// Drops SYNs from one host to another.
    fn hang_connects(&mut self, from: HostId, to: HostId);

    /// Takes back one [`Simulation::hang_connects`] of the same hosts.
    fn end_hang_connects(&mut self, from: HostId, to: HostId);

    /// What stands between two hosts forgets their connections.
    fn half_open(&mut self, a: HostId, b: HostId, silent: bool);

    /// Resets all connections between two hosts.
    fn reset_all(&mut self, a: HostId, b: HostId);

    /// Moves a host's wall clock.
    fn shift_clock(&mut self, host: HostId, offset_ms: i64);

    /// Makes a host's clock run faster by `ppm` millionths of the true rate, or slower.
    fn drift_clock(&mut self, host: HostId, clock: Clock, ppm: i64);

    /// Takes back a [`Simulation::drift_clock`] that was made at `since_ns`.
    fn end_clock_drift(&mut self, host: HostId, clock: Clock, ppm: i64, since_ns: u64);

    /// How far wall clocks were off.
    fn wall_offsets(&self) -> Vec<WallOffset>;

    /// Begins a fault of a host's disk.
    fn add_disk_fault(&mut self, host: HostId, fault: DiskFault) -> DiskFaultId;

    /// Ends a fault of a host's disk.
    fn remove_disk_fault(&mut self, host: HostId, fault: DiskFaultId);

    /// Looks at a host's disk, or changes it, at no cost in time.
    fn with_disk<R>(&mut self, host: HostId, work: impl FnOnce(&mut Disk) -> R) -> R;

    /// All hosts, in the order in which they were added.
    fn hosts(&self) -> Vec<HostId>;

    /// The host of that name.
    fn find(&self, name: &str) -> Option<HostId>;

    /// A host's name.
    fn name(&self, host: HostId) -> String;

    /// The seed.
    fn seed(&self) -> u64;

    /// The hash over all events of the trace so far.
    fn trace_hash(&self) -> u64;

    /// How many events there were.
    fn trace_count(&self) -> u64;

    /// Every event if the settings keep them, else the last ones.
    fn trace_events(&self) -> Vec<Event>;

    /// Ends the tapping of the network, and gives what was overheard, if the settings ask for it.
    fn take_tapped(&self) -> Option<Tapped>;
}

/// Both worlds have these methods of their own, of the same names.
macro_rules! delegate {
    () => {
        fn host<F, Fut>(&mut self, name: &str, software: F) -> HostId
        where
            F: Fn(Self::Handle) -> Fut + 'static,
            Fut: Future<Output = ()> + 'static,
        {
            self.host(name, software)
        }

        fn elapsed_ns(&self) -> u64 {
            self.elapsed_ns()
        }

        fn crash(&mut self, host: HostId) -> Result<(), RunPanic> {
            self.crash(host)
        }

        fn power_loss(&mut self, host: HostId) -> Result<(), RunPanic> {
            self.power_loss(host)
        }

        fn restart(&mut self, host: HostId) -> Result<(), RunPanic> {
            self.restart(host)
        }

        fn is_running(&self, host: HostId) -> bool {
            self.is_running(host)
        }

        fn pause(&mut self, host: HostId) {
            self.pause(host);
        }

        fn resume(&mut self, host: HostId) {
            self.resume(host);
        }

        fn one_way(&mut self, from: &[HostId], to: &[HostId]) {
            self.one_way(from, to);
        }

        fn heal_one_way(&mut self, from: &[HostId], to: &[HostId]) {
            self.heal_one_way(from, to);
        }

        fn reset_connections(&mut self, a: &[HostId], b: &[HostId], probability: f64, index: u64) {
            self.reset_connections(a, b, probability, index);
        }

        fn slow_link(&mut self, a: HostId, b: HostId, extra_ms: i64) {
            self.slow_link(a, b, extra_ms);
        }

        fn hang_connects(&mut self, from: HostId, to: HostId) {
            self.hang_connects(from, to);
        }

        fn end_hang_connects(&mut self, from: HostId, to: HostId) {
            self.end_hang_connects(from, to);
        }

        fn half_open(&mut self, a: HostId, b: HostId, silent: bool) {
            self.half_open(a, b, silent);
        }

        fn reset_all(&mut self, a: HostId, b: HostId) {
            self.reset_all(a, b);
        }

        fn shift_clock(&mut self, host: HostId, offset_ms: i64) {
            self.shift_clock(host, offset_ms);
        }

        fn drift_clock(&mut self, host: HostId, clock: Clock, ppm: i64) {
            self.drift_clock(host, clock, ppm);
        }

        fn end_clock_drift(&mut self, host: HostId, clock: Clock, ppm: i64, since_ns: u64) {
            self.end_clock_drift(host, clock, ppm, since_ns);
        }

        fn wall_offsets(&self) -> Vec<WallOffset> {
            self.wall_offsets()
        }

        fn add_disk_fault(&mut self, host: HostId, fault: DiskFault) -> DiskFaultId {
            self.add_disk_fault(host, fault)
        }

        fn remove_disk_fault(&mut self, host: HostId, fault: DiskFaultId) {
            self.remove_disk_fault(host, fault);
        }

        fn with_disk<R>(&mut self, host: HostId, work: impl FnOnce(&mut Disk) -> R) -> R {
            self.with_disk(host, work)
        }

        fn hosts(&self) -> Vec<HostId> {
            self.hosts()
        }

        fn find(&self, name: &str) -> Option<HostId> {
            self.find(name)
        }

        fn name(&self, host: HostId) -> String {
            self.name(host)
        }

        fn seed(&self) -> u64 {
            self.seed()
        }

        fn trace_hash(&self) -> u64 {
            self.recorder().hash()
        }

        fn trace_count(&self) -> u64 {
            self.recorder().count()
        }

        fn trace_events(&self) -> Vec<Event> {
            let recorder = self.recorder();
            recorder.all().unwrap_or_else(|| recorder.last())
        }

        fn take_tapped(&self) -> Option<Tapped> {
            self.recorder().take_tapped()
        }
    };
}

impl Simulation for World {
    type Handle = SimPlatform;

    fn build(seed: u64, settings: Settings) -> World {
        World::new(seed, settings)
    }

    fn pass_until_ns(&mut self, at_ns: u64, attention: &Attention) -> Result<(), RunPanic> {
        while World::elapsed_ns(self) < at_ns && !attention.is_asked() {
            self.step()?;
        }
        Ok(())
    }

    fn flaky_link(&mut self, _a: HostId, _b: HostId, _loss: f64) {
        lacks("flaky links");
    }

    fn end_flaky_link(&mut self, _a: HostId, _b: HostId, _loss: f64) {
        lacks("flaky links");
    }

    fn narrow_link(&mut self, _a: HostId, _b: HostId, _bytes_per_s: u64) {
        lacks("limits of bandwidth");
    }

    fn end_narrow_link(&mut self, _a: HostId, _b: HostId, _bytes_per_s: u64) {
        lacks("limits of bandwidth");
    }

    delegate!();
}

/// See [`crate::fault::Fault::engines`].
fn lacks(what: &str) -> ! {
    panic!("turmoil has no {what}; plans are checked when they are loaded")
}

impl Simulation for EngineWorld {
    type Handle = EnginePlatform;

    fn build(seed: u64, settings: Settings) -> EngineWorld {
        EngineWorld::new(seed, settings)
    }

    fn pass_until_ns(&mut self, at_ns: u64, attention: &Attention) -> Result<(), RunPanic> {
        self.run_unless(at_ns, attention)
    }

    fn flaky_link(&mut self, a: HostId, b: HostId, loss: f64) {
        self.flaky_link(a, b, loss);
    }

    fn end_flaky_link(&mut self, a: HostId, b: HostId, loss: f64) {
        self.end_flaky_link(a, b, loss);
    }

    fn narrow_link(&mut self, a: HostId, b: HostId, bytes_per_s: u64) {
        self.narrow_link(a, b, bytes_per_s);
    }

    fn end_narrow_link(&mut self, a: HostId, b: HostId, bytes_per_s: u64) {
        self.end_narrow_link(a, b, bytes_per_s);
    }

    delegate!();
}

impl SimHandle for SimPlatform {
    fn host(&self) -> HostId {
        self.host()
    }

    fn world_ns(&self) -> u64 {
        self.world_ns()
    }

    fn record(&self, tag: u32, content: &[u8]) {
        self.record(tag, content);
    }
}

impl SimHandle for EnginePlatform {
    fn host(&self) -> HostId {
        self.host()
    }

    fn world_ns(&self) -> u64 {
        self.world_ns()
    }

    fn record(&self, tag: u32, content: &[u8]) {
        self.record(tag, content);
    }

    fn doom(&self) {
        self.doom();
    }
}
