//! The corpus: plans that failed once, or that reach what seeds seldom do. Every campaign runs them
//! first. They are embedded, so that a binary has them wherever it runs.

use sim::cluster::plan::Plan;

use crate::replay::load_plan;

/// A plan of the corpus.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its path within the corpus, `keeper/kill-leader.json`.
    pub name: &'static str,
    /// The plan.
    pub plan: Plan,
}

static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/corpus.rs"));

/// Every plan, in the order of names.
pub fn entries() -> Vec<Entry> {
    let entry = |(name, text): &(&'static str, &'static str)| Entry {
        name,
        plan: load_plan(text.as_bytes(), name)
            .unwrap_or_else(|error| panic!("a test loads every plan of the corpus: {error}")),
    };
    FILES.iter().map(entry).collect()
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
