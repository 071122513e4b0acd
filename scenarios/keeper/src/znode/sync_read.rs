//! `sync` followed by a read is a linearizable read, where the system claims it.
//!
//! A read that follows a successful `sync` on its session is answered from a state that has every
//! write acknowledged to anyone before that `sync` was invoked. Apache ZooKeeper does not give
//! this (its `sync` asks no quorum), so histories must claim it: see [`super::Claims`].

use checker::Verdict;

use super::render::{Explain, nothing, operation_line};
use super::session_zxid::by_session;
use super::witness::has_position;
use super::{Outcome, Request, ZHistory, ZOperation};

const PROPERTY: &str = "sync then read";

/// Checks every read that follows a `sync`. `Unknown` for histories that do not claim it.
pub fn check(history: &ZHistory) -> Verdict {
    if let Some(nothing) = nothing(history) {
        return nothing;
    }
    if !history.claims.sync_is_barrier {
        let reason = "the history does not claim that sync is a barrier".to_owned();
        return Verdict::Unknown { reason, spent: String::new() };
    }
    let mut writes: Vec<&ZOperation> =
        history.operations.iter().filter(|op| op.committed_zxid().is_some()).collect();
    writes.sort_by_key(|op| op.complete_ns);
    // The largest zxid acknowledged up to each position.
    let mut latest: Vec<&ZOperation> = Vec::with_capacity(writes.len());
    for write in &writes {
        let best = latest.last().copied().filter(|best| best.zxid >= write.zxid);
        latest.push(best.unwrap_or(write));
    }
    for (_, mut operations) in by_session(history) {
        operations.sort_by_key(|op| op.cxid);
        let mut bound: Option<(&ZOperation, &ZOperation)> = None;
        for operation in operations {
            let is_sync = matches!(operation.request, Request::Sync { .. });
            if is_sync && matches!(operation.outcome, Outcome::Ok(_)) {
                let before = writes.partition_point(|w| w.complete_ns < Some(operation.invoke_ns));
                if let Some(at) = before.checked_sub(1) {
                    bound = Some((latest[at], operation));
                }
            }
            if !operation.request.is_read() || !has_position(operation) {
                continue;
            }
            let missed = bound.filter(|(write, _)| write.zxid > operation.zxid);
            if let Some((write, sync)) = missed {
                let headline = "a read after sync missed an acknowledged write".to_owned();
                return Explain::new(PROPERTY, headline)
                    .line(operation_line(write), "acknowledged before the sync")
                    .line(operation_line(sync), "")
                    .contradiction(operation_line(operation), "a state without that write");
            }
        }
    }
    Verdict::Valid
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::znode::testing::Ensemble;
    use crate::znode::{CreateMode, Zxid};

    fn sample() -> (ZHistory, usize) {
        let mut ensemble = Ensemble::new();
        let (a, b) = (ensemble.session(1), ensemble.session(2));
        ensemble.create(a, "/k", "a", CreateMode::Persistent);
        ensemble.sync(b, "/k");
        let read = ensemble.get(b, "/k");
        let mut history = ensemble.into_history();
        history.claims.sync_is_barrier = true;
        (history, read)
    }

    #[test]
    fn a_stale_read_after_sync_is_seen_only_where_sync_is_claimed() {
        let (mut history, read) = sample();
        assert_eq!(check(&history), Verdict::Valid);
        history.operations[read].zxid = Some(Zxid(1));
        let text = check(&history).explanation().unwrap().to_string();
        assert!(text.contains("missed an acknowledged write"), "{text}");
        history.claims.sync_is_barrier = false;
        assert!(matches!(check(&history), Verdict::Unknown { .. }));
    }

    #[test]
    fn a_write_acknowledged_during_the_sync_may_be_missed() {
        let (mut history, read) = sample();
        history.operations[read].zxid = Some(Zxid(1));
        history.operations[0].complete_ns = Some(history.operations[1].invoke_ns);
        assert_eq!(check(&history), Verdict::Valid);
    }
}
