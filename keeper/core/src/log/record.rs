//! The transaction log: a header, records, and perhaps zeros that were allocated ahead
//! (Apache's `FileTxnLog`).
//!
//! A record is the Adler-32 checksum of the transaction as a long, the transaction as a buffer, and
//! the byte `B`. A crash leaves any subset of the sectors written since the last fsync; the checksum
//! finds that, and reading ends there.

use std::ops::Range;

use thiserror::Error;

use crate::ids::Zxid;
use crate::jute::{Reader, put_buffer, put_int, put_long};

/// `ZKLG`.
const MAGIC: [u8; 4] = *b"ZKLG";
const VERSION: i32 = 2;
/// The length of the header, in bytes.
pub(super) const HEADER_BYTES: usize = 16;
/// Where the header holds what Apache calls the database's identifier, always writes as zero, and
/// never reads. Ours is the last transaction before the file: without it nobody could see that the
/// end of a log is missing, where the next log begins with another epoch.
const AFTER: Range<usize> = 8..16;
/// Ends every record.
const END_MARK: u8 = b'B';
/// Checksum, length and end mark.
const FRAME_BYTES: usize = 8 + 4 + 1;
/// Session, cxid, zxid, time and type come before any body.
const TXN_HEADER_BYTES: usize = 8 + 4 + 8 + 8 + 4;
/// The zxid within a transaction.
const ZXID: Range<usize> = 12..20;

/// What a log file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
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
}

/// Begins a log file, after the last transaction of the history; zero if that is not known.
pub fn append_header(out: &mut Vec<u8>, after: Zxid) {
    out.extend_from_slice(&MAGIC);
    put_int(out, VERSION);
    put_long(out, after.0 as i64);
}

/// Appends the record of one encoded transaction.
pub fn append_record(out: &mut Vec<u8>, txn: &[u8]) {
    assert!(txn.len() >= TXN_HEADER_BYTES, "a transaction has a header");
    put_long(out, i64::from(adler2::adler32_slice(txn)));
    put_buffer(out, Some(txn));
    out.push(END_MARK);
}

/// Reads a whole log file.
pub fn scan(bytes: &[u8]) -> Scan {
    let mut records = Vec::new();
    if !has_header(bytes) {
        let end = match bytes.is_empty() {
            true => End::Clean,
            false => End::Torn { offset: 0, reason: TornReason::Header },
        };
        return Scan { after: Zxid::ZERO, records, valid_len: 0, end };
    }
    let after = Zxid(u64::from_be_bytes(bytes[AFTER].try_into().expect("eight bytes")));
    let mut offset = HEADER_BYTES;
    loop {
        match read_record(bytes, offset) {
            Ok(Some((record, next))) => {
                records.push(record);
                offset = next;
            }
            Ok(None) => {
                let end = if offset == bytes.len() { End::Clean } else { End::ZeroPadding };
                return Scan { after, records, valid_len: offset, end };
            }
            Err(reason) => {
                let end = End::Torn { offset, reason };
                return Scan { after, records, valid_len: offset, end };
            }
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

fn has_header(bytes: &[u8]) -> bool {
    let mut reader = Reader::new(bytes);
    reader.raw(4).is_ok_and(|magic| magic == MAGIC)
        && reader.int().is_ok_and(|version| version == VERSION)
        && reader.long().is_ok()
}

/// The record at `offset` and where the next one begins; `None` if only zeros follow, or nothing.
fn read_record(bytes: &[u8], offset: usize) -> Result<Option<(LogRecord, usize)>, TornReason> {
    let mut reader = Reader::new(&bytes[offset..]);
    let (Ok(checksum), Ok(len)) = (reader.long(), reader.int()) else {
        return zeros_or(&bytes[offset..], TornReason::Unfinished);
    };
    if len <= 0 {
        return zeros_or(&bytes[offset..], TornReason::Unfinished);
    }
    let Ok(txn) = reader.raw(len as usize) else { return Err(TornReason::Unfinished) };
    if reader.byte() != Ok(END_MARK) {
        return Err(TornReason::Unfinished);
    }
    if checksum != i64::from(adler2::adler32_slice(txn)) {
        return Err(TornReason::Checksum);
    }
    if txn.len() < TXN_HEADER_BYTES {
        return Err(TornReason::Malformed);
    }
    let zxid = u64::from_be_bytes(txn[ZXID].try_into().expect("eight bytes"));
    let start = offset + FRAME_BYTES - 1;
    let record = LogRecord { offset, zxid: Zxid(zxid), txn: start..start + txn.len() };
    Ok(Some((record, offset + FRAME_BYTES + txn.len())))
}

fn zeros_or<T>(bytes: &[u8], reason: TornReason) -> Result<Option<T>, TornReason> {
    if bytes.iter().all(|byte| *byte == 0) { Ok(None) } else { Err(reason) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A transaction in form: its header with this zxid, and a body.
    fn txn(zxid: u64, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![1; TXN_HEADER_BYTES];
        bytes[ZXID].copy_from_slice(&zxid.to_be_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    /// A log of these bodies, and where each record ends.
    fn log(bodies: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Vec::new();
        append_header(&mut bytes, Zxid::ZERO);
        let mut ends = vec![bytes.len()];
        for (zxid, body) in (1..).zip(bodies) {
            append_record(&mut bytes, &txn(zxid, body));
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn zxids(scan: &Scan) -> Vec<u64> {
        scan.records.iter().map(|record| record.zxid.0).collect()
    }

    #[test]
    fn the_format_is_apaches() {
        let mut bytes = Vec::new();
        append_header(&mut bytes, Zxid::ZERO);
        assert_eq!(bytes, *b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0");
        let txn = txn(5, b"x");
        append_record(&mut bytes, &txn);
        assert_eq!(bytes[16..20], [0; 4]);
        assert_eq!(bytes[20..24], adler2::adler32_slice(&txn).to_be_bytes());
        assert_eq!(bytes[24..28], (txn.len() as u32).to_be_bytes());
        assert_eq!(bytes[28..28 + txn.len()], txn);
        assert_eq!(bytes[28 + txn.len()..], *b"B");
        let scan = scan(&bytes);
        assert_eq!(scan.records, [LogRecord { offset: 16, zxid: Zxid(5), txn: 28..61 }]);
        assert_eq!((scan.valid_len, scan.end), (62, End::Clean));
    }

    #[test]
    fn every_end_is_told() {
        let (whole, ends) = log(&[b"a".to_vec(), b"b".to_vec()]);
        let last = ends[1];
        let torn = |offset, reason| End::Torn { offset, reason };
        assert_eq!(scan(&whole).end, End::Clean);
        assert_eq!(scan(&[&whole[..], &[0; 700]].concat()).end, End::ZeroPadding);
        assert_eq!(scan(&[&whole[..], &[0; 3]].concat()).end, End::ZeroPadding);
        let late = [&whole[..], &[0; 700], &[1]].concat();
        assert_eq!(scan(&late).end, torn(ends[2], TornReason::Unfinished));
        assert_eq!(scan(&whole[..last + 5]).end, torn(last, TornReason::Unfinished));
        assert_eq!(scan(&whole[..whole.len() - 1]).end, torn(last, TornReason::Unfinished));
        let mut rotten = whole.clone();
        rotten[last + 40] ^= 1;
        assert_eq!(scan(&rotten).end, torn(last, TornReason::Checksum));
        assert_eq!(zxids(&scan(&rotten)), [1]);
        assert_eq!(scan(b"ZKLG").end, torn(0, TornReason::Header));
        assert_eq!(scan(&whole[..16]).end, End::Clean);
        assert_eq!((scan(b"").valid_len, scan(b"").end), (0, End::Clean));
        let mut short = whole[..16].to_vec();
        put_long(&mut short, i64::from(adler2::adler32_slice(b"abc")));
        put_buffer(&mut short, Some(b"abc"));
        short.push(END_MARK);
        assert_eq!(scan(&short).end, torn(16, TornReason::Malformed));
    }

    #[test]
    fn truncation_keeps_what_it_should() {
        let (bytes, ends) = log(&[vec![], vec![7; 600], vec![]]);
        assert_eq!(truncated_len(&bytes, Zxid(3)), None);
        assert_eq!(truncated_len(&bytes, Zxid(2)), Some(ends[2]));
        assert_eq!(truncated_len(&bytes, Zxid(0)), Some(HEADER_BYTES));
        let padded = [&bytes[..], &[0; 50]].concat();
        assert_eq!(truncated_len(&padded, Zxid(3)), Some(bytes.len()));
        assert_eq!(truncated_len(b"", Zxid(3)), None);
    }

    fn bodies() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let body = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..80),
            proptest::collection::vec(Just(0), 0..1500),
            proptest::collection::vec(any::<u8>(), 500..1500),
        ];
        proptest::collection::vec(body, 1..12)
    }

    proptest! {
        /// After a crash each 512-byte sector of what was written since the last fsync holds what it
        /// held at some moment in between; its bytes from before the fsync stay.
        #[test]
        fn a_crash_leaves_a_prefix_with_all_that_was_synced(
            bodies in bodies(),
            synced in any::<prop::sample::Index>(),
            sectors in proptest::collection::vec(any::<prop::sample::Index>(), 64),
            allocated in 0_usize..3000,
        ) {
            let (whole, ends) = log(&bodies);
            let synced = synced.index(ends.len());
            let mut crashed = whole.clone();
            for (at, byte) in crashed.iter_mut().enumerate().skip(ends[synced]) {
                let moments = ends.len() - synced;
                let reached = ends[synced + sectors[at / 512 % sectors.len()].index(moments)];
                if at >= reached {
                    *byte = 0;
                }
            }
            crashed.resize(crashed.len() + allocated, 0);
            let scan = scan(&crashed);
            let found = scan.records.len();
            prop_assert!(found >= synced, "{found} of {synced}");
            prop_assert_eq!(scan.valid_len, ends[found]);
            for (record, (zxid, body)) in scan.records.iter().zip((1..).zip(&bodies)) {
                prop_assert_eq!(&crashed[record.txn.clone()], &txn(zxid, body)[..]);
            }
        }

        #[test]
        fn a_cut_log_is_a_prefix(bodies in bodies(), cut in any::<prop::sample::Index>()) {
            let (whole, ends) = log(&bodies);
            let cut = cut.index(whole.len() + 1);
            let scan = scan(&whole[..cut]);
            let complete = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
            prop_assert_eq!(scan.records.len(), complete);
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, headed: bool, last: u64) {
            let mut file = Vec::new();
            if headed {
                append_header(&mut file, Zxid::ZERO);
            }
            file.extend_from_slice(&bytes);
            let scan = scan(&file);
            prop_assert!(scan.valid_len <= file.len());
            let _ = truncated_len(&file, Zxid(last));
        }
    }
}
