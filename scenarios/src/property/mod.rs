//! Invariants over the omniscient record of a run, one file each.
//!
//! Most are the invariants that Ouyang, Huang, Huang and others check in their TLA+ models of ZAB
//! and of ZooKeeper 3.7 (`zookeeper-specifications`, `Zab.tla` and `ZkV3_7_0.tla`, there after
//! Junqueira, Reed and Serafini, "Zab: High-performance broadcast for primary-backup systems",
//! DSN 2011). They are stated over every step of every server, so a violation is reported where it
//! first shows, long before a client could notice.

mod acknowledged_durable;
mod acknowledged_survives;
mod agreement;
mod always;
mod digests;
mod ephemerals;
mod epochs;
mod fatal;
mod fencing;
mod fencing_tokens;
mod final_trees;
mod global_primary_order;
mod healing;
mod histories;
mod integrity;
mod joined_history;
mod leader_first;
mod leadership_one;
mod leadership_two;
mod left_behind;
mod lines;
mod local_primary_order;
mod log_contiguity;
mod memory;
mod mutual_exclusion;
mod pairs;
mod panic;
mod prefix_consistency;
mod primary_integrity;
mod synchronisation;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod testing_claims;
mod total_order;
mod unexpected;
mod waiting;
mod watches;
mod zxid_epochs;

use checker::ExplainLine;
use sim::cluster::plan::Plan;
use sim::cluster::record::{Observed, RunRecord};

pub(crate) use pairs::PAIR_PREFIX;

/// One rule that every run must keep.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// Its short name, stable because fingerprints contain it.
    pub name: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// Judges a run.
    pub check: fn(&Plan, &RunRecord) -> PropertyVerdict,
}

/// What a property says about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PropertyVerdict {
    /// Nothing in the record contradicts it.
    Holds,
    /// The earliest contradiction.
    Violated(Box<Violation>),
}

/// A contradiction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When it was complete, in simulated nanoseconds.
    pub at_ns: u64,
    /// What is wrong, in one line.
    pub headline: String,
    /// What contradicts what, in the order to read it; the last line is the contradiction.
    pub lines: Vec<ExplainLine>,
}

impl PropertyVerdict {
    /// The contradiction, if there is one.
    pub fn violation(&self) -> Option<&Violation> {
        match self {
            PropertyVerdict::Holds => None,
            PropertyVerdict::Violated(violation) => Some(violation),
        }
    }
}

/// Every property, in the order in which to read their failures: a cause before what follows of it.
pub const PROPERTIES: [Property; 32] = [
    panic::PROPERTY,
    acknowledged_durable::PROPERTY,
    leadership_one::PROPERTY,
    leadership_two::PROPERTY,
    epochs::PROPERTY,
    joined_history::PROPERTY,
    zxid_epochs::PROPERTY,
    log_contiguity::PROPERTY,
    synchronisation::PROPERTY,
    unexpected::PROPERTY,
    integrity::PROPERTY,
    leader_first::PROPERTY,
    primary_integrity::PROPERTY,
    local_primary_order::PROPERTY,
    global_primary_order::PROPERTY,
    prefix_consistency::PROPERTY,
    total_order::PROPERTY,
    agreement::PROPERTY,
    digests::PROPERTY,
    ephemerals::PROPERTY,
    watches::PROPERTY,
    pairs::PROPERTY,
    mutual_exclusion::PROPERTY,
    fencing_tokens::PROPERTY,
    fencing::PROPERTY,
    left_behind::PROPERTY,
    waiting::PROPERTY,
    acknowledged_survives::PROPERTY,
    final_trees::PROPERTY,
    always::PROPERTY,
    fatal::PROPERTY,
    healing::PROPERTY,
];

/// Builds a violation line by line.
struct Story {
    headline: String,
    lines: Vec<ExplainLine>,
}

impl Story {
    fn new(headline: impl Into<String>) -> Story {
        Story { headline: headline.into(), lines: Vec::new() }
    }

    /// Something that a server did.
    fn seen(self, observed: &Observed, text: impl Into<String>, note: impl Into<String>) -> Story {
        self.line(format!("n{}", observed.server), observed.at_ns, text, note)
    }

    fn line(
        mut self,
        who: impl Into<String>,
        at_ns: u64,
        text: impl Into<String>,
        note: impl Into<String>,
    ) -> Story {
        self.lines.push(ExplainLine {
            client: who.into(),
            text: text.into(),
            from_ns: Some(at_ns),
            to_ns: Some(at_ns),
            note: note.into(),
        });
        self
    }

    fn violated(self, at_ns: u64) -> PropertyVerdict {
        let Story { headline, lines } = self;
        PropertyVerdict::Violated(Box::new(Violation { at_ns, headline, lines }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_sources_are_named() {
        let names: BTreeSet<&str> = PROPERTIES.iter().map(|property| property.name).collect();
        assert_eq!(names.len(), PROPERTIES.len());
        assert!(PROPERTIES.iter().all(|property| property.source.len() > 10));
    }

    #[test]
    fn an_honest_run_keeps_them_all() {
        let (plan, record) = testing::honest_run();
        for property in PROPERTIES {
            let verdict = (property.check)(&plan, &record);
            assert_eq!(verdict, PropertyVerdict::Holds, "{}", property.name);
        }
    }
}
