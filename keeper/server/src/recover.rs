//! Reading a data directory back after a stop of any kind, and making durable what was read.
//!
//! What a crash leaves readable need not be durable: pages that were written but never synced, or
//! whose fsync failed (the kernel then forgets that they are dirty), are read back as if they were.
//! A server that promised anything on their strength could lose it at the next power failure. So the
//! last log segment is written out anew and synced, and the directories are synced, before the
//! machine starts.

use std::io;

use keeper_core::ids::{Epoch, Zxid};
use keeper_core::log::{
    FileName, Recovered as LogRecovered, Recovery, RecoveryError, Truncate, Warning, epoch,
};
use keeper_core::observation::Observation;
use keeper_core::replica::Recovered;
use keeper_core::{reachable, sometimes};
use platform::Files;
use probe::Probe;
use thiserror::Error;

use crate::disk::{ACCEPTED_EPOCH, CURRENT_EPOCH, Directories, join, replace};

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
    /// The files contradict each other: starting could lose committed transactions.
    #[error("{directory}: {source}")]
    Log {
        /// Where.
        directory: String,
        /// What is wrong.
        source: RecoveryError,
    },
    /// The snapshot may be ahead of its own name in parts, as Apache's are.
    #[error(
        "{directory}: snapshot.{:x} does not prove to be the tree at its zxid (Apache ZooKeeper \
         writes such snapshots while it goes on applying); starting from it is not supported yet",
        zxid.0
    )]
    Fuzzy {
        /// Where.
        directory: String,
        /// Which.
        zxid: Zxid,
    },
    /// An epoch file is unreadable.
    #[error("{path}: {source}")]
    Epoch {
        /// Which.
        path: String,
        /// What is wrong.
        source: epoch::EpochError,
    },
}

/// What was found, and what an operator should know of it.
#[derive(Debug)]
pub struct Found {
    /// The state to start from.
    pub recovered: Recovered,
    /// Things passed over.
    pub warnings: Vec<String>,
}

/// Reads a data directory back.
pub(crate) struct Recoverer<'a, F: Files, I: Probe<Observation>> {
    pub(crate) files: F,
    pub(crate) directories: &'a Directories,
    pub(crate) probe: I,
}

impl<F: Files, I: Probe<Observation>> Recoverer<'_, F, I> {
    /// Reads and repairs the directories, which are made if they are missing.
    ///
    /// # Errors
    /// See [`RecoverError`]; nothing that could be needed has been removed then.
    pub(crate) async fn recover(&self) -> Result<Found, RecoverError> {
        let (files, dirs) = (&self.files, self.directories);
        for directory in [&dirs.data, &dirs.log] {
            files.create_dir_all(directory).await.map_err(at(directory))?;
            self.remove_temporary_files(directory).await.map_err(at(directory))?;
            for ancestor in ancestors(directory) {
                files.sync_dir(ancestor).await.map_err(at(ancestor))?;
            }
        }
        let log = self.read_log().await?;
        self.mark_findings(&log);
        let mut warnings: Vec<String> = log.warnings.iter().map(ToString::to_string).collect();
        self.repair(&log).await.map_err(at(&dirs.log))?;
        if !log.snapshot.exact && log.snapshot.last_zxid != Zxid::ZERO {
            let directory = dirs.data.clone();
            return Err(RecoverError::Fuzzy { directory, zxid: log.snapshot.last_zxid });
        }
        let last_epoch = log.last_zxid().epoch();
        let current = read_epoch(files, &dirs.data, CURRENT_EPOCH).await?;
        let accepted = read_epoch(files, &dirs.data, ACCEPTED_EPOCH).await?;
        // A directory from before these files existed: the log tells the epoch.
        let current_epoch = current.unwrap_or(last_epoch);
        let accepted_epoch = accepted.unwrap_or(current_epoch);
        sometimes!(self, AcceptedEpochBehind, accepted_epoch < current_epoch);
        if accepted_epoch < current_epoch {
            warnings.push(format!(
                "acceptedEpoch {accepted_epoch} is before currentEpoch {current_epoch}; using the \
                 latter"
            ));
        }
        let recovered = Recovered {
            tree: log.snapshot.tree,
            sessions: log.snapshot.sessions,
            tail: log.tail,
            // Never an epoch that is in the log already: its zxids would be given out twice.
            accepted_epoch: accepted_epoch.max(current_epoch).max(last_epoch),
            current_epoch,
        };
        Ok(Found { recovered, warnings })
    }

    async fn read_log(&self) -> Result<LogRecovered, RecoverError> {
        let (files, dirs) = (&self.files, self.directories);
        let mut names = files.list(&dirs.data).await.map_err(at(&dirs.data))?;
        if dirs.log != dirs.data {
            let is_log = |name: &str| matches!(FileName::parse(name), Some(FileName::Log(_)));
            names.retain(|name| !is_log(name));
            let logs = files.list(&dirs.log).await.map_err(at(&dirs.log))?;
            names.extend(logs.into_iter().filter(|name| is_log(name)));
        }
        let wrong = |source| RecoverError::Log { directory: dirs.log.clone(), source };
        let mut recovery = Recovery::new(&names);
        while let Some(name) = recovery.next_wanted() {
            let directory = match name {
                FileName::Snapshot(_) => &dirs.data,
                FileName::Log(_) => &dirs.log,
            };
            let path = join(directory, &name.to_string());
            // A read error may pass: it must not make an older snapshot or a shorter log count.
            let bytes = files.read(&path).await.map_err(at(&path))?;
            recovery.feed(name, &bytes).map_err(wrong)?;
        }
        recovery.finish().map_err(wrong)
    }

    fn mark_findings(&self, log: &LogRecovered) {
        sometimes!(self, RecoversTail, !log.tail.is_empty());
        sometimes!(self, TornTailCut, log.truncate.is_some());
        sometimes!(self, TornLogRemoved, !log.remove.is_empty());
        let is_older = |warning: &Warning| matches!(warning, Warning::SnapshotInvalid { .. });
        sometimes!(self, OlderSnapshotUsed, log.warnings.iter().any(is_older));
    }

    /// Removes what a torn end left and writes the last segment out anew.
    async fn repair(&self, log: &LogRecovered) -> io::Result<()> {
        let (files, directory) = (&self.files, &self.directories.log);
        for name in log.remove.iter().rev() {
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
        let mut bytes = files.read(&path).await?;
        if let Some(Truncate { len, .. }) = log.truncate.filter(|cut| cut.file == last) {
            bytes.truncate(len);
        }
        reachable!(self, RecoveryRepairs);
        replace(files, directory, &last.to_string(), bytes).await
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

async fn read_epoch<F: Files>(
    files: &F,
    directory: &str,
    name: &str,
) -> Result<Option<Epoch>, RecoverError> {
    let path = join(directory, name);
    match files.read(&path).await {
        Ok(bytes) => match epoch::decode(&bytes) {
            Ok(epoch) => Ok(Some(epoch)),
            Err(source) => Err(RecoverError::Epoch { path, source }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RecoverError::Io { path, source }),
    }
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
