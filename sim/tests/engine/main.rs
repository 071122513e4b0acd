//! The event-driven engine, through tiny programs.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod amnesia;
mod clocks;
mod common;
mod determinism;
mod ensemble;
mod faults;
mod hosts;
mod network;
mod plans;
mod tasks;
mod trouble;
mod wire;
