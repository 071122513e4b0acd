//! Many shards of a campaign made into one.
//!
//! A merge is the join of a semilattice: commutative, associative and idempotent, after the rules
//! by which TigerBeetle's CFO merges its seed records. A shard that a batch engine ran twice, or a
//! result that is merged with itself, changes nothing. So everything that counts is counted anew
//! from the lines of runs, each of which has an address ([`RunLine::address`]); and what differs
//! from machine to machine, which is times, is combined by the smallest or the largest.
//!
//! One build must end one address in one way. Two ends mean that the runs are not deterministic;
//! both lines stay, so that merging the result again finds the contradiction again.

mod kept;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use evidence::{
    Canary, Coverage, DistinctFailure, Environment, Families, FigureDeclaration, RunLine,
    RunVerdict, SCHEMA_VERSION, Shard, Summary, UndecidedRun, Utilization, joined_figures,
};
use thiserror::Error;

use crate::folder::FolderError;
use kept::Kept;
pub use read::{ShardFolder, find_shards, read_shard};

/// How the doubt begins that a campaign saw too little. More shards may have seen it: this doubt
/// is not taken over from shards, but asked anew.
pub const SAW_NO: &str = "saw no ";

/// Why shards cannot be merged.
#[derive(Debug, Error)]
pub enum MergeError {
    /// A file or folder that cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file or folder that cannot be read.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        error: std::io::Error,
    },
    /// No campaign's folder.
    #[error(
        "{}: no campaign's folder, nor is there one in it: expected seeds.jsonl and summary.json",
        path.display()
    )]
    NoShard {
        /// The folder that was given.
        path: PathBuf,
    },
    /// A file that is not what it is called.
    #[error("{}{}: {message}", path.display(), line.map_or(String::new(), |n| format!(":{n}")))]
    Malformed {
        /// The file that is not as it should be.
        path: PathBuf,
        /// The line, from 1.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
    /// Shards of different campaigns.
    #[error(
        "these are not shards of one campaign: {what} is {first} in {}, but {second} in {}",
        first_path.display(), second_path.display()
    )]
    Different {
        /// What differs between the shards: the build, the seed, the scenarios.
        what: &'static str,
        /// The value in the first of the two.
        first: String,
        /// The folder of the first.
        first_path: PathBuf,
        /// The value in the second of the two.
        second: String,
        /// The folder of the second.
        second_path: PathBuf,
    },
    /// The result's folder is there already.
    #[error("{} exists already: a merge writes a new folder", path.display())]
    Exists {
        /// The folder that is there already.
        path: PathBuf,
    },
    /// The result cannot be written.
    #[error(transparent)]
    Write(#[from] FolderError),
}

/// What shards come to.
#[derive(Debug)]
pub struct Merged {
    /// Every run once, in the order of the campaign.
    pub lines: Vec<RunLine>,
    /// Counted anew. Its exit code is 0, and doubts are those of the shards: the caller has the
    /// last word on both.
    pub summary: Summary,
    /// The marks that the runs hit, counted anew; none if no shard knew any.
    pub coverage: Option<Coverage>,
    /// Runs that ended in several ways, in words.
    pub conflicts: Vec<String>,
    kept: Kept,
}

/// Merges shards of one campaign; at least one.
///
/// # Errors
/// When they are of different campaigns, or a file of theirs cannot be read.
pub fn merge(shards: &[ShardFolder]) -> Result<Merged, MergeError> {
    let environment = environment(shards)?;
    let lines = join_lines(shards.iter().flat_map(|shard| &shard.lines));
    let conflicts = conflicts(&lines);
    let coverage = coverage(shards, &lines);
    let (kept, mut failures) = Kept::collect(shards)?;
    let figures = figures(shards);
    let mut utilization = Utilization::default();
    let mut undecided = Vec::new();
    let mut counts: BTreeMap<String, (u64, &RunLine)> = BTreeMap::new();
    for line in &lines {
        utilization.add(line, &figures);
        if let Some(reason) = &line.reason {
            let plan = Some(undecided_plan(line)).filter(|plan| kept.files.contains_key(plan));
            undecided.push(UndecidedRun {
                scenario: line.scenario.clone(),
                seed: line.seed,
                reason: reason.clone(),
                // None, if its shard was killed before it kept the plan.
                plan: plan.unwrap_or_default(),
            });
        }
        if line.verdict == RunVerdict::Fail
            && let Some(first) = line.fingerprints.first()
        {
            counts.entry(first.clone()).or_insert((0, line)).0 += 1;
        }
    }
    for (fingerprint, (count, first)) in counts {
        let failure =
            failures.entry(fingerprint).or_insert_with_key(|key| without_evidence(key, first));
        failure.count = count;
    }
    let mut failures: Vec<DistinctFailure> = failures.into_values().collect();
    failures.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.fingerprint.cmp(&b.fingerprint)));
    let merged: BTreeSet<Shard> = shards.iter().flat_map(ShardFolder::merged).collect();
    utilization.wall_ms = merged.iter().map(|shard| shard.wall_ms).max().unwrap_or(0);
    let doubts: BTreeSet<&String> = shards.iter().flat_map(|shard| &shard.summary.doubts).collect();
    let summary = Summary {
        schema_version: SCHEMA_VERSION,
        environment: Environment {
            jobs: merged.iter().map(|shard| shard.jobs).sum(),
            started: merged.iter().map(|shard| shard.started.clone()).min().unwrap_or_default(),
            ..environment
        },
        utilization,
        figures,
        families: families(shards),
        failures,
        undecided,
        canary: join_canaries(shards.iter().filter_map(|shard| shard.summary.canary.as_ref())),
        marks: coverage.as_ref().map(Coverage::figures),
        doubts: doubts.into_iter().filter(|doubt| !doubt.starts_with(SAW_NO)).cloned().collect(),
        interrupted: merged.iter().any(|shard| shard.interrupted),
        unfinished: false,
        shards: merged.into_iter().collect(),
        exit_code: 0,
    };
    Ok(Merged { lines, summary, coverage, conflicts, kept })
}

/// What the runs hit, of all that the shards' builds knew.
fn coverage(shards: &[ShardFolder], lines: &[RunLine]) -> Option<Coverage> {
    let mut known = shards.iter().filter_map(|shard| shard.coverage.as_ref()).peekable();
    known.peek()?;
    let mut coverage = Coverage::declared_by(known);
    lines.iter().for_each(|line| coverage.add(line));
    Some(coverage)
}

/// What the shards' figures mean. All are of one build, so they say the same; whatever they say,
/// their order decides nothing.
fn figures(shards: &[ShardFolder]) -> Vec<FigureDeclaration> {
    let declared: BTreeSet<&Vec<FigureDeclaration>> =
        shards.iter().map(|shard| &shard.summary.figures).collect();
    joined_figures(declared.into_iter().map(Vec::as_slice))
}

/// The families of the shards' faults.
fn families(shards: &[ShardFolder]) -> Families {
    let mut families = Families::default();
    shards.iter().for_each(|shard| families.join(&shard.summary.families));
    families
}

/// What all shards have in common.
fn environment(shards: &[ShardFolder]) -> Result<Environment, MergeError> {
    let first = shards.first().expect("a merge has at least one shard");
    let mut scenarios: BTreeSet<String> = BTreeSet::new();
    for shard in shards {
        let (a, b) = (&first.summary.environment, &shard.summary.environment);
        let engine =
            |engine: &Option<String>| engine.clone().unwrap_or_else(|| "engine".to_owned());
        let plant = |plant: &Option<String>| plant.clone().unwrap_or_else(|| "none".to_owned());
        let common = [
            ("the build", a.build.clone(), b.build.clone()),
            ("the campaign's seed", a.seed.to_string(), b.seed.to_string()),
            ("the engine", engine(&a.engine), engine(&b.engine)),
            ("the planted bug", plant(&a.plant), plant(&b.plant)),
        ];
        for (what, one, other) in common {
            if one != other {
                return Err(MergeError::Different {
                    what,
                    first: one,
                    first_path: first.path.clone(),
                    second: other,
                    second_path: shard.path.clone(),
                });
            }
        }
        scenarios.extend(b.scenarios.iter().cloned());
    }
    Ok(Environment {
        command: vec!["squall".to_owned(), "merge".to_owned()],
        partition: None,
        scenarios: scenarios.into_iter().collect(),
        ..first.summary.environment.clone()
    })
}

/// A line as far as it is a function of its address.
fn result_of(line: &RunLine) -> RunLine {
    RunLine { wall_ms: 0, position: None, ..line.clone() }
}

/// Whether the machine ended the run, and not the plan: what it came to says nothing of the plan.
fn was_cut_off(line: &RunLine) -> bool {
    let is_of_the_machine = |reason: &String| {
        reason.starts_with("the run was cut off: stopped") || reason.starts_with("internal error")
    };
    line.reason.as_ref().is_some_and(is_of_the_machine)
}

/// Every end of every address once, in the order of the campaign.
fn join_lines<'a>(all: impl Iterator<Item = &'a RunLine>) -> Vec<RunLine> {
    let mut ends: BTreeMap<_, BTreeMap<String, RunLine>> = BTreeMap::new();
    for line in all {
        let ends = ends.entry(line.address()).or_default();
        let joined = ends.entry(result_of(line).to_json_line()).or_insert_with(|| line.clone());
        joined.wall_ms = joined.wall_ms.min(line.wall_ms);
        joined.position = match (joined.position, line.position) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    let mut lines = Vec::new();
    for ends in ends.into_values() {
        let (cut_off, whole): (Vec<RunLine>, Vec<RunLine>) =
            ends.into_values().partition(was_cut_off);
        // Of runs that machines ended, one stays, and none beside a run that came to its end.
        if whole.is_empty() {
            lines.extend(cut_off.into_iter().next())
        } else {
            lines.extend(whole)
        }
    }
    lines.sort_by_cached_key(|line| (line.position.is_none(), line.position, line.to_json_line()));
    lines
}

fn conflicts(lines: &[RunLine]) -> Vec<String> {
    let mut ends: BTreeMap<_, Vec<&RunLine>> = BTreeMap::new();
    for line in lines {
        ends.entry(line.address()).or_default().push(line);
    }
    let contradictory = ends.into_values().filter(|ends| ends.len() > 1);
    contradictory
        .map(|ends| {
            let line = ends[0];
            let from = line.corpus.as_ref().map_or(String::new(), |name| format!(" of {name}"));
            let words: Vec<String> = ends.iter().map(|line| end_in_words(line)).collect();
            format!(
                "{} seed {}{from} is not deterministic: it ended with {}",
                line.scenario,
                line.seed,
                words.join(", and with "),
            )
        })
        .collect()
}

fn end_in_words(line: &RunLine) -> String {
    let verdict = match line.verdict {
        RunVerdict::Pass => "pass",
        RunVerdict::Fail => "fail",
        RunVerdict::Undecided => "undecided",
    };
    format!("{verdict} at trace {}", line.trace_hash)
}

/// A canary that was not found anywhere is not found.
fn join_canaries<'a>(all: impl Iterator<Item = &'a Canary>) -> Option<Canary> {
    // `found` is the first field, and false comes first.
    all.min().cloned()
}

/// A kind of failure of which there is a line, but no folder: its shard was killed in between.
fn without_evidence(fingerprint: &str, line: &RunLine) -> DistinctFailure {
    DistinctFailure {
        fingerprint: fingerprint.to_owned(),
        scenario: line.scenario.clone(),
        property: line.violated.first().cloned().unwrap_or_default(),
        headline: "its shard ended before the evidence was kept".to_owned(),
        seed: line.seed,
        count: 0,
        folder: String::new(),
        smaller: None,
    }
}

/// Where a campaign keeps the plan of an undecided run, relative to its folder.
pub(crate) fn undecided_plan(line: &RunLine) -> String {
    match line.position {
        Some(position) => format!("undecided/{position}-plan.json"),
        None => format!("undecided/{}", line.plan_name()),
    }
}
