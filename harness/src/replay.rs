//! Running stored plans again.
//!
//! A stored plan names the build that wrote it and the trace hash that it ended with. The same
//! build must reach the same hash; another build need only give a verdict. A plan that somebody changed
//! since has no stored end: the one that it names is another plan's.

use crate::any::Systems;
use crate::judge::Verdict;
use crate::outcome::Outcome;
use crate::plan::{Found, Plan};
use crate::run::RunOptions;

/// A plan run once more, beside how it ended when it was stored.
pub struct Replayed {
    /// How it ended.
    pub outcome: Outcome,
    /// What that says about the stored end.
    pub comparison: Comparison,
}

/// Two ends of one plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The plan does not say how it ended.
    NothingStored,
    /// The same build and the same trace.
    Reproduced,
    /// The same build with another trace: the harness is not deterministic.
    Diverged {
        /// The stored trace hash.
        expected: String,
        /// The trace hash of this run.
        found: String,
    },
    /// It is another plan than the one that was stored: it is judged afresh.
    PlanChanged {
        /// The build that stored the other one.
        build: String,
    },
    /// Stored by another build, whose name it gives.
    OtherBuild {
        /// The build that stored the plan.
        build: String,
        /// How its verdict relates to this one.
        change: Change,
    },
}

/// A verdict beside another build's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It failed there and passes here.
    NowPasses,
    /// It failed there and fails here in the same way.
    StillFails,
    /// It failed there and fails here in another way.
    FailsOtherwise,
    /// It passed there and fails here.
    NowFails,
    /// It passed there and passes here.
    StillPasses,
    /// It is undecided here.
    Undecided,
}

/// Runs a stored plan again.
pub fn replay(systems: Systems, plan: &Plan, options: &RunOptions<'_>) -> Replayed {
    let outcome = systems.perform(plan, options);
    let comparison = match &plan.found {
        None => Comparison::NothingStored,
        Some(found) if plan.is_changed() => Comparison::PlanChanged { build: found.build.clone() },
        Some(found) => compare(found, &outcome, outcome.build),
    };
    Replayed { outcome, comparison }
}

fn compare(found: &Found, outcome: &Outcome, build: &str) -> Comparison {
    if found.build != build {
        let change = change(found, outcome);
        return Comparison::OtherBuild { build: found.build.clone(), change };
    }
    let hash = format!("{:016x}", outcome.trace_hash);
    if found.trace_hash.trim_start_matches("0x") == hash {
        return Comparison::Reproduced;
    }
    Comparison::Diverged { expected: found.trace_hash.clone(), found: hash }
}

fn change(found: &Found, outcome: &Outcome) -> Change {
    match (&found.fingerprint, &outcome.verdict) {
        (_, Verdict::Undecided(_)) => Change::Undecided,
        (Some(_), Verdict::Pass) => Change::NowPasses,
        (None, Verdict::Pass) => Change::StillPasses,
        (None, Verdict::Fail(_)) => Change::NowFails,
        (Some(expected), Verdict::Fail(failures)) => {
            let is_same = failures.iter().any(|failure| failure.fingerprint == *expected);
            if is_same { Change::StillFails } else { Change::FailsOtherwise }
        }
    }
}

impl Comparison {
    /// What to tell a person; none if there is nothing to tell.
    pub fn message(&self) -> Option<String> {
        match self {
            Comparison::NothingStored | Comparison::Reproduced => None,
            Comparison::Diverged { expected, found } => Some(format!(
                "the same build ended with trace {found}, but {expected} is stored: the run is \
                 not deterministic"
            )),
            Comparison::PlanChanged { build } => Some(format!(
                "the plan was changed since {build} stored how it ends: it is judged afresh"
            )),
            Comparison::OtherBuild { build, change } => Some(match change {
                Change::NowPasses => format!("found at {build}, now passes"),
                Change::StillFails => format!("found at {build}, still fails"),
                Change::FailsOtherwise => format!("found at {build}, fails in another way now"),
                Change::NowFails => format!("passed at {build}, fails now"),
                Change::StillPasses => format!("passed at {build}, still passes"),
                Change::Undecided => format!("stored by {build}, undecided now"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SYSTEMS, honest_record, judged, plan, short_plan};

    fn failing() -> Outcome {
        let mut record = honest_record();
        record.panic = Some("boom".to_owned());
        judged(&plan(), record)
    }

    #[test]
    fn the_same_build_must_reach_the_same_trace() {
        let outcome = failing();
        let mut found = outcome.stored(&plan()).found.unwrap();
        assert_eq!(compare(&found, &outcome, SYSTEMS.build()), Comparison::Reproduced);
        assert_eq!(found.fingerprint.as_deref(), outcome.fingerprint());
        found.trace_hash = "1234".to_owned();
        let diverged = compare(&found, &outcome, SYSTEMS.build());
        assert!(matches!(diverged, Comparison::Diverged { .. }));
        assert!(diverged.message().unwrap().contains("not deterministic"));
    }

    #[test]
    fn another_build_is_told_what_has_changed() {
        let outcome = failing();
        let mut found = outcome.stored(&plan()).found.unwrap();
        let told = |found: &Found| compare(found, &outcome, "other").message().unwrap();
        assert!(told(&found).ends_with("still fails"));
        found.fingerprint = Some("0".to_owned());
        assert!(told(&found).ends_with("in another way now"));
        found.fingerprint = None;
        assert!(told(&found).ends_with("fails now"));
        let mut record = honest_record();
        record.history.calls.clear();
        let undecided = judged(&plan(), record);
        assert_eq!(change(&found, &undecided), Change::Undecided);
        let passed = judged(&plan(), honest_record());
        assert_eq!(change(&found, &passed), Change::StillPasses);
        found.fingerprint = Some("0".to_owned());
        assert_eq!(change(&found, &passed), Change::NowPasses);
    }

    #[test]
    fn a_stored_plan_is_run_again() {
        let plan = short_plan(2);
        let first = replay(SYSTEMS, &plan, &RunOptions::default());
        assert_eq!(first.comparison, Comparison::NothingStored);
        let stored = first.outcome.stored(&plan);
        let again = replay(SYSTEMS, &stored, &RunOptions::default());
        assert_eq!(again.comparison, Comparison::Reproduced);
        assert_eq!(again.comparison.message(), None);
    }

    #[test]
    fn a_plan_that_was_changed_is_judged_afresh() {
        let plan = short_plan(2);
        let outcome = SYSTEMS.perform(&plan, &RunOptions::default());
        let mut stored = outcome.stored(&plan);
        stored.operations.truncate(3);
        let changed = replay(SYSTEMS, &stored, &RunOptions::default());
        let build = SYSTEMS.build().to_owned();
        assert_eq!(changed.comparison, Comparison::PlanChanged { build });
        assert!(changed.comparison.message().unwrap().ends_with("judged afresh"));
        // A plan of a build that wrote no digests is taken for what it was.
        stored.found.as_mut().unwrap().plan_digest = None;
        let unknown = replay(SYSTEMS, &stored, &RunOptions::default());
        assert!(matches!(unknown.comparison, Comparison::Diverged { .. }));
        let again = changed.outcome.stored(&stored);
        let again = replay(SYSTEMS, &again, &RunOptions::default());
        assert_eq!(again.comparison, Comparison::Reproduced);
    }
}
