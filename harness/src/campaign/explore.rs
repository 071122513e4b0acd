//! Campaigns that explore: a third of their runs are of plans that showed something new, changed a
//! little (`crate::novelty`).
//!
//! They go on by generations. The plans of a generation are a function of the campaign's seed and of
//! the runs of all generations before it, in the order of positions, and a generation begins when the
//! last one is done. So a campaign of a fixed number of runs performs the same plans on any number of
//! threads. One that ends by time may end within a generation, as any campaign may anywhere. A shard
//! does not know what other shards saw: exploring and `--partition` exclude each other.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use sim::seed::Draws;

use super::{Finished, Origin, Work, note};
use crate::novelty::{Feature, Pool, features};
use crate::plan::Plan;
use crate::summary::Summary;

/// Runs of a generation: few, so that what was learned is used soon, and enough for many threads.
const GENERATION: u64 = 24;
/// Every so many runs one is of a changed plan, once there is any.
const MUTANT_EVERY: u64 = 3;

/// A run that is to be performed.
type Turn = (u64, Origin, Plan);

/// What a run taught.
struct Lesson {
    position: u64,
    plan: Plan,
    features: BTreeSet<Feature>,
}

/// Performs a campaign by generations.
pub(super) fn explore(
    work: &Work<'_>,
    on_finished: &mut dyn FnMut(&Finished) -> ControlFlow<()>,
) -> Summary {
    let mut summary = Summary::of(work.campaign.systems);
    let mut pool = Pool::new(work.campaign.systems);
    let mut position = 0;
    while !work.is_over() {
        let turns = generation(work, &mut pool, position);
        if turns.is_empty() {
            break;
        }
        position += turns.len() as u64;
        let mut lessons = perform(work, &turns, &mut summary, on_finished);
        lessons.sort_by_key(|lesson| lesson.position);
        for lesson in lessons {
            if pool.learn(&lesson.plan, lesson.features) {
                summary.keep_novel(lesson.position, &lesson.plan);
            }
        }
    }
    summary
}

/// The next runs, from a position on.
fn generation(work: &Work<'_>, pool: &mut Pool, from: u64) -> Vec<Turn> {
    let campaign = work.campaign;
    let mut turns = Vec::new();
    for position in from..from + GENERATION {
        let Some((position, origin, fresh)) = work.plan_at(position) else { break };
        let n = position - work.corpus.len() as u64 * u64::from(origin == Origin::Seed);
        let is_mutant = origin == Origin::Seed && n % MUTANT_EVERY == MUTANT_EVERY - 1;
        let mut draws = Draws::new(campaign.seed, "novelty", n);
        let mutant = is_mutant.then(|| pool.draw(&mut draws)).flatten();
        turns.push(match mutant {
            Some(plan) => {
                let (engine, plant) = (campaign.engine, campaign.plant.clone());
                let plan = Plan { engine, plant, ..plan };
                (position, Origin::Mutant, plan)
            }
            None => (position, origin, fresh),
        });
    }
    turns
}

/// Performs the runs of a generation, as long as the campaign is not over.
fn perform(
    work: &Work<'_>,
    turns: &[Turn],
    summary: &mut Summary,
    on_finished: &mut dyn FnMut(&Finished) -> ControlFlow<()>,
) -> Vec<Lesson> {
    let next = AtomicUsize::new(0);
    let mut lessons = Vec::new();
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        for _ in 0..work.campaign.jobs.max(1) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while !work.is_over() {
                    let turn = turns.get(next.fetch_add(1, Ordering::Relaxed)).cloned();
                    let Some((position, origin, plan)) = turn else { return };
                    if sender.send(work.run_one(position, origin, plan)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for finished in receiver {
            note(summary, &finished);
            lessons.extend(lesson(&finished));
            if on_finished(&finished).is_break() {
                work.enough.store(true, Ordering::Relaxed);
            }
        }
    });
    lessons
}

/// What a run taught, unless the harness fell.
fn lesson(finished: &Finished) -> Option<Lesson> {
    let outcome = finished.result.as_ref().ok()?;
    let features = features(&outcome.marks, &outcome.states);
    Some(Lesson { position: finished.position, plan: finished.plan.clone(), features })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::AtomicBool;

    use super::super::Campaign;
    use super::*;
    use crate::plan::validate;
    use crate::testing::{SYSTEMS, honest_record, judged};
    use crate::{Outcome, RunOptions};

    fn campaign(runs: u64, jobs: usize) -> Campaign {
        Campaign {
            runs: Some(runs),
            time_max: None,
            jobs,
            corpus: false,
            twice_every: 0,
            explore: true,
            ..Campaign::of(SYSTEMS)
        }
    }

    /// Through how many states the system went depends on the plan.
    fn pretend(plan: &Plan, _options: &RunOptions<'_>) -> Outcome {
        let mut record = honest_record();
        record.trace_hash = plan.seed;
        record.states.extend(0..plan.seed % 97 + plan.faults.len() as u64 % 13);
        judged(plan, record)
    }

    fn performed(campaign: &Campaign) -> (BTreeMap<u64, (Origin, Plan)>, Summary) {
        let mut all = BTreeMap::new();
        let summary =
            campaign.run_with(&pretend, &AtomicBool::new(false), &mut |finished: &Finished| {
                let plan = (finished.origin, finished.plan.clone());
                assert_eq!(all.insert(finished.position, plan), None);
                ControlFlow::Continue(())
            });
        (all, summary)
    }

    #[test]
    fn a_third_of_the_runs_are_changed_plans_once_something_was_learned() {
        let (all, summary) = performed(&campaign(100, 1));
        assert_eq!((all.len(), summary.runs), (100, 100));
        let mutants = all.iter().filter(|(_, (origin, _))| *origin == Origin::Mutant);
        let positions: Vec<u64> = mutants.map(|(position, _)| *position).collect();
        assert_eq!(positions.first(), Some(&26), "the first generation learns");
        assert_eq!(positions.len(), 25);
        let whole = Campaign { explore: false, ..campaign(100, 1) };
        for (position, (origin, plan)) in &all {
            assert_eq!(validate(SYSTEMS, plan), Ok(()));
            let fresh = whole.plan(*position);
            let is_fresh = Plan { found: None, ..plan.clone() } == fresh;
            assert_eq!(is_fresh, *origin == Origin::Seed, "{position}");
        }
        assert!(!summary.novel.is_empty());
    }

    #[test]
    fn the_number_of_threads_does_not_matter() {
        let (one, summary) = performed(&campaign(80, 1));
        let (four, other) = performed(&campaign(80, 4));
        assert_eq!(one, four);
        assert_eq!(summary, other);
    }

    #[test]
    fn the_corpus_comes_first_and_is_learned_from() {
        let with_corpus = Campaign { corpus: true, ..campaign(9, 2) };
        let (all, _) = performed(&with_corpus);
        let corpus = with_corpus.corpus_entries().len() as u64;
        assert!(matches!(all[&0].0, Origin::Corpus(_)));
        assert_eq!(all.len() as u64, corpus + 9);
    }

    #[test]
    fn a_campaign_that_is_stopped_ends_within_a_generation() {
        let endless = Campaign { runs: None, ..campaign(0, 2) };
        let summary =
            endless.run_with(&pretend, &AtomicBool::new(true), &mut |_| ControlFlow::Continue(()));
        assert_eq!(summary.runs, 0);
        let summary =
            endless.run_with(&pretend, &AtomicBool::new(false), &mut |_| ControlFlow::Break(()));
        assert!(summary.runs >= 1 && summary.runs <= GENERATION);
    }
}
