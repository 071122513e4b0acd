//! A short campaign, and planted bugs found, within `cargo test`.

use std::process::Command;

#[test]
fn a_short_campaign_is_clean() {
    squall::testing::campaign(openraft_kv::SYSTEMS, 1, 16);
}

/// The quickest of the planted bugs to find; `selftest` without `--plant` finds the others, too.
#[test]
fn planted_bugs_are_found_and_proven() {
    let out = tempfile::tempdir().expect("a temporary folder");
    for plant in ["vote-not-synced", "stale-read"] {
        let found = Command::new(env!("CARGO_BIN_EXE_squall-example-openraft-kv"))
            .args(["selftest", "--plant", plant, "--out"])
            .arg(out.path())
            .output()
            .expect("the program starts");
        let text = String::from_utf8_lossy(&found.stdout);
        assert!(found.status.success(), "{text}{}", String::from_utf8_lossy(&found.stderr));
        assert!(text.contains("1 of 1"), "{text}");
    }
}
