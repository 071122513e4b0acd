//! What others can make a server hold, and how often it tries what fails.

use std::io;

use thiserror::Error;

/// Bytes of answers that all clients together may leave unread unless `unreadAnswersMaxBytes` says otherwise.
const UNREAD_BYTES_MAX: usize = 128 << 20;
/// How often a port is tried unless `electionPortBindRetry` says otherwise: Apache's default.
const BIND_TRIES_MAX: u32 = 3;
/// How often a directory is tried that does not come back by itself.
const DIRECTORY_TRIES_MAX: u32 = 10;

/// Bounds of the shell that an operator sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of answers that all clients together may leave unread (`unreadAnswersMaxBytes`): beyond it the
    /// slowest readers are hung up on.
    pub unread_bytes_max: usize,
    /// How often a port is tried that cannot be had (`electionPortBindRetry`); `None`: for ever.
    pub bind_tries_max: Option<u32>,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { unread_bytes_max: UNREAD_BYTES_MAX, bind_tries_max: Some(BIND_TRIES_MAX) }
    }
}

/// A directory of the server's cannot be used, and waiting does not help.
#[derive(Debug, Error)]
#[error("{path}: {source}; tried {tries} times, and it does not pass by itself")]
pub struct DirectoryLost {
    /// The directory, or the file in it.
    pub path: String,
    /// How often it was tried.
    pub tries: u32,
    /// The operating system's word.
    pub source: io::Error,
}

/// The longest pause before a disk that failed is tried again, in milliseconds.
const PAUSE_MS_MAX: u64 = 1_000;

/// How long a server goes on with a directory that fails.
///
/// A disk that is full, slow or answers with EIO may recover, and an operator who makes room need not start
/// the server again: it waits for ever. A directory that is gone, is no directory, or may not be written needs
/// somebody to do something about it; a server that waits for that in silence looks alive to whoever watches
/// its process, so it ends and says why.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// Failures in a row, of whatever kind.
    failures: u32,
    /// Failures in a row that do not pass by themselves.
    tries: u32,
    /// The last failure was that something is not there.
    is_missing: bool,
}

impl Patience {
    /// The directory works.
    pub(crate) fn restore(&mut self) {
        *self = Patience::default();
    }

    /// Whether something was not there when it failed last: then the directory itself may be gone, and must not
    /// be made anew by a server that had one.
    pub(crate) fn is_missing(&self) -> bool {
        self.is_missing
    }

    /// How long to wait after the last failure, in milliseconds, two ticks at most: once the disk works, others
    /// may be waiting for this server. One that fails for long is not asked all the time.
    pub(crate) fn pause_ms(&self, tick_ms: u64) -> u64 {
        let doublings = self.failures.saturating_sub(1).min(2);
        (tick_ms / 2).max(1).saturating_mul(1 << doublings).min(PAUSE_MS_MAX)
    }

    /// It failed once more.
    ///
    /// # Errors
    /// When it has failed often enough in a way that does not pass by itself.
    pub(crate) fn failed(&mut self, path: &str, source: io::Error) -> Result<(), DirectoryLost> {
        self.failures = self.failures.saturating_add(1);
        self.is_missing = source.kind() == io::ErrorKind::NotFound;
        if !is_lasting(source.kind()) {
            self.tries = 0;
            return Ok(());
        }
        self.tries += 1;
        if self.tries < DIRECTORY_TRIES_MAX {
            return Ok(());
        }
        Err(DirectoryLost { path: path.to_owned(), tries: self.tries, source })
    }
}

/// Whether what failed so stays as it is until somebody does something about it.
fn is_lasting(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{
        NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem, StaleNetworkFileHandle,
    };
    matches!(
        kind,
        NotFound | NotADirectory | PermissionDenied | ReadOnlyFilesystem | StaleNetworkFileHandle
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(errno: i32) -> io::Error {
        io::Error::from_raw_os_error(errno)
    }

    /// ENOENT, EACCES, ENOTDIR, EROFS, ESTALE.
    const LASTING: [i32; 5] = [2, 13, 20, 30, 116];
    /// EIO, ENOSPC, EDQUOT, EMFILE.
    const PASSING: [i32; 4] = [5, 28, 122, 24];

    #[test]
    fn a_directory_that_is_gone_is_tried_a_few_times() {
        for errno in LASTING {
            let mut patience = Patience::default();
            for _ in 1..DIRECTORY_TRIES_MAX {
                assert!(patience.failed("/data/version-2", error(errno)).is_ok(), "{errno}");
            }
            let lost = patience.failed("/data/version-2", error(errno)).unwrap_err().to_string();
            assert!(lost.starts_with("/data/version-2: "), "{lost}");
            assert!(lost.contains("tried 10 times"), "{lost}");
            assert_eq!(patience.is_missing(), errno == 2);
        }
    }

    #[test]
    fn it_is_tried_again_within_a_tick_and_then_less_often() {
        let mut patience = Patience::default();
        let mut pauses_ms = Vec::new();
        for _ in 0..4 {
            patience.failed("/data", error(28)).unwrap();
            pauses_ms.push(patience.pause_ms(100));
        }
        assert_eq!(pauses_ms, [50, 100, 200, 200]);
        patience.restore();
        patience.failed("/data", error(28)).unwrap();
        assert_eq!((patience.pause_ms(100), patience.pause_ms(2_000)), (50, 1_000));
    }

    #[test]
    fn a_disk_that_may_recover_is_waited_for() {
        for errno in PASSING {
            let mut patience = Patience::default();
            for _ in 0..1_000 {
                assert!(patience.failed("/data", error(errno)).is_ok(), "{errno}");
            }
        }
    }

    #[test]
    fn what_works_again_is_tried_anew() {
        let mut patience = Patience::default();
        for _ in 0..5 {
            for _ in 1..DIRECTORY_TRIES_MAX {
                patience.failed("/data", error(2)).unwrap();
            }
            patience.restore();
        }
        assert!(!patience.is_missing());
    }
}
