//! Several campaigns side by side, in the order in which they began: how much each did, what it found that none
//! before it had, how much of the system it reached, and how fast it was.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use evidence::words::{count, duration};

use crate::style::escape;

use super::html::{Cell, Page, row, table};
use super::links::link;
use super::read::Folder;
use super::{Report, marks};

/// The width of the picture of one figure, and the height of its bars.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 64.0;

/// A campaign, in figures.
struct Campaign<'a> {
    path: &'a Path,
    started: &'a str,
    build: &'a str,
    runs: u64,
    failed: u64,
    sim_ms: u64,
    /// Marks that were reached, and all; none if the build knew no marks.
    marks: Option<(u64, u64)>,
    /// Simulated seconds in each second of real time; none if nobody took it.
    speed: Option<f64>,
    /// Causes of failures: the place on the page, and what they say.
    new: Vec<(String, String)>,
    known: usize,
}

impl Report {
    /// Whether there are several campaigns to compare.
    pub(super) fn has_trend(&self) -> bool {
        self.folders.iter().filter(|folder| folder.summary.is_some()).count() > 1
    }

    /// The campaigns, if there are several.
    fn trend(&self) -> Vec<Campaign<'_>> {
        if !self.has_trend() {
            return Vec::new();
        }
        let folders = self.folders.iter().filter(|folder| folder.summary.is_some());
        let mut folders: Vec<&Folder> = folders.collect();
        folders.sort_by(|one, other| (started(one), &one.path).cmp(&(started(other), &other.path)));
        let mut before = BTreeSet::new();
        folders.into_iter().map(|folder| self.campaign(folder, &mut before)).collect()
    }

    fn campaign<'a>(&'a self, folder: &'a Folder, before: &mut BTreeSet<String>) -> Campaign<'a> {
        let summary = folder.summary.as_ref().expect("only campaigns that ended are asked for");
        let sum = &summary.utilization;
        let seen: BTreeSet<&String> =
            folder.lines.iter().filter_map(|line| line.fingerprints.first()).collect();
        let causes = self.causes();
        let own = causes.iter().filter(|cause| {
            cause.failures.iter().any(|failure| seen.contains(&failure.fingerprint))
        });
        let (mut new, mut known) = (Vec::new(), 0);
        for cause in own {
            let example = cause.example();
            match before.insert(example.cause()) {
                true => {
                    let what = format!("{}: {}", example.property, example.headline);
                    new.push((cause.id(), what));
                }
                false => known += 1,
            }
        }
        let coverage = marks::coverage(&[folder], &folder.lines);
        let reached = coverage.figures();
        Campaign {
            path: &folder.path,
            started: &summary.environment.started,
            build: &summary.environment.build,
            runs: sum.runs.total,
            failed: sum.runs.failed,
            sim_ms: sum.sim_ms,
            marks: (!coverage.marks.is_empty()).then_some((reached.reached, reached.declared)),
            speed: (sum.wall_ms > 0).then(|| sum.sim_ms as f64 / sum.wall_ms as f64),
            new,
            known,
        }
    }

    /// The section of `report.md`.
    pub(super) fn trend_markdown(&self, folder: &Path) -> String {
        let campaigns = self.trend();
        if campaigns.is_empty() {
            return String::new();
        }
        let mut text = "\n## Trend\n\n| campaign | runs | failed | new failures | known | marks | \
            speed |\n|---|--:|--:|---|--:|--:|--:|\n"
            .to_owned();
        for campaign in &campaigns {
            let new: Vec<String> = campaign.new.iter().map(|(_, what)| cell(what)).collect();
            let _ = writeln!(
                text,
                "| [{}]({}) | {} | {} | {} | {} | {} | {} |",
                campaign.started,
                link(folder, campaign.path),
                campaign.runs,
                campaign.failed,
                new.join("; "),
                campaign.known,
                campaign.marks_in_words(),
                campaign.speed_in_words(),
            );
        }
        text
    }
}

/// When a campaign began.
fn started(folder: &Folder) -> &str {
    folder.summary.as_ref().map_or("", |summary| &summary.environment.started)
}

impl Campaign<'_> {
    fn marks_in_words(&self) -> String {
        self.marks.map_or(String::new(), |(reached, declared)| format!("{reached} of {declared}"))
    }

    fn speed_in_words(&self) -> String {
        self.speed.map_or(String::new(), |speed| format!("{speed:.0} ×"))
    }
}

impl Page<'_> {
    pub(super) fn trend(&mut self) {
        let report = self.report;
        let campaigns = report.trend();
        if campaigns.is_empty() {
            return;
        }
        self.section("trend", "Trend");
        self.add(&format!(
            "<p class=\"soft\">{} in the order in which they began. A failure is new where no earlier one has \
             its cause.</p>",
            count(campaigns.len() as u64, "campaign"),
        ));
        let of = |value: fn(&Campaign<'_>) -> Option<f64>| campaigns.iter().map(value).collect();
        let figures: [(&str, Vec<Option<f64>>); 4] = [
            ("runs", of(|campaign| Some(campaign.runs as f64))),
            ("new failures", of(|campaign| Some(campaign.new.len() as f64))),
            ("marks reached", of(|campaign| campaign.marks.map(|(reached, _)| reached as f64))),
            ("times faster than real time", of(|campaign| campaign.speed)),
        ];
        let figures: String = figures.iter().map(|(name, values)| bars(name, values)).collect();
        self.add(&format!("<div class=\"trend\">\n{figures}</div>"));
        let rows = campaigns.iter().map(|campaign| {
            let new = campaign.new.iter().map(|(id, what)| {
                format!("<a class=\"bad\" href=\"#{}\">{}</a>", escape(id), escape(what))
            });
            let new: Vec<String> = new.collect();
            let name = format!(
                "<a href=\"{}/\">{}</a>",
                link(self.folder, campaign.path),
                escape(campaign.started)
            );
            row(&[
                Cell::Markup(&name),
                Cell::Text(campaign.build),
                Cell::Number(campaign.runs),
                Cell::Number(campaign.failed),
                Cell::Markup(&new.join("<br/>")),
                Cell::Number(campaign.known as u64),
                Cell::Words(&duration(campaign.sim_ms)),
                Cell::Words(&campaign.marks_in_words()),
                Cell::Words(&campaign.speed_in_words()),
            ])
        });
        let heads = [
            "campaign",
            "build",
            "runs",
            "failed",
            "new failures",
            "known",
            "simulated",
            "marks",
            "speed",
        ];
        let table_ = table(&heads, rows.collect());
        self.add(&table_);
    }
}

/// One figure of each campaign as bars with their values.
fn bars(name: &str, values: &[Option<f64>]) -> String {
    let most = values.iter().flatten().copied().fold(1.0, f64::max);
    let step = (WIDTH - 8.0) / values.len() as f64;
    let mut out = String::new();
    for (place, value) in values.iter().enumerate() {
        let Some(value) = value else { continue };
        let height = HEIGHT * value / most;
        let (x, y) = (4.0 + place as f64 * step, 40.0 + HEIGHT - height);
        let width = (step - 3.0).clamp(1.0, 40.0);
        let _ = write!(
            out,
            "<rect class=\"column\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
             data-value=\"{value:.3}\"><title>{value:.0}</title></rect>"
        );
        // Many campaigns have narrow bars: then the first and the last have their values.
        if step >= 34.0 || place == 0 || place + 1 == values.len() {
            let at = x + width / 2.0;
            let (at, anchor) = match place + 1 == values.len() && step < 34.0 {
                true => (WIDTH - 4.0, "end"),
                false if step < 34.0 => (x, "start"),
                false => (at, "middle"),
            };
            let _ = write!(
                out,
                "<text class=\"tick\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{value:.0}</text>",
                y - 4.0
            );
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot bars\" viewBox=\"0 0 {WIDTH} {0}\" \
         role=\"img\"><title>{1} by campaign</title><text class=\"title\" x=\"4\" y=\"16\">{1}</text>{out}\
         <line class=\"stroke-rule\" x1=\"0\" y1=\"{2}\" x2=\"{WIDTH}\" y2=\"{2}\"/></svg>\n",
        40.0 + HEIGHT + 6.0,
        escape(name),
        40.0 + HEIGHT,
    )
}

/// A text that stays inside its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ").replace('<', "&lt;")
}
