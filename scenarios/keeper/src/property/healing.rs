//! Without faults a quorum elects a leader, serves, and converges, within the plan's bound
//! (DSN 2011, section IV: progress under a quorum of correct processes).

use crate::record::RunRecord;
use harness::plan::Plan;

use harness::property::check_healing;

use super::{Property, PropertyVerdict, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "healing",
    source: "DSN 2011, section IV: progress under a quorum of correct processes",
    check,
};

fn check(plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let ends = record.history.finals.iter().map(|end| {
        let role = match (end.serving, end.leading) {
            (true, true) => "leads and serves",
            (false, true) => "leads but does not serve",
            (true, false) => "follows and serves",
            (false, false) => "does not serve",
        };
        let text = format!("{role} in epoch {} at {}", end.epoch, end.applied);
        (format!("n{}", end.server), text)
    });
    check_healing(plan, record, "the ensemble did not recover", ends)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{plan, two_epochs, zxid};
    use super::*;

    #[test]
    fn an_ensemble_that_does_not_recover_is_a_failure() {
        two_epochs().keeps(PROPERTY);
        let mut record = two_epochs().ends(1, zxid(2, 1), 0).record();
        record.healed_after_ms = None;
        record.healing_missing = Some("no leader".into());
        let verdict = check(&plan(), &record);
        let lines = &verdict.violation().unwrap().lines;
        assert!(lines.last().unwrap().text.contains("no leader"));
        assert!(lines.iter().any(|line| line.text.contains("leads and serves")));
    }

    #[test]
    fn a_run_that_was_cut_off_says_nothing() {
        let mut record = two_epochs().record();
        record.healed_after_ms = None;
        record.cut_off = Some("too many events".into());
        assert_eq!(check(&plan(), &record), PropertyVerdict::Holds);
    }
}
