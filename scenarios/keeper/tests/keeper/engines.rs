//! Both simulated worlds judge the same: the traces of one plan differ, its verdict does not.

use harness::judge::Verdict;
use harness::plan::validate;
use harness::{Outcome, Plan};
use scenarios::plant::planted_bug;
use scenarios::registry::SCENARIOS;
use sim::EngineKind;

use crate::support::{SYSTEMS, run_plan};

/// A plan of so much chaos, with faults that both worlds have.
fn plan(name: &str, seed: u64, chaos_ms: u64) -> Plan {
    let mut plan = SYSTEMS.scenario(name).unwrap().plan(seed, EngineKind::Turmoil);
    plan.chaos_ms = chaos_ms;
    plan.operations.retain(|operation| operation.at_ms <= chaos_ms);
    plan.faults.retain(|fault| fault.until_ms.is_some_and(|until_ms| until_ms < chaos_ms));
    validate(SYSTEMS, &plan).unwrap_or_else(|error| panic!("{name}, seed {seed}: {error}"));
    plan
}

fn on(engine: EngineKind, plan: &Plan) -> Outcome {
    run_plan(&Plan { engine, ..plan.clone() })
}

#[test]
fn plans_without_a_bug_pass_in_both_worlds() {
    let mut struck = 0;
    for (each, seed) in SCENARIOS.iter().zip(1..) {
        let plan = plan(each.name, seed, 9_000);
        struck += plan.faults.len();
        let [engine, turmoil] = EngineKind::ALL.map(|engine| {
            let outcome = on(engine, &plan);
            assert_eq!(outcome.verdict, Verdict::Pass, "{}, seed {seed} on {engine}", each.name);
            outcome
        });
        assert_ne!(engine.trace_hash, turmoil.trace_hash, "they are two worlds");
        let acknowledged = [&engine, &turmoil].map(|outcome| outcome.stats.acknowledged);
        assert!(acknowledged.iter().all(|count| *count > 50), "{}: {acknowledged:?}", each.name);
    }
    assert!(struck > 20, "{struck} faults");
}

#[test]
fn planted_bugs_fail_in_both_worlds_with_a_property_that_is_expected() {
    for name in ["ack-before-fsync", "ZK-962", "ZK-335", "ZK-1382", "lock-without-order"] {
        let bug = planted_bug(name).unwrap();
        for engine in EngineKind::ALL {
            let found = (1..=12).any(|seed| {
                let planted = plan(bug.scenario, seed, 15_000);
                let outcome = on(engine, &Plan { plant: Some(name.to_owned()), ..planted });
                let failures = outcome.failures();
                failures.iter().any(|failure| bug.expected.contains(&failure.property.as_str()))
            });
            assert!(found, "{name} is not found on {engine}");
        }
    }
}
