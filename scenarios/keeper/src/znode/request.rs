//! Requests and responses of ZooKeeper's data operations, by the manual's names.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Data, ErrorCode, Zxid};

/// What a client asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Create a znode.
    Create {
        /// Path asked for; a sequential znode gets ten digits appended.
        path: String,
        /// Its first data.
        data: Data,
        /// How it lives and is named.
        mode: CreateMode,
    },
    /// Delete a znode.
    Delete {
        /// Its path.
        path: String,
        /// Version that it must have, or -1 for any.
        version: i32,
    },
    /// Ask whether a znode exists.
    Exists {
        /// Its path.
        path: String,
    },
    /// Read a znode's data.
    GetData {
        /// Its path.
        path: String,
    },
    /// Replace a znode's data.
    SetData {
        /// Its path.
        path: String,
        /// The new data.
        data: Data,
        /// Version that it must have, or -1 for any.
        version: i32,
    },
    /// List a znode's children, with its stat.
    GetChildren2 {
        /// Its path.
        path: String,
    },
    /// All or nothing, in one transaction.
    Multi {
        /// The parts, in order.
        ops: Vec<MultiOp>,
    },
    /// Have the session's server catch up with the leader.
    Sync {
        /// A path, which means nothing to the servers.
        path: String,
    },
}

/// One part of a multi.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MultiOp {
    /// See [`Request::Create`].
    Create {
        /// Path asked for.
        path: String,
        /// First data.
        data: Data,
        /// How it lives and is named.
        mode: CreateMode,
    },
    /// See [`Request::Delete`].
    Delete {
        /// Its path.
        path: String,
        /// Version that it must have, or -1 for any.
        version: i32,
    },
    /// See [`Request::SetData`].
    SetData {
        /// Its path.
        path: String,
        /// The new data.
        data: Data,
        /// Version that it must have, or -1 for any.
        version: i32,
    },
    /// Require a version and change nothing.
    Check {
        /// Its path.
        path: String,
        /// Version that it must have, or -1 for any.
        version: i32,
    },
}

/// How a new znode lives and is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CreateMode {
    /// Stays until deleted.
    Persistent,
    /// Goes with its session.
    Ephemeral,
    /// Stays; its name ends in the parent's counter.
    PersistentSequential,
    /// Goes with its session; its name ends in the parent's counter.
    EphemeralSequential,
}

impl CreateMode {
    /// Whether the znode goes with its session.
    pub fn is_ephemeral(self) -> bool {
        matches!(self, CreateMode::Ephemeral | CreateMode::EphemeralSequential)
    }

    /// Whether the name ends in the parent's counter.
    pub fn is_sequential(self) -> bool {
        matches!(self, CreateMode::PersistentSequential | CreateMode::EphemeralSequential)
    }
}

/// What a successful reply said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// To `create` and `create2`.
    Created {
        /// The path that was created.
        path: String,
        /// Its stat, from `create2` only.
        stat: Option<Stat>,
    },
    /// To `delete`.
    Deleted,
    /// To `exists`.
    Exists {
        /// The znode's stat.
        stat: Stat,
    },
    /// To `getData`.
    Data {
        /// The znode's data.
        data: Data,
        /// Its stat.
        stat: Stat,
    },
    /// To `setData`.
    Set {
        /// The znode's stat after the change.
        stat: Stat,
    },
    /// To `getChildren2`.
    Children {
        /// Names of the children, in any order.
        children: Vec<String>,
        /// The parent's stat.
        stat: Stat,
    },
    /// To `multi`: one result for each part.
    Multi {
        /// The results; all errors when the multi failed.
        results: Vec<MultiResult>,
    },
    /// To `sync`.
    Synced,
}

/// The result of one part of a multi.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MultiResult {
    /// To a create.
    Created {
        /// The path that was created.
        path: String,
        /// Its stat, if the server sent it.
        stat: Option<Stat>,
    },
    /// To a delete.
    Deleted,
    /// To a setData.
    Set {
        /// The znode's stat after the change.
        stat: Stat,
    },
    /// To a check.
    Checked,
    /// The multi failed: [`ErrorCode::OK`] before the failing part, its own error there, and
    /// [`ErrorCode::RUNTIME_INCONSISTENCY`] after it.
    Error(ErrorCode),
}

/// A znode's stat, as on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    /// Zxid of its creation.
    pub czxid: Zxid,
    /// Zxid of its last data change.
    pub mzxid: Zxid,
    /// Leader's wall clock at its creation, in milliseconds.
    pub ctime_ms: i64,
    /// Leader's wall clock at its last data change, in milliseconds.
    pub mtime_ms: i64,
    /// Number of data changes.
    pub version: i32,
    /// Number of creations and deletions of children.
    pub cversion: i32,
    /// Number of ACL changes.
    pub aversion: i32,
    /// The owning session of an ephemeral znode, else 0.
    pub ephemeral_owner: i64,
    /// Bytes of data.
    pub data_length: i32,
    /// Number of children.
    pub num_children: i32,
    /// Zxid of the last creation or deletion of a child, at first its own creation.
    pub pzxid: Zxid,
}

impl Request {
    /// Whether it can change the tree.
    pub fn is_write(&self) -> bool {
        match self {
            Request::Create { .. }
            | Request::Delete { .. }
            | Request::SetData { .. }
            | Request::Multi { .. } => true,
            Request::Exists { .. }
            | Request::GetData { .. }
            | Request::GetChildren2 { .. }
            | Request::Sync { .. } => false,
        }
    }

    /// Whether it reads the tree of the session's server.
    pub fn is_read(&self) -> bool {
        !self.is_write() && !matches!(self, Request::Sync { .. })
    }

    /// The path it is about; a multi has none of its own.
    pub fn path(&self) -> Option<&str> {
        match self {
            Request::Create { path, .. }
            | Request::Delete { path, .. }
            | Request::Exists { path }
            | Request::GetData { path }
            | Request::SetData { path, .. }
            | Request::GetChildren2 { path }
            | Request::Sync { path } => Some(path),
            Request::Multi { .. } => None,
        }
    }

    /// A write as a list of parts; empty for a read.
    pub fn parts(&self) -> Vec<MultiOp> {
        match self.clone() {
            Request::Create { path, data, mode } => vec![MultiOp::Create { path, data, mode }],
            Request::Delete { path, version } => vec![MultiOp::Delete { path, version }],
            Request::SetData { path, data, version } => {
                vec![MultiOp::SetData { path, data, version }]
            }
            Request::Multi { ops } => ops,
            Request::Exists { .. }
            | Request::GetData { .. }
            | Request::GetChildren2 { .. }
            | Request::Sync { .. } => Vec::new(),
        }
    }
}

impl MultiOp {
    /// The path it is about.
    pub fn path(&self) -> &str {
        match self {
            MultiOp::Create { path, .. }
            | MultiOp::Delete { path, .. }
            | MultiOp::SetData { path, .. }
            | MultiOp::Check { path, .. } => path,
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Exists { path } => write!(f, "exists {path}"),
            Request::GetData { path } => write!(f, "get {path}"),
            Request::GetChildren2 { path } => write!(f, "children {path}"),
            Request::Sync { path } => write!(f, "sync {path}"),
            Request::Multi { ops } => {
                f.write_str("multi [")?;
                for (index, op) in ops.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "; " };
                    write!(f, "{comma}{op}")?;
                }
                f.write_str("]")
            }
            Request::Create { .. } | Request::Delete { .. } | Request::SetData { .. } => {
                self.parts().iter().try_for_each(|part| write!(f, "{part}"))
            }
        }
    }
}

impl fmt::Display for MultiOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let if_version = |version: i32| match version {
            -1 => String::new(),
            _ => format!(" if version {version}"),
        };
        match self {
            MultiOp::Create { path, data, mode } => {
                let how = match mode {
                    CreateMode::Persistent => "",
                    CreateMode::Ephemeral => " ephemeral",
                    CreateMode::PersistentSequential => " sequential",
                    CreateMode::EphemeralSequential => " ephemeral sequential",
                };
                write!(f, "create {path} {data}{how}")
            }
            MultiOp::Delete { path, version } => write!(f, "delete {path}{}", if_version(*version)),
            MultiOp::SetData { path, data, version } => {
                write!(f, "set {path} {data}{}", if_version(*version))
            }
            MultiOp::Check { path, version } => write!(f, "check {path}{}", if_version(*version)),
        }
    }
}
