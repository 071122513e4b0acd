//! What a campaign comes to. The same runs give the same summary, in whatever order they ended.

use std::collections::BTreeMap;

use evidence::AddsUp;

use crate::any::{AnySystem, Systems};
use crate::judge::{Failure, Verdict};
use crate::plan::Plan;
use crate::promise::Shown;
use crate::stats::Stats;

/// Fewer runs than this are too few to ask whether they saw enough.
pub const ENOUGH_RUNS_MIN: u64 = 50;
/// Plans of undecided runs that are kept.
const UNDECIDED_KEPT_MAX: usize = 20;
/// Plans that showed something new that are kept.
const NOVEL_KEPT_MAX: usize = 50;

/// Counts over all runs of a campaign.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    systems: Systems,
    /// Runs that came to an end.
    pub runs: u64,
    /// Without a contradiction.
    pub passed: u64,
    /// With at least one.
    pub failed: u64,
    /// Neither passed nor failed.
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// World time of all runs, in nanoseconds.
    pub simulated_ns: u64,
    /// What clients asked for, however it ended.
    pub operations: u64,
    /// Answered without error.
    pub acknowledged: u64,
    /// With an unknown end.
    pub unknown: u64,
    /// Faults by kind.
    pub faults: BTreeMap<String, u64>,
    /// What the systems counted, by figure; of samples, how many there were.
    pub figures: BTreeMap<String, u64>,
}

impl Summary {
    /// Of no run yet.
    pub fn of(systems: Systems) -> Summary {
        Summary {
            systems,
            runs: 0,
            passed: 0,
            failed: 0,
            undecided: 0,
            internal: 0,
            checked_twice: 0,
            not_deterministic: BTreeMap::new(),
            failures: BTreeMap::new(),
            undecided_plans: BTreeMap::new(),
            novel: BTreeMap::new(),
            totals: Totals::default(),
            shown: Shown::default(),
        }
    }

    /// Adds a run that ended with a verdict. `stored` is its plan with the build and its end.
    pub fn add(&mut self, position: u64, stored: &Plan, verdict: &Verdict, stats: &Stats) {
        self.runs += 1;
        self.totals.add(self.systems.of(stored), stats);
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
        let of_runs = self.systems.scenarios().filter(|of| self.shown.has(of.name()));
        let mut required: Vec<(String, String)> = Vec::new();
        for figure in of_runs.flat_map(|of| of.system.figure_declarations()) {
            let entry = (figure.id, figure.title);
            if figure.is_required && !required.contains(&entry) {
                required.push(entry);
            }
        }
        let is_asked = self.runs >= ENOUGH_RUNS_MIN;
        let count = |id: &String| self.totals.figures.get(id).copied().unwrap_or(0);
        let missing = required.into_iter().filter(|(id, _)| is_asked && count(id) == 0);
        let missing = missing.map(|(_, title)| title).chain(self.shown.not_kept(self.systems));
        let missing: Vec<String> = missing.collect();
        if missing.is_empty() { Ok(()) } else { Err(missing) }
    }
}

impl Totals {
    fn add(&mut self, system: &dyn AnySystem, stats: &Stats) {
        self.simulated_ns += stats.simulated_ms * 1_000_000;
        self.operations += stats.operations;
        self.acknowledged += stats.acknowledged;
        self.unknown += stats.unknown;
        for (kind, count) in &stats.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
        for figure in system.figure_declarations() {
            let id = figure.id.as_str();
            let value = match figure.adds_up {
                AddsUp::Samples => stats.figures.samples.get(id).map_or(0, Vec::len) as u64,
                AddsUp::Sum | AddsUp::Max => stats.figures.counts.get(id).copied().unwrap_or(0),
            };
            let total = self.figures.entry(figure.id).or_default();
            *total = if figure.adds_up == AddsUp::Max { value.max(*total) } else { *total + value };
        }
    }
}

#[cfg(test)]
mod tests {
    use probe::MarkId;

    use super::*;
    use crate::promise::PROMISE_RUNS_MIN;
    use crate::system::Figures;
    use crate::testing::{Mark, SYSTEMS, plan};

    fn failure(fingerprint: &str) -> Failure {
        Failure {
            property: "p".to_owned(),
            fingerprint: fingerprint.to_owned(),
            at_ns: 5,
            headline: "h".to_owned(),
            lines: Vec::new(),
            operations: Vec::new(),
            contradiction: None,
        }
    }

    fn promises() -> &'static [MarkId] {
        SYSTEMS.scenario("store/register").unwrap().scenario.promises
    }

    /// A run with so many copies and recoveries.
    fn counted(copies: u64, recoveries: u64) -> Stats {
        let counts = [("copies", copies), ("recoveries", recoveries)].into();
        Stats { figures: Figures { counts, ..Figures::default() }, ..Stats::default() }
    }

    fn seeded(seed: u64) -> Plan {
        Plan { seed, ..plan() }
    }

    #[test]
    fn kinds_of_failures_are_counted_once_with_their_first_plan_in_any_order() {
        let runs = [(3, "a"), (1, "a"), (2, "b")];
        let sum = |order: &[usize]| {
            let mut summary = Summary::of(SYSTEMS);
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
        let mut summary = Summary::of(SYSTEMS);
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
        let mut summary = Summary::of(SYSTEMS);
        (0..80).for_each(|position| summary.keep_novel(position, &seeded(position)));
        assert_eq!(summary.novel.len(), NOVEL_KEPT_MAX);
        assert_eq!(summary.novel.first_key_value().map(|(position, _)| *position), Some(30));
    }

    #[test]
    fn a_long_campaign_must_have_seen_everything() {
        let sum = |runs, recoveries| {
            let mut summary = Summary::of(SYSTEMS);
            for position in 0..runs {
                summary.add(position, &plan(), &Verdict::Pass, &counted(1, recoveries));
                summary.shown.add("store/register", promises().iter().copied());
            }
            summary.enough()
        };
        assert_eq!(sum(ENOUGH_RUNS_MIN, 1), Ok(()));
        assert_eq!(sum(ENOUGH_RUNS_MIN, 0), Err(vec!["recoveries".to_owned()]));
        assert_eq!(sum(3, 0), Ok(()));
    }

    #[test]
    fn figures_add_up_as_their_system_says() {
        let mut summary = Summary::of(SYSTEMS);
        for (position, (copies, longest)) in (0..).zip([(2, 5), (3, 9), (1, 4)]) {
            let counts = [("copies", copies), ("longest-log", longest), ("unheard-of", 1)].into();
            let samples = [("recovered-ms", vec![1; copies as usize])].into();
            let stats = Stats { figures: Figures { counts, samples }, ..Stats::default() };
            summary.add(position, &plan(), &Verdict::Pass, &stats);
        }
        let figures = summary.totals.figures;
        let expected = [("copies", 6), ("longest-log", 9), ("recovered-ms", 6), ("recoveries", 0)];
        assert!(
            figures.iter().map(|(id, total)| (id.as_str(), *total)).eq(expected),
            "{figures:?}"
        );
    }

    #[test]
    fn a_long_campaign_must_have_seen_what_its_scenarios_promise() {
        let sum = |reached: &[MarkId]| {
            let mut summary = Summary::of(SYSTEMS);
            for position in 0..PROMISE_RUNS_MIN {
                summary.add(position, &plan(), &Verdict::Pass, &counted(1, 1));
                summary.shown.add("store/register", reached.iter().copied());
            }
            summary.enough()
        };
        let promises = promises();
        assert_eq!(sum(promises), Ok(()));
        let missing = sum(&promises[1..]).unwrap_err();
        assert_eq!(missing.len(), 1);
        assert!(missing[0].starts_with(Mark::of(promises[0]).name()), "{missing:?}");
    }
}
