//! How a leader brings a learner to its own history: DIFF, TRUNC or SNAP.
//!
//! The cases are those of Apache's `LearnerHandler.syncFollower`; the leader's history here is what
//! it holds in memory, and all of it counts: what was not committed before the leader's epoch
//! becomes so with it.

use crate::ids::Zxid;
use crate::observation::SyncKind;
use crate::zab::history::History;

/// What to send a learner first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncPlan {
    /// The way.
    pub kind: SyncKind,
    /// The position after which proposals follow: the learner's last after DIFF, the cut after
    /// TRUNC, the snapshot's last after SNAP.
    pub from: Zxid,
}

/// Decides for a learner whose log ends with `learner_last`.
pub fn plan(history: &History, learner_last: Zxid) -> SyncPlan {
    let snap = SyncPlan { kind: SyncKind::Snap, from: history.applied() };
    let diff = SyncPlan { kind: SyncKind::Diff, from: learner_last };
    // A learner of Apache's that joined an epoch without any transaction reports (epoch, 0): its
    // history is that of the newest transaction before, which is ours if we hold that far back.
    if learner_last.counter() == 0 && learner_last != Zxid::ZERO {
        return match history.floor(learner_last) {
            Some(from) => SyncPlan { kind: SyncKind::Diff, from },
            None => snap,
        };
    }
    if history.contains(learner_last) {
        return diff;
    }
    if learner_last > history.last() {
        return SyncPlan { kind: SyncKind::Trunc, from: history.last() };
    }
    // Never the tree for a learner whose log reaches into the history held here: what the tree holds
    // may be less than the learner has acknowledged, and a crash in between would lose it.
    match history.floor(learner_last) {
        Some(from) => SyncPlan { kind: SyncKind::Trunc, from },
        None => snap,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::DiskToken;
    use crate::ids::Epoch;
    use crate::zab::history::Entry;
    use bytes::Bytes;

    fn zxid(epoch: u32, counter: u32) -> Zxid {
        Zxid::new(Epoch(epoch), counter)
    }

    /// Base (1,3); then (1,4) (1,5) (3,1) (3,2), of which (1,4) is applied.
    fn history() -> History {
        let tail = [(1, 4), (1, 5), (3, 1), (3, 2)].map(|(e, c)| Entry {
            zxid: zxid(e, c),
            txn: Bytes::new(),
            token: DiskToken(0),
        });
        let mut history = History::new(zxid(1, 3), tail.to_vec());
        history.mark_applied(zxid(1, 4));
        history
    }

    fn planned(learner: Zxid) -> (SyncKind, Zxid) {
        let plan = plan(&history(), learner);
        (plan.kind, plan.from)
    }

    #[test]
    fn a_learner_within_the_history_gets_what_it_lacks() {
        assert_eq!(planned(zxid(1, 5)), (SyncKind::Diff, zxid(1, 5)));
        assert_eq!(planned(zxid(3, 2)), (SyncKind::Diff, zxid(3, 2)));
        assert_eq!(planned(zxid(1, 3)), (SyncKind::Diff, zxid(1, 3)));
    }

    #[test]
    fn a_learner_ahead_is_cut_back() {
        assert_eq!(planned(zxid(3, 7)), (SyncKind::Trunc, zxid(3, 2)));
        assert_eq!(planned(zxid(4, 1)), (SyncKind::Trunc, zxid(3, 2)));
    }

    #[test]
    fn a_learner_with_a_tail_of_its_own_is_cut_to_the_common_part() {
        assert_eq!(planned(zxid(1, 8)), (SyncKind::Trunc, zxid(1, 5)));
        assert_eq!(planned(zxid(2, 2)), (SyncKind::Trunc, zxid(1, 5)));
    }

    #[test]
    fn a_learner_too_far_behind_gets_the_tree() {
        assert_eq!(planned(zxid(1, 2)), (SyncKind::Snap, zxid(1, 4)));
        assert_eq!(planned(Zxid::ZERO), (SyncKind::Snap, zxid(1, 4)));
    }

    #[test]
    fn an_epoch_without_transactions_is_no_divergence() {
        assert_eq!(planned(zxid(3, 0)), (SyncKind::Diff, zxid(1, 5)));
        assert_eq!(planned(zxid(1, 0)), (SyncKind::Snap, zxid(1, 4)));
    }
}
