//! The scenarios by name.

use harness::system::Scenario;

use crate::generate::{self, with_faults_of_holders};
use crate::promise;
use crate::workload::{lock, mixed, multi, register, session, watch};

/// Every scenario.
pub const SCENARIOS: [Scenario; 7] = [
    Scenario {
        name: "keeper/register",
        description: "registers and compare-and-set on a few znodes, read with and without sync",
        promises: promise::OF_REGISTER,
        plan: |seed| generate::plan("keeper/register", seed, (12, 20), &register::Register),
    },
    Scenario {
        name: "keeper/multi",
        description: "transactions over several znodes: all or nothing",
        promises: promise::OF_MULTI,
        plan: |seed| generate::plan("keeper/multi", seed, (12, 20), &multi::Multi),
    },
    Scenario {
        name: "keeper/session",
        description: "sessions that end and expire, and the ephemeral znodes that go with them",
        promises: promise::OF_SESSION,
        plan: |seed| generate::plan("keeper/session", seed, (6, 16), &session::Session),
    },
    Scenario {
        name: "keeper/watch",
        description: "data, exists and child watches across reconnections",
        promises: promise::OF_WATCH,
        plan: |seed| generate::plan("keeper/watch", seed, (12, 20), &watch::Watch),
    },
    Scenario {
        name: "keeper/lock",
        description: "locks by the recipe, with fencing tokens, under clients that stand still",
        promises: promise::OF_LOCK,
        plan: |seed| {
            let plan = generate::plan("keeper/lock", seed, (6, 12), &lock::Lock);
            with_faults_of_holders(plan)
        },
    },
    Scenario {
        name: "keeper/election",
        description: "leader elections by the recipe, under clients that stand still",
        promises: promise::OF_LOCK,
        plan: |seed| {
            let plan = generate::plan("keeper/election", seed, (6, 12), &lock::Election);
            with_faults_of_holders(plan)
        },
    },
    Scenario {
        name: "keeper/mixed",
        description: "all of it at once, and sequential znodes",
        promises: promise::OF_MIXED,
        plan: |seed| generate::plan("keeper/mixed", seed, (8, 20), &mixed::Mixed),
    },
];

/// The scenario of that name.
pub fn scenario(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_found_by_their_names_and_plans_carry_them() {
        for each in &SCENARIOS {
            let found = scenario(each.name).unwrap();
            assert_eq!((found.plan)(3).scenario, each.name);
            assert!(!each.description.is_empty());
        }
        assert!(scenario("keeper/nothing").is_none());
    }
}
