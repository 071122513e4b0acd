//! What tells damage from what a crash leaves: records, beginnings of logs, and the witness.

use super::*;
use crate::log::record::HEADER_BYTES;

pub(super) fn rule(synced: Zxid) -> Rule {
    Rule { witness: Some(witness(synced)), accepts_loss: false }
}

fn witness(synced: Zxid) -> Witness {
    Witness {
        server: Some(ServerId(1)),
        synced,
        is_cutting: false,
        accepted: synced.epoch(),
        current: synced.epoch(),
    }
}

/// A history in three logs of ours, over two epochs, with a snapshot of its beginning.
fn history() -> Vec<(FileName, Vec<u8>)> {
    vec![
        snapshot(Zxid::ZERO),
        our_log(Zxid::ZERO, &line(1, 1..=4)),
        our_log(zxid(1, 4), &line(1, 5..=6)),
        our_log(zxid(1, 6), &line(3, 1..=3)),
    ]
}

fn end_of_history() -> Zxid {
    zxid(3, 3)
}

#[test]
fn a_history_of_ours_comes_back_and_is_sure_as_far_as_something_says_so() {
    let disk = disk(&history());
    let (last, before) = (FileName::Log(zxid(3, 1)), our_log(zxid(1, 6), &line(3, 1..=2)).1.len());
    for (rule, len) in [(Rule::default(), before), (rule(zxid(3, 3)), disk[&last].len())] {
        let recovered = recover_by(&disk, rule).unwrap();
        let expected = [line(1, 1..=6), line(3, 1..=3)].concat();
        assert_eq!(tail(&recovered), expected);
        assert_eq!(recovered.tail[8].1, txn(zxid(3, 3), b"body"), "without what was synced");
        assert_eq!(recovered.sure, Some(Truncate { file: last, len }));
        assert!(recovered.warnings.is_empty());
    }
    let theirs = recover(&super::disk(&[snapshot(Zxid::ZERO), log(&line(1, 1..=4))])).unwrap();
    assert_eq!(theirs.sure, Some(Truncate { file: FileName::Log(zxid(1, 1)), len: 0 }));
}

#[test]
fn every_flipped_bit_of_what_was_synced_is_damage() {
    let files = history();
    let whole = disk(&files);
    for (name, bytes) in &files[1..] {
        for at in 0..bytes.len() {
            let mut rotten = whole.clone();
            rotten.get_mut(name).unwrap()[at] ^= 1 << (at % 8);
            let found = recover_by(&rotten, rule(end_of_history()));
            assert!(found.is_err(), "{name} at {at}: {:?}", found.map(|found| tail(&found)));
        }
    }
}

#[test]
fn every_flipped_bit_is_damage_without_a_witness_but_in_what_was_synced_last() {
    let files = history();
    let whole = disk(&files);
    for (name, bytes) in &files[1..] {
        let last = our_log(zxid(1, 6), &line(3, 1..=2)).1.len();
        let end = if *name == FileName::Log(zxid(3, 1)) { last } else { bytes.len() };
        for at in 0..end {
            let mut rotten = whole.clone();
            rotten.get_mut(name).unwrap()[at] ^= 1 << (at % 8);
            let found = recover(&rotten);
            assert!(found.is_err(), "{name} at {at}: {:?}", found.map(|found| tail(&found)));
        }
    }
}

#[test]
fn damage_names_the_place_and_what_tells_of_it() {
    let first = our_log(Zxid::ZERO, &line(1, 1..=4));
    let (file, offset) = (first.0, our_log(Zxid::ZERO, &line(1, 1..=1)).1.len());
    let mut rotten = first.clone();
    rotten.1[offset + 40] ^= 1;
    let error = recover(&disk(&[rotten.clone()])).unwrap_err();
    let (reason, found) = (TornReason::Checksum, zxid(1, 3));
    let expected = RecoveryError::Damaged { file, offset, reason, next: file, found };
    assert_eq!(error, expected);
    let text = "log.100000001 is damaged at byte 77 (checksum mismatch), and log.100000001 goes on with \
                0x100000003";
    assert_eq!(error.to_string(), text);
    let error = recover_by(&disk(&[rot(&first)]), rule(zxid(1, 4))).unwrap_err();
    let text = "0x100000004 had been synced, but the history ends with 0x100000003 (log.100000001); \
                log.100000001, byte 199: checksum mismatch";
    assert_eq!(error.to_string(), text);
}

#[test]
fn files_that_are_gone_are_damage_where_the_witness_tells_of_them() {
    for gone in 1..=3 {
        let mut files = history();
        files.remove(gone);
        assert!(recover_by(&disk(&files), rule(end_of_history())).is_err(), "{gone}");
    }
    let error = recover_by(&Disk::new(), rule(zxid(1, 1))).unwrap_err();
    let (last, synced) = (Zxid::ZERO, zxid(1, 1));
    assert_eq!(error, RecoveryError::Short { last, file: None, synced, torn: None });
}

#[test]
fn a_log_that_was_only_begun_tells_what_was_before_it() {
    let begun = our_log(zxid(1, 6), &line(3, 1..=1)).1[..HEADER_BYTES].to_vec();
    let mut files = history();
    files[3].1 = begun;
    let recovered = recover(&disk(&files)).unwrap();
    assert_eq!((tail(&recovered), recovered.remove), (line(1, 1..=6), vec![files[3].0]));
    files[2].1.truncate(HEADER_BYTES);
    assert!(matches!(recover(&disk(&files)), Err(RecoveryError::Gap { .. })));
}

#[test]
fn a_witness_is_void_where_apache_has_written_since() {
    let ours = our_log(Zxid::ZERO, &line(1, 1..=2));
    let theirs = log(&line(2, 1..=2));
    let recovered = recover_by(&disk(&[ours.clone(), theirs]), rule(zxid(1, 4))).unwrap();
    assert_eq!(recovered.last_zxid(), zxid(2, 2));
    assert!(recover_by(&disk(&[ours]), rule(zxid(1, 4))).is_err());
}

#[test]
fn a_cut_that_was_begun_is_finished() {
    let first = our_log(Zxid::ZERO, &line(1, 1..=4));
    let mut half = first.clone();
    let len = our_log(Zxid::ZERO, &line(1, 1..=2)).1.len();
    half.1[len..len + 90].fill(0);
    let files = [first, our_log(zxid(1, 4), &line(1, 5..=6))];
    for files in [&files[..], &files[..1], &[half]] {
        let cutting = Witness { is_cutting: true, ..witness(zxid(1, 2)) };
        let by = Rule { witness: Some(cutting), accepts_loss: false };
        let recovered = recover_by(&disk(files), by).unwrap();
        assert_eq!(tail(&recovered), line(1, 1..=2));
        assert_eq!(recovered.truncate, Some(Truncate { file: files[0].0, len }));
        let later: Vec<FileName> = files[1..].iter().map(|(name, _)| *name).collect();
        assert_eq!(recovered.remove, later);
    }
}

#[test]
fn a_cut_that_a_crash_left_half_done_is_no_damage_wherever_its_zeros_end() {
    let ours = our_log(Zxid::ZERO, &line(1, 1..=8));
    let len = our_log(Zxid::ZERO, &line(1, 1..=2)).1.len();
    let cutting = Witness { is_cutting: true, ..witness(zxid(1, 2)) };
    let by = Rule { witness: Some(cutting), accepts_loss: false };
    let next = our_log(zxid(1, 8), &line(1, 9..=10));
    let beginning = (next.0, next.1[..HEADER_BYTES].to_vec());
    let later = [vec![], vec![next], vec![beginning]];
    for end in len..ours.1.len() {
        let mut half = ours.clone();
        half.1[len..end].fill(0);
        for later in &later {
            let files = [vec![half.clone()], later.clone()].concat();
            let recovered = recover_by(&disk(&files), by).unwrap();
            assert_eq!(tail(&recovered), line(1, 1..=2), "zeros to {end}");
            assert_eq!(recovered.truncate, Some(Truncate { file: ours.0, len }));
            assert_eq!(recovered.remove, later.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        }
        // Of what is to be left nothing may be missing.
        half.1[len - 1] ^= 1;
        assert!(recover_by(&disk(&[half]), by).is_err());
    }
}

#[test]
fn a_snapshot_of_nonsense_beside_a_complete_log_is_passed_over() {
    let ours = our_log(Zxid::ZERO, &line(1, 1..=4));
    let broken = |at| (FileName::Snapshot(at), b"nonsense".to_vec());
    let files = [broken(zxid(1, 3)), ours.clone()];
    let recovered = recover(&disk(&files)).unwrap();
    assert_eq!(tail(&recovered), line(1, 1..=4));
    assert_eq!(recovered.warnings.len(), 2, "{:?}", recovered.warnings);
    // It might be of more than there is, unless the witness knows of no more.
    let files = [broken(zxid(9, 9)), ours.clone()];
    assert!(matches!(recover(&disk(&files)), Err(RecoveryError::NoSnapshot { rejected: 1, .. })));
    assert_eq!(tail(&recover_by(&disk(&files), rule(zxid(1, 4))).unwrap()), line(1, 1..=4));
    let late = our_log(zxid(1, 4), &line(2, 1..=2));
    let files = [broken(zxid(1, 4)), late];
    assert!(recover(&disk(&files)).is_err(), "its log does not begin the history");
}

#[test]
fn who_accepts_the_loss_gets_what_is_before_the_damage() {
    let files = history();
    let accepting = Rule { witness: Some(witness(end_of_history())), accepts_loss: true };
    let whole = recover_by(&disk(&files), accepting).unwrap();
    assert_eq!((whole.last_zxid(), whole.warnings.len()), (end_of_history(), 0));
    let mut rotten = files.clone();
    let len = our_log(Zxid::ZERO, &line(1, 1..=2)).1.len();
    rotten[1].1[len + 40] ^= 1;
    let recovered = recover_by(&disk(&rotten), accepting).unwrap();
    assert_eq!(tail(&recovered), line(1, 1..=2));
    assert_eq!(recovered.truncate, Some(Truncate { file: rotten[1].0, len }));
    assert_eq!(recovered.remove, [rotten[2].0, rotten[3].0]);
    let mut nothing = vec![(FileName::Snapshot(zxid(1, 4)), b"nonsense".to_vec())];
    nothing.extend_from_slice(&files[2..]);
    let recovered = recover_by(&disk(&nothing), accepting).unwrap();
    assert_eq!((recovered.last_zxid(), recovered.remove.len()), (Zxid::ZERO, 3));
}
