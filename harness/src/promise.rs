//! What scenarios promise to show: marks in a system's code that enough runs of a scenario must
//! have hit. A campaign in which one is missing has tested less than its name says.
//!
//! Only what the generator brings about in at least a quarter of a scenario's runs is promised: of
//! fifty runs without it there is then one in two million by chance. Runs with a planted bug are not
//! asked, for the bug may well be in the way.

use std::collections::{BTreeMap, BTreeSet};

use evidence::Aimed;
use probe::MarkId;

use crate::any::Systems;
use crate::system::Part;

/// Fewer runs of a scenario than this are too few to ask what they showed.
pub const PROMISE_RUNS_MIN: u64 = 50;

/// Fewer faults than this that were aimed at a role and missed are too few to say that nobody plays it.
pub const AIMED_MIN: u64 = 40;

/// What the runs of each scenario have shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown(BTreeMap<String, OfScenario>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct OfScenario {
    runs: u64,
    reached: BTreeSet<MarkId>,
    roles: BTreeMap<String, Aimed>,
}

impl Shown {
    /// A run of a scenario, without a planted bug, hit these marks. One that hit nothing is none: it
    /// came to no end of its own, or is of a build that knew no marks.
    pub fn add(&mut self, scenario: &str, reached: impl IntoIterator<Item = MarkId>) {
        let reached: BTreeSet<MarkId> = reached.into_iter().collect();
        if reached.is_empty() {
            return;
        }
        let shown = self.0.entry(scenario.to_owned()).or_default();
        shown.runs += 1;
        shown.reached.extend(reached);
    }

    /// A run of a scenario aimed faults at whoever plays these roles.
    pub fn aim(&mut self, scenario: &str, roles: &BTreeMap<String, Aimed>) {
        for (role, aimed) in roles {
            let shown = self.0.entry(scenario.to_owned()).or_default();
            shown.roles.entry(role.clone()).or_default().add(*aimed);
        }
    }

    /// Whether a run of the scenario has shown anything.
    pub fn has(&self, scenario: &str) -> bool {
        self.0.get(scenario).is_some_and(|shown| shown.runs > 0)
    }

    /// The promises that were not kept, in words.
    pub fn not_kept(&self, systems: Systems) -> Vec<String> {
        let mut missing = Vec::new();
        for (name, shown) in &self.0 {
            let Some(of) = systems.scenario(name) else { continue };
            // Somebody leads and follows in every system that says so; nobody may have to learn.
            let is_always_played = |role: &str| {
                let mut roles = of.system.roles().iter();
                roles.any(|r| r.name == role && matches!(r.part, Part::Leads | Part::Follows))
            };
            let nobodys = shown.roles.iter().filter(|(role, aimed)| {
                is_always_played(role) && aimed.struck == 0 && aimed.planned >= AIMED_MIN
            });
            missing.extend(nobodys.map(|(role, aimed)| {
                format!(
                    "player of the role {role} in {name}, at whom {} faults were aimed: its \
                     System::standing casts nobody",
                    aimed.planned
                )
            }));
        }
        for (name, shown) in self.0.iter().filter(|(_, shown)| shown.runs >= PROMISE_RUNS_MIN) {
            let Some(of) = systems.scenario(name) else { continue };
            let promises = of.scenario.promises;
            let absent = promises.iter().filter(|mark| !shown.reached.contains(mark));
            missing.extend(absent.map(|mark| {
                let mark = of.system.marks()[mark.index()].name;
                format!("{mark} in {} runs of {name}, which promises it", shown.runs)
            }));
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Mark, SYSTEMS};

    const PROMISED: [Mark; 3] = [Mark::LogUnsynced, Mark::LogSynced, Mark::Copies];

    fn runs(count: u64, reached: impl Fn(u64) -> Vec<Mark>) -> Shown {
        let mut shown = Shown::default();
        (0..count).for_each(|n| shown.add("store/register", reached(n).into_iter().map(Mark::id)));
        shown
    }

    fn all_but(absent: Mark) -> Vec<Mark> {
        PROMISED.into_iter().filter(|mark| *mark != absent).collect()
    }

    #[test]
    fn a_promise_is_kept_by_any_one_run() {
        let late = runs(PROMISE_RUNS_MIN, |n| match n {
            7 => PROMISED.to_vec(),
            _ => all_but(Mark::Copies),
        });
        assert_eq!(late.not_kept(SYSTEMS), [""; 0]);
    }

    #[test]
    fn a_mark_that_never_fired_is_named_once_there_were_enough_runs() {
        let without = |count| runs(count, |_| all_but(Mark::Copies)).not_kept(SYSTEMS);
        assert_eq!(without(PROMISE_RUNS_MIN - 1), [""; 0]);
        assert_eq!(
            without(PROMISE_RUNS_MIN),
            ["copies in 50 runs of store/register, which promises it"]
        );
    }

    #[test]
    fn a_role_that_nobody_plays_is_named() {
        let said_of = |role: &str, aimed: Aimed| {
            let mut shown = Shown::default();
            let roles = BTreeMap::from([(role.to_owned(), aimed)]);
            (0..4).for_each(|_| shown.aim("store/register", &roles));
            shown.not_kept(SYSTEMS)
        };
        let said = |aimed| said_of("leader", aimed);
        assert_eq!(said_of("learner", Aimed { planned: AIMED_MIN, struck: 0 }), [""; 0]);
        assert_eq!(said(Aimed { planned: AIMED_MIN / 4 - 1, struck: 0 }), [""; 0]);
        assert_eq!(said(Aimed { planned: AIMED_MIN, struck: 1 }), [""; 0]);
        let missing = said(Aimed { planned: AIMED_MIN / 4, struck: 0 });
        let expected = "player of the role leader in store/register, at whom 40 faults were aimed";
        assert!(matches!(&missing[..], [one] if one.starts_with(expected)), "{missing:?}");
    }

    #[test]
    fn runs_that_say_nothing_of_marks_are_not_asked() {
        assert_eq!(runs(2 * PROMISE_RUNS_MIN, |_| Vec::new()).not_kept(SYSTEMS), [""; 0]);
    }
}
