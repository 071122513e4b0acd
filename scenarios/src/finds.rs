//! Stored finds: for each planted bug a small plan that shows it. They prove within seconds, on every
//! change, what a search takes minutes for: that the harness still sees each bug, and that it is the
//! bug that it sees. `squall selftest --shrink --store scenarios/finds` makes them anew.

use sim::cluster::plan::Plan;

use crate::replay::load_plan;

/// A stored find.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredFind {
    /// Its file, `ZK-4646.json`.
    pub name: &'static str,
    /// The plan, which names the planted bug.
    pub plan: Plan,
}

static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/finds.rs"));

/// Every stored find that this build carries, in the order of names.
pub fn entries() -> Vec<StoredFind> {
    let entry = |(name, text): &(&'static str, &'static str)| StoredFind {
        name,
        plan: load_plan(text.as_bytes(), name)
            .unwrap_or_else(|error| panic!("a test loads every stored find: {error}")),
    };
    FILES.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plant::{planted_bug, planted_bugs};
    use crate::shrink::Size;

    /// A bug that shows only if a learner reads what it lacks in several pieces: a hundred
    /// transactions of the usual size.
    const NEEDS_MANY: &str = "ZK-4685";

    #[test]
    fn there_is_one_for_every_planted_bug() {
        let stored = entries();
        for bug in planted_bugs() {
            let is_of = |find: &&StoredFind| find.plan.plant.as_deref() == Some(bug.name);
            assert_eq!(stored.iter().filter(is_of).count(), 1, "{}", bug.name);
        }
    }

    #[test]
    fn every_stored_find_is_small_and_of_the_bug_that_names_its_file() {
        for StoredFind { name, plan } in entries() {
            let bug = planted_bug(plan.plant.as_deref().unwrap()).unwrap();
            assert_eq!(name, format!("{}.json", bug.name));
            assert_eq!(plan.scenario, bug.scenario);
            let is_small = Size::of(&plan).is_small() || bug.name == NEEDS_MANY;
            assert!(is_small, "{name}: {}", Size::of(&plan));
        }
    }
}
