//! Reading a data directory back after a stop of any kind, and making durable what was read.
//!
//! What a crash leaves readable need not be durable: pages that were written but never synced, or
//! whose fsync failed (the kernel then forgets that they are dirty), are read back as if they were.
//! A server that promised anything on their strength could lose it at the next power failure. So of the
//! last log what is not known to have been synced is written once more, in its place, and synced, and the
//! directories are synced, before the machine starts. That needs no space: a full disk prevents no start.
//!
//! What is damaged, and not torn by a crash, is set aside; the server then starts empty and without a voice, and
//! a leader brings it up to its history. One that stands alone has nobody to do so, and does not start.

mod epochs;

use std::io;

use keeper_core::ids::{Epoch, ServerId, Zxid};
use keeper_core::log::{
    FileName, Recovered as LogRecovered, Recovery, RecoveryError, Rule, Truncate, Warning, Witness,
    epoch,
};
use keeper_core::observation::Observation;
use keeper_core::replica::Recovered;
use keeper_core::{planted, reachable, sometimes};
use platform::{File, Files};
use probe::Probe;
use thiserror::Error;

use crate::aside::{Aside, Mark};
use crate::disk::{ACCEPTED_EPOCH, CURRENT_EPOCH, Directories, join, replace};
use crate::witness::{WITNESS, WitnessFile};

use epochs::{Epochs, FileHolds, decoded};

/// Why a server cannot start from its files.
#[derive(Debug, Error)]
pub enum RecoverError {
    /// A file or directory could not be read or written; trying again may help.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// The operating system's word.
        source: io::Error,
    },
    /// The snapshots are in a form that only Apache reads.
    #[error("{directory}: {source}")]
    Log {
        /// Where.
        directory: String,
        /// What is wrong.
        source: RecoveryError,
    },
    /// An epoch file is unreadable.
    #[error("{path}: {problem}")]
    Epoch {
        /// Which.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// Something that was synced is not there any more, and nobody else can have it.
    #[error(
        "{directory}: damaged: {what}. This server stands alone, so that nobody can bring back what is \
         lost: restore a backup, or start once with --accept-loss, which keeps the files as they are in \
         damaged-N and goes on with what is before the damage"
    )]
    Damaged {
        /// Where.
        directory: String,
        /// What is wrong.
        what: String,
    },
    /// The directory is another server's.
    #[error(
        "{directory}: written by server {found}, but this is server {expected} (myid); if the directory was \
         meant to change hands, remove {WITNESS} in it"
    )]
    OtherServer {
        /// Where.
        directory: String,
        /// Whose it is.
        found: ServerId,
        /// Who asks.
        expected: ServerId,
    },
}

/// What was found, and what an operator should know of it.
#[derive(Debug)]
pub(crate) struct Found<W> {
    /// The state to start from.
    pub(crate) recovered: Recovered,
    /// The witness, which says that all of it is durable; none if there is no room for one.
    pub(crate) witness: Option<WitnessFile<W>>,
    /// What acceptedEpoch and currentEpoch hold durably; none of a file that is not there.
    pub(crate) epochs: [Option<Epoch>; 2],
    /// Things passed over.
    pub(crate) warnings: Vec<String>,
}

/// Reads a data directory back.
pub(crate) struct Recoverer<'a, F: Files, I: Probe<Observation>> {
    pub(crate) files: F,
    pub(crate) directories: &'a Directories,
    pub(crate) probe: I,
    /// Who asks; none if it stands alone.
    pub(crate) server: Option<ServerId>,
    /// An operator takes what is left where something is damaged.
    pub(crate) accepts_loss: bool,
    /// What could not be read until now will not be read any more.
    pub(crate) is_last_try: bool,
}

/// What a history is made of.
struct History {
    log: LogRecovered,
    accepted: Epoch,
    current: Epoch,
}

/// Why there is no history.
enum Problem {
    /// For an operator, or for another try.
    Stop(RecoverError),
    /// What was synced is not there any more.
    Damage(String),
}

impl From<RecoverError> for Problem {
    fn from(error: RecoverError) -> Problem {
        Problem::Stop(error)
    }
}

impl<F: Files, I: Probe<Observation>> Recoverer<'_, F, I> {
    /// Reads and repairs the directories, which are made if they are missing.
    ///
    /// # Errors
    /// See [`RecoverError`]; nothing that could be needed has been removed then.
    pub(crate) async fn recover(&self) -> Result<Found<F::File>, RecoverError> {
        let (files, dirs) = (&self.files, self.directories);
        for directory in [&dirs.data, &dirs.log] {
            files.create_dir_all(directory).await.map_err(at(directory))?;
            self.remove_temporary_files(directory).await.map_err(at(directory))?;
            for ancestor in ancestors(directory) {
                files.sync_dir(ancestor).await.map_err(at(ancestor))?;
            }
        }
        let mut is_damaged = self.go_on_setting_aside().await.map_err(at(&dirs.data))?;
        if is_damaged && self.accepts_loss {
            self.aside().clear_mark().await.map_err(at(&dirs.data))?;
            is_damaged = false;
        }
        if is_damaged && self.server.is_none() {
            let what = "files were set aside before, and no leader has made up for it".to_owned();
            return Err(RecoverError::Damaged { directory: dirs.data.clone(), what });
        }
        let epochs = Epochs {
            accepted: self.epoch(ACCEPTED_EPOCH).await?,
            current: self.epoch(CURRENT_EPOCH).await?,
            witness: self.witness().await?,
        };
        let mut warnings = Vec::new();
        let history = match self.history(&epochs, false).await {
            Ok(history) => history,
            Err(Problem::Stop(error)) => return Err(error),
            Err(Problem::Damage(what)) if self.accepts_loss || planted!(self, DamageIsTorn) => {
                if self.accepts_loss {
                    let number = self.aside().copy().await.map_err(at(&dirs.data))?;
                    warnings
                        .push(format!("damaged: {what}; the files are kept in damaged-{number}"));
                }
                self.what_is_left(&epochs).await?
            }
            Err(Problem::Damage(what)) if self.server.is_none() => {
                return Err(RecoverError::Damaged { directory: dirs.log.clone(), what });
            }
            Err(Problem::Damage(what)) => {
                is_damaged = true;
                let (history, warning) = self.without_history(&what, &epochs).await?;
                warnings.push(warning);
                history
            }
        };
        warnings.extend(history.log.warnings.iter().map(ToString::to_string));
        self.make_durable(history, &epochs, is_damaged, warnings).await
    }

    /// A directory whose files were being set aside is not looked at before they are. Whether there is a mark.
    async fn go_on_setting_aside(&self) -> io::Result<bool> {
        let aside = self.aside();
        let what = "as was found before the start that was interrupted";
        match aside.mark().await? {
            None => return Ok(false),
            Some(Mark::Moved) => {}
            Some(Mark::Moving(number)) => aside.move_all(number, what).await?,
            // Nothing is lost by it: a server with a mark counts for nothing yet.
            Some(Mark::Unclear) => drop(aside.set_aside(what).await?),
        }
        Ok(true)
    }

    /// The witness, if it says anything.
    async fn witness(&self) -> Result<Option<Witness>, RecoverError> {
        let log = &self.directories.log;
        let read = self.read(&join(log, WITNESS)).await?;
        let witness = read.ok().and_then(|bytes| Witness::decode(&bytes));
        if let (Some(found), Some(expected)) = (witness.and_then(|w| w.server), self.server)
            && found != expected
        {
            return Err(RecoverError::OtherServer { directory: log.clone(), found, expected });
        }
        Ok(witness)
    }

    async fn history(&self, epochs: &Epochs, accepts_loss: bool) -> Result<History, Problem> {
        if let Some(wrong) = epochs.accepted_is_damaged().filter(|_| !accepts_loss) {
            return Err(Problem::Damage(wrong));
        }
        if let Err(problem) = epochs.accepted.clone().and(epochs.current.clone())
            && planted!(self, Zk1653)
        {
            let path = self.directories.data.clone();
            return Err(Problem::Stop(RecoverError::Epoch { path, problem }));
        }
        let witness = epochs.witness.filter(|_| !epochs.is_beyond_the_witness());
        let log = self.read_log(Rule { witness, accepts_loss }).await?;
        self.mark_findings(&log);
        // Apache goes on applying while it writes a snapshot, and says behind it how far it had come. In an ensemble
        // it may apply what its own log does not hold yet: then a leader has it.
        let seen = log.snapshot.digest.map_or(Zxid::ZERO, |digest| digest.zxid);
        if seen > log.last_zxid() && self.server.is_none() && !accepts_loss {
            let (file, last) = (FileName::Snapshot(log.snapshot.last_zxid), log.last_zxid());
            let what = format!(
                "{file} was written when {seen} was done, but the history ends with {last}"
            );
            return Err(Problem::Damage(what));
        }
        // A directory from before these files existed: the log tells the epoch.
        let last_epoch = log.last_zxid().epoch();
        let current = match epochs.current(log.ends_unmarked) {
            Ok(current) => current.unwrap_or(last_epoch),
            Err(_) if accepts_loss => last_epoch,
            Err(wrong) => return Err(Problem::Damage(wrong)),
        };
        let accepted = epochs.accepted().unwrap_or(current);
        sometimes!(self, AcceptedEpochBehind, accepted < current);
        // Never an epoch that is in the log already: its zxids would be given out twice.
        Ok(History { log, accepted: accepted.max(current).max(last_epoch), current })
    }

    /// What is before the damage: an operator accepts the loss.
    async fn what_is_left(&self, epochs: &Epochs) -> Result<History, RecoverError> {
        match self.history(epochs, true).await {
            Ok(history) => Ok(history),
            Err(Problem::Stop(error)) => Err(error),
            Err(Problem::Damage(what)) => {
                Err(RecoverError::Damaged { directory: self.directories.log.clone(), what })
            }
        }
    }

    /// Sets everything aside, but for what was promised.
    async fn without_history(
        &self,
        what: &str,
        epochs: &Epochs,
    ) -> Result<(History, String), RecoverError> {
        let data = &self.directories.data;
        let accepted = epochs.accepted().unwrap_or_default();
        if epochs.accepted != Ok(Some(accepted)) && accepted != Epoch::default() {
            let bytes = epoch::encode(ACCEPTED_EPOCH, accepted);
            replace(&self.files, data, ACCEPTED_EPOCH, bytes).await.map_err(at(data))?;
        }
        let number = self.aside().set_aside(what).await.map_err(at(data))?;
        reachable!(self, DamageSetAside);
        if I::EVENTS {
            self.probe.clone().observe(Observation::DamageFound { what: what.to_owned() });
        }
        let warning = format!(
            "damaged: {what}; the files are set aside in damaged-{number}, and this server has no voice until \
             a leader has brought it up to its history"
        );
        let history = History { log: LogRecovered::nothing(), accepted, current: Epoch::default() };
        Ok((history, warning))
    }

    /// Makes durable what was read.
    async fn make_durable(
        &self,
        history: History,
        epochs: &Epochs,
        is_damaged: bool,
        mut warnings: Vec<String>,
    ) -> Result<Found<F::File>, RecoverError> {
        let (files, dirs) = (&self.files, self.directories);
        let History { log, accepted, current } = history;
        self.repair(&log).await.map_err(at(&dirs.log))?;
        let (server, synced) = (self.server, log.last_zxid());
        let says = Witness { server, synced, is_cutting: false, accepted, current };
        let witness = match WitnessFile::open(files, dirs, says).await {
            Ok(witness) => Some(witness),
            // It was not there: there is none that could say something else.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                warnings.push(format!("{}/{WITNESS}: {error}; going on without it", dirs.log));
                None
            }
            Err(error) => return Err(at(&dirs.log)(error)),
        };
        let mut hold = [None, None];
        let both = [
            (ACCEPTED_EPOCH, &epochs.accepted, accepted),
            (CURRENT_EPOCH, &epochs.current, current),
        ];
        for ((name, file, epoch), holds) in both.into_iter().zip(&mut hold) {
            let is_missing = *file == Ok(None) || is_damaged;
            *holds = Some(epoch).filter(|_| *file == Ok(Some(epoch)) || !is_missing);
            if *file != Ok(Some(epoch)) && !is_missing {
                warnings.push(format!("{name} did not hold {epoch}, as it should: {file:?}"));
                let bytes = epoch::encode(name, epoch);
                replace(files, &dirs.data, name, bytes).await.map_err(at(&dirs.data))?;
            }
        }
        let recovered = Recovered {
            may_be_ahead: !log.snapshot.exact,
            tree: log.snapshot.tree,
            sessions: log.snapshot.sessions,
            tail: log.tail,
            accepted_epoch: accepted,
            current_epoch: current,
            is_damaged,
        };
        Ok(Found { recovered, witness, epochs: hold, warnings })
    }

    async fn read_log(&self, rule: Rule) -> Result<LogRecovered, Problem> {
        let (files, dirs) = (&self.files, self.directories);
        let mut names = files.list(&dirs.data).await.map_err(at(&dirs.data))?;
        if dirs.log != dirs.data {
            let is_log = |name: &str| matches!(FileName::parse(name), Some(FileName::Log(_)));
            names.retain(|name| !is_log(name));
            let logs = files.list(&dirs.log).await.map_err(at(&dirs.log))?;
            names.extend(logs.into_iter().filter(|name| is_log(name)));
        }
        let is_theirs = names.iter().any(|name| FileName::is_compressed_snapshot(name));
        let wrong = |source: RecoveryError| match source {
            RecoveryError::NoSnapshot { .. } if is_theirs => {
                Problem::Stop(RecoverError::Log { directory: dirs.log.clone(), source })
            }
            damage => Problem::Damage(damage.to_string()),
        };
        let mut recovery = Recovery::new(&names, rule);
        while let Some(name) = recovery.next_wanted() {
            let path = join(self.directory_of(name), &name.to_string());
            match self.read(&path).await? {
                Ok(bytes) => recovery.feed(name, &bytes.into()).map_err(wrong)?,
                Err(error) => recovery.unreadable(name, &error.to_string()).map_err(wrong)?,
            }
        }
        recovery.finish().map_err(wrong)
    }

    /// The content of a file, or why it has none. A read error may pass: it must not make an older snapshot or a
    /// shorter log count before it has been tried often enough.
    async fn epoch(&self, name: &str) -> Result<FileHolds, RecoverError> {
        Ok(decoded(name, self.read(&join(&self.directories.data, name)).await?))
    }

    async fn read(&self, path: &str) -> Result<io::Result<Vec<u8>>, RecoverError> {
        match self.files.read(path).await {
            Err(source) if source.kind() != io::ErrorKind::NotFound && !self.is_last_try => {
                Err(at(path)(source))
            }
            read => Ok(read),
        }
    }

    fn directory_of(&self, name: FileName) -> &str {
        match name {
            FileName::Snapshot(_) => &self.directories.data,
            FileName::Log(_) => &self.directories.log,
        }
    }

    fn aside(&self) -> Aside<'_, F> {
        Aside { files: &self.files, directories: self.directories }
    }

    fn mark_findings(&self, log: &LogRecovered) {
        sometimes!(self, RecoversTail, !log.tail.is_empty());
        sometimes!(self, TornTailCut, log.truncate.is_some());
        sometimes!(self, TornLogRemoved, !log.remove.is_empty());
        let is_older = |warning: &Warning| matches!(warning, Warning::SnapshotInvalid { .. });
        sometimes!(self, OlderSnapshotUsed, log.warnings.iter().any(is_older));
    }

    /// Removes what a torn end left, and writes what the last log holds beyond what was certainly synced once
    /// more, in its place. An fsync alone would not do: after one that failed, the pages count as clean.
    async fn repair(&self, log: &LogRecovered) -> io::Result<()> {
        let (files, directory) = (&self.files, &self.directories.log);
        for name in log.remove.iter().rev() {
            let directory = self.directory_of(*name);
            files.remove(&join(directory, &name.to_string())).await?;
            files.sync_dir(directory).await?;
        }
        let mut last = None;
        for name in files.list(directory).await? {
            if let Some(name @ FileName::Log(_)) = FileName::parse(&name) {
                last = last.max(Some(name));
            }
        }
        let Some(last) = last else { return Ok(()) };
        let path = join(directory, &last.to_string());
        let is_of_last = |place: &&Truncate| place.file == last;
        let cut = log.truncate.as_ref().filter(is_of_last).map_or(usize::MAX, |cut| cut.len);
        let sure = log.sure.as_ref().filter(is_of_last).map_or(0, |sure| sure.len).min(cut);
        let mut behind = files.read_at(&path, sure as u64, usize::MAX - sure).await?;
        reachable!(self, RecoveryRepairs);
        let mut file = files.open_append(&path).await?;
        let is_cut = cut - sure < behind.len();
        behind.truncate(cut - sure);
        if !behind.is_empty() {
            file.write_at(sure as u64, behind);
        }
        if is_cut {
            file.truncate(cut as u64);
        }
        file.sync().await?;
        drop(file);
        files.sync_dir(directory).await
    }

    async fn remove_temporary_files(&self, directory: &str) -> io::Result<()> {
        for name in self.files.list(directory).await? {
            if name.ends_with(".tmp") {
                self.files.remove(&join(directory, &name)).await?;
                reachable!(self, UnfinishedFileRemoved);
            }
        }
        Ok(())
    }
}

/// The directory and those above it: a directory that was just made is durable only with its parent.
fn ancestors(directory: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(directory), |path| {
        let (parent, _) = path.rsplit_once('/')?;
        Some(if parent.is_empty() { "/" } else { parent }).filter(|parent| parent != path)
    })
}

fn at(path: &str) -> impl FnOnce(io::Error) -> RecoverError + '_ {
    move |source| RecoverError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directory_above_is_synced() {
        let all: Vec<&str> = ancestors("/data/version-2").collect();
        assert_eq!(all, ["/data/version-2", "/data", "/"]);
        let relative: Vec<&str> = ancestors("data/version-2").collect();
        assert_eq!(relative, ["data/version-2", "data"]);
    }
}
