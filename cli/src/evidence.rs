//! What a run left behind, in the forms of crate `reports`.

use std::collections::BTreeMap;

use checker::znode;
use reports::{
    ClockTrack, Commands, DeclaredMark, FAMILY_LETTERS, FailureFiles, FailureMessage, FolderError,
    Gap, MarkHits, Moment, OutputFolder, RunLine, RunPicture, RunVerdict, Span, Syncs,
};
use scenarios::judge::Verdict;
use scenarios::marks::Mark;
use scenarios::run::Outcome;
use scenarios::sim::cluster::Plan;
use scenarios::sim::trace::Event;
use serde::Serialize;

use crate::engine;

const NS_PER_MS: u64 = 1_000_000;

/// A line of `seeds.jsonl`.
pub(crate) fn run_line(outcome: &Outcome, plan: &Plan, corpus: Option<&str>) -> RunLine {
    let stats = &outcome.stats;
    let (verdict, reason) = match &outcome.verdict {
        Verdict::Pass => (RunVerdict::Pass, None),
        Verdict::Fail(_) => (RunVerdict::Fail, None),
        Verdict::Undecided(reason) => (RunVerdict::Undecided, Some(reason.clone())),
    };
    let fingerprints = outcome.failures().iter().map(|failure| failure.fingerprint.clone());
    let mut violated: Vec<String> = outcome.failures().iter().map(|f| f.property.clone()).collect();
    violated.sort_unstable();
    violated.dedup();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let answered = outcome.history.operations.iter().filter(|operation| {
        matches!(operation.outcome, znode::Outcome::Ok(_)) && operation.complete_ns.is_some()
    });
    let latency_ns = |operation: &znode::ZOperation| {
        operation.complete_ns.unwrap_or_default().saturating_sub(operation.invoke_ns)
    };
    RunLine {
        build: scenarios::build_id().to_owned(),
        scenario: outcome.scenario.clone(),
        seed: outcome.seed,
        engine: engine::named(plan.engine),
        position: None,
        corpus: corpus.map(str::to_owned),
        mutant: None,
        plant: plan.plant.clone(),
        verdict,
        fingerprints: fingerprints.collect(),
        reason,
        wall_ms: stats.wall_ms,
        sim_ms: stats.simulated_ms,
        operations: stats.operations,
        acknowledged: stats.acknowledged,
        unknown: stats.unknown,
        events: stats.events,
        trace_hash: format!("{:016x}", outcome.trace_hash),
        faults: stats.faults.clone(),
        leader_changes: stats.leader_changes,
        syncs: Syncs { diff: stats.syncs_diff, trunc: stats.syncs_trunc, snap: stats.syncs_snap },
        crashes_during_sync: stats.crashes_during_sync,
        checked: names(&outcome.checked),
        violated,
        gave_up: names(&outcome.gave_up),
        failovers_ms: stats.failovers_ms.clone(),
        unavailable_ms: stats.unavailable_ms.clone(),
        healed_after_ms: stats.healed_after_ms,
        latencies_us: answered.map(latency_ns).collect(),
        marks: marks(outcome),
        repeated: None,
    }
}

/// What a run hit, as its line says it.
fn marks(outcome: &Outcome) -> BTreeMap<String, MarkHits> {
    let hits = outcome.marks.reached().map(|(mark, seen)| {
        let names = seen.families.names();
        let letters = FAMILY_LETTERS.iter().filter(|(_, name)| names.contains(name));
        let letters = letters.map(|(letter, _)| letter).collect();
        (mark.name().to_owned(), MarkHits(seen.hits, letters))
    });
    hits.collect()
}

/// Every mark that this build's servers have.
pub(crate) fn declared_marks() -> impl Iterator<Item = DeclaredMark> {
    Mark::ALL.iter().map(|mark| DeclaredMark {
        name: mark.name(),
        kind: mark.kind().name(),
        about: mark.description(),
    })
}

/// The message of a failed run: its first failure, and what else it violated.
pub(crate) fn message(outcome: &Outcome, plant: Option<&String>) -> Option<FailureMessage> {
    let (first, others) = outcome.failures().split_first()?;
    let mut also: Vec<String> = Vec::new();
    for failure in others {
        if failure.property != first.property && !also.contains(&failure.property) {
            also.push(failure.property.clone());
        }
    }
    Some(FailureMessage {
        scenario: outcome.scenario.clone(),
        plant: plant.cloned(),
        seed: outcome.seed,
        build: scenarios::build_id().to_owned(),
        fingerprint: first.fingerprint.clone(),
        at_ns: Some(first.at_ns),
        explanation: first.explanation(),
        faults: spans(outcome),
        leaders: moments(outcome),
        also,
        runs: 1,
        commands: Commands::default(),
    })
}

/// What can be drawn of a run.
pub(crate) fn picture(outcome: &Outcome) -> RunPicture {
    let sketch = &outcome.sketch;
    let gap = |(begin_ms, length_ms): &(u64, u64)| Gap {
        from_ns: begin_ms * NS_PER_MS,
        to_ns: (begin_ms + length_ms) * NS_PER_MS,
    };
    let track = |(server, points): (&String, &Vec<(u64, i64)>)| ClockTrack {
        server: server.clone(),
        points: points.clone(),
    };
    let picture = RunPicture {
        scenario: outcome.scenario.clone(),
        seed: outcome.seed,
        operations: Vec::new(),
        faults: spans(outcome),
        leaders: moments(outcome),
        clocks: sketch.clocks.iter().map(track).collect(),
        unavailable: outcome.stats.unavailable_ms.iter().map(gap).collect(),
        chaos_end_ns: sketch.chaos_end_ns,
        end_ns: sketch.end_ns,
    };
    picture.with_history(&outcome.history)
}

/// When faults struck.
pub(crate) fn spans(outcome: &Outcome) -> Vec<Span> {
    let windows = outcome.sketch.faults.iter();
    windows.map(|w| Span::new(&w.kind, &w.what, w.from_ns, w.to_ns)).collect()
}

/// When servers began to lead.
pub(crate) fn moments(outcome: &Outcome) -> Vec<Moment> {
    let leaders = outcome.sketch.leaders.iter();
    leaders.map(|(at_ns, what)| Moment { at_ns: *at_ns, what: what.clone() }).collect()
}

/// Writes everything that is known of a failure, and names the commands that continue from it.
/// `plan` is the text of the stored plan.
pub(crate) fn keep_failure(
    output: &OutputFolder,
    plan: &str,
    outcome: &Outcome,
    message: &mut FailureMessage,
) -> Result<String, FolderError> {
    let folder = FailureFiles::folder(&message.fingerprint);
    let path = output.path().join(&folder);
    message.commands = Commands {
        replay: Some(format!("squall replay {}", path.join("plan.json").display())),
        shrink: Some(format!("squall shrink {}", path.join("plan.json").display())),
        smaller: None,
        read: Some(path.join("explanation.txt").display().to_string()),
    };
    let trace = trace_lines(&outcome.trace);
    let files = FailureFiles {
        plan,
        message,
        sim_ms: outcome.stats.simulated_ms,
        history: &outcome.history,
        picture: &picture(outcome),
        trace: (!trace.is_empty()).then_some(&trace),
    };
    files.write(output)?;
    output.link_latest_failure(&folder)?;
    Ok(folder)
}

/// One event of the world, as `trace.jsonl` has it.
#[derive(Serialize)]
struct TraceLine {
    at_ns: u64,
    text: String,
}

/// Events of the world as `trace.jsonl` has them.
pub(crate) fn trace_lines(events: &[Event]) -> String {
    let lines = events.iter().map(|event| {
        let line = TraceLine { at_ns: event.at_ns, text: event.to_string().trim().to_owned() };
        serde_json::to_string(&line).expect("a number and a text are JSON") + "\n"
    });
    lines.collect()
}

/// The text of a `plan.json`.
pub(crate) fn plan_text(plan: &impl Serialize) -> String {
    serde_json::to_string_pretty(plan).expect("a plan is plain data with text keys") + "\n"
}

/// A file name for a run's plan.
pub(crate) fn plan_name(scenario: &str, seed: u64) -> String {
    format!("{}-{seed}.json", scenario.replace('/', "-"))
}
