//! A whole coordination ensemble with its clients in one world: the plan of a run, the run itself,
//! and the record that it leaves.

pub mod claims;
mod client;
mod clocks;
pub mod mark_notes;
pub mod plan;
mod plants;
pub mod record;
mod recording;
mod requests;
mod roles;
pub mod run;
pub mod states;

pub use plan::Plan;
pub use record::RunRecord;
pub use recording::TAG_OBSERVATION;
pub use run::{RunOptions, run};
