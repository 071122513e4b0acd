//! If a leader proposes `a` before `b` in one epoch, then a server that delivers `b` has delivered
//! `a` before it (DSN 2011, section III, "local primary order"; `LocalPrimaryOrder` of
//! ZkV3_7_0.tla).

use std::collections::BTreeMap;

use crate::record::{Observed, RunRecord};
use harness::plan::Plan;
use keeper_core::ids::{Epoch, Zxid};
use keeper_core::observation::Observation;

use super::{Property, PropertyVerdict, Seen, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "LocalPrimaryOrder",
    source: "DSN 2011, section III; ZkV3_7_0.tla, LocalPrimaryOrder",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let mut last_proposed: BTreeMap<(u32, u32, Epoch), Zxid> = BTreeMap::new();
    let mut proposed_after: BTreeMap<Zxid, (Zxid, &Observed)> = BTreeMap::new();
    let mut positions: BTreeMap<u32, Zxid> = BTreeMap::new();
    for observed in &record.observations {
        match observed.observation {
            Observation::Proposed { zxid, .. } => {
                let reign = (observed.server, observed.incarnation, zxid.epoch());
                if let Some(before) = last_proposed.insert(reign, zxid) {
                    proposed_after.insert(zxid, (before, observed));
                }
            }
            Observation::Recovered { snapshot: zxid, .. } | Observation::Replaced { zxid, .. } => {
                positions.insert(observed.server, zxid);
            }
            Observation::Delivered { zxid, .. } => {
                let position = positions.insert(observed.server, zxid).unwrap_or_default();
                let Some((before, proposal)) = proposed_after.get(&zxid) else { continue };
                if position != *before {
                    return Story::new("a server delivered a proposal without the one before it")
                        .seen(proposal, format!("proposed {before}, then {zxid}"), "")
                        .seen(observed, format!("delivered {zxid} after {position}"), "")
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
    fn the_leaders_order_and_a_proposal_that_is_never_delivered_are_right() {
        two_epochs()
            .propose(2, zxid(2, 2), zxid(2, 1))
            .propose(2, zxid(2, 3), zxid(2, 1))
            .deliver(1, zxid(2, 2))
            .keeps(PROPERTY);
    }

    #[test]
    fn a_proposal_without_its_predecessor_is_seen() {
        two_epochs()
            .propose(2, zxid(2, 2), zxid(2, 1))
            .propose(2, zxid(2, 3), zxid(2, 1))
            .deliver(1, zxid(2, 3))
            .breaks(PROPERTY, "without the one before it");
    }
}
