//! Changed plans of the scenarios make sense, whatever changes meet.

use harness::novelty::mutate;
use harness::plan::{Plan, validate};
use scenarios::registry::SCENARIOS;
use sim::seed::Draws;

use crate::support::SYSTEMS;

fn plans() -> impl Iterator<Item = Plan> {
    SCENARIOS.iter().zip(0..).map(|(scenario, n)| (scenario.plan)(n * 3 + 1))
}

#[test]
fn every_mutant_makes_sense_and_differs() {
    for (index, plan) in plans().enumerate() {
        for n in 0..60 {
            let other = (SCENARIOS[(index + 1) % SCENARIOS.len()].plan)(n);
            let mutant = mutate(SYSTEMS, &plan, &other, &mut Draws::new(n, "test", 0));
            assert_eq!(validate(SYSTEMS, &mutant), Ok(()), "{n}");
            assert_ne!(mutant, plan);
            assert!(mutant.faults.is_sorted_by_key(|fault| fault.at_ms));
        }
    }
}

#[test]
fn mutants_of_mutants_make_sense() {
    let mut plan = (SCENARIOS[0].plan)(1);
    for n in 0..300 {
        let other = (SCENARIOS[(n % 7) as usize].plan)(n);
        plan = mutate(SYSTEMS, &plan, &other, &mut Draws::new(n, "test", 0));
        assert_eq!(validate(SYSTEMS, &plan), Ok(()));
    }
}
