//! The parts of a run: the one on which the page opens, which holds everything that the explanation speaks of,
//! and the rest in pieces of a size that one can look through.

use std::collections::BTreeSet;

use evidence::{Operation, Story};

/// Operations before the contradiction on which the page opens.
const FOCUS_BEFORE: usize = 50;
/// Operations behind it.
const FOCUS_AFTER: usize = 8;
/// The same around the other moments of the explanation.
const EARLIER_BEFORE: usize = 8;
const EARLIER_AFTER: usize = 2;
/// More operations than this between the first and the last of those are not all shown.
const FOCUS_MAX: usize = 110;
/// Operations of each part of the rest.
const PART: usize = 80;

/// A span of time and what is shown of it.
pub(super) struct Part {
    /// From (within) and to (without).
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
    /// The operations, by their positions in the history, in the order of invocation.
    pub(super) shown: Vec<usize>,
    /// Those of them that links lead to: each operation has one such place.
    pub(super) linked: BTreeSet<usize>,
}

impl Part {
    /// Whether a moment lies in it.
    pub(super) fn has(&self, at_ns: u64) -> bool {
        (self.from_ns..self.to_ns).contains(&at_ns)
    }
}

/// The parts of a run.
pub(super) struct Parts {
    /// The one on which the page opens.
    pub(super) focus: Part,
    /// The other ones, in the order of time. Where the focus leaves operations out they are here.
    pub(super) before: Vec<Part>,
    pub(super) after: Vec<Part>,
}

impl Parts {
    pub(super) fn new(story: &Story) -> Parts {
        let times = times(story);
        // What happens in the last moment, such as a panic, is within.
        let last_ns = times.last().copied().unwrap_or(0).max(story.focus_ns());
        let end_ns = story.end_ns.max(last_ns + 1);
        let (from_ns, to_ns) = focus_span(story, &times, end_ns);
        let mut shown = overlapping(story, from_ns, to_ns);
        let is_whole = shown.len() <= FOCUS_MAX;
        if !is_whole {
            let chosen = chosen(story, &shown);
            shown.retain(|index| chosen.contains(index));
        }
        let begins_in = |index: &usize, from_ns: u64, to_ns: u64| {
            (from_ns..to_ns).contains(&story.history.operations[*index].invoke_ns)
        };
        let linked = shown.iter().copied().filter(|index| begins_in(index, from_ns, to_ns));
        let focus = Part { from_ns, to_ns, linked: linked.collect(), shown };
        let part = |(from_ns, to_ns): (u64, u64)| {
            let shown = overlapping(story, from_ns, to_ns);
            let linked = shown.iter().copied().filter(|index| begins_in(index, from_ns, to_ns));
            let linked = linked.filter(|index| !focus.linked.contains(index)).collect();
            Part { from_ns, to_ns, shown, linked }
        };
        let mut before: Vec<Part> = cut(&times, 0, from_ns).into_iter().map(part).collect();
        if !is_whole {
            before.extend(cut(&times, from_ns, to_ns).into_iter().map(part));
        }
        let after = cut(&times, to_ns, end_ns).into_iter().map(part).collect();
        Parts { focus, before, after }
    }
}

/// When operations began, in order.
fn times(story: &Story) -> Vec<u64> {
    let mut times: Vec<u64> = story.history.operations.iter().map(|o| o.invoke_ns).collect();
    times.sort_unstable();
    times
}

/// The moments that the explanation speaks of, up to the contradiction, in order.
pub(super) fn moments(story: &Story) -> Vec<u64> {
    let Some(contradiction) = &story.contradiction else { return vec![story.focus_ns()] };
    let lines = contradiction.explanation.lines.iter();
    let times = lines.flat_map(|line| [line.from_ns, line.to_ns]).flatten();
    let times = times.filter(|at_ns| *at_ns <= contradiction.at_ns);
    let mut moments: Vec<u64> = times.chain([contradiction.at_ns]).collect();
    moments.sort_unstable();
    moments.dedup();
    moments
}

/// The operations around the contradiction, and all that the explanation speaks of.
fn focus_span(story: &Story, times: &[u64], end_ns: u64) -> (u64, u64) {
    let at = times.partition_point(|time| *time <= story.focus_ns());
    let first_ns = times.get(at.saturating_sub(FOCUS_BEFORE)).copied().unwrap_or(0);
    let last_ns = times.get(at + FOCUS_AFTER).copied().unwrap_or(end_ns);
    let moments = moments(story);
    let earliest_ns = moments.first().copied().unwrap_or(first_ns).min(end_ns);
    let latest_ns = moments.last().map_or(0, |last| last + 1).min(end_ns);
    let from_ns = match at <= FOCUS_BEFORE {
        true => 0,
        false => first_ns.min(earliest_ns),
    };
    (from_ns, last_ns.max(latest_ns))
}

/// The operations that overlap a span, in the order of invocation.
fn overlapping(story: &Story, from_ns: u64, to_ns: u64) -> Vec<usize> {
    let operations = &story.history.operations;
    let overlaps = |operation: &Operation| {
        operation.invoke_ns < to_ns && operation.complete_ns.is_none_or(|end| end >= from_ns)
    };
    let mut shown: Vec<usize> =
        (0..operations.len()).filter(|index| overlaps(&operations[*index])).collect();
    shown.sort_by_key(|index| operations[*index].invoke_ns);
    shown
}

/// Of too many operations, those of the explanation and those around its moments.
fn chosen(story: &Story, among: &[usize]) -> BTreeSet<usize> {
    let operations = &story.history.operations;
    let told = among.iter().copied().filter(|at| story.line_of(&operations[*at]).is_some());
    let mut chosen: BTreeSet<usize> = told.collect();
    let focus_ns = story.focus_ns();
    for at_ns in moments(story) {
        let (before, after) = match at_ns == focus_ns {
            true => (FOCUS_BEFORE, FOCUS_AFTER),
            false => (EARLIER_BEFORE, EARLIER_AFTER),
        };
        let at = among.partition_point(|index| operations[*index].invoke_ns <= at_ns);
        let around = at.saturating_sub(before)..(at + after).min(among.len());
        chosen.extend(&among[around]);
    }
    chosen
}

/// A span in pieces, without gaps; operations of one time stay together.
fn cut(times: &[u64], from_ns: u64, to_ns: u64) -> Vec<(u64, u64)> {
    if from_ns >= to_ns {
        return Vec::new();
    }
    let first = times.partition_point(|time| *time < from_ns);
    let last = times.partition_point(|time| *time < to_ns);
    let mut begins: Vec<u64> = times[first..last].iter().step_by(PART).copied().collect();
    if begins.is_empty() {
        begins.push(from_ns);
    }
    begins[0] = from_ns;
    begins.dedup();
    let ends = begins.iter().skip(1).copied().chain([to_ns]);
    begins.iter().copied().zip(ends).collect()
}
