//! The corpus: what once failed passes, and what seeds seldom reach is still no failure.

use harness::judge::Verdict;
use harness::stored::StoredPlan;

use crate::support::{SYSTEMS, run_plan};

#[test]
fn every_plan_of_the_corpus_passes() {
    let entries = SYSTEMS.corpus();
    assert!(!entries.is_empty());
    for StoredPlan { name, plan } in entries {
        let outcome = run_plan(&plan);
        assert_eq!(outcome.verdict, Verdict::Pass, "{name}");
    }
}
