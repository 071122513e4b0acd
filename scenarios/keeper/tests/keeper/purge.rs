//! Purges among crashes: what they remove is never missed, and a purge that removes too much is
//! found.

use harness::judge::Verdict;
use harness::{Outcome, Plan};
use scenarios::plant::planted_bug;
use scenarios::setup::KeeperSetup;

use crate::support::{planned, run_plan};

/// A seed's plan with a snapshot for every few transactions and a purge after each.
fn plan(seed: u64, plant: Option<&str>) -> Plan {
    let mut plan = planned("keeper/register", seed);
    plan.change_setup(|setup: &mut KeeperSetup| {
        setup.ensemble.snap_count = 10 + seed % 40;
        setup.ensemble.purge_retain = Some(3);
    });
    plan.plant = plant.map(str::to_owned);
    plan
}

fn run(seed: u64, plant: Option<&str>) -> Outcome {
    run_plan(&plan(seed, plant))
}

#[test]
fn purges_among_crashes_lose_nothing() {
    let seeds: u64 = std::env::var("SQUALL_PURGE_SEEDS").map_or(12, |text| text.parse().unwrap());
    let mut restarts = 0;
    for seed in 0..seeds {
        let outcome = run(seed, None);
        assert_eq!(outcome.verdict, Verdict::Pass, "seed {seed}");
        restarts += outcome.stats.figures.counts["restarts"];
    }
    assert!(restarts > seeds, "{restarts} restarts: crashes must meet purges");
}

#[test]
fn a_purge_that_removes_a_log_too_many_is_found() {
    let bug = planted_bug("purge-log-in-use").unwrap();
    let found = (0..bug.budget_seeds).find(|seed| {
        let outcome = run(*seed, Some(bug.name));
        let fails = |name: &str| outcome.failures().iter().any(|f| f.property == name);
        bug.expected.iter().any(|name| fails(name))
    });
    let seed = found.expect("within its budget");
    assert_eq!(run(seed, None).verdict, Verdict::Pass, "seed {seed} without the bug");
}
