//! What damage shows, when, and how it is undone.

use super::super::tests::{append, create, disk, log_with, run, sync};
use super::super::{DiskFault, EIO, Gone, Handle, OpKind, Operation};
use super::*;
use crate::disk::inode::SECTOR_BYTES;

/// Three sectors, one letter each.
const SECTORS: [u8; 3] = [b'a', b'b', b'c'];

fn sector(letter: u8) -> Vec<u8> {
    vec![letter; SECTOR_BYTES]
}

fn write(disk: &mut Disk, file: Handle, content: &[u8]) {
    run(disk, append(file, content)).unwrap();
    run(disk, sync(file)).unwrap();
}

fn bad_write(disk: &mut Disk, gone: Gone, nth: Option<u64>) -> crate::disk::DiskFaultId {
    disk.add_fault(DiskFault::BadWrite { gone, nth })
}

/// A misdirected write onto any file.
fn anywhere() -> Gone {
    Gone::Misdirected { onto: String::new() }
}

fn cut_power(disk: &mut Disk) {
    disk.lose_power(disk.busy_until_ns);
}

/// The first byte of each sector of a file; `.` for zero.
fn shape(disk: &Disk, path: &str) -> String {
    let content = disk.peek(path).unwrap();
    content.chunks(SECTOR_BYTES).map(|s| if s[0] == 0 { '.' } else { s[0] as char }).collect()
}

#[test]
fn lost_write_is_read_until_the_power_goes() {
    let (mut disk, log) = log_with(b"");
    let fault = bad_write(&mut disk, Gone::Lost, Some(2));
    for letter in SECTORS {
        write(&mut disk, log, &sector(letter));
    }
    assert!(disk.has_bad_writes() && !disk.is_durable());
    disk.remove_fault(0, fault);
    disk.kill_process();
    disk.advance(disk.busy_until_ns);
    assert_eq!(shape(&disk, "log"), "abc", "a kill does not show it");
    cut_power(&mut disk);
    assert_eq!(shape(&disk, "log"), "a.c");
    assert!(!disk.has_bad_writes() && disk.is_durable());
}

#[test]
fn lost_writes_made_good_survive_a_power_loss() {
    let (mut disk, log) = log_with(b"");
    bad_write(&mut disk, Gone::Lost, None);
    write(&mut disk, log, &sector(b'a'));
    disk.make_good();
    cut_power(&mut disk);
    assert_eq!(shape(&disk, "log"), "a");
}

#[test]
fn lost_write_is_made_good_though_its_sector_has_changed_since() {
    for (fails, is_made_good) in [(false, true), (true, false), (true, true)] {
        let (mut disk, log) = log_with(b"");
        bad_write(&mut disk, Gone::Lost, Some(1));
        write(&mut disk, log, b"old");
        run(&mut disk, append(log, b" new")).unwrap();
        if fails {
            disk.add_fault(DiskFault::Error {
                kinds: vec![OpKind::Sync],
                errno: EIO,
                nth: Some(1),
            });
            assert_eq!(run(&mut disk, sync(log)), Err(EIO));
        }
        assert!(disk.has_bad_writes(), "the disk still lacks the first write");
        if is_made_good {
            disk.make_good();
            assert!(!disk.has_bad_writes());
        }
        cut_power(&mut disk);
        let is_there = disk.peek("log").unwrap().starts_with(b"old");
        assert_eq!(is_there, is_made_good, "the sync fails: {fails}");
    }
}

#[test]
fn lost_write_keeps_what_its_sector_held_and_is_mended_by_writing_it_again() {
    for is_written_again in [false, true] {
        let (mut disk, log) = log_with(b"old");
        bad_write(&mut disk, Gone::Lost, Some(1));
        write(&mut disk, log, b" new");
        if is_written_again {
            write(&mut disk, log, b"er");
        }
        cut_power(&mut disk);
        let expected: &[u8] = if is_written_again { b"old newer" } else { b"old\0\0\0\0" };
        assert_eq!(disk.peek("log"), Some(expected));
    }
}

#[test]
fn doomed_write_that_was_never_synced_does_not_survive() {
    for seed in 0..50 {
        let mut disk = Disk::new(seed, 0, crate::disk::DiskSettings::default());
        let log = create(&mut disk, "log");
        run(&mut disk, Operation::SyncDir(String::new())).unwrap();
        bad_write(&mut disk, Gone::Lost, None);
        run(&mut disk, append(log, &sector(b'a'))).unwrap();
        cut_power(&mut disk);
        assert!(!disk.peek("log").unwrap().contains(&b'a'), "seed {seed}");
    }
}

#[test]
fn misdirected_write_takes_the_place_of_another_sector() {
    let mut victims = std::collections::BTreeSet::new();
    for seed in 0..60 {
        let mut disk = Disk::new(seed, 0, crate::disk::DiskSettings::default());
        let (log, other) = (create(&mut disk, "log"), create(&mut disk, "other"));
        run(&mut disk, Operation::SyncDir(String::new())).unwrap();
        write(&mut disk, other, &[b'o'; 2 * SECTOR_BYTES]);
        write(&mut disk, log, &sector(b'a'));
        bad_write(&mut disk, anywhere(), Some(1));
        write(&mut disk, log, &sector(b'x'));
        assert_eq!((shape(&disk, "log"), shape(&disk, "other")), ("ax".into(), "oo".into()));
        cut_power(&mut disk);
        victims.insert((shape(&disk, "log"), shape(&disk, "other")));
    }
    let expected = [("a.", "ox"), ("a.", "xo"), ("x.", "oo")];
    assert!(victims.into_iter().eq(expected.map(|(log, other)| (log.into(), other.into()))));
}

#[test]
fn misdirected_write_spares_files_that_were_not_named() {
    for seed in 0..20 {
        let mut disk = Disk::new(seed, 0, crate::disk::DiskSettings::default());
        let (log, other) = (create(&mut disk, "log"), create(&mut disk, "other"));
        run(&mut disk, Operation::SyncDir(String::new())).unwrap();
        write(&mut disk, other, &sector(b'o'));
        write(&mut disk, log, &sector(b'a'));
        bad_write(&mut disk, Gone::Misdirected { onto: "oth".to_owned() }, Some(1));
        write(&mut disk, log, &sector(b'x'));
        cut_power(&mut disk);
        assert_eq!((shape(&disk, "log"), shape(&disk, "other")), ("a.".into(), "x".into()));
    }
}

#[test]
fn misdirected_write_is_made_good_at_both_places() {
    let (mut disk, log) = log_with(&sector(b'a'));
    bad_write(&mut disk, anywhere(), None);
    write(&mut disk, log, &sector(b'x'));
    disk.make_good();
    cut_power(&mut disk);
    assert_eq!(shape(&disk, "log"), "ax");
}

#[test]
fn rot_flips_bits_of_one_byte_for_each_sector_and_reads_see_it_at_once() {
    let whole = [sector(b'a'), sector(b'b'), b"tail".to_vec()].concat();
    let (mut disk, _) = log_with(&whole);
    let mut draws = Draws::new(1, "rot", 0);
    assert_eq!(disk.rot("snapshot.", 1, &mut draws), None, "there is no such file");
    let rotten = disk.rot("lo", 9, &mut draws).unwrap();
    assert_eq!(
        (rotten.path.as_str(), rotten.offsets.len()),
        ("log", 3),
        "each sector at most once"
    );
    let content = disk.peek("log").unwrap();
    let differs = |at: &usize| content[*at] != whole[*at];
    let differing: Vec<u64> = (0..whole.len()).filter(differs).map(|at| at as u64).collect();
    let mut offsets = rotten.offsets;
    offsets.sort_unstable();
    assert_eq!(differing, offsets);
    let rotten = content.to_vec();
    cut_power(&mut disk);
    assert_eq!(disk.peek("log"), Some(&rotten[..]), "it stays");
}

#[test]
fn rot_that_is_told_spares_what_the_last_sync_of_a_file_made_durable() {
    let tells = |disk: &mut Disk, seed| {
        disk.rot_what_was_told("", 9, &mut Draws::new(seed, "rot", 0)).map(|rotten| rotten.path)
    };
    let (mut disk, log) = log_with(&sector(b'a'));
    assert_eq!(tells(&mut disk, 1), None, "a sync of the directory tells of no content");
    write(&mut disk, log, &sector(b'b'));
    assert_eq!(tells(&mut disk, 1).as_deref(), Some("log"));
    let content = disk.peek("log").unwrap();
    assert!(content[..SECTOR_BYTES] != sector(b'a') && content[SECTOR_BYTES..] == sector(b'b'));
    let other = create(&mut disk, "other");
    write(&mut disk, other, b"later");
    let found = (0..20).filter_map(|seed| tells(&mut disk, seed)).collect::<Vec<_>>();
    assert!(found.iter().all(|path| path == "log") && found.len() == 20, "{found:?}");
    assert!(disk.peek("log").unwrap()[SECTOR_BYTES..] != sector(b'b'));
}

#[test]
fn rot_spares_what_is_not_durable() {
    let mut disk = disk();
    let log = create(&mut disk, "log");
    run(&mut disk, append(log, b"in the cache only")).unwrap();
    assert_eq!(disk.rot("", 1, &mut Draws::new(1, "rot", 0)), None);
}

#[test]
fn wiped_disk_is_empty_for_good() {
    let (mut disk, _) = log_with(b"a");
    disk.kill_process();
    disk.wipe();
    assert_eq!(disk.peek("log"), None);
    assert!(disk.is_durable());
    cut_power(&mut disk);
    assert_eq!(disk.peek("log"), None);
    let log = create(&mut disk, "log");
    write(&mut disk, log, b"b");
    assert_eq!(disk.peek("log"), Some(&b"b"[..]), "it works as any other");
}

#[test]
fn restored_disk_holds_what_was_durable_when_the_backup_was_taken() {
    let (mut disk, log) = log_with(b"durable");
    run(&mut disk, append(log, b", cached")).unwrap();
    create(&mut disk, "without a durable name");
    let image = disk.backup();
    write(&mut disk, log, b", later");
    run(&mut disk, Operation::Rename("log".to_owned(), "log.1".to_owned())).unwrap();
    run(&mut disk, Operation::SyncDir(String::new())).unwrap();
    for _ in 0..2 {
        disk.kill_process();
        disk.restore(&image);
        assert_eq!(disk.peek("log"), Some(&b"durable"[..]));
        assert_eq!((disk.peek("log.1"), disk.peek("without a durable name")), (None, None));
        assert!(disk.is_durable());
        let log = create(&mut disk, "log");
        write(&mut disk, log, b"again");
    }
}

#[test]
fn backup_holds_what_the_disk_holds_and_not_what_reads_see() {
    let (mut disk, log) = log_with(&sector(b'a'));
    bad_write(&mut disk, Gone::Lost, None);
    write(&mut disk, log, &sector(b'b'));
    let image = disk.backup();
    disk.kill_process();
    disk.restore(&image);
    assert_eq!(shape(&disk, "log"), "a.");
}
