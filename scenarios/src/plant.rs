//! The catalogue of planted bugs: what each is, where it really happened, what must catch it, and
//! within how many seeds. The identifiers themselves live in `keeper_core::instruments`.

mod recipe;
mod service;
mod zab;

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
    /// What goes wrong, and where it is a moral equivalent of its source, in what it differs.
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

/// Planted bugs that break determinism and nothing else, so that no property finds them: a hash map
/// is iterated, the real clock is read, real threads race. `squall determinism` must find them.
pub const BREAK_DETERMINISM: [&str; 3] = ["hash-order", "wall-clock", "thread"];

/// Planted bugs of no system in particular: a program that panics, and a harness that does.
pub const PANICS: [&str; 2] = ["panic", "harness-panic"];

/// Every planted bug: the protocol between servers first, then what one server does for clients,
/// then what clients do.
pub fn planted_bugs() -> impl Iterator<Item = &'static PlantedBug> {
    zab::BUGS.iter().chain(service::BUGS).chain(recipe::BUGS)
}

/// The planted bug of that name.
pub fn planted_bug(name: &str) -> Option<&'static PlantedBug> {
    planted_bugs().find(|bug| bug.name == name)
}

#[cfg(test)]
mod tests {
    use checker::check_all;
    use checker::znode::ZHistory;

    use super::*;
    use crate::property::PROPERTIES;
    use crate::registry::scenario;

    #[test]
    fn every_planted_bug_names_what_there_is() {
        let of_histories = check_all(&ZHistory::default()).into_iter().map(|(name, _)| name.0);
        let names: Vec<&str> =
            PROPERTIES.iter().map(|property| property.name).chain(of_histories).collect();
        for bug in planted_bugs() {
            assert_eq!(planted_bug(bug.name), Some(bug));
            assert_eq!(Plant::named(bug.name), Some(bug.plant));
            assert!(scenario(bug.scenario).is_some());
            for name in bug.expected.iter().chain(&bug.consequence) {
                assert!(names.contains(name), "{name}");
            }
        }
        assert_eq!(planted_bug("none"), None);
        for name in BREAK_DETERMINISM.iter().chain(&PANICS) {
            assert!(Plant::named(name).is_some() && planted_bug(name).is_none(), "{name}");
        }
    }
}
