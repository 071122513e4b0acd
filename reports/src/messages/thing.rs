//! What happens in the columns of `messages.svg`: who sends, reads and does what, at which moment, and what is
//! written beside it.

use evidence::words::moment;
use evidence::{Arrow, HostSpan, Point, Step, Story, Tone};

use super::layout::{Entry, text_width};
use super::select::Selection;
use crate::label::Labels;

/// Characters of a label: more would reach the next host.
pub(super) const LABEL_MAX: usize = 25;
/// Characters of what a host does: it stands alone in its row, on the right of its line.
const STEP_MAX: usize = 46;
/// The same for a message that was sent before what is shown.
const FAR_LABEL_MAX: usize = 21;
/// The part that is drawn of such a message's arrow.
pub(super) const STUB: f64 = 26.0;

/// Something that happens in a host's column.
pub(super) enum Thing<'a> {
    /// A message is sent, to one host or to several at once.
    Sent { arrows: Vec<&'a Arrow> },
    /// A message is read.
    Read { arrow: &'a Arrow },
    /// A host takes a step, or something befalls a host.
    Step { step: &'a Step },
    /// A host is cut off, or no longer.
    Cut { span: &'a HostSpan, begins: bool },
    /// A line of the explanation, by its number from 0.
    Mark { host: &'a str, line: usize, at_ns: u64 },
}

/// What labels depend on.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) selection: &'a Selection<'a>,
    pub(super) labels: &'a Labels<'a>,
}

pub(super) fn things<'a>(story: &'a Story, selection: &'a Selection<'a>) -> Vec<Thing<'a>> {
    let mut things: Vec<Thing<'a>> = Vec::new();
    for arrow in &selection.arrows {
        let arrow: &'a Arrow = arrow;
        if selection.shows(arrow.sent.at_ns) {
            let joins = |thing: &&mut Thing<'a>| matches!(thing, Thing::Sent { arrows } if is_cast(arrows, arrow));
            match things.iter_mut().find(joins) {
                Some(Thing::Sent { arrows }) => arrows.push(arrow),
                _ => things.push(Thing::Sent { arrows: vec![arrow] }),
            }
        }
        if arrow.delivered.is_some_and(|at| selection.shows(at.at_ns)) {
            things.push(Thing::Read { arrow });
        }
    }
    let is_host = |name: &String| selection.hosts.contains(&name.as_str());
    let turns = story.steps.iter().filter(|step| step.is_turn && is_host(&step.host));
    let turns = turns.filter(|step| selection.shows(step.at.at_ns));
    things.extend(turns.map(|step| Thing::Step { step }));
    let cuts = story.spans.iter().filter(|span| span.tone == Tone::Cut && is_host(&span.host));
    for span in cuts {
        let ends = [(span.from_ns, true), (span.to_ns, false)];
        let shown = ends.into_iter().filter(|(at_ns, _)| selection.shows(*at_ns));
        things.extend(shown.map(|(_, begins)| Thing::Cut { span, begins }));
    }
    let lines = story.contradiction.iter().flat_map(|c| &c.explanation.lines);
    for (number, line) in lines.enumerate() {
        let host = selection.hosts.iter().copied().find(|host| *host == line.client);
        let times = [line.to_ns, line.from_ns].into_iter().flatten();
        let shown = times.into_iter().find(|at_ns| selection.shows(*at_ns));
        if let (Some(host), Some(at_ns)) = (host, shown) {
            things.push(Thing::Mark { host, line: number, at_ns });
        }
    }
    things
}

/// Whether a message says the same at the same time as these, to somebody else.
fn is_cast(arrows: &[&Arrow], arrow: &Arrow) -> bool {
    let first = arrows[0];
    (&first.from, first.sent.at_ns, &first.label) == (&arrow.from, arrow.sent.at_ns, &arrow.label)
        && arrows.iter().all(|other| other.to != arrow.to)
}

impl Selection<'_> {
    pub(super) fn column(&self, host: &str) -> usize {
        self.hosts.iter().position(|name| *name == host).expect("only shown hosts are drawn")
    }

    /// Whether most of these messages go to the right.
    fn leans_right(&self, arrows: &[&Arrow]) -> bool {
        let is_right = |arrow: &&&Arrow| self.column(&arrow.to) > self.column(&arrow.from);
        arrows.iter().filter(is_right).count() * 2 >= arrows.len()
    }
}

impl<'a> Thing<'a> {
    /// What it says, in full.
    pub(super) fn text(&self) -> Option<&'a str> {
        match self {
            Thing::Sent { arrows } => Some(&arrows[0].label),
            Thing::Read { arrow } => Some(&arrow.label),
            Thing::Step { step } => Some(&step.text),
            Thing::Cut { span, .. } => Some(&span.text),
            Thing::Mark { .. } => None,
        }
    }

    pub(super) fn host(&self) -> &str {
        match self {
            Thing::Sent { arrows } => &arrows[0].from,
            Thing::Read { arrow } => &arrow.to,
            Thing::Step { step } => &step.host,
            Thing::Cut { span, .. } => &span.host,
            Thing::Mark { host, .. } => host,
        }
    }

    fn at(&self) -> Point {
        match self {
            Thing::Sent { arrows } => arrows[0].sent,
            Thing::Read { arrow } => arrow.delivered.expect("only what was read is read"),
            Thing::Step { step } => step.at,
            // What befalls comes before what is done about it; what is noticed comes last.
            Thing::Cut { span, begins: true } => Point { at_ns: span.from_ns, order: 0 },
            Thing::Cut { span, begins: false } => Point { at_ns: span.to_ns, order: 0 },
            Thing::Mark { at_ns, line, .. } => {
                Point { at_ns: *at_ns, order: u64::MAX / 2 + *line as u64 }
            }
        }
    }

    /// The text beside the line and whether it is to the right of it.
    pub(super) fn label(&self, Place { selection, labels }: Place<'_>) -> Option<(String, bool)> {
        let far = |label: &str, most: usize, mark: char, at: Point| {
            let when = format!(" {mark}{}", moment(at.at_ns));
            labels.fitted(label, most.saturating_sub(when.chars().count())) + &when
        };
        match self {
            Thing::Sent { arrows } => {
                let beyond = arrows.iter().filter_map(|arrow| arrow.delivered);
                let beyond = beyond.into_iter().find(|at| !selection.shows(at.at_ns));
                let label = &arrows[0].label;
                let text = match beyond {
                    Some(at) => far(label, LABEL_MAX, '⇢', at),
                    None if selection.is_fold(arrows[0]) => label.clone(),
                    None => labels.fitted(label, LABEL_MAX),
                };
                Some((text, selection.leans_right(arrows)))
            }
            Thing::Read { arrow } if !selection.shows(arrow.sent.at_ns) => {
                let is_right = selection.column(&arrow.from) > selection.column(&arrow.to);
                Some((far(&arrow.label, FAR_LABEL_MAX, '⇠', arrow.sent), is_right))
            }
            Thing::Read { .. } | Thing::Mark { .. } => None,
            Thing::Step { step } => {
                Some((labels.fitted(&step.text, self.step_max(selection)), true))
            }
            Thing::Cut { span, begins: true } => {
                Some((labels.fitted(&span.text, self.step_max(selection)), true))
            }
            Thing::Cut { begins: false, .. } => Some(("no longer cut off".to_owned(), true)),
        }
    }

    /// Beside the last host ends the drawing.
    fn step_max(&self, selection: &Selection<'_>) -> usize {
        let is_last = selection.column(self.host()) + 1 == selection.hosts.len();
        if is_last { LABEL_MAX } else { STEP_MAX }
    }

    /// How far from the line its text begins: behind the stub of an arrow from elsewhere.
    pub(super) fn label_distance(&self) -> f64 {
        if matches!(self, Thing::Read { .. }) { STUB + 5.0 } else { 11.0 }
    }

    pub(super) fn entry(&self, place: Place<'_>) -> Entry {
        let extent = match self.label(place) {
            None if matches!(self, Thing::Mark { .. }) => (-12.0, 12.0),
            None => (-5.0, 5.0),
            Some((text, true)) => (-6.0, self.label_distance() + 5.0 + text_width(&text)),
            Some((text, false)) => (-self.label_distance() - 5.0 - text_width(&text), 6.0),
        };
        Entry { column: place.selection.column(self.host()), at: self.at(), extent }
    }
}
