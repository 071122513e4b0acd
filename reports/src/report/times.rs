//! How long things took in a campaign, as distributions.

use crate::plot::{Distribution, Unit};

use super::Report;

impl Report {
    /// The distributions that have values.
    pub(super) fn distributions(&self) -> Vec<Distribution<'static>> {
        let failovers = self.lines.iter().flat_map(|line| &line.failovers_ms);
        let silences = self.lines.iter().flat_map(|line| &line.unavailable_ms);
        let healings = self.lines.iter().filter_map(|line| line.healed_after_ms);
        let timed = self.lines.iter().filter(|line| line.wall_ms > 0);
        let milliseconds = Unit::Milliseconds;
        let all = [
            Distribution::new(
                "failovers",
                "Failovers, from the end of a leader to the next one that serves",
                "time without a leader (ms)",
                milliseconds,
                failovers.map(|ms| (*ms as f64, 1)).collect(),
            ),
            Distribution::new(
                "unavailability",
                "Silences of more than 500 ms without an acknowledged write",
                "time without an acknowledged write (ms)",
                milliseconds,
                silences.map(|(_, length_ms)| (*length_ms as f64, 1)).collect(),
            ),
            Distribution::new(
                "healing",
                "From the end of faults until every server agreed again",
                "time to heal (ms)",
                milliseconds,
                healings.map(|ms| (ms as f64, 1)).collect(),
            ),
            Distribution::new(
                "latencies",
                "Latency of acknowledged operations",
                "latency (ms)",
                milliseconds,
                self.lines
                    .iter()
                    .flat_map(|line| line.latencies_us.iter())
                    .map(|(us, count)| (us as f64 / 1e3, count))
                    .collect(),
            ),
            Distribution::new(
                "speed",
                "Simulated seconds in each second of real time, by run",
                "times faster than real time",
                Unit::TimesRealTime,
                timed.map(|line| (line.sim_ms as f64 / line.wall_ms as f64, 1)).collect(),
            ),
        ];
        all.into_iter().filter(|distribution| !distribution.is_empty()).collect()
    }
}
