//! A short campaign, and each planted bug found, within `cargo test`.

use std::process::Command;

#[test]
fn a_short_campaign_is_clean() {
    squall::testing::campaign(payments::SYSTEMS, 1, 30);
}

#[test]
fn planted_bugs_are_found_shrunk_and_proven() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let found = Command::new(env!("CARGO_BIN_EXE_squall-example-http-simulation"))
        .args(["selftest", "--shrink", "--out"])
        .arg(out.path())
        .output()
        .expect("the program starts");
    let text = String::from_utf8_lossy(&found.stdout);
    assert!(found.status.success(), "{text}{}", String::from_utf8_lossy(&found.stderr));
    assert!(text.contains("3 of 3"), "{text}");
}
