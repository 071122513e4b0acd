//! `squall report`: what one or several folders of results come to, as a page and as a text.
//!
//! It begins with the failures by their causes, each with what contradicts what, a picture and the commands
//! that go on from there; then comes what was tested. Environment, utilization and properties are the three
//! parts of Antithesis' triage report.

mod causes;
mod failures;
mod html;
mod links;
mod markdown;
mod marks;
mod read;
#[cfg(test)]
mod tests;
mod times;
mod trend;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use evidence::words::count;
use evidence::{
    Coverage, Families, FigureDeclaration, RunLine, RunPicture, RunVerdict, Utilization,
    joined_figures,
};

use crate::merge::undecided_plan;
use crate::place::write_atomically;

pub use read::ReportError;
use read::{Folder, picture};

/// Files of a failure in the order in which to read them; others follow by name.
const FILES: [&str; 9] = [
    "explanation.txt",
    "timeline.html",
    "messages.svg",
    "log.jsonl",
    "plan.json",
    "plan.min.json",
    "history.txt",
    "history.jsonl",
    "history.edn",
];

/// What folders of results come to.
#[derive(Clone, Debug)]
pub struct Report {
    folders: Vec<Folder>,
    /// Every run once, in the order of the folders.
    lines: Vec<RunLine>,
    utilization: Utilization,
    /// What the figures of the runs mean, as far as a folder says.
    figures: Vec<FigureDeclaration>,
    families: Families,
    coverage: Coverage,
    failures: Vec<FailureEntry>,
    undecided: Vec<UndecidedEntry>,
    properties: BTreeMap<String, PropertyEntry>,
    doubts: Vec<String>,
    is_contradictory: bool,
}

/// Failures of one kind.
#[derive(Clone, Debug)]
struct FailureEntry {
    fingerprint: String,
    scenario: String,
    property: String,
    headline: String,
    seed: u64,
    plant: Option<String>,
    runs: u64,
    /// Where its files are, if they are anywhere.
    folder: Option<PathBuf>,
    /// Names of the files there.
    files: Vec<String>,
    explanation: Option<String>,
    picture: Option<RunPicture>,
    /// How many operations and faults a smaller plan has left, if there is one.
    smaller: Option<usize>,
}

/// A run without a verdict.
#[derive(Clone, Debug)]
struct UndecidedEntry {
    scenario: String,
    seed: u64,
    reason: String,
    plan: Option<PathBuf>,
}

/// A property over all runs.
#[derive(Clone, Debug, Default)]
struct PropertyEntry {
    /// Runs in which it was checked.
    checked: u64,
    /// Runs in which it is violated.
    violated: u64,
    /// Runs in which it could not be decided.
    gave_up: u64,
    /// The fingerprint of the first failure that violates it.
    example: Option<String>,
    /// What is wrong there, as far as it is known.
    headline: String,
}

impl Report {
    /// Reads folders that `fuzz` and `run` wrote; of a folder that holds such folders, all of them.
    ///
    /// # Errors
    /// When one cannot be read, is no such folder, or contradicts itself.
    pub fn read(paths: &[PathBuf]) -> Result<Report, ReportError> {
        let folders: Result<Vec<Folder>, ReportError> = paths
            .iter()
            .flat_map(|path| read::within(path))
            .map(|path| Folder::read(&path))
            .collect();
        let folders = folders?;
        let (lines, doubts, is_contradictory) = each_run_once(&folders);
        let failures = failures(&folders, &lines)?;
        let summaries = folders.iter().filter_map(|folder| folder.summary.as_ref());
        let figures = joined_figures(summaries.clone().map(|summary| &summary.figures[..]));
        let mut utilization = Utilization::of(&lines, &figures);
        utilization.wall_ms = summaries.map(|summary| summary.utilization.wall_ms).sum();
        Ok(Report {
            utilization,
            figures,
            families: families(&folders),
            properties: properties(&lines, &failures),
            coverage: marks::coverage(&folders.iter().collect::<Vec<_>>(), &lines),
            undecided: undecided(&folders, &lines),
            failures,
            lines,
            folders,
            doubts,
            is_contradictory,
        })
    }

    /// Whether the same run ended differently in two folders, so that the harness cannot be trusted.
    pub fn is_contradictory(&self) -> bool {
        self.is_contradictory
    }

    /// Why not all may be as it seems: campaigns that did not end, lines that are cut off, what campaigns
    /// themselves doubted.
    pub fn doubts(&self) -> &[String] {
        &self.doubts
    }

    /// Writes `index.html`, `report.md` and their plots into a folder and returns their paths.
    ///
    /// # Errors
    /// When one of them cannot be written.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>, ReportError> {
        let mut files =
            vec![("index.html", self.to_html(folder)), ("report.md", self.to_markdown(folder))];
        let distributions = self.distributions();
        let names: Vec<String> = distributions.iter().map(|d| format!("{}.svg", d.class)).collect();
        files.extend(
            names
                .iter()
                .map(String::as_str)
                .zip(&distributions)
                .map(|(name, d)| (name, d.standing_alone())),
        );
        let mut written = Vec::new();
        for (name, text) in files {
            let path = folder.join(name);
            write_atomically(&path, text.as_bytes())?;
            written.push(path);
        }
        Ok(written)
    }

    /// The report in one line.
    pub fn headline(&self) -> String {
        let runs = count(self.utilization.runs.total, "run");
        let scenarios: BTreeSet<&str> =
            self.failures.iter().map(|failure| failure.scenario.as_str()).collect();
        let places = match scenarios.len() {
            0 | 1 => String::new(),
            many => format!(" in {many} scenarios"),
        };
        match self.causes().len() {
            _ if self.is_contradictory => format!("{runs} that contradict each other"),
            0 if self.lines.is_empty() => "no runs".to_owned(),
            0 if self.undecided.is_empty() => format!("{runs}, all passed"),
            0 => format!("{runs}, {} undecided", self.undecided.len()),
            1 => format!("{runs}, one kind of failure{places}"),
            kinds => format!("{runs}, {kinds} kinds of failures{places}"),
        }
    }
}

/// What folders say of the families of faults.
fn families(folders: &[Folder]) -> Families {
    let mut families = Families::default();
    for folder in folders {
        let summary = folder.summary.iter().map(|summary| &summary.families);
        let picture = folder.picture.iter().map(|picture| &picture.families);
        summary.chain(picture).for_each(|more| families.join(more));
    }
    families
}

/// The runs of all folders without repetitions, what is doubtful about them, and whether one run
/// ended in two ways.
fn each_run_once(folders: &[Folder]) -> (Vec<RunLine>, Vec<String>, bool) {
    let mut lines: Vec<RunLine> = Vec::new();
    let mut known: BTreeMap<_, (usize, &Path)> = BTreeMap::new();
    let (mut doubts, mut repeated, mut is_contradictory) = (Vec::new(), 0, false);
    for folder in folders {
        let shown = folder.path.display();
        if let Some(summary) = &folder.summary {
            doubts.extend(summary.doubts.iter().map(|doubt| format!("{shown}: {doubt}")));
            if summary.unfinished {
                let runs = count(folder.lines.len() as u64, "run");
                doubts.push(format!(
                    "{shown}: the campaign did not end, it was killed or could not write any more; \
                     this is what its {runs} came to"
                ));
            } else if summary.interrupted {
                doubts.push(format!("{shown}: the campaign was interrupted"));
            }
        } else if folder.picture.is_none() {
            doubts.push(format!(
                "{shown}: no summary.json, so the campaign was killed before its end"
            ));
        }
        if folder.is_torn {
            doubts
                .push(format!("{shown}: the last line of seeds.jsonl is cut off and was left out"));
        }
        for line in &folder.lines {
            let Some((index, other)) = known.get(&line.address()) else {
                known.insert(line.address(), (lines.len(), &folder.path));
                lines.push(line.clone());
                continue;
            };
            repeated += 1;
            let first = &lines[*index];
            if (first.verdict, &first.trace_hash) != (line.verdict, &line.trace_hash) {
                is_contradictory = true;
                let RunLine { scenario, seed, .. } = line;
                doubts.push(format!(
                    "{scenario} seed {seed} ended differently in {} and {shown}: not deterministic",
                    other.display()
                ));
            }
        }
    }
    if repeated > 0 {
        let runs = count(repeated, "run");
        doubts.push(format!("{runs} of one folder are in another one too; each is counted once"));
    }
    (lines, doubts, is_contradictory)
}

/// Kinds of failures, the most frequent first.
fn failures(folders: &[Folder], lines: &[RunLine]) -> Result<Vec<FailureEntry>, ReportError> {
    let mut failures: Vec<FailureEntry> = Vec::new();
    for line in lines {
        let Some(fingerprint) = line.fingerprints.first() else { continue };
        if let Some(known) = failures.iter_mut().find(|each| each.fingerprint == *fingerprint) {
            known.runs += 1;
            continue;
        }
        failures.push(failure(folders, line, fingerprint)?);
    }
    failures.sort_by_key(|failure| std::cmp::Reverse(failure.runs));
    Ok(failures)
}

fn failure(
    folders: &[Folder],
    line: &RunLine,
    fingerprint: &str,
) -> Result<FailureEntry, ReportError> {
    let place = |folder: &Folder| folder.path.join("failures").join(fingerprint);
    let folder = folders.iter().map(place).find(|path| path.is_dir());
    let explanation =
        folder.as_ref().and_then(|path| fs::read_to_string(path.join("explanation.txt")).ok());
    // The second line of an explanation is `property: headline`.
    let told = explanation.as_ref().and_then(|text| text.lines().nth(1)?.trim().split_once(": "));
    let (property, headline) = told.unwrap_or(("", ""));
    let summaries = folders.iter().filter_map(|folder| folder.summary.as_ref());
    let summed = summaries.flat_map(|s| &s.failures).find(|f| f.fingerprint == fingerprint);
    let seen = line.violated.first().map_or("", String::as_str);
    Ok(FailureEntry {
        fingerprint: fingerprint.to_owned(),
        scenario: line.scenario.clone(),
        property: match summed {
            Some(failure) => failure.property.clone(),
            None if property.is_empty() => seen.to_owned(),
            None => property.to_owned(),
        },
        headline: summed.map_or(headline, |failure| &failure.headline).to_owned(),
        seed: summed.map_or(line.seed, |failure| failure.seed),
        plant: line.plant.clone(),
        runs: 1,
        files: folder.as_deref().map(files).unwrap_or_default(),
        picture: folder.as_deref().map(picture).transpose()?.flatten(),
        smaller: summed
            .and_then(|failure| failure.smaller.as_ref())
            .map(|plan| plan.operations + plan.faults),
        explanation,
        folder,
    })
}

/// The names of a failure's files, the important ones first.
fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| !name.ends_with(".tmp")).collect();
    let rank = |name: &String| FILES.iter().position(|file| file == name).unwrap_or(FILES.len());
    names.sort_by(|one, other| (rank(one), one).cmp(&(rank(other), other)));
    names
}

fn undecided(folders: &[Folder], lines: &[RunLine]) -> Vec<UndecidedEntry> {
    let plan = |line: &RunLine| {
        folders.iter().find_map(|folder| {
            let summary = folder.summary.as_ref()?;
            let mut runs = summary.undecided.iter();
            let named = runs.find(|run| run.scenario == line.scenario && run.seed == line.seed);
            let plan = match named {
                Some(run) => run.plan.clone(),
                // The summary may be older than the run.
                None => undecided_plan(line),
            };
            Some(folder.path.join(plan)).filter(|plan| plan.is_file())
        })
    };
    let undecided = lines.iter().filter(|line| line.verdict == RunVerdict::Undecided);
    let entry = |line: &RunLine| UndecidedEntry {
        scenario: line.scenario.clone(),
        seed: line.seed,
        reason: line.reason.clone().unwrap_or_default(),
        plan: plan(line),
    };
    undecided.map(entry).collect()
}

fn properties(lines: &[RunLine], failures: &[FailureEntry]) -> BTreeMap<String, PropertyEntry> {
    let mut properties: BTreeMap<String, PropertyEntry> = BTreeMap::new();
    for line in lines {
        for name in &line.checked {
            properties.entry(name.clone()).or_default().checked += 1;
        }
        for name in &line.gave_up {
            properties.entry(name.clone()).or_default().gave_up += 1;
        }
        // A property may be violated in several ways in one run.
        for name in line.violated.iter().collect::<BTreeSet<&String>>() {
            let property = properties.entry(name.clone()).or_default();
            property.violated += 1;
            if property.example.is_none() {
                property.example = line.fingerprints.first().cloned();
                property.headline = line.headlines.get(name).cloned().unwrap_or_default();
            }
        }
    }
    // Better than a run in which it is violated too: one that is known for it.
    for failure in failures.iter().rev() {
        if let Some(property) = properties.get_mut(&failure.property) {
            property.example = Some(failure.fingerprint.clone());
            property.headline.clone_from(&failure.headline);
        }
    }
    properties
}
