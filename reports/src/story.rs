//! A run as its diagrams tell it: who said and did what, what befell whom, and what contradicts
//! what. `timeline.html`, `messages.svg`, `trace.perfetto.json` and `shiviz.log` are drawn from it.

use checker::Explanation;
use checker::znode::{Outcome, ZHistory, ZOperation};

use crate::folder::{FolderError, OutputFolder};
use crate::history::{Span, answer};
use crate::message::Moment;

/// Everything that the diagrams of one run need.
#[derive(Clone, Debug)]
pub struct Story<'a> {
    /// What it is called: scenario and seed.
    pub title: String,
    /// Every host: the servers, then the clients.
    pub hosts: Vec<String>,
    /// How many of the hosts are servers.
    pub servers: usize,
    /// What clients asked and were told.
    pub history: &'a ZHistory,
    /// What struck, with its time.
    pub faults: Vec<Span>,
    /// When leaders changed, in order.
    pub leaders: Vec<Moment>,
    /// What is wrong; none if nothing is.
    pub contradiction: Option<Contradiction<'a>>,
    /// What hosts said to each other, in the order of sending.
    pub arrows: Vec<Arrow>,
    /// What servers did, in order.
    pub steps: Vec<Step>,
    /// What hosts were for a while.
    pub spans: Vec<HostSpan>,
    /// The end of the run, in simulated nanoseconds.
    pub end_ns: u64,
}

/// The failure that a story is about.
#[derive(Clone, Copy, Debug)]
pub struct Contradiction<'a> {
    /// What contradicts what.
    pub explanation: &'a Explanation,
    /// When it was complete, in simulated nanoseconds.
    pub at_ns: u64,
}

/// A point of a run: its time, and its place in the order of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// In simulated nanoseconds.
    pub at_ns: u64,
    /// Decides between equal times.
    pub order: u64,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// Who sent it.
    pub from: String,
    /// To whom.
    pub to: String,
    /// The protocol, in a word.
    pub protocol: &'static str,
    /// When it was sent.
    pub sent: Point,
    /// When it was read; none if it never was.
    pub delivered: Option<Point>,
    /// What it says, in a few words.
    pub label: String,
    /// What else it says; may be empty.
    pub detail: String,
    /// Whether it only says that somebody is alive.
    pub is_ping: bool,
}

/// Something that a host did, or that befell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Who.
    pub host: String,
    /// When.
    pub at: Point,
    /// What.
    pub text: String,
    /// Whether it changes what the host is; otherwise it is one of many about transactions.
    pub is_turn: bool,
}

/// What a host can be for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostState {
    /// Looking for a leader.
    Looking,
    /// Following one.
    Following,
    /// Leading.
    Leading,
    /// Not running.
    Down,
    /// Standing still.
    Paused,
    /// Cut off from others.
    Cut,
}

impl HostState {
    /// Its CSS class.
    pub(crate) fn class(self) -> &'static str {
        match self {
            HostState::Looking => "looking",
            HostState::Following => "following",
            HostState::Leading => "leading",
            HostState::Down => "down",
            HostState::Paused => "paused",
            HostState::Cut => "cut",
        }
    }

    /// Whether it is a role in the protocol, of which a host plays one at a time.
    pub(crate) fn is_role(self) -> bool {
        matches!(self, HostState::Looking | HostState::Following | HostState::Leading)
    }
}

/// What a host was for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSpan {
    /// Who.
    pub host: String,
    /// What.
    pub state: HostState,
    /// The same in words.
    pub text: String,
    /// From when, in simulated nanoseconds.
    pub from_ns: u64,
    /// Until when.
    pub to_ns: u64,
}

impl Story<'_> {
    /// Writes the diagrams into a folder, given by its path within `output`.
    ///
    /// # Errors
    /// When one of them cannot be written.
    pub fn write(&self, output: &OutputFolder, folder: &str) -> Result<(), FolderError> {
        let write = |name: &str, text: String| {
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            output.write(&path, text.as_bytes()).map(drop)
        };
        write("timeline.html", crate::timeline::timeline(self))?;
        write("messages.svg", crate::messages::messages(self))?;
        write("trace.perfetto.json", crate::perfetto::perfetto(self))?;
        write("shiviz.log", crate::shiviz::shiviz(self))
    }

    /// The moment that the diagrams lead up to: the contradiction; without one, the last change of
    /// leader, or the end.
    pub(crate) fn focus_ns(&self) -> u64 {
        match &self.contradiction {
            Some(contradiction) => contradiction.at_ns,
            None => self.leaders.last().map_or(self.end_ns, |moment| moment.at_ns),
        }
    }

    /// Which line of the explanation speaks of an operation.
    pub(crate) fn line_of(&self, operation: &ZOperation) -> Option<usize> {
        let explanation = self.contradiction.as_ref()?.explanation;
        let client = operation.client.to_string();
        let request = operation.request.to_string();
        explanation.lines.iter().position(|line| {
            line.client == client
                && line.from_ns == Some(operation.invoke_ns)
                && line.to_ns == operation.complete_ns
                && line.text.starts_with(&request)
        })
    }

    /// Whether a line of the explanation is the contradiction.
    pub(crate) fn is_contradiction(&self, line: usize) -> bool {
        let explanation = self.contradiction.as_ref().map(|c| c.explanation);
        explanation.is_some_and(|explanation| explanation.contradiction == Some(line))
    }
}

/// The CSS class of an operation's outcome.
pub(crate) fn outcome_class(operation: &ZOperation) -> &'static str {
    match operation.outcome {
        Outcome::Ok(_) => "ok",
        Outcome::Error(_) => "error",
        Outcome::Unknown => "unknown",
    }
}

/// What was asked and answered.
pub(crate) fn operation_text(operation: &ZOperation) -> String {
    let answer = match &operation.outcome {
        Outcome::Ok(response) => answer(response),
        Outcome::Error(code) => code.to_string(),
        Outcome::Unknown => "unknown".to_owned(),
    };
    format!("{} → {answer}", operation.request)
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
