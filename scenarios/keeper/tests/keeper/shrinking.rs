//! Finds of real bugs are proven, and become small.

use std::sync::atomic::AtomicBool;

use harness::Plan;
use harness::plant::PlantedBug;
use harness::selftest::{Doubt, detect, show_again, shrink_find};
use harness::shrink::{Ended, Shrink, Size, shrink};
use scenarios::plant::planted_bug;

use crate::support::{SYSTEMS, planned, run_plan};

fn bug() -> PlantedBug {
    PlantedBug { consequence: None, ..*planted_bug("ack-before-fsync").unwrap() }
}

#[test]
fn a_failing_plan_becomes_small_and_fails_the_same_way() {
    let plan = Plan { plant: Some("ack-before-fsync".to_owned()), ..planned("keeper/register", 3) };
    let first = run_plan(&plan);
    let fingerprint = first.fingerprint().unwrap().to_owned();
    let mut sizes = Vec::new();
    let options =
        Shrink { jobs: 2, seeds: 1, fingerprint: None, work_max: u64::MAX, is_over: &|| false };
    let shrunk = shrink(SYSTEMS, &plan, &options, &mut |progress| {
        sizes.push(Size::of(SYSTEMS, progress.plan).operations);
    })
    .unwrap();
    assert_eq!(shrunk.ended, Ended::Complete);
    let size = Size::of(SYSTEMS, &shrunk.plan);
    assert!(size.operations <= 12 && size.faults <= 4, "{size}");
    assert!(sizes.is_sorted_by(|before, after| before >= after), "{sizes:?}");
    let again = run_plan(&shrunk.plan);
    assert_eq!(again.fingerprint(), Some(fingerprint.as_str()));
    let found = shrunk.plan.found.as_ref().unwrap();
    assert_eq!(found.trace_hash, format!("{:016x}", again.trace_hash));
    let alone = Shrink { jobs: 1, ..options };
    assert_eq!(shrink(SYSTEMS, &plan, &alone, &mut |_| {}).unwrap().plan, shrunk.plan);
}

#[test]
fn a_find_is_proven_becomes_small_and_is_shown_again() {
    let never = AtomicBool::new(false);
    let found = detect(SYSTEMS, &bug(), 1, 2, &never);
    assert!(found.is_proven(), "{found:?}");
    let find = found.find.unwrap();
    let reached = find.reached.as_ref().unwrap();
    assert!(reached.site.contains("AckBeforeFsync at "), "{}", reached.site);
    assert!(find.failed.contains(&find.property));
    let options =
        Shrink { jobs: 2, seeds: 1, fingerprint: None, work_max: u64::MAX, is_over: &|| false };
    let shrunk = shrink_find(SYSTEMS, &find, &options, &mut |_| {}).unwrap();
    let again = show_again(SYSTEMS, &bug(), &shrunk.plan);
    assert!(again.is_proven(), "{again:?}");
    assert_eq!(again.find.unwrap().property, find.property);
    let other = planted_bug("lock-without-order").unwrap();
    let not_shown = show_again(SYSTEMS, other, &shrunk.plan);
    assert!(matches!(&not_shown.doubts[..], [Doubt::NotShown { how, .. }] if how == "passes"));
}

/// What a learner is sent must come in several pieces: a hundred transactions, or a large one.
#[test]
fn a_bug_that_needs_many_bytes_shows_in_a_few_operations() {
    use scenarios::setup::KeeperSetup;
    let bug = planted_bug("ZK-4685").unwrap();
    let with_small_values = |seed| {
        let mut plan = planned(bug.scenario, seed);
        plan.change_setup(|setup: &mut KeeperSetup| setup.value_bytes = 0);
        show_again(SYSTEMS, bug, &plan).find
    };
    let find = (0..bug.budget_seeds).find_map(with_small_values).unwrap();
    let options =
        Shrink { jobs: 2, seeds: 24, fingerprint: None, work_max: u64::MAX, is_over: &|| false };
    let shrunk = shrink_find(SYSTEMS, &find, &options, &mut |_| {}).unwrap();
    let size = Size::of(SYSTEMS, &shrunk.plan);
    assert!(size.is_small(), "{size}");
    assert!(show_again(SYSTEMS, bug, &shrunk.plan).is_proven());
}
