//! How fast the harness is. Each measurement is a function, so that a benchmark program and a report
//! show the same thing.

pub mod sim_speed;
