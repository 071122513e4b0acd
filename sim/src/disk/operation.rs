//! What a disk can be asked for, and what comes of it.

use serde::{Deserialize, Serialize};

/// An errno of Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(pub i32);

/// No such file or directory.
pub const ENOENT: Errno = Errno(2);
/// Input/output error.
pub const EIO: Errno = Errno(5);
/// The file exists.
pub const EEXIST: Errno = Errno(17);
/// Not a directory.
pub const ENOTDIR: Errno = Errno(20);
/// Is a directory.
pub const EISDIR: Errno = Errno(21);
/// No space left on the device.
pub const ENOSPC: Errno = Errno(28);

/// Kinds of operations, for faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpKind {
    /// Appending.
    Write,
    /// Cutting a file.
    Truncate,
    /// Making a file durable.
    Sync,
    /// Making a directory's entries durable.
    SyncDir,
    /// Creating a file or directories.
    Create,
    /// Renaming.
    Rename,
    /// Removing.
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
    /// Changes an open file, in order, and makes it durable if so told. The first error sticks to
    /// the handle: later changes are not made, and every later commit reports it.
    Commit {
        /// Which file.
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
    /// The names in a directory: [`Outcome::Names`].
    List(String),
    /// Makes a directory and its parents.
    CreateDirs(String),
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
            Operation::Create(_) | Operation::CreateDirs(_) => OpKind::Create,
            Operation::SyncDir(_) => OpKind::SyncDir,
            Operation::Rename(..) => OpKind::Rename,
            Operation::Remove(_) => OpKind::Remove,
            Operation::Open(_) | Operation::Read(..) | Operation::Len(_) | Operation::List(_) => {
                OpKind::Read
            }
            Operation::Commit { .. } | Operation::Close(_) => return None,
        })
    }
}

/// A change to an open file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Writes at the end.
    Append(Vec<u8>),
    /// Cuts the file.
    Truncate(u64),
}

/// Names an open file of one disk. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub(super) u64);

/// What came of an operation that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to tell.
    Done,
    /// An open file.
    File(Handle),
    /// Bytes read.
    Bytes(Vec<u8>),
    /// A size in bytes.
    Len(u64),
    /// Names, sorted.
    Names(Vec<String>),
}

/// Names a submitted operation of one disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub(super) u64);
