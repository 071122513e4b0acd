//! What a run leaves behind for its judges.

use std::collections::{BTreeMap, BTreeSet};

pub use evidence::FaultWindow;
use sim::HostId;
use sim::fault::Forgot;

use crate::mark_notes::MarkNotes;
use crate::system::System;

/// Everything that was seen of one run of a system.
pub struct Record<S: System> {
    /// Steps of the servers' protocol, in the order in which they happened.
    pub observations: Vec<Observed<S::Observation>>,
    /// What the system's clients, and whoever else takes part, wrote down.
    pub history: S::History,
    /// The hosts, by their numbers in the world.
    pub hosts: Vec<HostName>,
    /// When each fault that struck somebody began and ended; a rolling restart has one window for
    /// each server that it took down.
    pub faults: Vec<FaultWindow>,
    /// The directions between hosts that faults struck, whatever they did to them.
    pub link_faults: Vec<LinkFault>,
    /// How far wall clocks were off: two points, before and after, for each change of one, and one
    /// at the end, in order of time. Between two points of one host the error changes evenly.
    pub clock_points: Vec<ClockPoint>,
    /// Monotonic clocks that ran at a wrong rate.
    pub monotonic_drifts: Vec<MonotonicDrift>,
    /// From the end of chaos until nothing was missing any more; `None` if that did not come within the
    /// plan's limit.
    pub healed_after_ms: Option<u64>,
    /// What was still missing when the limit was reached, for the explanation.
    pub healing_missing: Option<String>,
    /// Simulated time at the end.
    pub end_ns: u64,
    /// When chaos ended.
    pub chaos_end_ns: u64,
    /// The rolling hash over everything that happened.
    pub trace_hash: u64,
    /// How many events it covers.
    pub trace_events: u64,
    /// The code under test panicked: where and with what.
    pub panic: Option<String>,
    /// Programs that refused to go on, in order of time.
    pub fatal: Vec<Refusal>,
    /// Servers that faults made forget what they had acknowledged, in order of time.
    pub amnesias: Vec<Amnesia>,
    /// The run was cut off (event, memory or wall limit): why.
    pub cut_off: Option<String>,
    /// Where the planted bug first took effect.
    pub plant_reached: Option<PlantReached>,
    /// The marks that the system's code was seen to hit.
    pub marks: MarkNotes,
    /// The abstract states that the system went through, each as a hash that is the same in every run
    /// and build.
    pub states: BTreeSet<u64>,
    /// Counters of faults by kind.
    pub counters: BTreeMap<String, u64>,
}

impl<S: System> Default for Record<S> {
    fn default() -> Record<S> {
        Record {
            observations: Vec::new(),
            history: S::History::default(),
            hosts: Vec::new(),
            faults: Vec::new(),
            link_faults: Vec::new(),
            clock_points: Vec::new(),
            monotonic_drifts: Vec::new(),
            healed_after_ms: None,
            healing_missing: None,
            end_ns: 0,
            chaos_end_ns: 0,
            trace_hash: 0,
            trace_events: 0,
            panic: None,
            fatal: Vec::new(),
            amnesias: Vec::new(),
            cut_off: None,
            plant_reached: None,
            marks: MarkNotes::default(),
            states: BTreeSet::new(),
            counters: BTreeMap::new(),
        }
    }
}

impl<S: System> Clone for Record<S> {
    fn clone(&self) -> Record<S> {
        Record {
            observations: self.observations.clone(),
            history: self.history.clone(),
            hosts: self.hosts.clone(),
            faults: self.faults.clone(),
            link_faults: self.link_faults.clone(),
            clock_points: self.clock_points.clone(),
            monotonic_drifts: self.monotonic_drifts.clone(),
            healing_missing: self.healing_missing.clone(),
            panic: self.panic.clone(),
            fatal: self.fatal.clone(),
            amnesias: self.amnesias.clone(),
            cut_off: self.cut_off.clone(),
            plant_reached: self.plant_reached.clone(),
            marks: self.marks.clone(),
            states: self.states.clone(),
            counters: self.counters.clone(),
            ..*self
        }
    }
}

impl<S: System> Record<S> {
    /// The name of a server by its number; `?` for one that there is not.
    pub fn server_name(&self, server: u32) -> &str {
        let is_it = |host: &&HostName| !host.is_client && host.number == server;
        self.hosts.iter().find(is_it).map_or("?", |host| &host.name)
    }
}

/// A host of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName {
    /// Which, in the world.
    pub host: HostId,
    /// Its name in the world: its group's prefix and a number, as `n1`.
    pub name: String,
    /// Its number, from 1: of a server among all servers, of a client among all clients.
    pub number: u32,
    /// Whether it is a client.
    pub is_client: bool,
}

/// A direction between two hosts that a fault struck: it carried nothing, or later, or less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkFault {
    /// The fault's position in the plan.
    pub planned: usize,
    /// Who sends.
    pub from: HostId,
    /// Who hears it.
    pub to: HostId,
    /// Whether it carried nothing.
    pub is_cut: bool,
    /// When it began.
    pub from_ns: u64,
    /// When it ended; `None` if it lasted until the end of the run.
    pub to_ns: Option<u64>,
}

/// A server refused to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which, from 1.
    pub server: u32,
    /// When it gave up, in world nanoseconds since the start of the run.
    pub at_ns: u64,
    /// The error that its program ended with.
    pub reason: String,
}

/// A server lost power, and what it had acknowledged with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amnesia {
    /// Which, from 1.
    pub server: u32,
    /// When. It was down from then on.
    pub at_ns: u64,
    /// What became of its disk.
    pub how: Forgot,
}

/// The first effect of a planted bug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlantReached {
    /// When that was, in world nanoseconds since the start of the run.
    pub at_ns: u64,
    /// On which server, from 1; 0 for a bug of clients or of what they protect.
    pub server: u32,
    /// The mark of the place in the code.
    pub site: &'static str,
}

/// A step of one server's protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed<O> {
    /// When it told of it, in world nanoseconds since the start of the run.
    pub at_ns: u64,
    /// The server, from 1.
    pub server: u32,
    /// How often the server has started; protocol state does not outlive a start.
    pub incarnation: u32,
    /// What it told, in the system's own type.
    pub observation: O,
}

/// How far a wall clock was off at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockPoint {
    /// Whose: a host's name.
    pub host: String,
    /// When it was off by that much, in world nanoseconds since the start of the run.
    pub at_ns: u64,
    /// By how much, in microseconds; positive is ahead.
    pub offset_us: i64,
}

/// A monotonic clock's wrong rate, and for how long. Several of one host add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonotonicDrift {
    /// The fault's position in the plan.
    pub planned: usize,
    /// Whose: a host's name.
    pub host: String,
    /// How much faster, in millionths of the true rate; negative is slower.
    pub ppm: i64,
    /// When it began.
    pub from_ns: u64,
    /// When it ended; `None` at the end of the run.
    pub to_ns: Option<u64>,
}
