//! Measurements as data: what was measured, on which machine, how often, and what was lost.
//!
//! A report is stored as JSON, so that a later run can be put beside it. Every figure keeps the
//! value of each round: a median says little without its spread.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The form of stored reports; one of another form is not compared.
pub const BENCH_SCHEMA_VERSION: u32 = 1;

/// One run of a benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchReport {
    /// The version of the form, [`BENCH_SCHEMA_VERSION`] in what this build writes.
    pub schema_version: u32,
    /// What was measured.
    pub target: BenchTarget,
    /// Where and when.
    pub machine: Machine,
    /// How the load was set; reports with other settings are not compared.
    pub settings: BTreeMap<String, String>,
    /// What was measured, in the order in which it is shown.
    pub figures: Vec<Figure>,
    /// Distributions of latencies, over all rounds.
    pub latencies: Vec<Latency>,
    /// What each loss of the primary cost.
    pub failovers: Vec<Failovers>,
    /// What must not happen, counted.
    pub safety: Safety,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BenchTarget {
    /// The simulator, and the simulated cluster in it.
    Sim,
    /// Three servers of this machine.
    Live,
    /// The search for an order of recorded histories.
    Checker,
}

impl BenchTarget {
    /// As the command line spells it.
    pub fn name(self) -> &'static str {
        match self {
            BenchTarget::Sim => "sim",
            BenchTarget::Live => "live",
            BenchTarget::Checker => "checker",
        }
    }
}

/// Where and when a report was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor, as it calls itself.
    pub processor: String,
    /// Processors that this program may use.
    pub cores: u64,
    /// Memory, in mebibytes.
    pub memory_mib: u64,
    /// The kernel's release.
    pub kernel: String,
    /// The kind of file system that servers wrote to; empty where nothing was written.
    pub file_system: String,
    /// The load average over a minute before the run: above zero, others were at work.
    pub load_before: f64,
    /// When the run began, UTC.
    pub date: String,
    /// The build that ran.
    pub build: String,
    /// `release` or `debug`.
    pub profile: String,
}

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// The more the better.
    Higher,
    /// The less the better.
    Lower,
}

/// One measured quantity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Its name, the same in every run.
    pub name: String,
    /// What the values count.
    pub unit: String,
    /// Which way it is better.
    pub better: Better,
    /// The value of each round; at least one.
    pub rounds: Vec<f64>,
}

impl Figure {
    /// The middle of the rounds.
    pub fn median(&self) -> f64 {
        quantile(&self.rounds, 0.5)
    }

    /// How uncertain the median is, as a share of it: the range of the rounds, or, from eight rounds
    /// on, the width of the notch that box plots show (McGill, Tukey and Larsen, The American
    /// Statistician 1978: twice 1.57 interquartile ranges over the root of the count). Infinite
    /// where fewer than two rounds leave it unknown, or the median is 0 and the rounds differ.
    pub fn spread(&self) -> f64 {
        let count = self.rounds.len();
        if count < 2 {
            return f64::INFINITY;
        }
        let width = if count < 8 {
            quantile(&self.rounds, 1.0) - quantile(&self.rounds, 0.0)
        } else {
            let middle = quantile(&self.rounds, 0.75) - quantile(&self.rounds, 0.25);
            2.0 * 1.57 * middle / (count as f64).sqrt()
        };
        if width == 0.0 { 0.0 } else { width / self.median().abs() }
    }
}

/// A quantile of some values, between neighbours in proportion; 0 of none.
pub fn quantile(values: &[f64], quantile: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = quantile.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

/// A distribution of latencies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Of what, as in the figures.
    pub name: String,
    /// How many were recorded.
    pub count: u64,
    /// Their mean, in microseconds.
    pub mean_us: f64,
    /// The curve, by rising quantile; the last point is the maximum.
    pub points: Vec<LatencyPoint>,
}

/// A point of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyPoint {
    /// The share of requests that took no longer.
    pub quantile: f64,
    /// The latency, in microseconds.
    pub value_us: u64,
    /// How many took no longer.
    pub count: u64,
}

/// What the losses of a primary (whoever serves changes) cost, one entry in each list for each loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failovers {
    /// How the primary was lost: `kill`, `pause`, `isolate`.
    pub kind: String,
    /// The longest time in which no client had an acknowledgement, in milliseconds.
    pub outage_ms: Vec<f64>,
    /// The longest time in which the worst client had none, in milliseconds.
    pub worst_client_ms: Vec<f64>,
    /// From the loss until its successor serves, in milliseconds.
    #[serde(alias = "leader_ms")]
    pub successor_ms: Vec<f64>,
}

/// What must not happen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Safety {
    /// Writes that were acknowledged while primaries were lost, and looked for afterwards.
    pub acknowledged_writes: u64,
    /// Those of them that a server does not have.
    pub lost_writes: u64,
    /// Clients that were given up though they were alive.
    #[serde(alias = "lost_sessions")]
    pub clients_dropped: u64,
    /// Requests that failed while nothing disturbed the servers.
    pub failed_requests: u64,
    /// Moments in which two clients held one lock.
    pub lock_overlaps: u64,
    /// Runs that violated a property of the checker, by seed and property.
    pub violations: Vec<String>,
}

impl Safety {
    /// Whether a promise was broken. A dropped client is a cost, not a broken promise.
    pub fn is_violated(&self) -> bool {
        self.lost_writes > 0 || self.lock_overlaps > 0 || !self.violations.is_empty()
    }
}

/// A report beside its baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchComparison {
    /// The baseline's name.
    pub baseline: String,
    /// How much worse a median may be, as a share.
    pub limit: f64,
    /// Figure by figure, in the order of the report.
    pub lines: Vec<ComparedFigure>,
}

/// A figure beside its baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparedFigure {
    /// The figure's name, as its table spells it.
    pub name: String,
    /// What the values count.
    pub unit: String,
    /// The baseline's median; none where the baseline lacks the figure.
    pub before: Option<f64>,
    /// The run's median; none where the run lacks the figure.
    pub now: Option<f64>,
    /// By which share it is worse; negative where it is better.
    pub worse: f64,
    /// The larger of the two spreads, as a share.
    pub spread: f64,
    /// What follows of both: better, worse, or no difference that noise would not make.
    pub verdict: FigureVerdict,
}

/// What a comparison says of one figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FigureVerdict {
    /// Within the limit.
    Same,
    /// Better by more than the limit.
    Better,
    /// Worse by more than the limit, and by more than the spread.
    Regressed,
    /// The spread is wider than the limit: nothing can be said.
    Undecided,
    /// Only one of the two has it.
    Unmatched,
}

impl FigureVerdict {
    /// In a table.
    pub fn word(self) -> &'static str {
        match self {
            FigureVerdict::Same => "same",
            FigureVerdict::Better => "better",
            FigureVerdict::Regressed => "REGRESSED",
            FigureVerdict::Undecided => "undecided",
            FigureVerdict::Unmatched => "unmatched",
        }
    }
}

impl BenchComparison {
    /// How many figures have this verdict.
    pub fn count(&self, verdict: FigureVerdict) -> usize {
        self.lines.iter().filter(|line| line.verdict == verdict).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(rounds: &[f64]) -> Figure {
        Figure {
            name: "set".into(),
            unit: "operations/s".into(),
            better: Better::Higher,
            rounds: rounds.to_vec(),
        }
    }

    #[test]
    fn medians_and_spreads_are_those_of_the_rounds() {
        assert_eq!(figure(&[3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(figure(&[3.0, 1.0]).median(), 2.0);
        assert_eq!(figure(&[110.0, 90.0, 100.0]).spread(), 0.2);
        assert_eq!(figure(&[5.0]).spread(), f64::INFINITY);
        assert_eq!(figure(&[0.0, 0.0]).spread(), 0.0);
        let many: Vec<f64> = (0..100).map(|each| 100.0 + f64::from(each % 10)).collect();
        let spread = figure(&many).spread();
        assert!(spread > 0.0 && spread < 0.03, "{spread}");
    }

    #[test]
    fn quantiles_lie_between_their_neighbours() {
        let values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(quantile(&values, 0.5), 2.5);
        assert_eq!(quantile(&values, 1.0), 4.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }

    #[test]
    fn broken_promises_are_told_from_costs() {
        assert!(!Safety { clients_dropped: 3, ..Safety::default() }.is_violated());
        assert!(Safety { lost_writes: 1, ..Safety::default() }.is_violated());
        assert!(Safety { lock_overlaps: 1, ..Safety::default() }.is_violated());
        assert!(Safety { violations: vec!["seed 1".into()], ..Safety::default() }.is_violated());
    }
}
