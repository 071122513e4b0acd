//! What a lock protects takes no write of an older holder after one of a newer holder (M. Kleppmann,
//! "How to do distributed locking", 2016, on fencing; F. Junqueira, "Note on fencing and distributed
//! locks", 2016).

use std::collections::BTreeMap;

use crate::claims::GuardedWrite;
use crate::record::RunRecord;
use harness::plan::Plan;

use super::{Property, PropertyVerdict, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "fenced writes",
    source: "Kleppmann, How to do distributed locking, 2016; Junqueira, Note on fencing and \
             distributed locks, 2016",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let mut newest: BTreeMap<&str, &GuardedWrite> = BTreeMap::new();
    for write in record.history.guarded_writes.iter().filter(|write| write.accepted) {
        match newest.get(write.path.as_str()) {
            Some(before) if before.token > write.token => {
                return Story::new("a write of an older holder was taken after a newer one's")
                    .line(client(before), before.at_ns, text(before), "")
                    .line(client(write), write.at_ns, text(write), "")
                    .violated(write.at_ns);
            }
            _ => newest.insert(&write.path, write),
        };
    }
    PropertyVerdict::Holds
}

fn client(write: &GuardedWrite) -> String {
    format!("c{}", write.client)
}

fn text(write: &GuardedWrite) -> String {
    format!("wrote what {} protects with token {}", write.path, write.token)
}

#[cfg(test)]
mod tests {
    use super::super::testing_claims::Line;
    use super::*;

    #[test]
    fn newer_writes_and_refused_ones_are_right() {
        Line::new().write(1, 11, true).write(2, 12, true).write(1, 11, false).keeps(PROPERTY);
    }

    #[test]
    fn an_older_write_that_is_taken_is_seen() {
        let line = Line::new().write(1, 11, true).write(2, 12, true).write(1, 11, true);
        line.breaks(PROPERTY, "older holder");
    }
}
