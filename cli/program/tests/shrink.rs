//! Smaller plans: of a campaign's failures, and of the bugs of a self-test.
#![allow(clippy::unwrap_used, reason = "a test may end by it")]

mod common;

use std::fs;
use std::path::Path;

use serde_json::Value;

use common::{names, squall};

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_campaign_makes_the_plans_of_its_failures_smaller() {
    let folder = tempfile::tempdir().unwrap();
    let ran = squall(
        folder.path(),
        &[
            "fuzz",
            "--plant",
            "ack-before-fsync",
            "--scenario",
            "keeper/register",
            "--no-corpus",
            "--runs",
            "1",
            "--seed",
            "1",
            "--shrink",
            "--shrink-time",
            "20s",
        ],
    );
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(!ran.stderr.contains("squall: "), "no complaint: {ran:?}");
    let told: Vec<&str> = ran.stdout.lines().skip_while(|l| !l.starts_with("SHRUNK ")).collect();
    assert!(told[0].starts_with("SHRUNK keeper/register   seed "), "{ran:?}");
    assert!(told[1].starts_with("  ops ") && told[1].contains(", faults "), "{told:?}");
    let latest = fs::canonicalize(folder.path().join("out/latest")).unwrap();
    let summary = json(&latest.join("summary.json"));
    let failure = &summary["failures"][0];
    let plan = failure["smaller"]["plan"].as_str().unwrap();
    assert_eq!(plan, format!("{}/plan.min.json", failure["folder"].as_str().unwrap()));
    assert_eq!(format!("  {}", failure["smaller"]["change"].as_str().unwrap()), told[1]);
    let explanation = latest.join(failure["folder"].as_str().unwrap()).join("explanation.txt");
    let explanation = fs::read_to_string(explanation).unwrap();
    assert!(explanation.contains("\n  smaller  squall replay "), "{explanation}");
    let smaller = json(&latest.join(plan));
    assert!(smaller["operations"].as_array().unwrap().len() <= 12, "{told:?}");
    let replay = squall(folder.path(), &["replay", latest.join(plan).to_str().unwrap()]);
    assert_eq!(replay.code, 1, "{replay:?}");
    assert!(replay.stdout.contains(failure["fingerprint"].as_str().unwrap()), "{replay:?}");
}

#[test]
fn a_find_is_stored_small_and_shown_again() {
    let folder = tempfile::tempdir().unwrap();
    let selftest = |args: &[&str]| {
        squall(folder.path(), &[&["selftest", "--plant", "ack-before-fsync"], args].concat())
    };
    let stored = selftest(&["--shrink", "--shrink-time", "20s", "--store", "finds"]);
    assert_eq!(stored.code, 0, "{stored:?}");
    assert!(stored.stdout.contains("; 1 with at most 12 operations and 4 faults"), "{stored:?}");
    assert_eq!(names(&folder.path().join("finds")), ["ack-before-fsync.json"]);
    let again = selftest(&["--stored", "finds"]);
    assert_eq!(again.code, 0, "{again:?}");
    assert!(again.stdout.contains("1 of 1 planted bugs found and proven"), "{again:?}");

    let path = folder.path().join("finds/ack-before-fsync.json");
    let mut plan = json(&path);
    // One server alone acknowledges to nobody.
    plan["topology"]["servers"] = 1.into();
    plan["faults"] = Value::Array(Vec::new());
    fs::write(&path, plan.to_string()).unwrap();
    let lost = selftest(&["--stored", "finds"]);
    assert_eq!(lost.code, 3, "{lost:?}");
    assert!(lost.stdout.contains("the plan passes; expected: acknowledged is durable"), "{lost:?}");
    fs::remove_file(&path).unwrap();
    let missing = selftest(&["--stored", "finds"]);
    assert_eq!(missing.code, 3, "{missing:?}");
    assert!(missing.stdout.contains("no find is stored"), "{missing:?}");
}
