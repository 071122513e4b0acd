//! The canary: a run with a planted bug that is seen at once. Every campaign runs it first, and a
//! campaign that does not find it would find nothing else either (after the fuzzer that must fail
//! in TigerBeetle's CFO). It is a stored plan, so that it does not change with the generator.

use sim::cluster::RunOptions;
use sim::cluster::plan::Plan;

use crate::replay::load_plan;
use crate::run::{Outcome, run_plan};

/// The canary's plan: two seconds without a fault, in which followers acknowledge before they sync.
pub fn plan() -> Plan {
    let text = include_str!("../canary/ack-before-fsync.json");
    load_plan(text.as_bytes(), "the canary")
        .unwrap_or_else(|error| panic!("a test loads the canary: {error}"))
}

/// Runs a canary; it is found if the outcome has failures.
pub fn run(plan: &Plan) -> Outcome {
    run_plan(plan, &RunOptions::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Verdict;

    #[test]
    fn the_canary_is_found_and_only_with_its_bug() {
        let found = run(&plan());
        assert_eq!(found.failures()[0].property, "acknowledged is durable");
        let healthy = run(&Plan { plant: None, ..plan() });
        assert_eq!(healthy.verdict, Verdict::Pass);
    }
}
