//! `index.html`: everything on one page that needs nothing but itself.

use std::fmt::Write as _;
use std::path::Path;

use evidence::words::{by_kind, count, duration};
use evidence::{AddsUp, FAMILY_LETTERS, RunPicture, RunVerdict};

use crate::style::{Family, escape, page};

use super::Report;
use super::links::link;
use super::marks;
use super::read::Folder;

/// Single runs whose plots are on the page.
const PLOTTED_MAX: usize = 12;
/// Those of them whose plots are seen without a click.
const OPEN_MAX: usize = 2;
/// Undecided runs that are listed.
const UNDECIDED_MAX: usize = 200;
/// Figures of the system that have a column of their own.
const COLUMNS_MAX: usize = 3;
/// Digits of a fingerprint where the whole one stands nearby.
const SHORT: usize = 8;

/// A page that is being written, for a folder.
pub(super) struct Page<'a> {
    pub(super) report: &'a Report,
    pub(super) folder: &'a Path,
    body: String,
}

impl Report {
    /// The page, with links as seen from a folder.
    pub(super) fn to_html(&self, folder: &Path) -> String {
        let mut page_ = Page { report: self, folder, body: String::new() };
        page_.head();
        page_.failures();
        page_.trend();
        page_.tested();
        page_.properties();
        page_.marks();
        page_.runs();
        page_.undecided();
        page_.doubts();
        page_.times();
        page_.environment();
        page(&format!("squall: {}", self.headline()), &page_.body)
    }
}

impl Page<'_> {
    pub(super) fn add(&mut self, markup: &str) {
        self.body.push_str(markup);
        self.body.push('\n');
    }

    pub(super) fn section(&mut self, id: &str, name: &str) {
        self.add(&format!("<h2 id=\"{id}\">{}</h2>", escape(name)));
    }

    fn head(&mut self) {
        let report = self.report;
        let sum = &report.utilization;
        let (class, word) = match sum.runs {
            _ if report.is_contradictory => ("bad", "not to be trusted"),
            runs if runs.failed > 0 => ("bad", "failed"),
            runs if runs.undecided > 0 => ("unknown", "undecided"),
            runs if runs.total == 0 => ("unknown", "nothing ran"),
            _ => ("ok", "passed"),
        };
        let trend = match report.has_trend() {
            true => "<a href=\"#trend\">Trend</a>",
            false => "",
        };
        self.add(&format!(
            "<header><h1>{}</h1>\n<p><span class=\"tag {class}\">{word}</span></p>\n\
             <nav><a href=\"#failures\">Failures</a>{trend}<a href=\"#tested\">What was tested</a>\
             <a href=\"#properties\">Properties</a><a href=\"#marks\">Marks</a>\
             <a href=\"#undecided\">Undecided</a><a href=\"#doubts\">Doubts</a>\
             <a href=\"#times\">Times</a><a href=\"#environment\">Environment</a></nav></header>",
            escape(&report.headline()),
        ));
        let mut cards = vec![
            ("runs", sum.runs.total.to_string()),
            ("passed", sum.runs.passed.to_string()),
            ("failed", sum.runs.failed.to_string()),
            ("undecided", sum.runs.undecided.to_string()),
            ("simulated", duration(sum.sim_ms)),
            ("operations", sum.operations.to_string()),
            ("acknowledged", sum.acknowledged.to_string()),
        ];
        if sum.wall_ms > 0 {
            cards.insert(5, ("in real time", duration(sum.wall_ms)));
        }
        let cards = cards.iter().map(|(name, value)| {
            format!("<div class=\"card\"><b>{value}</b><span>{name}</span></div>")
        });
        let cards: String = cards.collect();
        self.add(&format!("<div class=\"cards\">{cards}</div>"));
    }

    fn environment(&mut self) {
        self.section("environment", "Environment");
        for folder in &self.report.folders {
            let pairs = pairs_of(folder).into_iter();
            let rows =
                pairs.map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>\n", escape(&value)));
            let rows: String = rows.collect();
            let (href, name) = (link(self.folder, &folder.path), folder.path.display().to_string());
            self.add(&format!(
                "<dl class=\"pairs\"><dt>folder</dt><dd><a href=\"{href}/\">{}</a></dd>\n{rows}</dl>",
                escape(&name)
            ));
        }
    }

    fn tested(&mut self) {
        self.section("tested", "What was tested");
        let shown = self.report.utilization.told(&self.report.figures).into_iter();
        let shown = shown.map(|(figure, _)| figure).filter(|f| f.adds_up == AddsUp::Sum);
        let shown: Vec<_> = shown.take(COLUMNS_MAX).collect();
        let rows = self.report.scenarios().into_iter().map(|(name, sum)| {
            let (runs, simulated) = (sum.runs, duration(sum.sim_ms));
            let mut cells = vec![
                Cell::Text(&name),
                Cell::Number(runs.total),
                Cell::Number(runs.passed),
                Cell::Number(runs.failed),
                Cell::Number(runs.undecided),
                Cell::Words(&simulated),
                Cell::Number(sum.operations),
            ];
            let figure = |id| sum.figures.get(id).copied().unwrap_or_default();
            cells.extend(shown.iter().map(|shown| Cell::Number(figure(&shown.id))));
            row(&cells)
        });
        let mut heads =
            vec!["scenario", "runs", "passed", "failed", "undecided", "simulated", "operations"];
        heads.extend(shown.iter().map(|figure| figure.title.as_str()));
        let table_ = table(&heads, rows.collect());
        self.add(&table_);
        let sum = &self.report.utilization;
        let families = &self.report.families;
        let family = |kind: &str| Family::new(families.of(kind));
        let faults = sum.faults.iter().filter(|(_, count)| **count > 0);
        let mut rows: Vec<(Family<'_>, &String, u64)> =
            faults.map(|(kind, count)| (family(kind), kind, *count)).collect();
        rows.sort_by_key(|(family, kind, count)| (*family, std::cmp::Reverse(*count), *kind));
        let rows = rows.iter().map(|(family, kind, count)| {
            let (name, class) = (escape(family.name()), family.class());
            let symbol = format!(
                "<svg class=\"plot\" width=\"12\" height=\"12\" aria-hidden=\"true\">\
                 <rect class=\"{class}\" width=\"12\" height=\"12\" rx=\"2\"/></svg> {name}"
            );
            row(&[Cell::Markup(&symbol), Cell::Text(kind), Cell::Number(*count)])
        });
        let faults = table(&["family", "fault", "how often it struck"], rows.collect());
        self.add(&format!("<h3>Faults</h3>\n<div class=\"short\">{faults}</div>"));
        let never = sum.never_struck();
        if !never.is_empty() {
            let text = format!("Planned, and never struck anybody: {}.", by_kind(&never));
            self.add(&format!("<p>{}</p>", escape(&text)));
        }
        let rows = self
            .report
            .steps()
            .into_iter()
            .map(|(name, count)| row(&[Cell::Text(&name), Cell::Number(count)]));
        let steps = table(&["what the system went through", "how often"], rows.collect());
        self.add(&format!("<h3>Recovery</h3>\n<div class=\"short\">{steps}</div>"));
    }

    fn properties(&mut self) {
        self.section("properties", "Properties");
        let without =
            self.report.lines.iter().filter(|line| line.checked.is_empty()).count() as u64;
        if without > 0 {
            self.add(&format!(
                "<p class=\"soft\">{} did not say which properties were checked: the build is older, \
                 or the run ended before its judgement.</p>",
                count(without, "run")
            ));
        }
        // What is violated comes first.
        let mut properties: Vec<_> = self.report.properties.iter().collect();
        properties.sort_by_key(|(_, property)| std::cmp::Reverse(property.violated));
        let rows = properties.into_iter().map(|(name, property)| {
            let example = property.example.as_ref().map_or(String::new(), |fingerprint| {
                let short: String = fingerprint.chars().take(SHORT).collect();
                format!("<a href=\"#f-{}\">{}</a>", escape(fingerprint), escape(&short))
            });
            let violated = match property.violated {
                0 => "0".to_owned(),
                many => format!("<b class=\"bad\">{many}</b>"),
            };
            row(&[
                Cell::Text(name),
                Cell::Number(property.checked),
                Cell::RightMarkup(&violated),
                Cell::Number(property.gave_up),
                Cell::Markup(&example),
                Cell::Text(&property.headline),
            ])
        });
        let heads = ["property", "checked", "violated", "gave up", "example", "what it says"];
        let table_ = table(&heads, rows.collect());
        self.add(
            "<p class=\"soft\">In how many runs each was checked, violated and not decided.</p>",
        );
        self.add(&table_);
    }

    fn marks(&mut self) {
        self.section("marks", "Marks");
        let coverage = &self.report.coverage;
        if coverage.marks.is_empty() {
            return self.add("<p>The runs say nothing of marks: the build is older.</p>");
        }
        self.add(&format!("<p>{}</p>", escape(&marks::in_words(coverage))));
        let rows = coverage.marks.iter().filter(|(_, mark)| mark.runs > 0).map(|(name, mark)| {
            let mut cells =
                vec![Cell::Text(name), Cell::Number(mark.runs), Cell::Number(mark.hits)];
            let runs = |family| mark.families.get(family).copied().unwrap_or_default();
            cells.extend(FAMILY_LETTERS.map(|(_, family)| Cell::Number(runs(family))));
            row(&cells)
        });
        let mut heads = vec!["mark", "runs", "hits"];
        heads.extend(FAMILY_LETTERS.map(|(_, family)| family));
        let table_ = table(&heads, rows.collect());
        self.add(&format!(
            "<details><summary>In how many runs each was hit, and during which faults</summary>\n\
             {table_}</details>"
        ));
    }

    /// Single runs, which are folders of their own.
    fn runs(&mut self) {
        let report = self.report;
        let pictures: Vec<&RunPicture> =
            report.folders.iter().filter_map(|folder| folder.picture.as_ref()).collect();
        if pictures.is_empty() {
            return;
        }
        self.section("runs", "Single runs");
        for (index, picture) in pictures.into_iter().take(PLOTTED_MAX).enumerate() {
            self.plots(picture, index < OPEN_MAX);
        }
    }

    fn undecided(&mut self) {
        self.section("undecided", "Undecided");
        let undecided = &self.report.undecided;
        if undecided.is_empty() {
            return self.add("<p>None.</p>");
        }
        let rows = undecided.iter().take(UNDECIDED_MAX).map(|run| {
            let plan = run.plan.as_ref().map_or(String::new(), |path| {
                format!("<a href=\"{}\">plan</a>", link(self.folder, path))
            });
            row(&[
                Cell::Text(&run.scenario),
                Cell::Number(run.seed),
                Cell::Text(&run.reason),
                Cell::Markup(&plan),
            ])
        });
        let table_ = table(&["scenario", "seed", "why", "plan"], rows.collect());
        self.add(&table_);
        if undecided.len() > UNDECIDED_MAX {
            let more = undecided.len() - UNDECIDED_MAX;
            self.add(&format!("<p>{more} more are in seeds.jsonl.</p>"));
        }
    }

    fn doubts(&mut self) {
        self.section("doubts", "Doubts");
        if self.report.doubts.is_empty() {
            return self.add("<p>None: nothing says that these results cannot be trusted.</p>");
        }
        let items = self.report.doubts.iter().map(|doubt| format!("<li>{}</li>\n", escape(doubt)));
        let items: String = items.collect();
        self.add(&format!("<ul class=\"doubts\">\n{items}</ul>"));
    }

    fn times(&mut self) {
        self.section("times", "Times");
        let distributions = self.report.distributions();
        if distributions.is_empty() {
            self.add("<p>No times were recorded.</p>");
        }
        for distribution in distributions {
            self.add(&figure(&distribution.in_page()));
        }
    }
}

/// A folder's environment as names and values.
pub(super) fn pairs_of(folder: &Folder) -> Vec<(&'static str, String)> {
    let first = folder.lines.first();
    let Some(summary) = &folder.summary else {
        let Some(line) = first else { return Vec::new() };
        let verdict = match line.verdict {
            RunVerdict::Pass => "passed",
            RunVerdict::Fail => "failed",
            RunVerdict::Undecided => "undecided",
        };
        let mut pairs = vec![
            ("build", line.build.clone()),
            ("scenario", line.scenario.clone()),
            ("seed", line.seed.to_string()),
            ("verdict", verdict.to_owned()),
        ];
        pairs.extend(line.engine.clone().map(|engine| ("engine", engine)));
        pairs.extend(line.plant.clone().map(|plant| ("planted bug", plant)));
        return pairs;
    };
    let environment = &summary.environment;
    let mut pairs = vec![
        ("build", environment.build.clone()),
        ("command", environment.command.join(" ")),
        ("campaign seed", environment.seed.to_string()),
        ("scenarios", environment.scenarios.join(", ")),
        ("runs at a time", environment.jobs.to_string()),
        ("started", environment.started.clone()),
        ("took", duration(summary.utilization.wall_ms)),
        ("exit code", summary.exit_code.to_string()),
    ];
    pairs.extend(environment.engine.clone().map(|engine| ("engine", engine)));
    pairs.extend(environment.plant.clone().map(|plant| ("planted bug", plant)));
    pairs
}

/// What stands in a cell.
pub(super) enum Cell<'a> {
    Text(&'a str),
    Number(u64),
    /// A quantity with its unit.
    Words(&'a str),
    Markup(&'a str),
    RightMarkup(&'a str),
}

pub(super) fn row(cells: &[Cell<'_>]) -> String {
    let mut text = String::from("<tr>");
    for cell in cells {
        // Writing to a text cannot fail.
        let _ = match cell {
            Cell::Text(words) => write!(text, "<td>{}</td>", escape(words)),
            Cell::Number(number) => write!(text, "<td class=\"n\">{number}</td>"),
            Cell::Words(words) => write!(text, "<td class=\"n\">{}</td>", escape(words)),
            Cell::Markup(markup) => write!(text, "<td>{markup}</td>"),
            Cell::RightMarkup(markup) => write!(text, "<td class=\"n\">{markup}</td>"),
        };
    }
    text + "</tr>\n"
}

/// A table; heads over numbers stand right as the numbers do.
pub(super) fn table(heads: &[&str], rows: Vec<String>) -> String {
    let first = rows.first().map_or("", String::as_str);
    let is_number = first.split("<td").skip(1).map(|cell| cell.starts_with(" class=\"n\""));
    let cells = heads.iter().zip(is_number.chain(std::iter::repeat(false))).map(|(head, right)| {
        let class = if right { " class=\"n\"" } else { "" };
        format!("<th{class}>{}</th>", escape(head))
    });
    let cells: String = cells.collect();
    let rows = if rows.is_empty() {
        format!("<tr><td colspan=\"{}\">none</td></tr>\n", heads.len())
    } else {
        rows.concat()
    };
    format!(
        "<div class=\"scroll\"><table>\n<thead><tr>{cells}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>"
    )
}

pub(super) fn figure(svg: &str) -> String {
    format!("<figure>\n{svg}</figure>\n")
}
