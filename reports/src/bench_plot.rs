//! Measurements as pictures: latency by percentile, throughput, and the distribution of outages,
//! each beside its baseline if there is one. Series that were measured before are dashed.
//!
//! A picture is an SVG of 520 units' width whose texts are still read at 400 pixels. It follows the
//! reader's colour scheme by a style sheet of its own.

use std::fmt::Display;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::bench::{BenchReport, Better, Failovers, Figure, Latency};
use crate::bench_text::number;
use crate::style::escape;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<T> = Result<T, Box<dyn std::error::Error>>;

const WIDTH: u32 = 520;
const PLOT_HEIGHT: u32 = 340;
const TITLE_HEIGHT: u32 = 34;
const LEGEND_LINE: u32 = 22;
const BAR_GROUP: u32 = 44;
const BACKGROUND: RGBColor = RGBColor(0xff, 0xff, 0xff);
const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
const GRID: RGBColor = RGBColor(0xd0, 0xd7, 0xde);
const OLD_BAR: RGBColor = RGBColor(0xa8, 0xb1, 0xbb);
/// Told apart by readers with any colour vision (after Okabe and Ito, 2008), on light and on dark.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0x2b, 0x83, 0xc9),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xc9, 0x8a, 0x00),
    RGBColor(0x8c, 0x6b, 0xd1),
    RGBColor(0x3f, 0xb0, 0xc4),
    RGBColor(0x7f, 0x86, 0x8e),
];
const FONT: &str = "sans-serif";
/// What is drawn light above is dark where the reader asks for it.
const DARK: &str = "<style>@media (prefers-color-scheme: dark) { \
    rect[fill=\"#FFFFFF\"] { fill: #0d1117 } text { fill: #e6edf3 } \
    [stroke=\"#1F2328\"] { stroke: #9198a1 } [stroke=\"#D0D7DE\"] { stroke: #30363d } \
    }</style>\n";

/// A drawing of measurements, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BenchPlot {
    /// What it shows.
    pub title: String,
    /// The name of its file.
    pub file: String,
    /// The whole SVG, which needs nothing from elsewhere.
    pub svg: String,
}

/// The pictures of a report, beside a baseline of the given name. A picture with nothing to show is
/// left out.
pub fn bench_plots(report: &BenchReport, baseline: Option<(&str, &BenchReport)>) -> Vec<BenchPlot> {
    let mut plots = Vec::new();
    let mut add = |what: &str, title: String, drawn: Drawn<String>| {
        let svg = drawn.expect("drawing into a string fails only by a wrong range");
        let file = format!("bench-{}-{what}.svg", report.target.name());
        plots.push(BenchPlot { svg: finish(&svg, &title), title, file });
    };
    let name = report.target.name();
    if report.latencies.iter().any(|latency| !latency.points.is_empty()) {
        let title = format!("{name}: latency by percentile");
        add("latency", title.clone(), latency_plot(&title, report, baseline));
    }
    let rates: Vec<&Figure> = report.figures.iter().filter(|each| is_rate(each)).collect();
    if !rates.is_empty() {
        let title = format!("{name}: throughput");
        add("throughput", title.clone(), throughput_plot(&title, &rates, baseline));
    }
    if report.failovers.iter().any(|each| !each.outage_ms.is_empty()) {
        let title = format!("{name}: outage when the primary is lost");
        add("failover", title.clone(), failover_plot(&title, report, baseline));
    }
    plots
}

fn is_rate(figure: &Figure) -> bool {
    figure.better == Better::Higher && figure.unit.contains("/s")
}

fn finish(svg: &str, title: &str) -> String {
    let head = svg.find(">\n").map_or(0, |end| end + 2);
    format!("{}<title>{}</title>\n{DARK}{}", &svg[..head], escape(title), &svg[head..])
}

/// A line of a legend.
struct Entry {
    text: String,
    colour: RGBColor,
    is_dashed: bool,
}

/// Draws title, plot and legend below one another, each in a strip of its own.
fn canvas(
    title: &str,
    plot_height: u32,
    legend: &[Entry],
    plot: impl FnOnce(&Area<'_>) -> Drawn<()>,
) -> Drawn<String> {
    let lines = legend.len().div_ceil(2) as u32;
    let legend_height = lines * LEGEND_LINE + if lines > 0 { 10 } else { 0 };
    let mut svg = String::new();
    {
        let size = (WIDTH, TITLE_HEIGHT + plot_height + legend_height);
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&BACKGROUND)?;
        let (head, rest) = root.split_vertically(TITLE_HEIGHT);
        head.draw(&Text::new(title.to_owned(), (14, 10), (FONT, 18).into_font().color(&INK)))?;
        let (body, foot) = rest.split_vertically(plot_height);
        plot(&body)?;
        for (index, entry) in legend.iter().enumerate() {
            let x = 24 + (index % 2) as i32 * (WIDTH as i32 / 2 - 8);
            let y = 8 + (index / 2) as i32 * LEGEND_LINE as i32;
            draw_line(&foot, [(x, y + 7), (x + 26, y + 7)], entry)?;
            let style = (FONT, 15).into_font().color(&INK);
            foot.draw(&Text::new(entry.text.clone(), (x + 34, y), style))?;
        }
        root.present()?;
    }
    Ok(svg)
}

fn draw_line(area: &Area<'_>, ends: [(i32, i32); 2], entry: &Entry) -> Drawn<()> {
    let style = entry.colour.stroke_width(3);
    let [(left, y), (right, _)] = ends;
    let (dash, pitch) = if entry.is_dashed { (6, 10) } else { (right - left, right - left) };
    for x in (left..right).step_by(pitch as usize) {
        area.draw(&PathElement::new([(x, y), (right.min(x + dash), y)], style))?;
    }
    Ok(())
}

/// Where a quantile stands on the axis: each nine more is as far again.
fn nines(quantile: f64) -> f64 {
    -(1.0 - quantile).log10()
}

fn nines_label(place: &f64) -> String {
    match place.round() as i64 {
        _ if (place - place.round()).abs() > 0.01 => String::new(),
        0 => "0%".to_owned(),
        1 => "90%".to_owned(),
        2 => "99%".to_owned(),
        digits => format!("99.{}%", "9".repeat((digits - 2).max(0) as usize)),
    }
}

fn curve(latency: &Latency) -> Vec<(f64, f64)> {
    let seen = latency.points.iter().filter(|point| point.quantile < 1.0);
    seen.map(|point| (nines(point.quantile), (point.value_us.max(1)) as f64 / 1_000.0)).collect()
}

fn latency_plot(
    title: &str,
    report: &BenchReport,
    baseline: Option<(&str, &BenchReport)>,
) -> Drawn<String> {
    let mut series = Vec::new();
    let mut legend = Vec::new();
    for (index, latency) in report.latencies.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let before = baseline
            .and_then(|(_, before)| before.latencies.iter().find(|each| each.name == latency.name));
        series.extend(before.map(|before| (curve(before), colour, true)));
        series.push((curve(latency), colour, false));
        legend.push(Entry { text: latency.name.clone(), colour, is_dashed: false });
    }
    legend.extend(baseline_entry(baseline));
    let points = || series.iter().flat_map(|(points, _, _)| points);
    let right = points().map(|point| point.0).fold(1.0, f64::max);
    let least = points().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let most = points().map(|point| point.1).fold(0.0, f64::max);
    let bottom = 10_f64.powf(least.max(0.001).log10().floor());
    let top = 10_f64.powf(most.max(bottom * 10.0).log10().ceil());
    canvas(title, PLOT_HEIGHT, &legend, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(30)
            .x_label_area_size(46)
            .y_label_area_size(66)
            .build_cartesian_2d(0.0..right.ceil(), (bottom..top).log_scale())?;
        chart
            .configure_mesh()
            .x_labels(right.ceil() as usize + 1)
            .x_label_formatter(&nines_label)
            .y_label_formatter(&|value| number(*value))
            .x_desc("requests that took no longer")
            .y_desc("latency, ms (logarithmic)")
            .label_style((FONT, 14).into_font().color(&INK))
            .axis_desc_style((FONT, 15).into_font().color(&INK))
            .axis_style(INK)
            .bold_line_style(GRID)
            .light_line_style(BACKGROUND)
            .draw()?;
        for (points, colour, is_dashed) in series {
            if is_dashed {
                let line = DashedLineSeries::new(points, 5, 4, colour.stroke_width(2));
                chart.draw_series(line)?;
            } else {
                chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
            }
        }
        Ok(())
    })
}

fn baseline_entry(baseline: Option<(&str, &BenchReport)>) -> Option<Entry> {
    let text = |name: &str| format!("dashed: {name}, before");
    baseline.map(|(name, _)| Entry { text: text(name), colour: INK, is_dashed: true })
}

/// A group of bars: the figure's name, and the medians before and now.
fn throughput_plot(
    title: &str,
    rates: &[&Figure],
    baseline: Option<(&str, &BenchReport)>,
) -> Drawn<String> {
    let before = |figure: &Figure| {
        let (_, report) = baseline?;
        report.figures.iter().find(|each| each.name == figure.name).map(Figure::median)
    };
    let mut legend = vec![Entry { text: "this run".into(), colour: COLOURS[0], is_dashed: false }];
    legend.extend(baseline.map(|(name, _)| Entry {
        text: format!("{name}, before"),
        colour: OLD_BAR,
        is_dashed: false,
    }));
    let most = rates.iter().flat_map(|each| [Some(each.median()), before(each)]).flatten();
    let top = most.fold(0.0, f64::max).max(1e-9) * 1.05;
    let groups = rates.len() as f64;
    let height = 70 + rates.len() as u32 * BAR_GROUP;
    let unit = common_unit(rates);
    canvas(title, height, &legend, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(24)
            .margin_left(20)
            .x_label_area_size(46)
            .build_cartesian_2d(0.0..top, 0.0..groups)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .x_labels(4)
            .x_label_formatter(&|value| thousands(*value))
            .x_desc(unit)
            .label_style((FONT, 14).into_font().color(&INK))
            .axis_desc_style((FONT, 15).into_font().color(&INK))
            .axis_style(INK)
            .bold_line_style(GRID)
            .light_line_style(BACKGROUND)
            .draw()?;
        for (index, figure) in rates.iter().enumerate() {
            // The first group is at the top; in each, the text comes above its bars.
            let floor = groups - 1.0 - index as f64;
            let bar = |from: f64, to: f64, value: f64, colour: RGBColor| {
                Rectangle::new([(0.0, floor + from), (value, floor + to)], colour.filled())
            };
            let now = figure.median();
            match before(figure) {
                Some(before) => {
                    let bars = [bar(0.29, 0.53, now, COLOURS[0]), bar(0.05, 0.29, before, OLD_BAR)];
                    chart.draw_series(bars)?;
                }
                None => {
                    chart.draw_series([bar(0.1, 0.53, now, COLOURS[0])])?;
                }
            }
            let words = format!("{}: {}", figure.name, thousands(now));
            let style = (FONT, 14).into_font().color(&INK);
            chart.draw_series([Text::new(words, (top * 0.008, floor + 0.97), style)])?;
        }
        Ok(())
    })
}

fn common_unit(rates: &[&Figure]) -> String {
    let mut units: Vec<&str> = rates.iter().map(|figure| figure.unit.as_str()).collect();
    units.dedup();
    units.join("; ")
}

/// A number in groups of three digits, as `15 000`.
fn thousands(value: f64) -> String {
    if value.abs() < 1_000.0 {
        return number(value);
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// The share of losses whose outage was no longer, as steps.
fn steps(values: &[f64], right: f64) -> Vec<(f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut points = vec![(0.0, 0.0)];
    for (index, value) in sorted.iter().enumerate() {
        let share = |count: usize| 100.0 * count as f64 / sorted.len() as f64;
        points.extend([(*value, share(index)), (*value, share(index + 1))]);
    }
    points.push((right, 100.0));
    points
}

fn failover_plot(
    title: &str,
    report: &BenchReport,
    baseline: Option<(&str, &BenchReport)>,
) -> Drawn<String> {
    let of_kind = |all: &[Failovers], kind: &str| {
        all.iter().find(|each| each.kind == kind).map(|each| each.outage_ms.clone())
    };
    let mut series = Vec::new();
    let mut legend = Vec::new();
    for (index, failovers) in report.failovers.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let before = baseline.and_then(|(_, all)| of_kind(&all.failovers, &failovers.kind));
        series.extend(before.map(|before| (before, colour, true)));
        series.push((failovers.outage_ms.clone(), colour, false));
        let text = format!("{} (n = {})", failovers.kind, failovers.outage_ms.len());
        legend.push(Entry { text, colour, is_dashed: false });
    }
    legend.extend(baseline_entry(baseline));
    let longest = series.iter().flat_map(|(values, _, _)| values).copied().fold(1.0, f64::max);
    let right = longest * 1.05;
    canvas(title, PLOT_HEIGHT, &legend, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(28)
            .x_label_area_size(46)
            .y_label_area_size(58)
            .build_cartesian_2d(0.0..right, 0.0..100.0)?;
        chart
            .configure_mesh()
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&|value| thousands(value.round()))
            .y_label_formatter(&|value| percent(*value))
            .x_desc("longest time without any client's acknowledgement, ms")
            .y_desc("primaries lost")
            .label_style((FONT, 14).into_font().color(&INK))
            .axis_desc_style((FONT, 15).into_font().color(&INK))
            .axis_style(INK)
            .bold_line_style(GRID)
            .light_line_style(BACKGROUND)
            .draw()?;
        for (values, colour, is_dashed) in series.iter().filter(|each| !each.0.is_empty()) {
            let points = steps(values, right);
            if *is_dashed {
                let line = DashedLineSeries::new(points, 5, 4, colour.stroke_width(2));
                chart.draw_series(line)?;
            } else {
                chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
            }
        }
        Ok(())
    })
}

fn percent(value: impl Display) -> String {
    format!("{value}%")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench_text::tests::report;

    /// Whether every element that is opened is closed, in order, and no text is raw.
    fn is_well_formed(svg: &str) -> bool {
        let mut open: Vec<&str> = Vec::new();
        let mut rest = svg;
        while let Some(start) = rest.find('<') {
            let Some(len) = rest[start..].find('>') else { return false };
            let tag = &rest[start + 1..start + len];
            rest = &rest[start + len + 1..];
            let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap();
            if tag.matches('"').count() % 2 == 1 || name.is_empty() {
                return false;
            }
            match (tag.starts_with('/'), tag.ends_with('/')) {
                (true, _) if open.pop() != Some(name) => return false,
                (false, false) => open.push(name),
                _ => {}
            }
        }
        open.is_empty() && !rest.contains('>')
    }

    #[test]
    fn pictures_are_whole_and_say_what_they_show() {
        let (now, before) = (report(1.0), report(0.8));
        for baseline in [None, Some(("main", &before))] {
            let plots = bench_plots(&now, baseline);
            assert_eq!(plots.len(), 3);
            for plot in &plots {
                assert!(is_well_formed(&plot.svg), "{}", plot.svg);
                for part in ["<title>", "prefers-color-scheme: dark", &plot.title] {
                    assert!(plot.svg.contains(part), "{part}: {}", plot.svg);
                }
                assert_eq!(plot.svg.contains("main, before"), baseline.is_some());
                assert!(plot.file.ends_with(".svg") && plot.svg.len() < 60_000);
            }
            for (plot, part) in plots.iter().zip(["latency, ms", "operations/s", "primaries lost"])
            {
                assert!(plot.svg.contains(part), "{part}: {}", plot.svg);
            }
        }
    }

    #[test]
    fn an_empty_report_has_no_pictures_and_zeros_are_drawn() {
        let mut report = report(1.0);
        for latency in &mut report.latencies {
            latency.points.iter_mut().for_each(|point| point.value_us = 0);
        }
        report.figures[0].rounds = vec![0.0];
        assert_eq!(bench_plots(&report, None).len(), 3);
        report.latencies.clear();
        report.figures.clear();
        report.failovers.clear();
        assert_eq!(bench_plots(&report, None), []);
    }

    #[test]
    fn the_test_of_form_sees_what_is_wrong() {
        assert!(is_well_formed("<svg a=\"1\"><g/><text>x</text></svg>"));
        for bad in ["<svg>", "<svg><g></svg></g>", "<svg a=\"1></svg>", "</svg>"] {
            assert!(!is_well_formed(bad), "{bad}");
        }
    }

    #[test]
    fn axes_speak_in_percent_and_thousands() {
        assert_eq!(nines_label(&3.0), "99.9%");
        assert_eq!(nines_label(&0.5), "");
        assert_eq!(thousands(1_234_567.0), "1 234 567");
        assert_eq!(thousands(12.34), "12.3");
        let steps = steps(&[30.0, 10.0], 40.0);
        let expected =
            [(0.0, 0.0), (10.0, 0.0), (10.0, 50.0), (30.0, 50.0), (30.0, 100.0), (40.0, 100.0)];
        assert_eq!(steps, expected);
    }
}
