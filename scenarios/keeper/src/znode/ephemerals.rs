//! Ephemerals live exactly as long as their session.
//!
//! The end of a session is one transaction, and the session's znodes go in that transaction:
//! no reply at or after it shows them, none before it misses them. Nothing of the session takes
//! effect after it, and a session does not expire before its time-out has passed since the leader
//! last had a request of it.

use std::collections::BTreeMap;

use checker::{ExplainLine, Verdict};

use super::placement::closes;
use super::render::{Explain, nothing, operation_line, session_line};
use super::replay::Replay;
use super::session_zxid::by_session;
use super::witness::has_position;
use super::{
    ErrorCode, Outcome, Response, SessionEvent, SessionEventKind, SessionId, Stat, ZHistory,
    ZOperation, Zxid,
};

const PROPERTY: &str = "ephemerals";

/// Checks the ends of sessions against everything that clients saw.
pub fn check(history: &ZHistory) -> Verdict {
    let closes = closes(history);
    nothing(history)
        .or_else(|| works_after_end(history, &closes))
        .or_else(|| outlives_session(history, &closes))
        .or_else(|| vanishes_early(history))
        .or_else(|| expires_early(history, &closes))
        .unwrap_or(Verdict::Valid)
}

fn works_after_end(history: &ZHistory, closes: &BTreeMap<SessionId, Zxid>) -> Option<Verdict> {
    for operation in history.operations.iter().filter(|op| matches!(op.outcome, Outcome::Ok(_))) {
        let Some(end) = closes.get(&operation.session) else { continue };
        if operation.zxid <= Some(*end) {
            continue;
        }
        let headline =
            format!("an operation of session {} succeeded after its end", operation.session);
        return Some(
            Explain::new(PROPERTY, headline)
                .line(end_line(history, operation.session, *end), "")
                .contradiction(operation_line(operation), "answered from a later state"),
        );
    }
    None
}

fn outlives_session(history: &ZHistory, closes: &BTreeMap<SessionId, Zxid>) -> Option<Verdict> {
    for operation in &history.operations {
        let Some(stat) = read_stat(operation).filter(|stat| stat.ephemeral_owner != 0) else {
            continue;
        };
        let owner = SessionId(stat.ephemeral_owner);
        let Some(end) = closes.get(&owner) else { continue };
        if operation.zxid >= Some(*end) {
            let headline = format!("an ephemeral znode outlived its session {owner}");
            return Some(
                Explain::new(PROPERTY, headline)
                    .line(end_line(history, owner, *end), "its znodes go here")
                    .contradiction(operation_line(operation), "still shows it"),
            );
        }
    }
    None
}

fn read_stat(operation: &ZOperation) -> Option<&Stat> {
    match operation.response()? {
        Response::Exists { stat } | Response::Data { stat, .. } => Some(stat),
        Response::Created { .. }
        | Response::Deleted
        | Response::Set { .. }
        | Response::Children { .. }
        | Response::Multi { .. }
        | Response::Synced => None,
    }
}

fn vanishes_early(history: &ZHistory) -> Option<Verdict> {
    let is_absence =
        |op: &&ZOperation| op.request.is_read() && op.outcome == Outcome::Error(ErrorCode::NO_NODE);
    let mut reads: Vec<&ZOperation> =
        history.operations.iter().filter(is_absence).filter(|op| has_position(op)).collect();
    reads.sort_by_key(|op| op.zxid);
    let mut replay = Replay::new(history);
    for operation in reads {
        replay.advance(operation.zxid.unwrap_or_default());
        let path = operation.request.path().unwrap_or("");
        let Some(stat) = replay.tree.stat(path).filter(|_| !replay.tree.is_in_doubt(path)) else {
            continue;
        };
        if stat.ephemeral_owner == 0 {
            continue;
        }
        let owner = SessionId(stat.ephemeral_owner);
        let headline = format!("an ephemeral znode of session {owner} vanished before its end");
        let mut explain = Explain::new(PROPERTY, headline);
        let by = history.operations.iter().find(|op| op.committed_zxid() == Some(stat.czxid));
        if let Some(by) = by {
            explain = explain.line(operation_line(by), "");
        }
        return Some(explain.contradiction(operation_line(operation), "nothing has removed it"));
    }
    None
}

/// Whether a session was over before its time-out could have passed.
fn expires_early(history: &ZHistory, closes: &BTreeMap<SessionId, Zxid>) -> Option<Verdict> {
    let operations = by_session(history);
    for created in &history.sessions {
        let SessionEventKind::Created { timeout_ms } = created.kind else { continue };
        let session = created.session;
        let asked_to_close = history.sessions.iter().any(|event| {
            event.session == session
                && matches!(
                    event.kind,
                    SessionEventKind::Closed { .. } | SessionEventKind::CloseUnknown
                )
        });
        if asked_to_close {
            continue;
        }
        let Some((line, over_ns)) = over_by(history, session, closes.get(&session)) else {
            continue;
        };
        // The leader heard from the client no earlier than it sent its last answered write or sync.
        // A read may be answered by a follower that has lost the leader, which then does not learn
        // of it: sessions expire by the leader's knowledge, which followers hand on with their
        // answers to its pings (`LearnerSessionTracker`, `Learner.ping`).
        let answered = operations.get(&session).into_iter().flatten().filter(|op| {
            has_position(op)
                && !op.request.is_read()
                && closes.get(&session).is_none_or(|end| op.zxid < Some(*end))
        });
        let Some(last) = answered.max_by_key(|op| op.invoke_ns) else { continue };
        let elapsed_ns = history.claims.elapsed_max_ns(last.invoke_ns, over_ns);
        if elapsed_ns < timeout_ms.saturating_mul(1_000_000) {
            let headline = format!("session {session} expired before its time-out");
            let late_ms = (over_ns.saturating_sub(last.invoke_ns)) / 1_000_000;
            let note = format!("{late_ms} ms after the last answered write was sent");
            return Some(
                Explain::new(PROPERTY, headline)
                    .line(session_line(created), "")
                    .line(operation_line(last), "the leader heard of it at this time or later")
                    .contradiction(line, note),
            );
        }
    }
    None
}

/// The earliest moment at which a session is known to have been over, and how it is known.
fn over_by(
    history: &ZHistory,
    session: SessionId,
    end: Option<&Zxid>,
) -> Option<(ExplainLine, u64)> {
    let told =
        |event: &&SessionEvent| event.session == session && event.kind == SessionEventKind::Expired;
    let told = history.sessions.iter().filter(told).map(|e| (session_line(e), e.at_ns));
    let shown = end.into_iter().flat_map(|end| {
        let later =
            history.operations.iter().filter(move |op| has_position(op) && op.zxid >= Some(*end));
        later.filter_map(|op| Some((operation_line(op), op.complete_ns?)))
    });
    told.chain(shown).min_by_key(|(_, at_ns)| *at_ns)
}

fn end_line(history: &ZHistory, session: SessionId, end: Zxid) -> ExplainLine {
    let seen = history.sessions.iter().find(|event| {
        event.session == session && matches!(event.kind, SessionEventKind::Closed { .. })
    });
    let client = seen.map_or("?".to_owned(), |event| event.client.to_string());
    let at = seen.map(|event| event.at_ns);
    let text = format!("session {session} ended at zxid {end}");
    ExplainLine { client, text, from_ns: at, to_ns: at, note: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::znode::testing::Ensemble;
    use crate::znode::{CreateMode, FastClock};

    fn sample() -> (ZHistory, usize, usize) {
        let mut ensemble = Ensemble::new();
        let (a, b) = (ensemble.session(1), ensemble.session(2));
        ensemble.create(a, "/e", "", CreateMode::Ephemeral);
        let before = ensemble.get(b, "/e");
        ensemble.close(a);
        let after = ensemble.get(b, "/e");
        (ensemble.into_history(), before, after)
    }

    fn text(history: &ZHistory) -> String {
        check(history).explanation().expect("it is violated").to_string()
    }

    #[test]
    fn ephemerals_that_live_as_long_as_their_session_are_valid() {
        assert_eq!(check(&sample().0), Verdict::Valid);
    }

    #[test]
    fn a_session_that_is_closed_twice_ended_the_first_time() {
        let mut ensemble = Ensemble::new();
        let (a, b) = (ensemble.session(1), ensemble.session(2));
        ensemble.create(a, "/e", "", CreateMode::Ephemeral);
        ensemble.wait_ms(Ensemble::TIMEOUT_MS);
        ensemble.expire(a);
        ensemble.exists(b, "/e");
        ensemble.close(a);
        assert_eq!(check(&ensemble.into_history()), Verdict::Valid);
    }

    #[test]
    fn an_undead_ephemeral_is_seen() {
        let (mut history, before, after) = sample();
        history.operations[after].outcome = history.operations[before].outcome.clone();
        assert!(text(&history).contains("outlived its session"), "{}", text(&history));
    }

    #[test]
    fn an_ephemeral_that_vanishes_early_is_seen() {
        let (mut history, before, after) = sample();
        history.operations[before].outcome = history.operations[after].outcome.clone();
        assert!(text(&history).contains("vanished before its end"), "{}", text(&history));
    }

    #[test]
    fn an_operation_after_the_end_is_seen() {
        let (mut history, _, after) = sample();
        let mut late = history.operations[0].clone();
        late.zxid = history.operations[after].zxid.map(|zxid| Zxid(zxid.0 + 1));
        history.operations.push(late);
        assert!(text(&history).contains("succeeded after its end"), "{}", text(&history));
    }

    #[test]
    fn an_early_expiry_is_seen_and_a_late_one_is_not() {
        let mut ensemble = Ensemble::new();
        let (a, b) = (ensemble.session(1), ensemble.session(2));
        ensemble.create(a, "/e", "", CreateMode::Ephemeral);
        ensemble.wait_ms(Ensemble::TIMEOUT_MS);
        ensemble.expire(a);
        ensemble.exists(b, "/e");
        let mut history = ensemble.into_history();
        assert_eq!(check(&history), Verdict::Valid);
        let created =
            history.sessions.iter_mut().find(|event| event.session == a).expect("it was created");
        created.kind = SessionEventKind::Created { timeout_ms: Ensemble::TIMEOUT_MS + 500 };
        assert!(text(&history).contains("expired before its time-out"), "{}", text(&history));
        // A clock that runs twice as fast lets it expire after half its time-out.
        let (from_ns, to_ns) = (0, u64::MAX);
        history.claims.fast_clocks = vec![FastClock { from_ns, to_ns, ppm: 1_000_000 }];
        assert_eq!(check(&history), Verdict::Valid);
        history.claims.fast_clocks[0].ppm = 100;
        assert!(text(&history).contains("expired before its time-out"), "{}", text(&history));
        history.claims.fast_clocks.clear();
        // Nobody told the client, but another one saw that the session was over.
        history.sessions.retain(|event| event.kind != SessionEventKind::Expired);
        assert!(text(&history).contains("expired before its time-out"), "{}", text(&history));
    }
}
