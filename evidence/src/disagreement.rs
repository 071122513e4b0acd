//! Whether a `summary.json` says what its `seeds.jsonl` comes to.
//!
//! Every number of a summary follows from the runs' lines, except how long the campaign took. A
//! summary that says something else was edited, or belongs to another file, or was counted wrongly;
//! in each case nothing that it says can be believed.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::run_line::{RunLine, RunVerdict};
use crate::summary::Summary;
use crate::utilization::Utilization;

impl Summary {
    /// Where the summary and the lines of its runs disagree: field, what the summary says and what
    /// the lines come to. Empty if they agree.
    pub fn disagreements(&self, lines: &[RunLine]) -> Vec<String> {
        let told = Utilization { wall_ms: 0, ..self.utilization.clone() };
        let value = |utilization: &Utilization| {
            serde_json::to_value(utilization).expect("a utilization is plain data with text keys")
        };
        let mut found = Vec::new();
        compare(
            "utilization",
            &value(&told),
            &value(&Utilization::of(lines, &self.figures)),
            &mut found,
        );
        let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
        for fingerprint in lines.iter().filter_map(|line| line.fingerprints.first()) {
            *kinds.entry(fingerprint).or_default() += 1;
        }
        for failure in &self.failures {
            let counted = kinds.remove(failure.fingerprint.as_str()).unwrap_or(0);
            if counted != failure.count {
                let (name, told) = (&failure.fingerprint, failure.count);
                found.push(difference(&format!("failures.{name}.count"), told, counted));
            }
        }
        for (fingerprint, counted) in kinds {
            found.push(difference(&format!("failures.{fingerprint}.count"), 0, counted));
        }
        let undecided = lines.iter().filter(|line| line.verdict == RunVerdict::Undecided).count();
        if undecided != self.undecided.len() {
            found.push(difference("undecided, their number", self.undecided.len(), undecided));
        }
        found
    }
}

fn compare(field: &str, told: &Value, counted: &Value, found: &mut Vec<String>) {
    let (Value::Object(told_fields), Value::Object(counted_fields)) = (told, counted) else {
        if told != counted {
            found.push(difference(field, told, counted));
        }
        return;
    };
    let mut names: Vec<&String> = told_fields.keys().chain(counted_fields.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        // A kind of fault that is not counted was not seen.
        let value =
            |fields: &serde_json::Map<String, Value>| fields.get(name).cloned().unwrap_or(0.into());
        compare(&format!("{field}.{name}"), &value(told_fields), &value(counted_fields), found);
    }
}

fn difference(
    field: &str,
    told: impl std::fmt::Display,
    counted: impl std::fmt::Display,
) -> String {
    format!("{field}: {told} in summary.json, {counted} by the lines of seeds.jsonl")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    fn lines() -> Vec<RunLine> {
        let line = example::run_line();
        let failed = RunLine {
            verdict: RunVerdict::Fail,
            fingerprints: vec!["12ab".to_owned(), "34cd".to_owned()],
            ..line.clone()
        };
        let undecided = RunLine { verdict: RunVerdict::Undecided, ..line.clone() };
        vec![line, failed.clone(), failed, undecided]
    }

    #[test]
    fn a_summary_agrees_with_its_own_lines() {
        assert_eq!(example::summary().disagreements(&lines()), Vec::<String>::new());
    }

    type Change = fn(&mut Summary);

    #[test]
    fn every_number_that_is_changed_is_named() {
        let numbers: [(&str, Change); 11] = [
            ("utilization.operations", |s| s.utilization.operations += 1),
            ("utilization.acknowledged", |s| s.utilization.acknowledged -= 1),
            ("utilization.sim_ms", |s| s.utilization.sim_ms = 0),
            ("utilization.runs.passed", |s| s.utilization.runs.passed += 1),
            ("utilization.figures.full-copies", |s| {
                *s.utilization.figures.get_mut("full-copies").unwrap() += 1;
            }),
            ("utilization.samples.failovers.210", |s| {
                *s.utilization.samples.get_mut("failovers").unwrap().get_mut(&210).unwrap() = 1;
            }),
            ("utilization.faults.crash", |s| *s.utilization.faults.get_mut("crash").unwrap() = 1),
            ("utilization.faults.meteor", |s| {
                s.utilization.faults.insert("meteor".to_owned(), 1);
            }),
            ("failures.12ab.count", |s| s.failures[0].count = 7),
            ("failures.12ab.count", |s| s.failures.clear()),
            ("undecided, their number", |s| s.undecided.clear()),
        ];
        for (field, change) in numbers {
            let mut summary = example::summary();
            change(&mut summary);
            let found = summary.disagreements(&lines());
            assert!(found.len() == 1 && found[0].starts_with(&format!("{field}: ")), "{found:?}");
        }
        let mut summary = example::summary();
        summary.utilization.wall_ms = 1;
        assert!(summary.disagreements(&lines()).is_empty(), "the lines do not know it");
        assert!(!summary.disagreements(&lines()[1..]).is_empty(), "a line is missing");
    }
}
