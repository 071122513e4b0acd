//! Planted bugs of those who use the service: clients that lock, and what their locks protect.

use harness::plant::PlantedBug;

/// The list.
pub(super) const BUGS: &[PlantedBug] = &[
    PlantedBug {
        name: "lock-without-order",
        source: "ZooKeeper Recipes and Solutions, Locks, step 3 left out",
        what: "a client believes that it holds a lock as soon as its znode stands in the line",
        scenario: "keeper/lock",
        expected: &["one holder at a time"],
        consequence: None,
        budget_seeds: 3,
    },
    PlantedBug {
        name: "resource-ignores-tokens",
        source: "Kleppmann, How to do distributed locking, 2016, the unsafe lock",
        what: "what a lock protects takes writes of whoever believes to hold the lock, so that a \
               client which stood still writes after the next holder",
        scenario: "keeper/lock",
        expected: &["fenced writes"],
        consequence: None,
        budget_seeds: 50,
    },
];
