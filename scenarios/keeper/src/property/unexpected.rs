//! A server never hears what the protocol rules out: no gap between proposals, no COMMIT of what was
//! not proposed, no packet out of its phase. Connections are ordered and lose nothing, so whatever
//! of this arrives was sent by a bug (`ShouldNotBeTriggered` of ZkV3_7_0.tla; ZOOKEEPER-962,
//! ZOOKEEPER-4394).
//!
//! A follower that hears it gives its leader up and is synchronised anew, so clients may notice no
//! more than that it comes and goes.

use crate::record::RunRecord;
use harness::plan::Plan;
use keeper_core::observation::Observation;

use super::{Property, PropertyVerdict, Seen, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "ShouldNotBeTriggered",
    source: "ZkV3_7_0.tla, ShouldNotBeTriggered; ZOOKEEPER-962, ZOOKEEPER-4394",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    for observed in &record.observations {
        if let Observation::Unexpected { what } = &observed.observation {
            return Story::new("a server heard what the protocol rules out")
                .seen(observed, what, "")
                .violated(observed.at_ns);
        }
    }
    PropertyVerdict::Holds
}

#[cfg(test)]
mod tests {
    use super::super::testing::two_epochs;
    use super::*;

    #[test]
    fn connections_that_only_end_are_right() {
        two_epochs().see(3, Observation::Looking).keeps(PROPERTY);
    }

    #[test]
    fn what_the_protocol_rules_out_is_seen() {
        let what = "the leader proposed 0x200000003 after 0x200000001".to_owned();
        two_epochs()
            .see(3, Observation::Unexpected { what })
            .breaks(PROPERTY, "what the protocol rules out");
    }
}
