//! A whole ensemble in a world: it elects, serves, and survives the death of its leader.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use sim::cluster::plan::Plan;
use sim::cluster::record::ClientOutcome;
use sim::cluster::{RunOptions, run};
use support::plan;

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
