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
        (&["list", "--help"], "plants"),
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
