//! The end of a session removes all of its ephemerals, in the same transaction and on every server
//! (ZooKeeper Programmer's Guide, "Ephemeral Nodes"; ZOOKEEPER-4541, ZOOKEEPER-3145).

use keeper_core::instruments::Observation;
use sim::cluster::plan::Plan;
use sim::cluster::record::RunRecord;

use super::{Property, PropertyVerdict, Story};

pub(super) const PROPERTY: Property = Property {
    name: "ephemerals go with their session",
    source: "ZooKeeper Programmer's Guide, Ephemeral Nodes; ZOOKEEPER-4541, ZOOKEEPER-3145",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    for observed in &record.observations {
        let Observation::SessionClosed { session, ephemerals_left } = observed.observation else {
            continue;
        };
        if ephemerals_left > 0 {
            let text = format!("ended session {session}: {ephemerals_left} ephemerals are left");
            return Story::new("a session's ephemerals outlived it")
                .seen(observed, text, "")
                .violated(observed.at_ns);
        }
    }
    PropertyVerdict::Holds
}

#[cfg(test)]
mod tests {
    use keeper_core::ids::SessionId;

    use super::super::testing::two_epochs;
    use super::*;

    fn closed(ephemerals_left: usize) -> Observation {
        Observation::SessionClosed { session: SessionId(7), ephemerals_left }
    }

    #[test]
    fn a_session_that_takes_all_along_is_right() {
        two_epochs().see(1, closed(0)).keeps(PROPERTY);
    }

    #[test]
    fn an_ephemeral_that_stays_is_seen() {
        two_epochs().see(1, closed(0)).see(2, closed(1)).breaks(PROPERTY, "outlived");
    }
}
