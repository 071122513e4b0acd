//! Shards of a campaign: which part of its runs one of several machines performs.
//!
//! A shard is a function of the campaign's seed, its number and the number of shards, so that no
//! machine needs to know of another. Runs are dealt in turn, as nextest's `slice:k/n` deals tests.
//! Where the number of shards and the number of scenarios have a common divisor, dealing in turn
//! would give a shard the same scenarios for ever; so the order rotates by one after every period
//! in which all pairs of shard and scenario that can meet have met.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// One shard of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// From 0.
    index: u64,
    /// At least 1.
    count: u64,
}

/// More shards than this are a mistake in typing.
pub const SHARDS_MAX: u64 = 1_000_000;

/// A partition that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PartitionError {
    /// Not of the form.
    #[error("expected slice:K/N, the K-th of N shards counted from 1, found `{found}`")]
    Form {
        /// What was given.
        found: String,
    },
    /// Not a shard among so many.
    #[error("there is no shard {number} of {count}: shards are counted from 1 to {count}")]
    NoSuchShard {
        /// The number that was asked for, from 1.
        number: u64,
        /// How many there are.
        count: u64,
    },
    /// Not a number of shards.
    #[error("a campaign has from 1 to {SHARDS_MAX} shards, not {count}")]
    Count {
        /// How many were given.
        count: u64,
    },
}

impl Partition {
    /// The whole campaign.
    pub const WHOLE: Partition = Partition { index: 0, count: 1 };

    /// Shard `number` of `count`, counted from 1.
    ///
    /// # Errors
    /// When there is no such shard.
    pub fn new(number: u64, count: u64) -> Result<Partition, PartitionError> {
        if count == 0 || count > SHARDS_MAX {
            return Err(PartitionError::Count { count });
        }
        if number == 0 || number > count {
            return Err(PartitionError::NoSuchShard { number, count });
        }
        Ok(Partition { index: number - 1, count })
    }

    /// Which shard this is, from 1.
    pub fn number(&self) -> u64 {
        self.index + 1
    }

    /// How many shards there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether there is no other shard.
    pub fn is_whole(&self) -> bool {
        self.count == 1
    }

    /// The place in a list of the shard's i-th element: a plain deal in turn.
    pub(crate) fn of_list(&self, i: u64) -> u64 {
        self.index + i * self.count
    }

    /// How many elements of a list of `length` are the shard's.
    pub(crate) fn share_of(&self, length: u64) -> u64 {
        length.saturating_sub(self.index).div_ceil(self.count)
    }

    /// The place in the campaign's sequence of seeds of the shard's i-th run; it grows with i.
    pub(crate) fn of_seeds(&self, i: u64, scenarios: u64) -> u64 {
        let rounds = scenarios / divisor(scenarios, self.count);
        let (period, round) = (i / rounds, i % rounds);
        let place = (self.index + self.count - period % self.count) % self.count;
        (period * rounds + round) * self.count + place
    }
}

/// The greatest common divisor (Euclid).
fn divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { divisor(b, a % b) }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slice:{}/{}", self.number(), self.count)
    }
}

impl FromStr for Partition {
    type Err = PartitionError;

    fn from_str(text: &str) -> Result<Partition, PartitionError> {
        let number = |digits: &str| {
            let plain = digits.bytes().all(|digit| digit.is_ascii_digit());
            plain.then(|| digits.parse::<u64>().ok()).flatten()
        };
        let parts = text.strip_prefix("slice:").and_then(|rest| rest.split_once('/'));
        match parts.and_then(|(k, n)| number(k).zip(number(n))) {
            Some((k, n)) => Partition::new(k, n),
            None => Err(PartitionError::Form { found: text.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn shards_together_are_the_whole_and_none_shares_with_another() {
        for (count, scenarios) in [(1, 5), (2, 5), (3, 5), (5, 5), (10, 5), (4, 6), (7, 1)] {
            let mut seen = BTreeSet::new();
            // A multiple of every period, so that all shards are equally long.
            let each = scenarios * count;
            for number in 1..=count {
                let shard = Partition::new(number, count).unwrap();
                let places: Vec<u64> = (0..each).map(|i| shard.of_seeds(i, scenarios)).collect();
                assert!(places.is_sorted(), "{shard}: {places:?}");
                for place in places {
                    assert!(seen.insert(place), "{place} is in two shards of {count}");
                }
            }
            assert_eq!(seen, (0..each * count).collect(), "{count} shards, {scenarios} scenarios");
        }
    }

    #[test]
    fn every_shard_sees_every_scenario_equally_often() {
        for (count, scenarios) in [(5, 5), (10, 5), (4, 6), (3, 5)] {
            let shard = Partition::new(count, count).unwrap();
            let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
            for i in 0..scenarios * count {
                *seen.entry(shard.of_seeds(i, scenarios) % scenarios).or_default() += 1;
            }
            assert_eq!(seen.len() as u64, scenarios, "{count} shards: {seen:?}");
            assert!(seen.values().all(|n| *n == count), "{count} shards: {seen:?}");
        }
    }

    #[test]
    fn the_form_is_that_of_nextest() {
        let shard: Partition = "slice:2/5".parse().unwrap();
        assert_eq!(
            (shard.number(), shard.count(), shard.to_string().as_str()),
            (2, 5, "slice:2/5")
        );
        assert_eq!("slice:1/1".parse(), Ok(Partition::WHOLE));
        for bad in
            ["", "2/5", "slice:", "slice:2", "slice:a/5", "slice:-1/5", "slice:+1/5", "hash:1/2"]
        {
            let error = bad.parse::<Partition>().unwrap_err();
            assert!(error.to_string().ends_with(&format!("found `{bad}`")), "{error}");
        }
        for (bad, complaint) in [
            ("slice:0/5", "there is no shard 0 of 5"),
            ("slice:6/5", "there is no shard 6 of 5"),
            ("slice:1/0", "a campaign has from 1 to"),
            ("slice:1/99999999", "not 99999999"),
        ] {
            let error = bad.parse::<Partition>().unwrap_err().to_string();
            assert!(error.contains(complaint), "{error}");
        }
    }
}
