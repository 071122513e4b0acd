//! Bad usage: a clear message, exit code 64, and nothing written.
#![allow(clippy::unwrap_used, reason = "a test may end by it")]

mod common;

use std::fs;
use std::process::{Command, Stdio};

use common::{names, squall};

#[test]
fn bad_flags_and_names_are_usage_errors() {
    let folder = tempfile::tempdir().unwrap();
    for (args, message) in [
        (&[][..], "Usage: squall"),
        (&["dance"], "unrecognized subcommand 'dance'"),
        (&["fuzz", "--speed", "9"], "unexpected argument '--speed'"),
        (&["fuzz", "--runs", "0"], "--runs"),
        (&["fuzz", "--runs", "x"], "--runs"),
        (&["fuzz", "--seed", "0xff"], "40 hexadecimal digits"),
        (&["fuzz", "--max-time", "soon"], "60s, 10m"),
        (&["fuzz", "--scenario", "keeper/chess"], "keeper/register"),
        (&["fuzz", "--plant", "tulip"], "ack-before-fsync"),
        (&["fuzz", "--format", "xml"], "--format"),
        (&["run"], "<SCENARIO>"),
        (&["run", "keeper/chess"], "keeper/register"),
        (&["run", "keeper/register", "--plant", "tulip"], "ack-before-fsync"),
        (&["replay"], "PLAN"),
        (&["replay", "12"], "--scenario"),
        (&["replay", "12", "--scenario", "keeper/chess"], "keeper/register"),
        (&["replay", "nowhere/plan.json"], "nowhere/plan.json"),
        (&["replay", "12", "--scenario", "keeper/register", "--out"], "--out"),
        (&["fuzz", "--shrink-time", "9s"], "--shrink"),
        (&["fuzz", "--shrink", "--shrink-time", "soon"], "60s, 10m"),
        (&["fuzz", "--partition", "slice:1/2"], "--partition needs --seed"),
        (&["fuzz", "--partition", "slice:3/2", "--seed", "1"], "--partition"),
        (&["fuzz", "--run-time-max", "0s"], "--run-time-max"),
        (&["fuzz", "--run-memory-max", "2 GB"], "500K, 100M"),
        (&["fuzz", "--max-failures", "0"], "--max-failures"),
        (&["run", "keeper/register", "--seed", "1", "--runs", "2"], "--runs"),
        (&["shrink"], "PLAN"),
        (&["shrink", "nowhere"], "nowhere"),
        (&["shrink", "nowhere", "--seeds", "0"], "--seeds"),
        (&["shrink", "nowhere", "--max-time", "1d"], "--max-time"),
        (&["corpus"], "Usage: squall corpus"),
        (&["corpus", "add"], "PLAN"),
        (&["corpus", "add", "nowhere"], "nowhere"),
        (&["corpus", "add", "nowhere", "--corpus"], "--corpus"),
        (&["corpus", "list", "--corpus", "nowhere"], "nowhere"),
        (&["corpus", "verify", "nowhere"], "nowhere"),
        (&["corpus", "min", "nowhere.json"], "nowhere.json"),
        (&["selftest", "--plant", "tulip"], "ack-before-fsync"),
        (&["selftest", "--plant", "hash-order"], "there is no planted bug"),
        (&["selftest", "--store", "finds"], "--shrink"),
        (&["selftest", "--shrink-time", "9s"], "--shrink"),
        (&["selftest", "--fresh", "0"], "nothing to do"),
        (&["selftest", "--fresh", "some"], "--fresh"),
        (&["selftest", "--stored", "nowhere"], "nowhere"),
        (&["determinism", "--seeds", "0"], "--seeds"),
        (&["determinism", "--scenario", "keeper/chess"], "keeper/register"),
        (&["determinism", "--plant", "tulip"], "ack-before-fsync"),
        (&["determinism", "--events", "e.txt"], "--perform"),
        (&["bench"], "Usage: squall bench"),
        (&["bench", "sim", "--fail-on-regression", "10%"], "--baseline"),
        (&["bench", "sim", "--baseline", "nowhere"], "nowhere"),
        (&["bench", "live", "--workload", "mux"], "lock-shared"),
        (&["check"], "FILE"),
        (&["check", "nowhere.edn"], "nowhere.edn"),
        (&["list", "dreams"], "scenarios"),
    ] {
        let ran = squall(folder.path(), args);
        assert_eq!(ran.code, 64, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(message), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{args:?}");
        assert_eq!(names(folder.path()), [""; 0], "{args:?} wrote something");
    }
}

#[test]
fn plans_that_are_none_are_told_by_file_and_place() {
    let folder = tempfile::tempdir().unwrap();
    for (text, message) in [
        ("", "plan.json: "),
        ("{\"format\": 1,,}", "plan.json: line 1, column"),
        ("[1, 2]", "plan.json: not a plan"),
        ("{}", "found an object without fields"),
        ("{\"format\": 77, \"scenario\": \"keeper/register\"}", "plan.json: a plan of format 77"),
    ] {
        let path = folder.path().join("plan.json");
        fs::write(&path, text).unwrap();
        for target in ["plan.json", "."] {
            let ran = squall(folder.path(), &["replay", target, "--out", "out"]);
            assert_eq!(ran.code, 64, "{text}: {ran:?}");
            assert!(ran.stderr.contains(message), "{text}: {}", ran.stderr);
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(names(folder.path()), ["plan.json"]);
    }
    fs::remove_file(folder.path().join("plan.json")).unwrap();
    let ran = squall(folder.path(), &["replay", "."]);
    assert_eq!(ran.code, 64);
    assert!(ran.stderr.contains("plan.json"), "{}", ran.stderr);
}

#[test]
fn every_verb_that_takes_a_plan_says_what_is_wrong_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let canary = include_str!("../../../scenarios/keeper/canary/ack-before-fsync.json");
    let plan: serde_json::Value = serde_json::from_str(canary).unwrap();
    let changed = |field: &str, value: serde_json::Value| {
        let mut plan = plan.clone();
        plan[field] = value;
        plan.to_string()
    };
    let quake = serde_json::json!([{ "at_ms": 5, "kind": "earthquake", "target": "n1" }]);
    let nobody = serde_json::json!([{ "at_ms": 5, "kind": "crash", "target": "n77" }]);
    let crowd = format!("follower:{}", u64::MAX);
    let crowd = serde_json::json!([{ "at_ms": 5, "kind": "crash", "target": crowd }]);
    let late = format!("mark:log-unsynced+{}us", u64::MAX);
    let late = serde_json::json!([{ "at_ms": 5, "kind": "crash", "target": late }]);
    for (text, message) in [
        (canary[..canary.len() / 2].to_owned(), "plan.json: line "),
        (changed("format", 77.into()), "plan.json: a plan of format 77, but this build reads"),
        (changed("scenario", "keeper/chess".into()), "plan.json: scenario: there is no"),
        (changed("plant", "tulip".into()), "plan.json: plant: there is no `tulip`"),
        (changed("speed", 3.into()), "unknown field `speed`"),
        (changed("faults", quake), "plan.json: faults[0]: unknown variant `earthquake`"),
        (changed("faults", nobody), "plan.json: faults[0].target: there is no host `n77`"),
        (changed("faults", crowd), "faults[0].target: follower:18446744073709551615: 1844674407"),
        (changed("faults", late), "709551615, expected 0 to 86400000000"),
        (changed("chaos_ms", 0.into()), "plan.json: chaos_ms: 0, expected"),
    ] {
        let path = folder.path().join("plan.json");
        fs::write(&path, &text).unwrap();
        for verb in [
            &["replay"][..],
            &["shrink"],
            &["corpus", "add", "--corpus", "."],
            &["corpus", "min"],
            &["determinism", "--perform"],
            &["fuzz", "--canary"],
        ] {
            let ran = squall(folder.path(), &[verb, &["plan.json"]].concat());
            assert_eq!(ran.code, 64, "{verb:?}: {ran:?}");
            assert!(ran.stderr.contains(message), "{verb:?}, {message}: {}", ran.stderr);
            assert_eq!(ran.stdout, "", "{verb:?}");
        }
        let verified = squall(folder.path(), &["corpus", "verify", "."]);
        assert_eq!(verified.code, 64, "{verified:?}");
        fs::rename(&path, folder.path().join("ZK-4646.json")).unwrap();
        let stored = squall(folder.path(), &["selftest", "--stored", "."]);
        assert_eq!(stored.code, 64, "{stored:?}");
        fs::rename(folder.path().join("ZK-4646.json"), &path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(names(folder.path()), ["plan.json"], "something was written");
    }
}

#[test]
fn help_teaches_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    for (args, text) in [
        (&["--help"][..], "130  interrupted"),
        (&["-h"], "squall replay out/latest-failure/plan.json"),
        (&["--version"], "squall "),
        (&["help", "fuzz"], "squall fuzz --max-time 10m"),
        (&["run", "--help"], "squall run keeper/register --seed 1234"),
        (&["replay", "--help"], "exit code is 3"),
        (&["check", "--help"], "--expect histories/INDEX.tsv"),
        (&["corpus", "--help"], "squall corpus verify scenarios/keeper/corpus"),
        (&["selftest", "--help"], "--shrink --store scenarios/keeper/finds"),
        (&["list", "--help"], "plants"),
        (&["bench", "sim", "--help"], "bench-<target>.md, bench-<target>.json"),
    ] {
        let ran = squall(folder.path(), args);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{args:?}");
        assert!(ran.stdout.contains(text), "{args:?}: {}", ran.stdout);
    }
}

#[test]
fn everything_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    for (what, name) in [
        ("scenarios", "keeper/register"),
        ("faults", "power_loss"),
        ("models", "cas-register"),
        ("checks", "single system image"),
        ("plants", "ack-before-fsync"),
    ] {
        let ran = squall(folder.path(), &["list", what]);
        assert_eq!(ran.code, 0);
        assert!(ran.stdout.lines().any(|line| line.starts_with(name)), "{what}: {}", ran.stdout);
        let all = squall(folder.path(), &["list"]);
        assert!(all.stdout.contains(&format!("{what}:\n")), "{}", all.stdout);
        let json = squall(folder.path(), &["list", what, "--format", "json"]);
        for line in json.stdout.lines() {
            let item: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(item["of"], what);
        }
    }
}

#[test]
#[cfg(unix)]
fn results_that_cannot_be_written_are_an_error() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut list = Command::new(env!("CARGO_BIN_EXE_squall"));
    let output = list.arg("list").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(70));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.matches("cannot write results to standard output").count(), 1, "{stderr}");
}

#[test]
#[cfg(unix)]
fn an_argument_that_is_no_text_is_a_usage_error() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    for args in [
        &[OsStr::from_bytes(b"\xff")][..],
        &[OsStr::new("run"), OsStr::from_bytes(b"keeper/\xff")],
        &[OsStr::new("shrink"), OsStr::from_bytes(b"no\xffwhere.json")],
    ] {
        let mut squall = Command::new(env!("CARGO_BIN_EXE_squall"));
        let output = squall.args(args).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{args:?}: {output:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_squall"))
        .arg("list")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
