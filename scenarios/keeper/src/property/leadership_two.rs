//! An epoch is established once: by one server, in one reign (`Leadership2` of ZkV3_7_0.tla, which
//! counts servers; a server that established its epoch a second time would give out the same
//! positions twice, so that counts here too).

use std::collections::BTreeMap;

use crate::record::{Observed, RunRecord};
use harness::plan::Plan;
use keeper_core::ids::Epoch;
use keeper_core::observation::Observation;

use super::{Property, PropertyVerdict, Seen, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "Leadership2",
    source: "Zab.tla and ZkV3_7_0.tla, Leadership2",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let mut established: BTreeMap<Epoch, &Observed> = BTreeMap::new();
    for observed in &record.observations {
        let Observation::EpochEstablished { epoch, .. } = observed.observation else { continue };
        if let Some(first) = established.insert(epoch, observed) {
            return Story::new("an epoch was established twice")
                .seen(first, format!("established epoch {epoch}"), "")
                .seen(observed, format!("established epoch {epoch}"), "once more")
                .violated(observed.at_ns);
        }
    }
    PropertyVerdict::Holds
}

#[cfg(test)]
mod tests {
    use super::super::testing::{two_epochs, zxid};
    use super::*;

    #[test]
    fn epochs_that_grow_are_right() {
        two_epochs().lead(2, 3, zxid(2, 1)).keeps(PROPERTY);
    }

    #[test]
    fn an_epoch_that_comes_again_is_seen_even_after_its_leader_stopped() {
        two_epochs().see(1, Observation::Looking).lead(3, 1, zxid(2, 1)).breaks(PROPERTY, "twice");
        two_epochs().see(2, Observation::Looking).lead(2, 2, zxid(2, 1)).breaks(PROPERTY, "twice");
    }
}
