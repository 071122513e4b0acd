//! `messages.svg`: who said what to whom before the contradiction, as a space-time diagram (Lamport
//! 1978): a line for each host, time downwards, an arrow for each message from the moment at which it
//! was written to the one at which it was read; one that was never read ends in a cross.
//!
//! A burst of messages of a link, such as what brings a replica up to date, is one arrow that says how many
//! of what it stands for. Elements carry what they show as exact `data-` attributes.

mod fold;
mod head;
mod layout;
mod select;
#[cfg(test)]
mod tests;
mod thing;

use std::fmt::Write as _;

use evidence::words::moment;
use evidence::{Arrow, HostSpan, Story, Tone};

use head::{Head, LINE, wrapped};
use layout::{BREAK, Entry, HEAD, LEFT, Layout, ROW, x};
use select::{Selection, select};
use thing::{LABEL_MAX, Place, STUB, Thing, things};

use crate::label::Labels;
use crate::story::shortened;
use crate::style::{PALETTE, escape};

const STYLE: &str = "\
.messages text{font:11px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:var(--text)}
.messages text.title{font:600 15px system-ui,'DejaVu Sans',sans-serif}
.messages text.words{font:12px system-ui,'DejaVu Sans',sans-serif}
.messages text.name{font:600 14px system-ui,'DejaVu Sans',sans-serif}
.messages text.soft,.messages text.time{fill:var(--soft)}
.messages text.bad{fill:var(--bad)}
.messages text.over{paint-order:stroke;stroke:var(--back);stroke-width:4px;stroke-linejoin:round}
.messages .back{fill:var(--back)}.messages .grid{stroke:var(--grid)}
.messages .host{stroke:var(--rule);stroke-width:1.5}
.messages .unsettled{stroke:var(--unsettled);stroke-width:3;stroke-dasharray:3 4}
.messages .secondary{stroke:var(--secondary);stroke-width:3}
.messages .primary{stroke:var(--primary);stroke-width:7}
.messages .gone{stroke:var(--back);stroke-width:9}
.messages .down{stroke:var(--down);stroke-width:2;stroke-dasharray:1 5}
.messages .paused{stroke:var(--paused);stroke-width:5;stroke-dasharray:2 3}
.messages .cut{stroke:var(--network);stroke-width:3;stroke-dasharray:6 3}
.messages .arrow{color:var(--soft)}
.messages .arrow line{stroke:currentColor;stroke-width:1.3}
.messages .arrow path{fill:currentColor}
.messages .arrow .cross{stroke:currentColor;stroke-width:2.2;fill:none}
.messages .arrow text{fill:currentColor}
.messages .protocol-1{color:var(--protocol-1)}.messages .protocol-2{color:var(--protocol-2)}
.messages .protocol-3{color:var(--protocol-3)}.messages .protocol-4{color:var(--protocol-4)}
.messages .protocol-5{color:var(--protocol-5)}.messages .protocol-6{color:var(--protocol-6)}
.messages .arrow.far line{stroke-dasharray:3 3}
.messages .step rect{fill:var(--text)}.messages .step text{font-style:italic}
.messages .bar{stroke:var(--bad);stroke-opacity:.35;stroke-width:11}
.messages .mark circle{fill:var(--back);stroke:var(--bad);stroke-width:1.6}
.messages .mark text{fill:var(--bad);font-weight:700}
.messages .mark.worst circle{fill:var(--bad)}.messages .mark.worst text{fill:var(--back)}
.messages .break{stroke:var(--rule);stroke-dasharray:2 4}
.messages .sample{stroke-linecap:butt}
";

/// The text of the file.
pub(crate) fn messages(story: &Story) -> String {
    let selection = select(story);
    let things = things(story, &selection);
    let head = Head::new(story, &selection);
    let labels = Labels::new(things.iter().filter_map(Thing::text));
    let place = Place { selection: &selection, labels: &labels };
    let entries: Vec<Entry> = things.iter().map(|thing| thing.entry(place)).collect();
    let layout = Layout::new(&entries, &selection.windows, head.bottom);
    let mut drawing = Drawing {
        story,
        selection: &selection,
        labels: &labels,
        protocols: story.protocols(),
        layout: &layout,
        width: head.width,
        out: String::new(),
        labels_above: String::new(),
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
    body.push_str(&drawing.labels_above);
    for (number, line) in foot.iter().enumerate() {
        let y = layout.bottom + LINE * (number as f64 + 1.5);
        let _ =
            writeln!(body, "<text class=\"words soft\" x=\"12\" y=\"{y}\">{}</text>", escape(line));
    }
    let (width, height) = (head.width, layout.bottom + LINE * (foot.len() as f64 + 2.0));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"messages\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>Messages: {}</title>\n<style>\n\
         {PALETTE}{STYLE}</style>\n<rect class=\"back\" width=\"{width}\" height=\"{height}\"/>\n\
         {body}</svg>\n",
        escape(&story.title),
    )
}

/// Colours of protocols; those beyond them share the last one.
const PROTOCOL_COLOURS: usize = 6;

/// The CSS class of a protocol: its place in the order of their appearance.
fn protocol_class(protocols: &[&str], protocol: &str) -> String {
    let place = protocols.iter().position(|known| *known == protocol).unwrap_or(0);
    format!("protocol-{}", (place + 1).min(PROTOCOL_COLOURS))
}

struct Drawing<'a> {
    story: &'a Story,
    selection: &'a Selection<'a>,
    labels: &'a Labels<'a>,
    protocols: Vec<&'a str>,
    layout: &'a Layout,
    width: f64,
    out: String,
    /// The labels of arrows, which no later arrow may cross out.
    labels_above: String,
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
        let label = thing.label(Place { selection, labels: self.labels });
        let label = label.map(|(text, is_right)| {
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
        if !label.is_empty() {
            let _ = writeln!(self.labels_above, "<g class=\"arrow {protocol}\">{label}</g>");
        }
        self.push(format_args!(
            "<g class=\"arrow {protocol} {class}\" data-from=\"{}\" data-to=\"{}\" data-sent-ns=\"{}\"\
             {delivered} data-label=\"{}\"><title>{}: {} → {}, sent {}, {read}{detail}{}</title>\
             <line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>{end}</g>",
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
