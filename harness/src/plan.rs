//! The plan: everything that a run is a function of, as data that can be stored, read and edited.
//!
//! A plan is made from a seed before the run. The seed is only an address; the plan is the evidence:
//! replaying needs no generator, and what a generator does later changes no stored plan.
//!
//! The envelope is the harness's: which system, how many hosts, when what is asked and what strikes.
//! What a setup and an operation are is the system's ([`crate::system::System`]).

mod digest;
mod load;
mod validate;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sim::EngineKind;
use sim::fault::TimedFault;

use crate::opaque::{Data, Opaque};

pub use load::{PlanError, load_plan};
pub use validate::{Contradiction, validate, within, wrong};

/// The format that this build writes. It reads the formats before it, too.
pub const PLAN_FORMAT: u32 = 2;

/// How many hosts there are of each group of the system, by the group's name.
pub type Topology = BTreeMap<String, u32>;

/// One run of a system.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The version of the form, [`PLAN_FORMAT`] in what this build writes.
    pub format: u32,
    /// The system under test.
    pub system: String,
    /// The scenario whose properties judge the run.
    pub scenario: String,
    /// Every draw during the run comes from named streams of this seed.
    pub seed: u64,
    /// Which simulated world performs it.
    #[serde(skip_serializing_if = "EngineKind::is_default")]
    pub engine: EngineKind,
    /// The bug planted in the system, by its identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plant: Option<String>,
    /// How many hosts.
    pub topology: Topology,
    /// How the system's programs are configured.
    pub setup: Opaque,
    /// The network and the disks without faults.
    pub conditions: Conditions,
    /// How long faults strike, in simulated milliseconds.
    pub chaos_ms: u64,
    /// How long the healed system may take to serve and converge, in milliseconds.
    pub heal_ms: u64,
    /// What clients ask for, in order of time.
    pub operations: Vec<PlannedOperation>,
    /// What strikes, in order of time.
    pub faults: Vec<TimedFault>,
    /// What a person says of the plan: why it is kept, what it once showed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Where the plan comes from and how it ended, if it was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
}

/// The setup of a system that has nothing to set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoSetup {}

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
    /// Of which plan that is the end: [`Plan::digest`]. Builds before there were digests did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_digest: Option<String>,
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
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedOperation {
    /// Not before this moment; a client that is behind makes it as soon as it can.
    pub at_ms: u64,
    /// The client, from 1: its number within its group.
    pub client: u32,
    /// The request, of the system's own type.
    #[serde(flatten)]
    pub action: Opaque,
}

impl PlannedOperation {
    /// An operation of a system.
    pub fn new<T: Data>(at_ms: u64, client: u32, action: T) -> PlannedOperation {
        PlannedOperation { at_ms, client, action: Opaque::new(action) }
    }
}

impl Plan {
    /// How many hosts of a group there are; none of a group that the system does not have.
    pub fn count(&self, group: &str) -> u32 {
        self.topology.get(group).copied().unwrap_or(0)
    }

    /// The setup, by the system that the plan is of.
    ///
    /// # Panics
    /// If the setup is of another type, which no loaded or generated plan of that system has.
    pub fn setup<T: Data>(&self) -> &T {
        self.setup.get()
    }

    /// Changes the setup.
    ///
    /// # Panics
    /// As [`Plan::setup`].
    pub fn change_setup<T: Data>(&mut self, change: impl FnOnce(&mut T)) {
        let mut setup = self.setup::<T>().clone();
        change(&mut setup);
        self.setup = Opaque::new(setup);
    }

    /// The text of a stored plan.
    pub fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).expect("a plan is plain data with text keys") + "\n"
    }
}
