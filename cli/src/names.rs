//! Names on the command line, looked up; what is not there is answered with what is.

use harness::ScenarioOf;
use harness::sabotage::Sabotage;

use crate::systems::systems;

/// The scenario of that name.
pub(crate) fn scenario(name: &str) -> Result<ScenarioOf, String> {
    systems().scenario(name).ok_or_else(|| {
        let known = systems().scenarios().map(|of| of.name()).collect::<Vec<_>>().join(", ");
        format!("there is no scenario `{name}`; there are {known}")
    })
}

/// The scenarios of these names, each once; all, if there are no names. A system's name stands for all of
/// its scenarios.
pub(crate) fn scenarios(names: &[String]) -> Result<Vec<ScenarioOf>, String> {
    if names.is_empty() {
        return Ok(systems().scenarios().collect());
    }
    let mut found: Vec<ScenarioOf> = Vec::new();
    for name in names {
        let of_system: Vec<ScenarioOf> =
            systems().scenarios().filter(|of| of.system.name() == name).collect();
        let named = if of_system.is_empty() { vec![scenario(name)?] } else { of_system };
        for scenario in named {
            if !found.iter().any(|other| other.name() == scenario.name()) {
                found.push(scenario);
            }
        }
    }
    Ok(found)
}

/// The name of something that can be planted, if one was named: a plant in a system's code, or a bug of
/// no system that tests the harness itself.
pub(crate) fn plant(name: Option<&String>) -> Result<Option<String>, String> {
    match name {
        Some(name) if Sabotage::named(name).is_some() => Ok(Some(name.clone())),
        Some(name) => {
            let of_systems = || systems().all().flat_map(|system| system.plants().iter());
            if of_systems().any(|plant| plant.name == name) {
                return Ok(Some(name.clone()));
            }
            let breaks = Sabotage::ALL.into_iter().filter(|bug| bug.breaks_determinism());
            let known = of_systems().map(|plant| plant.name).chain(breaks.map(Sabotage::name));
            Err(unknown(name, known))
        }
        None => Ok(None),
    }
}

/// The planted bug of that name, if one was named.
pub(crate) fn bug(name: Option<&String>) -> Result<Option<String>, String> {
    match name {
        Some(name) if systems().planted_bug(name).is_none() => {
            Err(unknown(name, systems().planted_bugs().into_iter().map(|bug| bug.name)))
        }
        name => Ok(name.cloned()),
    }
}

fn unknown(name: &str, known: impl Iterator<Item = &'static str>) -> String {
    let known = known.collect::<Vec<_>>().join(", ");
    format!("there is no planted bug `{name}`; there are {known}")
}
