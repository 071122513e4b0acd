//! The harness tested: every planted bug must be found within its budget, and each find is proven.
//!
//! A find counts only if all of it holds: a property failed that the catalogue names for the bug;
//! the bug took effect in that run, and before the contradiction; the same plan ends with the same
//! trace again; and without the bug the same plan passes. Anything less could be luck. A find that was
//! made smaller, and one that was stored, are proven in the same way.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use evidence::words;
use serde::Serialize;
use sim::seed::Draws;

use crate::any::Systems;
use crate::campaign::{Campaign, Finished};
use crate::judge::{Failure, Verdict};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::plant::PlantedBug;
use crate::record::PlantReached;
use crate::run::RunOptions;
use crate::shrink::{Progress, Shrink, ShrinkError, Shrunk, shrink};

const NS_PER_MS: u64 = 1_000_000;

/// How the test of one planted bug ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// Seeds of its scenario that were run, those under way when it was found included.
    pub runs: u64,
    /// Time of all those runs together, in milliseconds of one core.
    pub run_ms: u64,
    /// What was found; none if no expected property failed within the budget.
    pub find: Option<Find>,
    /// From which seed on the consequence for clients showed, counted from 1; none if the bug names
    /// none, or it did not show.
    pub consequence_at: Option<u64>,
    /// Why the detection does not count; empty if it is proven.
    pub doubts: Vec<Doubt>,
}

/// The first run in which an expected property failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Find {
    /// The number of its seed within the campaign, from 1; 0 for a plan that was stored or shrunk.
    pub at: u64,
    /// Time of the runs up to it, in milliseconds of one core.
    pub after_ms: u64,
    /// The plan, with how it ended.
    pub plan: Plan,
    /// The expected property that failed, the earliest contradiction first.
    pub property: String,
    /// What is wrong, in one line.
    pub headline: String,
    /// The fingerprint of that failure.
    pub fingerprint: String,
    /// When the contradiction was complete, in simulated milliseconds.
    pub at_ms: u64,
    /// Where the bug first took effect.
    pub reached: Option<Reached>,
    /// Every property that failed in the run.
    pub failed: Vec<String>,
}

/// Where and when a planted bug first took effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// In simulated milliseconds.
    pub at_ms: u64,
    /// The server, from 1.
    pub server: u32,
    /// The place in the code.
    pub site: String,
}

/// Why a detection does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// No run of the budget violated an expected property.
    #[error("not found within {budget} seeds; expected: {expected}")]
    NotFound {
        /// How many seeds were to be enough.
        budget: u64,
        /// The properties, joined.
        expected: String,
    },
    /// There is no stored plan of it.
    #[error("no find is stored")]
    NotStored,
    /// The stored or smaller plan shows it no more.
    #[error("the plan {how}; expected: {expected}")]
    NotShown {
        /// How it ends.
        how: String,
        /// The properties, joined.
        expected: String,
    },
    /// The bug's code did nothing in the run that failed.
    #[error("the run failed, but the bug never took effect in it")]
    NotReached,
    /// It took effect only afterwards.
    #[error(
        "the contradiction was complete at {}, the bug took effect at {}",
        words::moment(.failed_ms * 1_000_000),
        words::moment(.reached_ms * 1_000_000)
    )]
    ReachedTooLate {
        /// In simulated milliseconds.
        failed_ms: u64,
        /// In simulated milliseconds.
        reached_ms: u64,
    },
    /// A second run of the plan differed.
    #[error("the plan ends with trace {first} and with trace {second}")]
    NotDeterministic {
        /// The hash of the first run's trace, hexadecimal.
        first: String,
        /// The hash of the second run's trace, hexadecimal.
        second: String,
    },
    /// The plan does not pass without the bug.
    #[error("the same plan without the bug does not pass: {how}")]
    NotCleanWithout {
        /// How it ends.
        how: String,
    },
    /// The consequence for clients did not show.
    #[error("its consequence, {property}, did not show within {budget} seeds")]
    NoConsequence {
        /// The property that was to show it.
        property: String,
        /// How many seeds were to be enough.
        budget: u64,
    },
    /// Somebody stopped the test.
    #[error("interrupted")]
    Interrupted,
}

impl Detection {
    /// Of a bug that was not searched for, and why it does not count as found.
    pub fn missed(doubt: Doubt) -> Detection {
        Detection { runs: 0, run_ms: 0, find: None, consequence_at: None, doubts: vec![doubt] }
    }

    /// Whether the bug was found and the find is proven.
    pub fn is_proven(&self) -> bool {
        self.find.is_some() && self.doubts.is_empty()
    }
}

/// Searches for one planted bug, with `jobs` runs at a time, and proves the find. With a fixed
/// number of seeds the result is a function of `bug` and `seed`, times apart.
///
/// # Panics
/// If the catalogue names a scenario that does not exist; a test keeps it from doing so.
pub fn detect(
    systems: Systems,
    bug: &PlantedBug,
    seed: u64,
    jobs: usize,
    stop: &AtomicBool,
) -> Detection {
    let campaign = Campaign {
        scenarios: vec![systems.scenario(bug.scenario).expect("the catalogue names scenarios")],
        seed,
        runs: Some(bug.budget_seeds),
        time_max: None,
        jobs,
        corpus: false,
        plant: Some(bug.name.to_owned()),
        twice_every: 0,
        ..Campaign::of(systems)
    };
    let mut search = Search::new(bug);
    campaign.run(stop, &mut |finished| search.note(finished));
    let mut detection = search.end();
    let stopped = stop.load(Ordering::Relaxed);
    if stopped && !detection.is_proven() {
        detection.doubts = vec![Doubt::Interrupted];
    } else if let Some(find) = &detection.find {
        let doubts = prove(systems, find);
        detection.doubts.extend(doubts);
    }
    detection
}

/// Performs a stored plan of a planted bug, and proves that it shows the bug.
pub fn show_again(systems: Systems, bug: &PlantedBug, plan: &Plan) -> Detection {
    let plan = Plan { plant: Some(bug.name.to_owned()), ..plan.clone() };
    let outcome = systems.perform(&plan, &RunOptions::default());
    let find = find(bug, 0, &outcome.stored(&plan), &outcome);
    let doubts = match &find {
        Some(find) => prove(systems, find),
        None => {
            let how = match &outcome.verdict {
                Verdict::Pass => "passes".to_owned(),
                Verdict::Undecided(reason) => format!("ends undecided: {reason}"),
                Verdict::Fail(failures) => {
                    let names: Vec<&str> = failures.iter().map(|f| f.property.as_str()).collect();
                    format!("fails otherwise: {}", names.join(", "))
                }
            };
            vec![Doubt::NotShown { how, expected: bug.expected.join(", ") }]
        }
    };
    Detection { runs: 1, run_ms: 0, find, consequence_at: None, doubts }
}

/// Makes a find smaller as long as it shows the bug by the same failure.
///
/// # Errors
/// The plan does not fail as it did.
pub fn shrink_find(
    systems: Systems,
    find: &Find,
    options: &Shrink<'_>,
    on_progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<Shrunk, ShrinkError> {
    // A bug may show itself in several ways, and first in one that anything else could cause; what the
    // proof asks for is an expected one among them.
    let expected = Some(find.fingerprint.as_str());
    shrink(systems, &find.plan, &Shrink { fingerprint: expected, ..*options }, on_progress)
}

/// Some of the planted bugs, chosen by a seed, in the order of the list.
pub fn some_of(bugs: &[&'static PlantedBug], count: usize, seed: u64) -> Vec<&'static PlantedBug> {
    let mut draws = Draws::new(seed, "fresh plants", 0);
    let mut left: Vec<usize> = (0..bugs.len()).collect();
    let mut chosen: Vec<usize> = (0..count.min(bugs.len()))
        .map(|_| left.swap_remove(draws.below(left.len() as u64) as usize))
        .collect();
    chosen.sort_unstable();
    chosen.into_iter().map(|index| bugs[index]).collect()
}

/// Runs the plan of a find again, with and without the bug.
fn prove(systems: Systems, find: &Find) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    match &find.reached {
        None => doubts.push(Doubt::NotReached),
        Some(reached) if reached.at_ms > find.at_ms => {
            doubts.push(Doubt::ReachedTooLate { failed_ms: find.at_ms, reached_ms: reached.at_ms })
        }
        Some(_) => {}
    }
    let first = find.plan.found.as_ref().map(|found| found.trace_hash.clone()).unwrap_or_default();
    let second = format!("{:016x}", systems.perform(&find.plan, &RunOptions::default()).trace_hash);
    if first != second {
        doubts.push(Doubt::NotDeterministic { first, second });
    }
    let without = Plan { plant: None, found: None, ..find.plan.clone() };
    let how = match systems.perform(&without, &RunOptions::default()).verdict {
        Verdict::Pass => None,
        Verdict::Undecided(reason) => Some(reason),
        Verdict::Fail(failures) => failures.first().map(|failure| failure.headline.clone()),
    };
    doubts.extend(how.map(|how| Doubt::NotCleanWithout { how }));
    doubts
}

/// A search under way.
struct Search<'a> {
    bug: &'a PlantedBug,
    run_ms: Vec<(u64, u64)>,
    /// The find of the lowest position so far.
    find: Option<Find>,
    consequence_at: Option<u64>,
}

impl<'a> Search<'a> {
    fn new(bug: &'a PlantedBug) -> Search<'a> {
        Search { bug, run_ms: Vec::new(), find: None, consequence_at: None }
    }

    fn note(&mut self, finished: &Finished) -> ControlFlow<()> {
        let at = finished.position + 1;
        let Ok(outcome) = &finished.result else { return ControlFlow::Continue(()) };
        self.run_ms.push((at, outcome.stats.wall_ms));
        if self.find.as_ref().is_none_or(|find| find.at > at)
            && let Some(find) = find(self.bug, at, &finished.plan, outcome)
        {
            self.find = Some(find);
        }
        let fails = |name: &str| outcome.failures().iter().any(|failure| failure.property == name);
        if self.bug.consequence.is_some_and(fails) {
            self.consequence_at = Some(self.consequence_at.map_or(at, |before| before.min(at)));
        }
        let is_felt = self.bug.consequence.is_none() || self.consequence_at.is_some();
        let is_enough = self.find.is_some() && is_felt;
        if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn end(self) -> Detection {
        let Search { bug, run_ms, mut find, consequence_at } = self;
        let budget = bug.budget_seeds;
        let mut doubts = Vec::new();
        match &mut find {
            Some(find) => {
                let until = run_ms.iter().filter(|(at, _)| *at <= find.at);
                find.after_ms = until.map(|(_, ms)| ms).sum();
            }
            None => doubts.push(Doubt::NotFound { budget, expected: bug.expected.join(", ") }),
        }
        if let (Some(property), None) = (bug.consequence, consequence_at) {
            doubts.push(Doubt::NoConsequence { property: property.to_owned(), budget });
        }
        Detection {
            runs: run_ms.len() as u64,
            run_ms: run_ms.iter().map(|(_, ms)| ms).sum(),
            find,
            consequence_at,
            doubts,
        }
    }
}

fn find(bug: &PlantedBug, at: u64, plan: &Plan, outcome: &Outcome) -> Option<Find> {
    let is_expected = |failure: &&Failure| bug.expected.contains(&failure.property.as_str());
    let failure = outcome.failures().iter().find(is_expected)?;
    let reached = outcome.plant_reached.as_ref();
    let mut failed: Vec<String> = Vec::new();
    for failure in outcome.failures() {
        if !failed.contains(&failure.property) {
            failed.push(failure.property.clone());
        }
    }
    Some(Find {
        at,
        after_ms: 0,
        plan: plan.clone(),
        property: failure.property.clone(),
        headline: failure.headline.clone(),
        fingerprint: failure.fingerprint.clone(),
        at_ms: failure.at_ns / NS_PER_MS,
        reached: reached.map(Reached::of),
        failed,
    })
}

impl Reached {
    fn of(reached: &PlantReached) -> Reached {
        let mark = probe::PLANT_PREFIX;
        Reached {
            at_ms: reached.at_ns / NS_PER_MS,
            server: reached.server,
            site: reached.site.strip_prefix(mark).unwrap_or(reached.site).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SYSTEMS;

    fn bug() -> PlantedBug {
        *SYSTEMS.planted_bug("acks-before-sync").unwrap()
    }

    #[test]
    fn a_planted_bug_is_found_and_proven() {
        let never = AtomicBool::new(false);
        let found = detect(SYSTEMS, &bug(), 1, 2, &never);
        assert!(found.is_proven(), "{found:?}");
        let find = found.find.unwrap();
        assert!(find.reached.unwrap().site.starts_with("Plant::AcksBeforeSync at "));
        assert!(find.failed.contains(&find.property));
    }

    #[test]
    fn a_bug_that_is_not_there_is_not_found() {
        let never = AtomicBool::new(false);
        // The bug is planted, but what it breaks is not what this entry claims.
        let claims = PlantedBug { expected: &["panic"], budget_seeds: 2, ..bug() };
        let found = detect(SYSTEMS, &claims, 1, 2, &never);
        assert!(!found.is_proven());
        assert_eq!(found.runs, 2);
        assert!(matches!(found.doubts[..], [Doubt::NotFound { budget: 2, .. }]), "{found:?}");
    }

    #[test]
    fn a_find_whose_proof_fails_does_not_count() {
        let never = AtomicBool::new(false);
        let mut find = detect(SYSTEMS, &bug(), 1, 2, &never).find.unwrap();
        assert_eq!(prove(SYSTEMS, &find), []);
        let reached = find.reached.take();
        assert_eq!(prove(SYSTEMS, &find), [Doubt::NotReached]);
        find.reached = reached.map(|reached| Reached { at_ms: find.at_ms + 1, ..reached });
        assert!(matches!(prove(SYSTEMS, &find)[..], [Doubt::ReachedTooLate { .. }]));
        find.reached = None;
        find.plan.found.as_mut().unwrap().trace_hash = "0".to_owned();
        let doubts = prove(SYSTEMS, &find);
        assert!(matches!(doubts[..], [_, Doubt::NotDeterministic { .. }]), "{doubts:?}");
    }

    #[test]
    fn a_find_becomes_small_and_is_shown_again() {
        let never = AtomicBool::new(false);
        let find = detect(SYSTEMS, &bug(), 1, 2, &never).find.unwrap();
        let options =
            Shrink { jobs: 2, seeds: 1, fingerprint: None, work_max: u64::MAX, is_over: &|| false };
        let shrunk = shrink_find(SYSTEMS, &find, &options, &mut |_| {}).unwrap();
        let again = show_again(SYSTEMS, &bug(), &shrunk.plan);
        assert!(again.is_proven(), "{again:?}");
        assert_eq!(again.find.unwrap().property, find.property);
        let claims = PlantedBug { name: "reads-old", expected: &["panic"], ..bug() };
        let not_shown = show_again(SYSTEMS, &claims, &shrunk.plan);
        assert!(matches!(&not_shown.doubts[..], [Doubt::NotShown { how, .. }] if how == "passes"));
    }

    #[test]
    fn a_find_keeps_the_failure_that_was_expected() {
        let never = AtomicBool::new(false);
        let mut find = detect(SYSTEMS, &bug(), 1, 2, &never).find.unwrap();
        find.fingerprint = "of something else".to_owned();
        let options =
            Shrink { jobs: 1, seeds: 1, fingerprint: None, work_max: u64::MAX, is_over: &|| false };
        let refused = shrink_find(SYSTEMS, &find, &options, &mut |_| {}).unwrap_err();
        assert!(matches!(refused, ShrinkError::FailsOtherwise { .. }), "{refused}");
    }

    #[test]
    fn fresh_bugs_are_chosen_by_the_seed() {
        const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
        let named =
            |name| -> &'static PlantedBug { Box::leak(Box::new(PlantedBug { name, ..bug() })) };
        let all = NAMES.map(named);
        let names = |seed| some_of(&all, 3, seed).iter().map(|bug| bug.name).collect::<Vec<_>>();
        assert_eq!(names(1), names(1));
        assert_eq!(names(1).len(), 3);
        assert!((2..20).any(|seed| names(seed) != names(1)));
        assert_eq!(some_of(&all, 1_000, 1), all);
    }

    #[test]
    fn a_consequence_must_show_too() {
        let never = AtomicBool::new(false);
        let claims = PlantedBug { consequence: Some("healing"), budget_seeds: 3, ..bug() };
        let found = detect(SYSTEMS, &claims, 1, 2, &never);
        let is_missed = |doubt: &Doubt| matches!(doubt, Doubt::NoConsequence { budget: 3, .. });
        assert!(found.doubts.iter().any(is_missed), "{found:?}");
        assert_eq!(found.consequence_at, None);
    }

    #[test]
    fn a_stopped_search_says_so() {
        let found = detect(SYSTEMS, &bug(), 1, 1, &AtomicBool::new(true));
        assert_eq!(found.doubts, [Doubt::Interrupted]);
    }
}
