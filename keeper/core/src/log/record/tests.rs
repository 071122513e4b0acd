//! Logs with and without a mark: what a crash, a cut and a flipped bit make of them.

use super::*;
use proptest::prelude::*;

/// A transaction in form: its header with this zxid, and a body.
fn txn(zxid: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1; TXN_HEADER_BYTES];
    bytes[ZXID].copy_from_slice(&zxid.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// A log of these bodies without a mark, and where each record ends.
fn unmarked_log(bodies: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Vec::new();
    unmarked::append_header(&mut bytes, Zxid::ZERO);
    let mut ends = vec![bytes.len()];
    for (zxid, body) in (1..).zip(bodies) {
        unmarked::append_record(&mut bytes, &txn(zxid, body));
        ends.push(bytes.len());
    }
    (bytes, ends)
}

/// A log of ours of these bodies, and where each record ends. It was synced before each record whose number is
/// in `syncs`, from 0.
fn log(bodies: &[Vec<u8>], syncs: &[usize]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Vec::new();
    append_header(&mut bytes, Zxid::ZERO);
    let mut ends = vec![bytes.len()];
    let mut synced = 0;
    for (at, body) in bodies.iter().enumerate() {
        if syncs.contains(&at) {
            synced = at as u64;
        }
        append_record(&mut bytes, &txn(at as u64 + 1, body), Zxid(synced));
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
    unmarked::append_header(&mut bytes, Zxid::ZERO);
    assert_eq!(bytes, *b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0");
    let txn = txn(5, b"x");
    unmarked::append_record(&mut bytes, &txn);
    assert_eq!(bytes[16..20], [0; 4]);
    assert_eq!(bytes[20..24], adler2::adler32_slice(&txn).to_be_bytes());
    assert_eq!(bytes[24..28], (txn.len() as u32).to_be_bytes());
    assert_eq!(bytes[28..28 + txn.len()], txn);
    assert_eq!(bytes[28 + txn.len()..], *b"B");
    let scan = scan(&bytes);
    let record = LogRecord { offset: 16, zxid: Zxid(5), txn: 28..61, synced: None };
    assert_eq!(scan.records, [record]);
    assert_eq!((scan.valid_len, scan.end), (62, End::Clean));
}

#[test]
fn what_was_synced_stands_where_apache_expects_a_digest() {
    let mut bytes = Vec::new();
    append_header(&mut bytes, Zxid(3));
    assert_eq!(bytes, *b"ZKLG\0\0\0\x02\x80\0\0\0\0\0\0\x03");
    let txn = txn(5, b"x");
    append_record(&mut bytes, &txn, Zxid(3));
    let content = [&txn[..], &[0xff; 4], &[0, 0, 0, 0, 0, 0, 0, 3]].concat();
    assert_eq!(bytes[20..24], adler2::adler32_slice(&content).to_be_bytes());
    assert_eq!(bytes[28..73], content);
    assert_eq!(bytes[73..], *b"B");
    let scan = scan(&bytes);
    let record = LogRecord { offset: 16, zxid: Zxid(5), txn: 28..61, synced: Some(Zxid(3)) };
    assert_eq!((scan.is_marked, scan.after, scan.records), (true, Zxid(3), vec![record]));
    assert_eq!((scan.valid_len, scan.end), (74, End::Clean));
}

#[test]
fn header_and_records_that_disagree_are_a_contradiction() {
    let (ours, _) = log(&[b"a".to_vec(), b"b".to_vec()], &[1]);
    let (other, _) = unmarked_log(&[b"a".to_vec(), b"b".to_vec()]);
    let contradiction = End::Torn { offset: 0, reason: TornReason::Contradiction };
    for at in AFTER {
        for bit in 0..8 {
            let mut changed = ours.clone();
            changed[at] ^= 1 << bit;
            let found = scan(&changed);
            assert_eq!((found.end, found.beyond.len()), (contradiction, 2), "{at} {bit}");
        }
    }
    let mut marked = other.clone();
    marked[8] ^= 0x80;
    assert_eq!(scan(&marked).end, contradiction);
    assert_eq!(scan(&other).end, End::Clean);
}

#[test]
fn whole_records_behind_a_bad_place_are_found() {
    let bodies = [vec![1; 9], vec![2; 700], vec![], vec![4; 30]];
    let (whole, ends) = log(&bodies, &[0, 1, 3]);
    let beyond = |bytes: &[u8]| scan(bytes).beyond;
    assert_eq!(beyond(&whole), []);
    let third = Beyond { offset: ends[2], zxid: Zxid(3), synced: Zxid(1) };
    let fourth = Beyond { offset: ends[3], zxid: Zxid(4), synced: Zxid(3) };
    let mut rotten = whole.clone();
    rotten[ends[1] + 300] ^= 4;
    assert_eq!(beyond(&rotten), [third, fourth]);
    rotten[ends[1]..ends[2] + 5].fill(0);
    assert_eq!(beyond(&rotten), [fourth]);
    let mut headless = whole.clone();
    headless[1] ^= 1;
    assert_eq!(beyond(&headless).len(), 4);
    assert_eq!(scan(&headless).records, []);
    let (mut other, ends) = unmarked_log(&bodies);
    other[ends[1] + 300] ^= 4;
    assert_eq!(beyond(&other), [], "they do not say what was synced");
}

#[test]
fn every_end_is_told() {
    let (whole, ends) = unmarked_log(&[b"a".to_vec(), b"b".to_vec()]);
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
    let bodies = [vec![], vec![7; 600], vec![]];
    for (bytes, ends) in [log(&bodies, &[1, 2]), unmarked_log(&bodies)] {
        assert_eq!(truncated_len(&bytes, Zxid(3)), None);
        assert_eq!(truncated_len(&bytes, Zxid(2)), Some(ends[2]));
        assert_eq!(truncated_len(&bytes, Zxid(0)), Some(HEADER_BYTES));
        let padded = [&bytes[..], &[0; 50]].concat();
        assert_eq!(truncated_len(&padded, Zxid(3)), Some(bytes.len()));
    }
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
        is_marked: bool,
        sectors in proptest::collection::vec(any::<prop::sample::Index>(), 64),
        allocated in 0_usize..3000,
    ) {
        let synced = synced.index(bodies.len() + 1);
        let (whole, ends) = if is_marked { log(&bodies, &[synced]) } else { unmarked_log(&bodies) };
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
        for Beyond { synced, .. } in scan.beyond {
            prop_assert!(synced.0 as usize <= found, "{synced} was synced and is not there");
        }
    }

    #[test]
    fn a_cut_log_is_a_prefix(bodies in bodies(), cut in any::<prop::sample::Index>()) {
        let (whole, ends) = log(&bodies, &[0]);
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
