//! `coverage.json`: which marks in the system's code a campaign reached, and under which faults.
//!
//! A mark that was never reached is a part of the system that the campaign says nothing about. Like
//! everything else, coverage is counted from the lines of runs alone, each of which names what its
//! run hit; so shards merge as their lines do. Only which marks there are is taken from elsewhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::run_line::RunLine;
use crate::summary::{MarkFigures, SCHEMA_VERSION};

/// The file of a campaign's folder.
pub const COVERAGE_FILE: &str = "coverage.json";

/// The letters by which a line of `seeds.jsonl` names the faults that were about, and their names
/// here. A dash stands for no fault at all.
pub const FAMILY_LETTERS: [(char, &str); 6] = [
    ('n', "network"),
    ('p', "process"),
    ('d', "disk"),
    ('c', "clock"),
    ('m', "membership"),
    ('-', "none"),
];

/// The hits of one mark in one run: how often, and during which faults, as letters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MarkHits(pub u64, pub String);

/// A mark that there is in the system's code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredMark {
    /// Its name, as the code declares it: `log-unsynced`.
    pub name: String,
    /// `reachable`, `sometimes` or `always`.
    pub kind: String,
    /// What it says, in one line.
    pub about: String,
}

/// All marks over all runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// The version of the form, [`SCHEMA_VERSION`] in what this build writes.
    pub schema_version: u32,
    /// The runs of which it is known what they hit.
    pub runs: u64,
    /// Every mark by its name, those never reached among them.
    pub marks: BTreeMap<String, MarkCoverage>,
}

/// One mark over all runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkCoverage {
    /// `reachable`, `sometimes` or `always`; empty if the mark is not known to be declared.
    pub kind: String,
    /// What it says, in one line.
    pub about: String,
    /// In how many runs it was hit.
    pub runs: u64,
    /// How often it was hit, over all runs.
    pub hits: u64,
    /// In how many runs it was hit while faults of each family were about; `none` for no fault.
    pub families: BTreeMap<String, u64>,
    /// The first run of the campaign that hit it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<FirstRun>,
}

/// A run, in the order of campaigns: the corpus first, then the seeds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FirstRun {
    /// Its position in the campaign; a run without one comes after all others.
    pub position: u64,
    /// The scenario that the run was of.
    pub scenario: String,
    /// The seed that its plan was made from.
    pub seed: u64,
}

impl Coverage {
    /// No runs yet.
    pub fn new(declared: impl IntoIterator<Item = DeclaredMark>) -> Coverage {
        let mark = |mark: DeclaredMark| {
            let DeclaredMark { name, kind, about } = mark;
            (name, MarkCoverage { kind, about, ..MarkCoverage::default() })
        };
        let marks = declared.into_iter().map(mark).collect();
        Coverage { schema_version: SCHEMA_VERSION, runs: 0, marks }
    }

    /// The marks that these declare, and no runs.
    pub fn declared_by<'a>(all: impl IntoIterator<Item = &'a Coverage>) -> Coverage {
        let mut declared = Coverage::new([]);
        for (name, mark) in all.into_iter().flat_map(|coverage| &coverage.marks) {
            let (kind, about) = (mark.kind.clone(), mark.about.clone());
            let same = MarkCoverage { kind, about, ..MarkCoverage::default() };
            let known = declared.marks.entry(name.clone()).or_insert_with(|| same.clone());
            // Of two descriptions one stays, whichever came first; an unknown one never does.
            let key =
                |mark: &MarkCoverage| (mark.kind.is_empty(), mark.kind.clone(), mark.about.clone());
            if key(&same) < key(known) {
                *known = same;
            }
        }
        declared
    }

    /// Counts one run in.
    pub fn add(&mut self, line: &RunLine) {
        if line.marks.is_empty() {
            return;
        }
        self.runs += 1;
        let run = FirstRun {
            position: line.position.unwrap_or(u64::MAX),
            scenario: line.scenario.clone(),
            seed: line.seed,
        };
        for (name, MarkHits(hits, letters)) in &line.marks {
            let mark = self.marks.entry(name.clone()).or_default();
            mark.runs += 1;
            mark.hits += hits;
            for (letter, family) in FAMILY_LETTERS {
                if letters.contains(letter) {
                    *mark.families.entry(family.to_owned()).or_default() += 1;
                }
            }
            if mark.first.as_ref().is_none_or(|first| run < *first) {
                mark.first = Some(run.clone());
            }
        }
    }

    /// How many marks were reached, and which were not.
    pub fn figures(&self) -> MarkFigures {
        let not_reached = self.marks.iter().filter(|(_, mark)| mark.runs == 0);
        let not_reached: Vec<String> = not_reached.map(|(name, _)| name.clone()).collect();
        let declared = self.marks.len() as u64;
        MarkFigures { declared, reached: declared - not_reached.len() as u64, not_reached }
    }

    /// Distinct pairs of a mark and a family during whose faults it was hit.
    pub fn pairs(&self) -> u64 {
        self.marks.values().map(|mark| mark.families.len() as u64).sum()
    }

    /// The text of `coverage.json`.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self);
        json.expect("coverage is plain data with text keys") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    fn declared() -> [DeclaredMark; 2] {
        [("replica-truncates", "reachable"), ("client-moves", "sometimes")].map(|(name, kind)| {
            let (name, kind) = (name.to_owned(), kind.to_owned());
            DeclaredMark { name, kind, about: "It happens.".to_owned() }
        })
    }

    fn at(position: u64) -> RunLine {
        RunLine { position: Some(position), seed: position, ..example::run_line() }
    }

    #[test]
    fn marks_are_counted_by_runs_hits_and_faults() {
        let mut coverage = Coverage::new(declared());
        [at(4), at(3)].iter().for_each(|line| coverage.add(line));
        coverage.add(&RunLine { marks: BTreeMap::new(), ..at(1) });
        let truncates = &coverage.marks["replica-truncates"];
        assert_eq!((coverage.runs, truncates.runs, truncates.hits), (2, 2, 4));
        assert_eq!(truncates.families, [("process".to_owned(), 2)].into());
        assert_eq!(truncates.first.as_ref().map(|first| first.seed), Some(3));
        assert_eq!(coverage.marks["client-moves"].runs, 0);
        let figures = coverage.figures();
        assert_eq!((figures.declared, figures.reached), (3, 2), "one is not declared, but hit");
        assert_eq!(figures.not_reached, ["client-moves"]);
        assert_eq!(coverage.pairs(), 5);
    }

    #[test]
    fn coverage_is_read_again_and_the_order_of_runs_does_not_matter() {
        let count = |lines: &[RunLine]| {
            let mut coverage = Coverage::new(declared());
            lines.iter().for_each(|line| coverage.add(line));
            coverage
        };
        let coverage = count(&[at(1), at(2), at(3)]);
        assert_eq!(coverage, count(&[at(3), at(1), at(2)]));
        assert_eq!(serde_json::from_str::<Coverage>(&coverage.to_json()).unwrap(), coverage);
    }

    #[test]
    fn what_is_declared_outlives_the_runs() {
        let mut counted = Coverage::new(declared());
        counted.add(&at(1));
        let other = Coverage::new(declared().into_iter().skip(1));
        let both = [&counted, &other];
        let together = Coverage::declared_by(both);
        assert_eq!(together, Coverage::declared_by(both.into_iter().rev()));
        assert_eq!((together.runs, together.marks.len()), (0, 3));
        assert_eq!(together.marks["replica-truncates"].kind, "reachable");
        assert!(together.marks.values().all(|mark| mark.runs == 0 && mark.first.is_none()));
    }
}
