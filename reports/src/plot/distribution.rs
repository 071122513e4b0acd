//! How often each length of time was seen in a campaign: a histogram and, from the right, the share
//! that was no longer.

use evidence::words::milliseconds;

use super::{Axis, Plot, Scale};

/// Bars for each factor of ten.
const BARS_PER_DECADE: f64 = 8.0;

/// What values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Milliseconds of simulated time.
    Milliseconds,
    /// How many, of whatever.
    Count,
    /// Bytes.
    Bytes,
    /// How many times faster than real time.
    TimesRealTime,
}

/// Values of a campaign, such as the lengths of all failovers.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    /// The plot's class, which is also its file's name without `.svg`.
    pub(crate) class: String,
    /// What the values are, for the title.
    pub(crate) what: String,
    /// What the axis shows.
    pub(crate) axis: String,
    pub(crate) unit: Unit,
    /// Each value once, sorted, with how often it was seen.
    values: Vec<(f64, u64)>,
}

/// A bar of the histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bar {
    from: f64,
    to: f64,
    count: u64,
}

impl Distribution {
    /// Values in any order, each with how often it was seen.
    pub(crate) fn new(
        class: &str,
        what: &str,
        axis: &str,
        unit: Unit,
        mut values: Vec<(f64, u64)>,
    ) -> Distribution {
        values.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        values.dedup_by(|(value, count), (kept, sum)| {
            let is_equal = value == kept;
            *sum += if is_equal { *count } else { 0 };
            is_equal
        });
        let [class, what, axis] = [class, what, axis].map(str::to_owned);
        Distribution { class, what, axis, unit, values }
    }

    /// Whether there is nothing to draw.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// How many values there are.
    fn count(&self) -> u64 {
        self.values.iter().map(|(_, count)| count).sum()
    }

    /// The least that at least this share does not exceed.
    fn quantile(&self, share: f64) -> f64 {
        let rank = ((self.count() as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let reached = self.values.iter().find(|(_, count)| {
            seen += count;
            seen >= rank
        });
        reached.map_or(0.0, |(value, _)| *value)
    }

    /// The quantiles in words.
    pub(crate) fn words(&self) -> String {
        let value = |share| match self.unit {
            Unit::Milliseconds => milliseconds(self.quantile(share)),
            Unit::Bytes => format!("{:.0} bytes", self.quantile(share)),
            Unit::Count | Unit::TimesRealTime => format!("{:.0}", self.quantile(share)),
        };
        let (low, high) = match self.unit {
            Unit::Milliseconds => ("shortest", "longest"),
            Unit::Count | Unit::Bytes => ("least", "most"),
            Unit::TimesRealTime => ("slowest", "fastest"),
        };
        match self.count() {
            0 => "none".to_owned(),
            1 => format!("one of {}", value(1.0)),
            count => format!(
                "{count} in all, half within {}, 95 % within {}, 99 % within {}; {low} {}, {high} {}",
                value(0.5),
                value(0.95),
                value(0.99),
                value(0.0),
                value(1.0),
            ),
        }
    }

    /// Bars from the least to the greatest value, each with what it counts: from (with) to (without).
    /// Values below one unit are in the first bar.
    fn bars(&self) -> Vec<Bar> {
        let index = |value: f64| (value.max(1.0).log10() * BARS_PER_DECADE + 1e-9).floor() as i32;
        let (Some((least, _)), Some((most, _))) = (self.values.first(), self.values.last()) else {
            return Vec::new();
        };
        let edge = |index: i32| 10f64.powf(f64::from(index) / BARS_PER_DECADE);
        (index(*least)..=index(*most))
            .map(|bar| Bar {
                from: edge(bar),
                to: edge(bar + 1),
                count: self.values.iter().filter(|v| index(v.0) == bar).map(|v| v.1).sum(),
            })
            .collect()
    }

    /// The file.
    pub(crate) fn standing_alone(&self) -> String {
        self.draw().standing_alone()
    }

    /// A part of a page.
    pub(crate) fn in_page(&self) -> String {
        self.draw().in_page()
    }

    fn draw(&self) -> Plot {
        let bars = self.bars();
        let tallest = bars.iter().map(|bar| bar.count).max().unwrap_or(0);
        let from = bars.first().map_or(1.0, |bar| bar.from / 1.2);
        let to = bars.last().map_or(10.0, |bar| bar.to * 1.2);
        let x = Axis { scale: Scale::log(from, to), what: self.axis.clone() };
        let y = Axis {
            scale: Scale::linear(0.0, tallest.max(1) as f64 * 1.08),
            what: "how often".to_owned(),
        };
        let title = format!("{}: {}", self.what, self.words());
        let mut plot = Plot::new(&self.class, &title, 0, x, y);
        for Bar { from, to, count } in bars {
            let (left, right, top) = (plot.x(from), plot.x(to), plot.y(count as f64));
            let height = plot.bottom() - top;
            plot.over(&format!(
                "<rect class=\"column\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" \
                 height=\"{height:.1}\" data-from=\"{from:.3}\" data-to=\"{to:.3}\" \
                 data-count=\"{count}\"><title>{from:.0} … {to:.0}: {count}</title></rect>",
                left + 0.5,
                (right - left - 1.0).max(0.5),
            ));
        }
        self.shares(&mut plot);
        plot.explain(
            "<rect class=\"column\" y=\"1\" width=\"14\" height=\"12\"/>",
            "how often (left)",
        );
        plot.explain(
            "<path class=\"line series-2\" d=\"M0 7H14\"/>",
            "share that is no greater (right)",
        );
        if self.values.first().is_some_and(|(least, _)| *least < 1.0) {
            plot.explain("", "what is below 1 is drawn at 1");
        }
        plot
    }

    /// The rising line and its axis on the right.
    fn shares(&self, plot: &mut Plot) {
        let height = |share: f64| plot.bottom() + share * (plot.top() - plot.bottom());
        let mut places = Vec::new();
        let (all, mut seen, mut before) = (self.count() as f64, 0, height(0.0));
        for (value, count) in &self.values {
            seen += count;
            let after = height(seen as f64 / all);
            places.extend([(plot.x(*value), before), (plot.x(*value), after)]);
            before = after;
        }
        let right = plot.right();
        if let Some((_, y)) = places.last() {
            places.push((right, *y));
        }
        let labels: Vec<(u32, f64)> =
            [0, 25, 50, 75, 100].map(|p| (p, height(f64::from(p) / 100.0))).to_vec();
        plot.line("series-2", &places, &format!("data-values=\"{}\"", self.count()));
        for (percent, y) in labels {
            plot.over(&format!(
                "<text class=\"tick\" x=\"{:.0}\" y=\"{:.1}\">{percent} %</text>",
                right + 6.0,
                y + 4.0
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::testing::Marks;

    fn failovers(values: &[u64]) -> Distribution {
        let values = values.iter().map(|ms| (*ms as f64, 1)).collect();
        Distribution::new("failovers", "Failovers", "time (ms)", Unit::Milliseconds, values)
    }

    #[test]
    fn every_value_is_in_the_bar_of_its_size() {
        let values = [0, 1, 7, 200, 200, 210, 950, 4_000];
        let marks = Marks::read(&failovers(&values).standing_alone());
        let bars: Vec<_> =
            marks.all("column").filter(|bar| bar.get("data-count").is_some()).collect();
        let mut total = 0;
        for bar in &bars {
            let (from, to) = (bar.number("data-from"), bar.number("data-to"));
            let inside = values
                .iter()
                .map(|v| (*v as f64).max(1.0))
                .filter(|v| *v >= from - 1e-3 && *v < to - 1e-3);
            assert_eq!(inside.count() as f64, bar.number("data-count"), "{from} {to}");
            total += bar.number("data-count") as usize;
        }
        assert_eq!(total, values.len());
        let legend = marks.texts("legend");
        assert!(legend.contains(&"what is below 1 is drawn at 1"), "{legend:?}");
        let tall = bars.iter().max_by(|a, b| a.number("height").total_cmp(&b.number("height")));
        assert_eq!(tall.unwrap().number("data-count"), 3.0);
    }

    #[test]
    fn equal_values_count_together() {
        let pairs = vec![(5.0, 2), (1.0, 3), (5.0, 1)];
        let seen = Distribution::new("seen", "Seen", "n", Unit::TimesRealTime, pairs);
        assert_eq!(seen.values, [(1.0, 3), (5.0, 3)]);
        assert_eq!([0.5, 0.51].map(|share| seen.quantile(share)), [1.0, 5.0]);
    }

    #[test]
    fn quantiles_are_told() {
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(
            failovers(&hundred).words(),
            "100 in all, half within 50 ms, 95 % within 95 ms, 99 % within 99 ms; shortest 1 ms, longest \
             100 ms"
        );
        assert_eq!(failovers(&[7]).words(), "one of 7 ms");
        assert_eq!(failovers(&[]).words(), "none");
        assert!(failovers(&[]).is_empty());
        Marks::read(&failovers(&[]).in_page());
    }
}
