//! The end of a session removes all of its ephemerals, in the same transaction and on every server,
//! and no server ever holds ephemerals of a session that it does not know, for nothing would remove
//! them (ZooKeeper Programmer's Guide, "Ephemeral Nodes"; ZOOKEEPER-4541, 3145, 3144, 1496).

use crate::record::RunRecord;
use harness::plan::Plan;
use keeper_core::observation::Observation;

use super::{Property, PropertyVerdict, Seen, Story};

pub(super) const PROPERTY: Property = Property {
    has_subject: crate::subject::has_ephemerals,
    name: "ephemerals go with their session",
    source: "ZooKeeper Programmer's Guide, Ephemeral Nodes; ZOOKEEPER-4541, ZOOKEEPER-3145",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    for observed in &record.observations {
        let (headline, text) = match observed.observation {
            Observation::SessionClosed { session, ephemerals_left } if ephemerals_left > 0 => (
                "a session's ephemerals outlived it",
                format!("ended session {session}: {ephemerals_left} ephemerals are left"),
            ),
            Observation::Orphaned { session, ephemerals } => (
                "a server holds ephemerals of a session that it does not know",
                format!("holds {ephemerals} of session {session}"),
            ),
            _ => continue,
        };
        return Story::new(headline).seen(observed, text, "").violated(observed.at_ns);
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

    #[test]
    fn an_ephemeral_without_a_session_is_seen() {
        let orphaned = Observation::Orphaned { session: SessionId(7), ephemerals: 2 };
        two_epochs().see(2, orphaned).breaks(PROPERTY, "does not know");
    }
}
