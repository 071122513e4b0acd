//! `summary.json`: what a campaign ran in, how much it did, and what it found (the three sections
//! of Antithesis' triage report).

use serde::{Deserialize, Serialize};

use crate::fault::Families;
use crate::figure::FigureDeclaration;
use crate::utilization::Utilization;

/// The version of the form of `summary.json` and `seeds.jsonl`.
pub const SCHEMA_VERSION: u32 = 2;

/// A whole campaign, or a single run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The version of the form, [`SCHEMA_VERSION`] in what this build writes.
    pub schema_version: u32,
    /// What it ran in.
    pub environment: Environment,
    /// How much it did.
    pub utilization: Utilization,
    /// What the figures of its runs mean, in the order in which to tell them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<FigureDeclaration>,
    /// The families of the kinds of faults.
    #[serde(default, skip_serializing_if = "Families::is_empty")]
    pub families: Families,
    /// What it found: failures by fingerprint, the first found first.
    pub failures: Vec<DistinctFailure>,
    /// Runs without a verdict.
    pub undecided: Vec<UndecidedRun>,
    /// The run that had to fail; it is not counted among the runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// How many marks in the system's code were reached; none for a build that knew no marks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marks: Option<MarkFigures>,
    /// What was merged into this, in a fixed order; empty for a campaign of one machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<Shard>,
    /// Why the campaign cannot be trusted although nothing failed; empty if it can.
    pub doubts: Vec<String>,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
    /// Whether it was written while the campaign went on. Who finds it so finds a campaign that was killed,
    /// or could not write any more: its numbers are of an earlier moment than the lines of its runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unfinished: bool,
    /// The exit code of the program.
    pub exit_code: u8,
}

/// What a campaign ran in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The build that performed the runs: the same build ends a plan in the same way.
    pub build: String,
    /// The command line.
    pub command: Vec<String>,
    /// The campaign's seed.
    pub seed: u64,
    /// Which of the campaign's runs were performed, as `slice:1/4`; all, if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// The scenarios that runs were drawn from.
    pub scenarios: Vec<String>,
    /// The simulated world that performed the seeds, unless it was the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// The planted bug, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plant: Option<String>,
    /// Runs at a time.
    pub jobs: usize,
    /// When it began, as `2026-11-20T16:42:07Z`.
    pub started: String,
}

/// A run with a planted bug, which shows that failures are found at all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Canary {
    /// Whether it failed as it must.
    pub found: bool,
    /// The plan's scenario.
    pub scenario: String,
    /// The plan's seed.
    pub seed: u64,
    /// The planted bug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plant: Option<String>,
    /// The property that failed first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
}

/// Marks in the system's code, in short; `coverage.json` has them all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkFigures {
    /// How many there are.
    pub declared: u64,
    /// How many of them some run hit.
    pub reached: u64,
    /// The names of those that no run hit.
    pub not_reached: Vec<String>,
}

/// One of the campaigns that were merged: when, where and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shard {
    /// Which of the runs, as `slice:1/4`; all, if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// When it began.
    pub started: String,
    /// The command line.
    pub command: Vec<String>,
    /// Runs at a time.
    pub jobs: usize,
    /// Its real time in milliseconds, as far as it wrote it down.
    pub wall_ms: u64,
    /// Whether it was stopped or killed before its end.
    pub interrupted: bool,
    /// Whether the last line of its seeds.jsonl was torn and left out.
    pub torn: bool,
    /// Its exit code, if it came to an end.
    pub exit_code: u8,
}

/// Failures of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DistinctFailure {
    /// Scenario, property and normalised message in short; the name of its folder.
    pub fingerprint: String,
    /// The scenario of the first run.
    pub scenario: String,
    /// The violated property.
    pub property: String,
    /// What is wrong, in one line.
    pub headline: String,
    /// The seed of the first run.
    pub seed: u64,
    /// In how many runs it was seen.
    pub count: u64,
    /// Its folder, relative to the summary's.
    pub folder: String,
    /// A smaller plan that fails the same way, if one was looked for and found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smaller: Option<SmallerPlan>,
}

/// A plan made smaller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmallerPlan {
    /// The plan, relative to the summary's folder.
    pub plan: String,
    /// By how much: `ops 412 -> 7, faults 9 -> 2, nodes 5 -> 3`.
    pub change: String,
    /// How many operations it has left.
    pub operations: usize,
    /// How many faults it has left.
    pub faults: usize,
    /// Runs that it took.
    pub runs: u64,
    /// Whether nothing more could be left out; otherwise a limit ended the search.
    pub complete: bool,
}

/// A run without a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndecidedRun {
    /// The scenario that the run was of.
    pub scenario: String,
    /// The seed that its plan was made from.
    pub seed: u64,
    /// Why there is no verdict: which limit was reached, or what was not checked.
    pub reason: String,
    /// Its plan, relative to the summary's folder.
    pub plan: String,
}

/// The declarations of several campaigns, each id once: of two for one id the smaller stays.
pub fn joined_figures<'a>(
    all: impl IntoIterator<Item = &'a [FigureDeclaration]>,
) -> Vec<FigureDeclaration> {
    let mut joined: Vec<FigureDeclaration> = Vec::new();
    for declared in all.into_iter().flatten() {
        match joined.iter_mut().find(|known| known.id == declared.id) {
            Some(known) if *known <= *declared => {}
            Some(known) => *known = declared.clone(),
            None => joined.push(declared.clone()),
        }
    }
    joined
}

impl Summary {
    /// The text of `summary.json`.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self);
        json.expect("a summary is plain data with text keys") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn a_summary_names_its_schema_and_is_read_again() {
        let summary = example::summary();
        let text = summary.to_json();
        assert!(text.contains("\"schema_version\": 2"), "{text}");
        assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
    }

    #[test]
    fn joining_declarations_is_commutative_and_keeps_each_once() {
        let one = example::figures();
        let mut other = vec![FigureDeclaration::count("restarts", "restarts")];
        other.push(FigureDeclaration::count("role-changes", "another title"));
        let join = |first: &[FigureDeclaration], second: &[FigureDeclaration]| {
            let mut joined = joined_figures([first, second]);
            joined.sort();
            joined
        };
        assert_eq!(join(&one, &other), join(&other, &one));
        assert_eq!(join(&one, &other).len(), one.len() + 1);
        assert_eq!(joined_figures([&one[..], &one[..]]), one, "their order stays");
    }
}
