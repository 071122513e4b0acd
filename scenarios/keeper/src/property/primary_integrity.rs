//! Before a leader proposes in its epoch it has delivered everything that any server ever delivers
//! of earlier epochs (DSN 2011, section III, "primary integrity"; `PrimaryIntegrity` of
//! ZkV3_7_0.tla).

use std::collections::BTreeMap;

use crate::record::{Observed, RunRecord};
use harness::plan::Plan;
use keeper_core::ids::{Epoch, Zxid};
use keeper_core::observation::Observation;

use super::{Property, PropertyVerdict, Seen, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "PrimaryIntegrity",
    source: "DSN 2011, section III; ZkV3_7_0.tla, PrimaryIntegrity",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    // For each epoch what its leader had applied when it first proposed.
    let mut began: BTreeMap<Epoch, (Zxid, &Observed)> = BTreeMap::new();
    let mut delivered: BTreeMap<Zxid, &Observed> = BTreeMap::new();
    for observed in &record.observations {
        match observed.observation {
            Observation::Proposed { zxid, applied, .. } if !began.contains_key(&zxid.epoch()) => {
                began.insert(zxid.epoch(), (applied, observed));
                let first_own = Zxid::new(zxid.epoch(), 0);
                if let Some((missed, first)) = delivered.range(..first_own).next_back()
                    && *missed > applied
                {
                    return explain(*missed, first, zxid, observed, observed.at_ns);
                }
            }
            Observation::Delivered { zxid, .. } => {
                let later = began.range(Epoch(zxid.epoch().0.saturating_add(1))..);
                for (_, (applied, proposal)) in later {
                    let Observation::Proposed { zxid: own, .. } = proposal.observation else {
                        continue;
                    };
                    if zxid > *applied {
                        return explain(zxid, observed, own, proposal, observed.at_ns);
                    }
                }
                delivered.entry(zxid).or_insert(observed);
            }
            _ => {}
        }
    }
    PropertyVerdict::Holds
}

fn explain(
    missed: Zxid,
    delivery: &Observed,
    own: Zxid,
    proposal: &Observed,
    at_ns: u64,
) -> PropertyVerdict {
    let delivery_line = |story: Story| story.seen(delivery, format!("delivered {missed}"), "");
    let proposal_line = |story: Story| {
        story.seen(proposal, format!("proposed {own}"), format!("without having {missed}"))
    };
    let story = Story::new("a leader proposed without all of the earlier epochs");
    if delivery.at_ns <= proposal.at_ns {
        proposal_line(delivery_line(story)).violated(at_ns)
    } else {
        delivery_line(proposal_line(story)).violated(at_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Script, two_epochs, zxid};
    use super::*;

    #[test]
    fn a_leader_that_has_everything_is_right() {
        two_epochs().lead(1, 3, zxid(2, 1)).serve(1, 3).keeps(PROPERTY);
        let script = two_epochs().lead(1, 3, zxid(2, 1)).serve(1, 3);
        script.propose(1, zxid(3, 1), zxid(2, 1)).keeps(PROPERTY);
    }

    #[test]
    fn a_leader_that_lacks_something_is_seen_before_and_after_its_proposal() {
        let words = "without all of the earlier epochs";
        let mut record = two_epochs().propose(1, zxid(3, 1), zxid(1, 2)).record();
        // The proposal's entry in the log comes behind it and is not needed here.
        record.observations.pop();
        let verdict = check(&super::super::testing::plan(), &record);
        assert!(verdict.violation().unwrap().headline.contains(words));
        Script::new()
            .propose(1, zxid(2, 1), zxid(1, 1))
            .deliver(2, zxid(1, 2))
            .breaks(PROPERTY, words);
    }
}
