//! A log has no gap: every transaction stands right behind the one before it, or is the first of a
//! later epoch (ZOOKEEPER-4925, ZOOKEEPER-4882, ZOOKEEPER-5094).

use std::collections::BTreeMap;

use crate::record::{Observed, RunRecord};
use harness::plan::Plan;
use keeper_core::ids::Zxid;
use keeper_core::observation::Observation;

use super::{Property, PropertyVerdict, Seen, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "log contiguity",
    source: "ZooKeeper Internals, zxids; ZOOKEEPER-4925, ZOOKEEPER-4882, ZOOKEEPER-5094",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let mut ends: BTreeMap<u32, (Zxid, &Observed)> = BTreeMap::new();
    for observed in &record.observations {
        let end = match observed.observation {
            Observation::Recovered { snapshot, last, .. } => {
                if last < snapshot {
                    return Story::new("a log ends before the snapshot that it continues")
                        .seen(observed, format!("started with {snapshot} and {last}"), "")
                        .violated(observed.at_ns);
                }
                last
            }
            Observation::Replaced { zxid, .. } => zxid,
            Observation::Truncated { zxid } | Observation::Logged { zxid, .. } => zxid,
            _ => continue,
        };
        let Some((before, first)) = ends.insert(observed.server, (end, observed)) else {
            continue;
        };
        let (headline, text) = match observed.observation {
            Observation::Logged { .. } if !follows(before, end) => {
                ("a log has a gap", format!("logged {end} after {before}"))
            }
            Observation::Truncated { .. } if end > before => {
                ("a log was cut behind its end", format!("cut its log after {end}"))
            }
            _ => continue,
        };
        return Story::new(headline)
            .seen(first, format!("had a log that ended at {before}"), "")
            .seen(observed, text, "")
            .violated(observed.at_ns);
    }
    PropertyVerdict::Holds
}

/// Whether `next` may stand right behind `last`.
fn follows(last: Zxid, next: Zxid) -> bool {
    if next.epoch() == last.epoch() {
        last.next() == Some(next)
    } else {
        next.epoch() > last.epoch() && next.counter() == 1
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{two_epochs, zxid};
    use super::*;

    #[test]
    fn cuts_snapshots_and_restarts_begin_anew() {
        let cut = Observation::Truncated { zxid: zxid(1, 1) };
        two_epochs().see(3, cut).log(3, zxid(1, 2)).keeps(PROPERTY);
        let whole = Observation::Replaced { zxid: zxid(2, 7), digest: 0 };
        two_epochs().see(3, whole).log(3, zxid(2, 8)).keeps(PROPERTY);
        two_epochs().recover(3, Zxid::ZERO, zxid(1, 2)).log(3, zxid(4, 1)).keeps(PROPERTY);
    }

    #[test]
    fn gaps_are_seen() {
        let logged = |zxid| Observation::Logged { zxid, hash: 0 };
        for wrong in [zxid(2, 3), zxid(2, 1), zxid(3, 2), zxid(1, 3)] {
            two_epochs().see(3, logged(wrong)).breaks(PROPERTY, "has a gap");
        }
        let cut = Observation::Truncated { zxid: zxid(2, 9) };
        two_epochs().see(3, cut).breaks(PROPERTY, "behind its end");
        let (snapshot, last, digest) = (zxid(2, 1), zxid(1, 2), 0);
        let start = Observation::Recovered { snapshot, last, digest };
        two_epochs().see(3, start).breaks(PROPERTY, "before the snapshot");
    }
}
