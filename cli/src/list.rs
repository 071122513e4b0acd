//! `squall list`: what there is.

use checker::check_all;
use checker::znode::{Claims, ZHistory};
use clap::ValueEnum;
use scenarios::marks::Mark;
use scenarios::plant::planted_bugs;
use scenarios::property::PROPERTIES;
use scenarios::registry::SCENARIOS;
use scenarios::sim::simulation::EngineKind;
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

/// Faults by family. Both worlds have all of them but for [`OWN_ENGINE_ALONE`].
const FAULTS: [(&str, &str, &str); 25] = [
    (
        "partition",
        "network",
        "the sides cannot reach each other; a bridge is one with a host on neither side",
    ),
    (
        "one_way",
        "network",
        "what some send does not arrive at others; a ring of majorities is one for each server",
    ),
    ("isolate_leader", "network", "the leader of the moment is cut off from all"),
    ("slow_link", "network", "packets take longer"),
    ("flaky_link", "network", "segments get lost, SYNs too; TCP sends them again"),
    ("bandwidth", "network", "links carry little"),
    ("connect_hang", "network", "SYNs are dropped; open connections go on"),
    ("half_open", "network", "a firewall forgets connections: an end learns of it when it writes"),
    ("reset", "network", "connections are reset"),
    ("crash", "process", "a server is killed, and started again at the end"),
    ("power_loss", "process", "a machine loses power, and what was not synced with it"),
    ("pause", "process", "a server stands still, as in a long collection of garbage"),
    (
        "restart",
        "process",
        "servers are killed and started one after another, in an upgrade with other settings",
    ),
    ("wipe", "process", "a follower comes back with an empty disk, if nothing is lost by it"),
    (
        "restore",
        "process",
        "a stale follower returns, from an old backup, if nothing is lost by it",
    ),
    ("slow_disk", "disk", "a disk is slow, or does not answer until the end"),
    ("eio", "disk", "operations fail with EIO"),
    ("enospc", "disk", "the disk is full"),
    ("fsync_fail", "disk", "an fsync fails once, loses what it was to write, and then succeeds"),
    ("lost_write", "disk", "writes of a follower are acknowledged and gone after a loss of power"),
    ("misdirected_write", "disk", "as lost_write, and other sectors are overwritten"),
    ("rot", "disk", "bits of a follower's log or snapshot flip"),
    ("clock_offset", "clock", "a wall clock is set wrong"),
    ("clock_drift", "clock", "a wall clock, a monotonic clock or both run fast or slow"),
    ("clock_jump", "clock", "a wall clock jumps, once or back and forth"),
];

/// Faults that turmoil cannot have, because it sends nothing again and does not count bytes.
const OWN_ENGINE_ALONE: [&str; 2] = ["flaky_link", "bandwidth"];

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
            .map(|(name, family, about)| {
                item(name, format!("{family}: {about} ({})", engines(name)))
            })
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

/// Which worlds have a fault.
fn engines(fault: &str) -> String {
    let has = |engine: &EngineKind| engine.is_default() || !OWN_ENGINE_ALONE.contains(&fault);
    EngineKind::ALL
        .iter()
        .filter(|e| has(e))
        .map(EngineKind::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn table(items: &[Item], indent: &str) -> String {
    let width = items.iter().map(|item| item.name.chars().count()).max().unwrap_or(0);
    items.iter().map(|item| format!("{indent}{:<width$}  {}\n", item.name, item.about)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use scenarios::sim::fault::TimedFault;

    use super::*;

    #[test]
    fn every_fault_of_every_plan_is_listed() {
        let mut seen = BTreeSet::new();
        for (scenario, seed) in SCENARIOS.iter().flat_map(|s| (0..100).map(move |seed| (s, seed))) {
            let plan = serde_json::to_value(scenario.plan(seed)).unwrap();
            for fault in plan["faults"].as_array().unwrap() {
                let kind = fault["kind"].as_str().unwrap().to_owned();
                let fault: TimedFault = serde_json::from_value(fault.clone()).unwrap();
                let names: Vec<&str> = fault.fault.engines().iter().map(|e| e.name()).collect();
                assert_eq!(engines(&kind), names.join(", "), "{kind}");
                seen.insert((kind, fault.fault.family().name()));
            }
        }
        let listed = FAULTS.iter().map(|(name, family, _)| ((*name).to_owned(), *family)).collect();
        assert_eq!(seen, listed);
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
