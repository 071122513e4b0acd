//! What a plan says of the coordination server alone: how its servers are configured, and how large the
//! values are that clients write.

use harness::plan::Plan;
use serde::{Deserialize, Serialize};

/// The setup of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeeperSetup {
    /// How servers are configured.
    pub ensemble: EnsemblePlan,
    /// Values that clients write are filled up with dots to so many bytes, empty ones apart; 0 leaves
    /// them as they are written in the plan.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub value_bytes: u32,
}

fn is_zero(value_bytes: &u32) -> bool {
    *value_bytes == 0
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
    /// How many transactions of the history that it begins to serve with a server applies in one step, if it is to
    /// be less than many; then a step takes a millisecond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply_max: Option<u32>,
}

impl KeeperSetup {
    /// That of a plan of the coordination server.
    pub fn of(plan: &Plan) -> &KeeperSetup {
        plan.setup()
    }
}

/// How many servers a plan has.
pub fn servers(plan: &Plan) -> u32 {
    plan.count("servers")
}

/// How many clients a plan has, the one that tells of healing not counted.
pub fn clients(plan: &Plan) -> u32 {
    plan.count("clients")
}
