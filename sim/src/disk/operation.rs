//! What a disk can be asked for, and what comes of it.

use serde::{Deserialize, Serialize};

/// An errno of Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(pub i32);

/// No such file or directory.
pub const ENOENT: Errno = Errno(2);
/// Input/output error, as of a broken sector: Linux's number.
pub const EIO: Errno = Errno(5);
/// The file exists.
pub const EEXIST: Errno = Errno(17);
/// Not a directory.
pub const ENOTDIR: Errno = Errno(20);
/// Is a directory.
pub const EISDIR: Errno = Errno(21);
/// Directory not empty.
pub const ENOTEMPTY: Errno = Errno(39);
/// No space left on the device.
pub const ENOSPC: Errno = Errno(28);

/// Kinds of operations, for faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpKind {
    /// Appending bytes to an open file.
    Write,
    /// Cutting a file.
    Truncate,
    /// Making a file durable.
    Sync,
    /// Making a directory's entries durable.
    SyncDir,
    /// Creating a file or directories.
    Create,
    /// Renaming a file, which replaces what has the new name.
    Rename,
    /// Removing a file's name.
    Remove,
    /// Opening, reading, listing and asking for a size.
    Read,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Creates or empties a file: [`Outcome::File`].
    Create(String),
    /// Opens an existing file: [`Outcome::File`].
    Open(String),
    /// Opens a file as open(2) does: [`Outcome::File`]. An error of a commit does not stick to it: each
    /// commit tells its own.
    OpenWith(String, OpenHow),
    /// Changes an open file, in order, and makes it durable if so told. The first error sticks to
    /// the handle: later changes are not made, and every later commit reports it.
    Commit {
        /// The open file that is changed.
        file: Handle,
        /// What to change.
        changes: Vec<Change>,
        /// Whether to make it durable.
        sync: bool,
    },
    /// Closes an open file.
    Close(Handle),
    /// The bytes from an offset, at most so many: [`Outcome::Bytes`].
    Read(String, u64, usize),
    /// The size: [`Outcome::Len`].
    Len(String),
    /// As [`Operation::Read`], of an open file, whatever its name is by now.
    ReadOpen(Handle, u64, usize),
    /// As [`Operation::Len`], of an open file.
    LenOpen(Handle),
    /// What a name stands for: [`Outcome::Stat`].
    Stat(String),
    /// The names in a directory: [`Outcome::Names`].
    List(String),
    /// Makes a directory and its parents.
    CreateDirs(String),
    /// Makes one directory.
    CreateDir(String),
    /// Removes an empty directory.
    RemoveDir(String),
    /// Renames a file.
    Rename(String, String),
    /// Removes a file.
    Remove(String),
    /// Makes a directory's entries durable.
    SyncDir(String),
}

impl Operation {
    /// The kind that faults know it by; none for closing, which cannot fail, and for a commit,
    /// each of whose steps has its own kind.
    pub(super) fn kind(&self) -> Option<OpKind> {
        Some(match self {
            Operation::Create(_) | Operation::CreateDirs(_) | Operation::CreateDir(_) => {
                OpKind::Create
            }
            Operation::OpenWith(_, how) if how.creation != Creation::Never => OpKind::Create,
            Operation::SyncDir(_) => OpKind::SyncDir,
            Operation::Rename(..) => OpKind::Rename,
            Operation::Remove(_) | Operation::RemoveDir(_) => OpKind::Remove,
            Operation::Open(_) | Operation::Read(..) | Operation::Len(_) | Operation::List(_) => {
                OpKind::Read
            }
            Operation::OpenWith(..)
            | Operation::ReadOpen(..)
            | Operation::LenOpen(_)
            | Operation::Stat(_) => OpKind::Read,
            Operation::Commit { .. } | Operation::Close(_) => return None,
        })
    }
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenHow {
    /// What becomes of a name that is not there.
    pub creation: Creation,
    /// Whether a file that is there is emptied (O_TRUNC).
    pub truncate: bool,
}

/// Whether opening makes a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// It does not: ENOENT.
    Never,
    /// It does if there is none (O_CREAT).
    IfAbsent,
    /// It does, and fails with EEXIST if the name is there (O_EXCL).
    New,
}

/// A change to an open file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Writes at the end.
    Append(Vec<u8>),
    /// Writes at a place, replacing what is there.
    WriteAt(u64, Vec<u8>),
    /// Cuts the file, or extends it with zeros.
    Truncate(u64),
}

impl Change {
    /// The same change of no more than so many bytes.
    pub(super) fn cut(&self, len: usize) -> Change {
        let cut = |bytes: &[u8]| bytes[..len.min(bytes.len())].to_vec();
        match self {
            Change::Append(bytes) => Change::Append(cut(bytes)),
            Change::WriteAt(offset, bytes) => Change::WriteAt(*offset, cut(bytes)),
            Change::Truncate(len) => Change::Truncate(*len),
        }
    }
}

/// Names an open file of one disk. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub(super) u64);

impl Handle {
    /// The number behind the name.
    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

/// What came of an operation that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to tell.
    Done,
    /// An open file.
    File(Handle),
    /// The bytes that were read; fewer than asked for at the end of the file.
    Bytes(Vec<u8>),
    /// A size in bytes.
    Len(u64),
    /// The names in a directory, sorted, without its path.
    Names(Vec<String>),
    /// What a name stands for.
    Stat(Stat),
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stat {
    /// A file of so many bytes.
    File(u64),
    /// A directory, whatever is in it.
    Directory,
}

/// Names a submitted operation of one disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub(super) u64);
