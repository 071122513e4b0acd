//! Damage in whole ensembles: it is told from what a crash leaves, costs its server its voice, and loses nothing.

use std::collections::BTreeSet;

use harness::opaque::Opaque;
use harness::{Plan, RunOptions};
use keeper_core::observation::Observation;
use keeper_core::plants::Plant;
use scenarios::record::RunRecord;
use scenarios::setup::KeeperSetup;

use crate::support::{self, run, run_plan};

/// n3 is away from the beginning, while the others write. Then one of them is away, the other has a flipped bit,
/// and n3 is back. With four servers, two are away, and so on.
const EXAMPLE: &str = r#"[
    {"at_ms":600,"until_ms":3500,"kind":"crash","target":"n3"},
    {"at_ms":3000,"until_ms":6000,"kind":"crash","target":"n2"},
    {"at_ms":3000,"until_ms":3500,"kind":"rot","target":"n1","file":"log.","sectors":1}]"#;

const NONE: [String; 0] = [];

/// Without snapshots, so that a server has one log in each of its lives, all of which it needs.
fn plan(servers: u32, faults: &str) -> Plan {
    let mut plan = support::plan(servers, faults);
    let mut setup = *KeeperSetup::of(&plan);
    setup.ensemble.snap_count = 10_000;
    plan.setup = Opaque::new(setup);
    plan
}

/// When a server said so, in milliseconds.
fn times(record: &RunRecord, server: u32, is: impl Fn(&Observation) -> bool) -> Vec<u64> {
    let seen = record.observations.iter();
    let seen = seen.filter(|observed| observed.server == server && is(&observed.observation));
    seen.map(|observed| observed.at_ns / 1_000_000).collect()
}

/// The violated properties of a plan.
fn failures(plan: &Plan) -> Vec<String> {
    run_plan(plan).failures().iter().map(|failure| failure.property.clone()).collect()
}

fn serves(observation: &Observation) -> bool {
    matches!(observation, Observation::Serving { .. } | Observation::SyncEnded)
}

#[test]
fn a_flipped_bit_costs_a_server_its_voice_until_who_holds_everything_is_back() {
    let record = run(&plan(3, EXAMPLE), &RunOptions::default()).record;
    let found = times(&record, 1, |seen| matches!(seen, Observation::DamageFound { .. }));
    assert!(
        found.iter().all(|at_ms| (3_500..3_700).contains(at_ms)) && found.len() == 1,
        "{found:?}"
    );
    for server in 1..=3 {
        let served = times(&record, server, serves);
        assert!(!served.iter().any(|at_ms| (3_500..6_000).contains(at_ms)), "{server}: {served:?}");
        assert!(served.iter().any(|at_ms| *at_ms > 6_000), "{server}: {served:?}");
    }
    let regained = times(&record, 1, |seen| *seen == Observation::VoiceRegained);
    assert!(regained.len() == 1 && regained[0] > 6_000, "{regained:?}");
    assert_eq!(failures(&plan(3, EXAMPLE)), NONE);
}

#[test]
fn taken_for_torn_it_loses_what_others_hold() {
    for plant in [Plant::DamageIsTorn, Plant::DamagedVotes] {
        let mut plan = plan(3, EXAMPLE);
        plan.plant = Some(plant.name().to_owned());
        let failures = failures(&plan);
        assert!(
            failures.iter().any(|name| name == "acknowledged writes survive"),
            "{plant:?}: {failures:?}"
        );
    }
}

#[test]
fn with_less_than_a_majority_undamaged_nothing_moves_and_nothing_is_lost() {
    let faults = r#"[
        {"at_ms":3000,"until_ms":3500,"kind":"rot","target":"n1","file":"log.","sectors":1},
        {"at_ms":3000,"until_ms":3500,"kind":"rot","target":"n2","file":"log.","sectors":1},
        {"at_ms":3000,"until_ms":6000,"kind":"rot","target":"n3","file":"log.","sectors":1}]"#;
    let plan = plan(3, faults);
    let record = run(&plan, &RunOptions::default()).record;
    let struck: BTreeSet<u32> = record.amnesias.iter().map(|each| each.server).collect();
    assert_eq!(struck.len(), 2, "the last copy stays: {struck:?}");
    for server in 1..=3 {
        assert!(times(&record, server, serves).iter().all(|at_ms| *at_ms < 3_500), "{server}");
    }
    assert_eq!(failures(&plan), NONE);
}

#[test]
fn a_full_disk_prevents_no_start() {
    let faults = r#"[
        {"at_ms":5500,"until_ms":6900,"kind":"enospc","target":"n1"},
        {"at_ms":5600,"until_ms":5700,"kind":"power_loss","target":"n1"}]"#;
    let mut plan = plan(3, faults);
    // Nothing is written meanwhile: only that would need space.
    plan.operations.retain(|operation| operation.at_ms < 4_000);
    let record = run(&plan, &RunOptions::default()).record;
    let served = times(&record, 1, serves);
    assert!(served.iter().any(|at_ms| (5_700..6_900).contains(at_ms)), "{served:?}");
}
