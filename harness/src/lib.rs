//! The harness, for any system: plans from seeds, runs in a seeded world, judgement, campaigns, replays,
//! smaller plans, planted bugs.
//!
//! A system under test implements [`System`]. A run is a [`Plan`] (of a scenario's seed, or
//! [`Systems::load`]ed), then [`Systems::perform`]. A [`campaign::Campaign`] does so over many seeds on
//! all cores. Only campaigns read a clock and start threads, beside the
//! watchdog, which looks at runs from outside; everything else is a function of the plan.

pub mod any;
pub mod build;
pub mod calls;
pub mod calm;
pub mod campaign;
pub mod canary;
mod clocks;
pub mod determinism;
pub mod generate;
pub mod judge;
pub mod mark_notes;
pub mod model;
pub mod novelty;
pub mod opaque;
pub mod outcome;
pub mod partition;
pub mod plan;
pub mod plant;
pub mod promise;
pub mod property;
pub mod record;
pub mod recording;
pub mod replay;
pub mod run;
pub mod sabotage;
pub mod selftest;
pub mod shrink;
pub mod sketch;
pub mod stage;
pub mod stats;
pub mod stored;
pub mod story;
pub mod summary;
pub mod system;
pub mod tell;
#[cfg(test)]
mod testing;
pub mod watchdog;

pub use any::{AnySystem, ScenarioOf, Systems, look_closer};
pub use outcome::Outcome;
pub use plan::{Plan, PlannedOperation};
pub use property::Property;
pub use record::Record;
pub use recording::Recording;
pub use run::{RunOptions, Watch};
pub use sim::EngineKind;
pub use stage::Stage;
pub use system::System;

/// What runs are told as.
pub use evidence;
/// How code is seen and broken.
pub use probe;
/// The world that runs are made in.
pub use sim;
