//! The files `acceptedEpoch` and `currentEpoch`: one decimal number in the first line, which is all that Apache
//! reads (`QuorumPeer.readLongFromFile`) and writes.
//!
//! A number alone turns into another one where a bit flips, or where a disk writes something else in its place:
//! a server with a later epoch than there ever was would outvote all others, and cut their histories. So ours have
//! a second line, which says the same with the file's name and a checksum.

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
    /// A second line that is not that of the first one and of this file.
    #[error("the epoch file says {text:?}, which its second line does not bear out")]
    Mismatch {
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

/// Reads the file of that name: digits, and perhaps the end of their line and a second one of ours.
///
/// # Errors
///
/// [`EpochError`] for anything else.
pub fn decode(name: &str, bytes: &[u8]) -> Result<Epoch, EpochError> {
    let text = || String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
    let (line, second) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &bytes[..0]),
    };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if bytes.is_empty() || line.is_empty() && second.is_empty() {
        return Err(EpochError::Empty);
    }
    if line.is_empty() || !line.iter().all(u8::is_ascii_digit) {
        return Err(EpochError::NotANumber { text: text() });
    }
    let digits = str::from_utf8(line).expect("digits are ASCII");
    let epoch = match digits.parse() {
        Ok(epoch) => Epoch(epoch),
        Err(error) => {
            assert_eq!(*error.kind(), IntErrorKind::PosOverflow, "digits only, and at least one");
            return Err(EpochError::TooLarge { text: text() });
        }
    };
    match second.is_empty() || bytes == encode(name, epoch) {
        true => Ok(epoch),
        false => Err(EpochError::Mismatch { text: text() }),
    }
}

/// Writes the file of that name.
pub fn encode(name: &str, epoch: Epoch) -> Vec<u8> {
    let said = format!("{name} {epoch}");
    let checksum = adler2::adler32_slice(said.as_bytes());
    format!("{epoch}\n{said} adler32 {checksum:08x}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAME: &str = "currentEpoch";

    #[test]
    fn apaches_files_are_read() {
        for (bytes, epoch) in
            [(&b"0"[..], 0), (b"7\n", 7), (b"7\r\n", 7), (b"007", 7), (b"4294967295", u32::MAX)]
        {
            assert_eq!(decode(NAME, bytes), Ok(Epoch(epoch)));
        }
    }

    #[test]
    fn apache_reads_ours() {
        let ours = encode(NAME, Epoch(7));
        assert_eq!(ours, b"7\ncurrentEpoch 7 adler32 2b00054a\n");
        assert_eq!(str::from_utf8(&ours).unwrap().lines().next(), Some("7"));
    }

    #[test]
    fn anything_else_is_told() {
        assert_eq!(decode(NAME, b""), Err(EpochError::Empty));
        assert_eq!(decode(NAME, b"\n"), Err(EpochError::Empty));
        for text in ["-1", "7 ", "+7", "x", "\0\0", "\n7"] {
            let error = EpochError::NotANumber { text: text.into() };
            assert_eq!(decode(NAME, text.as_bytes()), Err(error));
        }
        let text = "4294967296";
        let error = EpochError::TooLarge { text: text.into() };
        assert_eq!(decode(NAME, text.as_bytes()), Err(error));
    }

    #[test]
    fn every_flipped_bit_of_ours_and_another_files_content_are_told() {
        let ours = encode(NAME, Epoch(12));
        for bit in 0..ours.len() * 8 {
            let mut flipped = ours.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(NAME, &flipped).is_err(), "{:?}", String::from_utf8_lossy(&flipped));
        }
        assert!(matches!(decode("acceptedEpoch", &ours), Err(EpochError::Mismatch { .. })));
    }

    proptest! {
        #[test]
        fn every_epoch_survives(epoch: u32) {
            prop_assert_eq!(decode(NAME, &encode(NAME, Epoch(epoch))), Ok(Epoch(epoch)));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = decode(NAME, &bytes);
        }
    }
}
