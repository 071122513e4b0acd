//! What is kept of a run that has ended: files of a failure, plans, traces.

use evidence::{Commands, FailureMessage};
use harness::Outcome;
use harness::tell::{picture, trace_lines};
use reports::{FailureFiles, FolderError, OutputFolder};
use serde::Serialize;

use crate::program;
use crate::systems::systems;

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
    let plan_path = path.join("plan.json");
    message.commands = Commands {
        replay: Some(program::replay(&plan_path)),
        shrink: Some(format!("{} shrink {}", program::command(), program::word(&plan_path))),
        smaller: None,
        read: Some(program::word(&path.join("explanation.txt"))),
    };
    let (trace, told) = (trace_lines(&outcome.trace), outcome.history());
    let files = FailureFiles {
        plan,
        message,
        sim_ms: outcome.stats.simulated_ms,
        history: &told,
        picture: &picture(systems(), outcome, &told),
        trace: (!trace.is_empty()).then_some(&trace),
    };
    files.write(output)?;
    output.link_latest_failure(&folder)?;
    Ok(folder)
}

/// The text of a `plan.json`.
pub(crate) fn plan_text(plan: &impl Serialize) -> String {
    serde_json::to_string_pretty(plan).expect("a plan is plain data with text keys") + "\n"
}

/// A file name for a run's plan.
pub(crate) fn plan_name(scenario: &str, seed: u64) -> String {
    format!("{}-{seed}.json", scenario.replace('/', "-"))
}
