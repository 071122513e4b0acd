//! A write that any client was told of is never lost: when all is over it is in the history of
//! every server that has come as far (ZooKeeper Programmer's Guide, "Consistency Guarantees",
//! reliability: once an update has been applied, it will persist).

use std::collections::BTreeMap;

use crate::record::{ClientOperation, ClientOutcome, FinalState, RunRecord};
use harness::plan::Plan;
use keeper_core::ids::Zxid;

use super::histories::Histories;
use super::{Property, PropertyVerdict, Story, of_every_run};
use crate::convert::is_write;

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "acknowledged writes survive",
    source: "ZooKeeper Programmer's Guide, Consistency Guarantees, reliability",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let acknowledged: BTreeMap<Zxid, &ClientOperation> = record
        .history
        .operations
        .iter()
        .filter_map(|op| Some((acknowledged_at(op)?, op)))
        .collect();
    let serving = || record.history.finals.iter().filter(|end| end.serving);
    let Some(newest) = serving().max_by_key(|end| end.applied) else {
        return PropertyVerdict::Holds;
    };
    let histories = Histories::of(record);
    for end in serving() {
        let delivered = histories.delivered(end.server);
        let mut reached = acknowledged.range(..=end.applied);
        if let Some((zxid, operation)) = reached.find(|(zxid, _)| !delivered.contains(zxid)) {
            return lost(*zxid, operation, end, record.end_ns);
        }
    }
    let beyond = (std::ops::Bound::Excluded(newest.applied), std::ops::Bound::Unbounded);
    if let Some((zxid, operation)) = acknowledged.range(beyond).next() {
        return lost(*zxid, operation, newest, record.end_ns);
    }
    PropertyVerdict::Holds
}

fn acknowledged_at(operation: &ClientOperation) -> Option<Zxid> {
    match operation.outcome {
        ClientOutcome::Ok { zxid, .. } if is_write(&operation.request) => Some(zxid),
        _ => None,
    }
}

fn lost(zxid: Zxid, operation: &ClientOperation, end: &FinalState, end_ns: u64) -> PropertyVerdict {
    let told_ns = operation.complete_ns.unwrap_or(operation.invoke_ns);
    let client = format!("c{}", operation.client);
    let state = format!("serves at {} without {zxid}", end.applied);
    Story::new("an acknowledged write is lost")
        .line(client, told_ns, format!("was told that {zxid} took effect"), "")
        .line(format!("n{}", end.server), end_ns, state, "")
        .violated(end_ns)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{two_epochs, zxid};
    use super::*;

    #[test]
    fn a_server_that_lags_is_right_as_long_as_another_has_the_write() {
        let (behind, last) = (zxid(1, 2), zxid(2, 1));
        let script = two_epochs().recover(3, Zxid::ZERO, last);
        let script = script.deliver(3, zxid(1, 1)).deliver(3, behind);
        script.acknowledge(1, last).ends(1, last, 0).ends(3, behind, 0).keeps(PROPERTY);
        two_epochs().acknowledge(1, zxid(5, 5)).keeps(PROPERTY);
    }

    #[test]
    fn a_write_that_nobody_has_at_the_end_is_seen() {
        let script = two_epochs().acknowledge(1, zxid(2, 2));
        script.ends(1, zxid(2, 1), 0).breaks(PROPERTY, "is lost");
    }

    #[test]
    fn a_write_that_was_overtaken_is_seen() {
        let script = two_epochs().acknowledge(1, zxid(1, 3));
        script.ends(1, zxid(2, 1), 0).breaks(PROPERTY, "is lost");
    }
}
