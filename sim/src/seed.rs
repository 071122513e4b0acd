//! Every random draw of a run, from named streams.
//!
//! A stream is ChaCha8 keyed by (seed, purpose, host, index). Two purposes, two hosts or two faults
//! never share a stream, so that removing one fault from a plan moves no draw of another: without
//! that a failing plan could not be shrunk. Only integers and one comparison of a 53-bit fraction
//! are used, so that a seed means the same on every machine.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// The index of a stream that belongs to no host.
const NO_HOST: u64 = u64::MAX;

/// A stream of draws.
#[derive(Clone, Debug)]
pub struct Draws(ChaCha8Rng);

impl Draws {
    /// The stream of `purpose` that belongs to the whole run.
    pub fn new(seed: u64, purpose: &str, index: u64) -> Draws {
        Draws::keyed(seed, purpose, NO_HOST, index)
    }

    /// The stream of `purpose` that belongs to one host.
    pub fn for_host(seed: u64, purpose: &str, host: u32, index: u64) -> Draws {
        Draws::keyed(seed, purpose, u64::from(host), index)
    }

    fn keyed(seed: u64, purpose: &str, host: u64, index: u64) -> Draws {
        let mut key = [0; 32];
        for (part, value) in key.chunks_exact_mut(8).zip([seed, fnv1a(purpose), host, index]) {
            part.copy_from_slice(&value.to_le_bytes());
        }
        Draws(ChaCha8Rng::from_seed(key))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `0..limit`.
    ///
    /// # Panics
    /// If `limit` is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        assert!(limit > 0, "nothing lies below zero");
        // Lemire's multiplication; the few low products that would favour some results are redrawn.
        loop {
            let product = u128::from(self.bits()) * u128::from(limit);
            let low = product as u64;
            // Those products are below the limit, so that most draws need no division.
            if low >= limit || low >= limit.wrapping_neg() % limit {
                return (product >> 64) as u64;
            }
        }
    }

    /// Uniform in `low..=high`.
    ///
    /// # Panics
    /// If `low > high`.
    pub fn range(&mut self, low: u64, high: u64) -> u64 {
        assert!(low <= high, "the range {low}..={high} is empty");
        match (high - low).checked_add(1) {
            Some(width) => low + self.below(width),
            None => self.bits(),
        }
    }

    /// True with `probability`; 0 is never and 1 is always.
    pub fn chance(&mut self, probability: f64) -> bool {
        const STEPS: f64 = (1u64 << 53) as f64;
        ((self.bits() >> 11) as f64) < probability * STEPS
    }

    /// In `low..=high`, each power of two as likely as any other (a range cut by a limit less so).
    ///
    /// # Panics
    /// If `low` is 0 or above `high`.
    pub fn log_uniform(&mut self, low: u64, high: u64) -> u64 {
        assert!(0 < low && low <= high, "no logarithmic range {low}..={high}");
        let (first, last) = (u64::from(low.ilog2()), u64::from(high.ilog2()));
        loop {
            let octave = 1u64 << self.range(first, last);
            let drawn = self.range(octave, octave + (octave - 1));
            if (low..=high).contains(&drawn) {
                return drawn;
            }
        }
    }

    /// One of `items`; none if there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() {
            return None;
        }
        items.get(self.below(items.len() as u64) as usize)
    }

    /// Puts `items` in a random order, each order equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.range(0, last as u64) as usize);
        }
    }

    /// Fills `bytes` with randomness.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

/// Fowler, Noll and Vo's hash, variant 1a: turns a purpose into a part of the key.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_in_every_part_of_their_name_and_nothing_else() {
        let first = |mut draws: Draws| draws.bits();
        let base = first(Draws::for_host(1, "disk", 2, 3));
        assert_eq!(base, first(Draws::for_host(1, "disk", 2, 3)));
        for other in [
            Draws::for_host(9, "disk", 2, 3),
            Draws::for_host(1, "entropy", 2, 3),
            Draws::for_host(1, "disk", 9, 3),
            Draws::for_host(1, "disk", 2, 9),
            Draws::new(1, "disk", 3),
        ] {
            assert_ne!(base, first(other));
        }
    }

    /// A stored plan's draws must stay what they were.
    #[test]
    fn a_seed_keeps_its_meaning() {
        let mut draws = Draws::new(42, "plan", 0);
        let drawn: Vec<u64> = (0..4).map(|_| draws.below(1000)).collect();
        assert_eq!(drawn, EXPECTED_DRAWS);
    }
    const EXPECTED_DRAWS: [u64; 4] = [591, 731, 27, 905];

    #[test]
    fn draws_stay_in_range_and_reach_its_ends() {
        let mut draws = Draws::new(7, "range", 0);
        let mut seen = [0u32; 5];
        for _ in 0..5_000 {
            seen[draws.range(10, 14) as usize - 10] += 1;
        }
        assert!(seen.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
        assert_eq!(draws.range(3, 3), 3);
        draws.range(0, u64::MAX);
    }

    #[test]
    fn chance_is_exact_at_its_ends() {
        let mut draws = Draws::new(7, "chance", 0);
        assert!((0..1000).all(|_| !draws.chance(0.0)));
        assert!((0..1000).all(|_| draws.chance(1.0)));
        let hits = (0..10_000).filter(|_| draws.chance(0.25)).count();
        assert!((2_200..2_800).contains(&hits), "{hits}");
    }

    #[test]
    fn log_uniform_favours_no_octave() {
        let mut draws = Draws::new(7, "log", 0);
        let mut octaves = [0u32; 10];
        for _ in 0..10_000 {
            octaves[draws.log_uniform(1, 1023).ilog2() as usize] += 1;
        }
        assert!(octaves.iter().all(|&n| (800..1200).contains(&n)), "{octaves:?}");
        assert!((0..100).all(|_| (900..=1100).contains(&draws.log_uniform(900, 1100))));
    }

    #[test]
    fn shuffle_permutes_and_pick_finds_nothing_in_nothing() {
        let mut draws = Draws::new(7, "shuffle", 0);
        let mut items: Vec<u32> = (0..50).collect();
        draws.shuffle(&mut items);
        assert!(!items.is_sorted());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
        assert_eq!(draws.pick::<u8>(&[]), None);
        assert_eq!(draws.pick(&[5]), Some(&5));
    }
}
