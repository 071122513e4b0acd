//! Which files are histories.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::plain;

/// A history to be read.
#[derive(Debug)]
pub(super) struct HistoryFile {
    /// As it is printed.
    pub(super) shown: String,
    /// Where it is; none for stdin.
    pub(super) path: Option<PathBuf>,
    /// Its path within the folder that was named, or its name.
    pub(super) relative: PathBuf,
    /// The folder that was named, if one was.
    pub(super) folder: Option<PathBuf>,
}

/// Names that histories have.
const ENDINGS: [&str; 6] = ["edn", "json", "jsonl", "log", "ndjson", "txt"];

/// Files of ours that have such names and are no histories.
const NO_HISTORIES: [&str; 7] = [
    "explanation.txt",
    "log.jsonl",
    "plan.json",
    "plan.min.json",
    "seeds.jsonl",
    "summary.json",
    "trace.jsonl",
];

impl HistoryFile {
    pub(super) fn read(&self) -> io::Result<Vec<u8>> {
        match &self.path {
            Some(path) => fs::read(path),
            None => {
                let mut bytes = Vec::new();
                io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
            }
        }
    }

    /// Its path with nothing in it that leads out of a folder.
    pub(super) fn name_in_folder(&self) -> String {
        let parts = self.relative.components().filter_map(|part| match part {
            std::path::Component::Normal(name) => Some(name.to_string_lossy()),
            _ => None,
        });
        parts.collect::<Vec<_>>().join("/")
    }
}

/// The histories among these files and folders, in order.
pub(super) fn find(paths: &[PathBuf]) -> Result<Vec<HistoryFile>, String> {
    let mut found = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            let (shown, relative) = ("-".to_owned(), PathBuf::from("stdin"));
            found.push(HistoryFile { shown, path: None, relative, folder: None });
            continue;
        }
        let metadata =
            fs::metadata(path).map_err(|error| format!("cannot read {}: {error}", plain(path)))?;
        if metadata.is_dir() {
            walk(path, path, &mut found)
                .map_err(|error| format!("cannot read {}: {error}", plain(path)))?;
        } else {
            found.push(HistoryFile {
                shown: plain(path),
                path: Some(path.clone()),
                relative: path.file_name().map_or_else(|| path.clone(), PathBuf::from),
                folder: None,
            });
        }
    }
    Ok(found)
}

/// Links within a folder are not followed: `latest` is there under its own name as well.
fn walk(root: &Path, folder: &Path, found: &mut Vec<HistoryFile>) -> io::Result<()> {
    let mut entries: Vec<fs::DirEntry> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    // Beside a plan, one history is written in three forms.
    let is_ours = folder.join("plan.json").exists() && folder.join("history.jsonl").exists();
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            walk(root, &path, found)?;
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
        let is_history = match is_ours {
            true => name == "history.jsonl",
            false => ENDINGS.contains(&ending) && !NO_HISTORIES.contains(&name.as_str()),
        };
        if kind.is_file() && is_history {
            found.push(HistoryFile {
                shown: plain(&path),
                relative: path.strip_prefix(root).unwrap_or(&path).to_owned(),
                path: Some(path),
                folder: Some(root.to_owned()),
            });
        }
    }
    Ok(())
}
