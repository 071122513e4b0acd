//! The diagrams of a run, drawn from its story: `timeline.html`, `messages.svg`,
//! `trace.perfetto.json` and `shiviz.log`; and what they have in common.

use evidence::{Operation, OutcomeClass, Story};

use crate::folder::{FolderError, OutputFolder};

/// Writes the diagrams into a folder, given by its path within `output`.
///
/// # Errors
/// When one of them cannot be written.
pub fn write_story(story: &Story, output: &OutputFolder, folder: &str) -> Result<(), FolderError> {
    let write = |name: &str, text: String| {
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        output.write(&path, text.as_bytes()).map(drop)
    };
    write("timeline.html", crate::timeline::timeline(story))?;
    write("messages.svg", crate::messages::messages(story))?;
    write("trace.perfetto.json", crate::perfetto::perfetto(story))?;
    write("shiviz.log", crate::shiviz::shiviz(story))
}

/// The palette's name for an outcome's colour, which is its CSS class too.
pub(crate) fn outcome_colour(outcome: OutcomeClass) -> &'static str {
    match outcome {
        OutcomeClass::Ok => "ok",
        OutcomeClass::Refused => "error",
        OutcomeClass::Unknown => "unknown",
        OutcomeClass::NotSent => "unsent",
    }
}

/// The CSS class of an operation's outcome.
pub(crate) fn outcome_class(operation: &Operation) -> &'static str {
    outcome_colour(operation.outcome)
}

/// Places intervals (begin and end) side by side: the lane of each, so that none overlaps another
/// of its lane. They must come in the order of their begins.
pub(crate) fn lanes(intervals: impl IntoIterator<Item = (u64, u64)>) -> Vec<usize> {
    let mut free_from: Vec<u64> = Vec::new();
    let placed = intervals.into_iter().map(|(from, to)| {
        let lane = free_from.iter().position(|free| *free <= from).unwrap_or(free_from.len());
        match free_from.get_mut(lane) {
            Some(free) => *free = to,
            None => free_from.push(to),
        }
        lane
    });
    placed.collect()
}

/// A text cut to so many characters.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).collect::<String>() + "…",
    }
}

#[cfg(test)]
#[path = "story_tests.rs"]
pub(crate) mod tests;
