//! `squall list`: what there is.

use checker::check_all;
use checker::znode::{Claims, ZHistory};
use clap::ValueEnum;
use scenarios::marks::Mark;
use scenarios::plant::planted_bugs;
use scenarios::property::PROPERTIES;
use scenarios::registry::SCENARIOS;
use serde::Serialize;

use crate::args::{ListArgs, Listed};
use crate::exit::Exit;
use crate::output::Output;

/// One thing that there is.
#[derive(Debug, Serialize)]
struct Item {
    of: &'static str,
    name: String,
    about: String,
}

/// Faults by family. The engine is turmoil with the wrapper of crate `sim` around it, which has all
/// of them.
const FAULTS: [(&str, &str, &str); 15] = [
    ("partition", "network", "the sides cannot reach each other"),
    ("one_way", "network", "what some send does not arrive at others"),
    ("isolate_leader", "network", "the leader of the moment is cut off from all"),
    ("slow_link", "network", "packets take longer"),
    ("crash", "process", "a server is killed, and started again at the end"),
    ("power_loss", "process", "a machine loses power, and what was not synced with it"),
    ("pause", "process", "a server stands still, as in a long collection of garbage"),
    ("restart", "process", "servers are killed and started one after another"),
    ("slow_disk", "disk", "a disk is slow, or does not answer until the end"),
    ("eio", "disk", "operations fail with EIO"),
    ("enospc", "disk", "the disk is full"),
    ("fsync_fail", "disk", "an fsync fails once, loses what it was to write, and then succeeds"),
    ("clock_offset", "clock", "a wall clock is set wrong"),
    ("clock_drift", "clock", "a wall clock, a monotonic clock or both run fast or slow"),
    ("clock_jump", "clock", "a wall clock jumps, once or back and forth"),
];

const MODELS: [(&str, &str); 4] = [
    ("register", "read and write; told from the operations"),
    ("cas-register", "read, write and cas [old new]; told from the operations"),
    ("key-value", "get, put and append of strings by key; told from the operations"),
    ("znode", "all of ZooKeeper's guarantees, over a history.jsonl of ours"),
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
        Listed::Scenarios => "scenarios",
        Listed::Faults => "faults",
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
        Listed::Scenarios => {
            SCENARIOS.iter().map(|s| item(s.name, s.description.to_owned())).collect()
        }
        Listed::Faults => FAULTS
            .iter()
            .map(|(name, family, about)| item(name, format!("{family}: {about} (engine: turmoil)")))
            .collect(),
        Listed::Models => {
            MODELS.iter().map(|(name, about)| item(name, (*about).to_owned())).collect()
        }
        Listed::Checks => {
            let of_runs = PROPERTIES.iter().map(|p| item(p.name, p.source.to_owned()));
            let claims = Claims { sync_is_barrier: true, ..Claims::default() };
            let of_histories = check_all(&ZHistory { claims, ..ZHistory::default() });
            let of_histories = of_histories.iter().map(|(property, _)| {
                item(property.0, "what clients saw, also by squall check".to_owned())
            });
            of_runs.chain(of_histories).collect()
        }
        Listed::Plants => planted_bugs()
            .map(|bug| item(bug.name, format!("{} ({})", bug.what, bug.source)))
            .collect(),
        Listed::Marks => Mark::ALL
            .iter()
            .map(|mark| {
                item(mark.name(), format!("{}: {}", mark.kind().name(), mark.description()))
            })
            .collect(),
    }
}

fn table(items: &[Item], indent: &str) -> String {
    let width = items.iter().map(|item| item.name.chars().count()).max().unwrap_or(0);
    items.iter().map(|item| format!("{indent}{:<width$}  {}\n", item.name, item.about)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_fault_of_every_plan_is_listed() {
        let mut seen = BTreeSet::new();
        for (scenario, seed) in SCENARIOS.iter().flat_map(|s| (0..100).map(move |seed| (s, seed))) {
            let plan = serde_json::to_value(scenario.plan(seed)).unwrap();
            for fault in plan["faults"].as_array().unwrap() {
                seen.insert(fault["kind"].as_str().unwrap().to_owned());
            }
        }
        assert!(seen.len() > 5, "{seen:?}");
        for kind in seen {
            assert!(FAULTS.iter().any(|(name, ..)| *name == kind), "{kind}");
        }
    }

    #[test]
    fn every_model_is_one_that_check_takes() {
        assert_eq!(MODELS.map(|(name, _)| name), crate::check::MODELS);
    }

    #[test]
    fn there_is_something_of_everything() {
        for &listed in Listed::value_variants() {
            assert!(items(listed).iter().all(|item| !item.about.is_empty()));
            assert!(!items(listed).is_empty(), "{}", title(listed));
        }
    }
}
