//! What a report says of the marks in the system's code: which were reached, under which faults, and
//! which were not, so that nothing is known of what they stand for.

use evidence::{Coverage, RunLine};

use crate::coverage_text::coverage_table;

use super::read::Folder;

/// Coverage of the runs. Which marks there are besides those that were hit is known from the
/// summaries.
pub(super) fn coverage(folders: &[&Folder], lines: &[RunLine]) -> Coverage {
    let mut coverage = Coverage::new([]);
    let summaries = folders.iter().filter_map(|folder| folder.summary.as_ref());
    for name in summaries.flat_map(|summary| &summary.marks).flat_map(|marks| &marks.not_reached) {
        coverage.marks.entry(name.clone()).or_default();
    }
    lines.iter().for_each(|line| coverage.add(line));
    coverage
}

/// The section of `report.md`.
pub(super) fn markdown(coverage: &Coverage) -> String {
    if coverage.marks.is_empty() {
        return String::new();
    }
    format!("\n## Marks\n\n{}\n\n{}", in_words(coverage), coverage_table(coverage))
}

/// The sum of it.
pub(super) fn in_words(coverage: &Coverage) -> String {
    let figures = coverage.figures();
    let not = match figures.not_reached.is_empty() {
        true => String::new(),
        false => format!(" Not reached: {}.", figures.not_reached.join(", ")),
    };
    format!(
        "{} of {} marks in the system's code reached, {} pairs of mark and family of faults.{not}",
        figures.reached,
        figures.declared,
        coverage.pairs()
    )
}
