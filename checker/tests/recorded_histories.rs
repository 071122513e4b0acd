//! Histories of real systems with known verdicts, from the folder that `SQUALL_HISTORIES` names.
//!
//! The folder has an `INDEX.tsv` with path, expected verdict and model. Without the variable there
//! is nothing to check, and the test says so.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::path::Path;

use checker::linear::Budget;
use checker::{Verdict, check_text};

#[test]
fn recorded_histories_get_their_known_verdicts() {
    let Some(folder) = std::env::var_os("SQUALL_HISTORIES") else {
        println!("SKIPPED: SQUALL_HISTORIES names no folder of recorded histories");
        return;
    };
    let folder = Path::new(&folder);
    let index = std::fs::read_to_string(folder.join("INDEX.tsv")).unwrap();
    let mut wrong = Vec::new();
    let mut checked = 0;
    for row in index.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [path, expected, model] = columns[..] else { panic!("not three columns: {row}") };
        let is_ours =
            ["register", "cas-register", "key-value"].iter().any(|m| model.starts_with(m));
        if !is_ours {
            continue;
        }
        let bytes = std::fs::read(folder.join(path)).unwrap();
        let verdict = check_text(path, &bytes, None, Budget::default());
        let found = match &verdict {
            Ok(Verdict::Valid) => "valid",
            Ok(Verdict::Invalid(_)) => "invalid",
            Ok(Verdict::Unknown { .. }) => "unknown",
            Err(_) => "error",
        };
        checked += 1;
        if found != expected {
            wrong.push(format!("{path}: expected {expected}, found {verdict:?}"));
        }
    }
    assert!(checked > 0, "the index has no history of a model that is known here");
    assert!(wrong.is_empty(), "{} of {checked} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
