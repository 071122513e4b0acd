//! A session reads its own writes.
//!
//! A read sent after an acknowledged write of the same session is answered from a state that has
//! the write: requests of a session are answered in order, and by a server that has applied it.

use checker::Verdict;

use super::render::{Explain, nothing, operation_line};
use super::session_zxid::by_session;
use super::witness::has_position;
use super::{ZHistory, ZOperation};

const PROPERTY: &str = "read your writes";

/// Checks every read against the writes that its session had sent before.
pub fn check(history: &ZHistory) -> Verdict {
    if let Some(nothing) = nothing(history) {
        return nothing;
    }
    for (session, mut operations) in by_session(history) {
        operations.sort_by_key(|op| op.cxid);
        let mut written: Option<&ZOperation> = None;
        for operation in operations {
            if let Some(zxid) = operation.committed_zxid() {
                if written.is_none_or(|latest| latest.zxid < Some(zxid)) {
                    written = Some(operation);
                }
                continue;
            }
            if !operation.request.is_read() || !has_position(operation) {
                continue;
            }
            if let Some(write) = written.filter(|write| write.zxid > operation.zxid) {
                let headline = format!("session {session} did not read its own write");
                return Explain::new(PROPERTY, headline)
                    .line(operation_line(write), "acknowledged")
                    .contradiction(operation_line(operation), "a state without it");
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

    fn sample() -> (ZHistory, usize, usize) {
        let mut ensemble = Ensemble::new();
        let (a, b) = (ensemble.session(1), ensemble.session(2));
        ensemble.create(a, "/k", "a", CreateMode::Persistent);
        let own = ensemble.get(a, "/k");
        let other = ensemble.get(b, "/k");
        (ensemble.into_history(), own, other)
    }

    #[test]
    fn a_read_without_the_own_write_is_seen() {
        let (mut history, own, _) = sample();
        assert_eq!(check(&history), Verdict::Valid);
        history.operations[own].zxid = Some(Zxid(1));
        let text = check(&history).explanation().unwrap().to_string();
        assert!(text.contains("did not read its own write"), "{text}");
    }

    #[test]
    fn a_read_without_another_sessions_write_is_valid() {
        let (mut history, _, other) = sample();
        history.operations[other].zxid = Some(Zxid(1));
        assert_eq!(check(&history), Verdict::Valid);
    }
}
