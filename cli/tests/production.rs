//! A production `keeperd` holds no planted bug and no mark, though the workspace that builds it also
//! builds the harness that has both.
//!
//! Building the workspace takes minutes, so it is done only where SQUALL_BUILD is set; otherwise
//! what `cargo test --workspace` has built is read.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use scenarios::marks::Mark;
use scenarios::plant::planted_bugs;

/// What the texts of planted and of marked sites begin with.
const SITES: [&str; 2] = ["squall plant ", "squall mark "];

/// `target/PROFILE` of the running test.
fn built() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_squall")).parent().unwrap().to_owned()
}

fn contains(file: &Path, text: &str) -> bool {
    let bytes = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn build(arguments: &[&str], target: &Path) {
    let status = Command::new(env!("CARGO"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
        .args(["build", "--workspace", "--target-dir"])
        .arg(target)
        .args(arguments)
        .status()
        .unwrap();
    assert!(status.success(), "cargo build --workspace {arguments:?}");
}

/// `squall` in the same folder shows that the search would find what it looks for.
fn judge(folder: &Path) {
    let (squall, keeperd) = (folder.join("squall"), folder.join("keeperd"));
    for site in SITES {
        assert!(contains(&squall, site), "{} has no `{site}`", squall.display());
        assert!(!contains(&keeperd, site), "{} has a `{site}`", keeperd.display());
    }
    // Names of one word would be found by chance.
    for bug in planted_bugs().filter(|bug| bug.name.contains('-')) {
        assert!(contains(&squall, bug.name), "{} does not know {}", squall.display(), bug.name);
        let plants = contains(&keeperd, bug.name);
        assert!(!plants, "{} knows {}", keeperd.display(), bug.name);
    }
    for mark in Mark::ALL {
        assert!(contains(&squall, mark.name()), "{} has no {}", squall.display(), mark.name());
        assert!(!contains(&keeperd, mark.name()), "{} has {}", keeperd.display(), mark.name());
    }
}

#[test]
fn keeperd_holds_neither_plants_nor_marks() {
    let folder = built();
    if std::env::var_os("SQUALL_BUILD").is_some() {
        let target = folder.parent().unwrap();
        build(&["--release"], target);
        judge(&target.join("release"));
        build(&[], target);
        judge(&target.join("debug"));
    } else if folder.join("keeperd").exists() {
        judge(&folder);
    } else {
        eprintln!("skipped: no keeperd in {}; cargo test --workspace builds it", folder.display());
    }
}
