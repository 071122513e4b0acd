//! Replicas at one position are equal: the tree's digest after a transaction is the same wherever
//! and whenever it was computed (DSN 2011, section II, deterministic replicas; ZooKeeper's own
//! digest verification, ZOOKEEPER-3512).

use std::collections::BTreeMap;

use crate::record::{Observed, RunRecord};
use harness::plan::Plan;
use keeper_core::ids::Zxid;
use keeper_core::observation::Observation;

use super::{Property, PropertyVerdict, Seen, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "replica digests",
    source: "ZooKeeper's digest verification, ZOOKEEPER-3512",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let mut digests: BTreeMap<Zxid, (u64, &Observed)> = BTreeMap::new();
    for observed in &record.observations {
        let Some((zxid, digest, _)) = state(&observed.observation) else { continue };
        let (expected, first) = digests.entry(zxid).or_insert((digest, observed));
        if *expected != digest {
            return explain(zxid, first, observed);
        }
    }
    PropertyVerdict::Holds
}

/// A state with its digest, and how the server came to it.
fn state(observation: &Observation) -> Option<(Zxid, u64, &'static str)> {
    match observation {
        Observation::Delivered { zxid, digest, .. } => Some((*zxid, *digest, "delivered")),
        Observation::Replaced { zxid, digest } => {
            Some((*zxid, *digest, "received the leader's snapshot of"))
        }
        Observation::Recovered { snapshot, digest, .. } => {
            Some((*snapshot, *digest, "started with its own snapshot of"))
        }
        _ => None,
    }
}

fn explain(zxid: Zxid, first: &Observed, second: &Observed) -> PropertyVerdict {
    let seen = |story: Story, observed: &Observed| match state(&observed.observation) {
        Some((_, digest, how)) => {
            story.seen(observed, format!("{how} {zxid}"), format!("digest {digest:016x}"))
        }
        None => story,
    };
    let how = state(&second.observation).map_or("", |(_, _, how)| how);
    let story = Story::new(format!("two trees at one position differ: a server {how} {zxid}"));
    seen(seen(story, first), second).violated(second.at_ns)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{digest_at, hash_of, two_epochs, zxid};
    use super::*;

    #[test]
    fn equal_trees_are_right_however_they_came_about() {
        let (last, digest) = (zxid(2, 1), digest_at(zxid(2, 1)));
        two_epochs()
            .see(3, Observation::Replaced { zxid: last, digest })
            .recover(1, last, last)
            .deliver(4, last)
            .keeps(PROPERTY);
    }

    #[test]
    fn a_differing_tree_is_seen_however_it_came_about() {
        let (last, digest) = (zxid(2, 1), 5);
        two_epochs().deliver_as(1, last, hash_of(last), digest).breaks(PROPERTY, "delivered");
        let replaced = Observation::Replaced { zxid: last, digest };
        two_epochs().see(1, replaced).breaks(PROPERTY, "the leader's snapshot");
        let recovered = Observation::Recovered { snapshot: last, last, digest };
        two_epochs().see(1, recovered).breaks(PROPERTY, "its own snapshot");
    }
}
