//! `latency-raw.svg`: every operation, when it was asked and how long it took, by kind and outcome.

use std::fmt::Write as _;

use evidence::words::milliseconds;
use evidence::{Latencies, OperationPoint, OutcomeClass, RunPicture};

use crate::story::outcome_colour;
use crate::style::escape;

use super::run_marks::{explain, over_time, seconds};
use super::{Axis, Scale};

/// The shortest latency that has a place of its own; shorter ones are drawn there.
const LATENCY_MIN_MS: f64 = 0.5;

/// Draws it.
pub(crate) fn draw(picture: &RunPicture) -> super::Plot {
    let mut plot = over_time("latency-raw", &title(picture), picture, latency_axis(picture));
    let kinds = picture.all_kinds();
    let symbol_of = |kind: &str| kinds.iter().position(|known| *known == kind).unwrap_or(0);
    for point in &picture.operations {
        // What was never answered is as old as the run lets it be.
        let end_ns = point.complete_ns.unwrap_or(picture.end_ns);
        let latency_ns = end_ns.saturating_sub(point.invoke_ns);
        let (x, y) = (plot.x(seconds(point.invoke_ns)), plot.y(latency_ns as f64 / 1e6));
        let mut data =
            format!("data-at-ns=\"{}\" data-client=\"{}\"", point.invoke_ns, point.client);
        if point.complete_ns.is_some() {
            let _ = write!(data, " data-latency-ns=\"{latency_ns}\"");
        }
        plot.over(&format!(
            "<path class=\"point {}\" d=\"{}\" data-kind=\"{}\" {data}/>",
            outcome_colour(point.outcome),
            shape(symbol_of(&point.kind), x, y),
            escape(&point.kind),
        ));
    }
    for (number, kind) in kinds.iter().enumerate() {
        if picture.operations.iter().any(|point| point.kind == *kind) {
            let symbol = format!("<path class=\"point plain\" d=\"{}\"/>", shape(number, 7.0, 7.0));
            plot.explain(symbol, *kind);
        }
    }
    for outcome in OutcomeClass::ALL {
        if picture.operations.iter().any(|point| point.outcome == outcome) {
            let colour = outcome_colour(outcome);
            let symbol = format!(
                "<rect class=\"mark {colour}\" x=\"1\" y=\"1\" width=\"12\" height=\"12\"/>"
            );
            plot.explain(symbol, outcome.name());
        }
    }
    explain(&mut plot, picture);
    plot
}

fn title(picture: &RunPicture) -> String {
    let answered = |point: &&OperationPoint| point.outcome == OutcomeClass::Ok;
    let times = picture.operations.iter().filter(answered).filter_map(OperationPoint::latency_ns);
    let slowest_ns = times.clone().max();
    let half_us = times.collect::<Latencies>().quantile_us(0.5);
    let tail = match (half_us, slowest_ns) {
        (Some(half_us), Some(slowest_ns)) => format!(
            "half of those acknowledged within {}, the slowest after {}",
            milliseconds(half_us as f64 / 1e3),
            milliseconds(slowest_ns as f64 / 1e6),
        ),
        _ => "none was acknowledged".to_owned(),
    };
    format!("How long each of {} operations took: {tail}", picture.operations.len())
}

/// A logarithmic axis that holds every latency.
pub(super) fn latency_axis(picture: &RunPicture) -> Axis {
    let latency = |point: &OperationPoint| {
        point.complete_ns.unwrap_or(picture.end_ns).saturating_sub(point.invoke_ns)
    };
    let longest_ns = picture.operations.iter().map(latency).max().unwrap_or(0);
    let top_ms = (longest_ns as f64 / 1e6 * 1.4).max(10.0);
    Axis { scale: Scale::log(LATENCY_MIN_MS, top_ms), what: "latency (ms)".to_owned() }
}

/// A shape around a place, another one for each kind; kinds beyond the ninth share one.
fn shape(kind: usize, x: f64, y: f64) -> String {
    let at = |dx: f64, dy: f64| format!("{:.1} {:.1}", x + dx, y + dy);
    match kind {
        // A circle of two arcs.
        0 => format!("M{}a3 3 0 1 0 6 0a3 3 0 1 0-6 0z", at(-3.0, 0.0)),
        1 => format!("M{}h5.4v5.4h-5.4z", at(-2.7, -2.7)),
        2 => format!("M{}l3.6 6.4h-7.2z", at(0.0, -3.8)),
        3 => format!("M{}l3.6-6.4h-7.2z", at(0.0, 3.8)),
        4 => format!("M{}h6v2h-6z", at(-3.0, -1.0)),
        5 => format!("M{}h2v6h-2z", at(-1.0, -3.0)),
        6 => format!("M{}l4 4l-4 4l-4-4z", at(0.0, -4.0)),
        7 => {
            format!("M{}h2v2.2h2.2v2h-2.2v2.2h-2v-2.2h-2.2v-2h2.2z", at(-1.0, -3.2))
        }
        _ => format!("M{}h3v3h-3z", at(-1.5, -1.5)),
    }
}

#[cfg(test)]
mod tests {
    use evidence::example::picture as example;

    use super::*;
    use crate::plot::testing::{Mark, Marks};

    fn points(marks: &Marks) -> Vec<&Mark> {
        marks.all("point").filter(|mark| mark.get("data-at-ns").is_some()).collect()
    }

    fn agrees(mark: &Mark, point: &OperationPoint) -> bool {
        let number = |name: &str| mark.get(name).map(|text| text.parse::<u64>().unwrap());
        number("data-at-ns") == Some(point.invoke_ns)
            && number("data-latency-ns") == point.latency_ns()
            && number("data-client") == Some(u64::from(point.client))
            && mark.get("data-kind") == Some(point.kind.as_str())
            && mark.is(outcome_colour(point.outcome))
    }

    #[test]
    fn points_are_the_operations() {
        let picture = example();
        let marks = Marks::read(&draw(&picture).standing_alone());
        let points = points(&marks);
        assert_eq!(points.len(), picture.operations.len());
        assert!(points.iter().zip(&picture.operations).all(|(mark, point)| agrees(mark, point)));
        let mut moved = example();
        moved.operations[3].complete_ns = Some(moved.operations[3].invoke_ns + 1);
        assert!(!agrees(points[3], &moved.operations[3]), "a moved point shows");
    }

    #[test]
    fn the_title_says_what_is_seen() {
        let marks = Marks::read(&draw(&example()).standing_alone());
        assert_eq!(
            marks.texts("title").join(" "),
            "How long each of 200 operations took: half of those acknowledged within 18 ms, the \
             slowest after 38 ms"
        );
        let nothing = RunPicture { end_ns: 1, ..RunPicture::default() };
        let marks = Marks::read(&draw(&nothing).standing_alone());
        assert!(marks.texts("title").join(" ").ends_with("none was acknowledged"));
    }

    #[test]
    fn a_slower_operation_is_higher_and_a_later_one_further_right() {
        let picture = example();
        let marks = Marks::read(&draw(&picture).standing_alone());
        let points = points(&marks);
        let place = |index: usize| {
            let path = points[index].get("d").unwrap();
            let number = |text: &str| text.trim_start_matches('M').parse::<f64>().unwrap();
            let (x, rest) = path.split_once(' ').unwrap();
            let y: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            (number(x), number(&y))
        };
        // Points 1 and 37 are both reads, of 2 and of 38 ms.
        assert!(place(37).0 > place(1).0 && place(37).1 < place(1).1);
    }
}
