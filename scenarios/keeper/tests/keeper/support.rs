//! Plans for tests of whole ensembles, and their runs.

use harness::opaque::Opaque;
use harness::plan::{Conditions, PLAN_FORMAT};
use harness::run::Finished;
use harness::{Outcome, Plan, PlannedOperation, RunOptions, Systems};
use scenarios::action::Action;
use scenarios::setup::{EnsemblePlan, KeeperSetup};
use scenarios::{KEEPER, Keeper};
use sim::EngineKind;

pub(crate) const SYSTEMS: Systems = Systems(&[&KEEPER]);

/// The plan of a scenario's seed.
pub(crate) fn planned(scenario: &str, seed: u64) -> Plan {
    (SYSTEMS.scenario(scenario).unwrap().scenario.plan)(seed)
}

/// Runs a plan and judges it.
pub(crate) fn run_plan(plan: &Plan) -> Outcome {
    SYSTEMS.perform(plan, &RunOptions::default())
}

/// Runs a plan, whatever it is called.
pub(crate) fn run(plan: &Plan, options: &RunOptions<'_>) -> Finished<Keeper> {
    harness::run::run(&KEEPER, plan, options)
}

/// Three clients on one node for seven seconds, with these faults (JSON).
pub(crate) fn plan(servers: u32, faults: &str) -> Plan {
    let create =
        Action::Create { path: "/a".into(), data: "0".into(), ephemeral: false, sequential: false };
    let mut operations = vec![PlannedOperation::new(1_000, 1, create)];
    for turn in 0..60_u64 {
        let action = match turn % 3 {
            0 => Action::Set { path: "/a".into(), data: format!("v{turn}") },
            1 => Action::Get { path: "/a".into(), watch: turn % 2 == 0 },
            _ => Action::SyncGet { path: "/a".into() },
        };
        let client = 1 + turn as u32 % 3;
        operations.push(PlannedOperation::new(1_500 + turn * 100, client, action));
    }
    let ensemble = EnsemblePlan {
        tick_ms: 100,
        init_limit: 10,
        sync_limit: 5,
        snap_count: 20,
        commit_log_count: 10,
        session_timeout_ms: 3_000,
        epoch_transactions_max: None,
        purge_retain: None,
        apply_max: None,
    };
    Plan {
        format: PLAN_FORMAT,
        system: "keeper".into(),
        scenario: "test".into(),
        seed: 7,
        engine: EngineKind::default(),
        plant: None,
        topology: [("servers".to_owned(), servers), ("clients".to_owned(), 3)].into(),
        setup: Opaque::new(KeeperSetup { ensemble, value_bytes: 0 }),
        conditions: Conditions { latency_min_ms: 1, latency_max_ms: 3, fsync_us: 1_000 },
        chaos_ms: 8_000,
        heal_ms: 20_000,
        operations,
        faults: serde_json::from_str(faults).unwrap(),
        note: None,
        found: None,
    }
}
