//! A watch event comes before the data it announces, and events come in the order of changes.
//!
//! ZooKeeper's guide: "a client will see the watch event for a znode it is watching before seeing
//! the new data", and "the order of watch events corresponds to the order of the updates".

use std::collections::BTreeMap;

use checker::Verdict;

use super::render::{Explain, nothing, operation_line, watch_line};
use super::session_zxid::by_session;
use super::witness::has_position;
use super::{SessionId, WatchEvent, ZHistory};

const PROPERTY: &str = "watch order";

/// Checks the place of every watch event whose zxid is known.
pub fn check(history: &ZHistory) -> Verdict {
    if let Some(nothing) = nothing(history) {
        return nothing;
    }
    let mut events: BTreeMap<SessionId, Vec<&WatchEvent>> = BTreeMap::new();
    for event in history.watches.iter().filter(|event| event.zxid.is_some()) {
        events.entry(event.session).or_default().push(event);
    }
    let mut operations = by_session(history);
    for (session, mut events) in events {
        events.sort_by_key(|event| event.sequence);
        for pair in events.windows(2) {
            if pair[1].zxid < pair[0].zxid {
                let headline = format!("events of session {session} came out of order");
                return Explain::new(PROPERTY, headline)
                    .line(watch_line(pair[0]), "came first")
                    .contradiction(watch_line(pair[1]), "announces an earlier change");
            }
        }
        let mut replies = operations.remove(&session).unwrap_or_default();
        replies.retain(|op| has_position(op));
        replies.sort_by_key(|op| op.sequence);
        let mut replies = replies.into_iter().peekable();
        let mut newest = None;
        for event in events {
            while let Some(reply) = replies.next_if(|reply| reply.sequence < event.sequence) {
                if newest.is_none_or(|newest: &super::ZOperation| newest.zxid < reply.zxid) {
                    newest = Some(reply);
                }
            }
            if let Some(reply) = newest.filter(|reply| reply.zxid >= event.zxid) {
                let headline = format!("session {session} saw new data before its watch event");
                return Explain::new(PROPERTY, headline)
                    .line(operation_line(reply), "already shows that zxid")
                    .contradiction(watch_line(event), "came after it");
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

    fn sample() -> ZHistory {
        let mut ensemble = Ensemble::new();
        let (a, b) = (ensemble.session(1), ensemble.session(2));
        ensemble.create(a, "/k", "a", CreateMode::Persistent);
        ensemble.watch_get(b, "/k");
        ensemble.watch_exists(b, "/later");
        ensemble.set(a, "/k", "b", -1);
        ensemble.create(a, "/later", "", CreateMode::Persistent);
        ensemble.get(b, "/k");
        let history = ensemble.into_history();
        assert_eq!(history.watches.len(), 2);
        history
    }

    #[test]
    fn events_before_the_data_are_valid() {
        assert_eq!(check(&sample()), Verdict::Valid);
    }

    #[test]
    fn data_before_the_event_is_seen() {
        let mut history = sample();
        history.watches[1].sequence += 1_000;
        let text = check(&history).explanation().unwrap().to_string();
        assert!(text.contains("saw new data before its watch event"), "{text}");
    }

    #[test]
    fn events_out_of_order_are_seen() {
        let mut history = sample();
        history.watches[1].zxid = Some(Zxid(1));
        let text = check(&history).explanation().unwrap().to_string();
        assert!(text.contains("came out of order"), "{text}");
    }

    #[test]
    fn events_without_a_zxid_are_passed_over() {
        let mut history = sample();
        history.watches[1].zxid = None;
        history.watches[1].sequence += 1_000;
        assert_eq!(check(&history), Verdict::Valid);
    }
}
