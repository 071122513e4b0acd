//! A part of the run in detail: a column for each client, time downwards, a bar for each operation from its
//! invocation to its end with its words beside it; on the left the faults, the roles and the times. Columns for the
//! servers stand before those of the clients where the contradiction is a server's.
//!
//! Everything that is said has room, so time is not to scale; it never goes back.

use std::fmt::Write as _;

use evidence::words::moment;
use evidence::{FaultWindow, Story};

use super::bars::{Bar, Bars};
use super::details;
use super::heights::{Heights, Needs};
use super::notes::{NOTES, Note, notes};
use super::parts::Part;
use super::servers::Servers;
use super::words::LINE;
use crate::story::{lanes, outcome_class};
use crate::style::{Family, escape};

/// The width of all, if the columns are not too many: a window of 1280 pixels shows it whole.
pub(super) const WIDTH: f64 = 1232.0;
const TIMES: f64 = 66.0;
const BAND: f64 = 9.0;
const HEAD: f64 = 26.0;
/// The least height of a bar.
pub(super) const HEIGHT: f64 = 16.0;
/// The column of [`Needs`] that the notes on the left stand in; servers and clients follow.
const NOTE_COLUMN: usize = 0;

/// The picture of a part of the run.
pub(super) fn chunk(story: &Story, part: &Part) -> String {
    let picture = Picture::new(story, part);
    let mut out = String::new();
    picture.bands(&mut out);
    picture.times(&mut out);
    picture.servers.draw(&picture.heights, part, &mut out);
    picture.columns(&mut out);
    picture.notes.iter().for_each(|note| picture.rule(note, &mut out));
    picture.bars.all.iter().for_each(|bar| picture.operation(bar, &mut out));
    picture.notes.iter().for_each(|note| picture.note(note, &mut out));
    let (width, height) = (picture.width, picture.heights.bottom + 10.0);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chunk\" width=\"{width}\" \
         height=\"{height:.0}\" viewBox=\"0 0 {width} {height:.0}\" role=\"img\"><title>Operations \
         from {} to {}</title>\n{out}</svg>",
        moment(part.from_ns),
        moment(part.to_ns),
    )
}

struct Picture<'a> {
    story: &'a Story,
    part: &'a Part,
    servers: Servers<'a>,
    bars: Bars<'a>,
    faults: Vec<&'a FaultWindow>,
    fault_lanes: Vec<usize>,
    notes: Vec<Note>,
    heights: Heights,
    width: f64,
}

impl<'a> Picture<'a> {
    fn new(story: &'a Story, part: &'a Part) -> Picture<'a> {
        let mut faults: Vec<&FaultWindow> =
            story.faults.iter().filter(|fault| fault.overlaps(part.from_ns, part.to_ns)).collect();
        faults.sort_by_key(|fault| fault.from_ns);
        let end = |fault: &FaultWindow| fault.to_ns.unwrap_or(u64::MAX).max(fault.from_ns + 1);
        let fault_lanes = lanes(faults.iter().map(|fault| (fault.from_ns, end(fault))));
        let mut needs = Needs::default();
        needs.at(part.from_ns);
        needs.at(part.to_ns);
        for fault in &faults {
            let ends = [Some(fault.from_ns), fault.to_ns].into_iter().flatten();
            ends.filter(|at_ns| part.has(*at_ns)).for_each(|at_ns| needs.at(at_ns));
        }
        let mut notes = notes(story, part);
        for note in &mut notes {
            note.offset = needs.text(NOTE_COLUMN, note.at_ns, note.lines.len() as f64 * LINE);
        }
        let left = TIMES + bands_width(&fault_lanes) + NOTES;
        let servers = Servers::new(story, part, left, NOTE_COLUMN + 1, &mut needs);
        let first = NOTE_COLUMN + 1 + servers.count();
        let bars = Bars::new(story, part, servers.right, first, &mut needs);
        let heights = Heights::new(&needs, HEAD);
        let width = bars.right.max(640.0);
        Picture { story, part, servers, bars, faults, fault_lanes, notes, heights, width }
    }

    fn bands(&self, out: &mut String) {
        for (fault, lane) in self.faults.iter().zip(&self.fault_lanes) {
            let top = self.heights.y(fault.from_ns);
            let bottom = match fault.to_ns {
                Some(to_ns) if to_ns <= self.part.to_ns => self.heights.y(to_ns),
                _ => self.heights.bottom,
            };
            let until = fault.to_ns.map_or(String::new(), |ns| format!(" data-to-ns=\"{ns}\""));
            let _ = writeln!(
                out,
                "<g class=\"band\" data-kind=\"{}\" data-what=\"{}\" data-from-ns=\"{}\"{until}>\
                 <title>{}</title><rect class=\"band side {}\" x=\"{}\" y=\"{top:.1}\" width=\"{}\" \
                 height=\"{:.1}\"/></g>",
                escape(&fault.kind),
                escape(&fault.what),
                fault.from_ns,
                escape(&fault.to_string()),
                Family::new(self.story.families.of(&fault.kind)).class(),
                TIMES + *lane as f64 * BAND,
                BAND - 3.0,
                (bottom - top).max(2.0),
            );
        }
    }

    /// The line through the picture at a moment that matters to all; words stand over it.
    fn rule(&self, note: &Note, out: &mut String) {
        let class = match note.class {
            "bad" => "event",
            "role" => "role",
            _ => return,
        };
        let (left, y) = (TIMES + bands_width(&self.fault_lanes) + 2.0, self.heights.y(note.at_ns));
        let _ = writeln!(
            out,
            "<line class=\"{class}\" x1=\"{left}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\"/>",
            self.width,
        );
    }

    fn note(&self, note: &Note, out: &mut String) {
        let left = TIMES + bands_width(&self.fault_lanes) + 2.0;
        let line = self.heights.y(note.at_ns);
        let told = note.line.map_or(String::new(), |line| format!(" data-line=\"{line}\""));
        let _ = write!(
            out,
            "<g data-note-ns=\"{}\"{told}><title>{}, {}</title>",
            note.at_ns,
            escape(&note.whole),
            moment(note.at_ns),
        );
        for (number, text) in note.lines.iter().enumerate() {
            let y = line + note.offset + 10.5 + number as f64 * LINE;
            let (class, text) = (note.class, escape(text));
            let _ =
                write!(out, "<text class=\"{class} over\" x=\"{left}\" y=\"{y:.1}\">{text}</text>");
        }
        out.push_str("</g>\n");
    }

    /// As many times as there is room for.
    fn times(&self, out: &mut String) {
        let mut free = 0.0;
        for (at_ns, y) in self.heights.all() {
            if y < free {
                continue;
            }
            free = y + LINE;
            let _ = writeln!(
                out,
                "<line class=\"grid\" x1=\"{}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\"/><text \
                 class=\"soft\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" data-at-ns=\"{at_ns}\">\
                 {}</text>",
                TIMES - 5.0,
                self.width,
                TIMES - 7.0,
                y + 4.0,
                moment(at_ns),
            );
        }
    }

    fn columns(&self, out: &mut String) {
        for (client, left) in &self.bars.clients {
            let line = left - 4.0;
            let _ = writeln!(
                out,
                "<line class=\"grid\" x1=\"{line}\" y1=\"0\" x2=\"{line}\" y2=\"{:.1}\"/><text \
                 class=\"name\" x=\"{left}\" y=\"16\">{}</text>",
                self.heights.bottom,
                escape(client),
            );
        }
    }

    fn operation(&self, bar: &Bar, out: &mut String) {
        let index = bar.index;
        let operation = &self.story.history.operations[index];
        let top = self.heights.y(operation.invoke_ns.max(self.part.from_ns));
        let bottom = match operation.complete_ns {
            Some(end) if end <= self.part.to_ns => self.heights.y(end).max(top + HEIGHT),
            _ => self.heights.bottom.max(top + HEIGHT),
        };
        let line = self.story.line_of(operation);
        let told = if line.is_some() { " told" } else { "" };
        let until =
            operation.complete_ns.map_or(String::new(), |ns| format!(" data-to-ns=\"{ns}\""));
        let id = match self.part.linked.contains(&index) {
            true => format!(" id=\"op{index}\""),
            false => String::new(),
        };
        let line = line.map_or(String::new(), |line| format!(" data-line=\"{line}\""));
        let _ = write!(
            out,
            "<g class=\"op {}{told}\"{id} data-op=\"{index}\" data-client=\"{}\" \
             data-from-ns=\"{}\"{until}{line}><title>{}</title><rect x=\"{:.1}\" y=\"{top:.1}\" \
             width=\"{:.1}\" height=\"{:.1}\" rx=\"2\"/>",
            outcome_class(operation),
            escape(&operation.client_name),
            operation.invoke_ns,
            escape(&details(self.story, index)),
            bar.left,
            bar.width - 1.0,
            bottom - top - 1.0,
        );
        if !line.is_empty() {
            let _ = write!(
                out,
                "<rect class=\"frame\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"2\"/>",
                bar.words_left - 1.0,
                top + bar.offset + 0.5,
                bar.right - bar.words_left - 3.0,
                bar.words.len() as f64 * LINE + 3.0,
            );
        }
        for (number, (text, class)) in bar.words.iter().enumerate() {
            let y = top + bar.offset + 11.5 + number as f64 * LINE;
            let (x, text) = (bar.words_left + 2.0, escape(text));
            let _ = write!(out, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>");
        }
        out.push_str("</g>\n");
    }
}

fn bands_width(fault_lanes: &[usize]) -> f64 {
    fault_lanes.iter().max().map_or(0.0, |last| (*last as f64 + 1.0) * BAND)
}
