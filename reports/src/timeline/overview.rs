//! The whole run in one picture, to scale: where the faults were, when roles changed hands, what servers were
//! if the contradiction is one of theirs, and what clients got.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use evidence::Story;
use evidence::words::moment;

use super::details;
use crate::story::{lanes, outcome_class};
use crate::style::{Family, escape};

const WIDTH: f64 = 1140.0;
const LEFT: f64 = 56.0;
const LANE: f64 = 15.0;
const CLIENT: f64 = 16.0;
/// The width of a character, a little more than it is.
const CHARACTER: f64 = 7.2;

/// The picture; `focus` is marked.
pub(super) fn overview(story: &Story, focus: (u64, u64)) -> String {
    let end_ns = story.end_ns.max(1);
    let x = |at_ns: u64| LEFT + (WIDTH - LEFT - 14.0) * at_ns as f64 / end_ns as f64;
    let (mut out, mut y) = (String::new(), 6.0);
    bands(story, &x, &mut y, &mut out);
    roles(story, &x, &mut y, &mut out);
    let top = y;
    servers(story, &x, &mut y, &mut out);
    clients(story, &x, &mut y, &mut out);
    let (left, right) = (x(focus.0), x(focus.1.min(end_ns)));
    let _ = writeln!(
        out,
        "<a href=\"#focus\"><rect class=\"focus\" x=\"{left:.1}\" y=\"{top}\" width=\"{:.1}\" \
         height=\"{:.1}\"><title>the operations below</title></rect></a>",
        (right - left).max(2.0),
        y - top,
    );
    if let Some(contradiction) = &story.contradiction {
        let at = x(contradiction.at_ns);
        let _ = writeln!(
            out,
            "<line class=\"event\" x1=\"{at:.1}\" y1=\"{top}\" x2=\"{at:.1}\" y2=\"{y}\"><title>the \
             contradiction, {}</title></line>",
            moment(contradiction.at_ns),
        );
    }
    let axis = axis(end_ns, &x, y);
    let height = y + 22.0;
    format!(
        "<figure class=\"wide\"><svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} \
         {height}\" role=\"img\"><title>The whole run</title>\n{axis}{out}</svg></figure>\n"
    )
}

/// Times below, at most about a dozen.
fn axis(end_ns: u64, x: &impl Fn(u64) -> f64, bottom: f64) -> String {
    let steps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_800, 3_600];
    let step_s = steps.into_iter().find(|step| end_ns / (step * 1_000_000_000) <= 14);
    let step_s = step_s.unwrap_or(7_200);
    let mut out = String::new();
    for second in (0..=end_ns / 1_000_000_000).step_by(step_s as usize) {
        let at = x(second * 1_000_000_000);
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{at:.1}\" y1=\"0\" x2=\"{at:.1}\" y2=\"{bottom}\"/><text \
             class=\"soft\" x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{second} s</text>",
            bottom + 15.0,
        );
    }
    out
}

/// Faults, side by side where they overlap.
fn bands(story: &Story, x: &impl Fn(u64) -> f64, y: &mut f64, out: &mut String) {
    let mut faults: Vec<_> = story.faults.iter().collect();
    faults.sort_by_key(|fault| (fault.from_ns, fault.to_ns));
    let text = |kind: &str, what: &str| format!("{kind} {what}").trim_end().to_owned();
    // A band needs room for its name, which ends at the picture's edge where that is near.
    let room = |from_ns: u64, to_ns: Option<u64>, text: &str| {
        let width = text.chars().count() as f64 * CHARACTER;
        let begin = x(from_ns).min(WIDTH - width).max(0.0);
        let end = x(to_ns.unwrap_or(story.end_ns)).max(begin + width);
        ((begin * 10.0) as u64, (end * 10.0) as u64 + 60)
    };
    let places = faults.iter().map(|f| room(f.from_ns, f.to_ns, &text(&f.kind, &f.what)));
    let places = lanes(places);
    for (fault, lane) in faults.iter().zip(&places) {
        let to_ns = fault.to_ns.unwrap_or(story.end_ns);
        let (left, right) = (x(fault.from_ns), x(to_ns));
        let top = *y + *lane as f64 * LANE;
        let until = fault.to_ns.map_or(String::new(), |ns| format!(" data-to-ns=\"{ns}\""));
        let words = text(&fault.kind, &fault.what);
        // A name that the picture's edge would cut ends at the edge.
        let room = WIDTH - words.chars().count() as f64 * CHARACTER;
        let _ = writeln!(
            out,
            "<g class=\"band\" data-kind=\"{}\" data-what=\"{}\" data-from-ns=\"{}\"{until}>\
             <title>{}</title><rect class=\"band side {}\" x=\"{left:.1}\" y=\"{:.1}\" \
             width=\"{:.1}\" height=\"4\"/><text class=\"fault\" x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
            escape(&fault.kind),
            escape(&fault.what),
            fault.from_ns,
            escape(&fault.to_string()),
            Family::new(story.families.of(&fault.kind)).class(),
            top + 10.0,
            (right - left).max(2.0),
            left.min(room).max(0.0),
            top + 8.5,
            escape(&words),
        );
    }
    *y += places.iter().max().map_or(0.0, |last| (*last as f64 + 1.0) * LANE + 6.0);
}

fn roles(story: &Story, x: &impl Fn(u64) -> f64, y: &mut f64, out: &mut String) {
    let texts: Vec<&str> = story.roles.iter().map(|role| role.what.as_str()).collect();
    let width = |text: &str| text.chars().count() as f64 * CHARACTER + 8.0;
    let room = |index: usize| {
        let (at, width) = (x(story.roles[index].at_ns), width(texts[index]));
        // Where the edge is near, the text stands before its line.
        let begin = if at + width > WIDTH { (at - width).max(0.0) } else { at };
        ((begin * 10.0) as u64, ((begin + width) * 10.0) as u64)
    };
    let places = lanes((0..texts.len()).map(room));
    let rows = places.iter().max().map_or(0, |last| last + 1);
    let bottom = *y + rows as f64 * LANE;
    // No line goes through a text: texts come last.
    let (mut lines, mut words) = (String::new(), String::new());
    for ((role, text), lane) in story.roles.iter().zip(&texts).zip(&places) {
        let at = x(role.at_ns);
        let top = *y + *lane as f64 * LANE;
        let (text_x, anchor) = match at + width(text) > WIDTH {
            true => (at - 4.0, "end"),
            false => (at + 4.0, "start"),
        };
        let (when, text) = (moment(role.at_ns), escape(text));
        let _ = writeln!(
            lines,
            "<line class=\"role\" data-role-ns=\"{}\" x1=\"{at:.1}\" y1=\"{top:.1}\" x2=\"{at:.1}\" \
             y2=\"{bottom:.1}\"><title>{text} at {when}</title></line>",
            role.at_ns,
        );
        let _ = writeln!(
            words,
            "<text class=\"role over\" x=\"{text_x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{text}\
             <title>{text} at {when}</title></text>",
            top + 10.0,
        );
    }
    out.push_str(&lines);
    out.push_str(&words);
    *y = bottom + if rows > 0 { 6.0 } else { 0.0 };
}

/// What servers were: a role as a bar, whatever else befell them as a line through it.
fn servers(story: &Story, x: &impl Fn(u64) -> f64, y: &mut f64, out: &mut String) {
    if !story.is_of_servers() {
        return;
    }
    for name in story.servers() {
        let _ = writeln!(
            out,
            "<text class=\"name\" x=\"4\" y=\"{:.1}\">{}</text>",
            *y + 12.0,
            escape(name)
        );
        let mut spans: Vec<_> = story.spans.iter().filter(|span| span.host == name).collect();
        spans.sort_by_key(|span| !span.tone.is_role());
        for span in spans {
            let (left, right) = (x(span.from_ns), x(span.to_ns.min(story.end_ns)));
            let (kind, top, height) = match span.tone.is_role() {
                true => ("role", 2.0, CLIENT - 4.0),
                false => ("edge", CLIENT - 6.0, 4.0),
            };
            let _ = writeln!(
                out,
                "<rect class=\"tone {kind} {}\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" \
                 height=\"{height}\"><title>{} {}, {} … {}</title></rect>",
                span.tone.name(),
                *y + top,
                (right - left).max(1.2),
                escape(&span.host),
                escape(&span.text),
                moment(span.from_ns),
                moment(span.to_ns),
            );
        }
        *y += CLIENT;
    }
    *y += 4.0;
}

fn clients(story: &Story, x: &impl Fn(u64) -> f64, y: &mut f64, out: &mut String) {
    let mut by_client: BTreeMap<(u32, &str), Vec<usize>> = BTreeMap::new();
    for (index, operation) in story.history.operations.iter().enumerate() {
        let client = (operation.client, operation.client_name.as_str());
        by_client.entry(client).or_default().push(index);
    }
    for ((_, client), operations) in by_client {
        let (top, name) = (*y + 12.0, escape(client));
        let _ = writeln!(out, "<text class=\"name\" x=\"4\" y=\"{top:.1}\">{name}</text>");
        for index in operations {
            let operation = &story.history.operations[index];
            let end_ns = operation.complete_ns.unwrap_or(story.end_ns);
            let (left, right) = (x(operation.invoke_ns), x(end_ns));
            let told = if story.line_of(operation).is_some() { " told" } else { "" };
            let until =
                operation.complete_ns.map_or(String::new(), |ns| format!(" data-to-ns=\"{ns}\""));
            let _ = writeln!(
                out,
                "<rect class=\"tick {}{told}\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" \
                 height=\"{}\" data-op=\"{index}\" data-from-ns=\"{}\"{until}><title>{}</title></rect>",
                outcome_class(operation),
                *y + 2.0,
                (right - left).max(1.2),
                CLIENT - 4.0,
                operation.invoke_ns,
                escape(&details(story, index)),
            );
        }
        *y += CLIENT;
    }
}
