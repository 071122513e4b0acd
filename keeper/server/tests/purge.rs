//! Old files of a real data directory go, and it is read back as before.
#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(clippy::disallowed_methods, reason = "these tests use real files")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use keeper_core::ids::Zxid;
use keeper_core::log::{FileName, SnapshotWriter};
use keeper_core::tree::Tree;

/// A data directory with these snapshots, each a whole one of an empty tree, and empty logs.
fn directory(folder: &Path, snapshots: &[u64], logs: &[u64]) {
    let data = folder.join("version-2");
    fs::create_dir_all(&data).unwrap();
    for zxid in snapshots {
        let (mut tree, mut bytes) = (Tree::new(), Vec::new());
        let mut writer = SnapshotWriter::file(&mut tree, &BTreeMap::new(), &mut bytes);
        while !writer.chunk(&mut tree, 1 << 20, &mut bytes) {}
        fs::write(data.join(FileName::Snapshot(Zxid(*zxid)).to_string()), bytes).unwrap();
    }
    for zxid in logs {
        fs::write(data.join(FileName::Log(Zxid(*zxid)).to_string()), b"").unwrap();
    }
    fs::write(data.join("currentEpoch"), "1").unwrap();
    let config = format!("dataDir={}\nclientPort=2181\n", folder.display());
    fs::write(folder.join("zoo.cfg"), config).unwrap();
}

fn purge(folder: &Path, count: &str) -> (Option<i32>, String) {
    let config = folder.join("zoo.cfg");
    let command = Command::new(env!("CARGO_BIN_EXE_keeperd"))
        .args(["purge", "-n", count])
        .arg(config)
        .output();
    let Output { status, stdout, stderr } = command.unwrap();
    let text = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
    (status.code(), text)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("version-2")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_newest_snapshots_and_what_they_need_stay() {
    let folder = tempfile::tempdir().unwrap();
    directory(folder.path(), &[0, 0x10, 0x20, 0x30, 0x40], &[1, 0x11, 0x1f, 0x33, 0x41]);
    let (code, text) = purge(folder.path(), "3");
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(text, "removed snapshot.0\nremoved snapshot.10\nremoved log.1\nremoved log.11\n");
    assert_eq!(
        names(folder.path()),
        ["currentEpoch", "log.1f", "log.33", "log.41", "snapshot.20", "snapshot.30", "snapshot.40"]
    );
    assert_eq!(purge(folder.path(), "3"), (Some(0), String::new()), "once is enough");
}

#[test]
fn a_torn_snapshot_does_not_count_and_with_too_few_nothing_goes() {
    let folder = tempfile::tempdir().unwrap();
    directory(folder.path(), &[0, 0x10, 0x20, 0x30], &[1, 0x11, 0x21, 0x31]);
    let newest = folder.path().join("version-2/snapshot.30");
    let bytes = fs::read(&newest).unwrap();
    fs::write(&newest, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(purge(folder.path(), "3"), (Some(0), String::new()));
    assert_eq!(names(folder.path()).len(), 9);
    fs::write(&newest, bytes).unwrap();
    assert_eq!(purge(folder.path(), "3").1, "removed snapshot.0\n");
    fs::write(&newest, b"").unwrap();
    assert_eq!(purge(folder.path(), "4"), (Some(0), String::new()));
}

#[test]
fn fewer_than_three_and_other_mistakes_are_usage_errors() {
    let folder = tempfile::tempdir().unwrap();
    directory(folder.path(), &[0], &[1]);
    for count in ["2", "0", "-1", "many"] {
        let (code, text) = purge(folder.path(), count);
        assert_eq!((code, text.contains("at least 3 snapshots stay")), (Some(64), true), "{text}");
    }
    let (code, text) = purge(&folder.path().join("nowhere"), "3");
    assert_eq!((code, text.contains("cannot be read")), (Some(64), true), "{text}");
}
