//! The house rules that a compiler does not check: which crate may depend on which, what the pure
//! crates may name, and how long a file may be.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What each crate of ours may depend on, of ours; a `*` stands for any end of a name.
const ALLOWED: [(&str, &[&str]); 19] = [
    ("platform", &[]),
    ("probe", &[]),
    ("evidence", &[]),
    ("checker", &["evidence"]),
    ("sim", &["platform", "evidence", "probe"]),
    ("intercept", &["platform", "sim"]),
    ("runtime", &["platform", "sim"]),
    ("harness", &["sim", "checker", "evidence", "probe", "platform"]),
    ("reports", &["evidence"]),
    ("cli", &["harness", "reports", "checker", "evidence", "probe", "platform"]),
    ("keeper-core", &["probe"]),
    ("keeper-client", &["keeper-core", "platform", "probe"]),
    ("keeper-server", &["keeper-core", "keeper-client", "platform", "probe"]),
    (
        "scenarios-keeper",
        &["harness", "sim", "platform", "evidence", "probe", "checker", "keeper-*"],
    ),
    (
        "benches",
        &[
            "scenarios-*",
            "harness",
            "reports",
            "sim",
            "checker",
            "evidence",
            "keeper-*",
            "platform",
            "probe",
            "runtime",
        ],
    ),
    ("program", &["cli", "scenarios-*", "benches", "sim"]),
    // A user's program and its system: one dependency is enough for the harness.
    ("example-*-simulation", &["cli", "runtime", "intercept", "example-*"]),
    ("example-http", &["runtime", "probe"]),
    ("example-*", &["cli", "runtime", "intercept"]),
];

/// Crates that serve any system: no path leads from them to one.
const GENERAL: [&str; 10] = [
    "platform",
    "probe",
    "evidence",
    "checker",
    "sim",
    "intercept",
    "runtime",
    "harness",
    "reports",
    "cli",
];

/// How the names of crates begin that are of a system, or bring one along.
const OF_SYSTEMS: [&str; 6] =
    ["keeper-", "pgsync-", "scenarios-", "example-", "benches", "program"];

/// Words of systems that crates for any system do not name. Comments may: a rule has its source.
const WORDS_OF_SYSTEMS: [&str; 10] =
    ["zxid", "znode", "zookeeper", "keeper", "Zab", "DIFF", "TRUNC", "SNAP", "pgsync", "postgres"];

/// Other people's crates that the pure crates may use.
const PURE: [(&str, &[&str]); 4] = [
    ("probe", &[]),
    ("keeper-core", &["probe", "adler2", "bytes", "crc32fast", "thiserror"]),
    ("checker", &["evidence", "rustc-hash", "serde", "serde_json", "thiserror"]),
    ("evidence", &["serde", "serde_json"]),
];

/// Lines of a source file, tests apart, that are too many.
const LINES_MAX: usize = 1_000;

fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).expect("the crate is in the workspace").into()
}

fn metadata(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["metadata", "--format-version", "1", "--offline"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The platform that this compiler runs on, as in `x86_64-unknown-linux-gnu`.
fn host_platform() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc tells its host").to_owned()
}

/// Each workspace crate with its ordinary dependencies.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata(&["--no-deps"]);
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let normal = package["dependencies"].as_array().unwrap().iter();
            let names = normal
                .filter(|dependency| dependency["kind"].is_null())
                .map(|dependency| short(dependency["name"].as_str().unwrap()));
            (short(package["name"].as_str().unwrap()), names.collect())
        })
        .collect()
}

/// A package's name without what all of ours begin with.
fn short(name: &str) -> String {
    name.strip_prefix("squall-").unwrap_or(name).to_owned()
}

fn fits(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
        None => name == pattern,
    }
}

/// The first rule that fits.
fn allowed(name: &str) -> Option<&'static [&'static str]> {
    ALLOWED.iter().find(|(pattern, _)| fits(name, pattern)).map(|(_, allowed)| *allowed)
}

#[test]
fn dependencies_run_one_way() {
    let all = dependencies();
    for (name, uses) in &all {
        let allowed = allowed(name).unwrap_or_else(|| panic!("{name} has no rule in this test"));
        for used in uses.iter().filter(|used| all.contains_key(*used)) {
            let is_allowed = allowed.iter().any(|pattern| fits(used, pattern));
            assert!(is_allowed, "{name} must not depend on {used}");
        }
    }
}

#[test]
fn pure_crates_use_pure_libraries() {
    let all = dependencies();
    for (name, pure) in PURE {
        for used in &all[name] {
            assert!(pure.contains(&used.as_str()), "{name} must stay pure, but uses {used}");
        }
    }
}

#[test]
fn only_sim_names_turmoil() {
    for (name, uses) in dependencies() {
        assert!(name == "sim" || !uses.contains("turmoil"), "{name} names turmoil");
    }
}

/// Every crate that a crate depends on, through others too, with whatever features the workspace turns
/// on.
struct Graph {
    names: BTreeMap<String, String>,
    uses: BTreeMap<String, Vec<String>>,
}

impl Graph {
    fn read() -> Graph {
        // Crates of other platforms may never have been fetched here.
        let metadata = metadata(&["--all-features", "--filter-platform", &host_platform()]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let packages = metadata["packages"].as_array().unwrap().iter();
        let nodes = metadata["resolve"]["nodes"].as_array().unwrap().iter();
        let is_normal = |dependency: &&Value| {
            dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null())
        };
        let normal = |node: &Value| {
            let uses = node["deps"].as_array().unwrap().iter().filter(is_normal);
            uses.map(|dependency| text(&dependency["pkg"])).collect()
        };
        Graph {
            names: packages
                .map(|package| (text(&package["id"]), short(package["name"].as_str().unwrap())))
                .collect(),
            uses: nodes.map(|node| (text(&node["id"]), normal(node))).collect(),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.names.values().any(|other| other == name)
    }

    fn reached_from(&self, name: &str) -> BTreeSet<&str> {
        let ids = self.names.iter().filter(|(_, other)| *other == name);
        let mut open: Vec<&String> = ids.map(|(id, _)| id).collect();
        assert!(!open.is_empty(), "there is no {name}");
        let mut reached = BTreeSet::new();
        while let Some(id) = open.pop() {
            if reached.insert(id) {
                open.extend(&self.uses[id]);
            }
        }
        reached.into_iter().map(|id| self.names[id].as_str()).collect()
    }
}

#[test]
fn the_production_server_holds_no_simulator() {
    let graph = Graph::read();
    let names = graph.reached_from("keeper-server");
    assert!(names.contains("keeper-core") && names.contains("tokio"), "{names:?}");
    for unwanted in ["sim", "checker", "harness", "evidence", "scenarios-keeper", "turmoil"] {
        assert!(!names.contains(unwanted), "keeperd holds {unwanted}");
    }
}

#[test]
fn no_path_leads_from_what_serves_any_system_to_one() {
    let graph = Graph::read();
    for name in GENERAL.into_iter().filter(|name| graph.has(name)) {
        for reached in graph.reached_from(name) {
            let is_of_system = OF_SYSTEMS.iter().any(|start| reached.starts_with(start));
            assert!(!is_of_system, "{name} comes to {reached}");
        }
    }
    // The rule would be kept by a graph that was not read.
    assert!(graph.reached_from("scenarios-keeper").contains("keeper-core"));
}

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

/// The sources of a crate, tests apart.
fn sources_without_tests(folder: &str) -> Vec<(PathBuf, String)> {
    let is_test = |path: &Path| {
        let names = path.components().filter_map(|part| part.as_os_str().to_str());
        names.into_iter().any(|name| {
            let name = name.strip_suffix(".rs").unwrap_or(name);
            name == "tests" || name == "testing" || name.ends_with("_tests")
        })
    };
    let all = sources(folder).into_iter().filter(|(path, _)| !is_test(path));
    all.map(|(path, text)| (path, without_tests(&text).to_owned())).collect()
}

/// The part of a file before its tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod ").next().expect("a split has a first part")
}

#[test]
fn pure_crates_name_no_clock_no_file_and_no_socket() {
    let banned = [
        "std::fs",
        "std::net",
        "std::process",
        "std::env",
        "Instant::now",
        "SystemTime::now",
        "tokio",
        "rand::",
    ];
    let folders = [
        "probe/src",
        "keeper/core/src",
        "checker/src",
        "evidence/src",
        "scenarios/keeper/src/znode",
    ];
    for folder in folders {
        let files = sources(folder);
        assert!(files.len() > 2, "{folder} was not read");
        for (path, text) in files {
            let code = without_tests(&text).lines().filter(|line| !line.trim().starts_with("//"));
            for line in code {
                for name in banned {
                    assert!(!line.contains(name), "{} names {name}: {line}", path.display());
                }
            }
        }
    }
}

/// What is general is named in general words.
#[test]
fn crates_for_any_system_name_none() {
    // Unit tests of the program need a system; which one is said in one place.
    let own = ["cli/src/systems.rs"];
    for name in GENERAL.into_iter().filter(|name| root().join(name).is_dir()) {
        for (path, text) in sources_without_tests(&format!("{name}/src")) {
            if own.iter().any(|own| path.ends_with(own)) {
                continue;
            }
            let code = text.lines().filter(|line| !line.trim().starts_with("//"));
            for line in code {
                let lower = line.to_lowercase();
                for word in WORDS_OF_SYSTEMS {
                    let mut parts = line.split(|c: char| !c.is_alphanumeric());
                    let named = match word {
                        // As a part of another word it says nothing: linearizability.
                        "Zab" => parts.any(|part| part.eq_ignore_ascii_case(word)),
                        _ if word.chars().all(char::is_uppercase) => parts.any(|part| part == word),
                        _ => lower.contains(&word.to_lowercase()),
                    };
                    assert!(!named, "{} names {word}: {line}", path.display());
                }
            }
        }
    }
}

/// What arguments and files speak of is the harness's: the world is named where the seams are re-exported, and
/// nowhere else.
#[test]
fn the_program_s_library_does_not_name_the_world() {
    let files = sources("cli/src");
    assert!(files.iter().any(|(path, text)| path.ends_with("lib.rs") && text.contains("sim::")));
    for (path, text) in files.iter().filter(|(path, _)| !path.ends_with("cli/src/lib.rs")) {
        let code = text.lines().filter(|line| !line.trim().starts_with("//"));
        for line in code {
            assert!(!line.contains("sim::"), "{} names the world: {line}", path.display());
        }
    }
}

#[test]
fn files_are_not_too_long() {
    let folders = [
        "platform/src",
        "probe/src",
        "harness/src",
        "keeper/core/src",
        "keeper/client/src",
        "keeper/server/src",
        "sim/src",
        "checker/src",
        "evidence/src",
        "scenarios/keeper/src",
        "benches/src",
        "reports/src",
        "cli/src",
        "cli/program/src",
    ];
    for (path, text) in folders.into_iter().flat_map(sources) {
        let lines = without_tests(&text).lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
    }
}
