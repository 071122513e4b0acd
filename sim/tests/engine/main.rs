//! The event-driven engine, through tiny programs.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod amnesia;
mod common;
mod determinism;
mod faults;
mod logs;
mod plans;
#[path = "../programs/mod.rs"]
mod programs;
mod tasks;
mod trouble;
mod wire;
