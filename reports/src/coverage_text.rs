//! Coverage of marks as a table.

use std::fmt::Write as _;

use evidence::{Coverage, FAMILY_LETTERS};

/// A table in Markdown: each mark that was reached, and in how many runs under which faults.
pub(crate) fn coverage_table(coverage: &Coverage) -> String {
    let mut text = String::from("| mark | runs | hits |");
    FAMILY_LETTERS.iter().for_each(|(_, name)| text.extend([" ", name, " |"]));
    text.push_str("\n|---|--:|--:|");
    FAMILY_LETTERS.iter().for_each(|_| text.push_str("--:|"));
    text.push('\n');
    for (name, mark) in coverage.marks.iter().filter(|(_, mark)| mark.runs > 0) {
        let _ = write!(text, "| {name} | {} | {} |", mark.runs, mark.hits);
        for (_, family) in FAMILY_LETTERS {
            let runs = mark.families.get(family).copied().unwrap_or_default();
            let _ = write!(text, " {runs} |");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_that_was_reached_has_a_row() {
        let mut coverage = Coverage::default();
        coverage.add(&evidence::example::run_line());
        coverage.marks.entry("client-moves".to_owned()).or_default();
        let table = coverage_table(&coverage);
        assert!(table.contains("| replica-truncates | 1 | 2 | 0 | 1 | 0 | 0 | 0 | 0 |"), "{table}");
        assert!(!table.contains("client-moves"), "{table}");
    }
}
