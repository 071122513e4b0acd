//! The catalogue of planted bugs: what each is, where it really happened, what must catch it, and
//! within how many seeds. The identifiers themselves live in `keeper_core::plants`.

mod recipe;
mod service;
mod zab;

use harness::plant::PlantedBug;

/// Every planted bug: the protocol between servers first, then what one server does for clients,
/// then what clients do.
pub static PLANTED_BUGS: [PlantedBug; COUNT] = all();

const COUNT: usize = zab::BUGS.len() + service::BUGS.len() + recipe::BUGS.len();

const fn all() -> [PlantedBug; COUNT] {
    let lists = [zab::BUGS, service::BUGS, recipe::BUGS];
    let mut all = [zab::BUGS[0]; COUNT];
    let (mut list, mut index, mut place) = (0, 0, 0);
    while list < lists.len() {
        while index < lists[list].len() {
            all[place] = lists[list][index];
            (index, place) = (index + 1, place + 1);
        }
        (list, index) = (list + 1, 0);
    }
    all
}

/// Every planted bug.
pub fn planted_bugs() -> impl Iterator<Item = &'static PlantedBug> {
    PLANTED_BUGS.iter()
}

/// The planted bug of that name.
pub fn planted_bug(name: &str) -> Option<&'static PlantedBug> {
    planted_bugs().find(|bug| bug.name == name)
}

#[cfg(test)]
mod tests {
    use harness::AnySystem;
    use harness::sabotage::Sabotage;
    use keeper_core::plants::Plant;

    use super::*;
    use crate::registry::scenario;
    use crate::system::KEEPER;

    #[test]
    fn every_planted_bug_names_what_there_is() {
        let of_servers = KEEPER.property_sources().into_iter().map(|(name, _)| name);
        let names: Vec<&str> = of_servers.chain(AnySystem::guarantee_names(&KEEPER)).collect();
        for bug in planted_bugs() {
            assert_eq!(planted_bug(bug.name), Some(bug));
            assert!(Plant::named(bug.name).is_some());
            assert!(scenario(bug.scenario).is_some());
            for name in bug.expected.iter().chain(&bug.consequence) {
                assert!(names.contains(name), "{name}");
            }
        }
        assert_eq!(planted_bug("none"), None);
        // No property finds it: it is a bug of determinism.
        assert!(Plant::named("hash-order").is_some() && planted_bug("hash-order").is_none());
        for name in Sabotage::ALL.map(Sabotage::name) {
            assert!(Plant::named(name).is_none() && planted_bug(name).is_none(), "{name}");
        }
    }
}
