//! How fast the server and the harness are. Each measurement is a function that returns figures, so
//! that a benchmark program and a report show the same thing.
//!
//! This crate runs on real threads and clocks; nothing of it is part of a simulated run.

pub mod baseline;
pub mod check;
mod figures;
pub mod histogram;
pub mod live;
pub mod machine;
pub mod outage;
pub mod regression;
pub mod samples;
pub mod sim;

pub use figures::Measured;
