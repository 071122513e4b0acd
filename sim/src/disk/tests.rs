//! The disk's queue, latencies and faults; what survives is tested with `inode` and `directory`.

use super::*;

const MS: u64 = 1_000_000;

pub(super) fn disk() -> Disk {
    Disk::new(1, 0, DiskSettings::default())
}

/// Does one operation, whatever its latency, unless the disk stalls.
pub(super) fn run(disk: &mut Disk, operation: Operation) -> Result<Outcome, Errno> {
    let now_ns = disk.busy_until_ns;
    let id = disk.submit(now_ns, operation);
    disk.advance(disk.busy_until_ns);
    disk.take(id).expect("done by now")
}

pub(super) fn append(file: Handle, bytes: &[u8]) -> Operation {
    Operation::Commit { file, changes: vec![Change::Append(bytes.to_vec())], sync: false }
}

pub(super) fn sync(file: Handle) -> Operation {
    Operation::Commit { file, changes: vec![], sync: true }
}

pub(super) fn create(disk: &mut Disk, path: &str) -> Handle {
    match run(disk, Operation::Create(path.to_owned())) {
        Ok(Outcome::File(file)) => file,
        other => panic!("{other:?}"),
    }
}

pub(super) fn log_with(content: &[u8]) -> (Disk, Handle) {
    let mut disk = disk();
    let log = create(&mut disk, "log");
    run(&mut disk, append(log, content)).unwrap();
    run(&mut disk, sync(log)).unwrap();
    run(&mut disk, Operation::SyncDir(String::new())).unwrap();
    assert!(disk.is_durable());
    (disk, log)
}

fn fault(disk: &mut Disk, kinds: &[OpKind], errno: Errno, nth: Option<u64>) -> DiskFaultId {
    disk.add_fault(DiskFault::Error { kinds: kinds.to_vec(), errno, nth })
}

#[test]
fn sync_takes_about_a_millisecond_and_many_writes_add_up() {
    let mut disk = disk();
    let log = create(&mut disk, "log");
    let start_ns = disk.busy_until_ns;
    let sync = disk.submit(start_ns, sync(log));
    disk.advance(start_ns + MS / 100);
    assert_eq!(disk.take(sync), None);
    assert!(disk.due_ns(sync).unwrap() < start_ns + MS);
    disk.advance(start_ns + 2 * MS);
    assert_eq!(disk.take(sync), Some(Ok(Outcome::Done)));
    for _ in 0..1_000 {
        disk.submit(start_ns, append(log, &[1]));
    }
    let took_ns = disk.busy_until_ns - start_ns;
    assert!((15 * MS..30 * MS).contains(&took_ns), "{took_ns}");
}

#[test]
fn slowness_does_not_outlast_its_fault() {
    let (mut disk, log) = log_with(b"a");
    let start_ns = disk.busy_until_ns;
    let first = disk.submit(start_ns, sync(log));
    // Two at once multiply: a sync would take minutes.
    let slow = [500, 500].map(|factor| disk.add_fault(DiskFault::Slow { factor }));
    let second = disk.submit(start_ns, sync(log));
    let end_ns = start_ns + 1_000 * MS;
    disk.advance(end_ns);
    assert!(disk.take(first).is_some(), "it was submitted before");
    assert_eq!(disk.take(second), None);
    for fault in slow {
        disk.remove_fault(end_ns, fault);
    }
    let due_ns = disk.due_ns(second).unwrap();
    assert!(due_ns > end_ns - MS && due_ns < end_ns + 2 * MS, "{due_ns}");
    let third = disk.submit(end_ns, sync(log));
    assert!(disk.due_ns(third).unwrap() < end_ns + 4 * MS, "what comes behind is quick again");
}

#[test]
fn slow_disk_multiplies_latencies_until_it_ends() {
    let mut disk = disk();
    let log = create(&mut disk, "log");
    let sync_ns = |disk: &mut Disk| {
        let start_ns = disk.busy_until_ns;
        run(disk, sync(log)).unwrap();
        disk.busy_until_ns - start_ns
    };
    let slow = disk.add_fault(DiskFault::Slow { factor: 50 });
    assert!(sync_ns(&mut disk) >= 30 * MS);
    disk.remove_fault(0, slow);
    assert!(sync_ns(&mut disk) < 2 * MS);
}

#[test]
fn stalled_disk_completes_nothing_until_it_ends() {
    let (mut disk, log) = log_with(b"x");
    let stall = disk.add_fault(DiskFault::Stall);
    let id = disk.submit(disk.busy_until_ns, append(log, b"y"));
    disk.advance(u64::MAX / 2);
    assert_eq!((disk.take(id), disk.due_ns(id)), (None, None));
    let end_ns = disk.busy_until_ns + 5_000 * MS;
    disk.remove_fault(end_ns, stall);
    assert_eq!(disk.due_ns(id), Some(end_ns - ROUNDING_NS));
    disk.advance(end_ns);
    assert_eq!(disk.take(id), Some(Ok(Outcome::Done)));
}

#[test]
fn nth_operation_of_a_kind_fails_and_no_other() {
    let (mut disk, log) = log_with(b"");
    let (first, second) = (create(&mut disk, "1"), create(&mut disk, "2"));
    let fault = fault(&mut disk, &[OpKind::Write], EIO, Some(2));
    assert_eq!(run(&mut disk, append(first, b"x")), Ok(Outcome::Done));
    assert_eq!(run(&mut disk, append(second, b"x")), Err(EIO));
    assert_eq!(run(&mut disk, append(first, b"x")), Ok(Outcome::Done));
    disk.remove_fault(0, fault);
    assert_eq!(run(&mut disk, sync(log)), Ok(Outcome::Done));
}

#[test]
fn first_error_sticks_to_the_handle_and_stops_its_later_changes() {
    let (mut disk, log) = log_with(b"");
    fault(&mut disk, &[OpKind::Truncate], EIO, Some(1));
    let changes = vec![Change::Truncate(0), Change::Append(b"never".to_vec())];
    let commit = Operation::Commit { file: log, changes, sync: true };
    assert_eq!(run(&mut disk, commit), Err(EIO));
    assert_eq!(run(&mut disk, append(log, b"never")), Err(EIO));
    assert_eq!(run(&mut disk, sync(log)), Err(EIO));
    assert_eq!(disk.peek("log"), Some(&b""[..]));
    let again = run(&mut disk, Operation::Open("log".to_owned()));
    let Ok(Outcome::File(again)) = again else { panic!("{again:?}") };
    assert_eq!(run(&mut disk, append(again, b"now")), Ok(Outcome::Done));
    assert_eq!(disk.peek("log"), Some(&b"now"[..]));
}

#[test]
fn full_disk_refuses_what_needs_space_until_it_ends() {
    let (mut disk, log) = log_with(b"kept");
    let full = fault(&mut disk, &[OpKind::Write, OpKind::Create], ENOSPC, None);
    assert_eq!(run(&mut disk, sync(log)), Ok(Outcome::Done));
    assert_eq!(run(&mut disk, append(log, &[7; 100])), Err(ENOSPC));
    assert_eq!(run(&mut disk, Operation::Create("new".to_owned())), Err(ENOSPC));
    disk.remove_fault(0, full);
    create(&mut disk, "new");
    // A part of the refused write may be there; what was there before is.
    let len = disk.peek("log").unwrap().len();
    assert!((4..=104).contains(&len), "{len}");
    assert!(disk.peek("log").unwrap().starts_with(b"kept"));
}

#[test]
fn full_disk_takes_bytes_in_place_of_others_and_a_cut() {
    let (mut disk, log) = log_with(b"kept");
    fault(&mut disk, &[OpKind::Write, OpKind::Create], ENOSPC, None);
    let change = |change| Operation::Commit { file: log, changes: vec![change], sync: true };
    let inside = change(Change::WriteAt(1, b"EP".to_vec()));
    assert_eq!(run(&mut disk, inside), Ok(Outcome::Done));
    assert_eq!(run(&mut disk, change(Change::Truncate(3))), Ok(Outcome::Done));
    assert_eq!(disk.peek("log"), Some(&b"kEP"[..]));
    assert_eq!(run(&mut disk, Operation::CreateDirs("/".to_owned())), Ok(Outcome::Done));
    assert_eq!(run(&mut disk, Operation::CreateDirs("/new".to_owned())), Err(ENOSPC));
    let beyond = change(Change::WriteAt(2, b"PT".to_vec()));
    assert_eq!(run(&mut disk, beyond), Err(ENOSPC));
}

#[test]
fn failed_fsync_reports_once_and_the_next_one_lies() {
    let (mut disk, log) = log_with(b"");
    fault(&mut disk, &[OpKind::Sync], EIO, Some(1));
    run(&mut disk, append(log, &[b'x'; 512])).unwrap();
    assert_eq!(run(&mut disk, sync(log)), Err(EIO));
    let again = run(&mut disk, Operation::Open("log".to_owned()));
    let Ok(Outcome::File(again)) = again else { panic!("{again:?}") };
    assert_eq!(run(&mut disk, sync(again)), Ok(Outcome::Done));
    assert_eq!(disk.peek("log"), Some(&[b'x'; 512][..]));
    disk.lose_power(disk.busy_until_ns);
    assert_eq!(disk.peek("log"), Some(&[0; 512][..]));
}

#[test]
fn killed_process_loses_nothing_that_was_submitted() {
    let (mut disk, log) = log_with(b"a");
    disk.submit(disk.busy_until_ns, append(log, b"b"));
    disk.submit(disk.busy_until_ns, sync(log));
    disk.kill_process();
    disk.advance(disk.busy_until_ns);
    assert_eq!(disk.peek("log"), Some(&b"ab"[..]));
    assert!(disk.results.is_empty() && disk.open.is_empty());
    assert!(!disk.is_durable(), "the sync of a killed process may not have begun");
}

#[test]
fn power_loss_keeps_what_was_synced_and_any_part_of_the_rest() {
    let mut lens = BTreeSet::new();
    for seed in 0..60 {
        let mut disk = Disk::new(seed, 0, DiskSettings::default());
        let log = create(&mut disk, "log");
        run(&mut disk, append(log, b"synced")).unwrap();
        run(&mut disk, sync(log)).unwrap();
        run(&mut disk, Operation::SyncDir("/".to_owned())).unwrap();
        // The sync of the second append is under way when the power goes.
        let now_ns = disk.busy_until_ns;
        disk.submit(now_ns, append(log, &[b'u'; 94]));
        disk.submit(now_ns, sync(log));
        disk.lose_power(now_ns);
        let content = disk.peek("log").unwrap();
        assert!(content.starts_with(b"synced"), "seed {seed}");
        lens.insert(content.len());
        assert!(disk.is_durable());
    }
    assert!(lens.contains(&6) && lens.contains(&100) && lens.len() > 2, "{lens:?}");
}

#[test]
fn power_loss_during_a_sync_leaves_any_subset_of_its_sectors() {
    let mut seen = BTreeSet::new();
    for seed in 0..400 {
        let mut disk = Disk::new(seed, 0, DiskSettings::default());
        let log = create(&mut disk, "log");
        run(&mut disk, Operation::SyncDir("/".to_owned())).unwrap();
        run(&mut disk, append(log, &[b'x'; 3 * 512])).unwrap();
        let begun_ns = disk.busy_until_ns;
        let sync = disk.submit(begun_ns, sync(log));
        assert_eq!((disk.syncs_begun(), disk.syncs()), (2, 1));
        disk.lose_power(begun_ns);
        assert_eq!(disk.take(sync), None, "nobody was told that it succeeded");
        assert_eq!(disk.syncs(), 1);
        let sectors = disk.peek("log").unwrap().chunks(512);
        seen.insert(sectors.map(|sector| sector[0] == b'x').collect::<Vec<_>>());
    }
    let whole = seen.iter().filter(|sectors| sectors.len() == 3).count();
    assert_eq!(whole, 8, "every subset of three sectors: {seen:?}");
    assert!(seen.contains(&vec![]), "{seen:?}");
}

#[test]
fn file_without_a_synced_name_may_be_gone() {
    let survivals = (0..40).filter(|&seed| {
        let mut disk = Disk::new(seed, 0, DiskSettings::default());
        let log = create(&mut disk, "log");
        run(&mut disk, sync(log)).unwrap();
        disk.lose_power(disk.busy_until_ns);
        disk.peek("log").is_some()
    });
    let survivals = survivals.count();
    assert!((1..40).contains(&survivals), "{survivals}");
}

#[test]
fn abandoned_operations_are_done_and_leave_nothing_behind() {
    let (mut disk, log) = log_with(b"a");
    let append = disk.submit(disk.busy_until_ns, append(log, b"b"));
    disk.abandon(append);
    let create = disk.submit(disk.busy_until_ns, Operation::Open("log".to_owned()));
    disk.advance(disk.busy_until_ns);
    disk.abandon(create);
    assert_eq!(disk.peek("log"), Some(&b"ab"[..]));
    assert!(disk.results.is_empty());
    assert_eq!(disk.open.keys().collect::<Vec<_>>(), [&log]);
}

#[test]
fn removed_file_lives_while_it_is_open_and_is_freed_then() {
    let (mut disk, log) = log_with(b"a");
    run(&mut disk, Operation::Remove("log".to_owned())).unwrap();
    run(&mut disk, append(log, b"b")).unwrap();
    run(&mut disk, Operation::Close(log)).unwrap();
    assert_eq!(run(&mut disk, Operation::Open("log".to_owned())), Err(ENOENT));
    assert_eq!(disk.inodes.len(), 1, "a power loss may bring the name back");
    run(&mut disk, Operation::SyncDir(String::new())).unwrap();
    assert_eq!(disk.inodes.len(), 0);
}

#[test]
fn reads_see_what_was_written_before_them() {
    let (mut disk, log) = log_with(b"0123456789");
    let read = |offset, len| Operation::Read("/log".to_owned(), offset, len);
    assert_eq!(run(&mut disk, read(3, 4)), Ok(Outcome::Bytes(b"3456".to_vec())));
    assert_eq!(run(&mut disk, read(8, 99)), Ok(Outcome::Bytes(b"89".to_vec())));
    assert_eq!(run(&mut disk, read(u64::MAX, 1)), Ok(Outcome::Bytes(vec![])));
    let changes = vec![Change::Truncate(2), Change::Append(b"!".to_vec())];
    run(&mut disk, Operation::Commit { file: log, changes, sync: false }).unwrap();
    assert_eq!(run(&mut disk, read(0, 99)), Ok(Outcome::Bytes(b"01!".to_vec())));
    assert_eq!(run(&mut disk, Operation::Len("log".to_owned())), Ok(Outcome::Len(3)));
    let list = Operation::List("/".to_owned());
    assert_eq!(run(&mut disk, list), Ok(Outcome::Names(vec!["log".to_owned()])));
}
