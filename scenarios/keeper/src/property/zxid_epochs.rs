//! A leader proposes in the epoch that a quorum promised it, with the counters 1, 2, 3, ...: when
//! they are used up it needs another epoch, and may not take one (ZooKeeper Internals, "Guarantees,
//! Properties, and Definitions", zxids; ZOOKEEPER-1277).

use std::collections::BTreeMap;

use crate::record::{Observed, RunRecord};
use harness::plan::Plan;
use keeper_core::ids::{Epoch, Zxid};
use keeper_core::observation::Observation;

use super::{Property, PropertyVerdict, Seen, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "zxids of the epoch",
    source: "ZooKeeper Internals, zxids; ZOOKEEPER-1277",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    // The epoch that each server has been given, and the last counter that it gave out there.
    let mut reigns: BTreeMap<u32, (Epoch, u32, &Observed)> = BTreeMap::new();
    for observed in &record.observations {
        match observed.observation {
            Observation::Looking | Observation::Recovered { .. } => {
                reigns.remove(&observed.server);
            }
            Observation::EpochEstablished { epoch, .. } => {
                reigns.insert(observed.server, (epoch, 0, observed));
            }
            Observation::Proposed { zxid, .. } => {
                let Some((epoch, last, established)) = reigns.get_mut(&observed.server) else {
                    return Story::new("a server proposed without an epoch of its own")
                        .seen(observed, format!("proposed {zxid}"), "")
                        .violated(observed.at_ns);
                };
                let due = last.checked_add(1).map(|counter| Zxid::new(*epoch, counter));
                if due != Some(zxid) {
                    let headline = "a leader gave out a zxid that was not its next one";
                    return Story::new(headline)
                        .seen(established, format!("was given epoch {epoch}"), "")
                        .seen(
                            observed,
                            format!("proposed {zxid} after counter {last} of epoch {epoch}"),
                            "",
                        )
                        .violated(observed.at_ns);
                }
                *last += 1;
            }
            _ => {}
        }
    }
    PropertyVerdict::Holds
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Script, two_epochs, zxid};
    use super::*;

    fn reign(history: Zxid) -> Script {
        two_epochs().see(2, Observation::Looking).lead(1, 4, history).serve(1, 4)
    }

    #[test]
    fn counters_that_begin_anew_with_each_epoch_are_right() {
        let last = zxid(2, 1);
        reign(last).propose(1, zxid(4, 1), last).propose(1, zxid(4, 2), last).keeps(PROPERTY);
    }

    fn proposes(zxids: &[Zxid]) -> Script {
        zxids.iter().fold(reign(zxid(2, 1)), |script, zxid| {
            let hash = zxid.0;
            script.see(1, Observation::Proposed { zxid: *zxid, hash, applied: Zxid::ZERO })
        })
    }

    #[test]
    fn a_counter_that_runs_over_into_the_epoch_is_seen() {
        proposes(&[zxid(4, 1), zxid(5, 0)]).breaks(PROPERTY, "not its next one");
        proposes(&[zxid(4, 1), zxid(5, 1)]).breaks(PROPERTY, "not its next one");
        proposes(&[zxid(4, 1), zxid(4, 3)]).breaks(PROPERTY, "not its next one");
    }

    #[test]
    fn a_proposal_of_a_server_that_does_not_lead_is_seen() {
        let (zxid, applied) = (zxid(4, 1), Zxid::ZERO);
        let script = reign(applied).see(1, Observation::Looking);
        script
            .see(1, Observation::Proposed { zxid, hash: 1, applied })
            .breaks(PROPERTY, "without an epoch");
    }
}
