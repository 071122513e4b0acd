//! Runs that come to no good end: too long, too large, fallen, or different each time. Each keeps its
//! plan, and none takes the campaign with it.
#![allow(clippy::unwrap_used, reason = "a test may end by it")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use common::{Ran, names, squall};

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A campaign, its folder and its summary.
fn fuzz(folder: &Path, args: &[&str]) -> (Ran, PathBuf, Value) {
    let always = ["fuzz", "--scenario", "keeper/register", "--no-corpus", "--seed", "1"];
    let ran = squall(folder, &[&always[..], args].concat());
    let latest = fs::canonicalize(folder.join("out/latest")).unwrap();
    let summary = json(&latest.join("summary.json"));
    (ran, latest, summary)
}

#[test]
fn a_run_over_its_bounds_ends_undecided_with_its_plan_kept() {
    let folder = tempfile::tempdir().unwrap();
    for (bound, size, reason) in [
        ("--run-time-max", "1ms", "the run was cut off: it took longer than 1ms"),
        ("--run-memory-max", "10K", "the run was cut off: its record takes more memory"),
    ] {
        let (ran, latest, summary) = fuzz(folder.path(), &["--runs", "2", bound, size]);
        assert_eq!(ran.code, 2, "{ran:?}");
        let undecided = summary["undecided"].as_array().unwrap();
        assert_eq!(undecided.len(), 2);
        for run in undecided {
            assert!(run["reason"].as_str().unwrap().starts_with(reason), "{run}");
            let plan = json(&latest.join(run["plan"].as_str().unwrap()));
            assert_eq!(plan["seed"], run["seed"]);
            let told = format!("UNDECIDED keeper/register   seed {}: {reason}", run["seed"]);
            assert!(ran.stdout.contains(&told), "{ran:?}");
        }
        assert_eq!(names(&latest.join("undecided")), ["0-plan.json", "1-plan.json"]);
    }
    let (ran, _, _) =
        fuzz(folder.path(), &["--runs", "1", "--run-memory-max", "2G", "--run-time-max", "10m"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_panic_of_the_code_under_test_is_a_finding_with_its_plan() {
    let folder = tempfile::tempdir().unwrap();
    let (ran, latest, summary) = fuzz(folder.path(), &["--runs", "2", "--plant", "panic"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("no panic: "), "{ran:?}");
    assert!(ran.stdout.contains("the planted panic"), "{ran:?}");
    let failure = &summary["failures"][0];
    assert_eq!((&failure["property"], &failure["count"]), (&"no panic".into(), &2.into()));
    let place = latest.join(failure["folder"].as_str().unwrap());
    let timeline = fs::read_to_string(place.join("timeline.html")).unwrap();
    assert!(
        timeline.contains("said told worst"),
        "it stands in the column of the host that panicked"
    );
    let seeds = fs::read_to_string(latest.join("seeds.jsonl")).unwrap();
    let line: Value = serde_json::from_str(seeds.lines().next().unwrap()).unwrap();
    let said = line["headlines"]["no panic"].as_str().unwrap();
    assert!(said.contains(" panicked at ") && said.contains("the planted panic"), "{said}");
    let plan = place.join("plan.json");
    let replay = squall(folder.path(), &["replay", plan.to_str().unwrap()]);
    assert_eq!(replay.code, 1, "{replay:?}");
    assert!(replay.stdout.contains(failure["fingerprint"].as_str().unwrap()), "{replay:?}");
}

#[test]
fn a_panic_of_the_harness_is_internal_and_the_campaign_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (ran, latest, summary) = fuzz(folder.path(), &["--runs", "2", "--plant", "harness-panic"]);
    assert_eq!(ran.code, 70, "{ran:?}");
    assert!(ran.stderr.contains("internal error: the planted panic of the harness"), "{ran:?}");
    assert_eq!(summary["utilization"]["runs"]["total"], 2);
    let undecided = summary["undecided"].as_array().unwrap();
    assert_eq!(undecided.len(), 2);
    for run in undecided {
        let reason = run["reason"].as_str().unwrap();
        assert_eq!(reason, "internal error: the planted panic of the harness");
        assert!(latest.join(run["plan"].as_str().unwrap()).is_file());
    }
    let alone = squall(
        folder.path(),
        &["run", "keeper/register", "--seed", "1", "--plant", "harness-panic"],
    );
    assert_eq!(alone.code, 70, "{alone:?}");
    let plan = json(&folder.path().join("out/latest/plan.json"));
    assert_eq!(plan["plant"], "harness-panic");
}

#[test]
fn a_task_that_never_yields_ends_the_campaign_with_its_plan_kept() {
    let folder = tempfile::tempdir().unwrap();
    let bound = ["--run-time-max", "1s", "--jobs", "2", "--max-time", "10m"];
    let (ran, latest, summary) = fuzz(folder.path(), &[&["--plant", "spin"][..], &bound].concat());
    assert_eq!(ran.code, 3, "{ran:?}");
    let told = ran.stderr.lines().find(|line| line.contains("every task yields: ")).unwrap();
    let is_named =
        told.contains(" of n") && told.contains(" never yields; the last that happened: ");
    assert!(is_named, "{told}");
    assert_eq!(summary["unfinished"], true);
    let kept = names(&latest.join("failures"));
    let failure = latest.join("failures").join(&kept[0]);
    assert_eq!(names(&failure), ["explanation.txt", "plan.json"]);
    assert_eq!(json(&failure.join("plan.json"))["plant"], "spin");
    let report = squall(folder.path(), &["report", "out/latest"]);
    assert_eq!(report.code, 0, "{report:?}");
    let text = fs::read_to_string(latest.join("report.md")).unwrap();
    assert!(text.contains("never yields") && text.contains("the campaign did not end"), "{text}");
}

#[test]
fn a_campaign_performs_runs_twice_and_names_the_event_that_differs() {
    let folder = tempfile::tempdir().unwrap();
    let (ran, _, summary) = fuzz(folder.path(), &["--runs", "2"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(summary["utilization"]["repeated"], 1);
    assert!(ran.stdout.contains("; 1 run performed twice"), "{ran:?}");
    for plant in ["hash-order", "wall-clock", "thread"] {
        let (ran, latest, summary) = fuzz(folder.path(), &["--runs", "1", "--plant", plant]);
        assert_eq!(ran.code, 3, "{plant}: {ran:?}");
        let doubt = summary["doubts"][0].as_str().unwrap();
        assert!(doubt.contains("is the first that differs"), "{plant}: {doubt}");
        let kept = names(&latest.join("not-deterministic"));
        assert_eq!(kept.len(), 3, "{kept:?}");
        let difference = kept.iter().find(|name| name.ends_with(".difference.json")).unwrap();
        let difference = json(&latest.join("not-deterministic").join(difference));
        assert!(!difference["before"].as_array().unwrap().is_empty());
        assert_ne!(difference["one"][0], difference["other"][0]);
    }
}

#[test]
fn determinism_catches_each_bug_that_breaks_it() {
    let folder = tempfile::tempdir().unwrap();
    for plant in ["hash-order", "wall-clock", "thread"] {
        let ran = squall(
            folder.path(),
            &["determinism", "--scenario", "keeper/register", "--seeds", "1", "--plant", plant],
        );
        assert_eq!(ran.code, 3, "{plant}: {ran:?}");
        assert!(ran.stdout.contains("the first event that differs is number "), "{ran:?}");
    }
}
