//! ZooKeeper histories as JSON lines: a head, then one operation, event or commit on each line.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Claims, Commit, SessionEvent, WatchEvent, ZHistory, ZOperation};

/// One line of the file.
#[derive(Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "lowercase")]
enum Line {
    Head { claims: Claims, has_commits: bool },
    Operation(ZOperation),
    Session(SessionEvent),
    Watch(WatchEvent),
    Commit(Commit),
}

/// A file that is no ZooKeeper history.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: expected {expected}, found {found}")]
pub struct ReadError {
    /// Line of the file, from 1.
    pub line: usize,
    /// What would have been right.
    pub expected: &'static str,
    /// What is there, or what is wrong with it.
    pub found: String,
}

impl ZHistory {
    /// The history as JSON lines.
    pub fn to_json_lines(&self) -> String {
        let mut out = String::new();
        let mut write = |line: &Line| {
            let json = serde_json::to_string(line).expect("these types are plain data");
            out.push_str(&json);
            out.push('\n');
        };
        write(&Line::Head { claims: self.claims.clone(), has_commits: self.commits.is_some() });
        self.operations.iter().for_each(|line| write(&Line::Operation(line.clone())));
        self.sessions.iter().for_each(|line| write(&Line::Session(line.clone())));
        self.watches.iter().for_each(|line| write(&Line::Watch(line.clone())));
        self.commits.iter().flatten().for_each(|line| write(&Line::Commit(*line)));
        out
    }

    /// Reads what [`ZHistory::to_json_lines`] writes; lines may come in any order after the head.
    ///
    /// # Errors
    /// When a line is none of these, or the head is missing.
    pub fn from_json_lines(text: &str) -> Result<ZHistory, ReadError> {
        let mut history: Option<ZHistory> = None;
        for (index, row) in text.lines().enumerate() {
            if row.trim().is_empty() {
                continue;
            }
            let line = index + 1;
            let parsed: Line = serde_json::from_str(row).map_err(|error| ReadError {
                line,
                expected: "a line of a ZooKeeper history",
                found: error.to_string(),
            })?;
            match (&mut history, parsed) {
                (history @ None, Line::Head { claims, has_commits }) => {
                    let commits = has_commits.then(Vec::new);
                    *history = Some(ZHistory { claims, commits, ..ZHistory::default() });
                }
                (Some(_), Line::Head { .. }) => {
                    let found = "another head".to_owned();
                    return Err(ReadError { line, expected: "one head", found });
                }
                (None, _) => {
                    let found = "another line".to_owned();
                    return Err(ReadError { line, expected: "the head first", found });
                }
                (Some(history), Line::Operation(operation)) => history.operations.push(operation),
                (Some(history), Line::Session(event)) => history.sessions.push(event),
                (Some(history), Line::Watch(event)) => history.watches.push(event),
                (Some(history), Line::Commit(commit)) => {
                    history.commits.get_or_insert_default().push(commit);
                }
            }
        }
        let nothing = || ReadError { line: 1, expected: "the head first", found: "nothing".into() };
        history.ok_or_else(nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::znode::CreateMode;
    use crate::znode::testing::Ensemble;

    #[test]
    fn what_is_written_is_read_again() {
        let mut ensemble = Ensemble::new();
        let a = ensemble.session(1);
        ensemble.watch_exists(a, "/k");
        ensemble.create(a, "/k", "a", CreateMode::EphemeralSequential);
        ensemble.create(a, "/k", "a", CreateMode::Ephemeral);
        ensemble.close(a);
        let mut history = ensemble.into_history();
        let text = history.to_json_lines();
        assert_eq!(text.lines().count(), 1 + 3 + 2 + 1 + 4);
        assert_eq!(ZHistory::from_json_lines(&text), Ok(history.clone()));
        history.commits = None;
        assert_eq!(ZHistory::from_json_lines(&history.to_json_lines()), Ok(history));
    }

    #[test]
    fn damaged_files_are_errors_with_their_line() {
        let head = "{\"line\":\"head\",\"claims\":{},\"has_commits\":false}";
        assert!(ZHistory::from_json_lines(head).is_ok());
        assert_eq!(ZHistory::from_json_lines("").unwrap_err().line, 1);
        let other = format!("{head}\n\n{{\"line\":\"odd\"}}");
        assert_eq!(ZHistory::from_json_lines(&other).unwrap_err().line, 3);
        let twice = format!("{head}\n{head}");
        assert_eq!(ZHistory::from_json_lines(&twice).unwrap_err().expected, "one head");
    }
}
