//! World time: true time, which no host's clock need show.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A moment of a run, in nanoseconds since its start. Spans between moments are [`Duration`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// When a run begins.
    pub const START: Time = Time(0);
    /// After the end of every run.
    pub const NEVER: Time = Time(u64::MAX);

    /// So many nanoseconds after the start.
    pub const fn from_ns(ns: u64) -> Time {
        Time(ns)
    }

    /// So many milliseconds after the start; [`Time::NEVER`] if that is later than can be counted.
    pub const fn from_ms(ms: u64) -> Time {
        Time(ms.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the start.
    pub const fn ns(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the start.
    pub const fn ms(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    /// Ends at [`Time::NEVER`].
    fn add(self, span: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl AddAssign<Duration> for Time {
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}

impl Sub for Time {
    type Output = Duration;

    /// # Panics
    /// If `earlier` is later.
    fn sub(self, earlier: Time) -> Duration {
        let span_ns = self.0.checked_sub(earlier.0);
        Duration::from_nanos(span_ns.expect("a span ends after it begins"))
    }
}

impl fmt::Display for Time {
    /// As in `1250.300 ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} ms", self.ms(), self.0 / 1_000 % 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_spans_add_up() {
        let time = Time::from_ms(1_250) + Duration::from_micros(300);
        assert_eq!(
            (time.ns(), time.ms(), time.to_string()),
            (1_250_300_000, 1_250, "1250.300 ms".into())
        );
        assert_eq!(time - Time::from_ms(1_250), Duration::from_micros(300));
        assert_eq!(Time::from_ms(u64::MAX), Time::NEVER);
        assert_eq!(Time::NEVER + Duration::from_secs(1), Time::NEVER);
        assert!(Time::START < time);
    }
}
