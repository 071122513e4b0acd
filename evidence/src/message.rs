//! The failure message, as data: what a failure's text and its diagrams are made of.

use serde::{Deserialize, Serialize};

use crate::fault::FaultWindow;
use crate::verdict::Explanation;

/// One kind of failure, told by the first run in which it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureMessage {
    /// The scenario that the run was of.
    pub scenario: String,
    /// The planted bug, if there was one.
    pub plant: Option<String>,
    /// The run's seed.
    pub seed: u64,
    /// The build that ran it.
    pub build: String,
    /// Short for the kind of failure.
    pub fingerprint: String,
    /// When the contradiction was complete.
    pub at_ns: Option<u64>,
    /// What contradicts what.
    pub explanation: Explanation,
    /// Every fault of the run.
    pub faults: Vec<FaultWindow>,
    /// When hosts took a role that is worth telling, in order of time.
    pub roles: Vec<Moment>,
    /// Other properties that the same run violated, each with what is wrong.
    pub also: Vec<String>,
    /// In how many runs this kind was seen.
    pub runs: u64,
    /// What to do next.
    pub commands: Commands,
}

/// Something that happened at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When it was, in world nanoseconds since the start of the run.
    pub at_ns: u64,
    /// What, in words.
    pub what: String,
}

/// The commands that continue from a failure. An absent one is not printed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commands {
    /// Shows the failure again.
    pub replay: Option<String>,
    /// Makes the plan smaller.
    pub shrink: Option<String>,
    /// Shows the failure with a smaller plan, if there is one, and how much smaller that is.
    pub smaller: Option<(String, String)>,
    /// The file to read.
    pub read: Option<String>,
}
