//! Writes are linearizable, with zxids as the witness.
//!
//! ZooKeeper's zxids name the order in which writes took effect, so the order need not be searched
//! for: replayed in that order on a sequential tree, every write must have the result that it
//! reported (Herlihy and Wing, TOPLAS 1990, with the linearization given), and the order must not
//! run against real time. Results are compared whole: versions, cversion, czxid, mzxid, pzxid, the
//! names of sequential znodes, error codes, and each result of a multi.

use std::collections::BTreeMap;

use checker::Verdict;

use super::render::{Explain, nothing, operation_line};
use super::replay::Replay;
use super::{CommitKind, Cxid, ErrorCode, Outcome, SessionId, ZHistory, ZOperation, Zxid};

const PROPERTY: &str = "write linearizability";

/// Checks the results and the real-time order of all writes.
pub fn check(history: &ZHistory) -> Verdict {
    nothing(history)
        .or_else(|| unique(history))
        .or_else(|| real_time(history))
        .or_else(|| replayed(history))
        .unwrap_or(Verdict::Valid)
}

fn unique(history: &ZHistory) -> Option<Verdict> {
    let mut at: BTreeMap<Zxid, &ZOperation> = BTreeMap::new();
    for operation in &history.operations {
        let Some(zxid) = operation.committed_zxid() else { continue };
        if let Some(other) = at.insert(zxid, operation) {
            let headline = format!("two writes have zxid {zxid}");
            let explain = Explain::new(PROPERTY, headline).line(operation_line(other), "");
            return Some(explain.contradiction(operation_line(operation), "the same zxid"));
        }
    }
    None
}

/// No write comes at or before a zxid that anyone had seen before it was asked.
fn real_time(history: &ZHistory) -> Option<Verdict> {
    let committed: BTreeMap<(SessionId, Cxid), Zxid> = history
        .commits
        .iter()
        .flatten()
        .filter(|commit| commit.kind == CommitKind::Operation)
        .map(|commit| ((commit.session, commit.cxid), commit.zxid))
        .collect();
    let mut asked: Vec<&ZOperation> = history.operations.iter().collect();
    asked.sort_by_key(|op| (op.invoke_ns, op.invoke_sequence));
    let mut answered: Vec<&ZOperation> =
        asked.iter().copied().filter(|op| has_position(op)).collect();
    answered.sort_by_key(|op| (op.complete_ns, op.sequence));
    let mut answered = answered.into_iter().peekable();
    let mut latest: Option<&ZOperation> = None;
    for operation in asked {
        while let Some(before) =
            answered.next_if(|before| before.complete_ns < Some(operation.invoke_ns))
        {
            if latest.is_none_or(|latest| before.zxid > latest.zxid) {
                latest = Some(before);
            }
        }
        if !operation.request.is_write() {
            continue;
        }
        let unanswered = || committed.get(&(operation.session, operation.cxid)).copied();
        let is_change = operation.committed_zxid().is_some() || !operation.is_known();
        let own = match operation.is_known() {
            true => operation.zxid.filter(|_| has_position(operation)),
            false => unanswered(),
        };
        let (Some(own), Some(latest)) = (own, latest) else { continue };
        let seen = latest.zxid.unwrap_or_default();
        // A failed write may carry the zxid of the last transaction in place of one of its own.
        if own < seen || (own == seen && is_change) {
            let headline = format!("a write at zxid {own} was asked after zxid {seen} was seen");
            let explain = Explain::new(PROPERTY, headline)
                .line(operation_line(latest), format!("answered before, at zxid {seen}"));
            let note = format!("asked later, yet placed at zxid {own}");
            return Some(explain.contradiction(operation_line(operation), note));
        }
    }
    None
}

/// Whether the reply's zxid is a position in the order of commits. Errors of the connection or
/// the session carry whatever the server had at hand.
pub(super) fn has_position(operation: &ZOperation) -> bool {
    let is_answer = match &operation.outcome {
        Outcome::Ok(_) => true,
        Outcome::Error(error) => error.depends_on_tree() || *error == ErrorCode::OK,
        Outcome::Unknown => false,
    };
    is_answer && operation.zxid.is_some()
}

fn replayed(history: &ZHistory) -> Option<Verdict> {
    let differences = Replay::new(history).advance(Zxid(u64::MAX));
    let first = differences.first()?;
    let operation = &history.operations[first.operation];
    let headline = format!("in the order of zxids {}", first.what);
    let mut explain = Explain::new(PROPERTY, headline);
    for before in last_changes(history, operation) {
        explain = explain.line(operation_line(before), "");
    }
    Some(explain.contradiction(operation_line(operation), &first.what))
}

/// The last writes before this one that touch one of its paths, their parents or their children.
pub(super) fn last_changes<'a>(
    history: &'a ZHistory,
    operation: &ZOperation,
) -> Vec<&'a ZOperation> {
    const SHOWN_MAX: usize = 3;
    let paths = |operation: &ZOperation| -> Vec<String> {
        let parts = operation.request.parts();
        let own = operation.request.path().map(str::to_owned);
        parts.iter().map(|part| part.path().to_owned()).chain(own).collect()
    };
    let mine = paths(operation);
    let touches = |theirs: &str| {
        mine.iter().any(|path| theirs.starts_with(path.as_str()) || path.starts_with(theirs))
    };
    let mut before: Vec<&ZOperation> = history
        .operations
        .iter()
        .filter(|other| other.committed_zxid().is_some_and(|zxid| Some(zxid) <= operation.zxid))
        .filter(|other| *other != operation && paths(other).iter().any(|path| touches(path)))
        .collect();
    before.sort_by_key(|other| other.zxid);
    before.split_off(before.len().saturating_sub(SHOWN_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::znode::testing::Ensemble;
    use crate::znode::{CreateMode, MultiOp, MultiResult, Response};

    fn text(history: &ZHistory) -> String {
        check(history).explanation().expect("it is violated").to_string()
    }

    fn sample() -> ZHistory {
        let mut ensemble = Ensemble::new();
        let (a, b) = (ensemble.session(1), ensemble.session(2));
        ensemble.create(a, "/k", "a", CreateMode::Persistent);
        ensemble.set(b, "/k", "b", 0);
        ensemble.set(a, "/k", "c", 0);
        ensemble.create(a, "/k/n-", "", CreateMode::EphemeralSequential);
        ensemble.delete(b, "/k", -1);
        ensemble.multi(
            b,
            vec![
                MultiOp::Check { path: "/k".to_owned(), version: 1 },
                MultiOp::SetData { path: "/k".to_owned(), data: "d".into(), version: -1 },
            ],
        );
        ensemble.multi(a, vec![MultiOp::Check { path: "/none".to_owned(), version: 1 }]);
        ensemble.close(a);
        ensemble.delete(b, "/k", 2);
        ensemble.into_history()
    }

    #[test]
    fn an_honest_history_is_valid() {
        assert_eq!(check(&sample()), Verdict::Valid);
        assert_eq!(check(&ZHistory::default()), Verdict::nothing_checked());
    }

    #[test]
    fn a_wrong_version_a_wrong_name_and_a_wrong_error_are_seen() {
        let mut history = sample();
        let Outcome::Ok(Response::Set { stat }) = &mut history.operations[1].outcome else {
            panic!("a set")
        };
        stat.version = 5;
        assert!(text(&history).contains("version is 1, not 5"), "{}", text(&history));

        let mut history = sample();
        let Outcome::Ok(Response::Created { path, .. }) = &mut history.operations[3].outcome else {
            panic!("a create")
        };
        *path = "/k/n-0000000001".to_owned();
        assert!(text(&history).contains("the path must be /k/n-0000000000"), "{}", text(&history));

        let mut history = sample();
        history.operations[2].outcome = Outcome::Error(ErrorCode::NO_NODE);
        assert!(text(&history).contains("it must fail with BadVersion"), "{}", text(&history));
    }

    #[test]
    fn a_failed_multi_must_report_each_error() {
        let mut history = sample();
        let Outcome::Ok(Response::Multi { results }) = &mut history.operations[6].outcome else {
            panic!("a multi")
        };
        results[0] = MultiResult::Error(ErrorCode::BAD_VERSION);
        assert!(text(&history).contains("it must fail with NoNode"), "{}", text(&history));
    }

    #[test]
    fn a_lost_write_shows_in_the_next_version() {
        let mut ensemble = Ensemble::new();
        let a = ensemble.session(1);
        ensemble.create(a, "/k", "a", CreateMode::Persistent);
        ensemble.set(a, "/k", "b", -1);
        ensemble.tree_forgets_data("/k", "a", 0);
        ensemble.set(a, "/k", "c", -1);
        let history = ensemble.into_history();
        assert!(text(&history).contains("version is 2, not 1"), "{}", text(&history));
    }

    #[test]
    fn an_order_against_real_time_is_seen() {
        let mut history = sample();
        // The second write pretends to have come before the first.
        let (first, second) = (history.operations[0].zxid, history.operations[1].zxid);
        history.operations[0].zxid = second;
        history.operations[1].zxid = first;
        assert!(text(&history).contains("was asked after zxid"), "{}", text(&history));
    }

    #[test]
    fn two_writes_at_one_zxid_are_seen() {
        let mut history = sample();
        history.operations[1].zxid = history.operations[0].zxid;
        assert!(text(&history).contains("two writes have zxid"), "{}", text(&history));
    }

    #[test]
    fn an_unanswered_write_is_placed_by_commits_by_evidence_or_tolerated() {
        let mut ensemble = Ensemble::new();
        let (a, b) = (ensemble.session(1), ensemble.session(2));
        ensemble.create(a, "/k", "a", CreateMode::Persistent);
        let lost = ensemble.set(a, "/k", "b", -1);
        ensemble.set(b, "/k", "c", 1);
        ensemble.get(b, "/k");
        let mut history = ensemble.into_history();
        history.operations[lost].outcome = Outcome::Unknown;
        history.operations[lost].zxid = None;
        assert_eq!(check(&history), Verdict::Valid);
        history.commits = None;
        assert_eq!(check(&history), Verdict::Valid, "tolerated");
        // With commits that do not have it, the later version is impossible.
        let honest = sample_with_commits_but_without(lost);
        assert!(text(&honest).contains("it must fail with BadVersion"), "{}", text(&honest));
    }

    /// Which number the sequential znode got hangs on the znode before it, of which nobody knows either.
    #[test]
    fn an_unanswered_sequential_create_after_another_unanswered_one_is_in_doubt() {
        let mut ensemble = Ensemble::new();
        let a = ensemble.session(1);
        ensemble.create(a, "/a", "a", CreateMode::Persistent);
        let lost = [
            ensemble.create(a, "/a/x", "a", CreateMode::Persistent),
            ensemble.create(a, "/a/s-", "a", CreateMode::EphemeralSequential),
        ];
        ensemble.delete(a, "/b", -1);
        ensemble.set(a, "/a/s-0000000001", "a", -1);
        let mut history = ensemble.into_history();
        for lost in lost {
            history.operations[lost].outcome = Outcome::Unknown;
            history.operations[lost].zxid = None;
        }
        assert_eq!(check(&history), Verdict::Valid);
        history.commits = None;
        assert_eq!(check(&history), Verdict::Valid);
    }

    fn sample_with_commits_but_without(lost: usize) -> ZHistory {
        let mut ensemble = Ensemble::new();
        let (a, b) = (ensemble.session(1), ensemble.session(2));
        ensemble.create(a, "/k", "a", CreateMode::Persistent);
        ensemble.set(a, "/k", "b", -1);
        ensemble.set(b, "/k", "c", 1);
        let mut history = ensemble.into_history();
        let zxid = history.operations[lost].zxid;
        history.operations[lost].outcome = Outcome::Unknown;
        history.operations[lost].zxid = None;
        history.commits.as_mut().unwrap().retain(|commit| Some(commit.zxid) != zxid);
        history
    }
}
