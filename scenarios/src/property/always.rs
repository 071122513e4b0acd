//! What the code says of itself must hold: every `always!` mark of the servers
//! (`keeper_core::marks`). They are local and cheap, and each is known by its own name, so that two
//! broken claims are two kinds of failure.

use sim::cluster::plan::Plan;
use sim::cluster::record::RunRecord;

use super::{Property, PropertyVerdict, Story};

pub(super) const PROPERTY: Property = Property {
    name: "always",
    source: "the project's own: always! marks in cores and shells",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let Some(broken) = record.marks.broken.first() else { return PropertyVerdict::Holds };
    let (name, what) = (broken.mark.name(), broken.mark.description());
    Story::new(format!("{name} does not hold: {}", what.trim_end_matches('.')))
        .line(format!("n{}", broken.server), broken.at_ns, broken.message.clone(), name)
        .violated(broken.at_ns)
}

#[cfg(test)]
mod tests {
    use keeper_core::marks::Mark;
    use sim::cluster::mark_notes::BrokenClaim;

    use super::super::testing::{plan, two_epochs};
    use super::*;
    use crate::judge::{Verdict, judge};

    fn broken(mark: Mark, message: &str) -> RunRecord {
        let mut record = two_epochs().record();
        let message = message.to_owned();
        record.marks.broken(BrokenClaim { mark, server: 2, at_ns: 5, message });
        record
    }

    fn fingerprint(record: &RunRecord) -> String {
        match judge(&plan(), record).verdict {
            Verdict::Fail(failures) => failures[0].fingerprint.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn marks_that_hold_are_right() {
        let mut record = two_epochs().record();
        record.marks.hit(Mark::LogInOrder, "a place", 1, 5);
        assert_eq!(check(&plan(), &record), PropertyVerdict::Holds);
    }

    #[test]
    fn a_broken_claim_is_a_violation_with_its_place_and_time() {
        let record = broken(Mark::LogInOrder, "0x100000003 after 0x100000007");
        let verdict = check(&plan(), &record);
        let violation = verdict.violation().unwrap();
        assert!(violation.headline.starts_with("log-in-order does not hold: "), "{violation:?}");
        assert_eq!((violation.at_ns, violation.lines[0].client.as_str()), (5, "n2"));
        assert!(violation.lines[0].text.contains("after 0x100000007"));
    }

    #[test]
    fn each_claim_is_a_kind_of_its_own() {
        let one = fingerprint(&broken(Mark::LogInOrder, "0x100000003 after 0x100000007"));
        assert_eq!(one, fingerprint(&broken(Mark::LogInOrder, "0x20 after 0x21")));
        assert_ne!(one, fingerprint(&broken(Mark::AppliedIsLogged, "0x20 after 0x21")));
    }
}
