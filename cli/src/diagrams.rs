//! The diagrams of a run: from what the simulator saw to the story that `reports` draws.

use reports::{
    Arrow, Contradiction, FailureMessage, HostSpan, HostState, OutputFolder, Point, Step, Story,
};
use scenarios::evidence::State;
use scenarios::messages::Protocol;
use scenarios::run::{Outcome, look_closer};
use scenarios::sim::cluster::Plan;
use scenarios::sim::tap;

use crate::evidence::{moments, spans, trace_lines};

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
    let closer = look_closer(plan, seen).map_err(DrawError::Differs)?;
    let Some(story) = story(plan, &closer, message) else { return Ok(()) };
    let written = story.write(output, folder).and_then(|()| {
        let until_ns = message.and_then(|message| message.at_ns).unwrap_or(u64::MAX);
        let until_ns = until_ns.saturating_add(TRACE_AFTER_NS);
        let until = closer.trace.partition_point(|event| event.at_ns <= until_ns);
        let from = until.saturating_sub(TRACE_EVENTS_MAX);
        let path = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let lines = trace_lines(&closer.trace[from..until]);
        output.write(&format!("{path}trace.jsonl"), lines.as_bytes()).map(drop)
    });
    written.map_err(|error| DrawError::Write(error.to_string()))
}

/// Why there are no diagrams.
#[derive(Debug)]
pub(crate) enum DrawError {
    /// The run is not deterministic: how the second one differed.
    Differs(String),
    /// A file could not be written: which and why.
    Write(String),
}

/// The story of a run that was watched; none if it was not.
fn story<'a>(
    plan: &Plan,
    outcome: &'a Outcome,
    message: Option<&'a FailureMessage>,
) -> Option<Story<'a>> {
    let (record, evidence) = (outcome.record.as_ref()?, outcome.evidence.as_ref()?);
    let steps = evidence.steps.iter().map(|step| Step {
        host: step.host.clone(),
        at: point(step.at),
        text: step.text.clone(),
        is_turn: step.is_turn,
    });
    let states = evidence.spans.iter().map(|span| HostSpan {
        host: span.host.clone(),
        state: state(span.state),
        text: span.text.clone(),
        from_ns: span.from_ns,
        to_ns: span.to_ns,
    });
    let arrows = evidence.messages.iter().map(|message| Arrow {
        from: message.from.clone(),
        to: message.to.clone(),
        protocol: match message.protocol {
            Protocol::Client => "client",
            Protocol::Quorum => "quorum",
            Protocol::Election => "election",
        },
        sent: point(message.sent),
        delivered: message.delivered.map(point),
        label: message.label.clone(),
        detail: message.detail.clone(),
        is_ping: message.is_ping,
    });
    let planted = plan.plant.as_ref().map_or(String::new(), |plant| format!(", bug {plant}"));
    Some(Story {
        title: format!("{}, seed {}{planted}", outcome.scenario, outcome.seed),
        hosts: evidence.hosts.clone(),
        servers: plan.topology.servers as usize,
        history: &outcome.history,
        faults: spans(outcome),
        leaders: moments(outcome),
        contradiction: message.map(|message| Contradiction {
            explanation: &message.explanation,
            at_ns: message.at_ns.unwrap_or(record.end_ns),
        }),
        arrows: arrows.collect(),
        steps: steps.collect(),
        spans: states.collect(),
        end_ns: record.end_ns,
    })
}

fn point(moment: tap::Moment) -> Point {
    Point { at_ns: moment.at_ns, order: moment.order }
}

fn state(state: State) -> HostState {
    match state {
        State::Looking => HostState::Looking,
        State::Following => HostState::Following,
        State::Leading => HostState::Leading,
        State::Down => HostState::Down,
        State::Paused => HostState::Paused,
        State::Cut => HostState::Cut,
    }
}
