//! Measurements as tables: for a terminal, as markdown, and each distribution of latencies as the
//! percentile text of HdrHistogram (`.hgrm`), which its plotter reads.

use std::fmt::Write as _;

use crate::bench::{
    BenchComparison, BenchReport, ComparedFigure, Failovers, FigureVerdict, Latency, Machine,
    quantile,
};

/// A table: its head and its rows, first column left, others right.
struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(head: &[&str]) -> Table {
        Table { head: head.iter().map(|each| (*each).to_owned()).collect(), rows: Vec::new() }
    }

    fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    fn plain(&self) -> String {
        let all = || std::iter::once(&self.head).chain(&self.rows);
        let width =
            |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or_default();
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let mut text = String::new();
        for row in all() {
            let cells = row.iter().enumerate().map(|(column, cell)| match column {
                0 => format!("{cell:<width$}", width = widths[0]),
                _ => format!("{cell:>width$}", width = widths[column]),
            });
            let cells: Vec<String> = cells.collect();
            let _ = writeln!(text, "  {}", cells.join("   ").trim_end());
        }
        text
    }

    fn markdown(&self) -> String {
        let rule: Vec<&str> =
            (0..self.head.len()).map(|column| if column == 0 { ":--" } else { "--:" }).collect();
        let mut text = format!("| {} |\n| {} |\n", self.head.join(" | "), rule.join(" | "));
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        text
    }
}

/// The report as a person reads it on a terminal, and how it compares.
pub fn bench_text(report: &BenchReport, comparison: Option<&BenchComparison>) -> String {
    let mut text = format!("{}\n", machine_line(&report.machine));
    for (title, table) in tables(report) {
        let _ = write!(text, "\n{title}\n{}", table.plain());
    }
    let _ = write!(text, "\n{}", safety_lines(report));
    for note in &report.notes {
        let _ = writeln!(text, "note: {note}");
    }
    if let Some(comparison) = comparison {
        let _ = write!(text, "\n{}", comparison_text(comparison));
    }
    text
}

/// The report as a page of markdown; `plots` are files beside it, each with its title.
pub fn bench_markdown(
    report: &BenchReport,
    comparison: Option<&BenchComparison>,
    plots: &[(String, String)],
) -> String {
    let mut text =
        format!("# squall bench {}\n\n{}\n", report.target.name(), machine_line(&report.machine));
    for (title, table) in tables(report) {
        let _ = write!(text, "\n## {title}\n\n{}", table.markdown());
    }
    let _ = write!(text, "\n## Promises\n\n```\n{}```\n", safety_lines(report));
    if !report.notes.is_empty() {
        let _ = write!(text, "\n## Notes\n\n");
        for note in &report.notes {
            let _ = writeln!(text, "- {note}");
        }
    }
    if let Some(comparison) = comparison {
        let _ = write!(
            text,
            "\n## Against {}\n\n{}\n{}\n",
            comparison.baseline,
            comparison_table(comparison).markdown(),
            comparison_words(comparison)
        );
    }
    for (title, file) in plots {
        let _ = write!(text, "\n![{title}]({file})\n");
    }
    text
}

/// A comparison, figure by figure, with its conclusion.
pub fn comparison_text(comparison: &BenchComparison) -> String {
    format!(
        "against {}\n{}{}\n",
        comparison.baseline,
        comparison_table(comparison).plain(),
        comparison_words(comparison)
    )
}

/// A distribution as HdrHistogram prints it, values in milliseconds.
pub fn percentile_text(latency: &Latency) -> String {
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    for point in &latency.points {
        let value_ms = point.value_us as f64 / 1_000.0;
        let inverse = match point.quantile {
            quantile if quantile < 1.0 => format!("{:>14.2}", 1.0 / (1.0 - quantile)),
            _ => format!("{:>14}", "inf"),
        };
        let _ = writeln!(
            text,
            "{value_ms:>12.3} {:>14.12} {:>10} {inverse}",
            point.quantile, point.count
        );
    }
    let max_ms = latency.points.last().map_or(0.0, |point| point.value_us as f64 / 1_000.0);
    let _ = writeln!(text, "#[Mean    = {:>12.3}]", latency.mean_us / 1_000.0);
    let _ = writeln!(text, "#[Max     = {max_ms:>12.3}, Total count    = {:>12}]", latency.count);
    text
}

fn tables(report: &BenchReport) -> Vec<(&'static str, Table)> {
    let mut tables = Vec::new();
    if !report.settings.is_empty() {
        let mut table = Table::new(&["setting", "value"]);
        for (name, value) in &report.settings {
            table.row(vec![name.clone(), value.clone()]);
        }
        tables.push(("Settings", table));
    }
    let mut table = Table::new(&["figure", "median", "unit", "spread", "rounds"]);
    for figure in &report.figures {
        table.row(vec![
            figure.name.clone(),
            number(figure.median()),
            figure.unit.clone(),
            share(figure.spread()),
            figure.rounds.len().to_string(),
        ]);
    }
    tables.push(("Figures", table));
    if !report.latencies.is_empty() {
        let mut table = Table::new(&["latency, ms", "p50", "p90", "p99", "p99.9", "max", "count"]);
        for latency in &report.latencies {
            let mut row = vec![latency.name.clone()];
            row.extend([0.5, 0.9, 0.99, 0.999, 1.0].map(|quantile| at(latency, quantile)));
            row.push(latency.count.to_string());
            table.row(row);
        }
        tables.push(("Latencies", table));
    }
    if !report.failovers.is_empty() {
        tables.push(("Failover", failover_table(&report.failovers)));
    }
    tables
}

fn failover_table(all: &[Failovers]) -> Table {
    let mut table = Table::new(&["failover, ms", "min", "p50", "p90", "max", "n"]);
    for failovers in all {
        for (what, values) in [
            ("outage, any client", &failovers.outage_ms),
            ("outage, worst client", &failovers.worst_client_ms),
            ("primary to primary", &failovers.successor_ms),
        ] {
            let mut row = vec![format!("{}: {what}", failovers.kind)];
            row.extend([0.0, 0.5, 0.9, 1.0].map(|each| number(quantile(values, each))));
            row.push(values.len().to_string());
            table.row(row);
        }
    }
    table
}

fn at(latency: &Latency, quantile: f64) -> String {
    let point = latency.points.iter().find(|point| point.quantile >= quantile);
    let point = point.or(latency.points.last());
    point.map_or_else(|| "-".to_owned(), |point| number(point.value_us as f64 / 1_000.0))
}

fn machine_line(machine: &Machine) -> String {
    let disk = match machine.file_system.as_str() {
        "" => String::new(),
        name => format!(", files on {name}"),
    };
    format!(
        "{}; {} cores, {} MiB, {}, Linux {}{disk}; build {} ({}); load before {:.2}",
        machine.date,
        machine.cores,
        machine.memory_mib,
        machine.processor,
        machine.kernel,
        machine.build,
        machine.profile,
        machine.load_before
    )
}

fn safety_lines(report: &BenchReport) -> String {
    let safety = &report.safety;
    let mut text = format!(
        "acknowledged writes lost: {} of {}; clients dropped: {}; failed requests: {}; locks held \
         twice: {}\n",
        safety.lost_writes,
        safety.acknowledged_writes,
        safety.clients_dropped,
        safety.failed_requests,
        safety.lock_overlaps
    );
    for violation in &safety.violations {
        let _ = writeln!(text, "VIOLATED {violation}");
    }
    text
}

fn comparison_table(comparison: &BenchComparison) -> Table {
    let mut table = Table::new(&["figure", "before", "now", "unit", "change", "spread", ""]);
    let optional = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
    for line in &comparison.lines {
        table.row(vec![
            line.name.clone(),
            optional(line.before),
            optional(line.now),
            line.unit.clone(),
            change(line),
            share(line.spread),
            line.verdict.word().to_owned(),
        ]);
    }
    table
}

fn change(line: &ComparedFigure) -> String {
    if line.verdict == FigureVerdict::Unmatched {
        return "-".to_owned();
    }
    let percent = line.worse.abs() * 100.0;
    let direction = if line.worse > 0.0 { "worse" } else { "better" };
    format!("{percent:.1}% {direction}")
}

fn comparison_words(comparison: &BenchComparison) -> String {
    let count = |verdict| comparison.count(verdict);
    format!(
        "limit {:.1}%: {} regressed, {} undecided (the spread is wider than the limit), {} better, \
         {} same, {} unmatched",
        comparison.limit * 100.0,
        count(FigureVerdict::Regressed),
        count(FigureVerdict::Undecided),
        count(FigureVerdict::Better),
        count(FigureVerdict::Same),
        count(FigureVerdict::Unmatched)
    )
}

fn share(share: f64) -> String {
    if share.is_finite() { format!("±{:.1}%", share * 50.0) } else { "-".to_owned() }
}

/// A number with three digits that count.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        size if size > 0.0 => format!("{value:.3}"),
        _ => "0".to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::bench::{BENCH_SCHEMA_VERSION, BenchTarget, Better, Figure, LatencyPoint, Safety};

    /// A small report with something of everything.
    pub(crate) fn report(scale: f64) -> BenchReport {
        let figure = |name: &str, unit: &str, better, value: f64| Figure {
            name: name.into(),
            unit: unit.into(),
            better,
            rounds: vec![value * 0.98, value, value * 1.01],
        };
        let points = [(0.5, 800), (0.9, 1_500), (0.99, 4_000), (0.999, 9_000), (1.0, 21_000)];
        BenchReport {
            schema_version: BENCH_SCHEMA_VERSION,
            target: BenchTarget::Live,
            machine: Machine {
                processor: "A processor".into(),
                cores: 2,
                memory_mib: 4_096,
                kernel: "6.1".into(),
                file_system: "ext4".into(),
                load_before: 0.25,
                date: "2026-11-20T16:42:07Z".into(),
                build: "0.1.0-abc".into(),
                profile: "release".into(),
            },
            settings: BTreeMap::from([("clients".into(), "4".into())]),
            figures: vec![
                figure("set c4 d64 throughput", "operations/s", Better::Higher, 15_000.0 * scale),
                figure("get c4 d64 throughput", "operations/s", Better::Higher, 48_000.0 * scale),
                figure("set c4 d64 p99", "ms", Better::Lower, 4.0 / scale),
            ],
            latencies: ["set c4 d64", "get c4 d64"]
                .map(|name| Latency {
                    name: name.into(),
                    count: 1_000,
                    mean_us: 910.0,
                    points: points
                        .map(|(quantile, value)| LatencyPoint {
                            quantile,
                            value_us: (f64::from(value) / scale) as u64,
                            count: (quantile * 1_000.0) as u64,
                        })
                        .to_vec(),
                })
                .to_vec(),
            failovers: vec![Failovers {
                kind: "kill".into(),
                outage_ms: vec![110.0, 130.0 / scale, 300.0],
                worst_client_ms: vec![150.0, 160.0, 400.0],
                successor_ms: vec![90.0, 100.0, 250.0],
            }],
            safety: Safety { acknowledged_writes: 12_345, ..Safety::default() },
            notes: vec!["closed loop".into()],
        }
    }

    #[test]
    fn a_report_says_everything_on_a_terminal() {
        let text = bench_text(&report(1.0), None);
        for part in [
            "2 cores, 4096 MiB",
            "build 0.1.0-abc (release); load before 0.25",
            "set c4 d64 throughput    15000   operations/s    ±1.5%",
            "latency, ms     p50    p90    p99   p99.9    max   count",
            "set c4 d64    0.800   1.50   4.00    9.00   21.0    1000",
            "kill: outage, any client",
            "acknowledged writes lost: 0 of 12345",
            "note: closed loop",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn percentile_text_has_hdrhistograms_columns() {
        let text = percentile_text(&report(1.0).latencies[0]);
        let mut lines = text.lines();
        assert_eq!(
            lines.next().map(|line| line.split_whitespace().collect::<Vec<_>>()),
            Some(vec!["Value", "Percentile", "TotalCount", "1/(1-Percentile)"])
        );
        assert!(text.contains("0.800 0.500000000000        500           2.00"), "{text}");
        assert!(text.contains("21.000 1.000000000000       1000            inf"), "{text}");
        assert!(text.contains("Total count    =         1000]"), "{text}");
    }

    #[test]
    fn a_page_has_tables_and_plots() {
        let plots = [("Latency".to_owned(), "latency.svg".to_owned())];
        let text = bench_markdown(&report(1.0), None, &plots);
        assert!(text.starts_with("# squall bench live\n"));
        assert!(text.contains("| set c4 d64 throughput | 15000 | operations/s |"), "{text}");
        assert!(text.contains("![Latency](latency.svg)"));
    }
}
