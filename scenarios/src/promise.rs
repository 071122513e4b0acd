//! What scenarios promise to show: marks in the servers' code that enough runs of a scenario must
//! have hit. A campaign in which one is missing has tested less than its name says.
//!
//! Only what the generator brings about in at least a quarter of a scenario's runs is promised: of
//! fifty runs without it there is then one in two million by chance. Runs with a planted bug are not
//! asked, for the bug may well be in the way.

use std::collections::{BTreeMap, BTreeSet};

use keeper_core::marks::Mark;

use crate::registry::scenario;

/// Fewer runs of a scenario than this are too few to ask what they showed.
pub const PROMISE_RUNS_MIN: u64 = 50;

/// What faults show in every scenario, whatever clients ask for.
const OF_ALL: [Mark; 24] = [
    Mark::ElectionRoundJump,
    Mark::VoteChanged,
    Mark::NewcomerJoins,
    Mark::LearnerComesEarly,
    Mark::RoleLeftWithTail,
    Mark::LeaderDeserted,
    Mark::LeaderLost,
    Mark::LeaderSilent,
    Mark::LearnerSilent,
    Mark::EpochPromisedBefore,
    Mark::SyncByDiff,
    Mark::SyncBySnap,
    Mark::SyncDuringBroadcast,
    Mark::SentBeforeSynced,
    Mark::NewLeaderWaitsForDisk,
    Mark::UpToDateCommits,
    Mark::ProposalBeforeUpToDate,
    Mark::CommitBeforeUpToDate,
    Mark::CommitBeforeOwnWrite,
    Mark::AppliedBeforeOwnWrite,
    Mark::SnapshotBegun,
    Mark::SnapshotInstalled,
    Mark::RecoversTail,
    Mark::SessionMoves,
];

/// [`OF_ALL`] and what a scenario's own clients show.
macro_rules! with_all {
    ($($mark:ident),*) => {{
        const OWN: &[Mark] = &[$(Mark::$mark),*];
        const ALL: [Mark; OF_ALL.len() + OWN.len()] = joined(OWN);
        &ALL
    }};
}

const fn joined<const N: usize>(own: &[Mark]) -> [Mark; N] {
    let mut all = [OF_ALL[0]; N];
    let mut index = 0;
    while index < N {
        all[index] = if index < OF_ALL.len() { OF_ALL[index] } else { own[index - OF_ALL.len()] };
        index += 1;
    }
    all
}

/// Registers.
pub(crate) const OF_REGISTER: &[Mark] =
    with_all![SyncBarrierWaits, SyncBarrierShared, WriteBehindSync, ReadWaits];
/// Transactions.
pub(crate) const OF_MULTI: &[Mark] = with_all![MultiRolledBack, SyncBarrierWaits];
/// Sessions.
pub(crate) const OF_SESSION: &[Mark] = with_all![SessionExpires, EphemeralsGo];
/// Watches.
pub(crate) const OF_WATCH: &[Mark] = with_all![WatchFires, WatchFiresForSeveral, WatchMissed];
/// Locks and elections.
pub(crate) const OF_LOCK: &[Mark] =
    with_all![SessionExpires, SessionRefused, EphemeralsGo, WatchFires];
/// Everything.
pub(crate) const OF_MIXED: &[Mark] =
    with_all![MultiRolledBack, SessionExpires, EphemeralsGo, WatchFires, WatchMissed];

/// What the runs of each scenario have shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown(BTreeMap<String, OfScenario>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct OfScenario {
    runs: u64,
    reached: BTreeSet<Mark>,
}

impl Shown {
    /// A run of a scenario, without a planted bug, hit these marks. One that hit nothing is none: it
    /// came to no end of its own, or is of a build that knew no marks.
    pub fn add(&mut self, scenario: &str, reached: impl IntoIterator<Item = Mark>) {
        let reached: BTreeSet<Mark> = reached.into_iter().collect();
        if reached.is_empty() {
            return;
        }
        let shown = self.0.entry(scenario.to_owned()).or_default();
        shown.runs += 1;
        shown.reached.extend(reached);
    }

    /// The promises that were not kept, in words.
    pub fn not_kept(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for (name, shown) in self.0.iter().filter(|(_, shown)| shown.runs >= PROMISE_RUNS_MIN) {
            let promises = scenario(name).map_or(&[][..], |scenario| scenario.promises);
            let absent = promises.iter().filter(|mark| !shown.reached.contains(mark));
            missing.extend(absent.map(|mark| {
                format!("{} in {} runs of {name}, which promises it", mark.name(), shown.runs)
            }));
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::SCENARIOS;

    fn runs(count: u64, reached: impl Fn(u64) -> Vec<Mark>) -> Shown {
        let mut shown = Shown::default();
        (0..count).for_each(|n| shown.add("keeper/watch", reached(n)));
        shown
    }

    fn all_but(absent: Mark) -> Vec<Mark> {
        OF_WATCH.iter().copied().filter(|mark| *mark != absent).collect()
    }

    #[test]
    fn a_promise_is_kept_by_any_one_run() {
        let late = runs(PROMISE_RUNS_MIN, |n| match n {
            7 => OF_WATCH.to_vec(),
            _ => all_but(Mark::WatchMissed),
        });
        assert_eq!(late.not_kept(), [""; 0]);
    }

    #[test]
    fn a_mark_that_never_fired_is_named_once_there_were_enough_runs() {
        let without = |count| runs(count, |_| all_but(Mark::WatchMissed)).not_kept();
        assert_eq!(without(PROMISE_RUNS_MIN - 1), [""; 0]);
        assert_eq!(
            without(PROMISE_RUNS_MIN),
            ["watch-missed in 50 runs of keeper/watch, which promises it"]
        );
    }

    #[test]
    fn runs_that_say_nothing_of_marks_are_not_asked() {
        assert_eq!(runs(2 * PROMISE_RUNS_MIN, |_| Vec::new()).not_kept(), [""; 0]);
    }

    #[test]
    fn every_scenario_promises_something_and_nothing_twice() {
        for scenario in &SCENARIOS {
            let unique: BTreeSet<&Mark> = scenario.promises.iter().collect();
            assert_eq!(unique.len(), scenario.promises.len(), "{}", scenario.name);
            assert!(unique.len() > OF_ALL.len(), "{}", scenario.name);
        }
    }
}
