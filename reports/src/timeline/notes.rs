//! What is said on the left of a part, beside its times.

use std::collections::BTreeSet;

use evidence::Story;
use evidence::words::moment;

use super::parts::Part;
use super::words::{CHARACTER, wrapped};

/// The width of it.
pub(super) const NOTES: f64 = 196.0;

/// Something that is said on the left at a moment.
pub(super) struct Note {
    pub(super) at_ns: u64,
    pub(super) lines: Vec<String>,
    pub(super) whole: String,
    pub(super) class: &'static str,
    /// Which line of the explanation it is.
    pub(super) line: Option<usize>,
    /// How far below its moment it stands.
    pub(super) offset: f64,
}

/// What is said on the left: faults, roles, what is left out, and what of the explanation has no column.
pub(super) fn notes(story: &Story, part: &Part) -> Vec<Note> {
    let most = ((NOTES - 10.0) / CHARACTER) as usize;
    let mut notes = Vec::new();
    let mut say = |at_ns, class, line, whole: String, lines_max| {
        let lines = wrapped(&whole, most, lines_max);
        notes.push(Note { at_ns, lines, whole, class, line, offset: 0.0 });
    };
    for fault in &story.faults {
        let name = format!("{} {}", fault.kind, fault.what);
        let name = name.trim_end();
        if part.has(fault.from_ns) {
            say(fault.from_ns, "fault", None, format!("▼ {name}"), 2);
        } else if fault.from_ns < part.from_ns && fault.overlaps(part.from_ns, part.to_ns) {
            let text = format!("┆ {name} since {}", moment(fault.from_ns));
            say(part.from_ns, "fault", None, text, 2);
        }
        if let Some(at_ns) = fault.to_ns.filter(|at| part.has(*at) && *at > fault.from_ns) {
            say(at_ns, "fault", None, format!("▲ {name} ends"), 2);
        }
    }
    for role in story.roles.iter().filter(|role| part.has(role.at_ns)) {
        say(role.at_ns, "role", None, role.what.clone(), 2);
    }
    for (at_ns, count) in left_out(story, part) {
        say(at_ns, "soft", None, format!("… {count} operations are not shown"), 2);
    }
    let operations = &story.history.operations;
    let lines = story.contradiction.iter().flat_map(|c| c.explanation.lines.iter().enumerate());
    for (number, line) in lines {
        let is_operation = operations.iter().any(|o| story.line_of(o) == Some(number));
        let has_column = is_operation || story.servers().any(|server| server == line.client);
        if let Some(at_ns) = line.to_ns.or(line.from_ns).filter(|at| part.has(*at) && !has_column) {
            let text = format!("{}: {} {}", number + 1, line.client, line.text);
            say(at_ns, "bad", Some(number), text, 5);
        }
    }
    notes.sort_by_key(|note| note.at_ns);
    notes
}

/// Where operations of the part are left out, and how many in a row.
fn left_out(story: &Story, part: &Part) -> Vec<(u64, u64)> {
    let begins = |index: &usize| story.history.operations[*index].invoke_ns;
    let mut all: Vec<(u64, usize)> = (0..story.history.operations.len())
        .map(|index| (begins(&index), index))
        .filter(|(at_ns, _)| part.has(*at_ns))
        .collect();
    all.sort_unstable();
    let mut gaps: Vec<(u64, u64)> = Vec::new();
    let mut is_gap = false;
    let shown: BTreeSet<usize> = part.shown.iter().copied().collect();
    for (at_ns, index) in all {
        let was_gap = std::mem::replace(&mut is_gap, !shown.contains(&index));
        match gaps.last_mut() {
            Some(gap) if is_gap && was_gap => gap.1 += 1,
            _ if is_gap => gaps.push((at_ns, 1)),
            _ => {}
        }
    }
    gaps
}
