//! `seeds.jsonl`: one line for each run of a campaign, in the order in which runs ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::coverage::MarkHits;
use crate::fault::Aimed;
use crate::latencies::Latencies;

/// One run of a campaign: what it was of, how it ended, and all that was counted of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLine {
    /// The build that ran it.
    pub build: String,
    /// The system that was run.
    #[serde(default)]
    pub system: String,
    /// The scenario, the system's name first: `keeper/register`.
    pub scenario: String,
    /// The run's seed; with the scenario and the build it is an address of the run.
    pub seed: u64,
    /// The simulated world that performed it, unless it was the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// Its position in the whole campaign: the corpus first, then the seeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// The corpus entry, if the plan came from there and not from the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corpus: Option<String>,
    /// The name of its plan, if that is a changed one, which scenario and seed do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutant: Option<String>,
    /// The planted bug, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plant: Option<String>,
    /// How it ended.
    pub verdict: RunVerdict,
    /// The failures' fingerprints, the first found first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fingerprints: Vec<String>,
    /// Why it is undecided, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long it took, in milliseconds of real time.
    pub wall_ms: u64,
    /// How long it was, in milliseconds of simulated time.
    pub sim_ms: u64,
    /// Operations of clients.
    pub operations: u64,
    /// Those that were answered without error.
    pub acknowledged: u64,
    /// Those that were answered with an error.
    #[serde(default)]
    pub refused: u64,
    /// Those of which nobody knows whether they happened.
    pub unknown: u64,
    /// Events of the trace.
    pub events: u64,
    /// The trace's hash, hexadecimal: the same build must reach it again.
    pub trace_hash: String,
    /// Faults that struck, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Faults of its plan that struck nobody, by kind: their target was not there, or might not be struck.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missed: BTreeMap<String, u64>,
    /// Faults that its plan aims at whoever plays a role, by role.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<String, Aimed>,
    /// What the system counted or measured, by the figure's id; a figure of samples is in `samples`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, u64>,
    /// Every value of each figure of samples, in order of time.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub samples: BTreeMap<String, Vec<u64>>,
    /// The properties that were checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checked: Vec<String>,
    /// Those that are violated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violated: Vec<String>,
    /// What is wrong, in one line, by the property that is violated.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headlines: BTreeMap<String, String>,
    /// Those that could not be decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gave_up: Vec<String>,
    /// Spans without an acknowledged write while clients asked for some: begin and length in
    /// milliseconds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unavailable_ms: Vec<(u64, u64)>,
    /// From the end of faults until the system had healed, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healed_after_ms: Option<u64>,
    /// How long answers without error took.
    #[serde(default, skip_serializing_if = "Latencies::is_empty")]
    pub latencies_us: Latencies,
    /// The marks in the system's code that it hit: how often, and during which faults.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub marks: BTreeMap<String, MarkHits>,
    /// Whether it ended the same when it was performed a second time, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeated: Option<bool>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunVerdict {
    /// Every property holds.
    Pass,
    /// A property is violated.
    Fail,
    /// Neither: a limit was reached, or nothing was checked.
    #[default]
    Undecided,
}

/// What a run is known by: one build must end one address in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunAddress<'a> {
    build: &'a str,
    scenario: &'a str,
    seed: u64,
    engine: Option<&'a str>,
    /// Corpus entry, mutant and planted bug: what the seed does not tell of the plan.
    plan: [Option<&'a str>; 3],
}

impl RunLine {
    /// What the run is known by.
    pub fn address(&self) -> RunAddress<'_> {
        let RunLine { build, scenario, seed, engine, corpus, mutant, plant, .. } = self;
        RunAddress {
            build,
            scenario,
            seed: *seed,
            engine: engine.as_deref(),
            plan: [corpus.as_deref(), mutant.as_deref(), plant.as_deref()],
        }
    }

    /// The file name for its plan where plans of several runs lie together.
    pub fn plan_name(&self) -> String {
        let mutant = self.mutant.as_ref().map_or(String::new(), |name| format!("-{name}"));
        format!("{}-{}{mutant}.json", self.scenario.replace('/', "-"), self.seed)
    }

    /// The line with its line feed.
    pub fn to_json_line(&self) -> String {
        let json = serde_json::to_string(self).expect("a run line is plain data with text keys");
        json + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn a_line_is_one_line_and_is_read_again() {
        let mut line = example::run_line();
        line.verdict = RunVerdict::Fail;
        line.fingerprints = vec!["12ab".to_owned()];
        line.violated = vec!["linearizability".to_owned()];
        line.repeated = Some(true);
        let text = line.to_json_line();
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.contains("\"verdict\":\"fail\""), "{text}");
        assert_eq!(serde_json::from_str::<RunLine>(&text).unwrap(), line);
    }

    #[test]
    fn a_line_of_an_older_build_is_read() {
        let old = r#"{"build":"0.1.0-50143d3","scenario":"store/register","seed":7,
            "verdict":"pass","wall_ms":1,"sim_ms":2,"operations":3,"acknowledged":2,"unknown":0,
            "events":9,"trace_hash":"00","faults":{},"of an older time":{"a":1}}"#;
        let line: RunLine = serde_json::from_str(old).unwrap();
        assert_eq!((line.operations, line.healed_after_ms, line.repeated), (3, None, None));
        assert!(line.checked.is_empty() && line.latencies_us.is_empty() && line.marks.is_empty());
        assert!(line.figures.is_empty() && line.samples.is_empty() && line.system.is_empty());
    }
}
