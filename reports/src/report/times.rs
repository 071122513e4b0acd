//! How long things took in a campaign, as distributions: what every system has, and whatever the
//! system itself took samples of.

use std::collections::BTreeSet;

use evidence::{AddsUp, FigureDeclaration, Unit as FigureUnit};

use crate::plot::{Distribution, Unit};

use super::Report;

impl Report {
    /// The distributions that have values: the system's own first.
    pub(super) fn distributions(&self) -> Vec<Distribution> {
        let own = self.sampled().into_iter().map(|figure| self.distribution(&figure));
        let all = own.chain(self.general());
        all.filter(|distribution| !distribution.is_empty()).collect()
    }

    /// The figures of samples, as they are declared, then those that nobody declared.
    fn sampled(&self) -> Vec<FigureDeclaration> {
        let declared = self.figures.iter().filter(|figure| figure.adds_up == AddsUp::Samples);
        let mut sampled: Vec<FigureDeclaration> = declared.cloned().collect();
        let ids: BTreeSet<&String> =
            self.lines.iter().flat_map(|line| line.samples.keys()).collect();
        for id in ids {
            if !sampled.iter().any(|figure| figure.id == *id) {
                sampled.push(FigureDeclaration::undeclared(id, AddsUp::Samples));
            }
        }
        sampled
    }

    fn distribution(&self, figure: &FigureDeclaration) -> Distribution {
        let values = self.lines.iter().filter_map(|line| line.samples.get(&figure.id)).flatten();
        let (unit, name) = match figure.unit {
            FigureUnit::Milliseconds => (Unit::Milliseconds, "ms"),
            FigureUnit::Count => (Unit::Count, "count"),
            FigureUnit::Bytes => (Unit::Bytes, "bytes"),
        };
        let gap = if figure.about.is_empty() { "" } else { ", " };
        let what = capitalised(&format!("{}{gap}{}", figure.title, figure.about));
        let axis = format!("{} ({name})", figure.title);
        let values = values.map(|value| (*value as f64, 1)).collect();
        Distribution::new(&figure.id, &what, &axis, unit, values)
    }

    /// What every system has.
    fn general(&self) -> [Distribution; 4] {
        let silences = self.lines.iter().flat_map(|line| &line.unavailable_ms);
        let healings = self.lines.iter().filter_map(|line| line.healed_after_ms);
        let timed = self.lines.iter().filter(|line| line.wall_ms > 0);
        let milliseconds = Unit::Milliseconds;
        [
            Distribution::new(
                "unavailability",
                "Silences of more than 500 ms without an acknowledged write",
                "time without an acknowledged write (ms)",
                milliseconds,
                silences.map(|(_, length_ms)| (*length_ms as f64, 1)).collect(),
            ),
            Distribution::new(
                "healing",
                "From the end of faults until the system had healed",
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
        ]
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).collect()
}
