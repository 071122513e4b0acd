//! If one server delivers `a` and another delivers `b`, then the first delivers `b` or the second
//! delivers `a` (DSN 2011, section III, "agreement"; `Agreement` of ZkV3_7_0.tla): of two servers'
//! sets of delivered transactions one contains the other, at every moment.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::{Observed, RunRecord};
use harness::plan::Plan;
use keeper_core::ids::Zxid;
use keeper_core::observation::Observation;

use super::{Property, PropertyVerdict, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "Agreement",
    source: "DSN 2011, section III; ZkV3_7_0.tla, Agreement",
    check,
};

/// A transaction by position and content.
type Id = (Zxid, u64);

/// What every server has delivered, a snapshot's content included, and by how many transactions
/// each exceeds each other.
#[derive(Default)]
struct Sets {
    delivered: BTreeMap<u32, BTreeSet<Id>>,
    excess: BTreeMap<(u32, u32), usize>,
}

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let mut sets = Sets::default();
    for observed in &record.observations {
        let disagreeing = match observed.observation {
            Observation::Delivered { zxid, hash, .. } => sets.add(observed.server, (zxid, hash)),
            Observation::Replaced { zxid, .. } => sets.take_over(observed.server, zxid),
            _ => None,
        };
        if let Some(other) = disagreeing {
            return explain(&sets, observed, other);
        }
    }
    PropertyVerdict::Holds
}

fn explain(sets: &Sets, observed: &Observed, other: u32) -> PropertyVerdict {
    let only = |one: u32, another: u32| {
        let all = sets.delivered[&one].difference(&sets.delivered[&another]);
        all.map(|(zxid, _)| *zxid).next().unwrap_or_default()
    };
    let (mine, theirs) = (only(observed.server, other), only(other, observed.server));
    let (me, at_ns) = (format!("n{}", observed.server), observed.at_ns);
    Story::new("two servers delivered what the other did not")
        .line(format!("n{other}"), at_ns, format!("has delivered {theirs}"), "")
        .line(me, at_ns, format!("has delivered {mine}"), format!("n{other} has not"))
        .violated(at_ns)
}

impl Sets {
    /// Adds a transaction; the answer is a server that now disagrees.
    fn add(&mut self, server: u32, id: Id) -> Option<u32> {
        if !self.delivered.contains_key(&server) {
            for (other, theirs) in &self.delivered {
                self.excess.insert((*other, server), theirs.len());
            }
        }
        if !self.delivered.entry(server).or_default().insert(id) {
            return None;
        }
        let mut disagreeing = None;
        for (other, theirs) in self.delivered.iter().filter(|(other, _)| **other != server) {
            if theirs.contains(&id) {
                let excess = self.excess.get_mut(&(*other, server));
                *excess.expect("they had it and this server had not") -= 1;
                continue;
            }
            *self.excess.entry((server, *other)).or_default() += 1;
            if self.excess.get(&(*other, server)).is_some_and(|excess| *excess > 0) {
                disagreeing = disagreeing.or(Some(*other));
            }
        }
        disagreeing
    }

    /// A snapshot of `upto` holds what the servers that have delivered `upto` have up to there.
    fn take_over(&mut self, server: u32, upto: Zxid) -> Option<u32> {
        let has_it = |set: &BTreeSet<Id>| set.range((upto, 0)..=(upto, u64::MAX)).next().is_some();
        let source = self.delivered.values().find(|set| has_it(set))?;
        let content: Vec<Id> = source.range(..=(upto, u64::MAX)).copied().collect();
        content.into_iter().filter_map(|id| self.add(server, id)).last()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Script, digest_at, two_epochs, zxid};
    use super::*;

    #[test]
    fn a_server_that_is_behind_and_one_that_starts_again_are_right() {
        two_epochs().deliver(2, zxid(2, 2)).recover(1, Zxid::ZERO, zxid(2, 1)).keeps(PROPERTY);
    }

    #[test]
    fn a_snapshot_counts_as_what_it_holds() {
        two_epochs()
            .see(4, Observation::Replaced { zxid: zxid(1, 2), digest: 0 })
            .deliver(4, zxid(2, 1))
            .keeps(PROPERTY);
    }

    #[test]
    fn two_servers_with_a_transaction_of_their_own_each_are_seen() {
        let both = "what the other did not";
        two_epochs().deliver(2, zxid(2, 2)).deliver(3, zxid(3, 1)).breaks(PROPERTY, both);
        let (next, digest) = (zxid(2, 2), digest_at(zxid(2, 2)));
        two_epochs().deliver(2, next).deliver_as(3, next, 5, digest).breaks(PROPERTY, both);
        Script::new().deliver(1, zxid(1, 1)).deliver(2, zxid(1, 2)).breaks(PROPERTY, both);
    }
}
