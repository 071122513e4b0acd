//! Stored finds: for each planted bug a small plan that shows it. They prove within seconds, on every
//! change, what a search takes minutes for: that the harness still sees each bug, and that it is the
//! bug that it sees. `squall selftest --shrink --store scenarios/finds` makes them anew.

use crate::stored::{StoredPlan, load};

static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/finds.rs"));

/// Every stored find that this build carries, each named by its file, `ZK-4646.json`, and by the
/// planted bug in its plan; in the order of names.
pub fn entries() -> Vec<StoredPlan> {
    load(FILES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plant::{planted_bug, planted_bugs};
    use crate::shrink::Size;

    #[test]
    fn there_is_one_for_every_planted_bug() {
        let stored = entries();
        for bug in planted_bugs() {
            let is_of = |find: &&StoredPlan| find.plan.plant.as_deref() == Some(bug.name);
            assert_eq!(stored.iter().filter(is_of).count(), 1, "{}", bug.name);
        }
    }

    #[test]
    fn every_stored_find_is_small_and_of_the_bug_that_names_its_file() {
        for StoredPlan { name, plan } in entries() {
            let bug = planted_bug(plan.plant.as_deref().unwrap()).unwrap();
            assert_eq!(name, format!("{}.json", bug.name));
            assert_eq!(plan.scenario, bug.scenario);
            assert!(Size::of(&plan).is_small(), "{name}: {}", Size::of(&plan));
        }
    }
}
