//! A connection that ends takes its watches along: a client that returns names those that it still
//! wants (ZooKeeper Programmer's Guide, "ZooKeeper Watches"; ZOOKEEPER-1382). What stays is never
//! asked for again, so a server that lives long enough runs out of memory by it.

use crate::record::RunRecord;
use harness::plan::Plan;
use keeper_core::observation::Observation;

use super::{Property, PropertyVerdict, Seen, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "watches go with their connection",
    source: "ZooKeeper Programmer's Guide, ZooKeeper Watches; ZOOKEEPER-1382",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    for observed in &record.observations {
        if let Observation::ConnectionEnded { watches_left } = observed.observation
            && watches_left > 0
        {
            let text = format!("gave up a connection: {watches_left} of its watches are left");
            return Story::new("a connection's watches outlived it")
                .seen(observed, text, "")
                .violated(observed.at_ns);
        }
    }
    PropertyVerdict::Holds
}

#[cfg(test)]
mod tests {
    use super::super::testing::two_epochs;
    use super::*;

    fn ended(watches_left: usize) -> Observation {
        Observation::ConnectionEnded { watches_left }
    }

    #[test]
    fn a_connection_that_takes_all_along_is_right() {
        two_epochs().see(1, ended(0)).keeps(PROPERTY);
    }

    #[test]
    fn a_watch_that_stays_is_seen() {
        two_epochs().see(1, ended(0)).see(2, ended(3)).breaks(PROPERTY, "outlived");
    }
}
