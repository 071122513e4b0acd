//! At any moment at most one server is the established leader of an epoch, that is, has a quorum's
//! promises and is synchronising it or broadcasting (`Leadership1` of ZkV3_7_0.tla).

use std::collections::BTreeMap;

use crate::record::{Observed, RunRecord};
use harness::plan::Plan;
use keeper_core::ids::Epoch;
use keeper_core::observation::Observation;

use super::{Property, PropertyVerdict, Seen, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "Leadership1",
    source: "Zab.tla and ZkV3_7_0.tla, Leadership1",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let mut leads: BTreeMap<u32, (Epoch, &Observed)> = BTreeMap::new();
    for observed in &record.observations {
        let epoch = match observed.observation {
            Observation::EpochEstablished { epoch, .. } | Observation::Serving { epoch } => epoch,
            Observation::Looking
            | Observation::Leading
            | Observation::Following { .. }
            | Observation::Recovered { .. } => {
                leads.remove(&observed.server);
                continue;
            }
            _ => continue,
        };
        let other = leads
            .iter()
            .find(|(server, (theirs, _))| **server != observed.server && *theirs == epoch);
        if let Some((_, (_, first))) = other {
            return Story::new("two servers lead in one epoch at a time")
                .seen(first, format!("leads epoch {epoch}"), "and has not stopped")
                .seen(observed, format!("leads epoch {epoch}"), "")
                .violated(observed.at_ns);
        }
        leads.insert(observed.server, (epoch, observed));
    }
    PropertyVerdict::Holds
}

#[cfg(test)]
mod tests {
    use super::super::testing::{two_epochs, zxid};
    use super::*;

    #[test]
    fn one_leader_after_another_is_right_and_so_is_a_deposed_one_that_does_not_know() {
        two_epochs()
            .see(2, Observation::Looking)
            .lead(1, 3, zxid(2, 1))
            .serve(1, 3)
            .keeps(PROPERTY);
        two_epochs().lead(3, 3, zxid(2, 1)).keeps(PROPERTY);
    }

    #[test]
    fn two_leaders_of_one_epoch_are_seen() {
        two_epochs().lead(3, 2, zxid(2, 1)).breaks(PROPERTY, "two servers lead");
    }
}
