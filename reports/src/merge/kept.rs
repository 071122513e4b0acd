//! Which files of shards the result takes over: for each kind of failure the folder with the
//! smallest plan, and every plan of a run that is undecided or not deterministic. A shard that was killed
//! may have kept more than its summary names.

use std::collections::BTreeMap;
use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf};

use evidence::{DistinctFailure, RunLine};

use crate::merge::read::read;
use crate::merge::{MergeError, ShardFolder};

/// Files of shards, by their path in the result.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Where each file comes from.
    pub(crate) files: BTreeMap<String, PathBuf>,
}

/// Folders of loose plans.
const PLAN_FOLDERS: [&str; 2] = ["undecided", "not-deterministic"];

/// Orders the candidates for one kind of failure; nothing in it depends on where a shard ran. The
/// smallest plan is the easiest to read, and among equals the first seed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    size_bytes: usize,
    seed: u64,
    plan: Vec<u8>,
    property: String,
    headline: String,
    scenario: String,
}

impl Kept {
    /// Chooses among what shards have; failures still carry the counts of their shards.
    pub(crate) fn collect(
        shards: &[ShardFolder],
    ) -> Result<(Kept, BTreeMap<String, DistinctFailure>), MergeError> {
        let mut best: BTreeMap<String, (Rank, PathBuf, DistinctFailure)> = BTreeMap::new();
        for shard in shards {
            for failure in &failures_of(shard)? {
                let folder = shard.path.join(&failure.folder);
                if failure.folder.is_empty() || !folder.join("plan.json").is_file() {
                    continue;
                }
                let rank = rank(&folder, failure)?;
                let fingerprint = failure.fingerprint.clone();
                if best.get(&fingerprint).is_none_or(|(other, ..)| rank < *other) {
                    best.insert(fingerprint, (rank, folder, failure.clone()));
                }
            }
        }
        let mut kept = Kept::default();
        let mut failures = BTreeMap::new();
        for (fingerprint, (_, source, failure)) in best {
            let folder = format!("failures/{fingerprint}");
            for (name, path) in files_in(&source)? {
                kept.files.insert(format!("{folder}/{name}"), path);
            }
            failures.insert(fingerprint, DistinctFailure { folder, ..failure });
        }
        for (shard, folder) in
            shards.iter().flat_map(|shard| PLAN_FOLDERS.map(|folder| (shard, folder)))
        {
            for (name, path) in files_in(&shard.path.join(folder))? {
                kept.take_smaller(format!("{folder}/{name}"), path)?;
            }
        }
        Ok((kept, failures))
    }

    /// Of two files for one place the smaller one stays, and of equally long ones the first in the
    /// order of bytes.
    fn take_smaller(&mut self, place: String, path: PathBuf) -> Result<(), MergeError> {
        if let Some(other) = self.files.get(&place) {
            let (other, this) = (read(other)?, read(&path)?);
            if (other.len(), other) <= (this.len(), this) {
                return Ok(());
            }
        }
        self.files.insert(place, path);
        Ok(())
    }
}

/// The kinds of failures that a shard names, and those of which it has a folder and a line alone.
fn failures_of(shard: &ShardFolder) -> Result<Vec<DistinctFailure>, MergeError> {
    let mut failures = shard.summary.failures.clone();
    let folders = entries_of(&shard.path.join("failures"), |kind| kind.is_dir())?;
    for (fingerprint, path) in folders {
        let is_of = |line: &&RunLine| line.fingerprints.first() == Some(&fingerprint);
        let is_known = failures.iter().any(|failure| failure.fingerprint == fingerprint);
        if let Some(line) = shard.lines.iter().find(is_of).filter(|_| !is_known) {
            failures.push(unnamed(&fingerprint, &path, line));
        }
    }
    Ok(failures)
}

/// A kind of failure by its folder and the line of its first run. The second line of an explanation is
/// `property: headline`.
fn unnamed(fingerprint: &str, folder: &Path, line: &RunLine) -> DistinctFailure {
    let explanation = fs::read_to_string(folder.join("explanation.txt")).unwrap_or_default();
    let told = explanation.lines().nth(1).and_then(|told| told.trim().split_once(": "));
    let violated = line.violated.first().map_or("", String::as_str);
    let (property, headline) = told.unwrap_or((violated, "its explanation was not written"));
    DistinctFailure {
        fingerprint: fingerprint.to_owned(),
        scenario: line.scenario.clone(),
        property: property.to_owned(),
        headline: headline.to_owned(),
        seed: line.seed,
        count: 0,
        folder: format!("failures/{fingerprint}"),
        smaller: None,
    }
}

fn rank(folder: &Path, failure: &DistinctFailure) -> Result<Rank, MergeError> {
    let shrunk = folder.join("plan.min.json");
    let plan = read(&if shrunk.is_file() { shrunk } else { folder.join("plan.json") })?;
    Ok(Rank {
        size_bytes: plan.len(),
        seed: failure.seed,
        plan,
        property: failure.property.clone(),
        headline: failure.headline.clone(),
        scenario: failure.scenario.clone(),
    })
}

/// The plain files of a folder by name; none if there is no such folder.
fn files_in(folder: &Path) -> Result<Vec<(String, PathBuf)>, MergeError> {
    entries_of(folder, |kind| kind.is_file())
}

fn entries_of(
    folder: &Path,
    is_wanted: fn(&FileType) -> bool,
) -> Result<Vec<(String, PathBuf)>, MergeError> {
    let at = |error| MergeError::Read { path: folder.to_owned(), error };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(at)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(at)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // What ends so was being written when its shard was killed.
        if is_wanted(&entry.file_type().map_err(at)?) && !name.ends_with(".tmp") {
            files.push((name, entry.path()));
        }
    }
    files.sort();
    Ok(files)
}
