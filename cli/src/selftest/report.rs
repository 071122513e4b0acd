//! What `squall selftest` says of each planted bug: a row for people, a line of JSON, `selftest.json`.

use std::fmt::Write as _;

use crate::systems::systems;
use evidence::words;
use harness::plant::PlantedBug;
use harness::selftest::{Detection, Reached};
use harness::shrink::{Ended, Size};
use serde::Serialize;

/// `selftest.json`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) schema_version: u32,
    pub(super) build: String,
    pub(super) seed: u64,
    pub(super) started: String,
    pub(super) wall_ms: u64,
    /// Stored finds, and bugs searched for afresh.
    pub(super) planted: usize,
    pub(super) proven: usize,
    /// Finds that were made smaller, if they were to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) small: Option<usize>,
    pub(super) plants: Vec<Line>,
}

/// One planted bug in the report.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) plant: &'static str,
    source: &'static str,
    what: &'static str,
    scenario: &'static str,
    expected: &'static [&'static str],
    budget_seeds: u64,
    pub(super) proven: bool,
    /// Whether it is a stored find; otherwise it was searched for.
    pub(super) stored: bool,
    /// The first seed that showed it, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    seeds: Option<u64>,
    /// Time of one core until then, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    property: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reached: Option<Reached>,
    also_failed: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consequence: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consequence_seeds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) plan: Option<String>,
    /// What the find's plan asks of its reader.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Size>,
    /// How the find was made smaller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shrunk: Option<Smaller>,
    doubts: Vec<String>,
}

/// A find made smaller.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Smaller {
    pub(super) after: Size,
    pub(super) performed: u64,
    pub(super) wall_ms: u64,
    pub(super) work: u64,
    pub(super) complete: bool,
    pub(super) ended: Ended,
    pub(super) plan: String,
}

impl Line {
    pub(super) fn new(bug: &'static PlantedBug, detection: Detection, is_stored: bool) -> Line {
        let proven = detection.is_proven();
        let doubts = detection.doubts.iter().map(ToString::to_string).collect();
        let find = detection.find;
        let also = find.iter().flat_map(|f| f.failed.iter().filter(|name| **name != f.property));
        let searched = find.as_ref().filter(|_| !is_stored);
        Line {
            plant: bug.name,
            source: bug.source,
            what: bug.what,
            scenario: bug.scenario,
            expected: bug.expected,
            budget_seeds: bug.budget_seeds,
            proven,
            stored: is_stored,
            also_failed: also.cloned().collect(),
            seeds: searched.map(|find| find.at),
            run_ms: searched.map(|find| find.after_ms),
            consequence: bug.consequence,
            consequence_seeds: detection.consequence_at,
            plan: None,
            before: find.as_ref().map(|find| Size::of(systems(), &find.plan)),
            shrunk: None,
            doubts,
            property: find.as_ref().map(|find| find.property.clone()),
            headline: find.as_ref().map(|find| find.headline.clone()),
            reached: find.and_then(|find| find.reached),
        }
    }

    /// Why the find does not count after all.
    pub(super) fn doubt(&mut self, doubt: String) {
        self.proven = false;
        self.doubts.push(doubt);
    }

    /// Whether its plan is one that a person can hold in the head.
    pub(super) fn is_small(&self) -> bool {
        let size = self.shrunk.as_ref().map(|smaller| smaller.after).or(self.before);
        size.is_some_and(Size::is_small)
    }

    /// The row of the table.
    pub(super) fn row(&self) -> String {
        let mut text = match &self.property {
            Some(property) => {
                let reached = self.reached.as_ref();
                let site = reached.map_or("never", |reached| reached.site.as_str());
                let site = site.split_once(" at ").map_or(site, |(_, place)| place);
                let seeds = self.seeds.map_or("stored".to_owned(), |seeds| seeds.to_string());
                let time = self.run_ms.map_or("-".to_owned(), words::duration);
                let size = |size: Option<Size>| {
                    size.map_or("-".to_owned(), |s| format!("{}/{}", s.operations, s.faults))
                };
                let before = size(self.before);
                let after = size(self.shrunk.as_ref().map(|smaller| smaller.after));
                format!(
                    "{:<22} {seeds:>6} {time:>9} {before:>8} {after:>6}  {property:<36} {site}\n",
                    self.plant
                )
            }
            None => {
                let dash = "-";
                format!(
                    "{:<22} {dash:>6} {dash:>9} {dash:>8} {dash:>6}  {:<36}\n",
                    self.plant, "MISSED"
                )
            }
        };
        for doubt in &self.doubts {
            let _ = writeln!(text, "    {doubt}");
        }
        text
    }
}

/// The head of the table. Sizes are operations and faults.
pub(super) fn heading() -> String {
    format!(
        "{:<22} {:>6} {:>9} {:>8} {:>6}  {:<36} {}\n",
        "PLANT", "SEEDS", "TIME", "BEFORE", "AFTER", "PROPERTY", "TOOK EFFECT"
    )
}

#[cfg(test)]
mod tests {
    use harness::selftest::{Doubt, Find};

    use super::*;

    fn missed() -> Detection {
        Detection {
            runs: 5,
            run_ms: 900,
            find: None,
            consequence_at: None,
            doubts: vec![Doubt::NotFound { budget: 5, expected: "agreement".to_owned() }],
        }
    }

    #[test]
    fn a_missed_bug_is_shown_with_the_reason() {
        let bug = systems().planted_bugs()[0];
        let line = Line::new(bug, missed(), false);
        assert!(!line.proven && !line.is_small());
        let row = line.row();
        assert!(row.contains("MISSED") && row.contains("within 5 seeds"), "{row}");
    }

    #[test]
    fn a_find_is_shown_with_its_sizes() {
        let bug = systems().planted_bugs()[0];
        let plan = (systems().scenario(bug.scenario).unwrap().scenario.plan)(1);
        let size = Size::of(systems(), &plan);
        let find = Find {
            at: 3,
            after_ms: 1_250,
            plan,
            property: "agreement".to_owned(),
            headline: "two servers disagree".to_owned(),
            fingerprint: "12ab".to_owned(),
            at_ms: 5,
            reached: None,
            failed: vec!["agreement".to_owned(), "epochs".to_owned()],
        };
        let detection = Detection { find: Some(find), doubts: Vec::new(), ..missed() };
        let mut line = Line::new(bug, detection, false);
        assert!(line.proven && !line.is_small());
        line.shrunk = Some(Smaller {
            after: Size { operations: 7, faults: 2, ..size },
            performed: 90,
            wall_ms: 900,
            work: 1,
            complete: true,
            ended: Ended::Complete,
            plan: String::new(),
        });
        assert!(line.is_small());
        let row = line.row();
        let sizes = format!("{}/{}", size.operations, size.faults);
        for part in ["     3     1.2 s", &sizes, "    7/2  agreement"] {
            assert!(row.contains(part), "{row}");
        }
    }
}
