//! The house rules that a compiler does not check: which crate may depend on which, what the pure
//! crates may name, and how long a file may be.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What each crate of ours may depend on, of ours.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("keeper-core", &[]),
    ("platform", &["keeper-core"]),
    ("keeper-client", &["keeper-core", "platform"]),
    ("keeper-server", &["keeper-core", "platform", "keeper-client"]),
    ("checker", &[]),
    ("sim", &["keeper-core", "platform", "keeper-client", "keeper-server"]),
    ("scenarios", &["sim", "checker", "keeper-core", "keeper-client"]),
    ("reports", &["checker"]),
    (
        "benches",
        &["scenarios", "reports", "sim", "checker", "keeper-core", "keeper-client", "platform"],
    ),
    ("cli", &["reports", "scenarios", "benches", "checker"]),
];

/// Other people's crates that the pure crates may use.
const PURE: [(&str, &[&str]); 2] = [
    ("keeper-core", &["adler2", "bytes", "crc32fast", "thiserror"]),
    ("checker", &["rustc-hash", "serde", "serde_json", "thiserror"]),
];

/// Lines of a source file, tests apart, that are too many.
const LINES_MAX: usize = 1_000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace").into()
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
                .map(|dependency| dependency["name"].as_str().unwrap().to_owned());
            (package["name"].as_str().unwrap().to_owned(), names.collect())
        })
        .collect()
}

fn allowed(name: &str) -> Option<&'static [&'static str]> {
    ALLOWED.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, allowed)| *allowed)
}

#[test]
fn dependencies_run_one_way() {
    let all = dependencies();
    for (name, uses) in &all {
        let allowed = allowed(name).unwrap_or_else(|| panic!("{name} has no rule in this test"));
        for used in uses.iter().filter(|used| all.contains_key(*used)) {
            assert!(allowed.contains(&used.as_str()), "{name} must not depend on {used}");
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

#[test]
fn the_production_server_holds_no_simulator() {
    // Crates of other platforms may never have been fetched here.
    let metadata = metadata(&["--filter-platform", &host_platform()]);
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let normal = |id: &str| -> Vec<String> {
        let node = nodes.iter().find(|node| node["id"] == id).unwrap();
        let uses = node["deps"].as_array().unwrap().iter().filter(|dependency| {
            dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null())
        });
        uses.map(|dependency| dependency["pkg"].as_str().unwrap().to_owned()).collect()
    };
    let packages = metadata["packages"].as_array().unwrap();
    let name_of = |id: &str| {
        let package = packages.iter().find(|package| package["id"] == id).unwrap();
        package["name"].as_str().unwrap().to_owned()
    };
    let server = packages.iter().find(|package| package["name"] == "keeper-server").unwrap();
    let mut reached = BTreeSet::new();
    let mut open = vec![server["id"].as_str().unwrap().to_owned()];
    while let Some(id) = open.pop() {
        open.extend(normal(&id).into_iter().filter(|used| !reached.contains(used)));
        reached.insert(id);
    }
    let names: BTreeSet<String> = reached.iter().map(|id| name_of(id)).collect();
    assert!(names.contains("keeper-core") && names.contains("tokio"), "{names:?}");
    for unwanted in ["sim", "checker", "scenarios", "turmoil"] {
        assert!(!names.contains(unwanted), "keeperd holds {unwanted}");
    }
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
    for folder in ["keeper/core/src", "checker/src"] {
        let files = sources(folder);
        assert!(files.len() > 20, "{folder} was not read");
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

#[test]
fn files_are_not_too_long() {
    let folders = [
        "platform/src",
        "keeper/core/src",
        "keeper/client/src",
        "keeper/server/src",
        "sim/src",
        "checker/src",
        "scenarios/src",
        "benches/src",
        "reports/src",
        "cli/src",
    ];
    for (path, text) in folders.into_iter().flat_map(sources) {
        let lines = without_tests(&text).lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
    }
}
