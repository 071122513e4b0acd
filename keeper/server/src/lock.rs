//! One process on a data directory: a second one would write into the same log, and what the first had
//! acknowledged would be gone.
//!
//! The lock is the operating system's (`flock`), on a file beside the logs. It ends with the process, however
//! that ends, so that nothing has to be cleaned up; what the file says is for people. Apache ZooKeeper takes no
//! such lock: against one of its servers on the same directory this is no help.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::disk::Directories;

/// The file's name, in the directories that end in `version-2`.
const LOCK_FILE: &str = "keeperd.lock";

/// The directories are this process's for as long as this lives.
#[derive(Debug)]
pub struct DirectoryLock {
    _files: Vec<File>,
}

/// Why a server may not use its directories.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process has them.
    #[error("{path}: the directory is in use by {holder}; two servers on one directory lose data")]
    Held {
        /// The lock's file.
        path: String,
        /// Who says that it has the lock.
        holder: String,
    },
    /// The lock could not be taken, although nobody is known to have it.
    #[error("{path}: the directory cannot be locked: {source}")]
    Io {
        /// The lock's file, or the directory.
        path: String,
        /// The operating system's word.
        source: io::Error,
    },
}

impl DirectoryLock {
    /// Locks the directories, which are made if they are missing.
    ///
    /// # Errors
    /// See [`LockError`]; nothing is locked then.
    pub fn take(directories: &Directories) -> Result<DirectoryLock, LockError> {
        let mut places: Vec<PathBuf> = Vec::new();
        for directory in [&directories.data, &directories.log] {
            let wrong = |source| LockError::Io { path: directory.clone(), source };
            std::fs::create_dir_all(directory).map_err(wrong)?;
            let place = std::fs::canonicalize(directory).map_err(wrong)?;
            // By another name it may be the same directory, which is locked once.
            if !places.contains(&place) {
                places.push(place);
            }
        }
        let files =
            places.iter().map(|place| lock(&place.join(LOCK_FILE))).collect::<Result<_, _>>()?;
        Ok(DirectoryLock { _files: files })
    }
}

fn lock(path: &Path) -> Result<File, LockError> {
    let name = path.display().to_string();
    let wrong = |source| LockError::Io { path: name.clone(), source };
    // Whoever has the lock has written its name here: it must not be emptied before the lock is ours.
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).write(true).create(true).truncate(false).open(path).map_err(wrong)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let is_told = file.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
            let holder = if is_told { holder.trim() } else { "another process" }.to_owned();
            return Err(LockError::Held { path: name, holder });
        }
        Err(TryLockError::Error(source)) => return Err(wrong(source)),
    }
    // The lock is what counts: a disk too full for its owner's name keeps no server from starting.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "process {}", std::process::id()));
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directories(data: &Path, log: &Path) -> Directories {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        Directories { data: text(data), log: text(log) }
    }

    #[test]
    fn who_comes_second_is_told_who_was_first() {
        let folder = tempfile::tempdir().unwrap();
        let (data, log) = (folder.path().join("data"), folder.path().join("log"));
        let first = DirectoryLock::take(&directories(&data, &log)).unwrap();
        let own = format!("process {}", std::process::id());
        for other in [&data, &log] {
            let refused = DirectoryLock::take(&directories(&folder.path().join("new"), other));
            let text = refused.unwrap_err().to_string();
            assert!(text.contains(&own) && text.contains(LOCK_FILE), "{text}");
        }
        drop(first);
        DirectoryLock::take(&directories(&log, &data)).unwrap();
    }

    #[test]
    fn one_directory_by_two_names_is_locked_once() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        DirectoryLock::take(&directories(&real, &link)).unwrap();
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let below = file.join("data");
        let refused = DirectoryLock::take(&directories(&below, &below)).unwrap_err();
        assert!(refused.to_string().contains(below.to_str().unwrap()), "{refused}");
    }
}
