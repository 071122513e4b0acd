//! A session never sees the past again ("single system image").
//!
//! The zxids of a session's replies never go back, whichever servers it speaks to: on reconnect
//! the client names the last zxid it saw, and a server that is behind must refuse it.

use std::collections::BTreeMap;

use checker::Verdict;

use super::render::{Explain, nothing, operation_line};
use super::witness::has_position;
use super::{SessionEvent, SessionEventKind, SessionId, ZHistory, ZOperation};

const PROPERTY: &str = "single system image";

/// Checks the zxids of every session's replies.
pub fn check(history: &ZHistory) -> Verdict {
    if let Some(nothing) = nothing(history) {
        return nothing;
    }
    for (session, mut operations) in by_session(history) {
        operations.retain(|op| has_position(op));
        operations.sort_by_key(|op| op.sequence);
        for pair in operations.windows(2) {
            let [before, after] = [pair[0], pair[1]];
            if after.zxid >= before.zxid {
                continue;
            }
            let between = reconnect(history, session, before.sequence, after.sequence);
            let how = if between.is_some() { " after a reconnect" } else { "" };
            let headline = format!("session {session} went back in time{how}");
            let mut explain =
                Explain::new(PROPERTY, headline).line(operation_line(before), "seen first");
            if let Some(event) = between {
                explain = explain.line(super::render::session_line(event), "");
            }
            return explain.contradiction(operation_line(after), "an older state, seen later");
        }
    }
    Verdict::Valid
}

fn reconnect(history: &ZHistory, session: SessionId, from: u64, to: u64) -> Option<&SessionEvent> {
    history.sessions.iter().find(|event| {
        event.session == session
            && event.kind == SessionEventKind::Reconnected
            && (from..to).contains(&event.sequence)
    })
}

/// The operations of each session.
pub(super) fn by_session(history: &ZHistory) -> BTreeMap<SessionId, Vec<&ZOperation>> {
    let mut sessions: BTreeMap<SessionId, Vec<&ZOperation>> = BTreeMap::new();
    for operation in &history.operations {
        sessions.entry(operation.session).or_default().push(operation);
    }
    sessions
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
        ensemble.get(b, "/k");
        ensemble.session_event(b, SessionEventKind::Reconnected);
        let read = ensemble.get(b, "/k");
        (ensemble.into_history(), read)
    }

    #[test]
    fn zxids_that_stay_or_grow_are_valid() {
        assert_eq!(check(&sample().0), Verdict::Valid);
    }

    #[test]
    fn a_reconnect_to_an_older_server_is_seen() {
        let (mut history, read) = sample();
        history.operations[read].zxid = Some(Zxid(1));
        let text = check(&history).explanation().unwrap().to_string();
        assert!(text.contains("went back in time after a reconnect"), "{text}");
        assert!(text.contains("reconnected"), "{text}");
    }

    #[test]
    fn another_session_may_be_older() {
        let (mut history, read) = sample();
        history.operations[read].zxid = Some(Zxid(1));
        history.operations[read].session = SessionId(99);
        assert_eq!(check(&history), Verdict::Valid);
    }
}
