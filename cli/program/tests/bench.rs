//! `squall bench`: usage, baselines, and, where `SQUALL_LIVE` is set, real servers for a moment.
#![allow(clippy::unwrap_used, reason = "a test may end by it")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Ran, names, squall};
use serde_json::Value;

/// The smallest measurement of the simulator that has a figure of each kind.
const SMALL: [&str; 7] = ["bench", "sim", "--quick", "--rounds", "2", "--seeds", "1"];

#[test]
fn bad_usage_is_told_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    for (args, message) in [
        (&["bench"][..], "Usage: squall bench"),
        (&["bench", "moon"], "unrecognized subcommand 'moon'"),
        (&["bench", "sim", "--seeds", "0"], "--seeds"),
        (&["bench", "sim", "--fail-on-regression", "10%"], "--baseline"),
        (&["bench", "sim", "--baseline", "x", "--fail-on-regression", "ten"], "10%"),
        (&["bench", "sim", "--baseline", "nothing"], "there is no baseline nothing"),
        (&["bench", "sim", "--save-baseline", "../x"], "no name for a baseline"),
        (&["bench", "sim", "--reference"], "no folder reports"),
        (&["bench", "live", "--workload", "juggle"], "lock-shared"),
        (&["bench", "live", "--clients", "0"], "--clients"),
        (&["bench", "live", "--time", "soon"], "60s, 10m"),
    ] {
        let ran = squall(folder.path(), args);
        assert_eq!(ran.code, 64, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(message), "{args:?}: {}", ran.stderr);
        assert_eq!(names(folder.path()), [""; 0], "{args:?} wrote something");
    }
    let help = squall(folder.path(), &["bench", "live", "--help"]);
    assert_eq!(help.code, 0);
    assert!(help.stdout.contains("--fail-on-regression"), "{}", help.stdout);
}

#[test]
fn without_a_server_beside_it_the_program_says_how_to_build_one() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("squall");
    fs::copy(env!("CARGO_BIN_EXE_squall"), &alone).unwrap();
    let output = Command::new(&alone)
        .args(["bench", "live", "--quick"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("cargo build") && stderr.contains("-p keeper-server"), "{stderr}");
    assert_eq!(names(folder.path()), ["squall"]);
}

fn with<'a>(args: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    args.iter().chain(more).copied().collect()
}

#[test]
fn a_run_is_kept_compared_and_fails_when_it_is_worse() {
    let folder = tempfile::tempdir().unwrap();
    let first = squall(folder.path(), &with(&SMALL, &["--save-baseline", "main"]));
    assert_eq!(first.code, 0, "{first:?}");
    for part in ["simulated throughput", "failover by kill: outage", "acknowledged writes lost: 0"]
    {
        assert!(first.stdout.contains(part), "{part}: {}", first.stdout);
    }
    let files = names(&folder.path().join("out/latest"));
    for file in ["bench-sim.json", "bench-sim.md", "bench-sim-latency.svg", "latency.hlog"] {
        assert!(files.iter().any(|each| each == file), "{file}: {files:?}");
    }

    // As if everything had been three times as good before.
    let path = folder.path().join("out/baselines/sim-main.json");
    let mut stored: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for figure in stored["figures"].as_array_mut().unwrap() {
        let factor = if figure["better"] == "higher" { 30.0 } else { 1.0 / 30.0 };
        for round in figure["rounds"].as_array_mut().unwrap() {
            *round = (round.as_f64().unwrap() * factor).into();
        }
    }
    fs::write(&path, stored.to_string()).unwrap();
    let compare = ["--baseline", "main", "--fail-on-regression", "10%", "--format", "json"];
    let worse = squall(folder.path(), &with(&SMALL, &compare));
    assert_eq!(worse.code, 1, "{worse:?}");
    let printed: Value = serde_json::from_str(&worse.stdout).unwrap();
    let lines = printed["comparison"]["lines"].as_array().unwrap().clone();
    let regressed = lines.iter().filter(|line| line["verdict"] == "regressed").count();
    assert!(regressed > 0 && lines.len() >= 10, "{lines:?}");

    let other = squall(folder.path(), &["bench", "sim", "--baseline", "main", "--seeds", "2"]);
    assert_eq!(other.code, 64, "{other:?}");
    assert!(other.stderr.contains("was measured with"), "{}", other.stderr);
}

/// Builds the server beside the program under test.
fn build_server() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let mut build = Command::new(env!("CARGO"));
    build.current_dir(root).args(["build", "--offline", "-p", "squall-keeper-server"]);
    assert!(build.status().unwrap().success());
}

fn live(folder: &Path, more: &[&str]) -> Ran {
    squall(folder, &with(&["bench", "live", "--format", "json", "--rounds", "1"], more))
}

#[test]
fn real_servers_answer_lose_nothing_and_end() {
    if std::env::var_os("SQUALL_LIVE").is_none() {
        println!("skipped: set SQUALL_LIVE to run three servers on loopback");
        return;
    }
    build_server();
    let folder = tempfile::tempdir().unwrap();
    let load = ["--clients", "2", "--outstanding", "2", "--time", "300ms", "--failovers", "1"];
    let ran = live(folder.path(), &load);
    assert_eq!(ran.code, 0, "{ran:?}");
    let printed: Value = serde_json::from_str(&ran.stdout).unwrap();
    let report = &printed["report"];
    let names_of = |list: &str| -> Vec<String> {
        let list = report[list].as_array().unwrap().iter();
        list.map(|each| each["name"].as_str().unwrap().to_owned()).collect()
    };
    for latency in ["create c2 d2", "set c1 d1", "get c2 d2", "mix c2 d2", "lock-shared c2"] {
        assert!(names_of("latencies").iter().any(|each| each == latency), "{latency}");
    }
    for latency in report["latencies"].as_array().unwrap() {
        assert!(latency["count"].as_u64().unwrap() > 10, "{latency}");
    }
    let safety = &report["safety"];
    assert!(safety["acknowledged_writes"].as_u64().unwrap() > 100, "{safety}");
    for nothing in ["lost_writes", "failed_requests", "lock_overlaps"] {
        assert_eq!(safety[nothing], 0, "{nothing}");
    }
    assert_eq!(report["failovers"].as_array().unwrap().len(), 2);
    let left = names(&folder.path().join("out"));
    assert!(left.iter().all(|name| !name.starts_with("bench-data")), "{left:?}");

    let paced = ["--workload", "set", "--rate", "200", "--time", "1s", "--failovers", "0"];
    let ran = live(folder.path(), &paced);
    let printed: Value = serde_json::from_str(&ran.stdout).unwrap();
    let count = printed["report"]["latencies"][0]["count"].as_u64().unwrap();
    assert!((195..=205).contains(&count), "a second at 200 requests/s: {count}");
}
