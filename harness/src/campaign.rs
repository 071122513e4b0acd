//! Many seeds on all cores.
//!
//! The plan at a position of a campaign is a function of the campaign's seed and the position, so
//! that a campaign of a fixed number of runs always gives the same summary; of one that explores it
//! is a function of what came before, too. One run is one thread;
//! this is the only part of the crate that starts threads and reads the machine's clock.

mod explore;

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use sim::EngineKind;
use sim::seed::Draws;

use crate::any::{ScenarioOf, Systems};
use crate::judge::Verdict;
use crate::outcome::Outcome;
use crate::partition::Partition;
use crate::plan::Plan;
use crate::run::RunOptions;
use crate::stored::StoredPlan;
use crate::summary::Summary;

/// One run of so many is performed twice, unless a campaign says otherwise.
const TWICE_EVERY: u64 = 20;

/// What to run.
#[derive(Clone)]
pub struct Campaign {
    /// The systems whose plans it may meet.
    pub systems: Systems,
    /// Of these scenarios in turn; at least one.
    pub scenarios: Vec<ScenarioOf>,
    /// Decides every plan.
    pub seed: u64,
    /// How many seeds, of all shards together; none for no limit.
    pub runs: Option<u64>,
    /// Which of these runs are performed here.
    pub partition: Partition,
    /// No run begins after this time; none for no limit.
    pub time_max: Option<Duration>,
    /// Threads; at least one.
    pub jobs: usize,
    /// Whether the corpus comes first, as far as it belongs to the scenarios.
    pub corpus: bool,
    /// Which simulated world performs the seeds; a plan of the corpus names its own.
    pub engine: EngineKind,
    /// The bug planted in every run.
    pub plant: Option<String>,
    /// A run that takes longer on the wall is cut off and undecided.
    pub run_time_max: Duration,
    /// A run whose record takes more memory, in bytes, is cut off and undecided; none for no limit.
    pub run_memory_max: Option<u64>,
    /// No run begins after so many have failed; none for no limit. Runs under way are finished.
    pub failures_max: Option<u64>,
    /// Once it is set, runs under way are cut off and no other begins: nobody can keep what they would
    /// find.
    pub abandon: Arc<AtomicBool>,
    /// Every so many runs one is performed twice, and must end the same; 0 for never.
    pub twice_every: u64,
    /// Whether a third of the runs are changed plans of runs that showed something new. It excludes
    /// a partition: what a run is then depends on the runs before it.
    pub explore: bool,
}

/// Where a campaign's run comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The corpus, by name.
    Corpus(&'static str),
    /// The plan's seed.
    Seed,
    /// A plan that showed something new, changed a little.
    Mutant,
}

/// A run of a campaign that has ended.
pub struct Finished {
    /// Its position in the whole campaign: the corpus first, then the seeds.
    pub position: u64,
    /// Where its plan comes from.
    pub origin: Origin,
    /// The plan, with the build and how it ended unless the harness panicked.
    pub plan: Plan,
    /// How it ended, or the message of a panic of the harness itself.
    pub result: Result<Outcome, String>,
    /// Whether it was performed twice, and then whether both ended the same.
    pub repeated: Option<bool>,
}

/// Performs one plan.
type Runner<'a> = &'a (dyn Fn(&Plan, &RunOptions<'_>) -> Outcome + Sync);

/// How many runs this machine performs at a time: one for each core.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Campaign {
    /// Every scenario for a minute on all cores, the corpus first.
    pub fn of(systems: Systems) -> Campaign {
        let jobs = cores();
        Campaign {
            systems,
            scenarios: systems.scenarios().collect(),
            seed: 0,
            runs: None,
            partition: Partition::WHOLE,
            time_max: Some(Duration::from_secs(60)),
            jobs,
            corpus: true,
            engine: EngineKind::default(),
            plant: None,
            run_time_max: Duration::from_secs(120),
            run_memory_max: None,
            failures_max: None,
            abandon: Arc::default(),
            twice_every: TWICE_EVERY,
            explore: false,
        }
    }
}

impl Campaign {
    /// The plan of the n-th seed.
    ///
    /// # Panics
    /// If the campaign has no scenario.
    pub fn plan(&self, n: u64) -> Plan {
        assert!(!self.scenarios.is_empty(), "a campaign needs a scenario");
        let scenario = self.scenarios[(n % self.scenarios.len() as u64) as usize];
        // 48 bits: exact in every reader of JSON, and short enough to type.
        let seed = Draws::new(self.seed, "campaign", n).bits() >> 16;
        Plan { plant: self.plant.clone(), ..scenario.plan(seed, self.engine) }
    }

    /// Runs until the runs are done, the time is up, `stop` is set or `on_finished` breaks; runs
    /// under way are finished first. `on_finished` hears of every run in the order in which they
    /// end.
    pub fn run(
        &self,
        stop: &AtomicBool,
        on_finished: &mut dyn FnMut(&Finished) -> ControlFlow<()>,
    ) -> Summary {
        let systems = self.systems;
        self.run_with(&|plan, options| systems.perform(plan, options), stop, on_finished)
    }

    fn run_with(
        &self,
        runner: Runner<'_>,
        stop: &AtomicBool,
        on_finished: &mut dyn FnMut(&Finished) -> ControlFlow<()>,
    ) -> Summary {
        let work = Work {
            campaign: self,
            runner,
            corpus: self.corpus_entries(),
            began: Clock::start(),
            next: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            enough: AtomicBool::new(false),
            stop,
        };
        if self.explore {
            assert!(
                self.partition.is_whole(),
                "a shard cannot explore: it sees a part of the runs"
            );
            return explore::explore(&work, on_finished);
        }
        let mut summary = Summary::of(self.systems);
        let (sender, receiver) = channel();
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                let (sender, work) = (sender.clone(), &work);
                scope.spawn(move || work.perform(&sender));
            }
            drop(sender);
            for finished in receiver {
                note(&mut summary, &finished);
                if on_finished(&finished).is_break() {
                    work.enough.store(true, Ordering::Relaxed);
                }
            }
        });
        summary
    }

    fn corpus_entries(&self) -> Vec<StoredPlan> {
        if !self.corpus {
            return Vec::new();
        }
        let belongs = |plan: &Plan| self.scenarios.iter().any(|s| s.name() == plan.scenario);
        self.systems.corpus().into_iter().filter(|entry| belongs(&entry.plan)).collect()
    }
}

/// What the threads of a campaign share.
struct Work<'a> {
    campaign: &'a Campaign,
    runner: Runner<'a>,
    corpus: Vec<StoredPlan>,
    began: Clock,
    next: AtomicU64,
    /// Runs that failed, told to the caller or not yet.
    failed: AtomicU64,
    /// The caller has heard enough.
    enough: AtomicBool,
    stop: &'a AtomicBool,
}

impl Work<'_> {
    fn perform(&self, sender: &Sender<Finished>) {
        while !self.is_over() {
            let turn = self.next.fetch_add(1, Ordering::Relaxed);
            let Some((position, origin, plan)) = self.plan_at(turn) else { return };
            if sender.send(self.run_one(position, origin, plan)).is_err() {
                return;
            }
        }
    }

    fn is_over(&self) -> bool {
        let is_late = self.campaign.time_max.is_some_and(|max| self.began.elapsed() >= max);
        let failed = self.failed.load(Ordering::Relaxed);
        let is_enough = self.campaign.failures_max.is_some_and(|max| failed >= max);
        let is_abandoned = self.campaign.abandon.load(Ordering::Relaxed);
        is_late
            || is_enough
            || is_abandoned
            || self.stop.load(Ordering::Relaxed)
            || self.enough.load(Ordering::Relaxed)
    }

    /// The run whose turn it is here, with its position in the whole campaign.
    fn plan_at(&self, turn: u64) -> Option<(u64, Origin, Plan)> {
        let campaign = self.campaign;
        let position = campaign.partition.of_list(turn);
        if let Some(entry) = self.corpus.get(position as usize) {
            let plant = campaign.plant.clone().or_else(|| entry.plan.plant.clone());
            let plan = Plan { plant, found: None, ..entry.plan.clone() };
            return Some((position, Origin::Corpus(entry.name), plan));
        }
        let corpus = self.corpus.len() as u64;
        let turn = turn - campaign.partition.share_of(corpus);
        let n = campaign.partition.of_seeds(turn, campaign.scenarios.len() as u64);
        let is_wanted = campaign.runs.is_none_or(|runs| n < runs);
        is_wanted.then(|| (corpus + n, Origin::Seed, campaign.plan(n)))
    }

    fn run_one(&self, position: u64, origin: Origin, plan: Plan) -> Finished {
        let twice_every = self.campaign.twice_every;
        let twice = twice_every > 0 && position.is_multiple_of(twice_every);
        // The plan is only read: a panic leaves nothing half-done behind.
        let performed = catch_unwind(AssertUnwindSafe(|| {
            let (first, is_whole) = self.run_timed(&plan);
            let again = (twice && is_whole).then(|| self.run_timed(&plan));
            // Where the wall's clock ends a run says nothing of the run.
            let again = again.filter(|(_, is_whole)| *is_whole);
            let repeated = again.map(|(second, _)| second.trace_hash == first.trace_hash);
            (first, repeated)
        }));
        match performed {
            Ok((outcome, repeated)) => {
                if matches!(outcome.verdict, Verdict::Fail(_)) {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                }
                let plan = outcome.stored(&plan);
                Finished { position, origin, plan, repeated, result: Ok(outcome) }
            }
            Err(panic) => {
                let message = message_of(panic.as_ref());
                Finished { position, origin, plan, result: Err(message), repeated: None }
            }
        }
    }

    /// Performs a plan, and says whether it came to its end in time.
    fn run_timed(&self, plan: &Plan) -> (Outcome, bool) {
        let clock = Clock::start();
        let time_max = self.campaign.run_time_max;
        let was_stopped = AtomicBool::new(false);
        let is_late = || {
            let is_late = clock.elapsed() > time_max;
            let is_late = is_late || self.campaign.abandon.load(Ordering::Relaxed);
            was_stopped.fetch_or(is_late, Ordering::Relaxed) || is_late
        };
        let options = RunOptions {
            should_stop: Some(&is_late),
            memory_max: self.campaign.run_memory_max,
            ..RunOptions::default()
        };
        let mut outcome = (self.runner)(plan, &options);
        outcome.stats.wall_ms = clock.elapsed().as_millis() as u64;
        let was_stopped = was_stopped.load(Ordering::Relaxed);
        if let Verdict::Undecided(reason) = &mut outcome.verdict
            && was_stopped
        {
            *reason = format!("the run was cut off: it took longer than {time_max:?}");
        }
        (outcome, !was_stopped)
    }
}

fn note(summary: &mut Summary, finished: &Finished) {
    match &finished.result {
        Ok(outcome) => {
            summary.add(finished.position, &finished.plan, &outcome.verdict, &outcome.stats);
            if finished.plan.plant.is_none() {
                let reached = outcome.marks.reached().map(|(mark, _)| mark);
                summary.shown.add(&finished.plan.scenario, reached);
                summary.shown.aim(&finished.plan.scenario, &outcome.stats.roles);
            }
        }
        Err(message) => summary.add_internal(finished.position, &finished.plan, message),
    }
    if let Some(same) = finished.repeated {
        summary.checked_twice += 1;
        if !same {
            summary.not_deterministic.insert(finished.position, finished.plan.clone());
        }
    }
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}

/// The machine's clock.
struct Clock(Instant);

impl Clock {
    #[allow(clippy::disallowed_methods, reason = "a campaign's time is real, not simulated")]
    fn start() -> Clock {
        Clock(Instant::now())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::testing::{SYSTEMS, honest_record, judged};

    fn campaign(runs: u64) -> Campaign {
        Campaign {
            runs: Some(runs),
            time_max: None,
            jobs: 2,
            corpus: false,
            twice_every: 0,
            ..Campaign::of(SYSTEMS)
        }
    }

    /// Every third seed panics in the code under test.
    fn pretend(plan: &Plan, _options: &RunOptions<'_>) -> Outcome {
        let mut record = honest_record();
        record.trace_hash = plan.seed;
        record.history.calls.clear();
        if plan.seed.is_multiple_of(3) {
            record.panic = Some("boom".to_owned());
        }
        judged(plan, record)
    }

    fn go_on(_: &Finished) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    #[test]
    fn a_fixed_number_of_runs_gives_one_summary_on_any_number_of_threads() {
        let never = AtomicBool::new(false);
        let one = Campaign { jobs: 1, ..campaign(30) };
        let summary = one.run_with(&pretend, &never, &mut go_on);
        let parallel = Campaign { jobs: 4, ..campaign(30) };
        assert_eq!(summary, parallel.run_with(&pretend, &never, &mut go_on));
        assert_eq!(summary.runs, 30);
        assert_eq!(summary.failed + summary.undecided, 30);
        assert!(summary.failed > 3 && !summary.failures.is_empty());
    }

    #[test]
    fn plans_are_a_function_of_seed_and_position() {
        let (one, other) = (campaign(1), Campaign { seed: 1, ..campaign(9) });
        assert_eq!(one.plan(7), campaign(100).plan(7));
        let seeds: BTreeSet<u64> =
            (0..50).flat_map(|n| [one.plan(n).seed, other.plan(n).seed]).collect();
        assert_eq!(seeds.len(), 100);
        let scenarios: BTreeSet<String> = (0..3).map(|n| one.plan(n).scenario).collect();
        assert_eq!(scenarios.len(), 3);
        let planted = Campaign { plant: Some("acks-before-sync".to_owned()), ..campaign(1) };
        assert_eq!(planted.plan(0).plant.as_deref(), Some("acks-before-sync"));
    }

    #[test]
    fn shards_together_perform_the_whole_campaign_once() {
        let never = AtomicBool::new(false);
        let performed = |partition: Partition| {
            let shard = Campaign { partition, corpus: true, ..campaign(23) };
            let mut runs = BTreeMap::new();
            shard.run_with(&pretend, &never, &mut |finished| {
                let plan = (finished.origin, finished.plan.clone());
                assert_eq!(runs.insert(finished.position, plan), None);
                ControlFlow::Continue(())
            });
            runs
        };
        let whole = performed(Partition::WHOLE);
        assert_eq!(whole.len(), 23 + SYSTEMS.corpus().len());
        for count in [2, 3, 5, 9, 40] {
            let mut together = BTreeMap::new();
            for number in 1..=count {
                let shard = performed(Partition::new(number, count).unwrap());
                assert_eq!(shard, performed(Partition::new(number, count).unwrap()));
                for (position, plan) in shard {
                    assert_eq!(together.insert(position, plan), None, "{count} shards");
                }
            }
            assert_eq!(together, whole, "{count} shards");
        }
    }

    #[test]
    fn the_corpus_comes_first() {
        let never = AtomicBool::new(false);
        let with_corpus = Campaign { corpus: true, jobs: 1, ..campaign(1) };
        let mut origins = Vec::new();
        with_corpus.run_with(&pretend, &never, &mut |finished| {
            origins.push(finished.origin);
            ControlFlow::Continue(())
        });
        assert_eq!(origins.last(), Some(&Origin::Seed));
        assert!(origins.contains(&Origin::Corpus("store/alone.json")));
    }

    #[test]
    fn a_panic_of_the_harness_is_reported_with_its_plan() {
        let never = AtomicBool::new(false);
        let fall = |_: &Plan, _: &RunOptions<'_>| -> Outcome { panic!("the harness fell") };
        let summary = campaign(2).run_with(&fall, &never, &mut go_on);
        assert_eq!((summary.runs, summary.internal), (2, 2));
        assert!(summary.undecided_plans[&0].0.contains("the harness fell"));
    }

    #[test]
    fn a_run_that_differs_the_second_time_is_found() {
        let never = AtomicBool::new(false);
        let count = AtomicU64::new(0);
        let fickle = |plan: &Plan, options: &RunOptions<'_>| {
            let mut outcome = pretend(plan, options);
            outcome.trace_hash = count.fetch_add(1, Ordering::Relaxed);
            outcome
        };
        let twice = Campaign { twice_every: 2, jobs: 1, ..campaign(4) };
        let summary = twice.run_with(&fickle, &never, &mut go_on);
        assert_eq!((summary.checked_twice, summary.not_deterministic.len()), (2, 2));
        let summary = twice.run_with(&pretend, &never, &mut go_on);
        assert_eq!((summary.checked_twice, summary.not_deterministic.len()), (2, 0));
    }

    #[test]
    fn a_campaign_ends_when_it_is_told_to() {
        let stopped = AtomicBool::new(true);
        let endless = Campaign { runs: None, ..campaign(0) };
        assert_eq!(endless.run_with(&pretend, &stopped, &mut go_on).runs, 0);
        let never = AtomicBool::new(false);
        let summary = endless.run_with(&pretend, &never, &mut |_| ControlFlow::Break(()));
        assert!(summary.runs >= 1);
        let timed = Campaign { time_max: Some(Duration::ZERO), ..campaign(9) };
        assert_eq!(timed.run_with(&pretend, &never, &mut go_on).runs, 0);
    }

    /// Whatever the caller does meanwhile: it hears of a failure only when the next run might have begun.
    #[test]
    fn no_run_begins_after_enough_have_failed() {
        let never = AtomicBool::new(false);
        let fail = |plan: &Plan, _: &RunOptions<'_>| {
            let mut record = honest_record();
            record.panic = Some("boom".to_owned());
            judged(plan, record)
        };
        let mut slow = |_: &Finished| {
            std::thread::sleep(Duration::from_millis(20));
            ControlFlow::Continue(())
        };
        for (jobs, most) in [(1, 3), (4, 6)] {
            for explore in [false, true] {
                let one = Campaign { jobs, failures_max: Some(3), explore, ..campaign(60) };
                let failed = one.run_with(&fail, &never, &mut slow).failed;
                assert!((3..=most).contains(&failed), "{failed} with {jobs} jobs");
            }
        }
    }

    #[test]
    fn an_abandoned_campaign_cuts_off_what_is_under_way() {
        let never = AtomicBool::new(false);
        let one = Campaign { jobs: 3, ..campaign(60) };
        let abandon = Arc::clone(&one.abandon);
        let endless = |plan: &Plan, options: &RunOptions<'_>| {
            let should_stop = options.should_stop.expect("a campaign bounds its runs");
            while plan.seed != one.plan(0).seed && !should_stop() {
                std::thread::yield_now();
            }
            pretend(plan, options)
        };
        let summary = one.run_with(&endless, &never, &mut |_| {
            abandon.store(true, Ordering::Relaxed);
            ControlFlow::Break(())
        });
        // The one that ended, and what three jobs had under way by the time that it was heard of.
        assert!(summary.runs <= 1 + 3, "{}", summary.runs);
    }

    #[test]
    fn a_run_that_takes_too_long_is_told_to_stop() {
        let never = AtomicBool::new(false);
        let slow = |plan: &Plan, options: &RunOptions<'_>| {
            let should_stop = options.should_stop.expect("a campaign bounds its runs");
            let mut record = honest_record();
            record.cut_off = should_stop().then(|| "stopped from outside".to_owned());
            record.history.calls.clear();
            judged(plan, record)
        };
        let impatient = Campaign { run_time_max: Duration::ZERO, jobs: 1, ..campaign(1) };
        let mut verdicts = Vec::new();
        impatient.run_with(&slow, &never, &mut |finished| {
            verdicts.extend(finished.result.as_ref().map(|o| o.verdict.clone()));
            ControlFlow::Continue(())
        });
        let Verdict::Undecided(reason) = &verdicts[0] else { panic!("{verdicts:?}") };
        assert_eq!(reason, "the run was cut off: it took longer than 0ns");
    }
}
