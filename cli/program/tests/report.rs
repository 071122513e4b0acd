//! `squall report` over what `fuzz` and `run` write.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod common;

use std::fs;
use std::path::Path;

use common::{names, squall};
use evidence::{RunLine, Summary, Utilization};
use serde_json::Value;

fn lines(folder: &Path) -> Vec<RunLine> {
    let text = fs::read_to_string(folder.join("seeds.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_campaign_with_a_planted_bug_becomes_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let fuzz = ["fuzz", "--plant", "ack-before-fsync", "--scenario", "keeper/register"];
    let more = ["--no-corpus", "--runs", "4", "--seed", "1", "--jobs", "2"];
    let found = squall(folder.path(), &[&fuzz[..], &more].concat());
    assert_eq!(found.code, 1, "{found:?}");
    let latest = fs::canonicalize(folder.path().join("out/latest")).unwrap();
    let text = fs::read_to_string(latest.join("summary.json")).unwrap();
    let mut summary: Summary = serde_json::from_str(&text).unwrap();
    let lines = lines(&latest);
    let counted = Utilization::of(&lines, &summary.figures);
    assert_eq!(Utilization { wall_ms: 0, ..summary.utilization.clone() }, counted);
    assert_eq!(summary.disagreements(&lines), Vec::<String>::new());
    let failed = lines.iter().find(|line| !line.violated.is_empty()).unwrap();
    assert!(failed.violated.iter().all(|name| failed.checked.contains(name)), "{failed:?}");
    assert!(failed.checked.len() > 20, "{failed:?}");
    assert!(lines.iter().any(|line| line.healed_after_ms.is_some()));
    assert!(lines.iter().any(|line| line.repeated == Some(true)), "the first one runs twice");

    let made = squall(folder.path(), &["report", "out/latest"]);
    assert_eq!(made.code, 0, "{made:?}");
    assert!(made.stdout.starts_with("out/latest/index.html\nout/latest/report.md\n"), "{made:?}");
    let page = fs::read_to_string(latest.join("index.html")).unwrap();
    let fingerprint = &summary.failures[0].fingerprint;
    for wanted in [fingerprint.as_str(), "acknowledged is durable", "latency-quantiles"] {
        assert!(page.contains(wanted), "{wanted}");
    }
    let failure = latest.join("failures").join(fingerprint);
    windows_and_points_are_the_files(&failure);
    let kept = lines.iter().find(|line| line.seed == summary.failures[0].seed).unwrap();
    let history = fs::read_to_string(failure.join("history.jsonl")).unwrap();
    let answers = history.lines().filter(|line| line.contains("\"outcome\":{\"Ok\"")).count();
    assert!(answers > 100);
    assert_eq!(kept.latencies_us.count(), answers as u64);

    summary.utilization.acknowledged += 1;
    fs::write(latest.join("summary.json"), summary.to_json()).unwrap();
    fs::remove_file(latest.join("index.html")).unwrap();
    let refused = squall(folder.path(), &["report", "out/latest"]);
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(refused.stderr.contains("utilization.acknowledged: "), "{refused:?}");
    assert!(!latest.join("index.html").exists(), "nothing is written");
}

/// The plots of a failure show the plan's faults and the history's operations.
fn windows_and_points_are_the_files(failure: &Path) {
    let read = |name: &str| fs::read_to_string(failure.join(name)).unwrap();
    let svg = read("latency-raw.svg");
    let numbers = |class: &str, attribute: &str| -> Vec<u64> {
        let marks = svg.split('<').filter(|mark| mark.contains(class));
        let value =
            |mark: &str| mark.split_once(&format!("{attribute}=\"")).map(|(_, v)| v.to_owned());
        marks.filter_map(value).map(|v| v.split('"').next().unwrap().parse().unwrap()).collect()
    };
    let plan: Value = serde_json::from_str(&read("plan.json")).unwrap();
    let mut planned: Vec<u64> = plan["faults"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|fault| fault["until_ms"].is_u64() && fault["kind"] != "restart")
        .map(|fault| fault["at_ms"].as_u64().unwrap())
        .collect();
    let mut struck: Vec<u64> =
        numbers("class=\"band", "data-from-ns").iter().map(|ns| ns / 1_000_000).collect();
    struck.sort_unstable();
    planned.sort_unstable();
    // A fault that had no target did not strike; whatever struck was planned, to the millisecond.
    let is_planned = |at_ms: &&u64| planned.iter().any(|p| at_ms.abs_diff(*p) <= 1);
    let known = struck.iter().filter(is_planned).count();
    assert!(known > 0 && planned.len() >= known, "{struck:?} {planned:?}");
    let invoked: Vec<u64> = read("history.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["line"] == "operation")
        .map(|line| line["invoke_ns"].as_u64().unwrap())
        .collect();
    assert!(invoked.len() > 100);
    assert_eq!(numbers("class=\"point", "data-at-ns"), invoked);
}

#[test]
fn a_single_run_has_plots_and_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let ran = squall(folder.path(), &["run", "keeper/register", "--seed", "5"]);
    assert!(ran.code <= 1, "{ran:?}");
    let latest = fs::canonicalize(folder.path().join("out/latest")).unwrap();
    for file in
        ["picture.json", "latency-raw.svg", "latency-quantiles.svg", "rate.svg", "clock.svg"]
    {
        assert!(names(&latest).iter().any(|name| name == file), "{file}");
    }
    let made = squall(folder.path(), &["report", "out/latest", "--out", "page"]);
    assert_eq!(made.code, 0, "{made:?}");
    let page = fs::read_to_string(folder.path().join("page/index.html")).unwrap();
    assert!(page.contains("keeper/register seed 5") && page.contains("Single runs"));
    let missing = squall(folder.path(), &["report", "page"]);
    assert_eq!(missing.code, 64, "{missing:?}");
    assert!(missing.stderr.contains("no seeds.jsonl there"), "{missing:?}");
}
