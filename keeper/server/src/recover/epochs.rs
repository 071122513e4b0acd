//! Which epochs count, of those in their files and in the witness.
//!
//! Apache's files are digits without a checksum, so that a flipped bit gives another number; ours say so when they
//! are not as they were written. The witness comes first whenever keeperd changes one. Apache does not know the
//! witness, so that a server which Apache has run since has later epochs than the witness; but it never joins an
//! epoch without having promised it.

use std::io;

use keeper_core::ids::Epoch;
use keeper_core::log::{Witness, epoch};

/// What an epoch file holds: nothing if it is not there, and what is wrong with it if it cannot be read.
pub(super) type FileHolds = Result<Option<Epoch>, String>;

/// Decodes a file of that name that was read.
pub(super) fn decoded(name: &str, read: io::Result<Vec<u8>>) -> FileHolds {
    match read {
        Ok(bytes) => epoch::decode(name, &bytes).map(Some).map_err(|error| error.to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("it cannot be read: {error}")),
    }
}

/// Both files, and what the witness says.
#[derive(Debug)]
pub(super) struct Epochs {
    pub(super) accepted: FileHolds,
    pub(super) current: FileHolds,
    pub(super) witness: Option<Witness>,
}

impl Epochs {
    /// The last epoch promised: as late as anything tells, which is never wrong.
    pub(super) fn accepted(&self) -> Option<Epoch> {
        let file = self.accepted.clone().ok().flatten();
        file.max(self.witness.map(|witness| witness.accepted))
    }

    /// Whether an epoch was promised that the witness has not heard of: Apache has run since.
    pub(super) fn is_beyond_the_witness(&self) -> bool {
        let file = self.accepted.clone().ok().flatten();
        self.witness.is_some_and(|witness| file.is_some_and(|file| file > witness.accepted))
    }

    /// The last epoch joined; none if there never was one. `ends_unmarked`: the newest log is Apache's.
    ///
    /// # Errors
    /// What is damaged.
    pub(super) fn current(&self, ends_unmarked: bool) -> Result<Option<Epoch>, String> {
        match (&self.current, self.witness) {
            (Ok(file), None) => Ok(*file),
            (Err(wrong), None) => Err(format!("currentEpoch: {wrong}")),
            (Ok(Some(file)), Some(witness)) if *file > witness.current => {
                let is_apaches = ends_unmarked || self.is_beyond_the_witness();
                is_apaches.then_some(Some(*file)).ok_or_else(|| {
                    format!("currentEpoch is {file}, but {} was written there", witness.current)
                })
            }
            (_, Some(witness)) => Ok(Some(witness.current)),
        }
    }

    /// Why acceptedEpoch cannot be told.
    pub(super) fn accepted_is_damaged(&self) -> Option<String> {
        let wrong = self.accepted.as_ref().err()?;
        self.witness.is_none().then(|| format!("acceptedEpoch: {wrong}"))
    }
}

#[cfg(test)]
mod tests {
    use keeper_core::ids::Zxid;

    use super::*;

    fn witness(accepted: u32, current: u32) -> Option<Witness> {
        let (accepted, current) = (Epoch(accepted), Epoch(current));
        Some(Witness { server: None, synced: Zxid::ZERO, is_cutting: false, accepted, current })
    }

    fn epochs(accepted: &str, current: &str, witness: Option<Witness>) -> Epochs {
        let file = |text: &str| decoded("test", Ok(text.as_bytes().to_vec()));
        Epochs { accepted: file(accepted), current: file(current), witness }
    }

    #[test]
    fn files_that_agree_with_the_witness_or_stand_alone_count() {
        for witness in [witness(7, 5), None] {
            let epochs = epochs("7", "5", witness);
            assert_eq!(epochs.accepted(), Some(Epoch(7)));
            assert_eq!(epochs.current(false), Ok(Some(Epoch(5))));
            assert!(!epochs.is_beyond_the_witness());
        }
        let none = || Err(io::Error::from(io::ErrorKind::NotFound));
        let missing = || decoded("test", none());
        let empty = Epochs { accepted: missing(), current: missing(), witness: None };
        assert_eq!((empty.accepted(), empty.current(false)), (None, Ok(None)));
    }

    #[test]
    fn the_witness_mends_what_is_lower_or_no_number() {
        for text in ["3", "x", ""] {
            let epochs = epochs(text, text, witness(7, 5));
            assert_eq!(epochs.accepted(), Some(Epoch(7)));
            assert_eq!(epochs.current(false), Ok(Some(Epoch(5))));
            assert_eq!(epochs.accepted_is_damaged(), None);
        }
    }

    #[test]
    fn a_joined_epoch_beyond_the_witness_is_apaches_or_damage() {
        assert_eq!(epochs("9", "9", witness(7, 5)).current(false), Ok(Some(Epoch(9))));
        assert!(epochs("9", "9", witness(7, 5)).is_beyond_the_witness());
        assert_eq!(epochs("7", "7", witness(7, 5)).current(true), Ok(Some(Epoch(7))));
        let error = epochs("7", "7", witness(7, 5)).current(false).unwrap_err();
        assert_eq!(error, "currentEpoch is 7, but 5 was written there");
    }

    #[test]
    fn without_a_witness_what_is_no_number_is_damage() {
        let error = epochs("x", "y", None);
        assert!(error.accepted_is_damaged().unwrap().contains("acceptedEpoch"));
        assert!(error.current(false).unwrap_err().contains("not a number"));
    }
}
