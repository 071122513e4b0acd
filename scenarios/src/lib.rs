//! What is run against the coordination server, and what must hold of it: scenarios, plans,
//! properties, the judgement of a run, campaigns over many seeds, replays, planted bugs with
//! their stored finds, and the corpus of plans that once failed.
//!
//! A run is [`registry::Scenario::plan`] (or [`replay::load_plan`]), then [`run::run_plan`]. A
//! [`campaign::Campaign`] does so over many seeds on all cores. Only campaigns read a clock and
//! start threads; everything else is a function of the plan.

pub mod campaign;
pub mod canary;
pub mod convert;
pub mod corpus;
pub mod determinism;
pub mod evidence;
pub mod finds;
mod generate;
pub mod judge;
pub mod messages;
pub mod novelty;
pub mod partition;
pub mod plant;
pub mod promise;
pub mod property;
pub mod registry;
pub mod replay;
pub mod run;
pub mod selftest;
pub mod shrink;
pub mod sketch;
pub mod stats;
pub mod stored;
mod subject;
pub mod summary;
pub mod validate;
mod workload;

/// The marks in the servers' code.
pub use keeper_core::marks;
/// The world that runs are made in: plans, records, options.
pub use sim;

/// The build: version, commit and a hash of the sources, joined by `-`. Plans name the build that
/// stored them: the same build must end with the same trace. A release process may set the commit
/// by the variable SQUALL_BUILD at compile time; without it and without git it is `unknown`.
pub fn build_id() -> &'static str {
    env!("SQUALL_BUILD_ID")
}
