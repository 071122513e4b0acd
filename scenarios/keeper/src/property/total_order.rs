//! If a server delivers `a` before `b`, then every server that delivers `b` delivers `a` before it
//! (DSN 2011, section III, "total order"; `TotalOrder` of ZkV3_7_0.tla): every transaction has the
//! same predecessor everywhere, and none is delivered twice in one life of a server.

use std::collections::BTreeMap;

use crate::record::{Observed, RunRecord};
use harness::plan::Plan;
use keeper_core::ids::Zxid;
use keeper_core::observation::Observation;

use super::{Property, PropertyVerdict, Seen, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "TotalOrder",
    source: "DSN 2011, section III; ZkV3_7_0.tla, TotalOrder",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let mut predecessors: BTreeMap<Zxid, (Zxid, &Observed)> = BTreeMap::new();
    let mut positions: BTreeMap<u32, Zxid> = BTreeMap::new();
    for observed in &record.observations {
        match observed.observation {
            Observation::Recovered { snapshot: zxid, .. } | Observation::Replaced { zxid, .. } => {
                positions.insert(observed.server, zxid);
            }
            Observation::Delivered { zxid, .. } => {
                let before = positions.insert(observed.server, zxid).unwrap_or_default();
                if zxid <= before {
                    return Story::new("a server delivered a transaction after a later one")
                        .seen(observed, format!("delivered {zxid} after {before}"), "")
                        .violated(observed.at_ns);
                }
                let (expected, first) = predecessors.entry(zxid).or_insert((before, observed));
                if *expected != before {
                    let theirs = format!("delivered {zxid} after {expected}");
                    return Story::new("a transaction comes after different ones on two servers")
                        .seen(first, theirs, "")
                        .seen(observed, format!("delivered {zxid} after {before}"), "")
                        .violated(observed.at_ns);
                }
            }
            _ => {}
        }
    }
    PropertyVerdict::Holds
}

#[cfg(test)]
mod tests {
    use super::super::testing::{two_epochs, zxid};
    use super::*;

    #[test]
    fn the_same_order_everywhere_and_again_after_a_restart_is_right() {
        two_epochs().recover(2, zxid(1, 1), zxid(2, 1)).deliver(2, zxid(1, 2)).keeps(PROPERTY);
    }

    #[test]
    fn a_gap_a_repetition_and_a_step_back_are_seen() {
        let (first, last) = (zxid(1, 1), zxid(2, 1));
        two_epochs().recover(2, first, last).deliver(2, last).breaks(PROPERTY, "different ones");
        two_epochs().deliver(2, last).breaks(PROPERTY, "after a later one");
        two_epochs().deliver(2, first).breaks(PROPERTY, "after a later one");
    }
}
