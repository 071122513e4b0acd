//! A one-shot watch fires once: at most one event for each registration.
//!
//! Registrations of one kind on one path are one watch until it fires. A registration counts from
//! its reply, since replies and events of a session come in one order. A deletion fires data and
//! child watches of its path together, as one event.

use std::collections::{BTreeMap, BTreeSet};

use checker::Verdict;

use super::render::{Explain, nothing, watch_line};
use super::{
    ErrorCode, Outcome, Request, SessionId, WatchEvent, WatchEventKind, ZHistory, ZOperation,
};

const PROPERTY: &str = "one-shot watches";

/// The two kinds of watches that the guide tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum WatchKind {
    /// Set by `getData` and `exists`.
    Data,
    /// Set by `getChildren`.
    Child,
}

impl WatchKind {
    /// Whether an event of this kind is one that such a watch waits for.
    pub(super) fn is_fired_by(self, kind: WatchEventKind) -> bool {
        match kind {
            WatchEventKind::NodeCreated | WatchEventKind::NodeDataChanged => {
                self == WatchKind::Data
            }
            WatchEventKind::NodeChildrenChanged => self == WatchKind::Child,
            WatchEventKind::NodeDeleted => true,
        }
    }
}

/// The watch that an operation registered, if it did.
pub(super) fn registered(operation: &ZOperation) -> Option<(&str, WatchKind)> {
    if !operation.watch {
        return None;
    }
    let succeeded = matches!(operation.outcome, Outcome::Ok(_));
    let absent = matches!(operation.outcome, Outcome::Error(ErrorCode::NO_NODE));
    match &operation.request {
        Request::Exists { path } if succeeded || absent => Some((path, WatchKind::Data)),
        Request::GetData { path } if succeeded => Some((path, WatchKind::Data)),
        Request::GetChildren2 { path } if succeeded => Some((path, WatchKind::Child)),
        Request::Exists { .. }
        | Request::GetData { .. }
        | Request::GetChildren2 { .. }
        | Request::Create { .. }
        | Request::Delete { .. }
        | Request::SetData { .. }
        | Request::Multi { .. }
        | Request::Sync { .. } => None,
    }
}

enum Seen<'a> {
    Registration(&'a str, WatchKind),
    Event(&'a WatchEvent),
}

/// Checks that every event has a registration of its own.
pub fn check(history: &ZHistory) -> Verdict {
    if let Some(nothing) = nothing(history) {
        return nothing;
    }
    let mut sessions: BTreeMap<SessionId, Vec<(u64, Seen<'_>)>> = BTreeMap::new();
    for operation in &history.operations {
        if let Some((path, kind)) = registered(operation) {
            let seen = (operation.sequence, Seen::Registration(path, kind));
            sessions.entry(operation.session).or_default().push(seen);
        }
    }
    for event in &history.watches {
        let seen = (event.sequence, Seen::Event(event));
        sessions.entry(event.session).or_default().push(seen);
    }
    for (session, mut seen) in sessions {
        seen.sort_by_key(|(sequence, _)| *sequence);
        let mut live: BTreeSet<(&str, WatchKind)> = BTreeSet::new();
        let mut last: BTreeMap<&str, &WatchEvent> = BTreeMap::new();
        for (_, seen) in seen {
            let event = match seen {
                Seen::Registration(path, kind) => {
                    live.insert((path, kind));
                    continue;
                }
                Seen::Event(event) => event,
            };
            let path = event.path.as_str();
            let fired = [WatchKind::Data, WatchKind::Child]
                .into_iter()
                .filter(|kind| kind.is_fired_by(event.kind) && live.remove(&(path, *kind)))
                .count();
            if fired == 0 {
                let headline = format!("session {session} received an event without a watch");
                let mut explain = Explain::new(PROPERTY, headline);
                if let Some(before) = last.get(path) {
                    explain = explain.line(watch_line(before), "used up the watch");
                }
                return explain.contradiction(watch_line(event), "no watch is registered");
            }
            last.insert(path, event);
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
        let (a, b) = (ensemble.session(1), ensemble.session(2));
        ensemble.create(a, "/k", "a", CreateMode::Persistent);
        ensemble.watch_get(b, "/k");
        ensemble.watch_children(b, "/k");
        ensemble.set(a, "/k", "b", -1);
        ensemble.watch_get(b, "/k");
        ensemble.delete(a, "/k", -1);
        let history = ensemble.into_history();
        assert_eq!(history.watches.len(), 2);
        history
    }

    #[test]
    fn one_event_for_each_registration_is_valid() {
        assert_eq!(check(&sample()), Verdict::Valid);
    }

    #[test]
    fn a_second_event_is_seen() {
        let mut history = sample();
        let mut again = history.watches[1].clone();
        again.sequence += 100;
        history.watches.push(again);
        let text = check(&history).explanation().unwrap().to_string();
        assert!(text.contains("an event without a watch"), "{text}");
        assert!(text.contains("used up the watch"), "{text}");
    }

    #[test]
    fn an_event_of_a_kind_that_was_not_watched_is_seen() {
        let mut history = sample();
        history.watches[0].kind = WatchEventKind::NodeChildrenChanged;
        assert_eq!(check(&history), Verdict::Valid, "the child watch is there");
        history.operations.retain(|op| !matches!(op.request, Request::GetChildren2 { .. }));
        assert!(check(&history).explanation().is_some());
    }
}
