//! The search: candidates are performed, and the first that fails the same way is the next best.
//!
//! What happens after the contradiction does not change it, so candidates are not given the time
//! that a whole run takes to heal, nor are they performed without their planted bug. Both is made up
//! for by [`Search::confirm`] when a pass has ended: what does not hold then is taken back, and from
//! there on every single candidate is performed in full.
//!
//! What a search has done is counted in events of the world: the same plan with the same limit ends with
//! the same result, whatever else the machine is at and however many runs go on at a time. What was performed
//! beside an accepted candidate, and would not have been without company, does not count.

use std::collections::BTreeSet;

use probe::hash_bytes;
use sim::seed::Draws;

use super::passes::Stage;
use super::{Ended, Progress, Shrink, ShrinkError, Shrunk, Size, edit};
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
    /// The plan that was given, with how it ended.
    whole: Failing,
    /// The smallest plan on this way that is known to fail the same way in full.
    confirmed: Failing,
    /// The smallest on any way.
    smallest: Failing,
    /// On which way that was found.
    smallest_way: u64,
    performed: u64,
    /// Events of the runs that were performed.
    work: u64,
}

/// A plan that fails in the way that is looked for.
#[derive(Clone)]
pub(super) struct Failing {
    pub(super) plan: Plan,
    /// When the contradiction was complete.
    pub(super) failed_ms: u64,
    /// The positions of the operations that the contradiction speaks of.
    pub(super) named: Vec<usize>,
}

impl Failing {
    fn new(plan: Plan, failure: &Failure) -> Failing {
        let failed_ms = failure.at_ns.div_ceil(1_000_000);
        Failing { plan, failed_ms, named: failure.operations.clone() }
    }
}

/// What candidates are measured by.
struct Measure<'a> {
    systems: Systems,
    options: &'a Shrink<'a>,
    fingerprint: String,
    events_max: u64,
    /// The smallest plan that fails the same way, as far as candidates are looked at.
    best: Failing,
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

/// What came of a candidate: its runs in their order.
#[derive(Default)]
struct Attempt {
    /// Those that did not fail the same way, by the hash of their plan, and what they cost.
    in_vain: Vec<(u64, u64)>,
    /// The one that did, and what it cost.
    found: Option<(Failing, u64)>,
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
        let events_max = outcome.stats.events.saturating_mul(2).saturating_add(100_000);
        let mut work = outcome.stats.events;
        let is_clean_without =
            plan.plant.is_some() && passes_without(systems, plan, events_max, &mut work);
        let best = Failing::new(Plan { found: None, ..plan.clone() }, failure);
        let measure = Measure {
            systems,
            options,
            fingerprint,
            events_max,
            best,
            is_clean_without,
            is_careful: false,
            stage: super::passes::STAGES[0],
            way: 0,
            seeds_min: 1,
            in_vain: BTreeSet::new(),
        };
        let confirmed = Failing::new(outcome.stored(plan), failure);
        let performed = 1 + u64::from(plan.plant.is_some());
        let (whole, smallest) = (confirmed.clone(), confirmed.clone());
        let smallest_way = 0;
        Ok(Search {
            on_progress,
            measure,
            whole,
            confirmed,
            smallest,
            smallest_way,
            performed,
            work,
        })
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

    fn go_on_from(&mut self, confirmed: Failing) {
        let plan = Plan { found: None, ..confirmed.plan.clone() };
        self.measure.best = Failing { plan, ..confirmed.clone() };
        self.confirmed = confirmed;
    }

    /// Whether a plan was found that a person can hold in the head.
    pub(super) fn has_small(&self) -> bool {
        Size::of(self.measure.systems, &self.smallest.plan).is_small()
    }

    pub(super) fn best(&self) -> &Plan {
        &self.measure.best.plan
    }

    /// The system that the plan is of.
    pub(super) fn system(&self) -> &'static dyn AnySystem {
        self.measure.systems.of(self.best())
    }

    /// When the contradiction of the best plan was complete.
    pub(super) fn failed_ms(&self) -> u64 {
        self.measure.best.failed_ms
    }

    /// The positions of the operations of the best plan that its contradiction speaks of.
    pub(super) fn named(&self) -> &[usize] {
        &self.measure.best.named
    }

    pub(super) fn stage(&self) -> Stage {
        self.measure.stage
    }

    pub(super) fn jobs(&self) -> usize {
        self.measure.options.jobs.max(1)
    }

    pub(super) fn is_over(&self) -> bool {
        self.work_is_done() || (self.measure.options.is_over)()
    }

    fn work_is_done(&self) -> bool {
        self.work >= self.measure.options.work_max
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
        let hurried = self.measure.hurried(self.best());
        let outcome = self.measure.systems.perform(&hurried, &options);
        self.work += outcome.stats.events;
        (outcome.verdict != Verdict::Pass).then_some(outcome)
    }

    pub(super) fn begin(&mut self, stage: Stage) {
        self.measure.stage = stage;
    }

    pub(super) fn end(self) -> Shrunk {
        let ended = match (self.work_is_done(), (self.measure.options.is_over)()) {
            (true, _) => Ended::Work,
            (false, true) => Ended::Told,
            (false, false) => Ended::Complete,
        };
        let Search { smallest, performed, work, .. } = self;
        Shrunk { plan: smallest.plan, performed, work, ended }
    }

    /// Tries candidates; the first that fails the same way becomes the best plan, and its position is
    /// returned. On the plain way that is their order, on others the order is drawn.
    pub(super) fn try_all(&mut self, pass: &'static str, candidates: Vec<Plan>) -> Option<usize> {
        if self.measure.way == 0 {
            return self.try_in_order(pass, candidates);
        }
        let mut drawn: Vec<(usize, Plan)> = candidates.into_iter().enumerate().collect();
        // The same order however many runs go on at a time.
        let best = plan_hash(self.best());
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
            if let Some((index, found)) = found {
                self.measure.best = found;
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
        let runs = seeds * GAMBLE_CHAOS_MS / self.best().chaos_ms.max(GAMBLE_CHAOS_MS);
        self.measure.seeds_min = runs.clamp(1, self.measure.options.seeds.max(1));
        let accepted = self.try_all(pass, candidates);
        self.measure.seeds_min = 1;
        accepted
    }

    /// Performs the best plan in full. If it does not fail the same way then, or fails without its
    /// planted bug, the search goes back to the last plan that did.
    pub(super) fn confirm(&mut self, pass: &'static str) {
        if edit::same(self.best(), &self.confirmed.plan) {
            return;
        }
        let Measure { systems, options, events_max, is_clean_without, .. } = self.measure;
        let best = &self.measure.best.plan;
        let run = RunOptions { events_max: Some(events_max), ..RunOptions::default() };
        let outcome = systems.perform(best, &run);
        self.performed += 1 + u64::from(is_clean_without);
        self.work += outcome.stats.events;
        let failure = same_failure(&outcome, options, &self.measure.fingerprint);
        let is_clean =
            !is_clean_without || passes_without(systems, best, events_max, &mut self.work);
        match failure.filter(|_| is_clean) {
            Some(failure) => {
                self.confirmed = Failing::new(outcome.stored(best), failure);
                self.measure.best = Failing::new(best.clone(), failure);
                self.keep_if_smallest(pass);
            }
            None => {
                self.go_on_from(self.confirmed.clone());
                self.measure.is_careful = true;
            }
        }
    }

    fn keep_if_smallest(&mut self, pass: &'static str) {
        let of = |failing: &Failing| Size::of(self.measure.systems, &failing.plan);
        let (size, smallest) = (of(&self.confirmed), of(&self.smallest));
        // What comes later on one way is plainer, though sizes may not tell.
        let is_plainer = self.measure.way == self.smallest_way
            && size.faults <= smallest.faults
            && !smallest.is_less_than(size);
        if is_plainer || size.is_less_than(smallest) {
            (self.smallest, self.smallest_way) = (self.confirmed.clone(), self.measure.way);
            self.report(pass, true);
        }
    }

    fn report(&mut self, pass: &'static str, is_smaller: bool) {
        let (plan, at) = (&self.smallest.plan, &self.measure.best.plan);
        let performed = self.performed;
        (self.on_progress)(&Progress { plan, at, performed, pass, is_smaller });
    }

    /// Performs a batch, one thread for each plan.
    fn perform(&mut self, batch: &[Plan]) -> Option<(usize, Failing)> {
        let measure = &self.measure;
        let left = measure.options.work_max.saturating_sub(self.work);
        // The thread of the caller has nothing else to do.
        let attempts: Vec<Attempt> = match batch {
            [plan] => vec![measure.attempt(plan, left)],
            _ => std::thread::scope(|scope| {
                let threads: Vec<_> =
                    batch.iter().map(|plan| scope.spawn(|| measure.attempt(plan, left))).collect();
                let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                };
                threads.into_iter().map(join).collect()
            }),
        };
        let found = attempts.into_iter().map(|attempt| self.account(attempt));
        // Those behind the first that is accepted are not counted.
        found.enumerate().find_map(|(index, found)| Some((index, found?)))
    }

    /// Counts what an attempt cost, as if those before it in its batch had been made before it.
    fn account(&mut self, attempt: Attempt) -> Option<Failing> {
        for (hash, cost) in attempt.in_vain {
            if self.work_is_done() {
                return None;
            }
            if self.measure.in_vain.insert(hash) {
                self.performed += 1;
                self.work += cost;
            }
        }
        let (found, cost) = attempt.found.filter(|_| !self.work_is_done())?;
        self.performed += 1;
        self.work += cost;
        Some(found)
    }
}

impl Measure<'_> {
    /// Performs a candidate with several seeds, until one fails the same way or the work that is left is
    /// done. One with more faults than the best plan is no smaller one.
    fn attempt(&self, candidate: &Plan, left: u64) -> Attempt {
        let (mut attempt, mut done) = (Attempt::default(), 0);
        if candidate.faults.len() > self.best.plan.faults.len() {
            return attempt;
        }
        for n in 0..self.seeds_of(candidate) {
            let plan = edit::with_seed(candidate, n, self.way);
            let is_over = done >= left || (self.options.is_over)();
            if validate(self.systems, &plan).is_err() || is_over {
                break;
            }
            let hurried = self.hurried(&plan);
            let hash = plan_hash(&hurried);
            if self.in_vain.contains(&hash) {
                continue;
            }
            let run = RunOptions {
                should_stop: Some(self.options.is_over),
                events_max: Some(self.events_max),
                ..RunOptions::default()
            };
            let outcome = self.systems.perform(&hurried, &run);
            let mut cost = outcome.stats.events;
            let failure = same_failure(&outcome, self.options, &self.fingerprint);
            let is_proof = !self.is_careful || !self.is_clean_without;
            let mut passes = || passes_without(self.systems, &plan, self.events_max, &mut cost);
            match failure.filter(|_| is_proof || passes()) {
                Some(failure) => {
                    attempt.found = Some((Failing::new(plan, failure), cost));
                    break;
                }
                None => attempt.in_vain.push((hash, cost)),
            }
            done += cost;
        }
        attempt
    }

    /// With how many seeds a candidate is tried: more if it costs little beside the best plan.
    fn seeds_of(&self, candidate: &Plan) -> u64 {
        let seeds = self.stage.seeds.min(self.options.seeds.max(1));
        let times_shorter = self.best.plan.chaos_ms / candidate.chaos_ms.max(1);
        (seeds * times_shorter.clamp(1, SHORTER_SEEDS_MAX)).max(self.seeds_min)
    }

    /// The plan with no more time to heal than it takes to see the contradiction.
    fn hurried(&self, plan: &Plan) -> Plan {
        let heal_ms = match self.best.failed_ms.checked_sub(self.best.plan.chaos_ms) {
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

/// Whether the plan passes without its planted bug; adds what it costs to see that.
fn passes_without(systems: Systems, plan: &Plan, events_max: u64, work: &mut u64) -> bool {
    let without = Plan { plant: None, found: None, ..plan.clone() };
    let options = RunOptions { events_max: Some(events_max), ..RunOptions::default() };
    let outcome = systems.perform(&without, &options);
    *work += outcome.stats.events;
    outcome.verdict == Verdict::Pass
}

fn plan_hash(plan: &Plan) -> u64 {
    hash_bytes(&serde_json::to_vec(plan).expect("a plan is plain data with text keys"))
}
