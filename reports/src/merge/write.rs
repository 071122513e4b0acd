//! Writing the result: beside its place first, and then moved there in one step.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use evidence::words::shell_word;
use evidence::{COVERAGE_FILE, RunLine};

use crate::folder::FolderError;
use crate::merge::read::read;
use crate::merge::{MergeError, Merged};
use crate::place::write_atomically;
use crate::summary_text::summary_markdown;

impl Merged {
    /// Writes the result as a new folder, in the form of a campaign's.
    ///
    /// # Errors
    /// When there is something at that place, or it cannot be written. Then nothing is there.
    pub fn write(&self, out: &Path) -> Result<(), MergeError> {
        refuse_existing(out)?;
        let mut name = out.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = out.with_file_name(name);
        let written = self.write_into(&temporary, out).and_then(|()| {
            // A folder without entries may be replaced, one with entries may not.
            fs::rename(&temporary, out)
                .map_err(|error| FolderError { path: out.to_owned(), error }.into())
        });
        if written.is_err() {
            // What is left behind has a name of its own and hinders nobody.
            let _ = fs::remove_dir_all(&temporary);
        }
        written
    }

    fn write_into(&self, folder: &Path, out: &Path) -> Result<(), MergeError> {
        let lines: String = self.lines.iter().map(RunLine::to_json_line).collect();
        write_atomically(&folder.join("seeds.jsonl"), lines.as_bytes())?;
        for (place, source) in &self.kept.files {
            let mut contents = read(source)?;
            if place.ends_with("/explanation.txt") {
                contents = with_paths_of(out, place, contents);
            }
            write_atomically(&folder.join(place), &contents)?;
        }
        if let Some(coverage) = &self.coverage {
            write_atomically(&folder.join(COVERAGE_FILE), coverage.to_json().as_bytes())?;
        }
        write_atomically(&folder.join("summary.md"), summary_markdown(&self.summary).as_bytes())?;
        write_atomically(&folder.join("summary.json"), self.summary.to_json().as_bytes())?;
        Ok(())
    }
}

/// Refuses a place that is taken.
fn refuse_existing(out: &Path) -> Result<(), MergeError> {
    let is_free = match fs::read_dir(out) {
        Err(error) => error.kind() == io::ErrorKind::NotFound,
        Ok(entries) => entries.count() == 0,
    };
    if is_free { Ok(()) } else { Err(MergeError::Exists { path: out.to_owned() }) }
}

/// An explanation's commands name the folder of the shard that wrote it; in the result they name
/// the result's.
fn with_paths_of(out: &Path, place: &str, explanation: Vec<u8>) -> Vec<u8> {
    let text = match String::from_utf8(explanation) {
        Ok(text) => text,
        Err(error) => return error.into_bytes(),
    };
    let folder = PathBuf::from(place);
    let folder = folder.parent().unwrap_or(Path::new("")).to_string_lossy().into_owned() + "/";
    let lines = text.split_inclusive('\n').map(|line| {
        let command = line.trim_start();
        let is_command = ["replay ", "shrink ", "smaller ", "read "]
            .iter()
            .any(|verb| command.starts_with(verb));
        match line.find(&folder).filter(|_| is_command) {
            Some(at) => with_path_of(out, line, at),
            None => line.to_owned(),
        }
    });
    lines.collect::<String>().into_bytes()
}

/// A line with a command, in which the path of a file is within the result: at `at` begins what is the same
/// in both. The path is a word of the command, in quotes if need be.
fn with_path_of(out: &Path, line: &str, at: usize) -> String {
    let (before, after) = line.split_at(at);
    let is_quoted = before.matches('\'').count() % 2 == 1;
    let end = if is_quoted { '\'' } else { ' ' };
    let from = before.rfind(end).map_or(0, |before| before + usize::from(!is_quoted));
    let to = after.find(['\n', end]).unwrap_or(after.len());
    let place = out.join(&after[..to]).display().to_string();
    let rest = &after[to..];
    let rest = if is_quoted { rest.strip_prefix('\'').unwrap_or(rest) } else { rest };
    format!("{}{}{rest}", &before[..from], shell_word(&place))
}
