//! A transaction is delivered by a leader before any follower delivers it: only the leader counts
//! acknowledgements, and a follower delivers what the leader tells it is committed (DSN 2011,
//! section IV, phase 3; ZooKeeper Internals, "Active Messaging"; issue "COMMIT-LD" of
//! `zookeeper-specifications`, protocol-spec).
//!
//! A follower that is ahead of every leader shows its clients what may yet be lost.

use std::collections::BTreeSet;

use crate::record::RunRecord;
use harness::plan::Plan;
use keeper_core::ids::Zxid;
use keeper_core::observation::Observation;

use super::{Property, PropertyVerdict, Seen, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "a leader delivers first",
    source: "DSN 2011, section IV, phase 3; ZooKeeper Internals, Active Messaging",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let mut leaders: BTreeSet<u32> = BTreeSet::new();
    let mut committed: BTreeSet<Zxid> = BTreeSet::new();
    for observed in &record.observations {
        match observed.observation {
            Observation::Serving { .. } => {
                leaders.insert(observed.server);
            }
            Observation::Looking | Observation::Recovered { .. } => {
                leaders.remove(&observed.server);
            }
            Observation::Delivered { zxid, .. } if leaders.contains(&observed.server) => {
                committed.insert(zxid);
            }
            Observation::Delivered { zxid, .. } if !committed.contains(&zxid) => {
                return Story::new("a follower delivered what no leader had delivered")
                    .seen(observed, format!("delivered {zxid}"), "")
                    .violated(observed.at_ns);
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
    fn what_a_leader_delivered_once_anyone_may_deliver_later() {
        let again = two_epochs().recover(2, Zxid::ZERO, zxid(2, 1));
        again.deliver(3, zxid(2, 1)).deliver(2, zxid(1, 1)).keeps(PROPERTY);
        two_epochs().deliver(2, zxid(2, 2)).deliver(3, zxid(2, 2)).keeps(PROPERTY);
    }

    #[test]
    fn a_follower_ahead_of_all_leaders_is_seen() {
        let words = "what no leader had delivered";
        two_epochs().deliver(3, zxid(2, 2)).breaks(PROPERTY, words);
        let deposed = two_epochs().see(2, Observation::Looking);
        deposed.deliver(2, zxid(2, 2)).breaks(PROPERTY, words);
    }
}
