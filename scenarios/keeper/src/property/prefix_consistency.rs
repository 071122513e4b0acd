//! The histories of any two servers, each over all its starts, are prefixes of one another
//! (`PrefixConsistency` of Zab.tla; DSN 2011, section III, "agreement" and "total order" together).

use crate::record::RunRecord;
use harness::plan::Plan;

use super::histories::{Histories, Move};
use super::{Property, PropertyVerdict, Seen, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "PrefixConsistency",
    source: "Zab.tla and ZkV3_7_0.tla, PrefixConsistency",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let mut histories = Histories::new();
    for (index, observed) in record.observations.iter().enumerate() {
        let before = histories.position(observed.server);
        match histories.advance(index, observed) {
            Some(Move::Delivered { zxid, fork: Some(other) }) => {
                let (theirs, seen) = histories.reached_by(other);
                let first = &record.observations[seen];
                let headline = format!("two histories part after {before}");
                return Story::new(headline)
                    .seen(first, format!("delivered {theirs} after {before}"), "")
                    .seen(observed, format!("delivered {zxid} after {before}"), "another one")
                    .violated(observed.at_ns);
            }
            Some(Move::RestoredNowhere { zxid }) => {
                let headline = format!("a snapshot of {zxid}, a state that no server was in");
                return Story::new(headline)
                    .seen(observed, format!("took over a snapshot of {zxid}"), "")
                    .violated(observed.at_ns);
            }
            Some(Move::Delivered { fork: None, .. } | Move::Restored { .. }) | None => {}
        }
    }
    PropertyVerdict::Holds
}

#[cfg(test)]
mod tests {
    use keeper_core::ids::Zxid;
    use keeper_core::observation::Observation;

    use super::super::testing::{digest_at, two_epochs, zxid};
    use super::*;

    #[test]
    fn replay_after_a_restart_and_a_snapshot_are_no_contradiction() {
        two_epochs().recover(1, Zxid::ZERO, zxid(2, 1)).deliver(1, zxid(1, 1)).keeps(PROPERTY);
        two_epochs()
            .see(3, Observation::Replaced { zxid: zxid(1, 2), digest: 0 })
            .deliver(3, zxid(2, 1))
            .keeps(PROPERTY);
    }

    #[test]
    fn a_skipped_and_a_different_transaction_are_seen() {
        let part = "two histories part";
        two_epochs()
            .recover(1, Zxid::ZERO, zxid(2, 1))
            .deliver(1, zxid(1, 2))
            .breaks(PROPERTY, part);
        let (first, digest) = (zxid(1, 1), digest_at(zxid(1, 1)));
        two_epochs()
            .recover(1, Zxid::ZERO, zxid(2, 1))
            .deliver_as(1, first, 666, digest)
            .breaks(PROPERTY, part);
    }

    #[test]
    fn a_snapshot_out_of_nowhere_is_seen() {
        two_epochs()
            .see(3, Observation::Replaced { zxid: zxid(9, 9), digest: 0 })
            .breaks(PROPERTY, "no server was in");
    }
}
