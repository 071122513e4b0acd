//! A whole ensemble in a world: it elects, serves, survives a crash of its leader, and a run is a
//! function of its plan.

use sim::cluster::plan::{
    Action, Conditions, EnsemblePlan, PLAN_FORMAT, Plan, PlannedOperation, Topology,
};
use sim::cluster::record::ClientOutcome;
use sim::cluster::{RunOptions, run};

fn plan(servers: u32, faults: &str) -> Plan {
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
        plant: None,
        topology: Topology { servers, clients: 3 },
        ensemble: EnsemblePlan {
            tick_ms: 100,
            init_limit: 10,
            sync_limit: 5,
            snap_count: 20,
            commit_log_count: 10,
            session_timeout_ms: 3_000,
            restart_after_ms: 1_000,
        },
        conditions: Conditions { latency_min_ms: 1, latency_max_ms: 3, fsync_us: 1_000 },
        chaos_ms: 8_000,
        heal_ms: 20_000,
        operations,
        faults: serde_json::from_str(faults).unwrap(),
        found: None,
    }
}

fn ok(plan: &Plan) -> usize {
    let record = run(plan, &RunOptions::default()).record;
    assert_eq!(record.panic, None);
    assert_eq!(record.fatal, vec![]);
    assert_eq!(record.healing_missing, None, "{:#?}", record.finals);
    record
        .operations
        .iter()
        .filter(|operation| matches!(operation.outcome, ClientOutcome::Ok { .. }))
        .count()
}

#[test]
fn an_undisturbed_ensemble_answers_everything() {
    for servers in [1, 3, 5] {
        assert!(ok(&plan(servers, "[]")) >= 81);
    }
}

#[test]
fn it_survives_the_death_of_its_leader() {
    let faults = r#"[{"at_ms":3000,"until_ms":5000,"kind":"crash","target":"leader"}]"#;
    assert!(ok(&plan(3, faults)) >= 60);
    let faults = r#"[{"at_ms":3000,"until_ms":4000,"kind":"power_loss","target":"leader"}]"#;
    assert!(ok(&plan(5, faults)) >= 60);
}

#[test]
fn a_run_is_a_function_of_its_plan() {
    let faults = r#"[{"at_ms":3000,"until_ms":5000,"kind":"isolate_leader"}]"#;
    let plan = plan(3, faults);
    let first = run(&plan, &RunOptions::default()).record;
    let second = run(&plan, &RunOptions::default()).record;
    assert_eq!(first.trace_hash, second.trace_hash);
    assert_eq!(first.observations, second.observations);
}
