//! What a server knows after a crash: the decisions, made from file names and contents.
//!
//! The newest snapshot that is whole counts, and after it every logged transaction in an unbroken
//! line. A torn end of the log is what a crash leaves and is cut off; anything else that is missing
//! has been lost by somebody, and a server that starts without it could elect itself and lose it for
//! all (ZOOKEEPER-2325). So it is an error, and the message names the files.

mod line;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use bytes::Bytes;
use thiserror::Error;

use crate::ids::Zxid;

use super::names::{FileName, logs_needed};
use super::record::{TornReason, scan};
use super::snapshot::{SnapshotData, SnapshotError, SnapshotReader};

use line::Line;

/// Reads the files of a data directory in the order in which it asks for them.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// Not tried yet, the newest last.
    snapshots: Vec<Zxid>,
    logs: Vec<Zxid>,
    stage: Stage,
    /// Snapshots that were tried in vain or cannot be read.
    rejected: usize,
    warnings: Vec<Warning>,
}

#[derive(Clone, Debug)]
enum Stage {
    /// Looking for a snapshot.
    Snapshot,
    /// Reading these logs, in order.
    Logs { snapshot: Box<SnapshotData>, wanted: VecDeque<Zxid>, line: Line },
    /// There are logs, and no snapshot that they could follow.
    Stuck,
}

/// What the files say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The newest whole snapshot, or the empty beginning.
    pub snapshot: SnapshotData,
    /// The encoded transactions after it, to be applied in this order.
    pub tail: Vec<(Zxid, Bytes)>,
    /// Cut this log before the next append.
    pub truncate: Option<Truncate>,
    /// Remove these logs before the next append: no transaction in them is whole.
    pub remove: Vec<FileName>,
    /// What an operator should know.
    pub warnings: Vec<Warning>,
}

impl Recovered {
    /// The last transaction on disk.
    pub fn last_zxid(&self) -> Zxid {
        self.tail.last().map_or(self.snapshot.last_zxid, |(zxid, _)| *zxid)
    }
}

/// A log to be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncate {
    /// Which.
    pub file: FileName,
    /// Its length afterwards, in bytes.
    pub len: usize,
}

/// What was passed over.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Warning {
    /// An older snapshot is used because this one is not whole.
    #[error("{file} is passed over: {error}")]
    SnapshotInvalid {
        /// Which.
        file: FileName,
        /// Why.
        error: SnapshotError,
    },
    /// An older snapshot is used because this one could not be read.
    #[error("{file} is passed over, it cannot be read: {reason}")]
    SnapshotUnreadable {
        /// Which.
        file: FileName,
        /// Why.
        reason: String,
    },
    /// A snapshot in a form that only Apache reads.
    #[error("{name} is passed over: compressed snapshots are not supported")]
    SnapshotCompressed {
        /// Its name.
        name: String,
    },
    /// The snapshot used has nodes whose access control list it does not hold.
    #[error("{file} lacks the access control lists of {nodes} nodes; nobody may use these nodes")]
    UnknownAcls {
        /// Which.
        file: FileName,
        /// How many.
        nodes: usize,
    },
    /// The end of the log is cut off.
    #[error("{file} is cut to {len} bytes: {reason} behind them")]
    TornTail {
        /// Which.
        file: FileName,
        /// To what length, in bytes.
        len: usize,
        /// What is wrong with the rest.
        reason: TornReason,
    },
    /// A log ends torn, but the next one goes on where its last whole record left off. Apache leaves
    /// such files behind after a crash.
    #[error("{file} has an {reason} at byte {offset}, and the next log goes on in its place")]
    TornAndContinued {
        /// Which.
        file: FileName,
        /// Where.
        offset: usize,
        /// What.
        reason: TornReason,
    },
    /// A transaction is logged twice, both times the same.
    #[error("{file} repeats transaction {zxid}")]
    Repeated {
        /// Where the second one is.
        file: FileName,
        /// Which.
        zxid: Zxid,
    },
    /// There is no snapshot, but the log begins with the first transaction.
    #[error("there is no snapshot; the whole history is replayed from {file}")]
    NoSnapshot {
        /// The first log.
        file: FileName,
    },
}

/// Why the server must not start.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecoveryError {
    /// There are files, but no snapshot among them to start from.
    #[error(
        "no valid snapshot ({rejected} are not usable){}: committed transactions would be lost",
        logs_text(*.first_log)
    )]
    NoSnapshot {
        /// Snapshots that are there and cannot be used.
        rejected: usize,
        /// The first log, if there is any.
        first_log: Option<FileName>,
    },
    /// Transactions are missing.
    #[error("transactions after {after} ({}) are missing: {file} goes on with {found}",
        before_text(*.before))]
    Gap {
        /// The last transaction before the gap.
        after: Zxid,
        /// The log that holds it; `None` if it is the snapshot's.
        before: Option<FileName>,
        /// The transaction found behind the gap.
        found: Zxid,
        /// Where it was found.
        file: FileName,
    },
    /// A log is damaged before its end, or before others that do not continue it.
    #[error("{file} is damaged at byte {offset} ({reason}), and {next} goes on with {found}")]
    Damaged {
        /// The damaged log.
        file: FileName,
        /// Where.
        offset: usize,
        /// What is wrong.
        reason: TornReason,
        /// The log with the next whole record.
        next: FileName,
        /// That record's transaction.
        found: Zxid,
    },
    /// Two different transactions under one zxid.
    #[error("{file} holds another transaction {zxid} than a log before it")]
    Conflict {
        /// Where the second one is.
        file: FileName,
        /// Which.
        zxid: Zxid,
    },
    /// A log could not be read.
    #[error("{file} cannot be read: {reason}")]
    Unreadable {
        /// Which.
        file: FileName,
        /// Why.
        reason: String,
    },
}

fn logs_text(first: Option<FileName>) -> String {
    first.map_or_else(String::new, |file| format!(", but logs from {file} on"))
}

fn before_text(before: Option<FileName>) -> String {
    before.map_or_else(|| "the snapshot's last".to_owned(), |file| file.to_string())
}

impl Recovery {
    /// From the names of all files in the data directory (and in the log's, if that is another);
    /// names of other files are ignored.
    pub fn new<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Recovery {
        let mut recovery = Recovery {
            snapshots: Vec::new(),
            logs: Vec::new(),
            stage: Stage::Snapshot,
            rejected: 0,
            warnings: Vec::new(),
        };
        for name in names {
            let name = name.as_ref();
            match FileName::parse(name) {
                Some(FileName::Snapshot(zxid)) => recovery.snapshots.push(zxid),
                Some(FileName::Log(zxid)) => recovery.logs.push(zxid),
                None if FileName::is_compressed_snapshot(name) => {
                    recovery.rejected += 1;
                    recovery.warnings.push(Warning::SnapshotCompressed { name: name.to_owned() });
                }
                None => {}
            }
        }
        recovery.snapshots.sort_unstable();
        recovery.logs.sort_unstable();
        recovery.go_on();
        recovery
    }

    /// The file to be fed next; `None` when [`Recovery::finish`] is due.
    pub fn next_wanted(&self) -> Option<FileName> {
        match &self.stage {
            Stage::Snapshot => self.snapshots.last().copied().map(FileName::Snapshot),
            Stage::Logs { wanted, .. } => wanted.front().copied().map(FileName::Log),
            Stage::Stuck => None,
        }
    }

    /// Takes the whole content of the file wanted next.
    ///
    /// # Errors
    ///
    /// [`RecoveryError`] if the server must not start.
    ///
    /// # Panics
    ///
    /// If another file is wanted.
    pub fn feed(&mut self, name: FileName, bytes: &[u8]) -> Result<(), RecoveryError> {
        self.take_wanted(name);
        let Stage::Logs { line, .. } = &mut self.stage else {
            match read_snapshot(name.zxid(), bytes) {
                Ok(snapshot) => self.start_from(snapshot, name),
                Err(error) => self.reject(Warning::SnapshotInvalid { file: name, error }),
            }
            return Ok(());
        };
        line.log(name, &scan(bytes), bytes, &mut self.warnings)
    }

    /// The file wanted next could not be read: an older snapshot will do, a log will not.
    ///
    /// # Errors
    ///
    /// [`RecoveryError::Unreadable`] for a log.
    ///
    /// # Panics
    ///
    /// If another file is wanted.
    pub fn unreadable(&mut self, name: FileName, reason: &str) -> Result<(), RecoveryError> {
        self.take_wanted(name);
        let reason = reason.to_owned();
        if let FileName::Log(_) = name {
            return Err(RecoveryError::Unreadable { file: name, reason });
        }
        self.reject(Warning::SnapshotUnreadable { file: name, reason });
        Ok(())
    }

    /// Every wanted file has been fed.
    ///
    /// # Errors
    ///
    /// [`RecoveryError::NoSnapshot`] if the server must not start.
    ///
    /// # Panics
    ///
    /// If a file is still wanted, or an error was passed over.
    pub fn finish(mut self) -> Result<Recovered, RecoveryError> {
        assert_eq!(self.next_wanted(), None, "every wanted file is fed before the end");
        match self.stage {
            Stage::Logs { snapshot, line, .. } => {
                let (tail, truncate, remove) = line.finish(&mut self.warnings);
                let warnings = self.warnings;
                Ok(Recovered { snapshot: *snapshot, tail, truncate, remove, warnings })
            }
            Stage::Snapshot | Stage::Stuck => {
                let first_log = self.logs.first().copied().map(FileName::Log);
                Err(RecoveryError::NoSnapshot { rejected: self.rejected, first_log })
            }
        }
    }

    fn take_wanted(&mut self, name: FileName) {
        assert_eq!(self.next_wanted(), Some(name), "files are fed in the order asked for");
        match &mut self.stage {
            Stage::Logs { wanted, .. } => {
                wanted.pop_front();
            }
            _ => {
                self.snapshots.pop();
            }
        }
    }

    fn reject(&mut self, warning: Warning) {
        self.rejected += 1;
        self.warnings.push(warning);
        self.go_on();
    }

    fn start_from(&mut self, snapshot: SnapshotData, file: FileName) {
        if snapshot.unknown_acls > 0 {
            self.warnings.push(Warning::UnknownAcls { file, nodes: snapshot.unknown_acls });
        }
        let wanted = logs_needed(self.logs.iter().copied(), snapshot.last_zxid).into();
        let line = Line::after(snapshot.last_zxid);
        self.stage = Stage::Logs { snapshot: Box::new(snapshot), wanted, line };
    }

    /// Without any snapshot left: only a history that is all in the logs needs none.
    fn go_on(&mut self) {
        if !self.snapshots.is_empty() {
            return;
        }
        let first = self.logs.first().copied();
        if self.rejected > 0 || first.is_some_and(|first| first.counter() != 1) {
            self.stage = Stage::Stuck;
            return;
        }
        if let Some(first) = first {
            self.warnings.push(Warning::NoSnapshot { file: FileName::Log(first) });
        }
        let snapshot = Box::new(SnapshotData::empty());
        let wanted = self.logs.iter().copied().collect();
        self.stage = Stage::Logs { snapshot, wanted, line: Line::from_the_beginning() };
    }
}

fn read_snapshot(zxid: Zxid, bytes: &[u8]) -> Result<SnapshotData, SnapshotError> {
    let mut reader = SnapshotReader::file();
    reader.push(bytes)?;
    reader.finish(zxid)
}
