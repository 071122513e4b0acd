//! Whole ensembles in simulated worlds, and what the harness makes of them.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod campaigns;
mod claims;
mod corpus;
mod damage;
mod determinism;
mod engines;
mod ensemble;
mod locks;
mod marks;
mod mutants;
mod purge;
mod runs;
mod shrinking;
mod simulated;
mod support;
