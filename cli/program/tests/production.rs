//! A production `keeperd` holds no planted bug and no mark, though the workspace that builds it also
//! builds the harness that has both.
//!
//! What `cargo test --workspace` has built is read. A release build of the workspace takes minutes, so it is made
//! and read only where SQUALL_RELEASE_BUILD is set.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use keeper_core::marks::Mark;
use scenarios::plant::planted_bugs;

/// What the texts of planted and of marked sites begin with.
const SITES: [&str; 2] = ["squall plant ", "squall mark "];

/// `target/PROFILE` of the running test.
fn built() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_squall")).parent().unwrap().to_owned()
}

/// Which of the texts a file holds. It is read once, and only where two bytes fit is more compared:
/// programs are large, and texts are many.
fn held<'a>(file: &Path, texts: &[&'a str]) -> BTreeSet<&'a str> {
    let bytes = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let key = |text: &[u8]| usize::from(text[0]) << 8 | usize::from(text[1]);
    let mut by_start: Vec<Vec<&str>> = vec![Vec::new(); 1 << 16];
    texts.iter().for_each(|text| by_start[key(text.as_bytes())].push(text));
    let mut held = BTreeSet::new();
    for (at, pair) in bytes.windows(2).enumerate() {
        let candidates = &by_start[key(pair)];
        held.extend(candidates.iter().filter(|text| bytes[at..].starts_with(text.as_bytes())));
    }
    held
}

fn build(arguments: &[&str], target: &Path) {
    let status = Command::new(env!("CARGO"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap())
        .args(["build", "--workspace", "--target-dir"])
        .arg(target)
        .args(arguments)
        .status()
        .unwrap();
    assert!(status.success(), "cargo build --workspace {arguments:?}");
}

/// `squall` in the same folder shows that the search would find what it looks for.
fn judge(folder: &Path) {
    let mut texts = SITES.to_vec();
    // Names of one word would be found by chance.
    texts.extend(planted_bugs().map(|bug| bug.name).filter(|name| name.contains('-')));
    texts.extend(Mark::ALL.iter().map(|mark| mark.name()));
    let (squall, keeperd) = (folder.join("squall"), folder.join("keeperd"));
    let found = held(&squall, &texts);
    let missing: Vec<&&str> = texts.iter().filter(|text| !found.contains(**text)).collect();
    assert!(missing.is_empty(), "{} does not hold {missing:?}", squall.display());
    let found = held(&keeperd, &texts);
    assert!(found.is_empty(), "{} holds {found:?}", keeperd.display());
}

#[test]
fn keeperd_holds_neither_plants_nor_marks() {
    let folder = built();
    if std::env::var_os("SQUALL_RELEASE_BUILD").is_some() {
        let target = folder.parent().unwrap();
        build(&["--release"], target);
        judge(&target.join("release"));
    }
    if folder.join("keeperd").exists() {
        judge(&folder);
    } else {
        eprintln!("skipped: no keeperd in {}; cargo test --workspace builds it", folder.display());
    }
}
