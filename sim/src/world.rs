//! What every simulated world offers, so that whole ensembles, faults and recorders are written once.
//!
//! A world has hosts that run programs, a network between them, clocks and disks, and it is at rest
//! until its time is made to pass. One world runs on one thread and shares nothing with another: many
//! run side by side. What happens is decided by the seed, the settings and the calls made here, and by
//! nothing else: equal seeds, settings, programs and calls give equal traces.

use std::future::Future;
use std::time::Duration;

use crate::attention::Attention;
use crate::clock::{Clock, WallOffset};
use crate::disk::{Disk, DiskFault, DiskFaultId};
use crate::engines::{Capability, EngineKind};
use crate::host::{Host, HostId};
use crate::panics::RunPanic;
pub use crate::settings::Settings;
use crate::tap::Tapped;
use crate::time::Time;
use crate::trace::Event;

/// What is wrong with the datagrams between two hosts, in probabilities from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DatagramTrouble {
    /// That one gets lost.
    pub loss: f64,
    /// That one arrives twice.
    pub duplicate: f64,
    /// That one is overtaken by later ones.
    pub reorder: f64,
}

/// A simulated world.
///
/// # Time
/// Time passes only in [`World::step`] and the methods named `run` or `pass`. What other calls change
/// happens at the present moment, and programs see it when time passes again; during such a call
/// nothing runs but the destructors of what a kill drops.
///
/// # Faults
/// Faults add up, and each is taken back by the call that names it: two pauses need two resumes, and a
/// link that was cut twice is whole after two healings. A fault between a host and itself does nothing.
///
/// # Errors
/// Whatever can run code of a host returns [`RunPanic`]: a task panicked, or the world itself did, was
/// livelocked or was disturbed from another thread. The run is over then, and every later call that
/// returns a result says so again.
///
/// # Panics
/// Every method that takes a [`HostId`] panics if it names no host of this world.
pub trait World: Sized {
    /// What the programs of its hosts hold.
    type Host: Host;

    /// Which world this is, and so what it can do.
    const KIND: EngineKind;

    /// Whether this kind of world can do something that not all can.
    fn has(capability: Capability) -> bool {
        Self::KIND.has(capability)
    }

    /// An empty world.
    ///
    /// # Panics
    /// If the settings' latencies are no range, or begin below a millisecond.
    fn build(seed: u64, settings: Settings) -> Self;

    /// Adds a host that runs `software`, from the next instant on and again after each restart. When
    /// the program's future ends, the tasks that it spawned go on. Its panics, also those of building
    /// it, end the run.
    ///
    /// # Panics
    /// If the name is taken.
    fn host<F, Fut>(&mut self, name: &str, software: F) -> HostId
    where
        F: Fn(Self::Host) -> Fut + 'static,
        Fut: Future<Output = ()> + 'static;

    /// The present moment.
    fn now(&self) -> Time;

    /// World time, in nanoseconds since the start.
    fn elapsed_ns(&self) -> u64 {
        self.now().ns()
    }

    /// World time, in whole milliseconds since the start.
    fn elapsed_ms(&self) -> u64 {
        self.now().ms()
    }

    /// Lets the least possible time pass. With [`Capability::ExactTime`] it lets happen what is to
    /// happen at the next instant, which is the present one if tasks are ready; without, it lets one
    /// millisecond pass. An idle world lets a millisecond pass, too.
    ///
    /// # Errors
    /// The run is over.
    ///
    /// # Panics
    /// With the engine, inside a tokio runtime, whose cooperative budget would make tasks wait for a
    /// wake that the engine never sees.
    fn step(&mut self) -> Result<(), RunPanic>;

    /// Lets time pass up to `at`, or to the instant in which somebody asks for attention. What is due
    /// just at `at` happens later. Without [`Capability::ExactTime`] it goes on to the end of the
    /// millisecond. Nothing happens if `at` is past.
    ///
    /// # Errors
    /// The run is over.
    ///
    /// # Panics
    /// As [`World::step`].
    fn pass_until(&mut self, at: Time, attention: &Attention) -> Result<(), RunPanic>;

    /// As [`World::pass_until`], to nanoseconds since the start.
    ///
    /// # Errors
    /// The run is over.
    fn pass_until_ns(&mut self, at_ns: u64, attention: &Attention) -> Result<(), RunPanic> {
        self.pass_until(Time::from_ns(at_ns), attention)
    }

    /// As [`World::pass_until`], with nobody asking for attention, to nanoseconds since the start.
    ///
    /// # Errors
    /// The run is over.
    fn run_until_ns(&mut self, at_ns: u64) -> Result<(), RunPanic> {
        self.pass_until(Time::from_ns(at_ns), &Attention::default())
    }

    /// As [`World::pass_until`], with nobody asking for attention, to milliseconds since the start.
    ///
    /// # Errors
    /// The run is over.
    fn run_until_ms(&mut self, at_ms: u64) -> Result<(), RunPanic> {
        self.pass_until(Time::from_ms(at_ms), &Attention::default())
    }

    /// Lets `ms` milliseconds pass.
    ///
    /// # Errors
    /// The run is over.
    fn run_for_ms(&mut self, ms: u64) -> Result<(), RunPanic> {
        let at = self.now() + Duration::from_millis(ms);
        self.pass_until(at, &Attention::default())
    }

    /// Lets time pass until `is_reached`, which is asked now and after each [`World::step`], but at
    /// most to `limit_ms` since the start. Whether it was reached.
    ///
    /// # Errors
    /// The run is over.
    fn run_until(
        &mut self,
        limit_ms: u64,
        is_reached: impl FnMut(&mut Self) -> bool,
    ) -> Result<bool, RunPanic>;

    /// Kills a host's program, as SIGKILL does: its connections close, what it had not flushed is
    /// lost, its pauses end. Its machine goes on, and refuses new connections. It may be down already.
    ///
    /// # Errors
    /// What it owned panicked as it was dropped.
    fn crash(&mut self, host: HostId) -> Result<(), RunPanic>;

    /// Takes the power from a host's machine: its peers hear nothing, and of what was not synced any
    /// part survives. It may follow a crash.
    ///
    /// # Errors
    /// As [`World::crash`].
    fn power_loss(&mut self, host: HostId) -> Result<(), RunPanic>;

    /// Starts a host's program again, and its machine if need be. Nothing happens if it runs.
    ///
    /// # Errors
    /// The run is over.
    fn restart(&mut self, host: HostId) -> Result<(), RunPanic>;

    /// Whether a host's program runs (a paused one does).
    fn is_running(&self, host: HostId) -> bool;

    /// Stops a host's program where it is, as SIGSTOP does: its timers run out and its messages
    /// arrive, and it learns of them all at once when it goes on. Pauses add up.
    fn pause(&mut self, host: HostId);

    /// Ends a pause. Nothing happens if there is none, as after a crash.
    fn resume(&mut self, host: HostId);

    /// Holds up what `from` sends to `to`, in this direction only. Bytes are delayed, never lost;
    /// connection attempts hang. Blocks add up.
    fn one_way(&mut self, from: &[HostId], to: &[HostId]);

    /// Takes back one [`World::one_way`] of the same hosts: what was held up arrives, at the latest
    /// when it is sent again.
    fn heal_one_way(&mut self, from: &[HostId], to: &[HostId]);

    /// Holds up all that `a` and `b` send to each other.
    fn partition(&mut self, a: &[HostId], b: &[HostId]) {
        self.one_way(a, b);
        self.one_way(b, a);
    }

    /// Takes back one [`World::partition`] of the same hosts.
    fn heal(&mut self, a: &[HostId], b: &[HostId]) {
        self.heal_one_way(a, b);
        self.heal_one_way(b, a);
    }

    /// Resets each connection between `a` and `b` with `probability`, as a firewall or a kernel that
    /// gave up may after a long partition. `index` names the stream of draws: the fault's place in its
    /// plan, so that removing another fault moves no draw of this one.
    fn reset_connections(&mut self, a: &[HostId], b: &[HostId], probability: f64, index: u64);

    /// Makes the link between two hosts slower by `extra_ms` milliseconds in each direction, or with a
    /// negative number faster again. Changes add up, and what is under way keeps the speed that it was
    /// sent with.
    fn slow_link(&mut self, a: HostId, b: HostId, extra_ms: i64);

    /// Each segment between two hosts, in either direction and SYNs included, gets lost with a
    /// probability of `loss`, and is sent again as if it had been held up. Losses add up.
    ///
    /// # Panics
    /// Without [`Capability::FlakyLinks`].
    fn flaky_link(&mut self, _a: HostId, _b: HostId, _loss: f64) {
        lacks::<Self>(Capability::FlakyLinks);
    }

    /// Takes back one [`World::flaky_link`] of the same loss.
    ///
    /// # Panics
    /// Without [`Capability::FlakyLinks`].
    fn end_flaky_link(&mut self, _a: HostId, _b: HostId, _loss: f64) {
        lacks::<Self>(Capability::FlakyLinks);
    }

    /// Of the datagrams between two hosts, in either direction, each gets lost, arrives twice or is overtaken
    /// with these probabilities. Troubles add up, and so do the losses of [`World::flaky_link`].
    ///
    /// # Panics
    /// Without [`Capability::Datagrams`].
    fn trouble_datagrams(&mut self, _a: HostId, _b: HostId, _trouble: DatagramTrouble) {
        lacks::<Self>(Capability::Datagrams);
    }

    /// Takes back one [`World::trouble_datagrams`] of the same numbers.
    ///
    /// # Panics
    /// Without [`Capability::Datagrams`].
    fn end_datagram_trouble(&mut self, _a: HostId, _b: HostId, _trouble: DatagramTrouble) {
        lacks::<Self>(Capability::Datagrams);
    }

    /// Each direction of the link between two hosts carries no more than so many bytes per second. Of
    /// several limits the lowest holds.
    ///
    /// # Panics
    /// Without [`Capability::NarrowLinks`]. If the limit is zero, which is a partition.
    fn narrow_link(&mut self, _a: HostId, _b: HostId, _bytes_per_s: u64) {
        lacks::<Self>(Capability::NarrowLinks);
    }

    /// Takes back one [`World::narrow_link`] of the same limit.
    ///
    /// # Panics
    /// Without [`Capability::NarrowLinks`].
    fn end_narrow_link(&mut self, _a: HostId, _b: HostId, _bytes_per_s: u64) {
        lacks::<Self>(Capability::NarrowLinks);
    }

    /// SYNs from one to the other are dropped, so that connection attempts hang; connections that are
    /// open go on. Such faults add up.
    fn hang_connects(&mut self, from: HostId, to: HostId);

    /// Takes back one [`World::hang_connects`] of the same hosts.
    fn end_hang_connects(&mut self, from: HostId, to: HostId);

    /// What stands between two hosts forgets the connections that they have, as a firewall or a
    /// translator of addresses that lost its table. Neither end is told. Whoever writes is answered by
    /// a reset, or, if it is `silent`, by nothing until TCP gives up; the other end is left half-open
    /// (RFC 9293, 3.5.1).
    fn half_open(&mut self, a: HostId, b: HostId, silent: bool);

    /// Ends all connections between two hosts for both at once, as an operator's `ss --kill` does.
    fn reset_all(&mut self, a: HostId, b: HostId);

    /// Moves a host's wall clock by `offset_ms` milliseconds; negative is back.
    fn shift_clock(&mut self, host: HostId, offset_ms: i64);

    /// Makes a host's clock run faster by `ppm` millionths of the true rate, or slower. Drifts add up.
    /// Alarms follow the monotonic clock, those that are armed too.
    fn drift_clock(&mut self, host: HostId, clock: Clock, ppm: i64);

    /// Takes back a [`World::drift_clock`] that was made at `since_ns`, and sets the wall clock right
    /// as far as that drift made it wrong. The monotonic clock keeps what it has gained or lost,
    /// because nobody sets it.
    fn end_clock_drift(&mut self, host: HostId, clock: Clock, ppm: i64, since_ns: u64);

    /// How far wall clocks were off: before and after each change of one, in order of time, and now
    /// for those that ever changed, in order of hosts.
    fn wall_offsets(&self) -> Vec<WallOffset>;

    /// Begins a fault of a host's disk. It survives crashes and power losses.
    fn add_disk_fault(&mut self, host: HostId, fault: DiskFault) -> DiskFaultId;

    /// Ends a fault of a host's disk. Nothing happens if it has ended.
    fn remove_disk_fault(&mut self, host: HostId, fault: DiskFaultId);

    /// Looks at a host's disk, or changes it, at no cost in time: all that was due by now is done.
    fn with_disk<R>(&mut self, host: HostId, work: impl FnOnce(&mut Disk) -> R) -> R;

    /// All hosts, in the order in which they were added.
    fn hosts(&self) -> Vec<HostId>;

    /// The host of that name.
    fn find(&self, name: &str) -> Option<HostId>;

    /// A host's name.
    fn name(&self, host: HostId) -> String;

    /// How many ends of connections programs hold: a leak shows here.
    fn connection_ends(&self) -> usize;

    /// The seed that the world was built with.
    fn seed(&self) -> u64;

    /// Records an event of the harness in the trace. Its tag and content are part of the hash.
    fn record(&mut self, host: Option<HostId>, tag: u32, content: &[u8]);

    /// The hash over all events of the trace so far.
    fn trace_hash(&self) -> u64;

    /// How many events there were.
    fn trace_count(&self) -> u64;

    /// Every event if [`Settings::keep_trace`] asks for them, else the last [`Settings::trace_ring`].
    fn trace_events(&self) -> Vec<Event>;

    /// Ends the tapping of the network, and gives what was overheard: none if [`Settings::tap`] does not
    /// ask for it, or if it was taken.
    fn take_tapped(&self) -> Option<Tapped>;
}

/// Plans are checked for what a world lacks when they are loaded, so that only a bug comes here.
fn lacks<W: World>(capability: Capability) -> ! {
    panic!("{} has no {capability}; World::has says so beforehand", W::KIND)
}
