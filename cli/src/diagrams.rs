//! The diagrams of a run: it is performed once more, watched, and its story is drawn.

use evidence::FailureMessage;
use harness::tell::{log_lines, story, trace_lines};
use harness::{Outcome, Plan, Watch, look_closer};
use reports::{FolderError, OutputFolder, write_story};

use crate::systems::systems;

/// Events of the world that `trace.jsonl` tells: the last before the contradiction.
const TRACE_EVENTS_MAX: usize = 4_000;
/// How much of what follows the contradiction it tells, in nanoseconds.
const TRACE_AFTER_NS: u64 = 20_000_000;

/// Performs a plan again, watching everything, and writes what was seen into a folder within
/// `output`. `seen` is how it ended before, `message` what is wrong with that, if anything is.
///
/// # Errors
/// The run ended differently this time, or a file cannot be written; in words.
pub(crate) fn draw(
    output: &OutputFolder,
    folder: &str,
    plan: &Plan,
    seen: &Outcome,
    message: Option<&FailureMessage>,
) -> Result<(), DrawError> {
    let until_ns = message.and_then(|message| message.at_ns).unwrap_or(u64::MAX);
    let until_ns = until_ns.saturating_add(TRACE_AFTER_NS);
    let watch = Watch { events_max: TRACE_EVENTS_MAX, until_ns };
    let closer = look_closer(systems(), plan, seen, watch).map_err(DrawError::Differs)?;
    let Some(story) = story(systems(), plan, &closer, message) else { return Ok(()) };
    let written = write_story(&story, output, folder).and_then(|()| {
        let path = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let lines = trace_lines(&closer.trace);
        output.write(&format!("{path}trace.jsonl"), lines.as_bytes())?;
        let lines = log_lines(&closer.log, until_ns);
        match lines.is_empty() {
            true => Ok(()),
            false => output.write(&format!("{path}log.jsonl"), lines.as_bytes()).map(drop),
        }
    });
    written.map_err(DrawError::Write)
}

/// Why there are no diagrams.
#[derive(Debug)]
pub(crate) enum DrawError {
    /// The run is not deterministic: how the second one differed.
    Differs(String),
    /// A file could not be written: which and why.
    Write(FolderError),
}
