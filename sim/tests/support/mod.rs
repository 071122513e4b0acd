//! A small plan for tests of whole ensembles.

use sim::cluster::plan::{
    Action, Conditions, EnsemblePlan, PLAN_FORMAT, Plan, PlannedOperation, Topology,
};
use sim::simulation::EngineKind;

/// Three clients on one node for seven seconds, with these faults (JSON).
pub(crate) fn plan(servers: u32, faults: &str) -> Plan {
    let mut operations = vec![PlannedOperation {
        at_ms: 1_000,
        client: 1,
        action: Action::Create {
            path: "/a".into(),
            data: "0".into(),
            ephemeral: false,
            sequential: false,
        },
    }];
    for turn in 0..60_u64 {
        operations.push(PlannedOperation {
            at_ms: 1_500 + turn * 100,
            client: 1 + turn as u32 % 3,
            action: match turn % 3 {
                0 => Action::Set { path: "/a".into(), data: format!("v{turn}") },
                1 => Action::Get { path: "/a".into(), watch: turn % 2 == 0 },
                _ => Action::SyncGet { path: "/a".into() },
            },
        });
    }
    Plan {
        format: PLAN_FORMAT,
        scenario: "test".into(),
        seed: 7,
        engine: EngineKind::default(),
        plant: None,
        topology: Topology { servers, clients: 3 },
        ensemble: EnsemblePlan {
            tick_ms: 100,
            init_limit: 10,
            sync_limit: 5,
            snap_count: 20,
            commit_log_count: 10,
            session_timeout_ms: 3_000,
            epoch_transactions_max: None,
            purge_retain: None,
        },
        conditions: Conditions { latency_min_ms: 1, latency_max_ms: 3, fsync_us: 1_000 },
        chaos_ms: 8_000,
        heal_ms: 20_000,
        value_bytes: 0,
        operations,
        faults: serde_json::from_str(faults).unwrap(),
        note: None,
        found: None,
    }
}
