//! The files `acceptedEpoch` and `currentEpoch`: one decimal number (`QuorumPeer.readLongFromFile`).

use std::num::IntErrorKind;

use thiserror::Error;

use crate::ids::Epoch;

/// Why a file holds no epoch.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EpochError {
    /// The file is empty.
    #[error("the epoch file is empty")]
    Empty,
    /// Something other than one line of decimal digits.
    #[error("the epoch file holds {text:?}, which is not a number")]
    NotANumber {
        /// The first bytes of the file.
        text: String,
    },
    /// More than the 32 bits that a zxid has for it.
    #[error("the epoch {text} does not fit 32 bits")]
    TooLarge {
        /// The number.
        text: String,
    },
}

/// Reads the file: digits, and perhaps the end of their line.
///
/// # Errors
///
/// [`EpochError`] for anything else.
pub fn decode(bytes: &[u8]) -> Result<Epoch, EpochError> {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(EpochError::Empty);
    }
    let text = || String::from_utf8_lossy(&line[..line.len().min(40)]).into_owned();
    if !line.iter().all(u8::is_ascii_digit) {
        return Err(EpochError::NotANumber { text: text() });
    }
    let digits = str::from_utf8(line).expect("digits are ASCII");
    match digits.parse() {
        Ok(epoch) => Ok(Epoch(epoch)),
        Err(error) => {
            assert_eq!(*error.kind(), IntErrorKind::PosOverflow, "digits only, and at least one");
            Err(EpochError::TooLarge { text: text() })
        }
    }
}

/// Writes the file, without a line's end as Apache does.
pub fn encode(epoch: Epoch) -> Vec<u8> {
    epoch.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn apaches_files_are_read() {
        for (bytes, epoch) in
            [(&b"0"[..], 0), (b"7\n", 7), (b"7\r\n", 7), (b"007", 7), (b"4294967295", u32::MAX)]
        {
            assert_eq!(decode(bytes), Ok(Epoch(epoch)));
        }
    }

    #[test]
    fn anything_else_is_told() {
        assert_eq!(decode(b""), Err(EpochError::Empty));
        assert_eq!(decode(b"\n"), Err(EpochError::Empty));
        for text in ["-1", "7 ", "+7", "7\n8", "x", "\0\0"] {
            assert_eq!(decode(text.as_bytes()), Err(EpochError::NotANumber { text: text.into() }));
        }
        let text = "4294967296";
        assert_eq!(decode(text.as_bytes()), Err(EpochError::TooLarge { text: text.into() }));
    }

    proptest! {
        #[test]
        fn every_epoch_survives(epoch: u32) {
            prop_assert_eq!(decode(&encode(Epoch(epoch))), Ok(Epoch(epoch)));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
