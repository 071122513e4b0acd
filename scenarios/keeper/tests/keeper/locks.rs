//! Locks and elections on the simulated ensemble: the recipes are right, clients that stand still
//! write too late and only the token stops them, and what is planted is found.

use harness::judge::Verdict;
use harness::{Outcome, Plan};
use scenarios::plant::planted_bug;

use crate::support::{planned, run_plan};

fn run(scenario: &str, seed: u64) -> Outcome {
    run_plan(&planned(scenario, seed))
}

fn count(outcome: &Outcome, figure: &str) -> u64 {
    outcome.stats.figures.counts.get(figure).copied().unwrap_or(0)
}

#[test]
fn locks_and_elections_are_right_and_their_tokens_needed() {
    for name in ["keeper/lock", "keeper/election"] {
        let (mut lost, mut fenced) = (0, 0);
        // About one run in eight needs a token.
        for seed in 0..40 {
            let outcome = run(name, seed);
            assert_eq!(outcome.verdict, Verdict::Pass, "{name} {seed}");
            assert!(count(&outcome, "grants") >= 50, "{name} {seed}: {:?}", outcome.stats);
            lost += count(&outcome, "grants-lost");
            fenced += count(&outcome, "writes-fenced");
            if seed >= 3 && lost > 0 && fenced > 0 {
                break;
            }
        }
        assert!(lost > 0, "{name}: no session ended while it held");
        assert!(fenced > 0, "{name}: no token was ever needed");
    }
}

#[test]
fn bugs_planted_in_clients_and_resources_are_found_and_only_with_them() {
    for name in ["lock-without-order", "resource-ignores-tokens"] {
        let bug = planted_bug(name).unwrap();
        let planted = |seed| Plan { plant: Some(name.to_owned()), ..planned(bug.scenario, seed) };
        let found = (0..bug.budget_seeds).map(planted).find(|plan| {
            let outcome = run_plan(plan);
            let fails = |name: &&str| outcome.failures().iter().any(|f| f.property == *name);
            let found = bug.expected.iter().any(fails);
            assert!(!found || outcome.plant_reached.is_some());
            found
        });
        let plan = found.unwrap_or_else(|| panic!("{name} was not found"));
        let without = Plan { plant: None, ..plan };
        assert_eq!(run_plan(&without).verdict, Verdict::Pass, "{name}");
    }
}
