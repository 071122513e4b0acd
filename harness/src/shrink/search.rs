//! The search: candidates are performed, and the first that fails the same way is the next best.
//!
//! What happens after the contradiction does not change it, so candidates are not given the time
//! that a whole run takes to heal, nor are they performed without their planted bug. Both is made up
//! for by [`Search::confirm`] when a pass has ended: what does not hold then is taken back, and from
//! there on every single candidate is performed in full.

use std::collections::BTreeSet;

use probe::hash_bytes;
use sim::seed::Draws;

use super::passes::Stage;
use super::{Progress, Shrink, ShrinkError, Shrunk, Size, edit};
use crate::any::{AnySystem, Systems};
use crate::judge::{Failure, Verdict};
use crate::outcome::Outcome;
use crate::plan::{Plan, validate};
use crate::run::RunOptions;

/// A short candidate is tried with so many times the seeds of a long one at most.
const SHORTER_SEEDS_MAX: u64 = 32;
/// So long a chaos is worth all the seeds of a gamble.
const GAMBLE_CHAOS_MS: u64 = 3_000;
/// How long a candidate whose contradiction falls into its chaos goes on afterwards.
const TAIL_MS: u64 = 100;
/// How much longer than the best plan a candidate may take to its contradiction, if that comes
/// after chaos.
const HEALING_SLACK_MS: u64 = 2_000;

/// A search under way.
pub(super) struct Search<'a> {
    on_progress: &'a mut dyn FnMut(&Progress<'_>),
    measure: Measure<'a>,
    /// The plan that was given, with how it ended, and when.
    whole: (Plan, u64),
    /// The smallest plan on this way that is known to fail the same way in full.
    confirmed: (Plan, u64),
    /// The smallest on any way.
    smallest: (Plan, u64),
    /// On which way that was found.
    smallest_way: u64,
    performed: u64,
}

/// What candidates are measured by.
struct Measure<'a> {
    systems: Systems,
    options: &'a Shrink<'a>,
    fingerprint: String,
    events_max: u64,
    /// The smallest plan that fails the same way, as far as candidates are looked at.
    best: Plan,
    /// When the contradiction of `best` was complete.
    failed_ms: u64,
    /// Whether the plan has a planted bug and passes without it.
    is_clean_without: bool,
    /// Whether candidates are performed in full.
    is_careful: bool,
    stage: Stage,
    /// Which way the search takes: it decides in which order candidates are tried, and with which
    /// seeds.
    way: u64,
    /// With how many seeds candidates are tried at least.
    seeds_min: u64,
    /// Runs that did not fail the same way, by the hash of their plan.
    in_vain: BTreeSet<u64>,
}

/// What came of a candidate.
#[derive(Default)]
struct Attempt {
    /// The plan that failed the same way, and when.
    found: Option<(Plan, u64)>,
    in_vain: Vec<u64>,
    performed: u64,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        systems: Systems,
        plan: &Plan,
        options: &'a Shrink<'a>,
        on_progress: &'a mut dyn FnMut(&Progress<'_>),
    ) -> Result<Search<'a>, ShrinkError> {
        let outcome = systems.perform(plan, &RunOptions::default());
        let Some(earliest) = outcome.fingerprint() else {
            return Err(ShrinkError::DoesNotFail);
        };
        let stored = plan.found.as_ref().filter(|_| !plan.is_changed());
        let stored = stored.and_then(|found| found.fingerprint.clone());
        let wanted = options.fingerprint.map(str::to_owned).or(stored);
        let fingerprint = wanted.unwrap_or_else(|| earliest.to_owned());
        let Some(failure) = same_failure(&outcome, options, &fingerprint) else {
            let found = earliest.to_owned();
            return Err(ShrinkError::FailsOtherwise { found, stored: fingerprint });
        };
        let failed_ms = failed_ms(failure);
        let events_max = outcome.stats.events.saturating_mul(2).saturating_add(100_000);
        let is_clean_without = plan.plant.is_some() && passes_without(systems, plan, events_max);
        let measure = Measure {
            systems,
            options,
            fingerprint,
            events_max,
            best: Plan { found: None, ..plan.clone() },
            failed_ms,
            is_clean_without,
            is_careful: false,
            stage: super::passes::STAGES[0],
            way: 0,
            seeds_min: 1,
            in_vain: BTreeSet::new(),
        };
        let confirmed = (outcome.stored(plan), failed_ms);
        let performed = 1 + u64::from(plan.plant.is_some());
        let (whole, smallest) = (confirmed.clone(), confirmed.clone());
        let smallest_way = 0;
        Ok(Search { on_progress, measure, whole, confirmed, smallest, smallest_way, performed })
    }

    /// Begins with the whole plan, on another way for each number; 0 is the plain one.
    pub(super) fn set_out(&mut self, way: u64) {
        self.measure.way = way;
        self.measure.is_careful = false;
        self.go_on_from(self.whole.clone());
    }

    /// Goes on from the smallest plan of all ways.
    pub(super) fn return_to_smallest(&mut self) {
        self.measure.way = self.smallest_way;
        self.go_on_from(self.smallest.clone());
    }

    fn go_on_from(&mut self, confirmed: (Plan, u64)) {
        let (plan, failed_ms) = confirmed.clone();
        (self.measure.best, self.measure.failed_ms) = (Plan { found: None, ..plan }, failed_ms);
        self.confirmed = confirmed;
    }

    /// Whether a plan was found that a person can hold in the head.
    pub(super) fn has_small(&self) -> bool {
        Size::of(self.measure.systems, &self.smallest.0).is_small()
    }

    pub(super) fn best(&self) -> &Plan {
        &self.measure.best
    }

    /// The system that the plan is of.
    pub(super) fn system(&self) -> &'static dyn AnySystem {
        self.measure.systems.of(&self.measure.best)
    }

    /// When the contradiction of the best plan was complete.
    pub(super) fn failed_ms(&self) -> u64 {
        self.measure.failed_ms
    }

    pub(super) fn stage(&self) -> Stage {
        self.measure.stage
    }

    pub(super) fn jobs(&self) -> usize {
        self.measure.options.jobs.max(1)
    }

    pub(super) fn is_over(&self) -> bool {
        (self.measure.options.is_over)()
    }

    /// The best plan performed as it is, with every hit of a mark written down.
    pub(super) fn watch_best(&mut self) -> Option<Outcome> {
        self.performed += 1;
        let options = RunOptions {
            keep_marks: true,
            should_stop: Some(self.measure.options.is_over),
            events_max: Some(self.measure.events_max),
            ..RunOptions::default()
        };
        let hurried = self.measure.hurried(&self.measure.best);
        let outcome = self.measure.systems.perform(&hurried, &options);
        (outcome.verdict != Verdict::Pass).then_some(outcome)
    }

    pub(super) fn begin(&mut self, stage: Stage) {
        self.measure.stage = stage;
    }

    pub(super) fn end(self) -> Shrunk {
        let is_complete = !self.is_over();
        Shrunk { plan: self.smallest.0, performed: self.performed, is_complete }
    }

    /// Tries candidates; the first that fails the same way becomes the best plan, and its position is
    /// returned. On the plain way that is their order, on others the order is drawn.
    pub(super) fn try_all(&mut self, pass: &'static str, candidates: Vec<Plan>) -> Option<usize> {
        if self.measure.way == 0 {
            return self.try_in_order(pass, candidates);
        }
        let mut drawn: Vec<(usize, Plan)> = candidates.into_iter().enumerate().collect();
        // The same order however many runs go on at a time.
        let best = plan_hash(&self.measure.best);
        Draws::new(best, pass, self.measure.way).shuffle(&mut drawn);
        let (positions, candidates): (Vec<usize>, Vec<Plan>) = drawn.into_iter().unzip();
        self.try_in_order(pass, candidates).map(|turn| positions[turn])
    }

    /// As [`Search::try_all`], in their order on any way.
    pub(super) fn try_in_order(
        &mut self,
        pass: &'static str,
        candidates: Vec<Plan>,
    ) -> Option<usize> {
        let mut position = 0;
        for batch in candidates.chunks(self.jobs()) {
            if self.is_over() {
                return None;
            }
            let found = self.perform(batch);
            self.report(pass, false);
            if let Some((index, plan, failed_ms)) = found {
                (self.measure.best, self.measure.failed_ms) = (plan, failed_ms);
                return Some(position + index);
            }
            position += batch.len();
        }
        None
    }

    /// As [`Search::try_all`], with at least so many seeds for each candidate as long as runs are short,
    /// and fewer the longer they are.
    pub(super) fn gamble(
        &mut self,
        pass: &'static str,
        candidates: Vec<Plan>,
        seeds: u64,
    ) -> Option<usize> {
        let runs = seeds * GAMBLE_CHAOS_MS / self.measure.best.chaos_ms.max(GAMBLE_CHAOS_MS);
        self.measure.seeds_min = runs.clamp(1, self.measure.options.seeds.max(1));
        let accepted = self.try_all(pass, candidates);
        self.measure.seeds_min = 1;
        accepted
    }

    /// Performs the best plan in full. If it does not fail the same way then, or fails without its
    /// planted bug, the search goes back to the last plan that did.
    pub(super) fn confirm(&mut self, pass: &'static str) {
        if edit::same(&self.measure.best, &self.confirmed.0) {
            return;
        }
        let options =
            RunOptions { events_max: Some(self.measure.events_max), ..RunOptions::default() };
        let outcome = self.measure.systems.perform(&self.measure.best, &options);
        self.performed += 1 + u64::from(self.measure.is_clean_without);
        let failed =
            same_failure(&outcome, self.measure.options, &self.measure.fingerprint).map(failed_ms);
        let is_clean = !self.measure.is_clean_without
            || passes_without(self.measure.systems, &self.measure.best, self.measure.events_max);
        match failed.filter(|_| is_clean) {
            Some(failed_ms) => {
                self.measure.failed_ms = failed_ms;
                self.confirmed = (outcome.stored(&self.measure.best), failed_ms);
                self.keep_if_smallest(pass);
            }
            None => {
                self.go_on_from(self.confirmed.clone());
                self.measure.is_careful = true;
            }
        }
    }

    fn keep_if_smallest(&mut self, pass: &'static str) {
        let of = |plan| Size::of(self.measure.systems, plan);
        let (size, smallest) = (of(&self.confirmed.0), of(&self.smallest.0));
        // What comes later on one way is plainer, though sizes may not tell.
        let is_plainer = self.measure.way == self.smallest_way && !smallest.is_less_than(size);
        if is_plainer || size.is_less_than(smallest) {
            (self.smallest, self.smallest_way) = (self.confirmed.clone(), self.measure.way);
            self.report(pass, true);
        }
    }

    fn report(&mut self, pass: &'static str, is_smaller: bool) {
        let plan = if is_smaller { &self.smallest.0 } else { &self.measure.best };
        let performed = self.performed;
        (self.on_progress)(&Progress { plan, performed, pass, is_smaller });
    }

    /// Performs a batch, one thread for each plan.
    fn perform(&mut self, batch: &[Plan]) -> Option<(usize, Plan, u64)> {
        let measure = &self.measure;
        // The thread of the caller has nothing else to do.
        let attempts: Vec<Attempt> = match batch {
            [plan] => vec![measure.attempt(plan)],
            _ => std::thread::scope(|scope| {
                let threads: Vec<_> =
                    batch.iter().map(|plan| scope.spawn(|| measure.attempt(plan))).collect();
                let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                };
                threads.into_iter().map(join).collect()
            }),
        };
        let mut first = None;
        for (index, attempt) in attempts.into_iter().enumerate() {
            self.performed += attempt.performed;
            self.measure.in_vain.extend(attempt.in_vain);
            if let (None, Some((plan, failed_ms))) = (&first, attempt.found) {
                first = Some((index, plan, failed_ms));
            }
        }
        first
    }
}

impl Measure<'_> {
    /// Performs a candidate with several seeds, until one fails the same way.
    fn attempt(&self, candidate: &Plan) -> Attempt {
        let mut attempt = Attempt::default();
        for n in 0..self.seeds_of(candidate) {
            let plan = edit::with_seed(candidate, n, self.way);
            if validate(self.systems, &plan).is_err() || (self.options.is_over)() {
                break;
            }
            let hurried = self.hurried(&plan);
            let hash = plan_hash(&hurried);
            if self.in_vain.contains(&hash) {
                continue;
            }
            attempt.performed += 1;
            let run = RunOptions {
                should_stop: Some(self.options.is_over),
                events_max: Some(self.events_max),
                ..RunOptions::default()
            };
            let outcome = self.systems.perform(&hurried, &run);
            let failed = same_failure(&outcome, self.options, &self.fingerprint).map(failed_ms);
            let is_proof = !self.is_careful || !self.is_clean_without;
            match failed
                .filter(|_| is_proof || passes_without(self.systems, &plan, self.events_max))
            {
                Some(failed_ms) => {
                    attempt.found = Some((plan, failed_ms));
                    break;
                }
                None => attempt.in_vain.push(hash),
            }
        }
        attempt
    }

    /// With how many seeds a candidate is tried: more if it costs little beside the best plan.
    fn seeds_of(&self, candidate: &Plan) -> u64 {
        let seeds = self.stage.seeds.min(self.options.seeds.max(1));
        let times_shorter = self.best.chaos_ms / candidate.chaos_ms.max(1);
        (seeds * times_shorter.clamp(1, SHORTER_SEEDS_MAX)).max(self.seeds_min)
    }

    /// The plan with no more time to heal than it takes to see the contradiction.
    fn hurried(&self, plan: &Plan) -> Plan {
        let heal_ms = match self.failed_ms.checked_sub(self.best.chaos_ms) {
            _ if self.is_careful => plan.heal_ms,
            Some(after_ms) if after_ms > 0 => 2 * after_ms + HEALING_SLACK_MS,
            _ => TAIL_MS,
        };
        Plan { heal_ms: heal_ms.min(plan.heal_ms), ..plan.clone() }
    }
}

/// The failure that is looked for, if the run has it.
fn same_failure<'a>(
    outcome: &'a Outcome,
    options: &Shrink<'_>,
    fingerprint: &str,
) -> Option<&'a Failure> {
    let among = match options.fingerprint {
        Some(_) => outcome.failures(),
        None => &outcome.failures()[..outcome.failures().len().min(1)],
    };
    among.iter().find(|failure| failure.fingerprint == fingerprint)
}

fn failed_ms(failure: &Failure) -> u64 {
    failure.at_ns.div_ceil(1_000_000)
}

fn passes_without(systems: Systems, plan: &Plan, events_max: u64) -> bool {
    let without = Plan { plant: None, found: None, ..plan.clone() };
    let options = RunOptions { events_max: Some(events_max), ..RunOptions::default() };
    systems.perform(&without, &options).verdict == Verdict::Pass
}

fn plan_hash(plan: &Plan) -> u64 {
    hash_bytes(&serde_json::to_vec(plan).expect("a plan is plain data with text keys"))
}
