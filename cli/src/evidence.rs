//! What a run left behind, in the forms of crate `reports`.

use reports::{
    Commands, FailureFiles, FailureMessage, FolderError, Moment, OutputFolder, RunLine, RunVerdict,
    Span, Syncs,
};
use scenarios::judge::Verdict;
use scenarios::run::Outcome;
use scenarios::sim::trace::Event;
use serde::Serialize;

/// A line of `seeds.jsonl`.
pub(crate) fn run_line(outcome: &Outcome, plant: Option<&String>, corpus: Option<&str>) -> RunLine {
    let stats = &outcome.stats;
    let (verdict, reason) = match &outcome.verdict {
        Verdict::Pass => (RunVerdict::Pass, None),
        Verdict::Fail(_) => (RunVerdict::Fail, None),
        Verdict::Undecided(reason) => (RunVerdict::Undecided, Some(reason.clone())),
    };
    let fingerprints = outcome.failures().iter().map(|failure| failure.fingerprint.clone());
    RunLine {
        build: scenarios::build_id().to_owned(),
        scenario: outcome.scenario.clone(),
        seed: outcome.seed,
        corpus: corpus.map(str::to_owned),
        plant: plant.cloned(),
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
    }
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
    let windows = outcome.record.iter().flat_map(|record| &record.faults);
    Some(FailureMessage {
        scenario: outcome.scenario.clone(),
        plant: plant.cloned(),
        seed: outcome.seed,
        build: scenarios::build_id().to_owned(),
        fingerprint: first.fingerprint.clone(),
        at_ns: Some(first.at_ns),
        explanation: first.explanation(),
        faults: windows.map(|w| Span::new(&w.kind, &w.what, w.from_ns, w.to_ns)).collect(),
        leaders: outcome
            .leaders()
            .into_iter()
            .map(|(at_ns, what)| Moment { at_ns, what })
            .collect(),
        also,
        runs: 1,
        commands: Commands::default(),
    })
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
        read: Some(path.join("explanation.txt").display().to_string()),
    };
    let trace = trace_lines(&outcome.trace);
    let files = FailureFiles {
        plan,
        message,
        sim_ms: outcome.stats.simulated_ms,
        history: &outcome.history,
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
