//! What a server delivers, a leader has proposed, and as the leader proposed it (DSN 2011,
//! section III, "integrity"; `Integrity` of ZkV3_7_0.tla).

use std::collections::BTreeMap;

use crate::record::{Observed, RunRecord};
use harness::plan::Plan;
use keeper_core::ids::Zxid;
use keeper_core::observation::Observation;

use super::{Property, PropertyVerdict, Seen, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "Integrity",
    source: "DSN 2011, section III; ZkV3_7_0.tla, Integrity",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let mut proposed: BTreeMap<Zxid, Vec<(u64, &Observed)>> = BTreeMap::new();
    for observed in &record.observations {
        match observed.observation {
            Observation::Proposed { zxid, hash, .. } => {
                proposed.entry(zxid).or_default().push((hash, observed));
            }
            Observation::Delivered { zxid, hash, .. } => {
                let proposals = proposed.get(&zxid).map(Vec::as_slice).unwrap_or_default();
                if proposals.iter().any(|(proposal, _)| *proposal == hash) {
                    continue;
                }
                let Some((_, first)) = proposals.first() else {
                    return Story::new("a transaction was delivered that no leader proposed")
                        .seen(observed, format!("delivered {zxid}"), "nobody proposed it")
                        .violated(observed.at_ns);
                };
                return Story::new("a transaction was delivered other than it was proposed")
                    .seen(first, format!("proposed {zxid}"), "")
                    .seen(observed, format!("delivered {zxid}"), "with other content")
                    .violated(observed.at_ns);
            }
            _ => {}
        }
    }
    PropertyVerdict::Holds
}

#[cfg(test)]
mod tests {
    use super::super::testing::{digest_at, two_epochs, zxid};
    use super::*;

    #[test]
    fn proposed_transactions_are_right() {
        two_epochs().keeps(PROPERTY);
    }

    #[test]
    fn an_invented_and_a_changed_transaction_are_seen() {
        two_epochs().deliver(1, zxid(2, 2)).breaks(PROPERTY, "no leader proposed");
        let (first, digest) = (zxid(2, 1), digest_at(zxid(2, 1)));
        two_epochs().deliver_as(3, first, 5, digest).breaks(PROPERTY, "other than it was proposed");
    }
}
