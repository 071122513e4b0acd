//! Campaigns within `cargo test`.

use std::path::{Path, PathBuf};

use crate::SystemList;
use crate::exit::Exit;

/// Runs a campaign as a test: `runs` runs after the corpus. What it finds is printed with the command that
/// replays it, and is kept in a folder `squall-out` beside the test's program (`target/debug/squall-out/TEST/`);
/// a campaign that finds nothing leaves nothing.
///
/// # Panics
/// If the campaign does not end with exit code 0.
pub fn campaign(systems: &'static SystemList, campaign_seed: u64, runs: u64) {
    let out = folder(&std::env::current_exe().expect("the system tells which program this is"));
    campaign_into(systems, campaign_seed, runs, &out);
    // Whoever looks for a failure there finds none; that it cannot be removed fails nobody's test.
    let _ = std::fs::remove_dir_all(&out);
}

/// As [`campaign`], into the folder `out`, where everything stays.
///
/// # Panics
/// If the campaign does not end with exit code 0.
pub fn campaign_into(systems: &'static SystemList, campaign_seed: u64, runs: u64, out: &Path) {
    let (seed, runs, out) =
        (campaign_seed.to_string(), runs.to_string(), out.display().to_string());
    let arguments = ["squall", "fuzz", "--seed", &seed, "--runs", &runs, "--out", &out];
    let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    let exit = crate::run(systems, &[], arguments);
    assert!(exit == Exit::Passed, "the campaign ended with exit code {}", exit.code());
}

/// Cargo puts the programs of tests into `target/PROFILE/deps/NAME-HASH`. Tests of one program may run at
/// the same time: each thread has a folder of its own.
fn folder(program: &Path) -> PathBuf {
    let name = program.file_stem().unwrap_or_default();
    let profile = program.ancestors().nth(2).unwrap_or(Path::new("target"));
    let thread = std::thread::current().name().unwrap_or("main").replace("::", "-");
    profile.join("squall-out").join(name).join(thread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_finds_lies_beside_its_program() {
        let found = folder(Path::new("/home/me/mine/target/debug/deps/campaign-0123"));
        let thread = "testing-tests-what_a_test_finds_lies_beside_its_program";
        let expected = format!("/home/me/mine/target/debug/squall-out/campaign-0123/{thread}");
        assert_eq!(found, Path::new(&expected));
    }
}
