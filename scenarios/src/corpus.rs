//! The corpus: plans that failed once, or that reach what seeds seldom do. Every campaign runs them
//! first.

use crate::stored::{StoredPlan, load};

static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/corpus.rs"));

/// Every plan, in the order of names.
pub fn entries() -> Vec<StoredPlan> {
    load(FILES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_of_the_corpus_loads() {
        let entries = entries();
        assert!(entries.iter().any(|entry| entry.name == "keeper/kill-leader.json"));
        assert!(entries.is_sorted_by_key(|entry| entry.name));
    }
}
