//! Plans from seeds.
//!
//! Every part of a plan is drawn from a stream of its own, so that a new kind of fault changes neither the
//! workload nor the other faults of old seeds. The words that name streams are frozen: another word would
//! make every old seed another plan.
//!
//! Faults are chosen by swarm testing (Groce and others, "Swarm testing", ISSTA 2012): every family
//! and every kind is on or off for a seed, and intensities are drawn from logarithmic ranges. Which kinds
//! there are depends on the [`Ground`]: who leads, who learns, where the code has marks.

mod amnesia;
mod atlas;
mod clients;
mod disasters;
mod faults;
mod ground;
mod links;
mod own;
mod timeline;
mod workload;

use sim::EngineKind;
use sim::fault::TimedFault;
use sim::seed::Draws;

use crate::any::AnySystem;
use crate::opaque::Opaque;
use crate::plan::{Conditions, PLAN_FORMAT, Plan, Topology};
use crate::system::System;
use atlas::Atlas;

pub use clients::client_faults;
pub use ground::Ground;
pub use own::own_faults;
pub use timeline::faults;
pub use workload::{Asks, SomeRegisters, Workload, operations, shared};

/// Nothing strikes before this moment: the system elects its first leader and gets what its clients work
/// on.
pub const FIRST_FAULT_MS: u64 = 2_000;
/// What is left at the end for the last fault to be taken back, in milliseconds.
pub const MARGIN_MS: u64 = 300;
/// The shortest and the longest chaos, counted from the beginning of the run.
const CHAOS_MS: (u64, u64) = (30_000, 34_000);
/// How long a healed system may take to serve and to converge.
pub const HEAL_MS: u64 = 30_000;

/// How long the chaos of a seed lasts, in milliseconds; the draws are those of its topology.
pub fn chaos_ms(draws: &mut Draws) -> u64 {
    draws.range(CHAOS_MS.0, CHAOS_MS.1)
}

/// The network and the disks of a seed without faults.
pub fn conditions(seed: u64) -> Conditions {
    let mut draws = Draws::new(seed, "conditions", 0);
    let latency_min_ms = draws.log_uniform(1, 3);
    let latency_max_ms = latency_min_ms + draws.log_uniform(1, 8);
    let fsync_us = draws.log_uniform(100, 5_000);
    Conditions { latency_min_ms, latency_max_ms, fsync_us }
}

/// The plan of a seed, for a system whose setup and topology are always the same: faults of every kind that
/// fits, those between clients and servers and those of the system's own kinds among them, and what the
/// workload asks for.
pub fn plan<S: System>(
    system: &'static S,
    scenario: &str,
    seed: u64,
    hosts: &[(&str, u32)],
    setup: S::Setup,
    workload: &dyn Workload<Operation = S::Operation>,
) -> Plan {
    let topology: Topology =
        hosts.iter().map(|(group, count)| ((*group).to_owned(), *count)).collect();
    let mut draws = Draws::new(seed, "topology", 0);
    let chaos_ms = chaos_ms(&mut draws);
    let ground = Ground::of(system, &topology);
    let clients = ground.clients.len() as u32;
    let mut faults = faults(seed, &ground, chaos_ms);
    faults.extend(client_faults(seed, &ground, chaos_ms));
    faults.extend(own_faults(seed, &ground, chaos_ms));
    faults.sort_by_key(|fault| fault.at_ms);
    Plan {
        format: PLAN_FORMAT,
        system: System::name(system).to_owned(),
        scenario: scenario.to_owned(),
        seed,
        engine: EngineKind::default(),
        plant: None,
        topology,
        setup: Opaque::new(setup),
        conditions: conditions(seed),
        chaos_ms,
        heal_ms: HEAL_MS,
        operations: operations(seed, clients, chaos_ms, workload),
        faults,
        note: None,
        found: None,
    }
}

/// Faults in order of time without those that the atlas turns down.
pub(crate) fn fair(
    system: &dyn AnySystem,
    topology: &Topology,
    faults: Vec<TimedFault>,
) -> Vec<TimedFault> {
    let ground = Ground::of(system, topology);
    let mut atlas = Atlas::new(&ground);
    faults.into_iter().filter(|fault| atlas.admit(fault)).collect()
}
