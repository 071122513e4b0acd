//! The corpus: what once failed passes, and what seeds seldom reach is still no failure.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use scenarios::corpus;
use scenarios::judge::Verdict;
use scenarios::run::run_plan;
use scenarios::stored::StoredPlan;
use sim::cluster::RunOptions;

#[test]
fn every_plan_of_the_corpus_passes() {
    let entries = corpus::entries();
    assert!(!entries.is_empty());
    for StoredPlan { name, plan } in entries {
        let outcome = run_plan(&plan, &RunOptions::default());
        assert_eq!(outcome.verdict, Verdict::Pass, "{name}");
    }
}
