//! Verdicts and explanations: what every property answers.
//!
//! An explanation says what contradicts what, in a few lines with times, so that a reader can
//! check it by hand. Its [`Explanation::fingerprint`] is the same for the same kind of failure in
//! different runs, so that a campaign reports it once.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a property says about a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// The property holds.
    Valid,
    /// The property is violated, for this reason.
    Invalid(Explanation),
    /// Not decided: neither a pass nor a failure.
    Unknown {
        /// Why it could not be decided.
        reason: String,
        /// The budget spent, in words (`"120000 configurations"`); empty when nothing was tried.
        spent: String,
    },
}

/// Why a history violates a property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The property, by its short name (`"linearizability"`).
    pub property: String,
    /// What is wrong, in one line.
    pub headline: String,
    /// The operations and events that contradict each other, in the order to read them.
    pub lines: Vec<ExplainLine>,
    /// Which of the lines is the contradiction, if one is.
    pub contradiction: Option<usize>,
}

/// One operation or event of an explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainLine {
    /// Who asked, did or saw it (`"c3"`); empty for the world.
    pub client: String,
    /// Did what, with what result.
    pub text: String,
    /// From when, in nanoseconds; `None` where the history has no times.
    pub from_ns: Option<u64>,
    /// Until when; equal to `from_ns` for an event, `None` when it never ended.
    pub to_ns: Option<u64>,
    /// What to notice about it; may be empty.
    pub note: String,
}

impl Verdict {
    /// An `Unknown` for a history with nothing in it that the property speaks of.
    pub fn nothing_checked() -> Verdict {
        Verdict::Unknown { reason: "nothing was checked".to_owned(), spent: String::new() }
    }

    /// Whether the property holds.
    pub fn is_valid(&self) -> bool {
        matches!(self, Verdict::Valid)
    }

    /// The explanation of a violation.
    pub fn explanation(&self) -> Option<&Explanation> {
        match self {
            Verdict::Invalid(explanation) => Some(explanation),
            Verdict::Valid | Verdict::Unknown { .. } => None,
        }
    }
}

impl Explanation {
    /// Property and message with numbers, paths and quoted values removed: equal for failures of
    /// one kind, so that a campaign counts them once.
    pub fn fingerprint(&self) -> String {
        kind_of_failure(&self.property, &self.headline)
    }
}

/// The same as [`Explanation::fingerprint`], of the property and the headline alone.
pub fn kind_of_failure(property: &str, headline: &str) -> String {
    format!("{property}: {}", normalise(headline))
}

/// Replaces every word that names a particular run's things by a mark of its kind.
fn normalise(message: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut quoted = false;
    for word in message.split_whitespace() {
        let quotes = word.matches('"').count();
        if quoted {
            quoted = quotes % 2 == 0;
            continue;
        }
        if quotes > 0 {
            quoted = quotes % 2 == 1;
            words.push("\"…\"".to_owned());
        } else {
            words.push(normalise_word(word));
        }
    }
    words.join(" ")
}

fn normalise_word(word: &str) -> String {
    let trimmed = word.trim_matches(|c: char| c.is_ascii_punctuation() && c != '/');
    if trimmed.starts_with('/') {
        let end = word.trim_end_matches(|c: char| !matches!(c, ':' | ',' | ';'));
        let punctuation = if end.len() == word.len() { &word[word.len() - 1..] } else { "" };
        return format!("/…{punctuation}");
    }
    let mut out = String::with_capacity(word.len());
    let mut characters = word.chars().peekable();
    while let Some(c) = characters.next() {
        if !c.is_ascii_digit() {
            out.push(c);
            continue;
        }
        // A number swallows the hexadecimal digits and separators that belong to it.
        while characters.next_if(|c| c.is_ascii_hexdigit() || matches!(c, 'x' | '.')).is_some() {}
        out.push('#');
    }
    out
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Valid => f.write_str("valid"),
            Verdict::Invalid(explanation) => write!(f, "invalid\n{explanation}"),
            Verdict::Unknown { reason, spent } if spent.is_empty() => {
                write!(f, "unknown: {reason}")
            }
            Verdict::Unknown { reason, spent } => write!(f, "unknown: {reason} (spent {spent})"),
        }
    }
}

impl fmt::Display for Explanation {
    /// A headline and aligned columns: client, text, times, note.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.headline)?;
        let times: Vec<String> = self.lines.iter().map(ExplainLine::times).collect();
        let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
        let client_width = width(&mut self.lines.iter().map(|l| l.client.chars().count()));
        let text_width = width(&mut self.lines.iter().map(|l| l.text.chars().count()));
        let time_width = width(&mut times.iter().map(|t| t.chars().count()));
        for (index, (line, time)) in self.lines.iter().zip(&times).enumerate() {
            let mark = if self.contradiction == Some(index) { "   ← contradiction" } else { "" };
            let row = format!(
                "  {:<client_width$}  {:<text_width$}  {:<time_width$}  {}{mark}",
                line.client, line.text, time, line.note,
            );
            write!(f, "\n{}", row.trim_end())?;
        }
        Ok(())
    }
}

impl ExplainLine {
    /// From when to when, in seconds; empty where the history has no times.
    pub fn times(&self) -> String {
        let seconds = |ns: u64| format!("{}.{:03}", ns / 1_000_000_000, ns / 1_000_000 % 1000);
        match (self.from_ns, self.to_ns) {
            (Some(from), Some(to)) if from == to => format!("{} s", seconds(from)),
            (Some(from), Some(to)) => format!("{} … {} s", seconds(from), seconds(to)),
            (Some(from), None) => format!("{} … (never)", seconds(from)),
            (None, _) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(client: &str, text: &str, from_ns: u64, to_ns: Option<u64>, note: &str) -> ExplainLine {
        ExplainLine {
            client: client.to_owned(),
            text: text.to_owned(),
            from_ns: Some(from_ns),
            to_ns,
            note: note.to_owned(),
        }
    }

    fn explanation(headline: &str) -> Explanation {
        Explanation {
            property: "linearizability".to_owned(),
            headline: headline.to_owned(),
            lines: vec![
                line("c1", "set /k7 \"b\"", 4_190_000_000, None, "unknown (connection lost)"),
                line("c12", "get /k7 → \"a\"", 5_802_000_000, Some(5_811_000_000), "still old"),
            ],
            contradiction: Some(1),
        }
    }

    #[test]
    fn display_aligns_columns_and_marks_the_contradiction() {
        let text = explanation("/k7: no order explains these operations").to_string();
        let expected = "\
linearizability: /k7: no order explains these operations
  c1   set /k7 \"b\"    4.190 … (never)  unknown (connection lost)
  c12  get /k7 → \"a\"  5.802 … 5.811 s  still old   ← contradiction";
        assert_eq!(text, expected);
    }

    #[test]
    fn fingerprint_forgets_numbers_paths_and_values_but_not_words() {
        let first = explanation("/k7: c3 read \"a b\" at zxid 0x1f2e after 5.8 s");
        let second = explanation("/other/path: c14 read \"q\" at zxid 0x20 after 77 s");
        let third = explanation("/k7: c3 wrote \"a\" at zxid 0x1f2e after 5.8 s");
        assert_eq!(first.fingerprint(), second.fingerprint());
        assert_eq!(first.fingerprint(), "linearizability: /…: c# read \"…\" at zxid # after # s");
        assert_ne!(first.fingerprint(), third.fingerprint());
    }

    #[test]
    fn unknown_says_what_was_spent() {
        let verdict = Verdict::Unknown { reason: "budget".to_owned(), spent: "3 steps".to_owned() };
        assert_eq!(verdict.to_string(), "unknown: budget (spent 3 steps)");
        assert_eq!(Verdict::nothing_checked().to_string(), "unknown: nothing was checked");
    }
}
