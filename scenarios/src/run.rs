//! One plan, run and judged.

use checker::znode::ZHistory;
use keeper_core::instruments::Plant;
use sim::cluster::mark_notes::MarkNotes;
use sim::cluster::plan::{Found, Plan};
use sim::cluster::record::RunRecord;
use sim::cluster::run::Finished;
use sim::cluster::states::States;
use sim::cluster::{self, RunOptions};
use sim::trace::Event;

use crate::evidence::Evidence;
use crate::judge::{Failure, Verdict, judge};
use crate::sketch::Sketch;
use crate::stats::{Stats, stats};

/// More events than this in one run mean that something spins.
pub const EVENTS_MAX: u64 = 50_000_000;

/// What came of a plan.
#[derive(Debug)]
pub struct Outcome {
    /// The plan's scenario.
    pub scenario: String,
    /// The plan's seed.
    pub seed: u64,
    /// How it ended.
    pub verdict: Verdict,
    /// Figures.
    pub stats: Stats,
    /// The rolling hash over everything that happened.
    pub trace_hash: u64,
    /// The clients' side of it.
    pub history: ZHistory,
    /// The properties that had something to judge, and judged it.
    pub checked: Vec<&'static str>,
    /// The properties whose search gave up.
    pub gave_up: Vec<&'static str>,
    /// What can be drawn of it.
    pub sketch: Sketch,
    /// The marks that it hit.
    pub marks: MarkNotes,
    /// The abstract states that the ensemble went through.
    pub states: States,
    /// Everything else that was seen; kept unless the run passed and its trace was not kept.
    pub record: Option<RunRecord>,
    /// The last events, or all if the options say so; kept as the record is.
    pub trace: Vec<Event>,
    /// What hosts said and did to each other, if the trace was kept.
    pub evidence: Option<Evidence>,
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

    /// The plan as it is stored: with the build and how it ended.
    pub fn stored(&self, plan: &Plan) -> Plan {
        let found = Found {
            build: crate::build_id().to_owned(),
            trace_hash: format!("{:016x}", self.trace_hash),
            fingerprint: self.fingerprint().map(str::to_owned),
        };
        Plan { found: Some(found), ..plan.clone() }
    }
}

/// Runs a plan that [`crate::validate::validate`] accepts and judges it.
pub fn run_plan(plan: &Plan, options: &RunOptions<'_>) -> Outcome {
    let events_max = Some(options.events_max.unwrap_or(EVENTS_MAX));
    let options = RunOptions { events_max, unobserved: false, ..*options };
    let finished = cluster::run(plan, &options);
    let evidence = finished.tapped.as_ref().map(|heard| Evidence::new(&finished.record, heard));
    let Finished { record, trace, .. } = finished;
    match evidence {
        None => outcome(plan, record, trace),
        Some(evidence) => {
            let kept = (record.clone(), trace);
            let judged = outcome(plan, record, Vec::new());
            Outcome { record: Some(kept.0), trace: kept.1, evidence: Some(evidence), ..judged }
        }
    }
}

/// Performs a plan once more to see what the first time could not afford to keep: all of the trace
/// and the evidence. `seen` is how the first time ended.
///
/// # Errors
/// The run ended with another trace: it is not deterministic. Both hashes, in words.
pub fn look_closer(plan: &Plan, seen: &Outcome) -> Result<Outcome, String> {
    // No more than the first time saw: that one may have been cut off.
    let events_max = Some(seen.stats.events);
    let options = RunOptions { keep_trace: true, events_max, ..RunOptions::default() };
    let closer = run_plan(plan, &options);
    if closer.trace_hash == seen.trace_hash {
        return Ok(closer);
    }
    let (first, second) = (seen.trace_hash, closer.trace_hash);
    Err(format!("a second run ended with trace {second:016x}, the first with {first:016x}"))
}

/// Judges what a run left behind.
pub fn outcome(plan: &Plan, record: RunRecord, trace: Vec<Event>) -> Outcome {
    let is_planted = plan.plant.as_deref() == Some(Plant::HarnessPanic.name());
    assert!(!is_planted, "the planted panic of the harness");
    let judged = judge(plan, &record);
    let stats = stats(plan, &record);
    let has_passed = judged.verdict == Verdict::Pass;
    Outcome {
        scenario: plan.scenario.clone(),
        seed: plan.seed,
        verdict: judged.verdict,
        stats,
        trace_hash: record.trace_hash,
        history: judged.history,
        checked: judged.checked,
        gave_up: judged.gave_up,
        sketch: Sketch::of(plan, &record),
        marks: record.marks.clone(),
        states: record.states.clone(),
        record: (!has_passed).then_some(record),
        trace: if has_passed { Vec::new() } else { trace },
        evidence: None,
    }
}
