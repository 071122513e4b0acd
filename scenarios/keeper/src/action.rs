//! What clients of the coordination server do.

use serde::{Deserialize, Serialize};

/// What a client does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Action {
    /// Create a node; answered with its stat (create2).
    Create {
        /// Its path, without a sequence number.
        path: String,
        /// Its data.
        data: String,
        /// Whether it ends with the session.
        #[serde(default)]
        ephemeral: bool,
        /// Whether it gets a number.
        #[serde(default)]
        sequential: bool,
    },
    /// Delete a node, with any version.
    Delete {
        /// Which.
        path: String,
    },
    /// Replace data, with any version.
    Set {
        /// Of which node.
        path: String,
        /// By what.
        data: String,
    },
    /// Replace data if the version is still the one that this client saw last (0 if none).
    Cas {
        /// Of which node.
        path: String,
        /// By what.
        data: String,
    },
    /// Read data.
    Get {
        /// Of which node.
        path: String,
        /// Whether to leave a watch.
        #[serde(default)]
        watch: bool,
    },
    /// `sync`, then read data, as one operation.
    SyncGet {
        /// Of which node.
        path: String,
    },
    /// Read a stat.
    Exists {
        /// Of which node.
        path: String,
        /// Whether to leave a watch.
        #[serde(default)]
        watch: bool,
    },
    /// Read the names of children and the stat.
    Children {
        /// Of which node.
        path: String,
        /// Whether to leave a watch.
        #[serde(default)]
        watch: bool,
    },
    /// Several changes at once, all or nothing.
    Multi {
        /// The changes.
        parts: Vec<Part>,
    },
    /// Take a lock by the recipe, write the resource that it protects, hold it and release it.
    /// Meanwhile the client goes on with what it does next.
    Lock {
        /// The lock.
        path: String,
        /// For how long, in milliseconds.
        hold_ms: u64,
    },
    /// Stand for an election by the recipe, write the resource that the leader commands, lead and
    /// resign. Meanwhile the client goes on with what it does next.
    Lead {
        /// The election.
        path: String,
        /// For how long to lead, in milliseconds.
        hold_ms: u64,
    },
    /// End the session and begin another, without waiting for locks and elections: their holds end
    /// with the session.
    NewSession,
    /// Fall silent, so that the session expires, then begin another.
    Abandon {
        /// For how long, in milliseconds.
        silent_ms: u64,
    },
}

impl Action {
    /// The znodes that it names, as it spells them; none if it is about a session.
    pub(crate) fn paths(&self) -> Vec<&str> {
        match self {
            Action::Create { path, .. }
            | Action::Delete { path }
            | Action::Set { path, .. }
            | Action::Cas { path, .. }
            | Action::Get { path, .. }
            | Action::SyncGet { path }
            | Action::Exists { path, .. }
            | Action::Children { path, .. }
            | Action::Lock { path, .. }
            | Action::Lead { path, .. } => vec![path],
            Action::Multi { parts } => parts.iter().map(Part::path).collect(),
            Action::NewSession | Action::Abandon { .. } => Vec::new(),
        }
    }
}

/// One change of a multi.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "kebab-case")]
pub enum Part {
    /// See [`Action::Create`].
    Create {
        /// Its path, without a sequence number.
        path: String,
        /// Its data.
        data: String,
        /// Whether it ends with the session.
        #[serde(default)]
        ephemeral: bool,
        /// Whether it gets a number.
        #[serde(default)]
        sequential: bool,
    },
    /// Delete a node, with any version.
    Delete {
        /// Which.
        path: String,
    },
    /// Replace data, with any version.
    Set {
        /// Of which node.
        path: String,
        /// By what.
        data: String,
    },
    /// Demand a version.
    Check {
        /// Of which node.
        path: String,
        /// The version; `None`: the one that this client saw last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<i32>,
    },
}

impl Part {
    /// The znode that it names, as it spells it.
    pub(crate) fn path(&self) -> &str {
        match self {
            Part::Create { path, .. }
            | Part::Delete { path }
            | Part::Set { path, .. }
            | Part::Check { path, .. } => path,
        }
    }
}
