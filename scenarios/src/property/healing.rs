//! Without faults a quorum elects a leader, serves, and converges, within the plan's bound
//! (DSN 2011, section IV: progress under a quorum of correct processes).

use sim::cluster::plan::Plan;
use sim::cluster::record::RunRecord;

use super::{Property, PropertyVerdict, Story};

pub(super) const PROPERTY: Property = Property {
    name: "healing",
    source: "DSN 2011, section IV: progress under a quorum of correct processes",
    check,
};

fn check(plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    // A run that stopped for another reason had no chance to heal.
    let stopped = record.panic.is_some() || record.cut_off.is_some();
    if record.healed_after_ms.is_some() || stopped {
        return PropertyVerdict::Holds;
    }
    let mut story = Story::new("the ensemble did not recover after the faults had ended").line(
        "",
        record.chaos_end_ns,
        "the last fault ended",
        "",
    );
    for end in &record.finals {
        let role = match (end.serving, end.leading) {
            (true, true) => "leads and serves",
            (false, true) => "leads but does not serve",
            (true, false) => "follows and serves",
            (false, false) => "does not serve",
        };
        let text = format!("{role} in epoch {} at {}", end.epoch, end.applied);
        story = story.line(format!("n{}", end.server), record.end_ns, text, "");
    }
    let missing = record.healing_missing.clone().unwrap_or_else(|| "no quorum agrees".to_owned());
    let text = format!("after {} s: {missing}", plan.heal_ms / 1000);
    story.line("", record.end_ns, text, "").violated(record.end_ns)
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
