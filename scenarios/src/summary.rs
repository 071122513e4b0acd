//! What a campaign comes to. The same runs give the same summary, in whatever order they ended.

use std::collections::BTreeMap;

use serde::Serialize;
use sim::cluster::plan::Plan;

use crate::judge::{Failure, Verdict};
use crate::promise::Shown;
use crate::stats::Stats;

/// Fewer runs than this are too few to ask whether they saw enough.
pub const ENOUGH_RUNS_MIN: u64 = 50;
/// Plans of undecided runs that are kept.
const UNDECIDED_KEPT_MAX: usize = 20;
/// Plans that showed something new that are kept.
const NOVEL_KEPT_MAX: usize = 50;

/// Counts over all runs of a campaign.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Runs that came to an end.
    pub runs: u64,
    /// Without a contradiction.
    pub passed: u64,
    /// With at least one.
    pub failed: u64,
    /// Neither.
    pub undecided: u64,
    /// Runs in which the harness itself panicked.
    pub internal: u64,
    /// Runs that were performed twice to see whether they are deterministic.
    pub checked_twice: u64,
    /// Plans that ended otherwise the second time, by the run's position in the campaign.
    pub not_deterministic: BTreeMap<u64, Plan>,
    /// Each kind of failure once.
    pub failures: BTreeMap<String, Distinct>,
    /// The first undecided runs and internal errors: why, and their plans, by position.
    pub undecided_plans: BTreeMap<u64, (String, Plan)>,
    /// The last plans that showed something new, by position, if the campaign explored: the longer
    /// it went on, the rarer is what they showed.
    pub novel: BTreeMap<u64, Plan>,
    /// Sums over all runs.
    pub totals: Totals,
    /// The marks that runs without a planted bug hit.
    pub shown: Shown,
}

/// One kind of failure.
#[derive(Clone, Debug, PartialEq)]
pub struct Distinct {
    /// In how many runs it was seen.
    pub count: u64,
    /// The position in the campaign of the first run with it.
    pub first: u64,
    /// That run's plan, with the build and how it ended.
    pub plan: Plan,
    /// The failure as it was there.
    pub failure: Failure,
}

/// Sums of [`Stats`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Simulated nanoseconds.
    pub simulated_ns: u64,
    /// Requests.
    pub operations: u64,
    /// Answered without error.
    pub acknowledged: u64,
    /// With an unknown end.
    pub unknown: u64,
    /// Faults by kind.
    pub faults: BTreeMap<String, u64>,
    /// Leaders after the first of each run.
    pub leader_changes: u64,
    /// Synchronisations by DIFF.
    pub syncs_diff: u64,
    /// By TRUNC.
    pub syncs_trunc: u64,
    /// By SNAP.
    pub syncs_snap: u64,
    /// Crashes during synchronisation.
    pub crashes_during_sync: u64,
    /// Restarts of servers.
    pub restarts: u64,
    /// Locks and leaderships granted.
    pub grants: u64,
    /// Writes that only the fencing token stopped.
    pub writes_fenced: u64,
}

impl Summary {
    /// Adds a run that ended with a verdict. `stored` is its plan with the build and its end.
    pub fn add(&mut self, position: u64, stored: &Plan, verdict: &Verdict, stats: &Stats) {
        self.runs += 1;
        self.totals.add(stats);
        match verdict {
            Verdict::Pass => self.passed += 1,
            Verdict::Undecided(reason) => {
                self.undecided += 1;
                self.keep(position, reason, stored);
            }
            Verdict::Fail(failures) => {
                self.failed += 1;
                // Further failures of a run mostly follow from its first.
                if let Some(failure) = failures.first() {
                    self.add_failure(position, stored, failure);
                }
            }
        }
    }

    /// Adds a run in which the harness panicked.
    pub fn add_internal(&mut self, position: u64, plan: &Plan, message: &str) {
        self.runs += 1;
        self.internal += 1;
        self.keep(position, &format!("internal error: {message}"), plan);
    }

    fn keep(&mut self, position: u64, reason: &str, plan: &Plan) {
        self.undecided_plans.insert(position, (reason.to_owned(), plan.clone()));
        if self.undecided_plans.len() > UNDECIDED_KEPT_MAX {
            self.undecided_plans.pop_last();
        }
    }

    /// Keeps a plan whose run showed something new.
    pub fn keep_novel(&mut self, position: u64, stored: &Plan) {
        self.novel.insert(position, stored.clone());
        if self.novel.len() > NOVEL_KEPT_MAX {
            self.novel.pop_first();
        }
    }

    fn add_failure(&mut self, position: u64, stored: &Plan, failure: &Failure) {
        let new = || Distinct {
            count: 0,
            first: u64::MAX,
            plan: stored.clone(),
            failure: failure.clone(),
        };
        let distinct = self.failures.entry(failure.fingerprint.clone()).or_insert_with(new);
        distinct.count += 1;
        if position < distinct.first {
            distinct.first = position;
            distinct.plan = stored.clone();
            distinct.failure = failure.clone();
        }
    }

    /// Whether the campaign saw what it is for, and what its scenarios promise. A short one is not
    /// asked.
    ///
    /// # Errors
    /// What was hardly seen: a campaign without it has tested nothing of it.
    pub fn enough(&self) -> Result<(), Vec<String>> {
        let totals = &self.totals;
        let seen = [
            ("leader changes", totals.leader_changes),
            ("DIFF synchronisations", totals.syncs_diff),
            ("TRUNC synchronisations", totals.syncs_trunc),
            ("SNAP synchronisations", totals.syncs_snap),
            ("crashes during synchronisation", totals.crashes_during_sync),
        ];
        let is_asked = self.runs >= ENOUGH_RUNS_MIN;
        let missing = seen.into_iter().filter(|(_, count)| is_asked && *count == 0);
        let missing = missing.map(|(name, _)| name.to_owned()).chain(self.shown.not_kept());
        let missing: Vec<String> = missing.collect();
        if missing.is_empty() { Ok(()) } else { Err(missing) }
    }
}

impl Totals {
    fn add(&mut self, stats: &Stats) {
        self.simulated_ns += stats.simulated_ms * 1_000_000;
        self.operations += stats.operations;
        self.acknowledged += stats.acknowledged;
        self.unknown += stats.unknown;
        for (kind, count) in &stats.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
        self.leader_changes += stats.leader_changes;
        self.syncs_diff += stats.syncs_diff;
        self.syncs_trunc += stats.syncs_trunc;
        self.syncs_snap += stats.syncs_snap;
        self.crashes_during_sync += stats.crashes_during_sync;
        self.restarts += stats.restarts;
        self.grants += stats.grants;
        self.writes_fenced += stats.writes_fenced;
    }
}

#[cfg(test)]
mod tests {
    use keeper_core::marks::Mark;

    use super::*;
    use crate::promise::PROMISE_RUNS_MIN;
    use crate::property::testing::plan;
    use crate::registry::scenario;

    fn failure(fingerprint: &str) -> Failure {
        Failure {
            property: "p".to_owned(),
            fingerprint: fingerprint.to_owned(),
            at_ns: 5,
            headline: "h".to_owned(),
            lines: Vec::new(),
            contradiction: None,
        }
    }

    fn seeded(seed: u64) -> Plan {
        Plan { seed, ..plan() }
    }

    #[test]
    fn kinds_of_failures_are_counted_once_with_their_first_plan_in_any_order() {
        let runs = [(3, "a"), (1, "a"), (2, "b")];
        let sum = |order: &[usize]| {
            let mut summary = Summary::default();
            for index in order {
                let (position, fingerprint) = runs[*index];
                let verdict = Verdict::Fail(vec![failure(fingerprint), failure("later")]);
                summary.add(position, &seeded(position), &verdict, &Stats::default());
            }
            summary
        };
        let summary = sum(&[0, 1, 2]);
        assert_eq!(summary, sum(&[2, 1, 0]));
        assert_eq!((summary.runs, summary.failed, summary.failures.len()), (3, 3, 2));
        let a = &summary.failures["a"];
        assert_eq!((a.count, a.first, a.plan.seed), (2, 1, 1));
    }

    #[test]
    fn undecided_runs_keep_their_plans_up_to_a_limit() {
        let mut summary = Summary::default();
        for position in (0..30).rev() {
            let verdict = Verdict::Undecided("late".to_owned());
            summary.add(position, &seeded(position), &verdict, &Stats::default());
        }
        summary.add_internal(0, &seeded(0), "boom");
        assert_eq!((summary.undecided, summary.internal, summary.runs), (30, 1, 31));
        assert_eq!(summary.undecided_plans.len(), UNDECIDED_KEPT_MAX);
        assert!(summary.undecided_plans[&0].0.contains("boom"));
        assert!(summary.undecided_plans.contains_key(&19));
    }

    #[test]
    fn the_last_novel_plans_are_kept_up_to_a_limit() {
        let mut summary = Summary::default();
        (0..80).for_each(|position| summary.keep_novel(position, &seeded(position)));
        assert_eq!(summary.novel.len(), NOVEL_KEPT_MAX);
        assert_eq!(summary.novel.first_key_value().map(|(position, _)| *position), Some(30));
    }

    #[test]
    fn a_long_campaign_must_have_seen_everything() {
        let stats = |syncs_trunc| Stats {
            leader_changes: 1,
            syncs_diff: 1,
            syncs_snap: 1,
            syncs_trunc,
            crashes_during_sync: 1,
            ..Stats::default()
        };
        let sum = |runs, syncs_trunc| {
            let mut summary = Summary::default();
            for position in 0..runs {
                summary.add(position, &plan(), &Verdict::Pass, &stats(syncs_trunc));
            }
            summary.enough()
        };
        assert_eq!(sum(ENOUGH_RUNS_MIN, 1), Ok(()));
        assert_eq!(sum(ENOUGH_RUNS_MIN, 0), Err(vec!["TRUNC synchronisations".to_owned()]));
        assert_eq!(sum(3, 0), Ok(()));
    }

    #[test]
    fn a_long_campaign_must_have_seen_what_its_scenarios_promise() {
        let sum = |reached: &[Mark]| {
            let mut summary = Summary::default();
            for position in 0..PROMISE_RUNS_MIN {
                let stats = Stats { leader_changes: 1, syncs_diff: 1, ..Stats::default() };
                let stats = Stats { syncs_snap: 1, syncs_trunc: 1, ..stats };
                let stats = Stats { crashes_during_sync: 1, ..stats };
                summary.add(position, &plan(), &Verdict::Pass, &stats);
                summary.shown.add("keeper/register", reached.iter().copied());
            }
            summary.enough()
        };
        let promises = scenario("keeper/register").unwrap().promises;
        assert_eq!(sum(promises), Ok(()));
        let missing = sum(&promises[1..]).unwrap_err();
        assert_eq!(missing.len(), 1);
        assert!(missing[0].starts_with(promises[0].name()), "{missing:?}");
    }
}
