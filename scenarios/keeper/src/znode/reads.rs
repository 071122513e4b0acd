//! A read shows the tree as it was at the zxid of its reply.
//!
//! ZooKeeper's reads are answered by one server from what it has applied ("Consistency
//! guarantees": atomicity, single system image). The reply header names that state, so a read
//! need not be recent, but must be right about its own moment.

use checker::Verdict;

use super::render::{Explain, nothing, operation_line};
use super::replay::Replay;
use super::witness::{has_position, last_changes};
use super::{ZHistory, ZOperation};

const PROPERTY: &str = "reads at their zxid";

/// Checks the answer of every read.
pub fn check(history: &ZHistory) -> Verdict {
    if let Some(nothing) = nothing(history) {
        return nothing;
    }
    let mut reads: Vec<&ZOperation> =
        history.operations.iter().filter(|op| op.request.is_read() && has_position(op)).collect();
    reads.sort_by_key(|op| (op.zxid, op.sequence));
    let mut replay = Replay::new(history);
    for operation in reads {
        let zxid = operation.zxid.expect("only answered reads were taken");
        replay.advance(zxid);
        let Some(what) = replay.read(operation) else { continue };
        let headline = format!("a read at zxid {zxid} is wrong: {what}");
        let mut explain = Explain::new(PROPERTY, headline);
        for before in last_changes(history, operation) {
            explain = explain.line(operation_line(before), "");
        }
        return explain.contradiction(operation_line(operation), format!("at this zxid {what}"));
    }
    Verdict::Valid
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::znode::testing::Ensemble;
    use crate::znode::{CreateMode, ErrorCode, Outcome, Response, Zxid};

    fn sample() -> (ZHistory, usize, usize) {
        let mut ensemble = Ensemble::new();
        let (a, b) = (ensemble.session(1), ensemble.session(2));
        ensemble.exists(b, "/k");
        ensemble.create(a, "/k", "a", CreateMode::Persistent);
        ensemble.create(a, "/k/x", "", CreateMode::Ephemeral);
        let get = ensemble.get(b, "/k");
        let list = ensemble.children(b, "/k");
        ensemble.set(a, "/k", "b", -1);
        ensemble.close(a);
        ensemble.children(b, "/k");
        ensemble.get(b, "/k");
        (ensemble.into_history(), get, list)
    }

    fn text(history: &ZHistory) -> String {
        check(history).explanation().expect("it is violated").to_string()
    }

    #[test]
    fn honest_reads_are_valid_even_when_stale() {
        let (mut history, get, _) = sample();
        assert_eq!(check(&history), Verdict::Valid);
        // Asked at the end, answered from the past by a server that lags.
        let mut late = history.operations[get].clone();
        late.invoke_ns += 1_000_000_000;
        history.operations.push(late);
        assert_eq!(check(&history), Verdict::Valid);
    }

    #[test]
    fn wrong_data_children_stat_or_existence_are_seen() {
        let (mut history, get, list) = sample();
        let Outcome::Ok(Response::Data { data, .. }) = &mut history.operations[get].outcome else {
            panic!("a get")
        };
        *data = "z".into();
        assert!(text(&history).contains("the data is \"a\""), "{}", text(&history));

        let (mut history, ..) = sample();
        let Outcome::Ok(Response::Children { children, .. }) =
            &mut history.operations[list].outcome
        else {
            panic!("a list")
        };
        children.clear();
        assert!(text(&history).contains("the children are [x]"), "{}", text(&history));

        let (mut history, ..) = sample();
        history.operations[get].outcome = Outcome::Error(ErrorCode::NO_NODE);
        assert!(text(&history).contains("the znode exists"), "{}", text(&history));

        let (mut history, ..) = sample();
        history.operations[get].zxid = Some(Zxid(1));
        assert!(text(&history).contains("the znode does not exist"), "{}", text(&history));

        let (mut history, ..) = sample();
        let Outcome::Ok(Response::Data { stat, .. }) = &mut history.operations[get].outcome else {
            panic!("a get")
        };
        stat.ctime_ms += 1;
        assert!(text(&history).contains("ctime is"), "{}", text(&history));
    }

    #[test]
    fn nothing_is_said_of_what_an_unanswered_write_touches() {
        let mut ensemble = Ensemble::new();
        let (a, b) = (ensemble.session(1), ensemble.session(2));
        ensemble.create(a, "/k", "a", CreateMode::Persistent);
        let lost = ensemble.delete(a, "/k", -1);
        let get = ensemble.get(b, "/k");
        let mut history = ensemble.into_history();
        assert_eq!(history.operations[get].outcome, Outcome::Error(ErrorCode::NO_NODE));
        history.operations[lost].outcome = Outcome::Unknown;
        history.operations[lost].zxid = None;
        assert_eq!(check(&history), Verdict::Valid, "the commits have it");
        history.commits = None;
        assert_eq!(check(&history), Verdict::Valid, "it may have happened");
        history.commits = Some(Vec::new());
        assert!(text(&history).contains("the znode exists"), "{}", text(&history));
    }
}
