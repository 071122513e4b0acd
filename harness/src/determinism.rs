//! A run is a function of its plan: the same plan performed several times, in several company, must
//! end with the same rolling hash over everything that happened.
//!
//! When two hashes differ, both runs are performed once more with all their events kept, and the
//! first event that differs is named with what came before it. What differs each time may differ
//! elsewhere then; any first difference is as good a clue as the other.

use std::fmt;

use sim::trace::{Event, first_difference};

use crate::any::Systems;
use crate::plan::Plan;
use crate::run::RunOptions;

/// Events shown before the first that differs.
const CONTEXT_EVENTS: usize = 5;
/// How often a plan is performed to see two runs differ once more.
const ATTEMPTS_MAX: usize = 4;

/// Where two runs of one plan part.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// The number of the first event that differs, from 0.
    pub event: usize,
    /// The last events that both have, oldest first.
    pub before: Vec<String>,
    /// The event in the first run and what follows; empty if the run has ended.
    pub one: Vec<String>,
    /// The same of the second run.
    pub other: Vec<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  the first event that differs is number {}", self.event)?;
        for (mark, lines) in [("   ", &self.before), ("  <", &self.one), ("  >", &self.other)] {
            for line in lines {
                writeln!(f, "{mark} {line}")?;
            }
        }
        Ok(())
    }
}

/// The rolling hash of a run, and all its events as text if `keep`.
pub fn perform(systems: Systems, plan: &Plan, keep: bool) -> (u64, Vec<Event>) {
    let options = RunOptions { keep_trace: keep, ..RunOptions::default() };
    systems.of(plan).trace(plan, &options)
}

/// The hashes of a plan performed on a thread of its own while the others run on theirs.
pub fn perform_beside(systems: Systems, plan: &Plan, others: &[Plan]) -> u64 {
    #[allow(clippy::disallowed_methods, reason = "the point is to have other threads")]
    std::thread::scope(|scope| {
        for other in others {
            scope.spawn(|| perform(systems, other, false));
        }
        let ours = scope.spawn(|| perform(systems, plan, false).0);
        ours.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Performs a plan of which two runs differed until two differ again, and says where; none if they
/// are equal now, again and again.
pub fn part(systems: Systems, plan: &Plan) -> Option<Difference> {
    let (_, one) = perform(systems, plan, true);
    (1..ATTEMPTS_MAX).find_map(|_| difference(&one, &perform(systems, plan, true).1))
}

/// The first difference of two lists of events, or of what was told of them.
pub fn difference<T: PartialEq + ToString>(one: &[T], other: &[T]) -> Option<Difference> {
    let (event, _, _) = first_difference(one, other)?;
    let text = |events: &[T], from: usize, to: usize| -> Vec<String> {
        let to = to.min(events.len());
        events[from.min(to)..to].iter().map(|event| event.to_string().trim().to_owned()).collect()
    };
    Some(Difference {
        event,
        before: text(one, event.saturating_sub(CONTEXT_EVENTS), event),
        one: text(one, event, event + CONTEXT_EVENTS),
        other: text(other, event, event + CONTEXT_EVENTS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sabotage::Sabotage;
    use crate::testing::{SYSTEMS, short_plan as plan};

    #[test]
    fn a_run_is_a_function_of_its_plan() {
        let (hash, events) = perform(SYSTEMS, &plan(1), true);
        assert_eq!(perform_beside(SYSTEMS, &plan(1), &[plan(2), plan(3)]), hash);
        let (again, same) = perform(SYSTEMS, &plan(1), true);
        assert_eq!(again, hash);
        assert_eq!(difference(&events, &same), None);
    }

    #[test]
    fn a_run_that_is_none_is_seen_and_the_event_is_named() {
        for plant in Sabotage::ALL.into_iter().filter(|sabotage| sabotage.breaks_determinism()) {
            let plant = plant.name();
            let planted = Plan { plant: Some(plant.to_owned()), ..plan(1) };
            let difference =
                part(SYSTEMS, &planted).unwrap_or_else(|| panic!("{plant}: all are equal"));
            assert!(difference.event > 0 && !difference.before.is_empty(), "{plant}");
            assert_ne!(difference.one[0], difference.other[0]);
            let text = difference.to_string();
            assert!(text.contains(&format!("is number {}", difference.event)), "{text}");
            assert!(text.contains(&format!("  < {}", difference.one[0])), "{text}");
            assert!(text.contains(&format!("  > {}", difference.other[0])), "{text}");
        }
        assert_eq!(part(SYSTEMS, &plan(1)), None);
    }

    #[test]
    fn lines_are_compared_as_events_are() {
        let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(difference(&lines("a b"), &lines("a b")), None);
        let shorter = difference(&lines("a b c"), &lines("a b")).unwrap();
        assert_eq!((shorter.event, shorter.one.len(), shorter.other.len()), (2, 1, 0));
        let other = difference(&lines("a b c"), &lines("a x c")).unwrap();
        assert_eq!((other.event, other.before), (1, vec!["a".to_owned()]));
        assert_eq!((other.one[0].as_str(), other.other[0].as_str()), ("b", "x"));
    }
}
