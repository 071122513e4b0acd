//! The scenarios on the simulated ensemble: what is right passes, what is planted is found, and a
//! run is a function of its plan.

use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use harness::campaign::{Campaign, Origin};
use harness::judge::Verdict;
use harness::replay::{Comparison, replay};
use harness::{Plan, RunOptions};
use scenarios::plant::planted_bugs;

use crate::support::{SYSTEMS, run_plan};

fn campaign(runs: u64) -> Campaign {
    Campaign { runs: Some(runs), time_max: None, twice_every: 10, ..Campaign::of(SYSTEMS) }
}

#[test]
fn default_seeds_and_the_corpus_are_clean_and_worth_their_name() {
    let never = AtomicBool::new(false);
    let mut few_acknowledged = Vec::new();
    let summary = campaign(20).run(&never, &mut |finished| {
        let outcome = finished.result.as_ref().expect("the harness does not panic");
        let is_from_corpus = matches!(finished.origin, Origin::Corpus(_));
        if !is_from_corpus && outcome.stats.acknowledged < 500 {
            few_acknowledged.push((finished.plan.seed, outcome.stats.acknowledged));
        }
        ControlFlow::Continue(())
    });
    for distinct in summary.failures.values() {
        println!("{} (seed {})", distinct.failure.explanation(), distinct.plan.seed);
    }
    assert_eq!((summary.failed, summary.undecided, summary.internal), (0, 0, 0));
    assert!(summary.not_deterministic.is_empty());
    assert!(summary.checked_twice >= 2);
    assert_eq!(few_acknowledged, []);
    assert!(summary.totals.simulated_ns >= 20 * 30_000_000_000);
    assert!(summary.totals.faults.len() >= 8, "{:?}", summary.totals.faults);
    assert!(summary.totals.figures["leader-changes"] > 20, "{:?}", summary.totals);
}

#[test]
fn every_planted_bug_is_found_within_its_budget_and_only_with_it() {
    let never = AtomicBool::new(false);
    // The others are the business of `squall selftest`.
    for bug in planted_bugs().take(1) {
        let planted = Campaign {
            scenarios: vec![SYSTEMS.scenario(bug.scenario).expect("the catalogue names scenarios")],
            plant: Some(bug.name.to_owned()),
            corpus: false,
            ..campaign(bug.budget_seeds)
        };
        let mut found: Option<Plan> = None;
        let mut is_felt = bug.consequence.is_none();
        planted.run(&never, &mut |finished| {
            let outcome = finished.result.as_ref().expect("the harness does not panic");
            let fails = |name: &str| outcome.failures().iter().any(|f| f.property == name);
            if bug.expected.iter().any(|name| fails(name)) {
                found.get_or_insert(finished.plan.clone());
            }
            is_felt |= bug.consequence.is_some_and(fails);
            if is_felt && found.is_some() {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        let plan = found.unwrap_or_else(|| panic!("{} was not found", bug.name));
        assert!(is_felt, "{}: {:?} never failed", bug.name, bug.consequence);
        let without = Plan { plant: None, found: None, ..plan.clone() };
        let outcome = run_plan(&without);
        assert_eq!(outcome.verdict, Verdict::Pass, "{} without the bug", bug.name);
        let replayed = replay(SYSTEMS, &plan, &RunOptions::default());
        assert_eq!(replayed.comparison, Comparison::Reproduced);
        assert!(!replayed.outcome.failures().is_empty());
    }
}
