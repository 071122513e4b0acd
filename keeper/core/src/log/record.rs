//! The transaction log: a header, records, and perhaps zeros that were allocated ahead
//! (Apache's `FileTxnLog`).
//!
//! A record is the Adler-32 checksum of the transaction as a long, the transaction as a buffer, and
//! the byte `B`. A crash leaves any subset of the sectors written since the last fsync; the checksum
//! finds that, and reading ends there.
//!
//! But whole records may lie behind a place that is not right, and then it matters whether that place had been
//! synced: a crash tears only what had not (Alagappan and others, "Protocol-Aware Recovery for
//! Consensus-Based Storage", FAST 2018, section 3.3.3). So a log of ours carries a *mark* in its header, and each
//! of its records says behind its transaction, within the buffer, which transaction was the last that had been
//! synced when the record was written. It stands there as Apache's digest of the tree would, under a version that
//! is none of Apache's: `SerializeUtils.deserializeTxn` reads what follows a transaction as a digest,
//! `DataTree.compareDigest` passes over one of another version. The version reads as a null list, too: an
//! old closeSession has no body, and Apache would take the next four bytes for the length of one. On disk
//! only: no proposal carries it.

mod beyond;

use std::ops::Range;

use thiserror::Error;

use crate::ids::Zxid;
use crate::jute::{Reader, put_buffer, put_int, put_long};

pub use beyond::Beyond;

/// `ZKLG`.
const MAGIC: [u8; 4] = *b"ZKLG";
const VERSION: i32 = 2;
/// The length of the header, in bytes.
pub(super) const HEADER_BYTES: usize = 16;
/// Where the header holds what Apache calls the database's identifier, always writes as zero, and
/// never reads. Ours is the last transaction before the file: without it nobody could see that the
/// end of a log is missing, where the next log begins with another epoch.
const AFTER: Range<usize> = 8..16;
/// In the same place: the records say what was synced. No zxid has this bit, the epoch's uppermost.
const MARK: u64 = 1 << 63;
/// Ends every record.
const END_MARK: u8 = b'B';
/// Checksum, length and end mark.
const FRAME_BYTES: usize = 8 + 4 + 1;
/// Session, cxid, zxid, time and type come before any body.
const TXN_HEADER_BYTES: usize = 8 + 4 + 8 + 8 + 4;
/// The zxid within a transaction.
const ZXID: Range<usize> = 12..20;
/// What was synced, as a version and a number.
const SYNCED_BYTES: usize = 4 + 8;
/// None of the versions of Apache's digests, and the length of a null list.
const SYNCED_VERSION: [u8; 4] = (-1_i32).to_be_bytes();

/// What a log file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Whether the records say what was synced.
    pub is_marked: bool,
    /// The last transaction before the file, if it says so; zero if not. Apache's files never do, and
    /// Apache does not look.
    pub after: Zxid,
    /// The records up to the first that is not right.
    pub records: Vec<LogRecord>,
    /// The length of header and records, in bytes: where the next record goes. Zero if there is not
    /// even a header.
    pub valid_len: usize,
    /// What comes behind them.
    pub end: End,
    /// Whole records of ours behind what is not right.
    pub beyond: Vec<Beyond>,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Where the record begins.
    pub offset: usize,
    /// The transaction's position.
    pub zxid: Zxid,
    /// Where the encoded transaction lies.
    pub txn: Range<usize>,
    /// The last transaction that was synced when this one was written, if the log is marked.
    pub synced: Option<Zxid>,
}

impl LogRecord {
    /// Where the next record begins.
    pub(super) fn end(&self) -> usize {
        self.txn.end + if self.synced.is_some() { SYNCED_BYTES } else { 0 } + 1
    }
}

/// What comes behind the last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing.
    Clean,
    /// Zeros up to the end of the file.
    ZeroPadding,
    /// Something else.
    Torn {
        /// Where it begins.
        offset: usize,
        /// What is wrong with it.
        reason: TornReason,
    },
}

/// What is wrong with the bytes behind the last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TornReason {
    /// The file does not begin as a log.
    #[error("no log header")]
    Header,
    /// The record was not finished: it goes past the end of the file, or its end mark is missing.
    #[error("unfinished record")]
    Unfinished,
    /// The record is complete in form, but its bytes are not those that were written.
    #[error("checksum mismatch")]
    Checksum,
    /// The record is too short to be a transaction.
    #[error("record is no transaction")]
    Malformed,
    /// Header and records are whole, and disagree about whether records say what was synced, or about what was
    /// before the first. No crash leaves that.
    #[error("header that contradicts the records")]
    Contradiction,
}

/// Begins a log file of ours, after the last transaction of the history; zero if that is not known. Everything
/// up to it must have been synced.
pub fn append_header(out: &mut Vec<u8>, after: Zxid) {
    put_header(out, after.0 | MARK);
}

fn put_header(out: &mut Vec<u8>, database: u64) {
    out.extend_from_slice(&MAGIC);
    put_int(out, VERSION);
    put_long(out, database as i64);
}

/// Appends the record of one encoded transaction to a log of ours; `synced` is the last transaction that has
/// been synced.
pub fn append_record(out: &mut Vec<u8>, txn: &[u8], synced: Zxid) {
    let mut content = Vec::with_capacity(txn.len() + SYNCED_BYTES);
    content.extend_from_slice(txn);
    content.extend_from_slice(&SYNCED_VERSION);
    put_long(&mut content, synced.0 as i64);
    put_record(out, &content);
}

fn put_record(out: &mut Vec<u8>, content: &[u8]) {
    assert!(content.len() >= TXN_HEADER_BYTES, "a transaction has a header");
    put_long(out, i64::from(adler2::adler32_slice(content)));
    put_buffer(out, Some(content));
    out.push(END_MARK);
}

/// A log without a mark, as Apache writes it and as builds of ours did that wrote no more than what was before
/// the file.
#[cfg(test)]
pub(super) mod unmarked {
    use super::*;

    pub(in crate::log) fn append_header(out: &mut Vec<u8>, after: Zxid) {
        put_header(out, after.0);
    }

    pub(in crate::log) fn append_record(out: &mut Vec<u8>, txn: &[u8]) {
        put_record(out, txn);
    }
}

/// Reads a whole log file.
pub fn scan(bytes: &[u8]) -> Scan {
    let Some(database) = database(bytes) else {
        let end = match bytes.is_empty() {
            true => End::Clean,
            false => End::Torn { offset: 0, reason: TornReason::Header },
        };
        return Scan { end, beyond: beyond::records(bytes, 0), ..Scan::default() };
    };
    let (is_marked, after) = (database & MARK != 0, Zxid(database & !MARK));
    let mut records = Vec::new();
    let mut offset = HEADER_BYTES;
    let end = loop {
        match read_record(bytes, offset, is_marked) {
            Ok(Some(record)) => {
                offset = record.end();
                records.push(record);
            }
            Ok(None) if offset == bytes.len() => break End::Clean,
            Ok(None) => break End::ZeroPadding,
            Err(reason) => break End::Torn { offset, reason },
        }
    };
    if contradicts(bytes, is_marked, after, &records) {
        let end = End::Torn { offset: 0, reason: TornReason::Contradiction };
        let beyond = beyond::records(bytes, HEADER_BYTES);
        return Scan { is_marked, after, end, beyond, ..Scan::default() };
    }
    let beyond = match end {
        End::Torn { offset, .. } => beyond::records(bytes, offset + 1),
        End::Clean | End::ZeroPadding => Vec::new(),
    };
    Scan { is_marked, after, records, valid_len: offset, end, beyond }
}

impl Default for Scan {
    fn default() -> Scan {
        Scan {
            is_marked: false,
            after: Zxid::ZERO,
            records: Vec::new(),
            valid_len: 0,
            end: End::Clean,
            beyond: Vec::new(),
        }
    }
}

/// Whether header and records disagree. The header has no checksum; but where it says that records say what was
/// synced, the first says what the header does, and where it does not, no record does.
fn contradicts(bytes: &[u8], is_marked: bool, after: Zxid, records: &[LogRecord]) -> bool {
    let Some(first) = records.first() else {
        // The mark may be what is wrong.
        return is_marked && matches!(read_record(bytes, HEADER_BYTES, false), Ok(Some(_)));
    };
    match first.synced {
        Some(synced) => synced != after,
        None => {
            !is_marked
                && records.iter().all(|record| synced_in(&bytes[record.txn.clone()]).is_some())
        }
    }
}

/// How long a log file is once every transaction after `last` is cut off; with nothing left to keep,
/// the length of its header. `None` if nothing needs to be cut.
pub fn truncated_len(bytes: &[u8], last: Zxid) -> Option<usize> {
    let scan = scan(bytes);
    let cut = scan.records.iter().find(|record| record.zxid > last).map(|record| record.offset);
    let len = cut.unwrap_or(scan.valid_len);
    (len < bytes.len()).then_some(len)
}

/// What the header holds in the place of a database's identifier; none if there is no header.
fn database(bytes: &[u8]) -> Option<u64> {
    let mut reader = Reader::new(bytes);
    let is_log = reader.raw(4).is_ok_and(|magic| magic == MAGIC)
        && reader.int().is_ok_and(|version| version == VERSION);
    let database = bytes.get(AFTER).filter(|_| is_log)?;
    Some(u64::from_be_bytes(database.try_into().expect("eight bytes")))
}

/// The record at `offset`; `None` if only zeros follow, or nothing.
fn read_record(
    bytes: &[u8],
    offset: usize,
    is_marked: bool,
) -> Result<Option<LogRecord>, TornReason> {
    let mut reader = Reader::new(&bytes[offset..]);
    let (Ok(checksum), Ok(len)) = (reader.long(), reader.int()) else {
        return zeros_or(&bytes[offset..], TornReason::Unfinished);
    };
    if len <= 0 {
        return zeros_or(&bytes[offset..], TornReason::Unfinished);
    }
    let Ok(content) = reader.raw(len as usize) else { return Err(TornReason::Unfinished) };
    if reader.byte() != Ok(END_MARK) {
        return Err(TornReason::Unfinished);
    }
    if checksum != i64::from(adler2::adler32_slice(content)) {
        return Err(TornReason::Checksum);
    }
    let synced = if is_marked { synced_in(content) } else { None };
    let txn_len = content.len() - synced.map_or(0, |_| SYNCED_BYTES);
    if txn_len < TXN_HEADER_BYTES || is_marked && synced.is_none() {
        return Err(TornReason::Malformed);
    }
    let start = offset + FRAME_BYTES - 1;
    Ok(Some(LogRecord { offset, zxid: zxid_in(content), txn: start..start + txn_len, synced }))
}

fn zxid_in(content: &[u8]) -> Zxid {
    Zxid(u64::from_be_bytes(content[ZXID].try_into().expect("eight bytes")))
}

/// What a record's content says to have been synced before it, if it says so: something earlier than itself.
fn synced_in(content: &[u8]) -> Option<Zxid> {
    let at = content.len().checked_sub(SYNCED_BYTES).filter(|at| *at >= TXN_HEADER_BYTES)?;
    let (version, synced) = content[at..].split_at(SYNCED_VERSION.len());
    let synced = Zxid(u64::from_be_bytes(synced.try_into().expect("eight bytes")));
    (version == SYNCED_VERSION && synced < zxid_in(content)).then_some(synced)
}

fn zeros_or<T>(bytes: &[u8], reason: TornReason) -> Result<Option<T>, TornReason> {
    if bytes.iter().all(|byte| *byte == 0) { Ok(None) } else { Err(reason) }
}

#[cfg(test)]
mod tests;
