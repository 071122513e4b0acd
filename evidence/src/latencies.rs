//! How long answers took, small enough for a line of `seeds.jsonl` and exact enough for a report.
//!
//! Latencies are kept in microseconds, rounded down to two significant digits, with a count for
//! each: at most 90 entries for a factor of ten, every quantile at most a tenth too small, and two
//! runs add up without loss.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counts of latencies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Latencies {
    by_us: BTreeMap<u64, u64>,
}

impl Latencies {
    /// Counts one, in nanoseconds.
    pub fn add_ns(&mut self, latency_ns: u64) {
        *self.by_us.entry(rounded(latency_ns / 1_000)).or_default() += 1;
    }

    /// Counts those of another run too.
    pub fn merge(&mut self, other: &Latencies) {
        for (us, count) in &other.by_us {
            *self.by_us.entry(*us).or_default() += count;
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.by_us.values().sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_us.is_empty()
    }

    /// The least kept latency in microseconds that at least this share (0 to 1) do not exceed.
    pub fn quantile_us(&self, share: f64) -> Option<u64> {
        // The nearest rank, from 1: the share 0 is the least, the share 1 the greatest.
        let rank = ((self.count() as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        self.by_us.iter().find_map(|(us, count)| {
            seen += count;
            (seen >= rank).then_some(*us)
        })
    }

    /// Every kept latency in microseconds with its count, the least first.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.by_us.iter().map(|(us, count)| (*us, *count))
    }
}

impl FromIterator<u64> for Latencies {
    /// Counts latencies that are given in nanoseconds.
    fn from_iter<I: IntoIterator<Item = u64>>(latencies_ns: I) -> Latencies {
        let mut latencies = Latencies::default();
        latencies_ns.into_iter().for_each(|ns| latencies.add_ns(ns));
        latencies
    }
}

/// Down to two significant digits.
fn rounded(value: u64) -> u64 {
    let mut unit = 1;
    while value / unit >= 100 {
        unit *= 10;
    }
    value / unit * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_digits_are_kept() {
        for (value, kept) in [(0, 0), (7, 7), (99, 99), (100, 100), (109, 100), (12_999, 12_000)] {
            assert_eq!(rounded(value), kept);
        }
        assert_eq!(rounded(u64::MAX), 18_000_000_000_000_000_000);
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_list() {
        let milliseconds = [5u64, 1, 1, 2, 9, 3, 4, 6, 7, 8];
        let latencies: Latencies = milliseconds.iter().map(|ms| ms * 1_000_000).collect();
        for (share, ms) in [(0.0, 1), (0.1, 1), (0.2, 1), (0.21, 2), (0.5, 4), (0.95, 9), (1.0, 9)]
        {
            assert_eq!(latencies.quantile_us(share), Some(ms * 1_000), "{share}");
        }
        assert_eq!(Latencies::default().quantile_us(0.5), None);
    }

    #[test]
    fn merging_is_counting_together_and_json_gives_it_back() {
        let (first, second) = ([1_000_000u64, 2_000_000], [2_000_000u64, 70_000_000]);
        let mut merged: Latencies = first.into_iter().collect();
        merged.merge(&second.into_iter().collect());
        let together: Latencies = first.into_iter().chain(second).collect();
        assert_eq!(merged, together);
        let json = serde_json::to_string(&merged).unwrap();
        assert_eq!(json, r#"{"1000":1,"2000":2,"70000":1}"#);
        assert_eq!(serde_json::from_str::<Latencies>(&json).unwrap(), merged);
        assert_eq!(merged.iter().map(|(_, count)| count).sum::<u64>(), merged.count());
    }
}
