//! What was proposed in an earlier epoch is delivered before what was proposed in a later one
//! (DSN 2011, section III, "global primary order"; `GlobalPrimaryOrder` of ZkV3_7_0.tla): epochs
//! never go back in a history.

use std::collections::BTreeMap;

use crate::record::{Observed, RunRecord};
use harness::plan::Plan;
use keeper_core::observation::Observation;

use super::{Property, PropertyVerdict, Seen, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "GlobalPrimaryOrder",
    source: "DSN 2011, section III; ZkV3_7_0.tla, GlobalPrimaryOrder",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let mut last: BTreeMap<u32, &Observed> = BTreeMap::new();
    for observed in &record.observations {
        let Some(zxid) = position(&observed.observation) else { continue };
        let before = last.insert(observed.server, observed);
        let is_delivery = matches!(observed.observation, Observation::Delivered { .. });
        let Some(before) = before.filter(|_| is_delivery) else { continue };
        let theirs = position(&before.observation).unwrap_or_default();
        if zxid.epoch() < theirs.epoch() {
            return Story::new("a server delivered from an earlier epoch after a later one")
                .seen(before, format!("was at {theirs}"), "")
                .seen(observed, format!("delivered {zxid}"), "")
                .violated(observed.at_ns);
        }
    }
    PropertyVerdict::Holds
}

/// Where an observation leaves its server's history.
fn position(observation: &Observation) -> Option<keeper_core::ids::Zxid> {
    match observation {
        Observation::Delivered { zxid, .. }
        | Observation::Replaced { zxid, .. }
        | Observation::Recovered { snapshot: zxid, .. } => Some(*zxid),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use keeper_core::ids::Zxid;

    use super::super::testing::{two_epochs, zxid};
    use super::*;

    #[test]
    fn a_restart_begins_again_with_its_snapshot() {
        two_epochs().recover(3, Zxid::ZERO, zxid(2, 1)).deliver(3, zxid(1, 1)).keeps(PROPERTY);
    }

    #[test]
    fn an_epoch_that_goes_back_is_seen() {
        two_epochs().deliver(3, zxid(1, 3)).breaks(PROPERTY, "earlier epoch");
        two_epochs()
            .recover(3, zxid(2, 1), zxid(2, 1))
            .deliver(3, zxid(1, 3))
            .breaks(PROPERTY, "earlier epoch");
    }
}
