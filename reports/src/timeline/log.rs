//! What programs logged around the contradiction, with simulated times.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use evidence::words::moment;
use evidence::{Logged, Story};

use super::parts::Part;
use crate::story::shortened;
use crate::style::escape;

/// Lines before the contradiction that are shown.
const BEFORE_MAX: usize = 40;
/// Lines behind it.
const AFTER_MAX: usize = 10;
/// Characters of a line.
const TEXT_MAX: usize = 400;

/// The table: the lines of servers, and of the clients that the explanation names, up to the end of the part
/// on which the page opens. Empty if nothing was logged.
pub(super) fn log(story: &Story, focus: &Part) -> String {
    if story.log.is_empty() {
        return String::new();
    }
    let lines = story.contradiction.iter().flat_map(|c| &c.explanation.lines);
    let named: BTreeSet<&str> = lines.map(|line| line.client.as_str()).collect();
    let is_told = |line: &&Logged| {
        line.at_ns < focus.to_ns
            && (!story.is_client(&line.host) || named.contains(line.host.as_str()))
    };
    let told: Vec<&Logged> = story.log.iter().filter(is_told).collect();
    let until = told.partition_point(|line| line.at_ns <= story.focus_ns());
    let from = until.saturating_sub(BEFORE_MAX);
    let to = told.len().min(until + AFTER_MAX);
    let mut text = "<h2 id=\"log\">What was logged</h2>\n".to_owned();
    if from > 0 || told.is_empty() {
        let count = if told.is_empty() {
            "No line".to_owned()
        } else {
            format!("The last {}", until - from)
        };
        let _ = writeln!(
            text,
            "<p class=\"soft\">{count} up to then; <a href=\"log.jsonl\">log.jsonl</a> has all.</p>"
        );
    }
    text.push_str("<div class=\"scroll\"><table class=\"log\">\n");
    for (number, line) in told[from..to].iter().enumerate() {
        let class = match line.level.as_str() {
            "ERROR" => " class=\"severe\"",
            "WARN" => " class=\"warning\"",
            _ => "",
        };
        let after = if from + number >= until { " data-after=\"\"" } else { "" };
        let _ = writeln!(
            text,
            "<tr{class} data-at-ns=\"{}\"{after}><td class=\"n\">{}</td><td>{}</td><td>{}</td>\
             <td class=\"mono\" title=\"{}\">{}</td></tr>",
            line.at_ns,
            moment(line.at_ns),
            escape(&line.host),
            escape(&line.level),
            escape(&line.target),
            escape(&shortened(&line.text, TEXT_MAX)),
        );
    }
    text + "</table></div>\n"
}
