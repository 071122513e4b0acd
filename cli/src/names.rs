//! Names on the command line, looked up; what is not there is answered with what is.

use scenarios::plant::{BREAK_DETERMINISM, PANICS, planted_bugs};
use scenarios::registry::{SCENARIOS, Scenario};

/// The scenario of that name.
pub(crate) fn scenario(name: &str) -> Result<&'static Scenario, String> {
    scenarios::registry::scenario(name).ok_or_else(|| {
        let known = SCENARIOS.map(|scenario| scenario.name).join(", ");
        format!("there is no scenario `{name}`; there are {known}")
    })
}

/// The scenarios of these names, each once; all, if there are no names.
pub(crate) fn scenarios(names: &[String]) -> Result<Vec<&'static Scenario>, String> {
    if names.is_empty() {
        return Ok(SCENARIOS.iter().collect());
    }
    let mut found: Vec<&'static Scenario> = Vec::new();
    for name in names {
        let scenario = scenario(name)?;
        if !found.iter().any(|other| other.name == scenario.name) {
            found.push(scenario);
        }
    }
    Ok(found)
}

/// The name of something that can be planted, if one was named: a bug of the catalogue, or one that
/// tests the harness itself.
pub(crate) fn plant(name: Option<&String>) -> Result<Option<String>, String> {
    match name {
        Some(name) if BREAK_DETERMINISM.iter().chain(&PANICS).any(|other| other == name) => {
            Ok(Some(name.clone()))
        }
        name => among_bugs(name, &BREAK_DETERMINISM),
    }
}

/// The planted bug of that name, if one was named.
pub(crate) fn bug(name: Option<&String>) -> Result<Option<String>, String> {
    among_bugs(name, &[])
}

/// The planted bug of that name; `others` can be named in its place.
fn among_bugs(name: Option<&String>, others: &[&'static str]) -> Result<Option<String>, String> {
    match name {
        Some(name) if scenarios::plant::planted_bug(name).is_none() => {
            let known = planted_bugs().map(|bug| bug.name).chain(others.iter().copied());
            let known = known.collect::<Vec<_>>().join(", ");
            Err(format!("there is no planted bug `{name}`; there are {known}"))
        }
        name => Ok(name.cloned()),
    }
}
