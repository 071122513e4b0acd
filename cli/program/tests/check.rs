//! `squall check` on small histories.
#![allow(clippy::unwrap_used, reason = "a test may end by it")]

mod common;

use std::fs;
use std::path::Path;

use common::{names, squall};

const GOOD: &str = "\
{:process 0, :type :invoke, :f :write, :value 1, :time 10}
{:process 0, :type :ok, :f :write, :value 1, :time 20}
{:process 1, :type :invoke, :f :read, :value nil, :time 30}
{:process 1, :type :ok, :f :read, :value 1, :time 40}
";

const BANK: &str = "\
{:process 0, :type :invoke, :f :transfer, :value 1}
{:process 0, :type :ok, :f :transfer, :value 1}
";

fn bad() -> String {
    GOOD.replace(":ok, :f :read, :value 1", ":ok, :f :read, :value 2")
}

/// A folder of histories, and a table of their verdicts.
fn histories(folder: &Path) {
    fs::create_dir_all(folder.join("h/deep")).unwrap();
    fs::write(folder.join("h/good.edn"), GOOD).unwrap();
    fs::write(folder.join("h/deep/bad.edn"), bad()).unwrap();
    fs::write(folder.join("h/deep/bank.edn"), BANK).unwrap();
    fs::write(folder.join("h/README.md"), "no history").unwrap();
}

fn table(folder: &Path, rows: &str) {
    fs::write(folder.join("h/INDEX.tsv"), format!("path\texpected\tmodel\n{rows}")).unwrap();
}

#[test]
fn each_file_has_its_line_and_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    histories(folder.path());
    let ran = squall(folder.path(), &["check", "h/good.edn"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "h/good.edn\ttrue\n", ""));
    let ran = squall(folder.path(), &["check", "h/deep/bad.edn"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.starts_with("h/deep/bad.edn\tfalse\n  linearizability: "), "{ran:?}");
    assert!(ran.stdout.contains("← contradiction"), "{ran:?}");
    let ran = squall(folder.path(), &["check", "h/deep/bank.edn"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stdout.starts_with("h/deep/bank.edn\tunknown\n"), "{ran:?}");
    assert!(ran.stdout.contains("unknown model"), "{ran:?}");
}

#[test]
fn a_folder_is_walked_and_the_most_urgent_verdict_counts() {
    let folder = tempfile::tempdir().unwrap();
    histories(folder.path());
    let ran = squall(folder.path(), &["check", "./h"]);
    let lines: Vec<&str> = ran.stdout.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(lines, ["h/deep/bad.edn\tfalse", "h/deep/bank.edn\tunknown", "h/good.edn\ttrue"]);
    assert_eq!(ran.code, 1);
    fs::create_dir(folder.path().join("empty")).unwrap();
    assert_eq!(squall(folder.path(), &["check", "empty"]).code, 4);
}

#[test]
fn what_is_no_history_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    for (text, message) in [
        ("{:process 0, :type :invoke, :f :read}\n{:process 0, :type :done}", "line 2: expected"),
        ("{:process 0, :type :ok, :f :write, :value 1}\n", "h.edn: "),
        ("{\"line\":\"head\",\"claims\":{},\"has_commits\":false}\n{}", "line 2: expected"),
    ] {
        fs::write(folder.path().join("h.edn"), text).unwrap();
        let ran = squall(folder.path(), &["check", "h.edn"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (64, "h.edn\tunknown\n"), "{text}");
        assert!(ran.stderr.contains("h.edn: ") && ran.stderr.contains(message), "{ran:?}");
    }
    fs::write(folder.path().join("h.edn"), "").unwrap();
    let ran = squall(folder.path(), &["check", "h.edn"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stdout.contains("nothing was checked"), "{ran:?}");
}

#[test]
fn the_model_may_be_named() {
    let folder = tempfile::tempdir().unwrap();
    histories(folder.path());
    let model = |model| squall(folder.path(), &["check", "h/good.edn", "--model", model]);
    assert_eq!(model("register").code, 0);
    assert_eq!(model("bank").code, 64);
    assert!(model("bank").stderr.contains("cas-register"));
    assert_eq!(model("key-value").code, 64, "its operations are not known to that model");
}

/// Two registers in one history, as jepsen.independent has them.
const TUPLES: &str = "\
{:process 0, :type :invoke, :f :write, :value [1 5]}
{:process 0, :type :ok, :f :write, :value [1 5]}
{:process 0, :type :invoke, :f :write, :value [2 6]}
{:process 0, :type :ok, :f :write, :value [2 6]}
{:process 1, :type :invoke, :f :read, :value [1 nil]}
{:process 1, :type :ok, :f :read, :value [1 5]}
";

#[test]
fn what_was_guessed_is_said_and_can_be_said_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("h.edn"), TUPLES).unwrap();
    let check = |more: &[&str]| squall(folder.path(), &[&["check", "h.edn"], more].concat());
    let ran = check(&[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let said = "h.edn\ttrue\n  note: values are taken for the [key value] tuples of";
    assert!(ran.stdout.starts_with(said), "{ran:?}");
    assert_eq!(check(&["--keys", "none"]).code, 1, "as one register");
    let ran = check(&["--format", "json"]);
    let row: serde_json::Value = serde_json::from_str(ran.stdout.trim()).unwrap();
    assert!(row["notes"][0].as_str().unwrap().contains("tuples"), "{ran:?}");
    fs::write(folder.path().join("h.edn"), TUPLES.replace("[1 nil]", "nil")).unwrap();
    let ran = check(&[]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stdout.contains("every value is a pair, as [1 5]: `--keys tuples`"), "{ran:?}");
    let ran = check(&["--keys", "tuples"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "h.edn\ttrue\n"));
}

#[test]
fn explanations_fit_a_terminal_unless_asked_for_in_full() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = String::new();
    let mut event = |process: usize, kind: &str, f: &str, value: &str| {
        history.push_str(&format!(
            "{{:process {process}, :type :{kind}, :f :{f}, :key 7, :value \"{value}\"}}\n"
        ));
    };
    for process in 0..30 {
        event(process, "invoke", "append", &format!("a rather long value, number {process} "));
    }
    let mut all = String::new();
    for process in 0..30 {
        let value = format!("a rather long value, number {process} ");
        event(process, "ok", "append", &value);
        all.push_str(&value);
    }
    event(30, "invoke", "get", "");
    event(30, "ok", "get", &all.replace("number 29", "number 3"));
    fs::write(folder.path().join("h.edn"), history).unwrap();
    let ran = squall(folder.path(), &["check", "h.edn"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let widest = ran.stdout.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 80, "{widest} columns:\n{}", ran.stdout);
    assert!(ran.stdout.lines().count() <= 30, "{}", ran.stdout);
    assert!(ran.stdout.contains("more before (--full)"), "{}", ran.stdout);
    let whole = squall(folder.path(), &["check", "h.edn", "--full"]);
    assert!(whole.stdout.lines().count() > 30, "{}", whole.stdout);
    assert!(whole.stdout.contains(&all.replace("number 29", "number 3")), "{}", whole.stdout);
}

#[test]
fn a_history_that_takes_too_much_memory_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("h.edn"), GOOD.repeat(20_000)).unwrap();
    let ran = squall(folder.path(), &["check", "h.edn", "--memory-max", "60"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stdout.contains("MB of memory, and --memory-max is 60"), "{ran:?}");
    assert_eq!(squall(folder.path(), &["check", "h.edn"]).code, 0);
}

#[test]
fn verdicts_are_compared_with_the_table() {
    let folder = tempfile::tempdir().unwrap();
    histories(folder.path());
    let check = |rows: &str| {
        table(folder.path(), rows);
        squall(folder.path(), &["check", "h", "--expect", "h/INDEX.tsv"])
    };
    let right = "good.edn\tvalid\tcas-register (x)\ndeep/bad.edn\tinvalid\tcas-register\n\
        deep/bank.edn\tvalid\tbank (negative)\n";
    let ran = check(right);
    assert_eq!(ran.code, 0, "{ran:?}");
    let counts = "3 files: 2 as expected, 0 wrong, 1 of models that are not known yet (1 bank)";
    assert!(ran.stderr.contains(counts), "{ran:?}");
    let ran = check(&right.replace("good.edn\tvalid", "good.edn\tinvalid"));
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("h/good.edn: is true, and the table says false"), "{ran:?}");
    let ran = check(&format!("{right}gone.edn\tvalid\tbank\n"));
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("gone.edn: is in the table and not in the folder"), "{ran:?}");
    let ran = check(&right.replace("deep/bad.edn\tinvalid\tcas-register\n", ""));
    assert_eq!(ran.code, 1, "a violation that no table speaks of is one");
    for broken in ["good.edn valid", "good.edn\tmaybe\tx", "a\tvalid\tx\na\tvalid\tx"] {
        let ran = check(broken);
        assert_eq!((ran.code, ran.stdout.as_str()), (64, ""), "{broken}");
        assert!(ran.stderr.contains("h/INDEX.tsv:"), "{ran:?}");
    }
}

#[test]
fn single_files_are_found_in_the_table_as_well() {
    let folder = tempfile::tempdir().unwrap();
    histories(folder.path());
    table(folder.path(), "deep/bad.edn\tinvalid\tcas-register\n");
    let ran = squall(folder.path(), &["check", "h/deep/bad.edn", "--expect", "h/INDEX.tsv"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn explanations_go_to_a_new_folder_each_time() {
    let folder = tempfile::tempdir().unwrap();
    histories(folder.path());
    for number in 1..=2 {
        let ran = squall(folder.path(), &["check", "h/deep", "h/good.edn", "--out", "o"]);
        assert!(!ran.stdout.contains("contradiction"), "{ran:?}");
        let folders = names(&folder.path().join("o"));
        assert_eq!(folders.len(), number);
        let newest = folder.path().join("o").join(&folders[number - 1]);
        assert_eq!(names(&newest), ["bad.edn.txt", "bank.edn.txt"]);
        assert!(fs::read_to_string(newest.join("bad.edn.txt")).unwrap().contains("contradiction"));
    }
}

#[test]
fn json_has_one_object_for_each_file() {
    let folder = tempfile::tempdir().unwrap();
    histories(folder.path());
    let ran = squall(folder.path(), &["check", "h", "--format", "json"]);
    let rows: Vec<serde_json::Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(
        (&rows[0]["path"], &rows[0]["verdict"]),
        (&"h/deep/bad.edn".into(), &"false".into())
    );
    assert_eq!(rows[0]["explanations"][0]["property"], "linearizability");
    assert!(rows[1]["reason"].as_str().unwrap().contains("unknown model"));
}

#[test]
fn recorded_histories_have_their_known_verdicts() {
    let Some(folder) = std::env::var_os("SQUALL_HISTORIES") else {
        println!("SKIPPED: SQUALL_HISTORIES names no folder of recorded histories");
        return;
    };
    let folder = Path::new(&folder);
    let ran = squall(folder, &["check", ".", "--expect", "INDEX.tsv"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.lines().filter(|line| line.ends_with("\ttrue")).count() > 10);
}
