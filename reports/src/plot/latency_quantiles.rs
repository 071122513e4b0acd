//! `latency-quantiles.svg`: quantiles of the latency of acknowledged operations, window by window
//! (Jepsen plots the same four).

use std::collections::BTreeMap;

use evidence::{OutcomeClass, RunPicture};

use super::latency_raw::latency_axis;
use super::run_marks::{explain, over_time, seconds};
use super::{Plot, round_step};

/// The quantiles and the classes of their lines.
const QUANTILES: [(f64, &str); 4] =
    [(0.5, "series-3"), (0.95, "series-1"), (0.99, "series-2"), (1.0, "series-4")];
/// Windows that a run has at most.
const WINDOWS_MAX: f64 = 40.0;

/// The length of a window: round, and long enough that there are few.
pub(super) fn window_ns(picture: &RunPicture) -> u64 {
    let least_s = (seconds(picture.end_ns) / WINDOWS_MAX).max(0.1);
    (round_step(least_s) * 1e9).round() as u64
}

/// The latencies of acknowledged operations by the window in which they were asked, sorted.
fn by_window(picture: &RunPicture, window_ns: u64) -> BTreeMap<u64, Vec<u64>> {
    let mut windows: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for point in &picture.operations {
        if let (OutcomeClass::Ok, Some(ns)) = (point.outcome, point.latency_ns()) {
            windows.entry(point.invoke_ns / window_ns).or_default().push(ns);
        }
    }
    windows.values_mut().for_each(|latencies| latencies.sort_unstable());
    windows
}

/// The least that at least this share does not exceed.
fn quantile(sorted: &[u64], share: f64) -> u64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted[rank.max(1) - 1]
}

/// Draws it.
pub(crate) fn draw(picture: &RunPicture) -> Plot {
    let window_ns = window_ns(picture);
    let windows = by_window(picture, window_ns);
    let title = format!(
        "Quantiles of the latency of acknowledged operations, by windows of {} s in which they were \
         asked",
        seconds(window_ns)
    );
    let mut plot = over_time("latency-quantiles", &title, picture, latency_axis(picture));
    for (share, class) in QUANTILES {
        let mut run: Vec<(f64, f64)> = Vec::new();
        let mut last = None;
        for (window, latencies) in &windows {
            let latency_ns = quantile(latencies, share);
            let middle_ns = window * window_ns + window_ns / 2;
            let place = (plot.x(seconds(middle_ns)), plot.y(latency_ns as f64 / 1e6));
            // Where nothing was acknowledged there is no line.
            if last.is_some_and(|last| last + 1 != *window) {
                plot.line(class, &std::mem::take(&mut run), "");
            }
            run.push(place);
            last = Some(*window);
            plot.over(&format!(
                "<circle class=\"dot {class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.2\" \
                 data-from-ns=\"{}\" data-to-ns=\"{}\" data-quantile=\"{share}\" \
                 data-latency-ns=\"{latency_ns}\"/>",
                place.0,
                place.1,
                window * window_ns,
                (window + 1) * window_ns,
            ));
        }
        plot.line(class, &run, "");
        let symbol = format!("<path class=\"line {class}\" d=\"M0 7H14\"/>");
        let name = if share == 1.0 { "slowest".to_owned() } else { format!("quantile {share}") };
        plot.explain(symbol, name);
    }
    explain(&mut plot, picture);
    plot
}

#[cfg(test)]
mod tests {
    use evidence::OperationPoint;
    use evidence::example::picture as example;

    use super::*;
    use crate::plot::testing::Marks;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn dots_are_the_quantiles_of_their_windows() {
        let picture = example();
        let marks = Marks::read(&draw(&picture).standing_alone());
        let mut seen = 0;
        for dot in marks.all("dot") {
            let (from, to) = (dot.number("data-from-ns") as u64, dot.number("data-to-ns") as u64);
            let inside = |point: &&OperationPoint| {
                (from..to).contains(&point.invoke_ns) && point.outcome == OutcomeClass::Ok
            };
            let inside: Vec<u64> = picture
                .operations
                .iter()
                .filter(inside)
                .filter_map(OperationPoint::latency_ns)
                .collect();
            let (share, told) = (dot.number("data-quantile"), dot.number("data-latency-ns") as u64);
            let within = inside.iter().filter(|ns| **ns <= told).count() as f64;
            let below = inside.iter().filter(|ns| **ns < told).count() as f64;
            let count = inside.len() as f64;
            assert!(within >= share * count && below < share * count && inside.contains(&told));
            seen += 1;
        }
        assert_eq!(seen, 4 * 40);
    }

    #[test]
    fn a_window_without_answers_breaks_the_lines() {
        let mut picture = example();
        let lines = |picture: &RunPicture| {
            let marks = Marks::read(&draw(picture).standing_alone());
            marks.all("line").filter(|line| !line.get("d").unwrap().ends_with("H14")).count()
        };
        assert_eq!(lines(&picture), 4);
        picture.operations.retain(|point| !(5 * SECOND..7 * SECOND).contains(&point.invoke_ns));
        assert_eq!(lines(&picture), 8);
    }

    #[test]
    fn windows_are_round() {
        for (end_s, ns) in [(20, 500_000_000), (31, SECOND), (300, 10 * SECOND), (1, 100_000_000)] {
            let picture = RunPicture { end_ns: end_s * SECOND, ..RunPicture::default() };
            assert_eq!(window_ns(&picture), ns, "{end_s}");
        }
    }
}
