//! A table of known verdicts: path, `valid` or `invalid`, model, with tabs between them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::files::HistoryFile;
use super::judge::{Truth, models};
use super::plain;

/// What the table says of one file.
#[derive(Debug)]
pub(super) struct Expected {
    /// The verdict.
    pub(super) truth: Truth,
    /// The model, in the table's words.
    pub(super) model: String,
}

/// The whole table.
#[derive(Debug)]
pub(super) struct Expectations {
    rows: BTreeMap<PathBuf, Expected>,
    /// Folders that the table's paths are relative to.
    folders: Vec<PathBuf>,
    /// The table's own folder: what single files are relative to.
    home: PathBuf,
}

impl Expected {
    /// The model's name without what the table says about it in brackets.
    pub(super) fn short_model(&self) -> String {
        self.model.split(" (").next().unwrap_or("").to_owned()
    }

    /// The model, if it is one that can be judged by: the table's words may say more after it.
    pub(super) fn known_model(&self) -> Option<&'static str> {
        let named = models().into_iter().filter(|model| {
            let rest = self.model.strip_prefix(model);
            rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-'))
        });
        named.max_by_key(|model| model.len())
    }
}

impl Expectations {
    pub(super) fn read(table: &Path, paths: &[PathBuf]) -> Result<Expectations, String> {
        let text = fs::read_to_string(table)
            .map_err(|error| format!("cannot read {}: {error}", plain(table)))?;
        let mut rows = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let is_head = index == 0 && line.starts_with("path\t");
            if is_head || line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what: &str| format!("{}:{}: {what}", plain(table), index + 1);
            let mut columns = line.split('\t').map(str::trim);
            let (Some(path), Some(verdict)) = (columns.next(), columns.next()) else {
                return Err(wrong("expected path, tab, valid or invalid, tab, model"));
            };
            let truth = match verdict {
                "valid" | "true" => Truth::True,
                "invalid" | "false" => Truth::False,
                other => return Err(wrong(&format!("expected valid or invalid, found {other}"))),
            };
            let model = columns.next().unwrap_or("").to_owned();
            if rows.insert(PathBuf::from(path), Expected { truth, model }).is_some() {
                return Err(wrong(&format!("{path} is in the table twice")));
            }
        }
        let folders = paths.iter().filter(|path| path.is_dir()).cloned().collect();
        let home = table.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Expectations { rows, folders, home })
    }

    /// What the table says of a file.
    pub(super) fn of(&self, file: &HistoryFile) -> Option<&Expected> {
        if file.folder.is_some() {
            return self.rows.get(&file.relative);
        }
        let path = fs::canonicalize(file.path.as_ref()?).ok()?;
        let home = if self.home.as_os_str().is_empty() { Path::new(".") } else { &self.home };
        self.rows.get(path.strip_prefix(fs::canonicalize(home).ok()?).ok()?)
    }

    /// Rows of which no folder has the file.
    pub(super) fn missing(&self, files: &[HistoryFile]) -> Vec<String> {
        if self.folders.is_empty() {
            return Vec::new();
        }
        let there: BTreeSet<&Path> =
            files.iter().filter(|f| f.folder.is_some()).map(|f| f.relative.as_path()).collect();
        let missing = self.rows.keys().filter(|path| !there.contains(path.as_path()));
        missing.map(|path| plain(path)).collect()
    }
}
