//! The formats of the wire and of transactions: every record survives encoding and decoding, no
//! bytes whatever upset a decoder, and fixed examples pin the formats themselves.

#![allow(missing_docs, reason = "a test program has no readers of its documentation")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod client;
mod golden_client;
mod golden_servers;
mod servers;
mod strategies;
mod txns;

use keeper_core::jute::{Decode, DecodeError, Encode, from_bytes, to_bytes};
use proptest::prelude::*;

/// Asserts that a record comes back as it was, and that no shorter part of its bytes reads as a
/// whole record.
fn survives<T>(record: &T) -> Result<(), TestCaseError>
where
    T: Encode + Decode + PartialEq + std::fmt::Debug,
{
    let bytes = to_bytes(record);
    prop_assert_eq!(&from_bytes::<T>(&bytes).unwrap(), record);
    for len in 0..bytes.len() {
        let part = from_bytes::<T>(&bytes[..len]);
        prop_assert!(part.as_ref().is_err_and(DecodeError::is_truncated), "{len}: {part:?}");
    }
    Ok(())
}

/// Asserts that a record comes back as it was. For records whose form depends on their length,
/// where a part may be a record too: it must only not be the same one.
fn survives_by_length<T>(record: &T) -> Result<(), TestCaseError>
where
    T: Encode + Decode + PartialEq + std::fmt::Debug,
{
    let bytes = to_bytes(record);
    prop_assert_eq!(&from_bytes::<T>(&bytes).unwrap(), record);
    for len in 0..bytes.len() {
        let part = from_bytes::<T>(&bytes[..len]);
        prop_assert_ne!(part.as_ref(), Ok(record));
    }
    Ok(())
}

/// Asserts that what was read from any bytes is a record that survives.
fn reads_what_it_writes<T>(bytes: &[u8]) -> Result<(), TestCaseError>
where
    T: Encode + Decode + PartialEq + std::fmt::Debug,
{
    if let Ok(record) = from_bytes::<T>(bytes) {
        prop_assert_eq!(from_bytes::<T>(&to_bytes(&record)), Ok(record));
    }
    Ok(())
}

/// The bytes of a hexadecimal text in which blanks and line ends do not count.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
