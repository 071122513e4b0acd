//! `rate.svg`: how many operations ended each second, by outcome.

use evidence::{OutcomeClass, RunPicture};

use crate::story::outcome_colour;

use super::latency_quantiles::window_ns;
use super::run_marks::{explain, over_time, seconds};
use super::{Axis, Plot, Scale};

/// How many operations ended so in each window.
fn counts(picture: &RunPicture, window_ns: u64, outcome: OutcomeClass) -> Vec<u64> {
    let windows = picture.end_ns / window_ns + 1;
    let mut counts = vec![0; windows as usize];
    for point in picture.operations.iter().filter(|point| point.outcome == outcome) {
        let window = point.complete_ns.map(|ns| (ns / window_ns) as usize);
        if let Some(count) = window.and_then(|window| counts.get_mut(window)) {
            *count += 1;
        }
    }
    counts
}

/// Draws it.
pub(crate) fn draw(picture: &RunPicture) -> Plot {
    let window_ns = window_ns(picture);
    let per_second = |count: u64| count as f64 / seconds(window_ns);
    let all = OutcomeClass::ALL.map(|outcome| (outcome, counts(picture, window_ns, outcome)));
    let most = all.iter().flat_map(|(_, counts)| counts).copied().max().unwrap_or(0);
    let axis = Axis {
        scale: Scale::linear(0.0, per_second(most).max(1.0) * 1.1),
        what: "operations ended (1/s)".to_owned(),
    };
    let total: u64 = all[0].1.iter().sum();
    let title = format!(
        "Operations that ended each second, by outcome: {total} acknowledged in {:.0} s (windows \
         of {} s)",
        seconds(picture.end_ns),
        seconds(window_ns)
    );
    let mut plot = over_time("rate", &title, picture, axis);
    for (outcome, counts) in &all {
        if counts.iter().all(|count| *count == 0) {
            continue;
        }
        let mut steps = Vec::with_capacity(counts.len() * 2);
        for (window, count) in (0u64..).zip(counts) {
            let ends = [window * window_ns, ((window + 1) * window_ns).min(picture.end_ns)];
            steps.extend(ends.map(|ns| (plot.x(seconds(ns)), plot.y(per_second(*count)))));
        }
        let listed: Vec<String> = counts.iter().map(u64::to_string).collect();
        let data = format!(
            "data-outcome=\"{}\" data-window-ns=\"{window_ns}\" data-counts=\"{}\"",
            outcome.name(),
            listed.join(" ")
        );
        plot.line(&format!("stroke-{}", outcome_colour(*outcome)), &steps, &data);
        let symbol =
            format!("<path class=\"line stroke-{}\" d=\"M0 7H14\"/>", outcome_colour(*outcome));
        plot.explain(symbol, outcome.name());
    }
    explain(&mut plot, picture);
    plot
}

#[cfg(test)]
mod tests {
    use evidence::example::picture as example;

    use super::*;
    use crate::plot::testing::Marks;

    /// The counts that a plot has for an outcome.
    fn told(picture: &RunPicture, outcome: OutcomeClass) -> Vec<u64> {
        let marks = Marks::read(&draw(picture).standing_alone());
        let line = marks.all("line").find(|line| line.get("data-outcome") == Some(outcome.name()));
        let counts = line.unwrap().get("data-counts").unwrap();
        counts.split(' ').map(|count| count.parse().unwrap()).collect()
    }

    #[test]
    fn counts_are_those_of_the_history() {
        let picture = example();
        // Nothing in the example was not sent, and what there is none of has no line.
        for outcome in [OutcomeClass::Ok, OutcomeClass::Refused, OutcomeClass::Unknown] {
            let ended = picture
                .operations
                .iter()
                .filter(|point| point.outcome == outcome && point.complete_ns.is_some());
            let told = told(&picture, outcome);
            assert_eq!(told.iter().sum::<u64>(), ended.clone().count() as u64);
            let in_third = |ns: u64| (1_000_000_000..1_500_000_000).contains(&ns);
            let third = ended.filter_map(|point| point.complete_ns).filter(|ns| in_third(*ns));
            assert_eq!(told[2], third.count() as u64);
        }
        let mut fewer = example();
        fewer.operations.remove(0);
        assert_ne!(told(&picture, OutcomeClass::Ok), told(&fewer, OutcomeClass::Ok));
    }
}
