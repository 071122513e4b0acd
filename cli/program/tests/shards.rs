//! Campaigns in parts, from the outside: `--partition`, `squall merge`, and what CI services read.
#![allow(clippy::unwrap_used, reason = "a test may end by it")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use common::{Ran, names, squall};

/// The most of a file that fits, in blocks of 512 bytes: more than marks or a summary take, less than the lines of
/// twenty runs.
const FULL_BLOCKS: u32 = 128;

const CAMPAIGN: [&str; 8] =
    ["fuzz", "--no-corpus", "--seed", "11", "--runs", "4", "--scenario", "keeper/register"];

fn fuzz(folder: &Path, extra: &[&str]) -> Ran {
    squall(folder, &[&CAMPAIGN[..], extra].concat())
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// What each run came to, without its time.
fn runs(folder: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(folder.join("seeds.jsonl")).unwrap();
    let without_time = |line: &str| {
        let mut run: Value = serde_json::from_str(line).unwrap();
        run.as_object_mut().unwrap().remove("wall_ms");
        run.to_string()
    };
    text.lines().map(without_time).collect()
}

#[test]
fn shards_merged_in_any_order_are_the_whole_campaign() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    assert_eq!(fuzz(folder.path(), &["--out", "whole"]).code, 0);
    for shard in ["slice:1/2", "slice:2/2"] {
        let ran = fuzz(folder.path(), &["--out", "parts", "--partition", shard]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stderr.starts_with(&format!("campaign seed 11, only {shard}, ")), "{ran:?}");
    }
    let parts: Vec<String> =
        names(&path("parts")).into_iter().filter(|name| name.ends_with("of2")).collect();
    assert_eq!(parts.len(), 2, "{parts:?}");
    let (one, two) = (format!("parts/{}", parts[0]), format!("parts/{}", parts[1]));
    assert_eq!((runs(&path(&one)).len(), runs(&path(&two)).len()), (2, 2));

    let merge = |args: &[&str]| squall(folder.path(), &[&["merge"], args].concat());
    let all = merge(&["parts", "--out", "merged"]);
    assert_eq!(all.code, 0, "{all:?}");
    assert!(all.stdout.starts_with("4 runs, 4 passed, 0 failed, 0 undecided; "), "{all:?}");
    assert_eq!(runs(&path("merged")), runs(&path("whole/latest")));
    assert_eq!(merge(&[&two, "merged", &one, &two, "--out", "again"]).code, 0);
    for file in ["seeds.jsonl", "summary.json"] {
        let read = |name: &str| fs::read(path(name).join(file)).unwrap();
        assert_eq!(read("merged"), read("again"), "{file}");
    }

    let alone = merge(&[&one, "--out", "alone"]);
    assert!(alone.stderr.contains("of 2 shards these are not there: 2"), "{alone:?}");
    let taken = merge(&[&one, "--out", "alone"]);
    assert_eq!((taken.code, taken.stderr.contains("exists already")), (64, true), "{taken:?}");
    let nothing = merge(&["nowhere", "--out", "x"]);
    assert_eq!((nothing.code, path("x").exists()), (64, false), "{nothing:?}");

    // The same run with another end: the harness is not deterministic.
    let file = path(&one).join("seeds.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    let mut lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    lines[0]["trace_hash"] = "0123".into();
    let seed = lines[0]["seed"].clone();
    fs::write(&file, format!("{}\n{{\"torn", lines[0])).unwrap();
    let differs = merge(&["parts", "merged", "--out", "conflict", "--findings-ok"]);
    assert_eq!(differs.code, 3, "{differs:?}");
    let named = format!("keeper/register seed {seed} is not deterministic");
    assert!(differs.stdout.contains(&named), "{differs:?}");
    assert!(differs.stderr.contains("seeds.jsonl is torn"), "{differs:?}");
    let summary = json(&path("conflict/summary.json"));
    assert!(summary["doubts"][0].as_str().unwrap().starts_with(&named));
    assert_eq!(squall(folder.path(), &["merge", "conflict", "--out", "still"]).code, 3);
}

#[test]
#[cfg(unix)]
fn a_killed_campaign_is_reported_and_merged_as_far_as_it_came() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_squall"))
        .args(["fuzz", "--no-corpus", "--seed", "1", "--scenario", "keeper/register"])
        .args(["--plant", "ack-before-fsync", "--jobs", "1", "--max-time", "10m"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let path = |name: &str| folder.path().join(name);
    let lines = || fs::read_to_string(path("out/latest/seeds.jsonl")).unwrap_or_default();
    let failed = |text: &str| text.lines().filter(|line| line.contains("\"fail\"")).count();
    // Into whatever it does after its second failure, which the summary does not count yet.
    while failed(&lines()) < 2 && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(json(&path("out/latest/summary.json"))["unfinished"], true);

    let report = squall(folder.path(), &["report", "out/latest"]);
    assert_eq!(report.code, 0, "{report:?}");
    assert!(report.stderr.contains("the campaign did not end"), "{report:?}");
    let text = fs::read_to_string(path("out/latest/report.md")).unwrap();
    assert!(text.contains("the campaign did not end"), "{text}");
    let merged = squall(folder.path(), &["merge", "out/latest", "--out", "merged"]);
    assert_eq!(merged.code, 1, "{merged:?}");
    assert!(merged.stderr.contains("did not come to its end"), "{merged:?}");
    let summary = json(&path("merged/summary.json"));
    let failures = summary["failures"].as_array().unwrap();
    let counted: u64 = failures.iter().map(|failure| failure["count"].as_u64().unwrap()).sum();
    assert_eq!(counted as usize, failed(&lines()));
    assert!(!failures.is_empty());
    for failure in failures.iter().filter(|failure| failure["folder"] != "") {
        let kept = path("merged").join(failure["folder"].as_str().unwrap());
        assert!(kept.join("plan.json").is_file(), "{failure}");
    }
    assert!(path("merged").join(failures[0]["folder"].as_str().unwrap()).is_dir());
}

/// As a full disk: no file may grow beyond a size.
#[test]
#[cfg(unix)]
fn a_full_disk_ends_a_campaign_at_once_with_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_squall");
    let fuzz = "fuzz --no-corpus --seed 3 --scenario keeper/register --jobs 2 --max-time 5m";
    let script = format!("trap '' XFSZ; ulimit -f {FULL_BLOCKS}; exec '{program}' {fuzz}");
    let output =
        Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(70), "{stderr}");
    assert_eq!(stderr.matches("squall: cannot write ").count(), 1, "{stderr}");
    assert!(
        stderr.contains("seeds.jsonl: ") && stderr.contains("the campaign ends here"),
        "{stderr}"
    );
    let latest = folder.path().join("out/latest");
    let text = fs::read_to_string(latest.join("seeds.jsonl")).unwrap();
    assert!(text.ends_with('\n') && text.lines().count() > 1, "no half line");
    assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    assert!(names(&latest).iter().all(|name| !name.ends_with(".tmp")), "{:?}", names(&latest));
    let report = squall(folder.path(), &["report", "out/latest"]);
    assert_eq!(report.code, 0, "{report:?}");
}

#[test]
fn partitions_that_cannot_be_are_usage_errors() {
    let folder = tempfile::tempdir().unwrap();
    for (extra, complaint) in [
        (&["--partition", "slice:3/2"][..], "there is no shard 3 of 2"),
        (&["--partition", "half"], "expected slice:K/N"),
        (&["--partition", "env"], "none of SLURM_ARRAY_TASK_ID"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
        command.args(CAMPAIGN).args(extra).current_dir(folder.path());
        for engine in ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX", "CI_NODE_INDEX"] {
            command.env_remove(engine);
        }
        for engine in ["AWS_BATCH_JOB_ARRAY_INDEX", "BUILDKITE_PARALLEL_JOB"] {
            command.env_remove(engine);
        }
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), stderr.contains(complaint)),
            (Some(64), true),
            "{stderr}"
        );
    }
    let unseeded = squall(folder.path(), &["fuzz", "--runs", "1", "--partition", "slice:1/2"]);
    assert_eq!((unseeded.code, unseeded.stderr.contains("needs --seed")), (64, true));
    assert_eq!(fuzz(folder.path(), &["--partition", "slice:9/9"]).code, 4, "an empty shard");
    assert_eq!(names(&folder.path().join("out")).len(), 2, "one campaign began, and latest");
}

#[test]
fn a_canary_that_is_not_found_makes_the_campaign_untrusted() {
    let folder = tempfile::tempdir().unwrap();
    let run = ["fuzz", "--no-corpus", "--seed", "11", "--runs", "1"];
    let found = squall(folder.path(), &run);
    assert_eq!(found.code, 0, "{found:?}");
    let summary = json(&folder.path().join("out/latest/summary.json"));
    assert_eq!(summary["canary"]["found"], true);
    assert_eq!(summary["canary"]["property"], "acknowledged is durable");
    assert_eq!(summary["utilization"]["runs"]["total"], 1, "it is not counted");

    let healthy = include_str!("../../../scenarios/keeper/canary/ack-before-fsync.json");
    let healthy: Vec<&str> = healthy.lines().filter(|line| !line.contains("\"plant\"")).collect();
    fs::write(folder.path().join("healthy.json"), healthy.join("\n")).unwrap();
    let args = ["--canary", "healthy.json", "--findings-ok", "--junit", "junit.xml"];
    let missed = squall(folder.path(), &[&run[..], &args].concat());
    assert_eq!(missed.code, 3, "{missed:?}");
    assert!(missed.stdout.contains("NOT TRUSTED: the canary was not found"), "{missed:?}");
    let junit = fs::read_to_string(folder.path().join("junit.xml")).unwrap();
    assert!(junit.contains("<error message=\"the run that must fail did not\""), "{junit}");
    let merged = squall(folder.path(), &["merge", "out/latest", "--out", "merged"]);
    assert_eq!(merged.code, 3, "{merged:?}");
}

#[test]
fn ci_services_are_told_of_failures() {
    let folder = tempfile::tempdir().unwrap();
    let step_summary = folder.path().join("step.md");
    fs::write(&step_summary, "before\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_squall"))
        .args(["fuzz", "--no-corpus", "--seed", "1", "--runs", "8", "--max-failures", "1"])
        .args(["--scenario", "keeper/register", "--plant", "ack-before-fsync"])
        .args(["--junit", "reports/junit.xml", "--format", "json"])
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", &step_summary)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let annotation = stderr.lines().find(|line| line.starts_with("::error title=")).unwrap();
    assert!(annotation.contains("keeper/register%3A acknowledged is durable::"), "{annotation}");
    // What is told must work where it is read.
    let plan = annotation.trim_end().rsplit_once("%0Asquall replay ").unwrap().1;
    assert!(folder.path().join(plan).is_file(), "{annotation}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{stdout}");
    let markdown = fs::read_to_string(step_summary).unwrap();
    assert!(markdown.starts_with("before\n# squall: failures\n"), "{markdown}");
    let junit = fs::read_to_string(folder.path().join("reports/junit.xml")).unwrap();
    assert!(junit.contains("name=\"acknowledged is durable\">\n      <failure "), "{junit}");
    assert!(junit.contains("name=\"one-shot watches\">\n      <skipped "), "{junit}");
    assert!(junit.contains("name=\"Agreement\"/>"), "{junit}");
    assert!(junit.contains(&format!("\n  squall replay {plan}\n")), "{junit}");
}
