//! `squall corpus`: what is stored, what is refused, and what is said of it.
#![allow(clippy::unwrap_used, reason = "a test may end by it")]

mod common;

use std::fs;
use std::path::Path;

use serde_json::Value;

use common::{names, squall};

/// A short plan that passes, and one with a planted bug that fails at once.
fn plans(folder: &Path) {
    let canary = include_str!("../../../scenarios/keeper/canary/ack-before-fsync.json");
    let mut plan: Value = serde_json::from_str(canary).unwrap();
    fs::write(folder.join("fails.json"), plan.to_string()).unwrap();
    plan.as_object_mut().unwrap().remove("plant");
    plan.as_object_mut().unwrap().remove("found");
    fs::write(folder.join("passes.json"), plan.to_string()).unwrap();
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_plan_is_added_once_listed_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    plans(folder.path());
    fs::create_dir_all(folder.path().join("scenarios/keeper/corpus")).unwrap();
    let add = |args: &[&str]| squall(folder.path(), &[&["corpus", "add"], args].concat());
    let added = add(&["passes.json", "--name", "small", "--note", "a quiet second"]);
    assert_eq!(added.code, 0, "{added:?}");
    let stored = folder.path().join("scenarios/keeper/corpus/keeper/small.json");
    assert_eq!(json(&stored)["note"], "a quiet second");
    let before = fs::read(&stored).unwrap();

    let twice = add(&["passes.json", "--name", "another"]);
    assert_eq!(twice.code, 64);
    assert!(twice.stderr.contains("already, as keeper/small.json"), "{twice:?}");
    let mut other = json(&folder.path().join("passes.json"));
    other["seed"] = 77.into();
    fs::write(folder.path().join("other.json"), other.to_string()).unwrap();
    let taken = add(&["other.json", "--name", "keeper/small"]);
    assert_eq!(taken.code, 64);
    assert!(taken.stderr.contains("exists already"), "{taken:?}");
    let planted = add(&["fails.json"]);
    assert_eq!(planted.code, 64);
    assert!(planted.stderr.contains("must pass"), "{planted:?}");
    assert_eq!(fs::read(&stored).unwrap(), before);
    assert_eq!(names(&folder.path().join("scenarios/keeper/corpus/keeper")), ["small.json"]);

    let listed = squall(folder.path(), &["corpus", "list", "--corpus", "scenarios/keeper/corpus"]);
    assert_eq!(listed.code, 0);
    for part in
        ["keeper/small.json", "keeper/register", "a quiet second (how it ends is not stored)"]
    {
        assert!(listed.stdout.contains(part), "{part}: {listed:?}");
    }
    let verify = || squall(folder.path(), &["corpus", "verify", "scenarios/keeper/corpus"]);
    let verified = verify();
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(verified.stdout.starts_with("PASS keeper/small.json   trace "), "{verified:?}");
    // One that is no plan does not hide the others.
    fs::write(folder.path().join("scenarios/keeper/corpus/bad.json"), "{}").unwrap();
    let verified = verify();
    assert_eq!(verified.code, 64, "{verified:?}");
    assert!(verified.stderr.contains("bad.json: not a plan"), "{verified:?}");
    assert!(verified.stdout.starts_with("PASS keeper/small.json   trace "), "{verified:?}");
}

#[test]
fn a_folder_gives_its_smaller_plan() {
    let folder = tempfile::tempdir().unwrap();
    plans(folder.path());
    let failure = folder.path().join("failure");
    fs::create_dir_all(&failure).unwrap();
    fs::copy(folder.path().join("passes.json"), failure.join("plan.json")).unwrap();
    let mut smaller = json(&folder.path().join("passes.json"));
    smaller["operations"] = Value::Array(Vec::new());
    fs::write(failure.join("plan.min.json"), smaller.to_string()).unwrap();
    let added = squall(folder.path(), &["corpus", "add", "failure", "--corpus", "kept"]);
    assert_eq!(added.code, 64, "the folder must be there: {added:?}");
    fs::create_dir(folder.path().join("kept")).unwrap();
    let added = squall(folder.path(), &["corpus", "add", "failure", "--corpus", "kept"]);
    assert_eq!(added.code, 0, "{added:?}");
    let kept = names(&folder.path().join("kept/keeper"));
    let kept = json(&folder.path().join("kept/keeper").join(&kept[0]));
    assert_eq!(kept["operations"], Value::Array(Vec::new()));
}

#[test]
fn a_plan_that_fails_or_differs_is_told() {
    let folder = tempfile::tempdir().unwrap();
    plans(folder.path());
    let corpus = folder.path().join("corpus");
    fs::create_dir(&corpus).unwrap();
    let verify = || squall(folder.path(), &["corpus", "verify", "corpus", "--format", "json"]);
    assert_eq!(verify().code, 4, "nothing ran");
    fs::rename(folder.path().join("fails.json"), corpus.join("fails.json")).unwrap();
    let failed = verify();
    assert_eq!(failed.code, 1, "{failed:?}");
    let line: Value = serde_json::from_str(&failed.stdout).unwrap();
    assert_eq!((&line["verdict"], &line["trace_hash"]), (&"FAIL".into(), &line["again"]));
    assert!(line["why"].as_str().unwrap().starts_with("acknowledged is durable: "));
    let mut plan = json(&folder.path().join("passes.json"));
    plan["plant"] = "wall-clock".into();
    fs::write(corpus.join("differs.json"), plan.to_string()).unwrap();
    let differs = verify();
    assert_eq!(differs.code, 3, "{differs:?}");
}

#[test]
fn only_a_plan_that_fails_is_made_smaller() {
    let folder = tempfile::tempdir().unwrap();
    plans(folder.path());
    let before = fs::read(folder.path().join("passes.json")).unwrap();
    let refused = squall(folder.path(), &["corpus", "min", "passes.json"]);
    assert_eq!(refused.code, 64, "{refused:?}");
    assert!(refused.stderr.contains("only what fails can be made smaller"), "{refused:?}");
    assert_eq!(fs::read(folder.path().join("passes.json")).unwrap(), before);
    let smaller = squall(folder.path(), &["corpus", "min", "fails.json", "--max-time", "30s"]);
    assert_eq!(smaller.code, 0, "{smaller:?}");
    assert!(smaller.stdout.starts_with("ops "), "{smaller:?}");
    let replay = squall(folder.path(), &["replay", "fails.json"]);
    assert_eq!(replay.code, 1, "{replay:?}");
}
