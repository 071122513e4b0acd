//! Recovery: what it makes of whole, torn, missing and wrong files.

mod crash;
mod damage;

use super::*;
use crate::ids::Epoch;
use crate::ids::ServerId;
use crate::log::record::{append_header, append_record, unmarked};
use crate::log::snapshot::SnapshotWriter;
use crate::tree::{Tree, TreeBuilder};

/// Files by name.
type Disk = std::collections::BTreeMap<FileName, Vec<u8>>;

fn zxid(epoch: u32, counter: u32) -> Zxid {
    Zxid::new(Epoch(epoch), counter)
}

/// A transaction in form: its header with this zxid, and something to tell it by.
fn txn(zxid: Zxid, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 32];
    bytes[12..20].copy_from_slice(&zxid.0.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// A log file of these transactions, as Apache writes it.
fn log(zxids: &[Zxid]) -> (FileName, Vec<u8>) {
    log_after(Zxid::ZERO, zxids)
}

/// A log file of these transactions that says what stands before it.
fn log_after(after: Zxid, zxids: &[Zxid]) -> (FileName, Vec<u8>) {
    let mut bytes = Vec::new();
    unmarked::append_header(&mut bytes, after);
    for zxid in zxids {
        unmarked::append_record(&mut bytes, &txn(*zxid, b"body"));
    }
    (FileName::Log(zxids[0]), bytes)
}

/// A log file of ours, synced after each transaction.
fn our_log(after: Zxid, zxids: &[Zxid]) -> (FileName, Vec<u8>) {
    let mut bytes = Vec::new();
    append_header(&mut bytes, after);
    let mut synced = after;
    for zxid in zxids {
        append_record(&mut bytes, &txn(*zxid, b"body"), synced);
        synced = *zxid;
    }
    (FileName::Log(zxids[0]), bytes)
}

/// A snapshot file of an empty tree.
fn snapshot(zxid: Zxid) -> (FileName, Vec<u8>) {
    let mut builder = TreeBuilder::new();
    builder.insert("/", None, -1, Default::default()).unwrap();
    let mut tree = builder.finish(zxid).unwrap();
    let mut bytes = Vec::new();
    let mut writer = SnapshotWriter::file(&mut tree, &Default::default(), &mut bytes);
    while !writer.chunk(&mut tree, 1000, &mut bytes) {}
    (FileName::Snapshot(zxid), bytes)
}

fn recover(disk: &Disk) -> Result<Recovered, RecoveryError> {
    recover_by(disk, Rule::default())
}

fn recover_by(disk: &Disk, rule: Rule) -> Result<Recovered, RecoveryError> {
    let mut recovery = Recovery::new(disk.keys().map(FileName::to_string), rule);
    while let Some(name) = recovery.next_wanted() {
        recovery.feed(name, &Bytes::from(disk[&name].clone()))?;
    }
    recovery.finish()
}

fn disk(files: &[(FileName, Vec<u8>)]) -> Disk {
    files.iter().cloned().collect()
}

fn tail(recovered: &Recovered) -> Vec<Zxid> {
    recovered.tail.iter().map(|(zxid, _)| *zxid).collect()
}

fn line(epoch: u32, counters: std::ops::RangeInclusive<u32>) -> Vec<Zxid> {
    counters.map(|counter| zxid(epoch, counter)).collect()
}

fn cut(file: &(FileName, Vec<u8>), bytes: usize) -> (FileName, Vec<u8>) {
    (file.0, file.1[..file.1.len() - bytes].to_vec())
}

/// Damages the last transaction's body.
fn rot(file: &(FileName, Vec<u8>)) -> (FileName, Vec<u8>) {
    let mut bytes = file.1.clone();
    let at = bytes.len() - 3;
    bytes[at] ^= 1;
    (file.0, bytes)
}

#[test]
fn nothing_is_the_beginning() {
    let recovered = recover(&Disk::new()).unwrap();
    assert_eq!(recovered.snapshot, SnapshotData::empty());
    assert_eq!(recovered.snapshot.tree, Tree::new());
    assert_eq!((recovered.tail.len(), recovered.warnings.len()), (0, 0));
    assert_eq!(recovered.last_zxid(), Zxid::ZERO);
}

#[test]
fn the_newest_snapshot_and_what_follows_it_count() {
    let disk = disk(&[
        snapshot(zxid(1, 2)),
        snapshot(zxid(1, 5)),
        log(&line(1, 1..=4)),
        log(&line(1, 5..=7)),
        log(&line(3, 1..=2)),
    ]);
    let mut recovery = Recovery::new(disk.keys().map(FileName::to_string), Rule::default());
    let mut asked = Vec::new();
    while let Some(name) = recovery.next_wanted() {
        asked.push(name);
        recovery.feed(name, &Bytes::from(disk[&name].clone())).unwrap();
    }
    let log = FileName::Log;
    let expected = [FileName::Snapshot(zxid(1, 5)), log(zxid(1, 5)), log(zxid(3, 1))];
    assert_eq!(asked, expected);
    let recovered = recovery.finish().unwrap();
    assert_eq!(tail(&recovered), [line(1, 6..=7), line(3, 1..=2)].concat());
    assert_eq!(recovered.tail[0].1, txn(zxid(1, 6), b"body"));
    assert_eq!(recovered.last_zxid(), zxid(3, 2));
    assert_eq!(
        (recovered.truncate, recovered.remove.len(), recovered.warnings.len()),
        (None, 0, 0)
    );
    assert!(recovered.snapshot.exact);
}

#[test]
fn an_older_snapshot_stands_in_for_a_broken_one() {
    let broken = cut(&snapshot(zxid(1, 5)), 9);
    let good = [snapshot(zxid(1, 2)), log(&line(1, 1..=4)), log(&line(1, 5..=7))];
    let files =
        [&good[..], &[broken.clone(), (FileName::Snapshot(zxid(1, 6)), Vec::new())]].concat();
    let recovered = recover(&disk(&files)).unwrap();
    assert_eq!(recovered.snapshot.last_zxid, zxid(1, 2));
    assert_eq!(tail(&recovered), line(1, 3..=7));
    let passed: Vec<String> = recovered.warnings.iter().map(Warning::to_string).collect();
    assert_eq!(passed.len(), 2, "{passed:?}");
    assert!(passed[0].starts_with("snapshot.100000006 is passed over"), "{passed:?}");
    assert!(passed[1].starts_with("snapshot.100000005 is passed over"), "{passed:?}");
}

#[test]
fn without_a_usable_snapshot_nothing_starts() {
    let broken = cut(&snapshot(zxid(1, 5)), 9);
    let first = log(&line(1, 1..=4));
    let first_log = Some(first.0);
    let error = RecoveryError::NoSnapshot { rejected: 1, first_log };
    assert_eq!(recover(&disk(&[broken.clone(), first])), Err(error));
    let error = RecoveryError::NoSnapshot { rejected: 1, first_log: None };
    assert_eq!(recover(&disk(&[broken])), Err(error));
    let late = log(&line(1, 3..=4));
    let error = RecoveryError::NoSnapshot { rejected: 0, first_log: Some(late.0) };
    assert_eq!(recover(&disk(&[late])), Err(error));
    let recovery = Recovery::new(["snapshot.5.gz", "log.100000001", "myid"], Rule::default());
    assert_eq!(recovery.next_wanted(), None);
    let error = RecoveryError::NoSnapshot { rejected: 1, first_log };
    assert_eq!(recovery.finish(), Err(error));
}

#[test]
fn a_log_from_the_first_transaction_on_needs_no_snapshot() {
    let recovered = recover(&disk(&[log(&line(2, 1..=4))])).unwrap();
    assert_eq!(tail(&recovered), line(2, 1..=4));
    let file = FileName::Log(zxid(2, 1));
    assert_eq!(recovered.warnings, [Warning::NoSnapshot { file }]);
    let misnamed = (file, log(&line(2, 3..=4)).1);
    let error = RecoveryError::NoSnapshot { rejected: 0, first_log: Some(file) };
    assert_eq!(recover(&disk(&[misnamed])), Err(error));
    let only_begun = (file, log(&line(2, 1..=1)).1[..30].to_vec());
    let recovered = recover(&disk(&[only_begun])).unwrap();
    assert_eq!((recovered.last_zxid(), recovered.remove), (Zxid::ZERO, vec![file]));
}

#[test]
fn a_torn_end_is_cut_off() {
    let whole = log(&line(1, 1..=4));
    let len = log(&line(1, 1..=3)).1.len();
    for torn in [cut(&whole, 1), cut(&whole, 40), rot(&whole)] {
        let recovered = recover(&disk(&[snapshot(Zxid::ZERO), torn])).unwrap();
        assert_eq!(tail(&recovered), line(1, 1..=3));
        assert_eq!(recovered.truncate, Some(Truncate { file: whole.0, len }));
        assert!(matches!(recovered.warnings[..], [Warning::TornTail { .. }]));
    }
}

#[test]
fn a_log_that_was_only_begun_is_removed_and_the_one_before_is_the_end() {
    let before = log(&line(1, 1..=4));
    let begun = log(&line(1, 5..=5));
    for end in [0, 10, 16, 20, begun.1.len() - 1] {
        let begun = (begun.0, begun.1[..end].to_vec());
        let whole = disk(&[snapshot(Zxid::ZERO), before.clone(), begun.clone()]);
        let recovered = recover(&whole).unwrap();
        assert_eq!((tail(&recovered), recovered.truncate), (line(1, 1..=4), None));
        assert_eq!(recovered.remove, [begun.0]);
        let torn = disk(&[snapshot(Zxid::ZERO), cut(&before, 3), begun.clone()]);
        let recovered = recover(&torn).unwrap();
        assert_eq!(tail(&recovered), line(1, 1..=3));
        let len = log(&line(1, 1..=3)).1.len();
        assert_eq!(recovered.truncate, Some(Truncate { file: before.0, len }));
        assert_eq!(recovered.remove, [begun.0]);
    }
}

#[test]
fn a_gap_is_refused_and_the_files_are_named() {
    let files = [snapshot(zxid(1, 1)), log(&line(1, 1..=4)), log(&line(1, 6..=7))];
    let error = recover(&disk(&files)).unwrap_err();
    let (before, file) = (Some(files[1].0), files[2].0);
    let gap = RecoveryError::Gap { after: zxid(1, 4), before, found: zxid(1, 6), file };
    assert_eq!(error, gap);
    let text = "transactions after 0x100000004 (log.100000001) are missing: \
                log.100000006 goes on with 0x100000006";
    assert_eq!(error.to_string(), text);
    let behind = [snapshot(zxid(1, 1)), log(&line(1, 3..=4))];
    let (found, file) = (zxid(1, 3), behind[1].0);
    let gap = RecoveryError::Gap { after: zxid(1, 1), before: None, found, file };
    assert_eq!(recover(&disk(&behind)), Err(gap));
    let epoch = [snapshot(zxid(1, 1)), log(&line(2, 2..=4))];
    let (found, file) = (zxid(2, 2), epoch[1].0);
    let gap = RecoveryError::Gap { after: zxid(1, 1), before: None, found, file };
    assert_eq!(recover(&disk(&epoch)), Err(gap));
}

#[test]
fn a_torn_log_before_others_is_passed_only_where_nothing_can_be_missing() {
    let first = log(&line(1, 1..=4));
    let next = log(&line(1, 4..=5));
    let epoch = log(&line(2, 1..=2));
    let try_with = |torn: (FileName, Vec<u8>), next: &(FileName, Vec<u8>)| {
        recover(&disk(&[snapshot(Zxid::ZERO), torn, next.clone()]))
    };
    let recovered = try_with(cut(&first, 3), &next).unwrap();
    assert_eq!((tail(&recovered), recovered.truncate), (line(1, 1..=5), None));
    assert!(matches!(recovered.warnings[..], [Warning::TornAndContinued { .. }]));
    assert_eq!(tail(&try_with(rot(&first), &next).unwrap()), line(1, 1..=5));
    let recovered = try_with(cut(&first, 3), &epoch).unwrap();
    assert_eq!(tail(&recovered), [line(1, 1..=3), line(2, 1..=2)].concat());
    let error = try_with(rot(&first), &epoch).unwrap_err();
    let offset = log(&line(1, 1..=3)).1.len();
    let damaged = |found, next| {
        let reason = TornReason::Checksum;
        RecoveryError::Damaged { file: first.0, offset, reason, next, found }
    };
    assert_eq!(error, damaged(zxid(2, 1), epoch.0));
    let far = log(&line(1, 5..=6));
    assert_eq!(try_with(rot(&first), &far).unwrap_err(), damaged(zxid(1, 5), far.0));
}

#[test]
fn a_log_of_ours_shows_that_the_end_of_an_earlier_epoch_is_missing() {
    let first = log(&line(1, 1..=4));
    let epoch = log_after(zxid(1, 4), &line(2, 1..=2));
    let try_with = |files: &[(FileName, Vec<u8>)]| {
        recover(&disk(&[&[snapshot(Zxid::ZERO)], files, std::slice::from_ref(&epoch)].concat()))
    };
    let whole = try_with(std::slice::from_ref(&first)).unwrap();
    assert_eq!(tail(&whole), [line(1, 1..=4), line(2, 1..=2)].concat());
    let error = try_with(&[cut(&first, 3)]).unwrap_err();
    assert!(matches!(error, RecoveryError::Damaged { .. }), "{error}");
    // As preallocated files end, and as sectors look that were never written.
    let last = log(&line(1, 1..=3)).1.len();
    let mut zeros = first.clone();
    zeros.1[last..].fill(0);
    let (after, before, file) = (zxid(1, 3), Some(first.0), epoch.0);
    let gap = RecoveryError::Gap { after, before, found: zxid(2, 1), file };
    assert_eq!(try_with(&[zeros]), Err(gap));
    let behind = [snapshot(zxid(1, 4)), epoch.clone()];
    assert_eq!(tail(&recover(&disk(&behind)).unwrap()), line(2, 1..=2));
    assert!(recover(&disk(std::slice::from_ref(&epoch))).is_err(), "it does not begin the history");
}

#[test]
fn a_repeated_transaction_is_harmless_and_a_different_one_is_not() {
    let repeated = [snapshot(Zxid::ZERO), log(&line(1, 1..=4)), log(&line(1, 3..=5))];
    let recovered = recover(&disk(&repeated)).unwrap();
    assert_eq!(tail(&recovered), line(1, 1..=5));
    assert_eq!(recovered.warnings.len(), 2);
    let mut other = Vec::new();
    unmarked::append_header(&mut other, Zxid::ZERO);
    unmarked::append_record(&mut other, &txn(zxid(1, 3), b"another"));
    let file = FileName::Log(zxid(1, 3));
    let files = [snapshot(Zxid::ZERO), log(&line(1, 1..=4)), (file, other)];
    let error = RecoveryError::Conflict { file, zxid: zxid(1, 3) };
    assert_eq!(recover(&disk(&files)), Err(error));
}

#[test]
fn a_log_that_cannot_be_read_is_not_passed_over_and_a_snapshot_is() {
    let mut recovery = Recovery::new(["snapshot.5", "snapshot.2", "log.1"], Rule::default());
    recovery.unreadable(FileName::Snapshot(Zxid(5)), "EIO").unwrap();
    let (name, bytes) = snapshot(Zxid(2));
    recovery.feed(name, &bytes.into()).unwrap();
    let file = FileName::Log(Zxid(1));
    let error = recovery.unreadable(file, "EIO").unwrap_err();
    assert_eq!(error, RecoveryError::Unreadable { file, reason: "EIO".into() });
}
