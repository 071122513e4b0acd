//! What the trace holds of faults and of disk operations.
//!
//! These texts go into the hash of a trace, so they are frozen: whoever renames a variant leaves its
//! text here alone, and every stored hash stays what it was.

use crate::clock::Clock;
use crate::disk::{Change, Creation, DiskFault, Errno, Gone, OpKind, OpenHow, Operation, Outcome};

/// A fault of a disk that begins.
pub(crate) fn disk_fault(fault: &DiskFault) -> String {
    match fault {
        DiskFault::Error { kinds, errno: Errno(errno), nth } => {
            let kinds: Vec<&str> = kinds.iter().map(|kind| op_kind(*kind)).collect();
            let (kinds, nth) = (kinds.join(", "), which(*nth));
            format!("Error {{ kinds: [{kinds}], errno: Errno({errno}), nth: {nth} }}")
        }
        DiskFault::Slow { factor } => format!("Slow {{ factor: {factor} }}"),
        DiskFault::Stall => "Stall".to_owned(),
        DiskFault::BadWrite { gone, nth } => {
            format!("BadWrite {{ gone: {}, nth: {} }}", where_to(gone), which(*nth))
        }
    }
}

fn where_to(gone: &Gone) -> String {
    match gone {
        Gone::Lost => "Lost".to_owned(),
        Gone::Misdirected { onto } => format!("Misdirected {{ onto: {onto:?} }}"),
    }
}

fn which(nth: Option<u64>) -> String {
    nth.map_or_else(|| "None".to_owned(), |nth| format!("Some({nth})"))
}

fn op_kind(kind: OpKind) -> &'static str {
    match kind {
        OpKind::Write => "Write",
        OpKind::Truncate => "Truncate",
        OpKind::Sync => "Sync",
        OpKind::SyncDir => "SyncDir",
        OpKind::Create => "Create",
        OpKind::Rename => "Rename",
        OpKind::Remove => "Remove",
        OpKind::Read => "Read",
    }
}

/// A host's clock.
pub(crate) fn clock(clock: Clock) -> &'static str {
    match clock {
        Clock::Both => "Both",
        Clock::Wall => "Wall",
        Clock::Monotonic => "Monotonic",
    }
}

/// An operation that is submitted to a disk: `record` is called for each part.
pub(crate) fn submitted(operation: &Operation, mut record: impl FnMut(&[u8])) {
    // Paths are shown as Rust's strings are: quoted, with escapes.
    let text = match operation {
        Operation::Commit { changes, sync, .. } => {
            for change in changes {
                match change {
                    Change::Append(bytes) => record(bytes),
                    Change::WriteAt(offset, bytes) => {
                        record(&offset.to_le_bytes());
                        record(bytes);
                    }
                    Change::Truncate(len) => record(&len.to_le_bytes()),
                }
            }
            return record(if *sync { b"sync" } else { b"flush" });
        }
        Operation::Create(path) => format!("Create({path:?})"),
        Operation::Open(path) => format!("Open({path:?})"),
        Operation::Close(file) => format!("Close(Handle({}))", file.number()),
        Operation::Read(path, offset, len) => format!("Read({path:?}, {offset}, {len})"),
        Operation::Len(path) => format!("Len({path:?})"),
        Operation::List(path) => format!("List({path:?})"),
        Operation::CreateDirs(path) => format!("CreateDirs({path:?})"),
        Operation::Rename(from, to) => format!("Rename({from:?}, {to:?})"),
        Operation::Remove(path) => format!("Remove({path:?})"),
        Operation::SyncDir(path) => format!("SyncDir({path:?})"),
        Operation::OpenWith(path, OpenHow { creation, truncate }) => {
            let creation = match creation {
                Creation::Never => "Never",
                Creation::IfAbsent => "IfAbsent",
                Creation::New => "New",
            };
            let how = format!("OpenHow {{ creation: {creation}, truncate: {truncate} }}");
            format!("OpenWith({path:?}, {how})")
        }
        Operation::ReadOpen(file, offset, len) => {
            format!("ReadOpen(Handle({}), {offset}, {len})", file.number())
        }
        Operation::LenOpen(file) => format!("LenOpen(Handle({}))", file.number()),
        Operation::Stat(path) => format!("Stat({path:?})"),
        Operation::CreateDir(path) => format!("CreateDir({path:?})"),
        Operation::RemoveDir(path) => format!("RemoveDir({path:?})"),
    };
    record(text.as_bytes());
}

/// The end of an operation of a disk.
pub(crate) fn completed(result: &Result<Outcome, Errno>, record: impl FnOnce(&[u8])) {
    match result {
        Ok(Outcome::Bytes(bytes)) => record(bytes),
        Ok(_) => record(b""),
        Err(Errno(errno)) => record(&errno.to_le_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk, DiskSettings, EIO, Handle};

    #[test]
    fn texts_of_disk_faults_are_frozen() {
        let kinds = vec![
            OpKind::Write,
            OpKind::Truncate,
            OpKind::Sync,
            OpKind::SyncDir,
            OpKind::Create,
            OpKind::Rename,
            OpKind::Remove,
            OpKind::Read,
        ];
        let misdirected = Gone::Misdirected { onto: "a \"log\"".to_owned() };
        for (fault, text) in [
            (
                DiskFault::Error { kinds, errno: EIO, nth: None },
                "Error { kinds: [Write, Truncate, Sync, SyncDir, Create, Rename, Remove, Read], \
                 errno: Errno(5), nth: None }",
            ),
            (
                DiskFault::Error { kinds: vec![], errno: Errno(-1), nth: Some(2) },
                "Error { kinds: [], errno: Errno(-1), nth: Some(2) }",
            ),
            (DiskFault::Slow { factor: 20 }, "Slow { factor: 20 }"),
            (DiskFault::Stall, "Stall"),
            (
                DiskFault::BadWrite { gone: Gone::Lost, nth: Some(7) },
                "BadWrite { gone: Lost, nth: Some(7) }",
            ),
            (
                DiskFault::BadWrite { gone: misdirected, nth: None },
                r#"BadWrite { gone: Misdirected { onto: "a \"log\"" }, nth: None }"#,
            ),
        ] {
            assert_eq!(disk_fault(&fault), text);
        }
    }

    #[test]
    fn names_of_clocks_are_frozen() {
        let names = [Clock::Both, Clock::Wall, Clock::Monotonic].map(clock);
        assert_eq!(names, ["Both", "Wall", "Monotonic"]);
    }

    fn opened() -> Handle {
        let mut disk = Disk::new(1, 0, DiskSettings::default());
        let id = disk.submit(0, Operation::Create("a".to_owned()));
        disk.advance(u64::MAX / 2);
        let Some(Ok(Outcome::File(handle))) = disk.take(id) else { panic!("no file") };
        handle
    }

    #[test]
    fn texts_of_disk_operations_are_frozen() {
        let file = opened();
        let changes = vec![Change::Append(b"ab".to_vec()), Change::Truncate(258)];
        let close = format!("Close(Handle({}))", file.number());
        let path = || "a/\"b\"".to_owned();
        for (operation, parts) in [
            (
                Operation::Commit { file, changes, sync: true },
                vec![&b"ab"[..], b"\x02\x01\0\0\0\0\0\0", b"sync"],
            ),
            (Operation::Commit { file, changes: vec![], sync: false }, vec![b"flush"]),
            (Operation::Create(path()), vec![br#"Create("a/\"b\"")"#]),
            (Operation::Open(path()), vec![br#"Open("a/\"b\"")"#]),
            (Operation::Close(file), vec![close.as_bytes()]),
            (Operation::Read(path(), 7, 9), vec![br#"Read("a/\"b\"", 7, 9)"#]),
            (Operation::Len(path()), vec![br#"Len("a/\"b\"")"#]),
            (Operation::List(path()), vec![br#"List("a/\"b\"")"#]),
            (Operation::CreateDirs(path()), vec![br#"CreateDirs("a/\"b\"")"#]),
            (Operation::Rename(path(), "c".into()), vec![br#"Rename("a/\"b\"", "c")"#]),
            (Operation::Remove(path()), vec![br#"Remove("a/\"b\"")"#]),
            (Operation::SyncDir(path()), vec![br#"SyncDir("a/\"b\"")"#]),
        ] {
            let mut recorded = Vec::new();
            submitted(&operation, |part| recorded.push(part.to_vec()));
            assert_eq!(recorded, parts, "{operation:?}");
        }
    }

    #[test]
    fn results_of_disk_operations_are_frozen() {
        for (result, text) in [
            (Ok(Outcome::Bytes(b"ab".to_vec())), &b"ab"[..]),
            (Ok(Outcome::Len(7)), b""),
            (Err(EIO), &[5, 0, 0, 0]),
        ] {
            completed(&result, |part| assert_eq!(part, text));
        }
    }
}
