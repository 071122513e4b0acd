//! The types that openraft is instantiated with, and what a client and a server say to each other.

use std::io::Cursor;

use serde::{Deserialize, Serialize};

use crate::runtime::HostRuntime;

openraft::declare_raft_types!(
    /// This store as openraft knows it.
    pub Types:
        D = Command,
        R = Reply,
        NodeId = u64,
        Node = openraft::BasicNode,
        Entry = openraft::Entry<Types>,
        SnapshotData = Cursor<Vec<u8>>,
        AsyncRuntime = HostRuntime,
);

/// An entry of the log.
pub type Entry = openraft::Entry<Types>;
/// A position in the log and its term.
pub type LogId = openraft::LogId<u64>;
/// Whom a server has voted for, and in which term.
pub type Vote = openraft::Vote<u64>;
/// Who votes and who learns, and since which entry.
pub type Members = openraft::StoredMembership<u64, openraft::BasicNode>;
/// An error of a file, as openraft wants to hear of it.
pub type StorageError = openraft::StorageError<u64>;

/// A change of the state machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Writes a value.
    Set {
        /// Under this key.
        key: String,
        /// The value.
        value: String,
    },
    /// Writes a value if another is there.
    Cas {
        /// Under this key.
        key: String,
        /// What must be there.
        old: String,
        /// The value.
        new: String,
    },
}

/// What the state machine answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The value was written.
    Written,
    /// Another value was there than the command expected.
    Differs,
    /// The entry was openraft's own.
    Nothing,
}

impl std::fmt::Display for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Command::Set { key, value } => write!(f, "set {key} {value}"),
            Command::Cas { key, old, new } => write!(f, "cas {key} {old} {new}"),
        }
    }
}
