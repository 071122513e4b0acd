//! A part of the run in detail: a column for each client, time downwards, a box for each operation
//! from its invocation to its end; on the left the faults, the roles and the times.
//!
//! Every box is high enough for its text, so time is not to scale; it never goes back.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use evidence::words::moment;
use evidence::{FaultWindow, Operation, Story};

use super::details;
use crate::story::{lanes, outcome_class, shortened};
use crate::style::{Family, escape};

const TIMES: f64 = 66.0;
const BAND: f64 = 9.0;
const NOTES: f64 = 216.0;
const BOX: f64 = 176.0;
/// Boxes of a client with several requests at once share this width, as far as they are legible.
const SHARED: f64 = 340.0;
const NARROWEST_BOX: f64 = 94.0;
const HEAD: f64 = 26.0;
/// The least height of a box, and of one that the explanation speaks of.
const HEIGHT: f64 = 16.0;
const TOLD_HEIGHT: f64 = 61.0;
const LINE: f64 = 14.0;
const CHARACTER: f64 = 6.75;

/// Something to be said on the left at a moment.
struct Note {
    at_ns: u64,
    text: String,
    class: &'static str,
}

/// The picture of the operations that overlap a span of time.
pub(super) fn chunk(story: &Story, from_ns: u64, to_ns: u64) -> String {
    let picture = Picture::new(story, from_ns, to_ns);
    let mut out = String::new();
    picture.bands(&mut out);
    picture.notes(&mut out);
    picture.times(&mut out);
    picture.columns(&mut out);
    for place in 0..picture.shown.len() {
        picture.operation(place, &mut out);
    }
    let (width, height) = (picture.width, picture.bottom + 10.0);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chunk\" width=\"{width}\" \
         height=\"{height:.0}\" viewBox=\"0 0 {width} {height:.0}\" role=\"img\"><title>Operations \
         from {} to {}</title>\n{out}</svg>",
        moment(from_ns),
        moment(to_ns),
    )
}

struct Picture<'a> {
    story: &'a Story,
    from_ns: u64,
    to_ns: u64,
    /// The operations, by their positions in the history, in the order of invocation.
    shown: Vec<usize>,
    /// Left edge and width of each of them.
    places: Vec<(f64, f64)>,
    /// Names of clients and the left edges of their columns.
    clients: Vec<(&'a str, f64)>,
    faults: Vec<&'a FaultWindow>,
    fault_lanes: Vec<usize>,
    notes: Vec<Note>,
    /// The height of each time at which something happens.
    heights: BTreeMap<u64, f64>,
    top: f64,
    bottom: f64,
    width: f64,
}

impl<'a> Picture<'a> {
    fn new(story: &'a Story, from_ns: u64, to_ns: u64) -> Picture<'a> {
        let operations = &story.history.operations;
        let overlaps = |operation: &Operation| {
            operation.invoke_ns < to_ns && operation.complete_ns.is_none_or(|end| end >= from_ns)
        };
        let mut shown: Vec<usize> =
            (0..operations.len()).filter(|index| overlaps(&operations[*index])).collect();
        shown.sort_by_key(|index| operations[*index].invoke_ns);
        let mut faults: Vec<&FaultWindow> =
            story.faults.iter().filter(|fault| fault.overlaps(from_ns, to_ns)).collect();
        faults.sort_by_key(|fault| fault.from_ns);
        let end = |to_ns: Option<u64>| to_ns.unwrap_or(u64::MAX);
        let fault_lanes =
            lanes(faults.iter().map(|f| (f.from_ns, end(f.to_ns).max(f.from_ns + 1))));
        let bands = fault_lanes.iter().max().map_or(0, |last| last + 1);
        let (clients, places, width) = columns(story, &shown, TIMES + bands as f64 * BAND + NOTES);
        let mut picture = Picture {
            story,
            from_ns,
            to_ns,
            shown,
            places,
            clients,
            faults,
            fault_lanes,
            notes: notes(story, from_ns, to_ns),
            heights: BTreeMap::new(),
            top: HEAD,
            bottom: HEAD,
            width,
        };
        picture.place();
        picture
    }

    /// Gives every time its height: later is lower, boxes and notes have room.
    fn place(&mut self) {
        let operations = &self.story.history.operations;
        let is_in = |at_ns: &u64| (self.from_ns..=self.to_ns).contains(at_ns);
        let mut ends: BTreeMap<u64, Vec<(u64, f64)>> = BTreeMap::new();
        for (index, place) in self.shown.iter().zip(&self.places) {
            let operation = &operations[*index];
            let begin = operation.invoke_ns.max(self.from_ns);
            ends.entry(begin).or_default();
            let height = least_height(self.story, operation, place.1);
            let end = operation.complete_ns.filter(is_in).unwrap_or(self.to_ns);
            ends.entry(end).or_default().push((begin, height));
        }
        let mut noted: BTreeMap<u64, usize> = BTreeMap::new();
        for note in &self.notes {
            *noted.entry(note.at_ns).or_default() += 1;
            ends.entry(note.at_ns).or_default();
        }
        ends.entry(self.to_ns).or_default();
        let (mut y, mut last_ns, mut notes_end, mut least) =
            (self.top + 4.0, None, 0.0_f64, 0.0_f64);
        for (at_ns, boxes) in ends {
            let pause_ms = last_ns.map_or(0.0, |last: u64| (at_ns - last) as f64 / 1e6);
            if last_ns.is_some() {
                y += ((1.0 + pause_ms).ln() * 3.5).clamp(1.0, 30.0);
            }
            y = y.max(least);
            for (begin, height) in boxes {
                match self.heights.get(&begin) {
                    Some(top) => y = y.max(top + height),
                    // It ends when it begins: what follows keeps its distance.
                    None => least = least.max(y + height),
                }
            }
            if let Some(count) = noted.get(&at_ns) {
                y = y.max(notes_end);
                notes_end = y + *count as f64 * LINE;
            }
            self.heights.insert(at_ns, y);
            last_ns = Some(at_ns);
        }
        self.bottom = y.max(notes_end).max(least);
    }

    fn y(&self, at_ns: u64) -> f64 {
        if at_ns < self.from_ns {
            return self.top;
        }
        let at = self.heights.range(at_ns..).next();
        at.map_or(self.bottom, |(_, y)| *y)
    }

    fn bands(&self, out: &mut String) {
        for (fault, lane) in self.faults.iter().zip(&self.fault_lanes) {
            let top = self.y(fault.from_ns);
            let bottom = match fault.to_ns {
                Some(to_ns) if to_ns <= self.to_ns => self.y(to_ns),
                _ => self.bottom,
            };
            let height = (bottom - top).max(2.0);
            let until = fault.to_ns.map_or(String::new(), |ns| format!(" data-to-ns=\"{ns}\""));
            let family = Family::new(self.story.families.of(&fault.kind)).class();
            let left = TIMES + *lane as f64 * BAND;
            let _ = writeln!(
                out,
                "<g class=\"band\" data-kind=\"{}\" data-what=\"{}\" data-from-ns=\"{}\"{until}>\
                 <title>{}</title><rect class=\"band wash {family}\" x=\"{left}\" y=\"{top:.1}\" \
                 width=\"{:.1}\" height=\"{height:.1}\"/><rect class=\"band side {family}\" \
                 x=\"{left}\" y=\"{top:.1}\" width=\"{}\" height=\"{height:.1}\"/></g>",
                escape(&fault.kind),
                escape(&fault.what),
                fault.from_ns,
                escape(&fault.to_string()),
                self.width - left,
                BAND - 3.0,
            );
        }
    }

    fn notes(&self, out: &mut String) {
        let left = TIMES + self.bands_width() + 2.0;
        let mut said: BTreeMap<u64, usize> = BTreeMap::new();
        for note in &self.notes {
            let before = said.entry(note.at_ns).or_default();
            let line = self.y(note.at_ns);
            let y = line + 10.5 + *before as f64 * LINE;
            *before += 1;
            let most = ((NOTES - 8.0) / CHARACTER) as usize;
            let (text, whole) = (escape(&shortened(&note.text, most)), escape(&note.text));
            let rule = match note.class {
                "role" | "bad" => format!(
                    "<line class=\"{}\" x1=\"{left}\" y1=\"{line:.1}\" x2=\"{}\" y2=\"{line:.1}\"/>",
                    if note.class == "bad" { "event" } else { "role" },
                    self.width,
                ),
                _ => String::new(),
            };
            let _ = writeln!(
                out,
                "<g data-note-ns=\"{}\"><title>{whole}, {}</title>{rule}<text class=\"{} over\" \
                 x=\"{left}\" y=\"{y:.1}\">{text}</text></g>",
                note.at_ns,
                moment(note.at_ns),
                note.class,
            );
        }
    }

    fn bands_width(&self) -> f64 {
        self.fault_lanes.iter().max().map_or(0.0, |last| (*last as f64 + 1.0) * BAND)
    }

    /// As many times as there is room for.
    fn times(&self, out: &mut String) {
        let mut free = 0.0;
        for (at_ns, y) in &self.heights {
            if *y < free {
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
                moment(*at_ns),
            );
        }
    }

    fn columns(&self, out: &mut String) {
        for (client, left) in &self.clients {
            let line = left - 4.0;
            let _ = writeln!(
                out,
                "<line class=\"grid\" x1=\"{line}\" y1=\"0\" x2=\"{line}\" y2=\"{:.1}\"/><text \
                 class=\"name\" x=\"{left}\" y=\"16\">{}</text>",
                self.bottom,
                escape(client),
            );
        }
    }

    fn operation(&self, place: usize, out: &mut String) {
        let index = self.shown[place];
        let operation = &self.story.history.operations[index];
        let (left, width) = self.places[place];
        let top = self.y(operation.invoke_ns);
        let least = least_height(self.story, operation, width);
        let bottom = match operation.complete_ns {
            Some(end) if end <= self.to_ns => self.y(end).max(top + least),
            _ => self.bottom,
        };
        let line = self.story.line_of(operation);
        let told = if line.is_some() { " told" } else { "" };
        let until =
            operation.complete_ns.map_or(String::new(), |ns| format!(" data-to-ns=\"{ns}\""));
        // Where it begins it can be linked to.
        let begins_here = (self.from_ns..self.to_ns).contains(&operation.invoke_ns);
        let id = if begins_here { format!(" id=\"op{index}\"") } else { String::new() };
        let _ = write!(
            out,
            "<g class=\"op {}{told}\"{id} data-op=\"{index}\" data-client=\"{}\" \
             data-from-ns=\"{}\"{until}><title>{}</title><rect x=\"{left}\" y=\"{top:.1}\" \
             width=\"{:.1}\" height=\"{:.1}\" rx=\"2\"/>",
            outcome_class(operation),
            escape(&operation.client_name),
            operation.invoke_ns,
            escape(&details(self.story, index)),
            width - 4.0,
            bottom - top - 1.0,
        );
        let texts = self.texts(operation, bottom - top, characters(width), line);
        for (number, (text, class)) in texts.iter().enumerate() {
            let y = top + 11.5 + number as f64 * LINE;
            let _ = write!(
                out,
                "<text class=\"{class}\" x=\"{}\" y=\"{y:.1}\">{}</text>",
                left + 4.0,
                escape(text),
            );
        }
        out.push_str("</g>\n");
    }

    /// What a box of this height says, line by line of so many characters.
    fn texts(
        &self,
        operation: &Operation,
        height: f64,
        most: usize,
        line: Option<usize>,
    ) -> Vec<(String, &'static str)> {
        let whole = operation.text();
        let mut notes = Vec::new();
        if let Some(line) = line {
            let lines = self.story.contradiction.iter().flat_map(|c| &c.explanation.lines);
            let note = lines.into_iter().nth(line).map_or("", |line| line.note.as_str());
            notes.push((shortened(&format!("{}: {note}", line + 1), most), "bad"));
            if self.story.is_contradiction(line) {
                notes.push((shortened("← contradiction", most), "bad"));
            }
        }
        // Heights are sums of parts: they may miss their mark by a little.
        let rows = ((height - HEIGHT + 0.5) / LINE) as usize + 1;
        let rows = rows.saturating_sub(notes.len()).max(1);
        let texts = if whole.chars().count() <= most || rows == 1 {
            vec![whole.clone()]
        } else {
            let mut texts = wrapped(&operation.asked, most, rows - 1);
            texts.extend(wrapped(&format!("→ {}", operation.answered), most, rows - texts.len()));
            texts
        };
        let texts = texts.into_iter().map(|text| (shortened(&text, most), ""));
        texts.chain(notes).collect()
    }
}

/// A text in at most so many lines; the last one may be too long.
fn wrapped(text: &str, most: usize, lines_max: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        let is_last = lines.len() >= lines_max;
        let line = lines.last_mut().expect("there is always one");
        let fits = line.chars().count() + 1 + word.chars().count() <= most;
        match line.is_empty() {
            true => line.push_str(word),
            false if fits || is_last => line.push_str(&format!(" {word}")),
            false => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A box is high enough for its text.
fn least_height(story: &Story, operation: &Operation, width: f64) -> f64 {
    let fits = operation.text().chars().count() <= characters(width);
    match story.line_of(operation) {
        Some(_) => TOLD_HEIGHT,
        None if fits => HEIGHT,
        None => HEIGHT + LINE,
    }
}

/// How many characters a line of a box holds.
fn characters(width: f64) -> usize {
    ((width - 12.0) / CHARACTER) as usize
}

/// Clients with the left edges of their columns, left edge and width of each operation, and the width
/// of all.
type Columns<'a> = (Vec<(&'a str, f64)>, Vec<(f64, f64)>, f64);

/// Places operations in columns, one for each client, as wide as the client has operations at once.
fn columns<'a>(story: &'a Story, shown: &[usize], from_x: f64) -> Columns<'a> {
    let mut by_client: BTreeMap<(u32, &str), Vec<usize>> = BTreeMap::new();
    let client = |operation: &'a Operation| (operation.client, operation.client_name.as_str());
    for operation in &story.history.operations {
        by_client.entry(client(operation)).or_default();
    }
    for (place, index) in shown.iter().enumerate() {
        by_client.entry(client(&story.history.operations[*index])).or_default().push(place);
    }
    let (mut clients, mut places, mut left) = (Vec::new(), vec![(0.0, 0.0); shown.len()], from_x);
    for ((_, client), members) in by_client {
        let times = members.iter().map(|place| {
            let operation = &story.history.operations[shown[*place]];
            let end = operation.complete_ns.unwrap_or(u64::MAX);
            (operation.invoke_ns, end.max(operation.invoke_ns + 1))
        });
        let lanes = lanes(times);
        let count = lanes.iter().max().map_or(1, |last| last + 1);
        let width = (SHARED / count as f64).clamp(NARROWEST_BOX, BOX);
        for (place, lane) in members.iter().zip(&lanes) {
            places[*place] = (left + *lane as f64 * width, width);
        }
        clients.push((client, left));
        left += width * count as f64 + 10.0;
    }
    (clients, places, left)
}

/// What is said on the left: faults, roles, and what hosts did of which the explanation speaks.
fn notes(story: &Story, from_ns: u64, to_ns: u64) -> Vec<Note> {
    let is_in = |at_ns: u64| (from_ns..to_ns).contains(&at_ns);
    let mut notes = Vec::new();
    for fault in &story.faults {
        let name = format!("{} {}", fault.kind, fault.what);
        if is_in(fault.from_ns) {
            let text = format!("▼ {}", name.trim_end());
            notes.push(Note { at_ns: fault.from_ns, text, class: "fault" });
        } else if fault.overlaps(from_ns, to_ns) && fault.from_ns < from_ns {
            let text = format!("┆ {name} since {}", moment(fault.from_ns));
            notes.push(Note { at_ns: from_ns, text, class: "fault" });
        }
        if let Some(at_ns) = fault.to_ns.filter(|at_ns| is_in(*at_ns) && *at_ns > fault.from_ns) {
            let text = format!("▲ {} ends", name.trim_end());
            notes.push(Note { at_ns, text, class: "fault" });
        }
    }
    for role in story.roles.iter().filter(|role| is_in(role.at_ns)) {
        notes.push(Note { at_ns: role.at_ns, text: role.what.clone(), class: "role" });
    }
    let operations = &story.history.operations;
    let lines = story.contradiction.iter().flat_map(|c| c.explanation.lines.iter().enumerate());
    for (number, line) in lines {
        let is_operation = operations.iter().any(|o| story.line_of(o) == Some(number));
        if let Some(at_ns) = line.to_ns.or(line.from_ns)
            && is_in(at_ns)
            && !is_operation
        {
            let text = format!("{}: {} {}", number + 1, line.client, line.text);
            notes.push(Note { at_ns, text, class: "bad" });
        }
    }
    notes.sort_by_key(|note| note.at_ns);
    notes
}
