//! How much a campaign did: everything that its runs' lines add up to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::figure::{AddsUp, FigureDeclaration};
use crate::run_line::{RunLine, RunVerdict};

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
    /// Those that were answered without error.
    pub acknowledged: u64,
    /// Those that were answered with an error.
    #[serde(default)]
    pub refused: u64,
    /// Those of which nobody knows whether they happened.
    pub unknown: u64,
    /// Events of all traces.
    pub events: u64,
    /// Faults that struck, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Faults of plans that struck nobody, by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missed: BTreeMap<String, u64>,
    /// The system's figures, added up as they were declared; of a figure of samples, how many.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, u64>,
    /// Of each figure of samples every value, with how often it was seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub samples: BTreeMap<String, BTreeMap<u64, u64>>,
    /// Runs that were performed twice, to see that both end the same.
    #[serde(default)]
    pub repeated: u64,
}

/// Runs by verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All runs, whatever their verdict.
    pub total: u64,
    /// Those in which every property holds.
    pub passed: u64,
    /// Those in which one is violated.
    pub failed: u64,
    /// Those without a verdict.
    pub undecided: u64,
}

impl Utilization {
    /// What the runs come to; `wall_ms` is the campaign's own and stays 0.
    pub fn of<'a>(
        lines: impl IntoIterator<Item = &'a RunLine>,
        declared: &[FigureDeclaration],
    ) -> Utilization {
        let mut utilization = Utilization::default();
        lines.into_iter().for_each(|line| utilization.add(line, declared));
        utilization
    }

    /// Counts one run in, its figures as they are declared; `wall_ms` is the whole campaign's and is
    /// left alone.
    pub fn add(&mut self, run: &RunLine, declared: &[FigureDeclaration]) {
        self.runs.total += 1;
        match run.verdict {
            RunVerdict::Pass => self.runs.passed += 1,
            RunVerdict::Fail => self.runs.failed += 1,
            RunVerdict::Undecided => self.runs.undecided += 1,
        }
        self.sim_ms += run.sim_ms;
        self.operations += run.operations;
        self.acknowledged += run.acknowledged;
        self.refused += run.refused;
        self.unknown += run.unknown;
        self.events += run.events;
        self.repeated += u64::from(run.repeated.is_some());
        for (kind, count) in &run.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
        for (kind, count) in &run.missed {
            *self.missed.entry(kind.clone()).or_default() += count;
        }
        for (id, value) in &run.figures {
            let figure = declared.iter().find(|figure| figure.id == *id);
            let total = self.figures.entry(id.clone()).or_default();
            *total = match figure.map_or(AddsUp::Sum, |figure| figure.adds_up) {
                AddsUp::Max => *value.max(total),
                AddsUp::Sum | AddsUp::Samples => *total + value,
            };
        }
        for (id, values) in &run.samples {
            *self.figures.entry(id.clone()).or_default() += values.len() as u64;
            let seen = self.samples.entry(id.clone()).or_default();
            values.iter().for_each(|value| *seen.entry(*value).or_default() += 1);
        }
    }

    /// The kinds of faults that plans had and that never struck anybody, with how many were planned.
    pub fn never_struck(&self) -> BTreeMap<String, u64> {
        let never = |(kind, _): &(&String, &u64)| !self.faults.contains_key(*kind);
        let missed = self.missed.iter().filter(never);
        missed.map(|(kind, count)| (kind.clone(), *count)).collect()
    }

    /// Every figure that is declared or was seen, with its value: first as declared, then the others
    /// by their ids.
    pub fn told(&self, declared: &[FigureDeclaration]) -> Vec<(FigureDeclaration, u64)> {
        let value = |id: &str| self.figures.get(id).copied().unwrap_or_default();
        let mut told: Vec<(FigureDeclaration, u64)> =
            declared.iter().map(|figure| (figure.clone(), value(&figure.id))).collect();
        let others = self.figures.iter().filter(|(id, _)| !declared.iter().any(|f| f.id == **id));
        told.extend(others.map(|(id, value)| {
            let is_sampled = self.samples.contains_key(id);
            let adds_up = if is_sampled { AddsUp::Samples } else { AddsUp::Sum };
            (FigureDeclaration::undeclared(id, adds_up), *value)
        }));
        told
    }

    /// The titles of the figures that a campaign must have seen and these runs never saw.
    pub fn unseen<'a>(&self, declared: &'a [FigureDeclaration]) -> Vec<&'a str> {
        let is_unseen = |figure: &&FigureDeclaration| {
            figure.is_required && self.figures.get(&figure.id).is_none_or(|value| *value == 0)
        };
        declared.iter().filter(is_unseen).map(|figure| figure.title.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn runs_are_counted() {
        let Utilization { runs, operations, faults, figures, samples, .. } =
            example::summary().utilization;
        assert_eq!(runs, Counts { total: 4, passed: 1, failed: 2, undecided: 1 });
        assert_eq!((operations, faults["crash"]), (3_200, 8));
        assert_eq!((figures["role-changes"], figures["failovers"]), (12, 8));
        assert_eq!(samples["failovers"], [(0, 4), (210, 4)].into());
    }

    #[test]
    fn a_kind_that_was_planned_and_never_struck_is_named() {
        let one = |kind: &str, count| BTreeMap::from([(kind.to_owned(), count)]);
        let missed = RunLine { missed: one("wipe", 2), ..RunLine::default() };
        let both =
            RunLine { missed: one("crash", 1), faults: one("crash", 3), ..RunLine::default() };
        let sum = Utilization::of([&missed, &both, &missed], &[]);
        assert_eq!(sum.never_struck(), one("wipe", 4));
    }

    #[test]
    fn figures_add_up_as_they_are_declared() {
        let longest = FigureDeclaration {
            adds_up: AddsUp::Max,
            ..FigureDeclaration::count("longest-queue", "requests in the longest queue")
        };
        let never = FigureDeclaration::count("splits", "splits").required();
        let declared = [longest, never];
        let run = |value| RunLine {
            figures: [("longest-queue".to_owned(), value), ("other-one".to_owned(), 2)].into(),
            ..RunLine::default()
        };
        let sum = Utilization::of(&[run(3), run(9), run(5)], &declared);
        let told = sum.told(&declared);
        let told: Vec<String> = told.iter().map(|(figure, n)| figure.in_words(*n)).collect();
        assert_eq!(told, ["9 requests in the longest queue", "0 splits", "6 other one"]);
        assert_eq!(sum.unseen(&declared), ["splits"]);
    }
}
