//! A column for each host that is no client: what it was, what it held durably, what it did, and what the
//! explanation says of it. They stand beside the clients where the contradiction is a server's.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use evidence::words::moment;
use evidence::{HostSpan, Story};

use super::heights::{Heights, Needs};
use super::parts::{Part, moments};
use super::words::{CHARACTER, LINE, evidence_lines, wrapped};
use crate::style::escape;

/// Width of a column, and of one that the explanation speaks of.
const NARROW: f64 = 104.0;
const WIDE: f64 = 156.0;
/// Columns beyond this many are left to those of whom the explanation speaks.
const SERVERS_MAX: usize = 7;
/// Changes of what is durable that are all told; of more, those before the explanation's moments.
const DURABLE_MAX: usize = 8;
/// The part of a column that is beside its texts.
const MARGIN: f64 = 18.0;

/// The columns.
pub(super) struct Servers<'a> {
    columns: Vec<Column<'a>>,
    /// Where they end.
    pub(super) right: f64,
}

struct Column<'a> {
    name: &'a str,
    left: f64,
    width: f64,
    spans: Vec<&'a HostSpan>,
    texts: Vec<Text>,
}

/// Something that is said in a column.
struct Text {
    at_ns: u64,
    /// Decides between equal times.
    rank: u8,
    class: &'static str,
    /// Which line of the explanation it is.
    line: Option<usize>,
    /// How far below its moment it stands.
    offset: f64,
    lines: Vec<String>,
    whole: String,
}

impl<'a> Servers<'a> {
    /// The columns from `left` on, the first of which is number `first`; none where the contradiction is no
    /// server's.
    pub(super) fn new(
        story: &'a Story,
        part: &Part,
        left: f64,
        first: usize,
        needs: &mut Needs,
    ) -> Servers<'a> {
        let mut servers = Servers { columns: Vec::new(), right: left };
        if !story.is_of_servers() {
            return servers;
        }
        let lines = story.contradiction.iter().flat_map(|c| &c.explanation.lines);
        let named: BTreeSet<&str> = lines.map(|line| line.client.as_str()).collect();
        let is_crowd = story.servers().count() > SERVERS_MAX;
        for name in story.servers().filter(|name| !is_crowd || named.contains(name)) {
            let width = if named.contains(name) { WIDE } else { NARROW };
            let is_its = |span: &&HostSpan| {
                span.host == name && span.from_ns < part.to_ns && span.to_ns > part.from_ns
            };
            let spans: Vec<&HostSpan> = story.spans.iter().filter(is_its).collect();
            let most = ((width - MARGIN) / CHARACTER) as usize;
            let mut texts = texts(story, part, name, &spans, most);
            for text in &mut texts {
                let height = text.lines.len() as f64 * LINE + 5.0;
                text.offset = needs.text(first + servers.columns.len(), text.at_ns, height);
            }
            for span in &spans {
                [span.from_ns, span.to_ns]
                    .into_iter()
                    .filter(|at| part.has(*at))
                    .for_each(|at| needs.at(at));
            }
            servers.columns.push(Column { name, left: servers.right, width, spans, texts });
            servers.right += width;
        }
        servers.right += if servers.columns.is_empty() { 0.0 } else { 8.0 };
        servers
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.columns.len()
    }

    pub(super) fn draw(&self, heights: &Heights, part: &Part, out: &mut String) {
        for column in &self.columns {
            let Column { name, left, .. } = column;
            let _ = writeln!(
                out,
                "<g class=\"server\" data-host=\"{0}\"><text class=\"name\" x=\"{left}\" y=\"16\">{0}</text>",
                escape(name),
            );
            column.spans.iter().for_each(|span| column.span(span, heights, part, out));
            column.texts.iter().for_each(|text| column.text(text, heights, out));
            out.push_str("</g>\n");
        }
    }
}

impl Column<'_> {
    /// A role fills the column, whatever else befell the host is a bar at its edge.
    fn span(&self, span: &HostSpan, heights: &Heights, part: &Part, out: &mut String) {
        let top = heights.y(span.from_ns.max(part.from_ns));
        let bottom = if span.to_ns < part.to_ns { heights.y(span.to_ns) } else { heights.bottom };
        let (x, width, kind) = match span.tone.is_role() {
            true => (self.left, self.width - 12.0, "role"),
            false => (self.left + self.width - 11.0, 5.0, "edge"),
        };
        let _ = writeln!(
            out,
            "<g data-tone=\"{0}\" data-from-ns=\"{1}\" data-to-ns=\"{2}\"><title>{3} {4}, {5} … {6}</title>\
             <rect class=\"tone {kind} {0}\" x=\"{x}\" y=\"{top:.1}\" width=\"{width}\" height=\"{7:.1}\"/></g>",
            span.tone.name(),
            span.from_ns,
            span.to_ns,
            escape(&span.host),
            escape(&span.text),
            moment(span.from_ns),
            moment(span.to_ns),
            (bottom - top - 1.0).max(2.0),
        );
    }

    fn text(&self, text: &Text, heights: &Heights, out: &mut String) {
        let top = heights.y(text.at_ns) + text.offset;
        let line = text.line.map_or(String::new(), |line| format!(" data-line=\"{line}\""));
        let _ = write!(
            out,
            "<g class=\"said {}\" data-at-ns=\"{}\"{line}><title>{}: {}, {}</title>",
            text.class,
            text.at_ns,
            escape(self.name),
            escape(&text.whole),
            moment(text.at_ns),
        );
        if text.line.is_some() {
            let _ = write!(
                out,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"2\"/>",
                self.left - 2.0,
                top + 0.5,
                self.width - 8.0,
                text.lines.len() as f64 * LINE + 3.0,
            );
        }
        for (number, line) in text.lines.iter().enumerate() {
            let (x, y) = (self.left + 3.0, top + 12.0 + number as f64 * LINE);
            let _ = write!(out, "<text x=\"{x}\" y=\"{y:.1}\">{}</text>", escape(line));
        }
        out.push_str("</g>\n");
    }
}

/// What is said in the column of a server, in order.
fn texts(story: &Story, part: &Part, name: &str, spans: &[&HostSpan], most: usize) -> Vec<Text> {
    let mut texts = Vec::new();
    let mut say = |at_ns, rank, class, whole: &str, lines_max| {
        let (lines, whole) = (wrapped(whole, most, lines_max), whole.to_owned());
        texts.push(Text { at_ns, rank, class, line: None, offset: 0.0, lines, whole });
    };
    for span in spans {
        let class = if span.tone.is_role() { "role" } else { "edge" };
        say(span.from_ns.max(part.from_ns), 0, class, &span.text, 2);
    }
    // What only repeats that a span begins is left out.
    let begins: BTreeSet<u64> = spans.iter().map(|span| span.from_ns).collect();
    let steps = story.steps.iter().filter(|step| step.is_turn && step.host == name);
    for step in steps.filter(|step| part.has(step.at.at_ns) && !begins.contains(&step.at.at_ns)) {
        say(step.at.at_ns, 1, "step", &step.text, 3);
    }
    for (at_ns, text) in durable(story, part, name) {
        say(at_ns, 2, "durable", &format!("durable {text}"), 2);
    }
    let lines = story.contradiction.iter().flat_map(|c| c.explanation.lines.iter().enumerate());
    for (number, line) in lines.filter(|(_, line)| line.client == name) {
        if let Some(at_ns) = line.to_ns.or(line.from_ns).filter(|at_ns| part.has(*at_ns)) {
            let worst = if story.is_contradiction(number) { " worst" } else { "" };
            let class = if worst.is_empty() { "told" } else { "told worst" };
            let lines = evidence_lines(story, number, true, most);
            let whole = format!("{} {}", line.text, line.note);
            texts.push(Text {
                at_ns,
                rank: 3,
                class,
                line: Some(number),
                offset: 0.0,
                lines,
                whole,
            });
        }
    }
    texts.sort_by_key(|text| (text.at_ns, text.rank));
    texts
}

/// What a server held durably: when the part begins, and where it changes; of many changes, the last before
/// each moment of the explanation.
fn durable<'a>(story: &'a Story, part: &Part, name: &str) -> Vec<(u64, &'a str)> {
    let of_host = story.durable.iter().filter(|durable| durable.host == name);
    let (before, later): (Vec<_>, Vec<_>) =
        of_host.filter(|durable| durable.at_ns < part.to_ns).partition(|d| d.at_ns < part.from_ns);
    let at_begin = before.last().map(|durable| (part.from_ns, durable.text.as_str()));
    let told: BTreeSet<usize> = match later.len() {
        0..=DURABLE_MAX => (0..later.len()).collect(),
        many => {
            let moments = moments(story).into_iter().chain([part.to_ns]);
            let until = moments.map(|at_ns| later.partition_point(|d| d.at_ns <= at_ns));
            until.filter(|until| *until > 0).map(|until| (until - 1).min(many - 1)).collect()
        }
    };
    let changes = told.into_iter().map(|at| (later[at].at_ns, later[at].text.as_str()));
    at_begin.into_iter().chain(changes).filter(|(_, text)| !text.is_empty()).collect()
}
