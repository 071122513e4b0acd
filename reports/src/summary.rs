//! `summary.json`: what a campaign ran in, how much it did, and what it found (the three sections
//! of Antithesis' triage report).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::run_line::{RunLine, RunVerdict};

/// The version of the form of `summary.json` and `seeds.jsonl`.
pub const SCHEMA_VERSION: u32 = 1;

/// A whole campaign, or a single run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What it ran in.
    pub environment: Environment,
    /// How much it did.
    pub utilization: Utilization,
    /// What it found: failures by fingerprint, the first found first.
    pub failures: Vec<DistinctFailure>,
    /// Runs without a verdict.
    pub undecided: Vec<UndecidedRun>,
    /// The run that had to fail; it is not counted among the runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// How many marks in the servers' code were reached; none for a build that knew no marks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marks: Option<MarkFigures>,
    /// What was merged into this, in a fixed order; empty for a campaign of one machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<Shard>,
    /// Why the campaign cannot be trusted although nothing failed; empty if it can.
    pub doubts: Vec<String>,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
    /// The exit code of the program.
    pub exit_code: u8,
}

/// What a campaign ran in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The build.
    pub build: String,
    /// The command line.
    pub command: Vec<String>,
    /// The campaign's seed.
    pub seed: u64,
    /// Which of the campaign's runs were performed, as `slice:1/4`; all, if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// The scenarios.
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

/// Marks in the servers' code, in short; `coverage.json` has them all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkFigures {
    /// How many there are.
    pub declared: u64,
    /// How many of them some run hit.
    pub reached: u64,
    /// The others.
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

/// How much a campaign did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Utilization {
    /// Runs by verdict.
    pub runs: Counts,
    /// Real time from beginning to end, in milliseconds.
    pub wall_ms: u64,
    /// Simulated time of all runs, in milliseconds.
    pub sim_ms: u64,
    /// Operations of clients.
    pub operations: u64,
    /// Those that were answered.
    pub acknowledged: u64,
    /// Those of which nobody knows whether they happened.
    pub unknown: u64,
    /// Events of all traces.
    pub events: u64,
    /// Faults that struck, by kind.
    pub faults: BTreeMap<String, u64>,
    /// How often another server came to lead.
    pub leader_changes: u64,
    /// Synchronisations of learners by kind.
    pub syncs: Syncs,
    /// Crashes of servers that were being synchronised.
    pub crashes_during_sync: u64,
    /// Runs that were performed twice, to see that both end the same.
    #[serde(default)]
    pub repeated: u64,
}

/// Runs by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All.
    pub total: u64,
    /// Those in which every property holds.
    pub passed: u64,
    /// Those in which one is violated.
    pub failed: u64,
    /// Those without a verdict.
    pub undecided: u64,
}

/// Synchronisations of learners by kind, counted at the learners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Syncs {
    /// The missing proposals.
    pub diff: u64,
    /// A cut of the learner's log first.
    pub trunc: u64,
    /// The whole tree.
    pub snap: u64,
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
    /// Its operations.
    pub operations: usize,
    /// Its faults.
    pub faults: usize,
    /// Runs that it took.
    pub runs: u64,
    /// Whether nothing more could be left out; otherwise time was up.
    pub complete: bool,
}

/// A run without a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndecidedRun {
    /// The scenario.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// Why.
    pub reason: String,
    /// Its plan, relative to the summary's folder.
    pub plan: String,
}

impl Utilization {
    /// What the runs come to; `wall_ms` is the campaign's own and stays 0.
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a RunLine>) -> Utilization {
        let mut utilization = Utilization::default();
        lines.into_iter().for_each(|line| utilization.add(line));
        utilization
    }

    /// Counts one run in; `wall_ms` is the whole campaign's and is left alone.
    pub fn add(&mut self, run: &RunLine) {
        self.runs.total += 1;
        match run.verdict {
            RunVerdict::Pass => self.runs.passed += 1,
            RunVerdict::Fail => self.runs.failed += 1,
            RunVerdict::Undecided => self.runs.undecided += 1,
        }
        self.sim_ms += run.sim_ms;
        self.operations += run.operations;
        self.acknowledged += run.acknowledged;
        self.unknown += run.unknown;
        self.events += run.events;
        self.leader_changes += run.leader_changes;
        self.syncs.diff += run.syncs.diff;
        self.syncs.trunc += run.syncs.trunc;
        self.syncs.snap += run.syncs.snap;
        self.crashes_during_sync += run.crashes_during_sync;
        self.repeated += u64::from(run.repeated.is_some());
        for (kind, count) in &run.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
    }
}

impl Summary {
    /// The text of `summary.json`.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self);
        json.expect("a summary is plain data with text keys") + "\n"
    }
}

#[cfg(test)]
pub(crate) fn example() -> Summary {
    let mut utilization = Utilization { wall_ms: 245_000, ..Utilization::default() };
    let run = crate::run_line::example();
    for verdict in [RunVerdict::Pass, RunVerdict::Fail, RunVerdict::Fail, RunVerdict::Undecided] {
        utilization.add(&RunLine { verdict, ..run.clone() });
    }
    Summary {
        schema_version: SCHEMA_VERSION,
        environment: Environment {
            build: run.build,
            command: vec!["squall".to_owned(), "fuzz".to_owned()],
            seed: 7,
            partition: None,
            scenarios: vec![run.scenario.clone()],
            engine: None,
            plant: None,
            jobs: 2,
            started: "2026-11-20T16:42:07Z".to_owned(),
        },
        utilization,
        failures: vec![DistinctFailure {
            fingerprint: "12ab".to_owned(),
            scenario: run.scenario.clone(),
            property: "linearizability".to_owned(),
            headline: "/k7: no order explains | these".to_owned(),
            seed: 1234,
            count: 2,
            folder: "failures/12ab".to_owned(),
            smaller: Some(SmallerPlan {
                plan: "failures/12ab/plan.min.json".to_owned(),
                change: "ops 412 -> 7, faults 9 -> 2".to_owned(),
                operations: 7,
                faults: 2,
                runs: 61,
                complete: true,
            }),
        }],
        undecided: vec![UndecidedRun {
            scenario: run.scenario,
            seed: 5,
            reason: "nothing was checked".to_owned(),
            plan: "undecided/keeper-register-5.json".to_owned(),
        }],
        canary: Some(Canary {
            found: true,
            scenario: "keeper/register".to_owned(),
            seed: 1,
            plant: Some("ack-before-fsync".to_owned()),
            property: Some("acknowledged is durable".to_owned()),
        }),
        marks: Some(MarkFigures {
            declared: 3,
            reached: 2,
            not_reached: vec!["session-moves".to_owned()],
        }),
        shards: Vec::new(),
        doubts: Vec::new(),
        interrupted: false,
        exit_code: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_counted() {
        let Utilization { runs, operations, faults, syncs, .. } = example().utilization;
        assert_eq!(runs, Counts { total: 4, passed: 1, failed: 2, undecided: 1 });
        assert_eq!((operations, faults["crash"], syncs.snap), (3_200, 8, 8));
    }

    #[test]
    fn a_summary_names_its_schema_and_is_read_again() {
        let summary = example();
        let text = summary.to_json();
        assert!(text.contains("\"schema_version\": 1"), "{text}");
        assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
    }
}
