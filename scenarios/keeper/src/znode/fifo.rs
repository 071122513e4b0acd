//! Requests of a session take effect and are answered in the order in which they were sent.
//!
//! ZooKeeper guarantees FIFO client order: replies come in the order of requests, and the zxids of
//! a session's writes increase with them.

use checker::Verdict;

use super::render::{Explain, nothing, operation_line};
use super::session_zxid::by_session;
use super::witness::has_position;
use super::{ZHistory, ZOperation};

const PROPERTY: &str = "FIFO client order";

/// Checks the order of replies and of writes on every session.
pub fn check(history: &ZHistory) -> Verdict {
    if let Some(nothing) = nothing(history) {
        return nothing;
    }
    for (session, mut operations) in by_session(history) {
        operations.sort_by_key(|op| op.cxid);
        let mut last: Option<&ZOperation> = None;
        let mut last_write: Option<&ZOperation> = None;
        for operation in operations.into_iter().filter(|op| op.is_known()) {
            if let Some(before) = last.filter(|before| before.sequence > operation.sequence) {
                let headline = format!("replies on session {session} came out of order");
                return Explain::new(PROPERTY, headline)
                    .line(operation_line(operation), "sent later, answered first")
                    .contradiction(operation_line(before), "sent earlier, answered later");
            }
            last = Some(operation);
            if !operation.request.is_write() || !has_position(operation) {
                continue;
            }
            // A failed write may carry the zxid of the last transaction.
            let out_of_order = |before: &ZOperation| {
                let equal_is_wrong =
                    operation.committed_zxid().is_some() && before.committed_zxid().is_some();
                before.zxid > operation.zxid || (equal_is_wrong && before.zxid == operation.zxid)
            };
            if let Some(before) = last_write.filter(|before| out_of_order(before)) {
                let headline = format!("writes of session {session} took effect out of order");
                return Explain::new(PROPERTY, headline)
                    .line(operation_line(before), "sent earlier")
                    .contradiction(operation_line(operation), "sent later, took effect before");
            }
            last_write = Some(operation);
        }
    }
    Verdict::Valid
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::znode::CreateMode;
    use crate::znode::testing::Ensemble;

    fn sample() -> ZHistory {
        let mut ensemble = Ensemble::new();
        let a = ensemble.session(1);
        ensemble.create(a, "/k", "a", CreateMode::Persistent);
        ensemble.set(a, "/k", "b", 7);
        ensemble.set(a, "/k", "c", -1);
        ensemble.get(a, "/k");
        ensemble.into_history()
    }

    #[test]
    fn requests_in_order_are_valid() {
        assert_eq!(check(&sample()), Verdict::Valid);
    }

    #[test]
    fn replies_out_of_order_are_seen() {
        let mut history = sample();
        let (earlier, later) = (history.operations[2].sequence, history.operations[3].sequence);
        history.operations[2].sequence = later;
        history.operations[3].sequence = earlier;
        let text = check(&history).explanation().unwrap().to_string();
        assert!(text.contains("came out of order"), "{text}");
    }

    #[test]
    fn writes_out_of_order_are_seen() {
        let mut history = sample();
        let (earlier, later) = (history.operations[0].zxid, history.operations[2].zxid);
        history.operations[0].zxid = later;
        history.operations[2].zxid = earlier;
        let text = check(&history).explanation().unwrap().to_string();
        assert!(text.contains("took effect out of order"), "{text}");
    }
}
