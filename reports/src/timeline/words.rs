//! What stands in the columns of a part, in lines that fit.

use std::fmt::Write as _;

use evidence::{Operation, Story};

use crate::label::Labels;

/// The height of a line of text.
pub(super) const LINE: f64 = 14.0;
/// The width of a character.
pub(super) const CHARACTER: f64 = 6.75;
/// Lines that a line of the explanation takes.
const EVIDENCE_LINES_MAX: usize = 8;

/// What is written beside an operation, line by line of so many characters; `client` names whose it is where that
/// is not seen.
pub(super) fn words(
    story: &Story,
    operation: &Operation,
    client: &str,
    labels: &Labels<'_>,
    most: usize,
) -> Vec<(String, &'static str)> {
    let who = if client.is_empty() { String::new() } else { format!("{client} ") };
    let Some(line) = story.line_of(operation) else {
        let whole = format!("{who}{}", operation.text());
        if whole.chars().count() <= most {
            return vec![(whole, "")];
        }
        let room = most.saturating_sub(who.chars().count());
        let asked = format!("{who}{}", labels.fitted(&operation.asked, room));
        let answered = Labels::default().fitted(&format!("→ {}", operation.answered), most);
        return vec![(asked, ""), (answered, "")];
    };
    let answered = format!("→ {}", operation.answered);
    let texts = wrapped(&format!("{who}{}", operation.asked), most, 3)
        .into_iter()
        .chain(wrapped(&answered, most, 3));
    let notes = evidence_lines(story, line, false, most);
    texts.map(|text| (text, "")).chain(notes.into_iter().map(|note| (note, "bad"))).collect()
}

/// A line of the explanation in lines that fit: its number, what was done unless that stands there anyway, what
/// to notice, and whether it is the contradiction.
pub(super) fn evidence_lines(
    story: &Story,
    number: usize,
    with_text: bool,
    most: usize,
) -> Vec<String> {
    let lines = story.contradiction.iter().flat_map(|c| &c.explanation.lines);
    let mut words = format!("{}:", number + 1);
    if let Some(line) = lines.into_iter().nth(number) {
        let texts = [line.text.as_str(), line.note.as_str()];
        for text in texts.iter().skip(usize::from(!with_text)).filter(|text| !text.is_empty()) {
            let _ = write!(words, " {text}");
        }
    }
    let mut lines = wrapped(&words, most, EVIDENCE_LINES_MAX);
    if story.is_contradiction(number) {
        lines.extend(wrapped("← contradiction", most, 1));
    }
    lines
}

/// A text in at most so many lines of so many characters; what is longer loses some of its middle.
pub(super) fn wrapped(text: &str, most: usize, lines_max: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let is_last = lines.len() >= lines_max;
        let line = lines.last_mut().expect("there is always one");
        let fits = line.chars().count() + 1 + word.chars().count() <= most;
        match line.is_empty() {
            true => line.push_str(word),
            false if fits || is_last => line.push_str(&format!(" {word}")),
            false => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| Labels::default().fitted(line, most)).collect()
}
