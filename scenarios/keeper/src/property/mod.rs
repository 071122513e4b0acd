//! Invariants over the omniscient record of a run, one file each.
//!
//! Most are the invariants that Ouyang, Huang, Huang and others check in their TLA+ models of ZAB
//! and of ZooKeeper 3.7 (`zookeeper-specifications`, `Zab.tla` and `ZkV3_7_0.tla`, there after
//! Junqueira, Reed and Serafini, "Zab: High-performance broadcast for primary-backup systems",
//! DSN 2011). They are stated over every step of every server, so a violation is reported where it
//! first shows, long before a client could notice.

mod acknowledged_durable;
mod acknowledged_survives;
mod agreement;
mod availability;
mod damage_found;
mod digests;
mod ephemerals;
mod epochs;
mod fencing;
mod fencing_tokens;
mod final_trees;
mod global_primary_order;
mod healing;
mod histories;
mod integrity;
mod joined_history;
mod leader_first;
mod leadership_one;
mod leadership_two;
mod left_behind;
mod lines;
mod local_primary_order;
mod log_contiguity;
mod memory;
mod mutual_exclusion;
mod pairs;
mod prefix_consistency;
mod primary_integrity;
mod synchronisation;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod testing_claims;
mod total_order;
mod unexpected;
mod waiting;
mod watches;
mod zxid_epochs;

pub(crate) use harness::property::{Contradiction as Story, PropertyVerdict, of_every_run};
use harness::property::{always, fatal, no_panic};

use crate::record::Observed;
use crate::system::Keeper;

pub(crate) use pairs::PAIR_PREFIX;

/// Lines of a contradiction about servers.
pub(crate) trait Seen: Sized {
    /// Something that a server did.
    fn seen(self, observed: &Observed, text: impl Into<String>, note: impl Into<String>) -> Self;
}

impl Seen for Story {
    fn seen(self, observed: &Observed, text: impl Into<String>, note: impl Into<String>) -> Story {
        self.line(format!("n{}", observed.server), observed.at_ns, text, note)
    }
}

/// A rule over the record of a run of an ensemble.
pub(crate) type Property = harness::Property<Keeper>;

/// Every property, in the order in which to read their failures: a cause before what follows of it.
pub(crate) const PROPERTIES: [Property; 34] = [
    no_panic(),
    damage_found::PROPERTY,
    acknowledged_durable::PROPERTY,
    leadership_one::PROPERTY,
    leadership_two::PROPERTY,
    epochs::PROPERTY,
    joined_history::PROPERTY,
    zxid_epochs::PROPERTY,
    log_contiguity::PROPERTY,
    synchronisation::PROPERTY,
    unexpected::PROPERTY,
    integrity::PROPERTY,
    leader_first::PROPERTY,
    primary_integrity::PROPERTY,
    local_primary_order::PROPERTY,
    global_primary_order::PROPERTY,
    prefix_consistency::PROPERTY,
    total_order::PROPERTY,
    agreement::PROPERTY,
    digests::PROPERTY,
    ephemerals::PROPERTY,
    watches::PROPERTY,
    pairs::PROPERTY,
    mutual_exclusion::PROPERTY,
    fencing_tokens::PROPERTY,
    fencing::PROPERTY,
    left_behind::PROPERTY,
    waiting::PROPERTY,
    acknowledged_survives::PROPERTY,
    final_trees::PROPERTY,
    always(),
    fatal("ZooKeeper Administrator's Guide, data directory: only lost disks are beyond repair"),
    availability::PROPERTY,
    healing::PROPERTY,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_sources_are_named() {
        let names: BTreeSet<&str> = PROPERTIES.iter().map(|property| property.name).collect();
        assert_eq!(names.len(), PROPERTIES.len());
        assert!(PROPERTIES.iter().all(|property| property.source.len() > 10));
    }

    #[test]
    fn an_honest_run_keeps_them_all() {
        let (plan, record) = testing::honest_run();
        for property in PROPERTIES {
            let verdict = (property.check)(&plan, &record);
            assert_eq!(verdict, PropertyVerdict::Holds, "{}", property.name);
        }
    }
}
