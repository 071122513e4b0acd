//! `squall list`: what there is.

use clap::ValueEnum;
use harness::AnySystem;
use harness::tell::fault_kinds;
use serde::Serialize;

use crate::args::{ListArgs, Listed};
use crate::exit::Exit;
use crate::output::Output;
use crate::systems::systems;

/// One thing that there is.
#[derive(Debug, Serialize)]
struct Item {
    of: &'static str,
    name: String,
    about: String,
}

/// Models of recorded histories that belong to no system.
pub(crate) const MODELS: [(&str, &str); 3] = [
    ("register", "read and write; told from the operations"),
    ("cas-register", "read, write and cas [old new]; told from the operations"),
    ("key-value", "get, put and append of strings by key; told from the operations"),
];

/// Prints what there is of one kind, or of every kind.
pub(crate) fn list(args: &ListArgs) -> Exit {
    let output = Output::new(args.format);
    let all = Listed::value_variants().iter().copied();
    let chosen: Vec<Listed> = all.filter(|l| args.what.is_none_or(|w| w == *l)).collect();
    for (index, listed) in chosen.iter().enumerate() {
        let items = items(*listed);
        items.iter().for_each(|item| output.json(item));
        if chosen.len() > 1 {
            let gap = if index == 0 { "" } else { "\n" };
            output.text(&format!("{gap}{}:\n", title(*listed)));
        }
        let indent = if chosen.len() > 1 { "  " } else { "" };
        output.text(&table(&items, indent));
    }
    Exit::Passed
}

fn title(listed: Listed) -> &'static str {
    match listed {
        Listed::Systems => "systems",
        Listed::Scenarios => "scenarios",
        Listed::Faults => "faults",
        Listed::Roles => "roles",
        Listed::Models => "models",
        Listed::Checks => "checks",
        Listed::Plants => "plants",
        Listed::Marks => "marks",
    }
}

fn items(listed: Listed) -> Vec<Item> {
    let of = title(listed);
    let item = |name: &str, about: String| Item { of, name: name.to_owned(), about };
    match listed {
        Listed::Systems => {
            systems().all().map(|system| item(system.name(), system.about().to_owned())).collect()
        }
        Listed::Scenarios => systems()
            .scenarios()
            .map(|of| item(of.name(), of.scenario.description.to_owned()))
            .collect(),
        Listed::Faults => fault_kinds()
            .into_iter()
            .map(|(name, about)| item(name, about))
            .chain(systems().all().flat_map(|system| {
                let own = system.own_faults().iter();
                own.map(move |own| item(own.name, format!("{}: {}", system.name(), own.about)))
            }))
            .collect(),
        Listed::Roles => systems()
            .all()
            .flat_map(|system| {
                let name = system.name();
                system
                    .roles()
                    .iter()
                    .map(move |role| item(role.name, format!("{name}: {}", role.about)))
            })
            .collect(),
        Listed::Models => {
            let of_systems = systems().all().flat_map(|system| system.formats().iter());
            let of_systems = of_systems.map(|format| (format.name, format.about));
            MODELS
                .into_iter()
                .chain(of_systems)
                .map(|(name, about)| item(name, about.to_owned()))
                .collect()
        }
        Listed::Checks => {
            let of_runs = systems().all().flat_map(AnySystem::property_sources);
            let of_runs = of_runs.map(|(name, source)| item(name, source.to_owned()));
            let of_histories = systems().all().flat_map(AnySystem::guarantee_names);
            let of_histories = of_histories
                .map(|name| item(name, "what clients saw, also by squall check".to_owned()));
            of_runs.chain(of_histories).collect()
        }
        Listed::Plants => systems()
            .planted_bugs()
            .into_iter()
            .map(|bug| item(bug.name, format!("{} ({})", bug.what, bug.source)))
            .collect(),
        Listed::Marks => systems()
            .all()
            .flat_map(|system| system.marks().iter())
            .map(|mark| item(mark.name, format!("{}: {}", mark.kind.name(), mark.about)))
            .collect(),
    }
}

fn table(items: &[Item], indent: &str) -> String {
    let width = items.iter().map(|item| item.name.chars().count()).max().unwrap_or(0);
    items.iter().map(|item| format!("{indent}{:<width$}  {}\n", item.name, item.about)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_something_of_everything() {
        for &listed in Listed::value_variants() {
            assert!(items(listed).iter().all(|item| !item.about.is_empty()));
            assert!(!items(listed).is_empty(), "{}", title(listed));
        }
    }

    #[test]
    fn models_of_no_system_are_the_checkers() {
        assert_eq!(MODELS.map(|(name, _)| name), checker::check::MODELS);
    }

    #[test]
    fn every_model_is_one_that_check_takes() {
        let listed: Vec<String> = items(Listed::Models).into_iter().map(|item| item.name).collect();
        for model in &listed {
            assert_eq!(crate::check::known_model(model), Ok(()));
        }
        assert_eq!(listed.len(), MODELS.len() + 1, "and that of the keeper");
    }

    #[test]
    fn every_fault_is_listed_with_its_family_and_worlds() {
        let listed = items(Listed::Faults);
        assert_eq!(listed.len(), fault_kinds().len(), "the keeper has none of its own");
        assert!(listed.len() > 20, "{}", listed.len());
        let about = |name: &str| {
            &listed.iter().find(|item| item.name == name).unwrap_or_else(|| panic!("{name}")).about
        };
        assert!(about("crash").starts_with("process: a program is killed"), "{}", about("crash"));
        assert!(about("crash").ends_with("(engine, turmoil)"), "{}", about("crash"));
        assert!(about("bandwidth").ends_with("(engine)"), "{}", about("bandwidth"));
    }
}
