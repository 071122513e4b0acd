//! The plan: everything that a run is a function of, as data that can be stored, read and edited.
//!
//! A plan is made from a seed before the run. The seed is only an address; the plan is the evidence:
//! replaying needs no generator, and what a generator does later changes no stored plan.

use serde::{Deserialize, Serialize};

use crate::fault::TimedFault;
use crate::simulation::EngineKind;

/// The format that this build writes and reads.
pub const PLAN_FORMAT: u32 = 1;

/// One run of a simulated ensemble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`PLAN_FORMAT`].
    pub format: u32,
    /// The scenario whose properties judge the run.
    pub scenario: String,
    /// Every draw during the run comes from named streams of this seed.
    pub seed: u64,
    /// Which simulated world performs it.
    #[serde(default, skip_serializing_if = "EngineKind::is_default")]
    pub engine: EngineKind,
    /// The bug planted in the servers, by its identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plant: Option<String>,
    /// Servers and clients.
    pub topology: Topology,
    /// How servers are configured.
    pub ensemble: EnsemblePlan,
    /// The network and the disks without faults.
    pub conditions: Conditions,
    /// How long faults strike, in simulated milliseconds.
    pub chaos_ms: u64,
    /// How long the healed system may take to elect, serve and converge, in milliseconds.
    pub heal_ms: u64,
    /// Values that clients write are filled up with dots to so many bytes, empty ones apart; 0 leaves
    /// them as they are written here.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub value_bytes: u32,
    /// What clients ask for, in order of time.
    pub operations: Vec<PlannedOperation>,
    /// What strikes, in order of time.
    pub faults: Vec<TimedFault>,
    /// What a person says of the plan: why it is kept, what it once showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Where the plan comes from and how it ended, if it was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
}

fn is_zero(value_bytes: &u32) -> bool {
    *value_bytes == 0
}

/// How a stored plan ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// The build that ran it.
    pub build: String,
    /// The trace hash, hexadecimal: the same build must reach it again.
    pub trace_hash: String,
    /// The failure's fingerprint; none if it passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

/// How many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// Servers, named `n1`, `n2`, ...
    pub servers: u32,
    /// Clients, named `c1`, `c2`, ...
    pub clients: u32,
}

/// The servers' configuration, as `zoo.cfg` spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnsemblePlan {
    /// `tickTime`.
    pub tick_ms: u64,
    /// `initLimit`, in ticks.
    pub init_limit: u64,
    /// `syncLimit`, in ticks.
    pub sync_limit: u64,
    /// `snapCount`.
    pub snap_count: u64,
    /// `commitLogCount`.
    pub commit_log_count: usize,
    /// The session time-out that clients ask for.
    pub session_timeout_ms: u64,
    /// The last counter of an epoch's zxids, if it is to be less than their 32 bits: the leader then
    /// steps down for a new epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch_transactions_max: Option<u32>,
    /// `autopurge.snapRetainCount`, with a purge after every snapshot; none for no purges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purge_retain: Option<u32>,
}

/// The world without faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// The shortest way of a packet, in milliseconds.
    pub latency_min_ms: u64,
    /// The longest, in milliseconds.
    pub latency_max_ms: u64,
    /// The median duration of an fsync, in microseconds.
    pub fsync_us: u64,
}

/// A request and when its client makes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedOperation {
    /// Not before this moment; a client that is behind makes it as soon as it can.
    pub at_ms: u64,
    /// The client, from 1.
    pub client: u32,
    /// The request.
    #[serde(flatten)]
    pub action: Action,
}

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
