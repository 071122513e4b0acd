//! Reading the folders that `fuzz` and `run` wrote.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use evidence::{RunLine, RunPicture, SCHEMA_VERSION, Summary};
use thiserror::Error;

use crate::folder::FolderError;
use crate::picture::PICTURE_FILE;

/// A folder of results, as it was read.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What it came to; none if it was killed, or is a single run.
    pub(super) summary: Option<Summary>,
    /// Its runs.
    pub(super) lines: Vec<RunLine>,
    /// Whether the last line was cut off, as by a kill.
    pub(super) is_torn: bool,
    /// A single run's picture.
    pub(super) picture: Option<RunPicture>,
}

/// Why there is no report.
#[derive(Debug, Error)]
pub enum ReportError {
    /// It is no folder of results.
    #[error("{}: no seeds.jsonl there; expected a folder that `squall fuzz` or `squall run` wrote", path.display())]
    NoResults {
        /// The folder that was given.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file that cannot be read.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        error: io::Error,
    },
    /// A file is not what its name says.
    #[error("{}, line {line}: expected {expected}: {found}", path.display())]
    Malformed {
        /// The file that is not as it should be.
        path: PathBuf,
        /// The line in it, from 1.
        line: usize,
        /// What would have been right.
        expected: &'static str,
        /// What is wrong.
        found: String,
    },
    /// The summary is of another version of its form.
    #[error("{}: of form {found}, but this build reads form {SCHEMA_VERSION}", path.display())]
    OtherForm {
        /// The file of another form.
        path: PathBuf,
        /// The file's version.
        found: u32,
    },
    /// Two files of one campaign contradict each other.
    #[error("{} is not what its seeds.jsonl comes to:\n  {}", path.display(), fields.join("\n  "))]
    Disagreement {
        /// The summary that does not fit its lines.
        path: PathBuf,
        /// Field, what the summary says, what the lines come to.
        fields: Vec<String>,
    },
    /// The report cannot be written.
    #[error(transparent)]
    Unwritable(#[from] FolderError),
}

impl Folder {
    /// Reads a folder and checks that its summary is what its runs come to. That of a campaign which did
    /// not come to its end is of an earlier moment: then the lines of the runs alone are believed.
    pub(super) fn read(path: &Path) -> Result<Folder, ReportError> {
        let seeds = path.join("seeds.jsonl");
        let summary = summary(&path.join("summary.json"))?;
        let (lines, is_torn) = match &summary {
            // It was killed before its first run ended.
            Some(summary) if summary.unfinished && !seeds.exists() => (Vec::new(), false),
            _ if !seeds.is_file() => return Err(ReportError::NoResults { path: path.to_owned() }),
            _ => lines(&seeds)?,
        };
        if let Some(summary) = summary.as_ref().filter(|summary| !summary.unfinished) {
            let fields = summary.disagreements(&lines);
            if !fields.is_empty() {
                return Err(ReportError::Disagreement { path: path.join("summary.json"), fields });
            }
        }
        let picture = picture(path)?;
        Ok(Folder { path: path.to_owned(), summary, lines, is_torn, picture })
    }
}

/// The folders of results that a path stands for: itself, or those in it, in the order of their names. Links among
/// them, such as the one to the newest, name folders that are there anyway.
pub(super) fn within(path: &Path) -> Vec<PathBuf> {
    let has_results = |path: &Path| path.join("seeds.jsonl").is_file();
    if has_results(path) {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .filter(|path| has_results(path))
        .collect();
    folders.sort();
    // Whoever reads it says that nothing is there.
    if folders.is_empty() { vec![path.to_owned()] } else { folders }
}

fn text(path: &Path) -> Result<String, ReportError> {
    fs::read_to_string(path)
        .map_err(|error| ReportError::Unreadable { path: path.to_owned(), error })
}

/// The lines, and whether a last one without an end was left out.
fn lines(path: &Path) -> Result<(Vec<RunLine>, bool), ReportError> {
    let text = text(path)?;
    // A line is whole when its line feed is there: it is written last.
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let is_torn = whole.len() < text.len();
    let read = |(index, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| ReportError::Malformed {
            path: path.to_owned(),
            line: index + 1,
            expected: "a run",
            found: error.to_string(),
        })
    };
    let lines: Result<Vec<RunLine>, ReportError> = whole.lines().enumerate().map(read).collect();
    Ok((lines?, is_torn))
}

fn summary(path: &Path) -> Result<Option<Summary>, ReportError> {
    if !path.is_file() {
        return Ok(None);
    }
    let summary: Summary = json(path, &text(path)?, "a campaign's summary")?;
    match summary.schema_version {
        SCHEMA_VERSION => Ok(Some(summary)),
        found => Err(ReportError::OtherForm { path: path.to_owned(), found }),
    }
}

/// The picture that a folder has in `picture.json`, if it has one.
pub(super) fn picture(folder: &Path) -> Result<Option<RunPicture>, ReportError> {
    let path = folder.join(PICTURE_FILE);
    if !path.is_file() {
        return Ok(None);
    }
    Ok(Some(json(&path, &text(&path)?, "a run's picture")?))
}

fn json<T: serde::de::DeserializeOwned>(
    path: &Path,
    text: &str,
    expected: &'static str,
) -> Result<T, ReportError> {
    serde_json::from_str(text).map_err(|error| ReportError::Malformed {
        path: path.to_owned(),
        line: error.line(),
        expected,
        found: error.to_string(),
    })
}
