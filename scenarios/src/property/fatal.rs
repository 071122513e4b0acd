//! No server finds its own state beyond repair: the faults of a plan leave a quorum's disks whole,
//! so that every server can always go on.

use sim::cluster::plan::Plan;
use sim::cluster::record::RunRecord;

use super::{Property, PropertyVerdict, Story};

pub(super) const PROPERTY: Property = Property {
    name: "no server gives up",
    source: "ZooKeeper Administrator's Guide, data directory: only lost disks are beyond repair",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let Some((server, reason)) = record.fatal.first() else { return PropertyVerdict::Holds };
    let first_line = reason.lines().next().unwrap_or_default();
    Story::new(format!("a server refused to go on: {first_line}"))
        .line(server.clone(), record.end_ns, reason.clone(), "")
        .violated(record.end_ns)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{plan, two_epochs};
    use super::*;

    #[test]
    fn a_server_that_gives_up_is_a_failure() {
        two_epochs().keeps(PROPERTY);
        let fatal = vec![("n2".to_owned(), "the histories have diverged".to_owned())];
        let verdict = check(&plan(), &RunRecord { fatal, ..RunRecord::default() });
        let violation = verdict.violation().unwrap();
        assert!(violation.headline.contains("have diverged"));
        assert_eq!(violation.lines[0].client, "n2");
    }
}
