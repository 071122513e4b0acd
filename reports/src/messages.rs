//! `messages.svg`: who said what to whom before the contradiction, as a space-time diagram (Lamport
//! 1978): a line for each host, time downwards, an arrow for each message from the moment at which it
//! was written to the one at which it was read; one that was never read ends in a cross.
//!
//! Elements carry what they show as exact `data-` attributes.

mod head;
mod layout;
mod select;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use evidence::words::moment;
use evidence::{Arrow, HostSpan, Point, Step, Story, Tone};

use head::{Head, LINE, wrapped};
use layout::{BREAK, Entry, HEAD, LEFT, Layout, ROW, text_width, x};
use select::{Selection, select};

use crate::story::shortened;
use crate::style::{PALETTE, escape};

/// Characters of a label: more would reach the next host.
const LABEL_MAX: usize = 25;
/// The same for a message that was sent before what is shown.
const FAR_LABEL_MAX: usize = 21;
/// The part that is drawn of such a message's arrow.
const STUB: f64 = 26.0;

const STYLE: &str = "\
text{font:11px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:var(--text)}
text.title{font:600 15px system-ui,'DejaVu Sans',sans-serif}
text.words{font:12px system-ui,'DejaVu Sans',sans-serif}
text.name{font:600 14px system-ui,'DejaVu Sans',sans-serif}
text.soft,text.time{fill:var(--soft)}
text.bad{fill:var(--bad)}
text.over{paint-order:stroke;stroke:var(--back);stroke-width:4px;stroke-linejoin:round}
.back{fill:var(--back)}.grid{stroke:var(--grid)}
.host{stroke:var(--rule);stroke-width:1.5}
.unsettled{stroke:var(--unknown);stroke-width:3;stroke-dasharray:3 4}
.secondary{stroke:var(--series-3);stroke-width:3}
.primary{stroke:var(--series-1);stroke-width:7}
.gone{stroke:var(--back);stroke-width:9}
.down{stroke:var(--bad);stroke-width:2;stroke-dasharray:1 5}
.paused{stroke:var(--error);stroke-width:5;stroke-dasharray:2 3}
.cut{stroke:var(--network);stroke-width:3;stroke-dasharray:6 3}
.arrow line{stroke:currentColor;stroke-width:1.3}
.arrow path{fill:currentColor}
.arrow .cross{stroke:currentColor;stroke-width:2.2;fill:none}
.arrow text{fill:currentColor}
.protocol-1{color:var(--series-1)}.protocol-2{color:var(--series-3)}
.protocol-3{color:var(--series-4)}.protocol-4{color:var(--series-2)}
.protocol-5{color:var(--series-6)}.protocol-6{color:var(--series-5)}
.arrow.lost{color:var(--bad)}
.arrow.far line{stroke-dasharray:3 3}
.step rect{fill:var(--text)}.step text{font-style:italic}
.bar{stroke:var(--bad);stroke-opacity:.35;stroke-width:11}
.mark circle{fill:var(--back);stroke:var(--bad);stroke-width:1.6}
.mark text{fill:var(--bad);font-weight:700}
.mark.worst circle{fill:var(--bad)}.mark.worst text{fill:var(--back)}
.break{stroke:var(--rule);stroke-dasharray:2 4}
.sample{stroke-linecap:butt}
";

/// The text of the file.
pub(crate) fn messages(story: &Story) -> String {
    let selection = select(story);
    let things = things(story, &selection);
    let head = Head::new(story, &selection);
    let entries: Vec<Entry> = things.iter().map(|thing| thing.entry(&selection)).collect();
    let layout = Layout::new(&entries, &selection.windows, head.bottom);
    let mut drawing = Drawing {
        story,
        selection: &selection,
        protocols: story.protocols(),
        layout: &layout,
        width: head.width,
        out: String::new(),
    };
    drawing.times();
    drawing.hosts();
    drawing.bars();
    for (index, thing) in things.iter().enumerate() {
        drawing.thing(thing, layout.y[index], &things);
    }
    let foot = format!("Left out: {}; the steps of single transactions.", selection.left_out);
    let foot = wrapped(&foot, head.width);
    let mut body = head.text;
    body.push_str(&drawing.out);
    for (number, line) in foot.iter().enumerate() {
        let y = layout.bottom + LINE * (number as f64 + 1.5);
        let _ =
            writeln!(body, "<text class=\"words soft\" x=\"12\" y=\"{y}\">{}</text>", escape(line));
    }
    let (width, height) = (head.width, layout.bottom + LINE * (foot.len() as f64 + 2.0));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>Messages: {}</title>\n<style>\n\
         {PALETTE}{STYLE}</style>\n<rect class=\"back\" width=\"{width}\" height=\"{height}\"/>\n\
         {body}</svg>\n",
        escape(&story.title),
    )
}

/// Something that happens in a host's column.
enum Thing<'a> {
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

fn things<'a>(story: &'a Story, selection: &Selection<'a>) -> Vec<Thing<'a>> {
    let mut things: Vec<Thing<'a>> = Vec::new();
    for arrow in selection.arrows.iter().copied() {
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

/// Colours of protocols; those beyond them share the last one.
const PROTOCOL_COLOURS: usize = 6;

/// The CSS class of a protocol: its place in the order of their appearance.
fn protocol_class(protocols: &[&str], protocol: &str) -> String {
    let place = protocols.iter().position(|known| *known == protocol).unwrap_or(0);
    format!("protocol-{}", (place + 1).min(PROTOCOL_COLOURS))
}

/// Whether a message says the same at the same time as these, to somebody else.
fn is_cast(arrows: &[&Arrow], arrow: &Arrow) -> bool {
    let first = arrows[0];
    (&first.from, first.sent.at_ns, &first.label) == (&arrow.from, arrow.sent.at_ns, &arrow.label)
        && arrows.iter().all(|other| other.to != arrow.to)
}

impl Selection<'_> {
    fn column(&self, host: &str) -> usize {
        self.hosts.iter().position(|name| *name == host).expect("only shown hosts are drawn")
    }

    /// Whether most of these messages go to the right.
    fn leans_right(&self, arrows: &[&Arrow]) -> bool {
        let is_right = |arrow: &&&Arrow| self.column(&arrow.to) > self.column(&arrow.from);
        arrows.iter().filter(is_right).count() * 2 >= arrows.len()
    }
}

impl Thing<'_> {
    fn host(&self) -> &str {
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
    fn label(&self, selection: &Selection<'_>) -> Option<(String, bool)> {
        let far = |label: &str, most: usize, mark: char, at: Point| {
            let when = format!(" {mark}{}", moment(at.at_ns));
            shortened(label, most.saturating_sub(when.chars().count())) + &when
        };
        match self {
            Thing::Sent { arrows } => {
                let beyond = arrows.iter().filter_map(|arrow| arrow.delivered);
                let beyond = beyond.into_iter().find(|at| !selection.shows(at.at_ns));
                let label = &arrows[0].label;
                let text = match beyond {
                    Some(at) => far(label, LABEL_MAX, '⇢', at),
                    None => shortened(label, LABEL_MAX),
                };
                Some((text, selection.leans_right(arrows)))
            }
            Thing::Read { arrow } if !selection.shows(arrow.sent.at_ns) => {
                let is_right = selection.column(&arrow.from) > selection.column(&arrow.to);
                Some((far(&arrow.label, FAR_LABEL_MAX, '⇠', arrow.sent), is_right))
            }
            Thing::Read { .. } | Thing::Mark { .. } => None,
            Thing::Step { step } => Some((shortened(&step.text, LABEL_MAX), true)),
            Thing::Cut { span, begins: true } => Some((shortened(&span.text, LABEL_MAX), true)),
            Thing::Cut { begins: false, .. } => Some(("no longer cut off".to_owned(), true)),
        }
    }

    /// How far from the line its text begins: behind the stub of an arrow from elsewhere.
    fn label_distance(&self) -> f64 {
        if matches!(self, Thing::Read { .. }) { STUB + 5.0 } else { 11.0 }
    }

    fn entry(&self, selection: &Selection<'_>) -> Entry {
        let extent = match self.label(selection) {
            None if matches!(self, Thing::Mark { .. }) => (-12.0, 12.0),
            None => (-5.0, 5.0),
            Some((text, true)) => (-6.0, self.label_distance() + 5.0 + text_width(&text)),
            Some((text, false)) => (-self.label_distance() - 5.0 - text_width(&text), 6.0),
        };
        Entry { column: selection.column(self.host()), at: self.at(), extent }
    }
}

struct Drawing<'a> {
    story: &'a Story,
    selection: &'a Selection<'a>,
    protocols: Vec<&'a str>,
    layout: &'a Layout,
    width: f64,
    out: String,
}

impl Drawing<'_> {
    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.out.write_fmt(text);
        self.out.push('\n');
    }

    /// Times on the left, and how much is left out between the windows.
    fn times(&mut self) {
        let (layout, selection) = (self.layout, self.selection);
        let width = self.width;
        for (at_ns, top, _) in &layout.times {
            let y = top + ROW / 2.0 + 4.0;
            self.push(format_args!(
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{top}\" x2=\"{width}\" y2=\"{top}\"/>\
                 <text class=\"time\" x=\"{}\" y=\"{y}\" text-anchor=\"end\" data-at-ns=\"{at_ns}\">\
                 {}</text>",
                LEFT - 8.0,
                moment(*at_ns),
            ));
        }
        for (pair, edges) in selection.windows.windows(2).zip(layout.windows.windows(2)) {
            let y = edges[0].1 + 16.0;
            let silence = format!("… {} later", moment(pair[1].0 - pair[0].1));
            self.push(format_args!(
                "<line class=\"break\" x1=\"0\" y1=\"{y}\" x2=\"{width}\" y2=\"{y}\"/>\
                 <text class=\"time over\" x=\"4\" y=\"{}\">{silence}</text>",
                y + 4.0,
            ));
        }
    }

    fn hosts(&mut self) {
        let (story, selection) = (self.story, self.selection);
        for (column, host) in selection.hosts.iter().enumerate() {
            let at = x(column);
            for (number, (from_ns, _)) in selection.windows.iter().enumerate() {
                let edges = self.layout.windows[number];
                let head = if number == 0 { edges.0 - HEAD } else { edges.0 - BREAK };
                if number == 0 {
                    self.push(format_args!(
                        "<text class=\"name\" x=\"{at}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                        head + 22.0,
                        escape(host),
                    ));
                }
                let states = story.spans.iter().filter(|span| {
                    span.host == *host && span.from_ns <= *from_ns && *from_ns < span.to_ns
                });
                let mut states: Vec<&HostSpan> = states.collect();
                states.sort_by_key(|span| !span.tone.is_role());
                let lines = if number == 0 { 2 } else { 1 };
                for (line, span) in states.iter().take(lines).enumerate() {
                    let y = head + 40.0 + line as f64 * 15.0 + if number == 0 { 0.0 } else { 2.0 };
                    self.push(format_args!(
                        "<text class=\"soft over\" x=\"{at}\" y=\"{y}\" text-anchor=\"middle\">{}\
                         <title>{}</title></text>",
                        escape(&shortened(&span.text, LABEL_MAX)),
                        escape(&span.text),
                    ));
                }
                self.host_line(host, at, number);
            }
        }
    }

    /// A host's line within a window: what it was there.
    fn host_line(&mut self, host: &str, at: f64, number: usize) {
        let (from_ns, to_ns) = self.selection.windows[number];
        let (top, bottom) = self.layout.windows[number];
        self.push(format_args!(
            "<line class=\"host\" x1=\"{at}\" y1=\"{top}\" x2=\"{at}\" y2=\"{bottom}\"/>"
        ));
        let story = self.story;
        let within =
            |span: &&HostSpan| span.host == host && span.from_ns <= to_ns && span.to_ns > from_ns;
        let mut spans: Vec<&HostSpan> = story.spans.iter().filter(within).collect();
        spans.sort_by_key(|span| span.tone);
        for span in spans {
            let begin = if span.from_ns <= from_ns { top } else { self.layout.y_at(span.from_ns) };
            let end = if span.to_ns >= to_ns { bottom } else { self.layout.y_at(span.to_ns) };
            let class = span.tone.name();
            let at = if span.tone == Tone::Cut { at - 9.0 } else { at };
            if span.tone == Tone::Down {
                self.push(format_args!(
                    "<line class=\"gone\" x1=\"{at}\" y1=\"{begin}\" x2=\"{at}\" y2=\"{end}\"/>"
                ));
            }
            self.push(format_args!(
                "<line class=\"{class}\" x1=\"{at}\" y1=\"{begin}\" x2=\"{at}\" y2=\"{end}\" \
                 data-host=\"{}\" data-from-ns=\"{}\" data-to-ns=\"{}\"><title>{} {}, {} … {}</title>\
                 </line>",
                escape(host),
                span.from_ns,
                span.to_ns,
                escape(host),
                escape(&span.text),
                moment(span.from_ns),
                moment(span.to_ns),
            ));
        }
    }

    /// The operations of the explanation beside their clients' lines.
    fn bars(&mut self) {
        let (story, selection) = (self.story, self.selection);
        let lines = story.contradiction.iter().flat_map(|c| &c.explanation.lines);
        for line in lines {
            let column = selection.hosts.iter().position(|host| *host == line.client);
            let (Some(column), Some(from_ns)) = (column, line.from_ns) else { continue };
            let to_ns = line.to_ns.unwrap_or(story.end_ns);
            for (number, (begin_ns, end_ns)) in selection.windows.iter().enumerate() {
                if to_ns <= from_ns || from_ns > *end_ns || to_ns < *begin_ns {
                    continue;
                }
                let (top, bottom) = self.layout.windows[number];
                let y1 = if from_ns < *begin_ns { top } else { self.layout.y_at(from_ns) };
                let end = self.layout.times.iter().find(|(time, _, _)| *time == to_ns);
                let y2 = match end {
                    _ if to_ns > *end_ns => bottom,
                    Some((_, _, low)) => *low,
                    None => self.layout.y_at(to_ns),
                };
                let x = x(column);
                self.push(format_args!(
                    "<line class=\"bar\" x1=\"{x}\" y1=\"{y1}\" x2=\"{x}\" y2=\"{y2}\"><title>{}\
                     </title></line>",
                    escape(&line.text),
                ));
            }
        }
    }

    fn thing(&mut self, thing: &Thing<'_>, y: f64, things: &[Thing<'_>]) {
        let selection = self.selection;
        let at = x(selection.column(thing.host()));
        let label = thing.label(selection).map(|(text, is_right)| {
            let distance = thing.label_distance();
            let (x, anchor) =
                if is_right { (at + distance, "start") } else { (at - distance, "end") };
            let y = if matches!(thing, Thing::Read { .. }) { y + 1.0 } else { y - 1.0 };
            let text = escape(&text);
            format!(
                "<text class=\"over\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>"
            )
        });
        let label = label.unwrap_or_default();
        match thing {
            Thing::Sent { arrows } => {
                for (number, arrow) in arrows.iter().enumerate() {
                    let is_it = |other: &Thing<'_>| matches!(other, Thing::Read { arrow: it } if std::ptr::eq(*it, *arrow));
                    let read_y = things.iter().position(is_it).map(|index| self.layout.y[index]);
                    self.arrow(arrow, Some(y), read_y, if number == 0 { &label } else { "" });
                }
            }
            Thing::Read { arrow } if !selection.shows(arrow.sent.at_ns) => {
                self.arrow(arrow, None, Some(y), &label);
            }
            Thing::Read { .. } => {}
            Thing::Step { step } => self.push(format_args!(
                "<g class=\"step\" data-host=\"{}\" data-at-ns=\"{}\"><title>{} {}, {}</title>\
                 <rect x=\"{}\" y=\"{}\" width=\"8\" height=\"8\"/>{label}</g>",
                escape(&step.host),
                step.at.at_ns,
                escape(&step.host),
                escape(&step.text),
                moment(step.at.at_ns),
                at - 4.0,
                y - 8.0,
            )),
            Thing::Cut { span, .. } => self.push(format_args!(
                "<g><title>{} {}</title>{label}</g>",
                escape(&span.host),
                escape(&span.text)
            )),
            Thing::Mark { line, at_ns, .. } => {
                let worst = if self.story.is_contradiction(*line) { " worst" } else { "" };
                self.push(format_args!(
                    "<g class=\"mark{worst}\" data-line=\"{line}\" data-at-ns=\"{at_ns}\">\
                     <circle cx=\"{at}\" cy=\"{y}\" r=\"8\"/><text x=\"{at}\" y=\"{}\" \
                     text-anchor=\"middle\">{}</text></g>",
                    y + 4.0,
                    line + 1,
                ));
            }
        }
    }

    /// An arrow from a height to a height; where one is not shown, a part of it.
    fn arrow(&mut self, arrow: &Arrow, from_y: Option<f64>, to_y: Option<f64>, label: &str) {
        let column = |host: &str| x(self.selection.column(host));
        let (from, to) = (column(&arrow.from), column(&arrow.to));
        let (way, toward) = (to - from, (to - from).signum());
        let (x1, y1, x2, y2) = match (from_y, to_y) {
            (Some(y1), Some(y2)) => (from, y1, to - toward * 5.0, y2),
            (Some(y1), None) => (from, y1, from + way * 0.55, y1 + ROW * 0.7),
            (None, Some(y2)) => (to - toward * STUB, y2 - 4.0, to - toward * 5.0, y2),
            (None, None) => return,
        };
        let class = match (arrow.delivered, from_y, to_y) {
            (None, _, _) => "lost",
            (_, Some(_), Some(_)) => "read",
            _ => "far",
        };
        let end = match arrow.delivered {
            None => format!("<path class=\"cross\" d=\"{}\"/>", cross(x2, y2)),
            Some(_) => format!("<path d=\"{}\"/>", tip((x1, y1), (x2, y2))),
        };
        let read = match arrow.delivered {
            Some(at) => format!("read {}", moment(at.at_ns)),
            None => "never read".to_owned(),
        };
        let delivered = arrow
            .delivered
            .map_or(String::new(), |at| format!(" data-delivered-ns=\"{}\"", at.at_ns));
        let detail = if arrow.detail.is_empty() { "" } else { "; " };
        let protocol = protocol_class(&self.protocols, &arrow.protocol);
        self.push(format_args!(
            "<g class=\"arrow {protocol} {class}\" data-from=\"{}\" data-to=\"{}\" data-sent-ns=\"{}\"\
             {delivered} data-label=\"{}\"><title>{}: {} → {}, sent {}, {read}{detail}{}</title>\
             <line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>{end}{label}</g>",
            escape(&arrow.from),
            escape(&arrow.to),
            arrow.sent.at_ns,
            escape(&arrow.label),
            escape(&arrow.label),
            escape(&arrow.from),
            escape(&arrow.to),
            moment(arrow.sent.at_ns),
            escape(&arrow.detail),
        ));
    }
}

fn cross(x: f64, y: f64) -> String {
    let (left, right, up, down) = (x - 5.0, x + 5.0, y - 5.0, y + 5.0);
    format!("M{left:.1} {up:.1}L{right:.1} {down:.1}M{left:.1} {down:.1}L{right:.1} {up:.1}")
}

/// An arrow's head.
fn tip(from: (f64, f64), to: (f64, f64)) -> String {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(1.0);
    let (ux, uy) = (dx / length, dy / length);
    let back = (to.0 - ux * 9.0, to.1 - uy * 9.0);
    format!(
        "M{:.1} {:.1}L{:.1} {:.1}L{:.1} {:.1}Z",
        to.0,
        to.1,
        back.0 - uy * 3.5,
        back.1 + ux * 3.5,
        back.0 + uy * 3.5,
        back.1 - ux * 3.5
    )
}
