//! A server calls its data damaged only where a fault has damaged them: what a crash leaves, and what the server
//! itself has made of its files, is none (Alagappan and others, "Protocol-Aware Recovery for Consensus-Based
//! Storage", FAST 2018, section 3.3.3: a crash and a corruption are told apart). A server without a voice is one
//! less for a majority.

use crate::record::RunRecord;
use harness::plan::Plan;
use keeper_core::observation::Observation;

use super::{Property, PropertyVerdict, Seen, Story};

pub(super) const PROPERTY: Property = Property {
    has_subject: |record| record.observations.iter().any(|observed| is_find(&observed.observation)),
    name: "damage is found where it was done",
    source: "Alagappan and others, FAST 2018, section 3.3.3: corruption and crash are told apart",
    check,
};

fn is_find(observation: &Observation) -> bool {
    matches!(observation, Observation::DamageFound { .. })
}

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    for observed in &record.observations {
        let Observation::DamageFound { what } = &observed.observation else { continue };
        let was_done = record
            .amnesias
            .iter()
            .any(|each| each.server == observed.server && each.at_ns <= observed.at_ns);
        if !was_done {
            return Story::new("a server found damage that nobody did")
                .seen(observed, what.clone(), "no fault has damaged its disk")
                .violated(observed.at_ns);
        }
    }
    PropertyVerdict::Holds
}

#[cfg(test)]
mod tests {
    use sim::fault::Forgot;

    use super::super::testing::two_epochs;
    use super::*;

    #[test]
    fn damage_is_right_only_at_who_was_damaged_before() {
        let found = || Observation::DamageFound { what: "log.1 is damaged".into() };
        two_epochs().keeps(PROPERTY);
        two_epochs().forget(3, Forgot::Damaged).see(3, found()).keeps(PROPERTY);
        two_epochs().see(3, found()).breaks(PROPERTY, "damage that nobody did");
        let other = two_epochs().forget(2, Forgot::Damaged).see(3, found());
        other.breaks(PROPERTY, "damage that nobody did");
    }
}
