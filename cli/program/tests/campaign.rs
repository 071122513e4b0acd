//! `squall fuzz`, `run` and `replay`, from the outside: folders, exit codes and messages.
#![allow(clippy::unwrap_used, reason = "a test may end by it")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use common::{names, squall};

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_run_is_a_function_of_its_seed_and_a_replay_proves_it() {
    let folder = tempfile::tempdir().unwrap();
    let run =
        || squall(folder.path(), &["run", "keeper/register", "--seed", "5", "--format", "json"]);
    let (first, second) = (run(), run());
    let hash = |stdout: &str| lines(stdout)[0]["trace_hash"].clone();
    assert_eq!(hash(&first.stdout), hash(&second.stdout));
    assert!(first.code <= 1, "{first:?}");
    assert_eq!(names(&folder.path().join("out")).iter().filter(|n| n.contains("-5")).count(), 2);

    let path = folder.path().join("out/latest/plan.json");
    let replayed = squall(folder.path(), &["replay", "out/latest"]);
    assert_eq!(replayed.code, first.code, "{replayed:?}");
    assert!(replayed.stdout.ends_with("the same build ended with the same trace\n"));

    let mut plan = json(&path);
    plan["found"]["trace_hash"] = "0123".into();
    fs::write(folder.path().join("other.json"), plan.to_string()).unwrap();
    let diverged = squall(folder.path(), &["replay", "other.json"]);
    assert_eq!(diverged.code, 3, "{diverged:?}");
    assert!(diverged.stdout.contains("not deterministic"));

    plan["found"]["build"] = "another".into();
    fs::write(folder.path().join("other.json"), plan.to_string()).unwrap();
    let elsewhere = squall(folder.path(), &["replay", "other.json"]);
    assert_eq!(elsewhere.code, first.code);
    assert!(elsewhere.stdout.contains(" at another, "), "{elsewhere:?}");
}

/// How many slices a trace has; Perfetto drops those that begin within another one of their track and end behind
/// it, so there must be none. What is below a nanosecond it cuts off.
fn slices_that_nest(trace: &Value) -> usize {
    let ns = |microseconds: &Value| (microseconds.as_f64().unwrap() * 1e3) as u64;
    let mut tracks: BTreeMap<(u64, u64), Vec<(u64, u64)>> = BTreeMap::new();
    let events = trace["traceEvents"].as_array().unwrap();
    for slice in events.iter().filter(|event| event["ph"] == "X") {
        let track = (slice["pid"].as_u64().unwrap(), slice["tid"].as_u64().unwrap());
        let from_ns = ns(&slice["ts"]);
        tracks.entry(track).or_default().push((from_ns, from_ns + ns(&slice["dur"])));
    }
    let mut slices = 0;
    for (track, mut all) in tracks {
        all.sort_by_key(|(from, to)| (*from, std::cmp::Reverse(*to)));
        let mut around: Vec<u64> = Vec::new();
        for (from, to) in all {
            around.retain(|end| *end > from);
            assert!(around.last().is_none_or(|end| to <= *end), "{track:?}: {from}..{to}");
            around.push(to);
            slices += 1;
        }
    }
    slices
}

#[test]
fn a_plan_with_a_line_taken_out_is_another_plan() {
    let folder = tempfile::tempdir().unwrap();
    let canary = include_str!("../../../scenarios/keeper/canary/ack-before-fsync.json");
    fs::write(folder.path().join("stored.json"), canary).unwrap();
    let stored = squall(folder.path(), &["replay", "stored.json", "--out", "out"]);
    assert_eq!(stored.code, 1, "{stored:?}");
    let mut plan = json(&folder.path().join("out/latest/plan.json"));
    let replay = |plan: &Value| {
        fs::write(folder.path().join("edited.json"), plan.to_string()).unwrap();
        squall(folder.path(), &["replay", "edited.json"])
    };
    plan["note"] = "what is said of it is no part of it".into();
    let same = replay(&plan);
    assert!(same.code == 1 && same.stdout.contains("reproduced: "), "{same:?}");
    plan.as_object_mut().unwrap().remove("plant");
    let edited = replay(&plan);
    assert_eq!(edited.code, 0, "{edited:?}");
    assert!(edited.stdout.ends_with("how it ends: it is judged afresh\n"), "{edited:?}");
    assert!(!edited.stdout.contains("not deterministic"), "{edited:?}");
}

#[test]
fn a_planted_bug_is_found_kept_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let fuzz = |extra: &[&str]| {
        let args = ["fuzz", "--plant", "ack-before-fsync", "--scenario", "keeper/register"];
        let more = ["--no-corpus", "--runs", "200", "--max-failures", "1", "--seed", "1"];
        squall(folder.path(), &[&args[..], &more, extra].concat())
    };
    let found = fuzz(&[]);
    assert_eq!(found.code, 1, "{found:?}");
    assert!(found.stderr.starts_with("campaign seed 1, "), "{found:?}");
    let first = found.stdout.lines().next().unwrap();
    assert!(first.starts_with("FAIL keeper/register   seed "), "{first}");
    assert!(first.contains("planted bug ack-before-fsync"), "{first}");
    let last = found.stdout.lines().next_back().unwrap();
    assert!(last.contains(" failed (") && last.contains(" DIFF synchronisations"), "{last}");

    let latest = fs::canonicalize(folder.path().join("out/latest")).unwrap();
    let summary = json(&latest.join("summary.json"));
    assert_eq!((&summary["schema_version"], &summary["exit_code"]), (&2.into(), &1.into()));
    let failure = latest.join(summary["failures"][0]["folder"].as_str().unwrap());
    assert_eq!(
        names(&failure),
        [
            "clock.svg",
            "explanation.txt",
            "history.edn",
            "history.jsonl",
            "history.txt",
            "latency-quantiles.svg",
            "latency-raw.svg",
            "log.jsonl",
            "messages.svg",
            "picture.json",
            "plan.json",
            "rate.svg",
            "shiviz.log",
            "timeline.html",
            "trace.jsonl",
            "trace.perfetto.json",
        ]
    );
    let trace = json(&failure.join("trace.perfetto.json"));
    assert!(trace["traceEvents"].as_array().unwrap().len() > 1_000);
    assert!(slices_that_nest(&trace) > 1_000);
    let messages = fs::read_to_string(failure.join("messages.svg")).unwrap();
    assert!(messages.contains("data-label=\"ACK 0x1") && messages.contains("mark worst"));
    // The contradiction is a server's: servers stand beside the clients, with what they held durably.
    let timeline = fs::read_to_string(failure.join("timeline.html")).unwrap();
    for wanted in
        ["<g class=\"server\" data-host=\"n1\">", ">durable 0x", "said told worst", "id=\"log\""]
    {
        assert!(timeline.contains(wanted), "{wanted}");
    }
    let runs = lines(&fs::read_to_string(latest.join("seeds.jsonl")).unwrap());
    assert_eq!(summary["utilization"]["runs"]["total"], runs.len());

    let replay = found.stdout.lines().find_map(|line| line.trim().strip_prefix("replay   squall "));
    let arguments = replay.unwrap().split("    ").next().unwrap();
    let again = squall(folder.path(), &arguments.split_whitespace().collect::<Vec<_>>());
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.stdout.contains(first), "the same failure: {again:?}");

    let before = fs::read(latest.join("summary.json")).unwrap();
    assert_eq!(fuzz(&["--findings-ok"]).code, 0);
    assert_eq!(fs::read(latest.join("summary.json")).unwrap(), before, "an old folder stays");
}

#[test]
fn json_results_are_lines_of_json() {
    let folder = tempfile::tempdir().unwrap();
    let ran = squall(
        folder.path(),
        &["fuzz", "--runs", "2", "--no-corpus", "--jobs", "2", "--seed", "3", "--format", "json"],
    );
    let results = lines(&ran.stdout);
    assert_eq!(results.len(), 3, "{ran:?}");
    assert!(results[..2].iter().all(|run| run["operations"].as_u64() > Some(500)));
    assert_eq!(results[2]["environment"]["seed"], 3);
}

#[test]
#[cfg(unix)]
fn an_interrupted_campaign_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_squall"))
        .args(["fuzz", "--max-time", "10m", "--jobs", "1"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut messages = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(messages.any(|line| line.unwrap().starts_with("folder ")));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.lines().next_back().unwrap().starts_with("interrupted: "), "{stdout}");
    let summary = json(&folder.path().join("out/latest/summary.json"));
    assert_eq!((&summary["interrupted"], &summary["exit_code"]), (&true.into(), &130.into()));
}

#[test]
#[cfg(unix)]
fn results_go_where_they_are_sent() {
    let folder = tempfile::tempdir().unwrap();
    let fuzz = |junit: &str| {
        let args = ["fuzz", "--runs", "1", "--no-corpus", "--seed", "3", "--scenario"];
        squall(folder.path(), &[&args[..], &["keeper/register", "--junit", junit]].concat())
    };
    // Tried before the campaign, which would be for nothing.
    let nowhere = fuzz("no/such/junit.xml");
    assert_eq!((nowhere.code, nowhere.stdout.as_str()), (64, ""), "{nowhere:?}");
    assert!(nowhere.stderr.contains("cannot write no/such: "), "{nowhere:?}");
    assert_eq!(names(folder.path()), [""; 0]);
    let through = fuzz("/dev/stdout");
    assert_eq!(through.code, 0, "{through:?}");
    assert!(through.stdout.contains("<testsuites name=\"squall\""), "{through:?}");
    std::os::unix::fs::symlink("kept.xml", folder.path().join("link.xml")).unwrap();
    assert_eq!(fuzz("link.xml").code, 0);
    assert!(fs::symlink_metadata(folder.path().join("link.xml")).unwrap().is_symlink());
    let kept = fs::read_to_string(folder.path().join("kept.xml")).unwrap();
    assert!(kept.ends_with("</testsuites>\n"), "{kept}");
}
