//! No watch event is lost.
//!
//! A session that watches a znode has received the event of its first change by the time it sees
//! any reply at or after that change's zxid, whatever happened to its connection in between: on
//! reconnect the client names its watches, and the server makes up for what it missed.
//!
//! One loss is ZooKeeper's own (Programmer's Guide, "Things to Remember about Watches"): a watch for
//! a znode that is not there misses the znode's creation if it is deleted again before the client is
//! back.

use std::collections::BTreeMap;

use checker::{ExplainLine, Verdict};

use super::render::{Explain, nothing, operation_line};
use super::replay::Replay;
use super::session_zxid::by_session;
use super::tree::Change;
use super::watch_once::{WatchKind, registered};
use super::witness::has_position;
use super::{
    ErrorCode, Outcome, SessionEventKind, WatchEvent, WatchEventKind, ZHistory, ZOperation,
};

const PROPERTY: &str = "watch completeness";

/// Checks that every watch whose znode changed has fired in time.
pub fn check(history: &ZHistory) -> Verdict {
    if let Some(nothing) = nothing(history) {
        return nothing;
    }
    let mut changes: BTreeMap<String, Vec<Change>> = BTreeMap::new();
    for change in Replay::new(history).changes() {
        changes.entry(change.path.clone()).or_default().push(change);
    }
    for (session, mut operations) in by_session(history) {
        operations.retain(|op| has_position(op));
        operations.sort_by_key(|op| op.sequence);
        let newest = newest_so_far(&operations);
        let events: Vec<&WatchEvent> =
            history.watches.iter().filter(|event| event.session == session).collect();
        for operation in &operations {
            let Some((path, kind)) = registered(operation) else { continue };
            let Some(change) = first_change(&changes, path, kind, operation) else { continue };
            let after = operations.partition_point(|op| op.sequence <= operation.sequence);
            let shows = newest[after..].partition_point(|zxid| *zxid < Some(change.zxid)) + after;
            let Some(reply) = operations.get(shows) else { continue };
            if came_and_went(history, &changes, operation, change, reply) {
                continue;
            }
            let delivered = events.iter().any(|event| {
                event.path == path
                    && kind.is_fired_by(event.kind)
                    && (operation.sequence..reply.sequence).contains(&event.sequence)
            });
            if !delivered {
                let headline = format!("session {session} never received a watch event");
                return Explain::new(PROPERTY, headline)
                    .line(operation_line(operation), "sets the watch")
                    .line(change_line(history, change), "fires it")
                    .contradiction(
                        operation_line(reply),
                        "shows the change; no event came before",
                    );
            }
        }
    }
    Verdict::Valid
}

/// The largest zxid among the replies up to each.
fn newest_so_far(operations: &[&ZOperation]) -> Vec<Option<super::Zxid>> {
    let mut newest = None;
    let zxids = operations.iter().map(|operation| {
        newest = operation.zxid.max(newest);
        newest
    });
    zxids.collect()
}

/// The first change after a registration that its watch waits for.
fn first_change<'a>(
    changes: &'a BTreeMap<String, Vec<Change>>,
    path: &str,
    kind: WatchKind,
    registration: &ZOperation,
) -> Option<&'a Change> {
    let of_path = changes.get(path)?;
    let from = of_path.partition_point(|change| Some(change.zxid) <= registration.zxid);
    of_path[from..].iter().find(|change| kind.is_fired_by(change.kind))
}

/// Whether the znode that a watch waits for was created and deleted, and the client was away at some
/// time in between: the one change that ZooKeeper does not make up for.
fn came_and_went(
    history: &ZHistory,
    changes: &BTreeMap<String, Vec<Change>>,
    registration: &ZOperation,
    creation: &Change,
    reply: &ZOperation,
) -> bool {
    let was_absent = matches!(registration.outcome, Outcome::Error(ErrorCode::NO_NODE));
    let was_away = history.sessions.iter().any(|event| {
        event.session == registration.session
            && event.kind == SessionEventKind::Reconnected
            && (registration.sequence..reply.sequence).contains(&event.sequence)
    });
    let was_deleted = changes.get(&creation.path).into_iter().flatten().any(|change| {
        change.kind == WatchEventKind::NodeDeleted
            && change.zxid > creation.zxid
            && Some(change.zxid) <= reply.zxid
    });
    was_absent && was_away && was_deleted
}

fn change_line(history: &ZHistory, change: &Change) -> ExplainLine {
    let by = history.operations.iter().find(|op| op.committed_zxid() == Some(change.zxid));
    by.map(operation_line).unwrap_or_else(|| {
        let what = match change.kind {
            WatchEventKind::NodeCreated => "created",
            WatchEventKind::NodeDeleted => "deleted",
            WatchEventKind::NodeDataChanged => "changed",
            WatchEventKind::NodeChildrenChanged => "changed in its children",
        };
        ExplainLine {
            client: "?".to_owned(),
            text: format!("{} {what} at zxid {}", change.path, change.zxid),
            from_ns: None,
            to_ns: None,
            note: String::new(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::znode::testing::Ensemble;
    use crate::znode::{CreateMode, Outcome, SessionEvent};

    fn sample() -> ZHistory {
        let mut ensemble = Ensemble::new();
        let (a, b) = (ensemble.session(1), ensemble.session(2));
        ensemble.watch_exists(b, "/k");
        ensemble.create(a, "/k", "a", CreateMode::Ephemeral);
        ensemble.watch_children(b, "/");
        ensemble.get(b, "/k");
        ensemble.close(a);
        ensemble.sync(b, "/");
        let history = ensemble.into_history();
        assert_eq!(history.watches.len(), 2);
        history
    }

    #[test]
    fn delivered_events_are_valid() {
        assert_eq!(check(&sample()), Verdict::Valid);
    }

    #[test]
    fn a_lost_event_is_seen_for_a_write_and_for_the_end_of_a_session() {
        for lost in 0..2 {
            let mut history = sample();
            history.watches.remove(lost);
            let text = check(&history).explanation().unwrap().to_string();
            assert!(text.contains("never received a watch event"), "{text}");
        }
    }

    #[test]
    fn a_session_that_sees_nothing_later_has_lost_nothing() {
        let mut history = sample();
        history.watches.remove(1);
        history.operations.last_mut().unwrap().outcome = Outcome::Unknown;
        assert_eq!(check(&history), Verdict::Valid);
    }

    /// The watched znode is created and deleted again; the watcher's event is lost.
    fn came_and_gone(deleted: bool, away: bool) -> ZHistory {
        let mut ensemble = Ensemble::new();
        let (a, b) = (ensemble.session(1), ensemble.session(2));
        ensemble.watch_exists(b, "/k");
        ensemble.create(a, "/k", "a", CreateMode::Ephemeral);
        if deleted {
            ensemble.close(a);
        }
        ensemble.sync(b, "/");
        let mut history = ensemble.into_history();
        history.watches.clear();
        if away {
            let watch = history.operations.iter().find(|op| op.watch).unwrap();
            history.sessions.push(SessionEvent {
                client: watch.client,
                session: watch.session,
                kind: SessionEventKind::Reconnected,
                server: None,
                at_ns: watch.complete_ns.unwrap(),
                sequence: watch.sequence,
            });
        }
        history
    }

    #[test]
    fn a_znode_that_came_and_went_while_the_watcher_was_away_may_be_missed() {
        assert_eq!(check(&came_and_gone(true, true)), Verdict::Valid);
        assert!(check(&came_and_gone(false, true)).explanation().is_some(), "it is still there");
        assert!(check(&came_and_gone(true, false)).explanation().is_some(), "it was connected");
    }
}
