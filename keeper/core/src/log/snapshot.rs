//! Snapshot files, and the same body as a leader sends it after SNAP (Apache's `FileSnap`,
//! `SerializeUtils`, `DataTree.serialize`).
//!
//! A file is a header; the sessions and their time-outs; the tree; a seal; the tree's digest and a
//! seal; the last zxid and a seal. A seal is the Adler-32 checksum of everything before it and the
//! string `/`. Files from before 3.6 end after the first seal and those from before 3.9 after the
//! second; either part can also be switched off at the server that wrote the file. The stream has
//! sessions and tree only, and no length.

mod reader;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use thiserror::Error;

use crate::ids::{SessionId, Zxid};
use crate::jute::{Decode, DecodeError, Encode, Reader, put_int, put_long};
use crate::tree::{BuildError, Tree};
use crate::txn::TxnDigest;

pub use reader::{Progress, SnapshotReader};
pub use writer::SnapshotWriter;

/// `ZKSN`.
const MAGIC: [u8; 4] = *b"ZKSN";
const VERSION: i32 = 2;
const DB_ID: i64 = -1;
/// What a seal's string says.
const SEAL: &str = "/";

/// What a snapshot says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotData {
    /// The sessions that live, with their time-outs in milliseconds.
    pub sessions: BTreeMap<SessionId, i32>,
    /// The tree; its last zxid is [`SnapshotData::last_zxid`].
    pub tree: Tree,
    /// The transaction after which the log must be replayed: the one in the file's name.
    pub last_zxid: Zxid,
    /// The digest that came with it. One of a later zxid is to be compared once the replay has
    /// reached that transaction; one of `last_zxid` has been compared.
    pub digest: Option<SnapshotDigest>,
    /// Whether the digest proves the tree to be that of `last_zxid`. Otherwise parts of it may be
    /// ahead, and the replay must be tolerant.
    pub exact: bool,
    /// Nodes whose access control list the snapshot does not hold; they grant nothing to anybody
    /// until the replay sets their lists.
    pub unknown_acls: usize,
}

impl SnapshotData {
    /// The beginning of all histories.
    pub fn empty() -> SnapshotData {
        SnapshotData {
            sessions: BTreeMap::new(),
            tree: Tree::new(),
            last_zxid: Zxid::ZERO,
            digest: None,
            exact: true,
            unknown_acls: 0,
        }
    }
}

/// A tree's digest at a transaction (`DataTree.ZxidDigest`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotDigest {
    /// After which transaction.
    pub zxid: Zxid,
    /// The digest. Version 1 is not comparable with anything of today's.
    pub digest: TxnDigest,
}

impl SnapshotDigest {
    /// Whether this says anything: a server that has applied nothing since its start writes zeros.
    fn is_comparable(&self) -> bool {
        let empty = self.zxid == Zxid::ZERO && self.digest.tree_digest == 0;
        self.digest.version == TxnDigest::VERSION && !empty
    }
}

impl Encode for SnapshotDigest {
    fn encode(&self, out: &mut Vec<u8>) {
        put_long(out, self.zxid.to_wire());
        put_int(out, self.digest.version);
        put_long(out, self.digest.tree_digest);
    }
}

impl Decode for SnapshotDigest {
    /// Up to version 1 the digest is a string of hexadecimal digits.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let zxid = Zxid::from_wire(reader.long()?);
        let version = reader.int()?;
        let tree_digest = if version < 2 {
            let digits = reader.optional_string()?.unwrap_or_default();
            i64::from_str_radix(&digits, 16).unwrap_or_default()
        } else {
            reader.long()?
        };
        Ok(SnapshotDigest { zxid, digest: TxnDigest { version, tree_digest } })
    }
}

/// Why bytes are not a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// The bytes are not in the format.
    #[error("in the item at byte {item_at}: {error}")]
    Format {
        /// Where the item begins in the whole.
        item_at: u64,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// The file does not begin as a snapshot.
    #[error("no snapshot header")]
    Header,
    /// The number of sessions or of access control lists is negative.
    #[error("negative count {count}")]
    Count {
        /// The number.
        count: i32,
    },
    /// The nodes form no tree.
    #[error(transparent)]
    Tree(#[from] BuildError),
    /// One item exceeds what a server accepts.
    #[error("the item at byte {item_at} is of {bytes} bytes or more")]
    TooLarge {
        /// Where the item begins in the whole.
        item_at: u64,
        /// Its length so far, in bytes.
        bytes: usize,
    },
    /// The file ends before its first seal.
    #[error("the snapshot ends after {bytes} bytes, unfinished")]
    Unfinished {
        /// The file's length in bytes.
        bytes: u64,
    },
    /// A checksum is not that of the bytes before it.
    #[error("checksum mismatch")]
    Checksum,
    /// There are bytes behind the last seal that are no known part.
    #[error("unknown bytes behind the seal")]
    Trailer,
    /// The tree is not the one that was written.
    #[error("digest mismatch at {zxid}: the snapshot says {told:#x}, its tree is {actual:#x}")]
    Digest {
        /// The transaction.
        zxid: Zxid,
        /// The digest in the file.
        told: i64,
        /// The digest of the tree in the file.
        actual: i64,
    },
}
