//! One run: a plan in, a record out.
//!
//! Chaos first: the plan's operations and faults. Then the faults end, and the system must be whole again
//! within the plan's limit: what that means says the system ([`System::missing`]).

use std::sync::Arc;

use probe::{MarkId, PlantId};
use sim::HostId;
use sim::disk::DiskSettings;
use sim::fault::{Applied, Fault, Fired, Forgot, Schedule};
use sim::pulse::{self, Pulse};
use sim::tap::Tapped;
use sim::trace::Event;
use sim::{Attention, OnWorld, RunPanic, Settings, World};

use crate::clocks;
use crate::plan::Plan;
use crate::record::{Amnesia, FaultWindow, LinkFault, Record};
use crate::recording::Recording;
use crate::sabotage::Sabotage;
use crate::stage::Stage;
use crate::system::System;

const NS_PER_MS: u64 = 1_000_000;

/// Between two looks whether the run is to be cut off, in simulated nanoseconds.
const LOOK_EVERY_NS: u64 = 64 * NS_PER_MS;
/// Between two looks whether the system has healed, in simulated milliseconds.
const HEALED_EVERY_MS: u64 = 10;

/// How to run, besides what to run.
#[derive(Default)]
pub struct RunOptions<'a> {
    /// Keep every event of the trace, to name the first that differs, and tap the network. What is kept
    /// grows with the run.
    pub keep_trace: bool,
    /// Tap the network, collect what programs log, and keep some events more than usual.
    pub watch: Option<Watch>,
    /// Write down every hit of a mark: see [`MarkNotes::hits`](crate::mark_notes::MarkNotes::hits).
    pub keep_marks: bool,
    /// Asked now and then; true cuts the run off.
    pub should_stop: Option<&'a dyn Fn() -> bool>,
    /// Cut the run off after so many events.
    pub events_max: Option<u64>,
    /// Leave out everything that observes servers, and end with chaos: for measuring what a world
    /// costs by itself. The record then holds the clients' side only.
    pub unobserved: bool,
    /// Cut the run off when what it has written down takes more than so many bytes, by an estimate
    /// that is the same each time: see [`Recording`].
    pub memory_max: Option<u64>,
}

/// How to watch a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// So many events of the trace are kept at most: the last ones until then.
    pub events_max: usize,
    /// Until this moment, in nanoseconds since the start of the run.
    pub until_ns: u64,
}

impl RunOptions<'_> {
    /// Whether more is kept of the run than judging it takes.
    pub(crate) fn is_watched(&self) -> bool {
        self.keep_trace || self.watch.is_some()
    }
}

/// A run's record, and its trace if it was kept.
pub struct Finished<S: System> {
    /// What judges need.
    pub record: Record<S>,
    /// Every event, or the last ones.
    pub trace: Vec<Event>,
    /// What hosts wrote to each other, if the trace was kept.
    pub tapped: Option<Tapped>,
}

/// Performs a plan of a system. The result is a function of the plan alone, unless the run is cut off. A
/// panic of the code under test ends the run and stands in the record.
///
/// # Panics
/// If the plan names a plant or a host that does not exist, or a world that this build does not have;
/// plans are checked when they are loaded.
pub fn run<S: System>(system: &'static S, plan: &Plan, options: &RunOptions<'_>) -> Finished<S> {
    let performance = Performance { system, plan, options };
    plan.engine.perform(performance).unwrap_or_else(|error| panic!("{error}"))
}

struct Performance<'a, S: System> {
    system: &'static S,
    plan: &'a Plan,
    options: &'a RunOptions<'a>,
}

impl<S: System> OnWorld for Performance<'_, S> {
    type Output = Finished<S>;

    fn on<W: World>(self) -> Finished<S> {
        let mut run: Run<'_, W, S> = Run::new(self.system, self.plan, self.options);
        if let Err(panic) = run.perform(self.options) {
            run.recording.notes().record.panic = Some(panic.to_string());
        }
        run.finish()
    }
}

struct Run<'a, W, S: System> {
    system: &'static S,
    plan: &'a Plan,
    world: W,
    /// Set by whoever needs the harness at once.
    attention: Attention,
    recording: Recording<S>,
    schedule: Schedule,
    servers: Vec<HostId>,
    /// Beats whenever time passes.
    pulse: Arc<Pulse>,
}

impl<'a, W: World, S: System> Run<'a, W, S> {
    fn new(system: &'static S, plan: &'a Plan, options: &RunOptions<'_>) -> Run<'a, W, S> {
        let sabotage = plan.plant.as_deref().and_then(Sabotage::named);
        let plant = plan.plant.as_deref().and_then(|name| plant_named(system, name));
        assert!(
            plan.plant.is_none() || plant.is_some() || sabotage.is_some(),
            "plans are checked: there is no plant {:?}",
            plan.plant
        );
        let recording = Recording::new(system, plant, sabotage);
        recording.notes().record.marks.hits = options.keep_marks.then(Vec::new);
        let mut world = W::build(plan.seed, world_settings(plan, options));
        let schedule = Schedule::new(plan.faults.clone());
        let mut stage = Stage {
            world: &mut world,
            recording: recording.clone(),
            upgrades: schedule.upgrades(),
            own_faults: schedule.own_faults(),
            sabotage,
            is_unobserved: options.unobserved,
            servers: Vec::new(),
            clients: 0,
        };
        system.stage(plan, &mut stage);
        let servers = stage.servers;
        let attention = Attention::default();
        arm_triggers(system, plan, &recording, &attention);
        let pulse = pulse::current();
        Run { system, plan, world, attention, recording, schedule, servers, pulse }
    }

    fn perform(&mut self, options: &RunOptions<'_>) -> Result<(), RunPanic> {
        while self.world.elapsed_ms() < self.plan.chaos_ms {
            self.strike()?;
            let next_ns = self.schedule.next_ns().unwrap_or(u64::MAX);
            let chaos_ns = self.plan.chaos_ms.saturating_mul(NS_PER_MS);
            self.pass_until_ns(next_ns.min(chaos_ns), options)?;
            if self.is_cut_off() {
                return Ok(());
            }
        }
        let ended = self.schedule.finish(&mut self.world)?;
        self.note_faults(&ended);
        for server in self.servers.clone() {
            if !self.world.is_running(server) {
                self.world.restart(server)?;
            }
        }
        self.recording.notes().record.chaos_end_ns = self.world.elapsed_ns();
        if options.unobserved {
            return Ok(());
        }
        self.heal(options)
    }

    fn strike(&mut self) -> Result<(), RunPanic> {
        let (system, recording, servers) = (self.system, &self.recording, &self.servers);
        let mut standing =
            |world: &W| system.standing(&recording.notes().state, servers, world.elapsed_ns());
        let fired = self.recording.notes().triggers.take_fired();
        for Fired { fault, host, at_ns } in fired {
            self.schedule.fire(fault, host, at_ns);
        }
        let applied = self.schedule.advance(&mut self.world, &mut standing)?;
        self.note_faults(&applied);
        self.recording.notes().triggers.hold(self.schedule.is_anyone_forgetful());
        Ok(())
    }

    /// The faults are over, but damage that they did may still be found.
    fn tend(&mut self) -> Result<(), RunPanic> {
        let (system, recording, servers) = (self.system, &self.recording, &self.servers);
        let mut standing =
            |world: &W| system.standing(&recording.notes().state, servers, world.elapsed_ns());
        let applied = self.schedule.tend(&mut self.world, &mut standing)?;
        self.note_faults(&applied);
        Ok(())
    }

    /// Lets the system heal until nothing is missing, at most for the plan's limit.
    fn heal(&mut self, options: &RunOptions<'_>) -> Result<(), RunPanic> {
        let from_ms = self.world.elapsed_ms();
        loop {
            let healed_ms = self.world.elapsed_ms() - from_ms;
            let missing = {
                let notes = self.recording.notes();
                self.system.missing(self.plan, &notes.record.history, &notes.state)
            };
            if missing.is_none() {
                self.recording.notes().record.healed_after_ms = Some(healed_ms);
                return Ok(());
            }
            if healed_ms >= self.plan.heal_ms {
                self.recording.notes().record.healing_missing = missing;
                return Ok(());
            }
            self.tend()?;
            let next_ms = from_ms + healed_ms + HEALED_EVERY_MS;
            self.pass_until_ns(next_ms.saturating_mul(NS_PER_MS), options)?;
            if self.is_cut_off() {
                return Ok(());
            }
        }
    }

    /// Lets time pass, unless somebody asks for attention or the run is cut off meanwhile.
    fn pass_until_ns(&mut self, at_ns: u64, options: &RunOptions<'_>) -> Result<(), RunPanic> {
        loop {
            let now_ns = self.world.elapsed_ns();
            if now_ns >= at_ns || self.attention.take() || self.cut_off(options) {
                return Ok(());
            }
            let look_ns = (now_ns / LOOK_EVERY_NS + 1) * LOOK_EVERY_NS;
            let (world, attention) = (&mut self.world, &self.attention);
            self.pulse.during(|| world.pass_until_ns(look_ns.min(at_ns), attention))?;
        }
    }

    fn cut_off(&mut self, options: &RunOptions<'_>) -> bool {
        let events = self.world.trace_count();
        let reason = if options.events_max.is_some_and(|max| events > max) {
            Some(format!("more than {events} events"))
        } else if options.memory_max.is_some_and(|max| self.recording.notes().held_bytes > max) {
            let held = self.recording.notes().held_bytes;
            Some(format!("its record takes more memory than it may: {held} bytes"))
        } else if options.should_stop.is_some_and(|should_stop| should_stop()) {
            Some("stopped from outside".to_owned())
        } else {
            None
        };
        let is_cut_off = reason.is_some();
        if is_cut_off {
            self.recording.notes().record.cut_off = reason;
        }
        is_cut_off
    }

    fn is_cut_off(&self) -> bool {
        self.recording.notes().record.cut_off.is_some()
    }

    fn note_faults(&mut self, applied: &[Applied]) {
        for each in applied {
            let fault = &self.plan.faults[each.index].fault;
            let names: Vec<String> = each.hosts.iter().map(|host| self.world.name(*host)).collect();
            let at_ns = each.at_ns;
            let kind = fault.label();
            if let Some(how) = each.forgot {
                self.note_amnesia(how, &each.hosts, at_ns);
            }
            let mut notes = self.recording.notes();
            clocks::note(&mut notes.record.monotonic_drifts, fault, each, &names);
            drop(notes);
            self.note_links(each);
            if each.began {
                self.note_downs(fault, &each.hosts, at_ns);
                let what = names.join(" ");
                let mut notes = self.recording.notes();
                let record = &mut notes.record;
                let open = record.faults.iter_mut().find(|window| {
                    window.planned == each.index && window.to_ns.is_none() && window.what == what
                });
                match (fault, open) {
                    // A rolling restart tells of each server as it goes down and as it comes up.
                    (Fault::Restart { .. }, Some(window)) => window.to_ns = Some(at_ns),
                    // A clock that jumps to and fro is one fault.
                    (_, Some(_)) => {}
                    (_, None) if what.is_empty() => {}
                    (_, None) => {
                        *record.counters.entry(format!("fault.{kind}")).or_default() += 1;
                        let (planned, from_ns) = (each.index, at_ns);
                        record.faults.push(FaultWindow {
                            planned,
                            kind: kind.to_owned(),
                            what,
                            from_ns,
                            to_ns: None,
                        });
                    }
                }
            } else {
                let mut notes = self.recording.notes();
                for window in &mut notes.record.faults {
                    if window.planned == each.index && window.to_ns.is_none() {
                        window.to_ns = Some(at_ns);
                    }
                }
            }
            let record = &mut self.recording.notes().record;
            record.marks.faults_changed(at_ns, &record.faults, &self.plan.faults);
        }
    }

    fn note_links(&mut self, each: &Applied) {
        let (planned, at_ns) = (each.index, each.at_ns);
        let is_cut = matches!(
            self.plan.faults[planned].fault,
            Fault::Partition { .. } | Fault::OneWay { .. } | Fault::Isolate { .. }
        );
        let mut notes = self.recording.notes();
        let faults = &mut notes.record.link_faults;
        if each.began {
            let links = each.links.iter();
            faults.extend(links.map(|&(from, to)| {
                let (from_ns, to_ns) = (at_ns, None);
                LinkFault { planned, from, to, is_cut, from_ns, to_ns }
            }));
        } else {
            let open = faults.iter_mut().filter(|link| link.planned == planned);
            open.for_each(|link| link.to_ns = link.to_ns.or(Some(at_ns)));
        }
    }

    /// Servers that a fault took down are nothing any more.
    fn note_downs(&mut self, fault: &Fault, hosts: &[HostId], at_ns: u64) {
        if !matches!(fault, Fault::Crash { .. } | Fault::PowerLoss { .. } | Fault::Restart { .. }) {
            return;
        }
        for (server, host) in (1..).zip(&self.servers) {
            if hosts.contains(host) {
                self.recording.server_down(server, at_ns);
            }
        }
    }

    fn note_amnesia(&mut self, how: Forgot, hosts: &[HostId], at_ns: u64) {
        for (server, host) in (1..).zip(&self.servers) {
            if hosts.contains(host) {
                self.recording.server_down(server, at_ns);
                self.recording.notes().record.amnesias.push(Amnesia { server, at_ns, how });
            }
        }
    }

    fn finish(self) -> Finished<S> {
        let trace = self.world.trace_events();
        let mut guard = self.recording.notes();
        let notes = &mut *guard;
        self.system.finish(&notes.state, &mut notes.record.history);
        notes.record.end_ns = self.world.elapsed_ns();
        notes.record.clock_points = clocks::points(&self.world);
        notes.record.trace_hash = self.world.trace_hash();
        notes.record.trace_events = self.world.trace_count();
        let record = std::mem::take(&mut notes.record);
        drop(guard);
        Finished { record, trace, tapped: self.world.take_tapped() }
    }
}

/// Lets the faults that wait for marks wait for them.
fn arm_triggers<S: System>(
    system: &S,
    plan: &Plan,
    recording: &Recording<S>,
    attention: &Attention,
) {
    let named = |name: &str| {
        let place = system.marks().iter().position(|mark| mark.name == name)?;
        Some(MarkId(place as u16))
    };
    let mut notes = recording.notes();
    notes.attention = attention.clone();
    for (position, timed) in plan.faults.iter().enumerate() {
        notes.triggers.arm(position, timed, plan.chaos_ms.saturating_mul(NS_PER_MS), &named);
    }
}

/// The plant of that name.
fn plant_named<S: System>(system: &S, name: &str) -> Option<PlantId> {
    let place = system.plants().iter().position(|plant| plant.name == name)?;
    Some(PlantId(place as u16))
}

fn world_settings(plan: &Plan, options: &RunOptions<'_>) -> Settings {
    let usual = Settings::default();
    let (trace_ring, trace_until_ns) = match options.watch {
        _ if options.unobserved => (0, usual.trace_until_ns),
        Some(Watch { events_max, until_ns }) => (events_max, until_ns),
        None => (usual.trace_ring, usual.trace_until_ns),
    };
    Settings {
        latency_min_ms: plan.conditions.latency_min_ms,
        latency_max_ms: plan.conditions.latency_max_ms,
        keep_trace: options.keep_trace,
        tap: options.is_watched(),
        trace_ring,
        trace_until_ns,
        disk: DiskSettings { sync_us: plan.conditions.fsync_us, ..DiskSettings::default() },
        ..usual
    }
}
