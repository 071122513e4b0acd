//! The example's story, and what diagrams have in common.

use evidence::example::{explanation, history};

use super::*;

/// The example's story with so many operations beside those of the contradiction.
pub(crate) fn story(others: u64) -> Story {
    evidence::example::story(history(others), explanation())
}

/// Markup as a tree; fails if it is not well-formed.
pub(crate) fn parsed(text: &str) -> roxmltree::Document<'_> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    roxmltree::Document::parse_with_options(text, options).unwrap()
}

#[test]
fn lines_of_the_explanation_find_their_operations() {
    let story = story(20);
    let operations = &story.history.operations;
    let found: Vec<usize> = operations.iter().filter_map(|o| story.line_of(o)).collect();
    assert_eq!(found, [0, 1, 2]);
    assert!(story.is_contradiction(2) && !story.is_contradiction(1));
}

#[test]
fn lanes_keep_what_overlaps_apart() {
    assert_eq!(lanes([(0, 10), (2, 4), (3, 8), (4, 5), (10, 11)]), [0, 1, 2, 1, 0]);
    assert_eq!(shortened("abcdef", 6), "abcdef");
    assert_eq!(shortened("ä→cdefg", 6), "ä→cde…");
}

#[test]
fn all_diagrams_are_written_into_the_folder() {
    let root = tempfile::tempdir().unwrap();
    let output = OutputFolder::create(root.path(), "a").unwrap();
    write_story(&story(20), &output, "failures/f").unwrap();
    for name in ["timeline.html", "messages.svg", "trace.perfetto.json", "shiviz.log"] {
        let path = output.path().join("failures/f").join(name);
        assert!(std::fs::metadata(path).unwrap().len() > 500, "{name}");
    }
}
