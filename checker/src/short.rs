//! Explanations made to fit a terminal: eighty columns, a dozen operations.
//!
//! A long value is shown around the place where it first differs from the others of the explanation,
//! since that is what a reader looks for. Nothing is lost: the whole is the explanation's `Display`.

use evidence::{ExplainLine, Explanation};

/// Operations shown.
const LINES_MAX: usize = 12;

/// Characters of a quoted value that are shown, and of what it has in common with another.
const VALUE_MAX: usize = 24;
const COMMON_SHOWN: usize = 6;

/// Lines that one remark may take.
const REMARK_LINES_MAX: usize = 3;

/// The explanation as lines of at most so many columns.
pub fn short(explanation: &Explanation, columns: usize) -> String {
    let values = long_values(explanation);
    let mut out = String::new();
    let headline = format!("{}: {}", explanation.property, explanation.headline);
    push_line(&mut out, &cut(&shorten(&headline, &values), columns));
    let shown = shown_lines(explanation);
    let (before, after) = (shown.start, explanation.lines.len() - shown.end);
    if before > 0 {
        push_line(&mut out, &format!("  … {before} more before (--full)"));
    }
    for index in shown {
        let line = &explanation.lines[index];
        let mark = if explanation.contradiction == Some(index) { "← contradiction" } else { "" };
        for row in rows(line, mark, &values, columns) {
            push_line(&mut out, &row);
        }
    }
    if after > 0 {
        push_line(&mut out, &format!("  … {after} more after (--full)"));
    }
    out
}

fn push_line(out: &mut String, line: &str) {
    out.push_str(line.trim_end());
    out.push('\n');
}

/// The contradiction and what comes right before it, then what follows.
fn shown_lines(explanation: &Explanation) -> std::ops::Range<usize> {
    let count = explanation.lines.len();
    let last = explanation.contradiction.unwrap_or(0);
    let end = count.min((last + 2).max(LINES_MAX));
    end.saturating_sub(LINES_MAX)..end
}

/// One operation, with its remark on the same line if that fits, and below it if not.
fn rows(line: &ExplainLine, mark: &str, values: &[&str], columns: usize) -> Vec<String> {
    let time = line.times();
    let client = cut(&line.client, 8);
    let beside = 2 + client.chars().count() + 2 + 2 + time.chars().count();
    let text = cut(&shorten(&line.text, values), columns.saturating_sub(beside));
    let row = format!("  {client}  {text}  {time}");
    let note = shorten(&line.note, values);
    let remark = match (note.is_empty(), mark.is_empty()) {
        (true, true) => return vec![row],
        (false, false) => format!("{note}   {mark}"),
        (_, _) => format!("{note}{mark}"),
    };
    if row.chars().count() + 2 + remark.chars().count() <= columns {
        return vec![format!("{row}  {remark}")];
    }
    let below = columns.saturating_sub(6);
    let mut wrapped = wrap(&note, below);
    if wrapped.len() > REMARK_LINES_MAX {
        wrapped.truncate(REMARK_LINES_MAX);
        wrapped[REMARK_LINES_MAX - 1] = cut(&format!("{} …", wrapped[REMARK_LINES_MAX - 1]), below);
    }
    let last = wrapped.len() - 1;
    let marked = format!("{} {mark}", wrapped[last]);
    if marked.chars().count() <= below {
        wrapped[last] = marked;
    } else {
        wrapped.push(mark.to_owned());
    }
    let indented = wrapped.into_iter().map(|text| format!("      {}", text.trim()));
    std::iter::once(row).chain(indented).collect()
}

fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let word = cut(word, columns);
        let last = lines.len() - 1;
        let is_room = lines[last].chars().count() + 1 + word.chars().count() <= columns;
        if lines[last].is_empty() {
            lines[last] = word;
        } else if is_room {
            lines[last].push(' ');
            lines[last].push_str(&word);
        } else {
            lines.push(word);
        }
    }
    lines
}

/// At most so many characters.
fn cut(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters.saturating_sub(1)).chain(['…']).collect()
}

/// Every value in quotes that is too long to be shown whole.
fn long_values(explanation: &Explanation) -> Vec<&str> {
    let texts = explanation.lines.iter().flat_map(|line| [line.text.as_str(), line.note.as_str()]);
    let mut values: Vec<&str> =
        texts.flat_map(parts).filter_map(|part| part.ok()).filter(|v| is_long(v)).collect();
    values.sort_unstable();
    values.dedup();
    values
}

fn is_long(value: &str) -> bool {
    value.chars().count() > VALUE_MAX
}

/// A text as what is in quotes (`Ok`) and what is not (`Err`).
fn parts(text: &str) -> Vec<Result<&str, &str>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('"') {
        let value = &rest[open + 1..];
        let Some(close) = closing_quote(value) else { break };
        parts.push(Err(&rest[..open]));
        parts.push(Ok(&value[..close]));
        rest = &value[close + 1..];
    }
    parts.push(Err(rest));
    parts
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let closes = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        closes.then_some(at)
    })
}

/// The text with its long values cut.
fn shorten(text: &str, values: &[&str]) -> String {
    let shortened = parts(text).into_iter().map(|part| match part {
        Ok(value) if is_long(value) => format!("\"{}\"", around_difference(value, values)),
        Ok(value) => format!("\"{value}\""),
        Err(text) => text.to_owned(),
    });
    shortened.collect()
}

/// A value around the last place at which another one begins to differ from it.
fn around_difference(value: &str, values: &[&str]) -> String {
    let common = |other: &&str| {
        value.chars().zip(other.chars()).take_while(|(mine, theirs)| mine == theirs).count()
    };
    let differs = values.iter().filter(|other| **other != value).map(common).max().unwrap_or(0);
    let count = value.chars().count();
    let from = differs.saturating_sub(COMMON_SHOWN).min(count - VALUE_MAX);
    let shown: String = value.chars().skip(from).take(VALUE_MAX).collect();
    let before = if from > 0 { "…" } else { "" };
    let after = if from + VALUE_MAX < count { "…" } else { "" };
    format!("{before}{shown}{after}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(text: &str, note: &str) -> ExplainLine {
        ExplainLine {
            client: "c1".to_owned(),
            text: text.to_owned(),
            from_ns: Some(5_802_000_000),
            to_ns: Some(5_811_000_000),
            note: note.to_owned(),
        }
    }

    fn explanation(lines: Vec<ExplainLine>, contradiction: Option<usize>) -> Explanation {
        Explanation {
            property: "linearizability".to_owned(),
            headline: "key 7: no order explains these operations".to_owned(),
            lines,
            contradiction,
        }
    }

    #[test]
    fn what_is_short_stays_as_it_is() {
        let lines = vec![line("write 1", ""), line("read → 2", "impossible")];
        let expected = "linearizability: key 7: no order explains these operations
  c1  write 1  5.802 … 5.811 s
  c1  read → 2  5.802 … 5.811 s  impossible   ← contradiction
";
        assert_eq!(short(&explanation(lines, Some(1)), 80), expected);
    }

    #[test]
    fn long_values_are_shown_where_they_differ() {
        let common = "x 0 0 y".repeat(40);
        let get = |end: &str| format!("get → \"{common}{end}\"");
        let lines = vec![
            line(&get("x 3 4 y"), ""),
            line(&get("x 3 5 y"), &format!("impossible: it could only find \"{common}x 3 4 y\"")),
        ];
        let text = short(&explanation(lines, Some(1)), 78);
        let expected = "linearizability: key 7: no order explains these operations
  c1  get → \"…0 yx 0 0 yx 0 0 yx 3 4 y\"  5.802 … 5.811 s
  c1  get → \"…0 yx 0 0 yx 0 0 yx 3 5 y\"  5.802 … 5.811 s
      impossible: it could only find \"…0 yx 0 0 yx 0 0 yx 3 4 y\"
      ← contradiction
";
        assert_eq!(text, expected);
    }

    #[test]
    fn of_many_operations_those_before_the_contradiction_are_shown() {
        let lines: Vec<ExplainLine> = (0..40).map(|n| line(&format!("write {n}"), "")).collect();
        let text = short(&explanation(lines, Some(30)), 80);
        assert_eq!(text.lines().count(), 1 + 1 + LINES_MAX + 1);
        assert!(text.contains("  … 20 more before (--full)"), "{text}");
        assert!(text.contains("  … 8 more after (--full)"), "{text}");
        assert!(text.contains("write 30  5.802 … 5.811 s  ← contradiction"), "{text}");
    }

    proptest! {
        #[test]
        fn no_line_is_longer_than_eighty_columns(
            texts in prop::collection::vec(("[a-z\" \\\\é]{0,200}", "[a-z\" \\\\é]{0,200}"), 0..30),
            headline in "[a-z \"]{0,200}",
            contradiction in 0..30usize,
        ) {
            let lines: Vec<_> = texts.iter().map(|(text, note)| line(text, note)).collect();
            let contradiction = Some(contradiction).filter(|index| *index < lines.len());
            let explanation = Explanation { headline, ..explanation(lines, contradiction) };
            let text = short(&explanation, 80);
            for row in text.lines() {
                prop_assert!(row.chars().count() <= 80, "{} columns: {row}", row.chars().count());
            }
            prop_assert!(text.lines().count() <= 3 + LINES_MAX * (2 + REMARK_LINES_MAX));
            prop_assert_eq!(contradiction.is_some(), text.contains("← contradiction"));
        }
    }
}
