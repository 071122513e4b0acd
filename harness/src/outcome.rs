//! One plan, run and judged.

use std::collections::BTreeSet;

use evidence::History;
use sim::logs::{Collected, LogLine};
use sim::trace::Event;

use crate::judge::{Failure, Verdict, judge};
use crate::mark_notes::MarkNotes;
use crate::plan::{Found, Plan};
use crate::record::{PlantReached, Record};
use crate::run::{Finished, RunOptions, run};
use crate::sabotage::Sabotage;
use crate::sketch::Sketch;
use crate::stats::{Stats, stats};
use crate::story::{Watched, watched};
use crate::system::System;
use crate::watchdog::watched as watch_over;

/// More events than this in one run mean that something spins.
pub const EVENTS_MAX: u64 = 50_000_000;

/// What came of a plan.
pub struct Outcome {
    /// The plan's scenario.
    pub scenario: String,
    /// The plan's seed.
    pub seed: u64,
    /// The build that performed it.
    pub build: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// What was counted: operations, faults, latencies, events.
    pub stats: Stats,
    /// The rolling hash over everything that happened.
    pub trace_hash: u64,
    /// The properties that had something to judge, and judged it.
    pub checked: Vec<&'static str>,
    /// The properties whose search gave up.
    pub gave_up: Vec<&'static str>,
    /// The servers' names, by number from 1.
    pub servers: Vec<String>,
    /// What can be drawn of it.
    pub sketch: Sketch,
    /// The marks that it hit.
    pub marks: MarkNotes,
    /// The abstract states that the system went through.
    pub states: BTreeSet<u64>,
    /// Where the planted bug first took effect.
    pub plant_reached: Option<PlantReached>,
    /// What clients were told, in texts: made when it is asked for.
    told: Box<dyn Fn() -> History + Send>,
    /// The last events, or all if the options say so; none of a run that passed, unless its trace was
    /// asked for.
    pub trace: Vec<Event>,
    /// What hosts said and did to each other, if the trace was kept.
    pub watched: Option<Watched>,
    /// What its programs logged, each line with the name of its host; of a run that was watched.
    pub log: Vec<(String, LogLine)>,
}

impl Outcome {
    /// The violated properties.
    pub fn failures(&self) -> &[Failure] {
        match &self.verdict {
            Verdict::Fail(failures) => failures,
            Verdict::Pass | Verdict::Undecided(_) => &[],
        }
    }

    /// The fingerprint that the run is known by: that of its earliest contradiction.
    pub fn fingerprint(&self) -> Option<&str> {
        self.failures().first().map(|failure| failure.fingerprint.as_str())
    }

    /// What clients asked and were told, in texts.
    pub fn history(&self) -> History {
        (self.told)()
    }

    /// The plan as it is stored: with the build and how it ended.
    pub fn stored(&self, plan: &Plan) -> Plan {
        let found = Found {
            build: self.build.to_owned(),
            trace_hash: format!("{:016x}", self.trace_hash),
            fingerprint: self.fingerprint().map(str::to_owned),
            plan_digest: Some(plan.digest()),
        };
        Plan { found: Some(found), ..plan.clone() }
    }
}

/// Runs a plan that [`crate::plan::validate`] accepts and judges it.
pub(crate) fn perform<S: System>(
    system: &'static S,
    plan: &Plan,
    options: &RunOptions<'_>,
) -> Outcome {
    let events_max = Some(options.events_max.unwrap_or(EVENTS_MAX));
    let options = RunOptions { events_max, unobserved: false, ..*options };
    let collected = Collected::default();
    let perform = || match options.is_watched() {
        true => collected.during(|| run(system, plan, &options)),
        false => run(system, plan, &options),
    };
    let Finished { record, trace, tapped } = watch_over(plan, system.marks(), perform);
    let watched = tapped.as_ref().map(|heard| watched(system, &record, heard));
    let named = |line: LogLine| {
        let host = record.hosts.iter().find(|host| host.host.0 == line.host);
        (host.map_or_else(|| line.host.to_string(), |host| host.name.clone()), line)
    };
    let log = collected.lines().into_iter().map(named).collect();
    Outcome { watched, log, ..judged(system, plan, record, trace, options.is_watched()) }
}

/// Judges what a run left behind.
pub(crate) fn judged<S: System>(
    system: &'static S,
    plan: &Plan,
    record: Record<S>,
    trace: Vec<Event>,
    keeps_trace: bool,
) -> Outcome {
    let is_planted = plan.plant.as_deref() == Some(Sabotage::HarnessPanic.name());
    assert!(!is_planted, "the planted panic of the harness");
    let asked = system.asked(plan, &record);
    let judged = judge(system, plan, &record, &asked);
    let has_passed = judged.verdict == Verdict::Pass;
    let stats = stats(system, plan, &record, &asked);
    let sketch = Sketch::of(system, &record);
    let (marks, states) = (record.marks.clone(), record.states.clone());
    let (plant_reached, trace_hash) = (record.plant_reached.clone(), record.trace_hash);
    let servers = record.hosts.iter().filter(|host| !host.is_client);
    let servers = servers.map(|host| host.name.clone()).collect();
    let of = plan.clone();
    Outcome {
        scenario: plan.scenario.clone(),
        seed: plan.seed,
        build: system.build(),
        verdict: judged.verdict,
        stats,
        trace_hash,
        checked: judged.checked,
        gave_up: judged.gave_up,
        servers,
        sketch,
        marks,
        states,
        plant_reached,
        told: Box::new(move || system.told(&of, &record)),
        trace: if has_passed && !keeps_trace { Vec::new() } else { trace },
        watched: None,
        log: Vec::new(),
    }
}
