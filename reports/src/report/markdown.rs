//! `report.md`: the same as the page, for places that show Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use evidence::Utilization;
use evidence::words::{by_kind, count, duration};

use crate::plot::RUN_PLOTS;

use super::causes::Cause;
use super::html::pairs_of;
use super::links::link;
use super::marks;
use super::{FailureEntry, Report};

/// Undecided runs that are listed.
const UNDECIDED_MAX: usize = 50;

impl Report {
    /// What each scenario's runs come to.
    pub(super) fn scenarios(&self) -> BTreeMap<String, Utilization> {
        let mut scenarios: BTreeMap<String, Utilization> = BTreeMap::new();
        for line in &self.lines {
            scenarios.entry(line.scenario.clone()).or_default().add(line, &self.figures);
        }
        scenarios
    }

    /// What the system counted, and how often runs were performed twice.
    pub(super) fn steps(&self) -> Vec<(String, u64)> {
        let repeated = self.lines.iter().filter(|line| line.repeated.is_some()).count();
        let told = self.utilization.told(&self.figures).into_iter();
        let told = told.map(|(figure, value)| (figure.title, value));
        let twice = "runs performed twice to see that they end the same".to_owned();
        told.chain([(twice, repeated as u64)]).collect()
    }

    /// The text, with links as seen from a folder.
    pub(super) fn to_markdown(&self, folder: &Path) -> String {
        let mut text = format!("# squall: {}\n\n## Failures\n", self.headline());
        let causes = self.causes();
        if causes.is_empty() {
            text.push_str("\nNone.\n");
        }
        causes.iter().for_each(|cause| cause_text(&mut text, folder, cause));
        text.push_str(&self.trend_markdown(folder));
        self.tested(&mut text);
        self.properties_table(&mut text);
        text.push_str(&marks::markdown(&self.coverage));
        self.undecided_table(&mut text, folder);
        text.push_str("\n## Doubts\n\n");
        if self.doubts.is_empty() {
            text.push_str("None.\n");
        }
        for doubt in &self.doubts {
            let _ = writeln!(text, "- {}", cell(doubt));
        }
        text.push_str("\n## Times\n");
        for distribution in self.distributions() {
            let _ = writeln!(
                text,
                "\n**{}**: {}\n\n![{0}]({}.svg)",
                distribution.what,
                distribution.words(),
                distribution.class
            );
        }
        text.push_str("\n## Environment\n");
        for each in &self.folders {
            let (name, href) = (each.path.display(), link(folder, &each.path));
            let _ = writeln!(text, "\n| folder | [{name}]({href}) |\n|---|---|");
            for (name, value) in pairs_of(each) {
                let _ = writeln!(text, "| {name} | {} |", cell(&value));
            }
        }
        text
    }

    fn tested(&self, text: &mut String) {
        text.push_str(
            "\n## What was tested\n\n| scenario | runs | passed | failed | undecided | simulated \
             | operations |\n|---|--:|--:|--:|--:|--:|--:|\n",
        );
        for (name, sum) in self.scenarios() {
            let runs = sum.runs;
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} |",
                cell(&name),
                runs.total,
                runs.passed,
                runs.failed,
                runs.undecided,
                duration(sum.sim_ms),
                sum.operations
            );
        }
        let _ = writeln!(text, "\nFaults that struck: {}.\n", by_kind(&self.utilization.faults));
        let never = self.utilization.never_struck();
        if !never.is_empty() {
            let _ = writeln!(text, "Planned, and never struck: {}.\n", by_kind(&never));
        }
        for (name, times) in self.steps() {
            let _ = writeln!(text, "- {name}: {times}");
        }
    }

    fn properties_table(&self, text: &mut String) {
        text.push_str(
            "\n## Properties\n\n| property | checked in runs | violated | gave up | example | what it says \
             |\n|---|--:|--:|--:|---|---|\n",
        );
        for (name, property) in &self.properties {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} |",
                cell(name),
                property.checked,
                property.violated,
                property.gave_up,
                property.example.as_deref().unwrap_or_default(),
                cell(&property.headline)
            );
        }
    }

    fn undecided_table(&self, text: &mut String, folder: &Path) {
        text.push_str("\n## Undecided\n\n");
        if self.undecided.is_empty() {
            return text.push_str("None.\n");
        }
        text.push_str("| scenario | seed | why | plan |\n|---|--:|---|---|\n");
        for run in self.undecided.iter().take(UNDECIDED_MAX) {
            let plan = run.plan.as_ref().map(|path| format!("[plan]({})", link(folder, path)));
            let (scenario, reason) = (cell(&run.scenario), cell(&run.reason));
            let plan = plan.unwrap_or_default();
            let _ = writeln!(text, "| {scenario} | {} | {reason} | {plan} |", run.seed);
        }
        if self.undecided.len() > UNDECIDED_MAX {
            let _ = writeln!(text, "\n{} more.", self.undecided.len() - UNDECIDED_MAX);
        }
    }
}

/// Failures of one cause: the first one in full, of the others their folders.
fn cause_text(text: &mut String, folder: &Path, cause: &Cause<'_>) {
    let example = cause.example();
    let _ = writeln!(
        text,
        "\n### {}: {}\n\nSeen in {}: {}; fingerprint `{}`\n",
        example.property,
        example.headline,
        count(cause.runs, "run"),
        cause.scenarios_in_words(),
        example.fingerprint
    );
    failure_text(text, folder, example);
    for other in &cause.failures[1..] {
        let place = match &other.folder {
            Some(place) => format!("[{}]({})", other.fingerprint, link(folder, place)),
            None => other.fingerprint.clone(),
        };
        let _ = writeln!(
            text,
            "\nThe same in {}, seed {}, {}: {place}",
            other.scenario,
            other.seed,
            count(other.runs, "run")
        );
    }
}

fn failure_text(text: &mut String, folder: &Path, failure: &FailureEntry) {
    if let Some(explanation) = &failure.explanation {
        for line in explanation.trim_end().lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
    let Some(place) = &failure.folder else {
        return text.push_str("\nIts folder is not there.\n");
    };
    let link_to = |name: &String| format!("[{name}]({})", link(folder, &place.join(name)));
    let files: Vec<String> = failure.files.iter().map(link_to).collect();
    let _ = writeln!(text, "\n{}", files.join(" · "));
    for (name, _) in RUN_PLOTS.iter().filter(|(name, _)| failure.files.iter().any(|f| f == name)) {
        let _ = writeln!(text, "\n![{name}]({})", link(folder, &place.join(name)));
    }
}

/// A text that stays inside its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ").replace('<', "&lt;")
}
