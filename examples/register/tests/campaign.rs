//! A short campaign, and the planted bug found, within `cargo test`.

use std::process::Command;

use squall::harness::shrink::{Shrink, shrink};
use squall::harness::{AnySystem, Systems};

#[test]
fn a_short_campaign_is_clean() {
    squall::testing::campaign(register::SYSTEMS, 1, 30);
}

/// Whoever replays a plan reads it from a file: what is drawn for two servers must be valid.
#[test]
fn every_plan_can_be_stored_and_loaded() {
    let systems = Systems(register::SYSTEMS);
    for seed in 1..300 {
        let plan = (AnySystem::scenarios(&register::Replicated)[0].plan)(seed);
        let loaded = systems.load(plan.to_text().as_bytes(), "plan.json");
        assert_eq!(loaded.map_err(|error| format!("seed {seed}: {error}")), Ok(plan));
    }
}

#[test]
fn the_planted_bug_is_found_shrunk_and_proven() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let found = Command::new(env!("CARGO_BIN_EXE_squall-example-register"))
        .args(["selftest", "--shrink", "--out"])
        .arg(out.path())
        .output()
        .expect("the program starts");
    let text = String::from_utf8_lossy(&found.stdout);
    assert!(found.status.success(), "{text}{}", String::from_utf8_lossy(&found.stderr));
    assert!(text.contains("1 of 1"), "{text}");
}

/// Without its backup the primary answers nothing: that it does so shows nothing.
#[test]
fn no_plan_is_without_the_backup_and_none_becomes_so() {
    let systems = Systems(register::SYSTEMS);
    let mut plan = (AnySystem::scenarios(&register::Replicated)[0].plan)(1);
    plan.plant = Some("answers-before-sync".to_owned());
    let options =
        Shrink { jobs: 1, seeds: 1, fingerprint: None, work_max: u64::MAX, is_over: &|| false };
    let shrunk = shrink(systems, &plan, &options, &mut |_| {}).expect("the plan fails");
    assert_eq!(shrunk.plan.count("servers"), 2, "the bug is one of the primary alone");
    plan.topology.insert("servers".to_owned(), 1);
    let refused = systems.load(plan.to_text().as_bytes(), "plan.json").unwrap_err().to_string();
    assert!(refused.contains("topology.servers: 1, expected 2 to 99"), "{refused}");
}
