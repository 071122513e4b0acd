//! What a server knows after a crash: the decisions, made from file names and contents.
//!
//! The newest snapshot that is whole counts, and after it every logged transaction in an unbroken
//! line. A torn end of the log is what a crash leaves and is cut off; anything else that is missing
//! has been lost by somebody, and a server that starts without it could elect itself and lose it for
//! all (ZOOKEEPER-2325). So it is an error, and the message names the files.
//!
//! A crash tears only what had not been synced, and three things tell what had: a record behind the bad place,
//! or the beginning of a later log (both say what was synced when they were written), and, of what was written
//! last, the witness. Where one of them tells of more than is there, the log is damaged and not torn. Logs without
//! a mark (Apache's, and those of builds before it) tell nothing: there a torn end is cut off as ever.
//!
//! A snapshot that is not whole is passed over where an older one, with all logs after it, or the log from its
//! first transaction on, brings everything back.

mod line;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use bytes::Bytes;
use thiserror::Error;

use crate::ids::Zxid;

use super::Witness;
use super::names::{FileName, logs_needed};
use super::record::{Scan, TornReason, scan};
use super::snapshot::{SnapshotData, SnapshotError, SnapshotReader};

use line::Line;

/// Reads the files of a data directory in the order in which it asks for them.
#[derive(Clone, Debug)]
pub struct Recovery {
    rule: Rule,
    /// Not tried yet, the newest last.
    snapshots: Vec<Zxid>,
    logs: Vec<Zxid>,
    stage: Stage,
    /// Snapshots that were tried in vain or cannot be read.
    rejected: Vec<FileName>,
    /// How many only Apache reads.
    compressed: usize,
    warnings: Vec<Warning>,
}

/// By what recovery judges.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rule {
    /// What the witness says, if it can be read and Apache has not run since.
    pub witness: Option<Witness>,
    /// An operator takes what is left: the line ends where it is damaged.
    pub accepts_loss: bool,
}

#[derive(Clone, Debug)]
enum Stage {
    /// Looking for a snapshot.
    Snapshot,
    /// Reading these logs, in order.
    Logs { snapshot: Box<SnapshotData>, wanted: VecDeque<Zxid>, line: Box<Line> },
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
    /// Remove these files before the next append: logs in which no transaction is whole, or whose transactions
    /// are given up, and where a loss is accepted snapshots that are not whole.
    pub remove: Vec<FileName>,
    /// The log that was read last, and up to where it was certainly synced. What is behind that may read back and
    /// not be durable.
    pub sure: Option<Truncate>,
    /// Whether the newest transactions are in a log without a mark.
    pub ends_unmarked: bool,
    /// What an operator should know.
    pub warnings: Vec<Warning>,
}

impl Recovered {
    /// Of a server that has never run, or has nothing left.
    pub fn nothing() -> Recovered {
        Recovered {
            snapshot: SnapshotData::empty(),
            tail: Vec::new(),
            truncate: None,
            remove: Vec::new(),
            sure: None,
            ends_unmarked: false,
            warnings: Vec::new(),
        }
    }

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
    /// An operator takes what is left.
    #[error("{error}; what follows is given up, since the loss is accepted")]
    LossAccepted {
        /// What was lost.
        error: Box<RecoveryError>,
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
    /// The history ends before what had been synced.
    #[error(
        "{synced} had been synced, but the history ends with {last}{}{}",
        file_text(*.file), torn_text(*.torn)
    )]
    Short {
        /// The last transaction that is there.
        last: Zxid,
        /// The log that holds it; `None` if none does.
        file: Option<FileName>,
        /// What the witness tells.
        synced: Zxid,
        /// What is wrong behind it, if something is there: in which log, where, and what.
        torn: Option<(FileName, usize, TornReason)>,
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

fn file_text(file: Option<FileName>) -> String {
    file.map_or_else(String::new, |file| format!(" ({file})"))
}

fn torn_text(torn: Option<(FileName, usize, TornReason)>) -> String {
    let text = |(file, offset, reason)| format!("; {file}, byte {offset}: {reason}");
    torn.map_or_else(String::new, text)
}

fn before_text(before: Option<FileName>) -> String {
    before.map_or_else(|| "the snapshot's last".to_owned(), |file| file.to_string())
}

impl Recovery {
    /// From the names of all files in the data directory (and in the log's, if that is another);
    /// names of other files are ignored.
    pub fn new<N: AsRef<str>>(names: impl IntoIterator<Item = N>, rule: Rule) -> Recovery {
        let mut recovery = Recovery {
            rule,
            snapshots: Vec::new(),
            logs: Vec::new(),
            stage: Stage::Snapshot,
            rejected: Vec::new(),
            compressed: 0,
            warnings: Vec::new(),
        };
        for name in names {
            let name = name.as_ref();
            match FileName::parse(name) {
                Some(FileName::Snapshot(zxid)) => recovery.snapshots.push(zxid),
                Some(FileName::Log(zxid)) => recovery.logs.push(zxid),
                None if FileName::is_compressed_snapshot(name) => {
                    recovery.compressed += 1;
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

    /// Takes the whole content of the file wanted next. The transactions found share a log's bytes.
    ///
    /// # Errors
    ///
    /// [`RecoveryError`] if the server must not start.
    ///
    /// # Panics
    ///
    /// If another file is wanted.
    pub fn feed(&mut self, name: FileName, bytes: &Bytes) -> Result<(), RecoveryError> {
        self.take_wanted(name);
        let Stage::Logs { line, .. } = &self.stage else {
            match read_snapshot(name.zxid(), bytes) {
                Ok(snapshot) => self.start_from(snapshot, name),
                Err(error) => self.reject(name, Warning::SnapshotInvalid { file: name, error }),
            }
            return Ok(());
        };
        let from_snapshot = line.is_behind_a_snapshot();
        let scan = scan(bytes);
        let is_first = self.logs.first() == Some(&name.zxid());
        if is_first && !from_snapshot && !self.begins_the_history(&scan) {
            if self.rule.accepts_loss {
                self.stage = Stage::Stuck;
                return Ok(());
            }
            let (rejected, first_log) = (self.rejected.len(), Some(name));
            return Err(RecoveryError::NoSnapshot { rejected, first_log });
        }
        let Stage::Logs { line, .. } = &mut self.stage else { unreachable!("looked at above") };
        line.log(name, &scan, bytes, &mut self.warnings)
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
        if let Stage::Logs { line, .. } = &mut self.stage {
            let error = RecoveryError::Unreadable { file: name, reason };
            return line.unreadable(name, error, &mut self.warnings);
        }
        self.reject(name, Warning::SnapshotUnreadable { file: name, reason });
        Ok(())
    }

    /// Every wanted file has been fed.
    ///
    /// # Errors
    ///
    /// [`RecoveryError`] if the server must not start.
    ///
    /// # Panics
    ///
    /// If a file is still wanted, or an error was passed over.
    pub fn finish(mut self) -> Result<Recovered, RecoveryError> {
        assert_eq!(self.next_wanted(), None, "every wanted file is fed before the end");
        let no_snapshot = RecoveryError::NoSnapshot {
            rejected: self.rejected.len() + self.compressed,
            first_log: self.logs.first().copied().map(FileName::Log),
        };
        let accepts_loss = self.rule.accepts_loss;
        let Stage::Logs { snapshot, line, .. } = self.stage else {
            if !accepts_loss || self.compressed > 0 {
                return Err(no_snapshot);
            }
            self.warnings.push(Warning::LossAccepted { error: Box::new(no_snapshot) });
            let logs = self.logs.into_iter().map(FileName::Log);
            let remove = self.rejected.into_iter().chain(logs).collect();
            return Ok(Recovered { remove, warnings: self.warnings, ..Recovered::nothing() });
        };
        let last = line.last().unwrap_or(Zxid::ZERO);
        let is_nonsense = |file: &FileName| {
            // Beyond all that was synced: nobody's snapshot.
            file.zxid() <= last || self.rule.witness.is_some()
        };
        let found = line.finish(&mut self.warnings)?;
        let mut remove = found.remove;
        if accepts_loss {
            remove.extend(&self.rejected);
        } else if !self.rejected.iter().all(is_nonsense) {
            return Err(no_snapshot);
        }
        Ok(Recovered {
            snapshot: *snapshot,
            tail: found.tail,
            truncate: found.truncate,
            remove,
            sure: found.sure,
            ends_unmarked: found.ends_unmarked,
            warnings: self.warnings,
        })
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

    fn reject(&mut self, file: FileName, warning: Warning) {
        self.rejected.push(file);
        self.warnings.push(warning);
        self.go_on();
    }

    fn start_from(&mut self, snapshot: SnapshotData, file: FileName) {
        if snapshot.unknown_acls > 0 {
            self.warnings.push(Warning::UnknownAcls { file, nodes: snapshot.unknown_acls });
        }
        let wanted = logs_needed(self.logs.iter().copied(), snapshot.last_zxid).into();
        let line = Box::new(Line::after(Some(snapshot.last_zxid), self.rule));
        self.stage = Stage::Logs { snapshot: Box::new(snapshot), wanted, line };
    }

    /// Without any snapshot left: only a history that is all in the logs needs none.
    fn go_on(&mut self) {
        if !self.snapshots.is_empty() {
            return;
        }
        let first = self.logs.first().copied();
        let is_all_there = first.map_or(self.rejected.is_empty(), |first| first.counter() == 1);
        if self.compressed > 0 || !is_all_there {
            self.stage = Stage::Stuck;
            return;
        }
        if let Some(first) = first {
            self.warnings.push(Warning::NoSnapshot { file: FileName::Log(first) });
        }
        let snapshot = Box::new(SnapshotData::empty());
        let wanted = self.logs.iter().copied().collect();
        let line = Box::new(Line::after(None, self.rule));
        self.stage = Stage::Logs { snapshot, wanted, line };
    }

    /// Where a snapshot was passed over, the log must say itself that it begins with the first transaction: in
    /// one without a mark that cannot be seen.
    fn begins_the_history(&self, first: &Scan) -> bool {
        self.rejected.is_empty() || first.is_marked && first.after == Zxid::ZERO
    }
}

fn read_snapshot(zxid: Zxid, bytes: &[u8]) -> Result<SnapshotData, SnapshotError> {
    let mut reader = SnapshotReader::file();
    reader.push(bytes)?;
    reader.finish(zxid)
}
