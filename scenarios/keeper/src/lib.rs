//! The coordination server as a system under test: its plans, its programs on a stage, what must hold of
//! them, and the bugs that can be planted into them.
//!
//! [`system::KEEPER`] is all that the harness asks for. What judges histories of any ZooKeeper-compatible
//! server is in [`znode`].

pub mod action;
mod check;
pub mod claims;
mod client;
pub mod convert;
pub mod ensemble;
pub mod figures;
mod gaps;
mod generate;
pub mod history;
mod limits;
pub mod messages;
mod modernise;
mod notes;
pub mod plant;
mod promise;
mod property;
pub mod record;
pub mod registry;
mod roles;
pub mod setup;
pub mod state;
mod states;
mod story;
mod subject;
pub mod system;
mod workload;
pub mod znode;

pub use system::{KEEPER, Keeper};

/// The build: version, commit and a hash of the sources, joined by `-`. Plans name the build that
/// stored them: the same build must end with the same trace. A release process may set the commit
/// by the variable SQUALL_BUILD at compile time; without it and without git it is `unknown`.
pub fn build_id() -> &'static str {
    env!("SQUALL_BUILD_ID")
}
