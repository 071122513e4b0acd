//! The code under test does not panic: what the world can do to it has an error, not an assertion.

use sim::cluster::plan::Plan;
use sim::cluster::record::RunRecord;

use super::{Property, PropertyVerdict, Story};

pub(super) const PROPERTY: Property = Property {
    name: "no panic",
    source: "the project's rule: what the world can do is a Result",
    check,
};

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let Some(message) = &record.panic else { return PropertyVerdict::Holds };
    let first_line = message.lines().next().unwrap_or_default();
    Story::new(format!("a program panicked: {first_line}"))
        .line("", record.end_ns, message.clone(), "")
        .violated(record.end_ns)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{plan, two_epochs};
    use super::*;

    #[test]
    fn a_panic_is_a_failure() {
        two_epochs().keeps(PROPERTY);
        let record =
            RunRecord { panic: Some("n1: index 3\nat x.rs:4".into()), ..RunRecord::default() };
        let verdict = check(&plan(), &record);
        assert_eq!(verdict.violation().unwrap().headline, "a program panicked: n1: index 3");
    }
}
