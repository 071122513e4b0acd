//! Whole records behind a place that is not right.
//!
//! Where the next record begins is not known there, so that every byte is a candidate. What is taken for a record
//! has a checksum, ends as one, and says what was synced before it.

use super::{END_MARK, FRAME_BYTES, SYNCED_BYTES, TXN_HEADER_BYTES, synced_in, zxid_in};
use crate::ids::Zxid;

/// A whole record behind a place that is not right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beyond {
    /// Where it begins.
    pub offset: usize,
    /// Its transaction.
    pub zxid: Zxid,
    /// The last transaction that was synced when it was written.
    pub synced: Zxid,
}

/// The whole records from `from` on, in their order.
pub(super) fn records(bytes: &[u8], from: usize) -> Vec<Beyond> {
    let mut found = Vec::new();
    let mut offset = from;
    while offset < bytes.len() {
        match record_at(&bytes[offset..]) {
            Some((zxid, synced, len)) => {
                found.push(Beyond { offset, zxid, synced });
                offset += len;
            }
            None => offset += 1,
        }
    }
    found
}

/// The record with which the bytes begin: its zxid, what it says to be synced, and its length. What costs least is
/// looked at first.
fn record_at(bytes: &[u8]) -> Option<(Zxid, Zxid, usize)> {
    let (checksum, rest) = bytes.split_first_chunk::<8>()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    // An Adler-32 as a long.
    if checksum[..4] != [0; 4] {
        return None;
    }
    let len = u32::from_be_bytes(*len) as usize;
    if len < TXN_HEADER_BYTES + SYNCED_BYTES || *rest.get(len)? != END_MARK {
        return None;
    }
    let content = &rest[..len];
    let synced = synced_in(content)?;
    let is_whole = i64::from_be_bytes(*checksum) == i64::from(adler2::adler32_slice(content));
    is_whole.then(|| (zxid_in(content), synced, FRAME_BYTES + len))
}
