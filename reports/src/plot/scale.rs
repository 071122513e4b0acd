//! A plot's axis: from values to pixels, linear or logarithmic, with ticks at round values.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

/// One axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scale {
    /// The least and the greatest value.
    range: Range<f64>,
    is_log: bool,
}

impl Scale {
    /// A linear axis; an empty range becomes one unit wide.
    pub(crate) fn linear(from: f64, to: f64) -> Scale {
        Scale { range: from..if to > from { to } else { from + 1.0 }, is_log: false }
    }

    /// A logarithmic axis; both ends are positive.
    pub(crate) fn log(from: f64, to: f64) -> Scale {
        assert!(from > 0.0 && to > from, "a logarithmic axis from {from} to {to}");
        Scale { range: from..to, is_log: true }
    }

    /// Where a value is between the pixels of the least and the greatest; values outside are at the
    /// ends.
    pub(crate) fn at(&self, value: f64, pixels: (f64, f64)) -> f64 {
        let value = value.clamp(self.range.start, self.range.end);
        let Range { start, end } = self.range;
        let share = if self.is_log {
            (value / start).ln() / (end / start).ln()
        } else {
            (value - start) / (end - start)
        };
        pixels.0 + share * (pixels.1 - pixels.0)
    }

    /// Round values within the range, at most so many where that is possible.
    fn ticks(&self, most: usize) -> Vec<f64> {
        if self.is_log { self.log_ticks() } else { self.linear_ticks(most.max(2)) }
    }

    fn linear_ticks(&self, most: usize) -> Vec<f64> {
        let Range { start, end } = self.range;
        let step = round_step((end - start) / most as f64);
        let first = (start / step).ceil() as i64;
        let last = (end / step + 1e-9).floor() as i64;
        (first..=last).map(|index| index as f64 * step).collect()
    }

    fn log_ticks(&self) -> Vec<f64> {
        let Range { start, end } = self.range;
        let decades = (end / start).log10();
        let factors: &[f64] = if decades > 3.5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let powers = start.log10().floor() as i32..=end.log10().ceil() as i32;
        let all = powers.flat_map(|power| factors.iter().map(move |f| f * 10f64.powi(power)));
        all.filter(|tick| (start * 0.999..=end * 1.001).contains(tick)).collect()
    }
}

/// The least of 1, 2, 5, 10, ... times a power of ten that is no less.
pub(crate) fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let fits = factors.into_iter().find(|factor| factor * power >= least * (1.0 - 1e-9));
    power * fits.unwrap_or(10.0)
}

impl Ranged for Scale {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.at(*value, (f64::from(limit.0), f64::from(limit.1))).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        self.ticks(hint.bold_points())
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_where_their_share_says() {
        let linear = Scale::linear(0.0, 20.0);
        assert_eq!(linear.at(5.0, (100.0, 500.0)), 200.0);
        assert_eq!(linear.at(99.0, (100.0, 500.0)), 500.0);
        let log = Scale::log(1.0, 1_000.0);
        assert!((log.at(10.0, (300.0, 0.0)) - 200.0).abs() < 1e-9);
        assert_eq!(log.at(0.0, (300.0, 0.0)), 300.0);
    }

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(Scale::linear(0.0, 31.0).ticks(8), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0]);
        assert_eq!(Scale::linear(-30.0, 30.0).ticks(4), [-20.0, 0.0, 20.0]);
        assert_eq!(Scale::log(1.0, 100.0).ticks(9), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        assert_eq!(Scale::log(1.0, 1e5).ticks(9).len(), 6);
        assert_eq!(Scale::linear(3.0, 3.0).range(), 3.0..4.0);
    }
}
