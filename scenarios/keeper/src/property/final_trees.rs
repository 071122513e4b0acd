//! When all is over, servers at one position hold one tree, and it is the one that was there when
//! the position was delivered (DSN 2011, section II, deterministic replicas).

use std::collections::BTreeMap;

use crate::record::RunRecord;
use harness::plan::Plan;
use keeper_core::ids::Zxid;
use keeper_core::observation::Observation;

use super::{Property, PropertyVerdict, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "final trees",
    source: "DSN 2011, section II: replicas are deterministic",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let mut digests: BTreeMap<Zxid, (u64, String, u64)> = BTreeMap::new();
    for observed in &record.observations {
        if let Observation::Delivered { zxid, digest, .. } = observed.observation {
            let who = format!("n{}", observed.server);
            digests.entry(zxid).or_insert_with(|| (digest, who, observed.at_ns));
        }
    }
    for end in record.history.finals.iter().filter(|end| end.serving) {
        let who = format!("n{}", end.server);
        let mine = (end.digest, who.clone(), record.end_ns);
        let (expected, first, at_ns) = digests.entry(end.applied).or_insert(mine);
        if *expected != end.digest {
            let at = end.applied;
            return Story::new("two trees differ at the end")
                .line(first.clone(), *at_ns, format!("was at {at}"), format!("{expected:016x}"))
                .line(who, record.end_ns, format!("is at {at}"), format!("{:016x}", end.digest))
                .violated(record.end_ns);
        }
    }
    PropertyVerdict::Holds
}

#[cfg(test)]
mod tests {
    use super::super::testing::{digest_at, two_epochs, zxid};
    use super::*;

    #[test]
    fn equal_trees_and_servers_at_different_positions_are_right() {
        let (behind, last) = (zxid(1, 2), zxid(2, 1));
        two_epochs()
            .ends(1, last, digest_at(last))
            .ends(2, last, digest_at(last))
            .ends(3, behind, digest_at(behind))
            .keeps(PROPERTY);
    }

    #[test]
    fn a_tree_of_its_own_is_seen() {
        let last = zxid(2, 1);
        two_epochs().ends(1, last, digest_at(last)).ends(2, last, 5).breaks(PROPERTY, "differ");
        let nowhere = zxid(2, 9);
        two_epochs().ends(1, nowhere, 1).ends(2, nowhere, 2).breaks(PROPERTY, "differ");
    }
}
