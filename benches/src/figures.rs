//! What a measurement collects while it runs, so that an interrupted one keeps what it has.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use reports::{
    BENCH_SCHEMA_VERSION, BenchReport, BenchTarget, Better, Failovers, Figure, Latency, Machine,
    Safety,
};

use crate::histogram;

/// A measurement so far.
#[derive(Clone, Debug)]
pub struct Measured {
    target: BenchTarget,
    settings: BTreeMap<String, String>,
    figures: Vec<Figure>,
    latencies: Vec<(String, Histogram<u64>)>,
    failovers: Vec<Failovers>,
    /// What must not happen, counted.
    pub safety: Safety,
    /// What a reader should know.
    pub notes: Vec<String>,
}

impl Measured {
    /// Nothing yet.
    pub fn new(target: BenchTarget, settings: BTreeMap<String, String>) -> Measured {
        Measured {
            target,
            settings,
            figures: Vec::new(),
            latencies: Vec::new(),
            failovers: Vec::new(),
            safety: Safety::default(),
            notes: Vec::new(),
        }
    }

    /// Adds a round's value to a figure.
    pub fn round(&mut self, name: &str, unit: &str, better: Better, value: f64) {
        match self.figures.iter_mut().find(|figure| figure.name == name) {
            Some(figure) => figure.rounds.push(value),
            None => self.figures.push(Figure {
                name: name.to_owned(),
                unit: unit.to_owned(),
                better,
                rounds: vec![value],
            }),
        }
    }

    /// Adds a round's latencies, in microseconds, to a distribution.
    pub fn latencies(&mut self, name: &str, round: &Histogram<u64>) {
        match self.latencies.iter_mut().find(|(each, _)| each == name) {
            Some((_, all)) => all.add(round).expect("all histograms have the same bounds"),
            None => self.latencies.push((name.to_owned(), round.clone())),
        }
    }

    /// Adds what one loss of the leader cost, in milliseconds.
    pub fn failover(&mut self, kind: &str, outage_ms: f64, worst_ms: f64, leader_ms: f64) {
        let place = self.failovers.iter().position(|each| each.kind == kind);
        let place = place.unwrap_or_else(|| {
            self.failovers.push(Failovers {
                kind: kind.to_owned(),
                outage_ms: Vec::new(),
                worst_client_ms: Vec::new(),
                successor_ms: Vec::new(),
            });
            self.failovers.len() - 1
        });
        let failovers = &mut self.failovers[place];
        failovers.outage_ms.push(outage_ms);
        failovers.worst_client_ms.push(worst_ms);
        failovers.successor_ms.push(leader_ms);
        self.round(&format!("failover by {kind}: outage"), "ms", Better::Lower, outage_ms);
        self.round(&format!("failover by {kind}: worst client"), "ms", Better::Lower, worst_ms);
        self.round(&format!("failover by {kind}: next leader"), "ms", Better::Lower, leader_ms);
    }

    /// Whether there is a figure at all.
    pub fn is_empty(&self) -> bool {
        self.figures.is_empty()
    }

    /// Everything as it is stored.
    pub fn report(&self, machine: Machine) -> BenchReport {
        let latency = |(name, all): &(String, Histogram<u64>)| Latency {
            name: name.clone(),
            count: all.len(),
            mean_us: all.mean(),
            points: histogram::points(all),
        };
        BenchReport {
            schema_version: BENCH_SCHEMA_VERSION,
            target: self.target,
            machine,
            settings: self.settings.clone(),
            figures: self.figures.clone(),
            latencies: self.latencies.iter().map(latency).collect(),
            failovers: self.failovers.clone(),
            safety: self.safety.clone(),
            notes: self.notes.clone(),
        }
    }

    /// All distributions in HdrHistogram's log format; empty if there are none.
    pub fn histogram_log(&self) -> String {
        if self.latencies.is_empty() { String::new() } else { histogram::to_log(&self.latencies) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_gather_under_their_names() {
        let mut measured = Measured::new(BenchTarget::Sim, BTreeMap::new());
        assert!(measured.is_empty() && measured.histogram_log().is_empty());
        for value in [1.0, 2.0] {
            measured.round("a", "ops/s", Better::Higher, value);
            measured.round("b", "ms", Better::Lower, value);
            measured.failover("kill", value, 2.0 * value, 3.0 * value);
            let mut round = histogram::new();
            round.record(1_000).unwrap();
            measured.latencies("a", &round);
        }
        let report = measured.report(crate::machine::machine(None));
        assert_eq!(report.figures.len(), 5);
        assert!(report.figures.iter().all(|figure| figure.rounds.len() == 2));
        assert_eq!(report.latencies[0].count, 2);
        assert_eq!(report.failovers[0].successor_ms, [3.0, 6.0]);
    }
}
