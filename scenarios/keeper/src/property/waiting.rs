//! Who waits for a lock or stands for an election gets it, or loses its session: once the faults
//! have ended and everyone who holds releases, every claim comes to its end. So a lock is free, and
//! leadership passes on, when the session of the one before has ended (ZooKeeper Recipes and
//! Solutions, Locks: the znodes of a client that is gone are deleted and the next one is notified).

use crate::record::RunRecord;
use harness::plan::Plan;

use super::lines::Lines;
use super::{Property, PropertyVerdict, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "every waiter is served",
    source: "ZooKeeper Recipes and Solutions, Locks and Leader Election",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    // Whether there was a service to wait for is the business of `healing`.
    let stopped = record.panic.is_some() || record.cut_off.is_some();
    if stopped || !record.history.finals.iter().all(|server| server.serving) {
        return PropertyVerdict::Holds;
    }
    let Some(waiting) = record.history.claims.iter().find(|claim| claim.end.is_none()) else {
        return PropertyVerdict::Holds;
    };
    let who = format!("c{}", waiting.client);
    let headline = match waiting.grant {
        Some(_) => "a hold has no end",
        None => "a waiter was never served",
    };
    let text = format!("asked for {}", waiting.path);
    let mut story = Story::new(headline).line(who, waiting.asked_ns, text, "");
    let lines = Lines::of(record);
    let line = lines.as_ref().map_or(&[][..], |lines| lines.line(&waiting.path));
    if let Some(first) = line.iter().find(|node| node.died.is_none()) {
        let text = format!("{} of session {} stands first", first.name(), first.session);
        story = story.line(format!("c{}", first.claim.0), record.end_ns, text, "");
    }
    let text = "the run ended, with every server at work";
    story.line("", record.end_ns, text, "").violated(record.end_ns)
}

#[cfg(test)]
mod tests {
    use super::super::testing_claims::Line;
    use super::*;

    #[test]
    fn whoever_was_served_or_lost_its_session_is_right() {
        let line = Line::new().stand(1, 11).stand(2, 12).grant(1, 12).release(1, 13);
        line.close_session(2, 14).keeps(PROPERTY);
    }

    #[test]
    fn a_waiter_without_end_is_seen() {
        let line = Line::new().stand(1, 11).stand(2, 12).grant(1, 12).release(1, 13);
        line.breaks(PROPERTY, "never served");
        Line::new().stand(1, 11).grant(1, 11).breaks(PROPERTY, "has no end");
    }
}
