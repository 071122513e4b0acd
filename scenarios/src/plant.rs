//! The catalogue of planted bugs: what each is, where it really happened, what must catch it, and
//! within how many seeds. The identifiers themselves live in `keeper_core::instruments`.

use keeper_core::instruments::Plant;

/// A bug that a harness worth its name finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlantedBug {
    /// Its name, as plans and the command line spell it.
    pub name: &'static str,
    /// The switch in the server.
    pub plant: Plant,
    /// Where it comes from.
    pub source: &'static str,
    /// What goes wrong.
    pub what: &'static str,
    /// The scenario that shows it soonest.
    pub scenario: &'static str,
    /// The properties of which at least one must fail, the closest to the cause first.
    pub expected: &'static [&'static str],
    /// The property that shows what it means to a client, if that is another one; it must fail
    /// within the budget too.
    pub consequence: Option<&'static str>,
    /// Within how many seeds one must fail.
    pub budget_seeds: u64,
}

/// Every planted bug.
pub const PLANTED_BUGS: [PlantedBug; 1] = [PlantedBug {
    name: "ack-before-fsync",
    plant: Plant::AckBeforeFsync,
    source: "ZOOKEEPER-4646",
    what: "a follower acknowledges what it has not made durable: a loss of power loses writes \
           that clients were told of",
    scenario: "keeper/register",
    expected: &["acknowledged is durable"],
    consequence: Some("acknowledged writes survive"),
    budget_seeds: 200,
}];

/// The planted bug of that name.
pub fn planted_bug(name: &str) -> Option<&'static PlantedBug> {
    PLANTED_BUGS.iter().find(|bug| bug.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::property::PROPERTIES;
    use crate::registry::scenario;

    #[test]
    fn every_planted_bug_names_what_there_is() {
        for bug in &PLANTED_BUGS {
            assert_eq!(planted_bug(bug.name), Some(bug));
            assert_eq!(Plant::named(bug.name), Some(bug.plant));
            assert!(scenario(bug.scenario).is_some());
            for name in bug.expected.iter().chain(&bug.consequence) {
                assert!(PROPERTIES.iter().any(|property| property.name == *name), "{name}");
            }
        }
        assert_eq!(planted_bug("none"), None);
    }
}
