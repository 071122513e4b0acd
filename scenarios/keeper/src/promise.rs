//! What the scenarios promise to show. Only what the generator brings about in at least a quarter of a
//! scenario's runs is promised.

use keeper_core::marks::Mark;
use probe::MarkId;

/// What faults show in every scenario, whatever clients ask for.
const OF_ALL: [MarkId; 24] = [
    Mark::ElectionRoundJump.id(),
    Mark::VoteChanged.id(),
    Mark::NewcomerJoins.id(),
    Mark::LearnerComesEarly.id(),
    Mark::RoleLeftWithTail.id(),
    Mark::LeaderDeserted.id(),
    Mark::LeaderLost.id(),
    Mark::LeaderSilent.id(),
    Mark::LearnerSilent.id(),
    Mark::EpochPromisedBefore.id(),
    Mark::SyncByDiff.id(),
    Mark::SyncBySnap.id(),
    Mark::SyncDuringBroadcast.id(),
    Mark::SentBeforeSynced.id(),
    Mark::NewLeaderWaitsForDisk.id(),
    Mark::UpToDateCommits.id(),
    Mark::ProposalBeforeUpToDate.id(),
    Mark::CommitBeforeUpToDate.id(),
    Mark::CommitBeforeOwnWrite.id(),
    Mark::AppliedBeforeOwnWrite.id(),
    Mark::SnapshotBegun.id(),
    Mark::SnapshotInstalled.id(),
    Mark::RecoversTail.id(),
    Mark::SessionMoves.id(),
];

/// [`OF_ALL`] and what a scenario's own clients show.
macro_rules! with_all {
    ($($mark:ident),*) => {{
        const OWN: &[MarkId] = &[$(Mark::$mark.id()),*];
        const ALL: [MarkId; OF_ALL.len() + OWN.len()] = joined(OWN);
        &ALL
    }};
}

const fn joined<const N: usize>(own: &[MarkId]) -> [MarkId; N] {
    let mut all = [OF_ALL[0]; N];
    let mut index = 0;
    while index < N {
        all[index] = if index < OF_ALL.len() { OF_ALL[index] } else { own[index - OF_ALL.len()] };
        index += 1;
    }
    all
}

/// Registers.
pub(crate) const OF_REGISTER: &[MarkId] =
    with_all![SyncBarrierWaits, SyncBarrierShared, WriteBehindSync, ReadWaits];
/// Transactions.
pub(crate) const OF_MULTI: &[MarkId] = with_all![MultiRolledBack, SyncBarrierWaits];
/// Sessions.
pub(crate) const OF_SESSION: &[MarkId] = with_all![SessionExpires, EphemeralsGo];
/// Watches.
pub(crate) const OF_WATCH: &[MarkId] = with_all![WatchFires, WatchFiresForSeveral, WatchMissed];
/// Locks and elections.
pub(crate) const OF_LOCK: &[MarkId] =
    with_all![SessionExpires, SessionRefused, EphemeralsGo, WatchFires];
/// Everything.
pub(crate) const OF_MIXED: &[MarkId] =
    with_all![MultiRolledBack, SessionExpires, EphemeralsGo, WatchFires, WatchMissed];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::registry::SCENARIOS;

    #[test]
    fn every_scenario_promises_something_and_nothing_twice() {
        for scenario in &SCENARIOS {
            let unique: BTreeSet<&MarkId> = scenario.promises.iter().collect();
            assert_eq!(unique.len(), scenario.promises.len(), "{}", scenario.name);
            assert!(unique.len() > OF_ALL.len(), "{}", scenario.name);
        }
    }
}
