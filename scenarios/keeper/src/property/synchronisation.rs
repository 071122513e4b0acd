//! A learner does what its leader chose (DIFF, TRUNC, SNAP), vouches for the result before it
//! serves, and nothing is delivered outside of broadcast (DSN 2011, section IV, phases 2 and 3;
//! ZooKeeper Internals, "Leader Activation"; ZOOKEEPER-3911, ZOOKEEPER-3023).

use std::collections::BTreeMap;

use crate::record::{Observed, RunRecord};
use harness::plan::Plan;
use keeper_core::ids::ServerId;
use keeper_core::observation::{Observation, SyncKind};

use super::{Property, PropertyVerdict, Seen, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "synchronisation",
    source: "DSN 2011, section IV; ZOOKEEPER-3911, ZOOKEEPER-3023",
    check,
};

/// How far a server is in its role.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Looking,
    Leading,
    Following(ServerId),
    Receiving { vouched: bool },
    Broadcast,
}

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let mut chosen: BTreeMap<(u64, u64), (SyncKind, &Observed)> = BTreeMap::new();
    let mut stages: BTreeMap<u32, (Stage, &Observed)> = BTreeMap::new();
    for observed in &record.observations {
        let before = stages.get(&observed.server).copied();
        let stage = before.map_or(Stage::Looking, |(stage, _)| stage);
        let next = match observed.observation {
            Observation::Looking | Observation::Recovered { .. } => Stage::Looking,
            Observation::Leading => Stage::Leading,
            Observation::Serving { .. } => Stage::Broadcast,
            Observation::Following { leader } => Stage::Following(leader),
            Observation::SyncChosen { learner, kind } => {
                chosen.insert((observed.server.into(), learner.0), (kind, observed));
                continue;
            }
            Observation::SyncBegun { kind } => {
                if let Stage::Following(leader) = stage
                    && let choice = chosen.get(&(leader.0, observed.server.into()))
                    && let Some(verdict) = deviates(choice, kind, observed)
                {
                    return verdict;
                }
                Stage::Receiving { vouched: false }
            }
            Observation::Acknowledged { .. } if matches!(stage, Stage::Receiving { .. }) => {
                Stage::Receiving { vouched: true }
            }
            Observation::SyncEnded => {
                if stage != (Stage::Receiving { vouched: true }) {
                    let headline = "a learner serves without having vouched for its history";
                    return unprepared(headline, before, observed, "began to serve");
                }
                Stage::Broadcast
            }
            Observation::Delivered { zxid, .. } if stage != Stage::Broadcast => {
                let text = format!("delivered {zxid}");
                let headline = "a transaction was delivered outside of broadcast";
                return unprepared(headline, before, observed, &text);
            }
            _ => continue,
        };
        stages.insert(observed.server, (next, observed));
    }
    PropertyVerdict::Holds
}

fn deviates(
    choice: Option<&(SyncKind, &Observed)>,
    kind: SyncKind,
    observed: &Observed,
) -> Option<PropertyVerdict> {
    let begun = format!("receives a {kind:?}");
    match choice {
        Some((chosen, _)) if *chosen == kind => None,
        Some((chosen, first)) => Some(
            Story::new("a learner is not synchronised as its leader chose")
                .seen(first, format!("chose {chosen:?} for n{}", observed.server), "")
                .seen(observed, begun, "")
                .violated(observed.at_ns),
        ),
        None => Some(
            Story::new("a learner is synchronised though its leader chose nothing")
                .seen(observed, begun, "")
                .violated(observed.at_ns),
        ),
    }
}

fn unprepared(
    headline: &str,
    before: Option<(Stage, &Observed)>,
    observed: &Observed,
    text: &str,
) -> PropertyVerdict {
    let mut story = Story::new(headline);
    if let Some((stage, first)) = before {
        let role = match stage {
            Stage::Looking => "looks for a leader".to_owned(),
            Stage::Leading => "leads, but does not broadcast yet".to_owned(),
            Stage::Following(leader) => format!("follows n{leader}, not synchronised"),
            Stage::Receiving { .. } => "receives the leader's history".to_owned(),
            Stage::Broadcast => "takes part in broadcast".to_owned(),
        };
        story = story.seen(first, role, "");
    }
    story.seen(observed, text, "").violated(observed.at_ns)
}

#[cfg(test)]
mod tests {
    use keeper_core::ids::Zxid;

    use super::super::testing::{two_epochs, zxid};
    use super::*;

    const LEADER: ServerId = ServerId(2);

    #[test]
    fn a_learner_that_is_cut_off_on_the_way_may_begin_again() {
        two_epochs()
            .see(3, Observation::Following { leader: LEADER })
            .see(2, Observation::SyncChosen { learner: ServerId(3), kind: SyncKind::Snap })
            .see(3, Observation::SyncBegun { kind: SyncKind::Snap })
            .see(3, Observation::Looking)
            .follow(3, 2, zxid(2, 1))
            .deliver(3, zxid(2, 2))
            .keeps(PROPERTY);
    }

    #[test]
    fn a_deviation_from_the_leaders_choice_is_seen() {
        let script = two_epochs().see(3, Observation::Following { leader: LEADER });
        let script = script
            .see(2, Observation::SyncChosen { learner: ServerId(3), kind: SyncKind::Trunc })
            .see(3, Observation::SyncBegun { kind: SyncKind::Diff });
        script.breaks(PROPERTY, "not synchronised as its leader chose");
        let script = two_epochs().see(1, Observation::Looking);
        let script = script.see(1, Observation::Following { leader: ServerId(3) });
        let script = script.see(1, Observation::SyncBegun { kind: SyncKind::Diff });
        script.breaks(PROPERTY, "chose nothing");
    }

    #[test]
    fn serving_and_delivering_too_early_are_seen() {
        let begin = || {
            two_epochs()
                .see(3, Observation::Following { leader: LEADER })
                .see(3, Observation::SyncBegun { kind: SyncKind::Diff })
        };
        begin().see(3, Observation::SyncEnded).breaks(PROPERTY, "without having vouched");
        begin().deliver(3, zxid(2, 2)).breaks(PROPERTY, "outside of broadcast");
        two_epochs()
            .recover(1, Zxid::ZERO, zxid(2, 1))
            .deliver(1, zxid(1, 1))
            .breaks(PROPERTY, "outside of broadcast");
    }
}
