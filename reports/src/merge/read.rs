//! Reading the folders of shards. A shard that was killed has no end: the last line of its
//! `seeds.jsonl` may be torn, and its `summary.json` says that it was interrupted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use evidence::{COVERAGE_FILE, Coverage, RunLine, SCHEMA_VERSION, Shard, Summary};

use crate::merge::MergeError;

/// What a shard left behind.
#[derive(Clone, Debug)]
pub struct ShardFolder {
    /// The folder that was read.
    pub path: PathBuf,
    /// What its `summary.json` holds.
    pub summary: Summary,
    /// Its `coverage.json`, if it is of a build that knew marks and came so far.
    pub coverage: Option<Coverage>,
    /// The whole lines of its `seeds.jsonl`.
    pub lines: Vec<RunLine>,
    /// Whether the last line was torn.
    pub torn: bool,
}

/// Folders within folders that are searched.
const DEPTH_MAX: u32 = 6;

impl ShardFolder {
    /// The campaigns in it: those that were merged into it, or itself.
    pub(crate) fn merged(&self) -> Vec<Shard> {
        if !self.summary.shards.is_empty() {
            return self.summary.shards.clone();
        }
        let environment = &self.summary.environment;
        vec![Shard {
            partition: environment.partition.clone(),
            started: environment.started.clone(),
            command: environment.command.clone(),
            jobs: environment.jobs,
            wall_ms: self.summary.utilization.wall_ms,
            interrupted: self.summary.interrupted,
            torn: self.torn,
            exit_code: self.summary.exit_code,
        }]
    }
}

/// The campaign's folder at a path, or all that are in it, in the order of their names. Links are
/// not followed: `latest` is no other campaign.
///
/// # Errors
/// When there is none, or a folder cannot be read.
pub fn find_shards(path: &Path) -> Result<Vec<PathBuf>, MergeError> {
    let mut found = Vec::new();
    search(path, DEPTH_MAX, &mut found)?;
    if found.is_empty() {
        return Err(MergeError::NoShard { path: path.to_owned() });
    }
    Ok(found)
}

fn search(path: &Path, depth: u32, found: &mut Vec<PathBuf>) -> Result<(), MergeError> {
    let at = |error| MergeError::Read { path: path.to_owned(), error };
    if path.join("summary.json").is_file() {
        found.push(path.to_owned());
        return Ok(());
    }
    if depth == 0 {
        return Ok(());
    }
    let mut folders = Vec::new();
    for entry in fs::read_dir(path).map_err(at)? {
        let entry = entry.map_err(at)?;
        if entry.file_type().map_err(at)?.is_dir() {
            folders.push(entry.path());
        }
    }
    folders.sort();
    folders.iter().try_for_each(|folder| search(folder, depth - 1, found))
}

/// Reads a campaign's folder.
///
/// # Errors
/// When a file is missing or damaged, apart from a torn last line.
pub fn read_shard(path: &Path) -> Result<ShardFolder, MergeError> {
    let file = path.join("summary.json");
    let text = read(&file)?;
    let malformed =
        |path: &Path, line, message| MergeError::Malformed { path: path.to_owned(), line, message };
    let summary: Summary = serde_json::from_slice(&text)
        .map_err(|error| malformed(&file, None, format!("no summary of a campaign: {error}")))?;
    if summary.schema_version != SCHEMA_VERSION {
        let found = summary.schema_version;
        let message = format!("schema_version {found}, but this build reads {SCHEMA_VERSION}");
        return Err(malformed(&file, None, message));
    }
    let file = path.join("seeds.jsonl");
    let text = match read(&file) {
        // A campaign that was killed before its first run ended, or had nothing to run.
        Err(MergeError::Read { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
            Vec::new()
        }
        text => text?,
    };
    let (mut lines, mut torn) = (Vec::new(), false);
    for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match serde_json::from_slice::<RunLine>(line) {
            Ok(line) => lines.push(line),
            // Only what was being written can be torn.
            Err(_) if !line.ends_with(b"\n") => torn = true,
            Err(error) => {
                return Err(malformed(&file, Some(index + 1), format!("no run: {error}")));
            }
        }
    }
    let coverage = match read(&path.join(COVERAGE_FILE)) {
        Err(MergeError::Read { error, .. }) if error.kind() == io::ErrorKind::NotFound => None,
        text => Some(serde_json::from_slice(&text?).map_err(|error| {
            malformed(&path.join(COVERAGE_FILE), None, format!("no coverage: {error}"))
        })?),
    };
    Ok(ShardFolder { path: path.to_owned(), summary, coverage, lines, torn })
}

/// A whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, MergeError> {
    fs::read(path).map_err(|error| MergeError::Read { path: path.to_owned(), error })
}
