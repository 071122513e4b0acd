//! One clock of a host: it may run fast or slow and be set, against the world's time.
//!
//! A host has two, the wall clock and the monotonic clock, which go wrong independently. Rates are
//! whole parts per billion and all arithmetic is exact on integers, so that a seed means the same on
//! every machine.

/// Parts of a rate.
const BILLION: i128 = 1_000_000_000;

/// A clock as a line through the world's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearClock {
    /// World time since which the rate holds.
    since_ns: u64,
    /// What the clock showed then. It may lie before the epoch, where the clock reads as zero.
    shown_ns: i128,
    /// How much faster than the world's time, in parts per billion.
    rate_ppb: i64,
}

impl LinearClock {
    /// A right clock that shows `shown_ns` at the start of the world.
    pub fn new(shown_ns: u64) -> LinearClock {
        LinearClock { since_ns: 0, shown_ns: i128::from(shown_ns), rate_ppb: 0 }
    }

    /// What the clock shows at a moment of the world's time not before the last change.
    pub fn read_ns(&self, world_ns: u64) -> u64 {
        let shown = self.line_ns(world_ns);
        u64::try_from(shown.max(0)).unwrap_or(u64::MAX)
    }

    /// The first moment of the world's time at which the clock shows `local_ns` or more; the moment
    /// of the last change if it showed more even then.
    pub fn world_ns_when(&self, local_ns: u64) -> u64 {
        let ahead = i128::from(local_ns) - self.shown_ns;
        if ahead <= 0 {
            return self.since_ns;
        }
        let elapsed = match self.rate_ppb {
            0 => ahead,
            rate => (ahead * BILLION).div_ceil_by(BILLION + i128::from(rate)),
        };
        u64::try_from(i128::from(self.since_ns) + elapsed).unwrap_or(u64::MAX)
    }

    /// From `world_ns` on the clock gains `rate_ppb` billionths (loses, if negative).
    ///
    /// # Panics
    /// If the clock would stand still or run backwards.
    pub fn set_rate(&mut self, world_ns: u64, rate_ppb: i64) {
        assert!(i128::from(rate_ppb) > -BILLION, "a clock runs forwards: {rate_ppb} ppb");
        *self = LinearClock { since_ns: world_ns, shown_ns: self.line_ns(world_ns), rate_ppb };
    }

    /// At `world_ns` the clock is set ahead by `ahead_ns` (back, if negative).
    pub fn shift(&mut self, world_ns: u64, ahead_ns: i128) {
        let shown_ns = self.line_ns(world_ns) + ahead_ns;
        *self = LinearClock { since_ns: world_ns, shown_ns, rate_ppb: self.rate_ppb };
    }

    /// How much faster than the world's time the clock runs, in parts per billion.
    pub fn rate_ppb(&self) -> i64 {
        self.rate_ppb
    }

    fn line_ns(&self, world_ns: u64) -> i128 {
        let elapsed = i128::from(world_ns.saturating_sub(self.since_ns));
        let gained = match self.rate_ppb {
            0 => 0,
            rate => (elapsed * i128::from(rate)).div_euclid(BILLION),
        };
        self.shown_ns + elapsed + gained
    }
}

/// Division that rounds up.
trait DivCeil {
    fn div_ceil_by(self, divisor: i128) -> i128;
}

impl DivCeil for i128 {
    fn div_ceil_by(self, divisor: i128) -> i128 {
        -(-self).div_euclid(divisor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shifts_add_up_and_undo_each_other_even_below_the_epoch() {
        let mut clock = LinearClock::new(1_000);
        clock.shift(5, -3_000);
        assert_eq!(clock.read_ns(10), 0, "it stops at the epoch");
        clock.shift(20, 3_000);
        assert_eq!(clock.read_ns(25), 1_025);
    }

    #[test]
    fn rate_holds_from_its_moment_on() {
        let mut clock = LinearClock::new(0);
        clock.set_rate(1_000, 500_000_000);
        assert_eq!(clock.read_ns(2_000), 2_500);
        clock.set_rate(2_000, -500_000_000);
        assert_eq!(clock.read_ns(3_000), 3_000);
        assert_eq!(clock.world_ns_when(3_500), 4_000);
    }

    proptest! {
        #[test]
        fn world_time_of_a_reading_is_the_first_that_shows_it(
            rate in -999_999_999i64..5_000_000_000, since in 0u64..1 << 50, local in 0u64..1 << 52,
        ) {
            let mut clock = LinearClock::new(0);
            clock.set_rate(since, rate);
            let at = clock.world_ns_when(local);
            prop_assert!(at >= since);
            prop_assert!(at == u64::MAX || clock.read_ns(at) >= local);
            prop_assert!(at == since || clock.read_ns(at - 1) < local);
        }
    }
}
