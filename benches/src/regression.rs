//! Whether a run is worse than its baseline: medians are compared, and the spread of the rounds
//! decides whether a difference means anything.

use reports::{BenchComparison, BenchReport, Better, ComparedFigure, Figure, FigureVerdict};

/// Compares figure by figure. `limit` is how much worse a median may be, as a share (0.1 for 10%).
///
/// A figure has regressed if it is worse by more than the limit and by more than the spread of
/// either run. If the spread of either is wider than the limit, a smaller difference says nothing:
/// the figure is undecided.
pub fn compare(
    name: &str,
    baseline: &BenchReport,
    run: &BenchReport,
    limit: f64,
) -> BenchComparison {
    let before = |figure: &Figure| baseline.figures.iter().find(|each| each.name == figure.name);
    let mut lines: Vec<ComparedFigure> = run
        .figures
        .iter()
        .map(|now| match before(now) {
            Some(before) => compared(before, now, limit),
            None => unmatched(now, None, Some(now.median())),
        })
        .collect();
    let gone = |figure: &&Figure| !run.figures.iter().any(|each| each.name == figure.name);
    let gone = baseline.figures.iter().filter(gone);
    lines.extend(gone.map(|figure| unmatched(figure, Some(figure.median()), None)));
    BenchComparison { baseline: name.to_owned(), limit, lines }
}

fn compared(before: &Figure, now: &Figure, limit: f64) -> ComparedFigure {
    let (old, new) = (before.median(), now.median());
    let difference = match now.better {
        Better::Higher => old - new,
        Better::Lower => new - old,
    };
    // From nothing, anything is infinitely more.
    let worse = if difference == 0.0 { 0.0 } else { difference / old.abs() };
    let spread = before.spread().max(now.spread());
    ComparedFigure {
        name: now.name.clone(),
        unit: now.unit.clone(),
        before: Some(old),
        now: Some(new),
        worse,
        spread,
        verdict: verdict(worse, spread, limit),
    }
}

fn verdict(worse: f64, spread: f64, limit: f64) -> FigureVerdict {
    if worse > limit && worse > spread {
        FigureVerdict::Regressed
    } else if spread > limit {
        FigureVerdict::Undecided
    } else if -worse > limit {
        FigureVerdict::Better
    } else {
        FigureVerdict::Same
    }
}

fn unmatched(figure: &Figure, before: Option<f64>, now: Option<f64>) -> ComparedFigure {
    ComparedFigure {
        name: figure.name.clone(),
        unit: figure.unit.clone(),
        before,
        now,
        worse: 0.0,
        spread: figure.spread(),
        verdict: FigureVerdict::Unmatched,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use reports::BenchTarget;

    use super::*;
    use crate::Measured;
    use crate::machine::machine;

    fn report(figures: &[(&str, Better, &[f64])]) -> BenchReport {
        let mut measured = Measured::new(BenchTarget::Sim, BTreeMap::new());
        for (name, better, rounds) in figures {
            for value in *rounds {
                measured.round(name, "1/s", *better, *value);
            }
        }
        measured.report(machine(None))
    }

    fn verdict_of(better: Better, before: &[f64], now: &[f64]) -> FigureVerdict {
        let (before, now) = (report(&[("x", better, before)]), report(&[("x", better, now)]));
        let comparison = compare("main", &before, &now, 0.1);
        assert_eq!(comparison.lines.len(), 1);
        comparison.lines[0].verdict
    }

    #[test]
    fn a_fall_beyond_limit_and_spread_is_seen_in_either_direction() {
        let steady = [99.0, 100.0, 101.0];
        assert_eq!(
            verdict_of(Better::Higher, &steady, &[84.0, 85.0, 86.0]),
            FigureVerdict::Regressed
        );
        assert_eq!(
            verdict_of(Better::Lower, &steady, &[114.0, 115.0, 116.0]),
            FigureVerdict::Regressed
        );
        assert_eq!(
            verdict_of(Better::Higher, &steady, &[114.0, 115.0, 116.0]),
            FigureVerdict::Better
        );
        assert_eq!(verdict_of(Better::Lower, &steady, &[84.0, 85.0, 86.0]), FigureVerdict::Better);
    }

    #[test]
    fn within_the_limit_nothing_is_said() {
        let steady = [99.0, 100.0, 101.0];
        for now in [[94.0, 95.0, 96.0], steady, [104.0, 105.0, 106.0]] {
            for better in [Better::Higher, Better::Lower] {
                assert_eq!(verdict_of(better, &steady, &now), FigureVerdict::Same);
            }
        }
    }

    #[test]
    fn noise_is_no_regression_but_a_collapse_in_noise_is() {
        let noisy = [80.0, 100.0, 115.0];
        assert_eq!(verdict_of(Better::Higher, &noisy, &[80.0; 3]), FigureVerdict::Undecided);
        assert_eq!(verdict_of(Better::Higher, &[100.0; 3], &noisy), FigureVerdict::Undecided);
        assert_eq!(verdict_of(Better::Higher, &noisy, &[20.0; 3]), FigureVerdict::Regressed);
        assert_eq!(verdict_of(Better::Higher, &[100.0], &[50.0]), FigureVerdict::Undecided);
    }

    #[test]
    fn what_only_one_has_is_shown_and_not_judged() {
        let before = report(&[("a", Better::Higher, &[1.0, 1.0]), ("b", Better::Lower, &[2.0])]);
        let now = report(&[("a", Better::Higher, &[1.0, 1.0]), ("c", Better::Lower, &[3.0])]);
        let lines = compare("main", &before, &now, 0.1).lines;
        let short: Vec<_> =
            lines.iter().map(|line| (line.name.as_str(), line.before, line.now)).collect();
        assert_eq!(
            short,
            [("a", Some(1.0), Some(1.0)), ("c", None, Some(3.0)), ("b", Some(2.0), None)]
        );
        assert_eq!(lines[0].verdict, FigureVerdict::Same);
        assert!(lines[1..].iter().all(|line| line.verdict == FigureVerdict::Unmatched));
    }

    #[test]
    fn from_nothing_to_something_is_worse() {
        assert_eq!(verdict_of(Better::Lower, &[0.0, 0.0], &[5.0, 5.0]), FigureVerdict::Regressed);
        assert_eq!(verdict_of(Better::Lower, &[0.0, 0.0], &[0.0, 0.0]), FigureVerdict::Same);
    }
}
