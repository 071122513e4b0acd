//! Two processes on one data directory: the second one ends at once and says who has it.
#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(clippy::disallowed_methods, reason = "these tests use real files and processes")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A configuration of a server of its own port on a data directory that is another's, too.
fn config(folder: &Path, name: &str) -> std::path::PathBuf {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let data = folder.join("data");
    fs::create_dir_all(&data).unwrap();
    let path = folder.join(name);
    let text =
        format!("dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\n", data.display());
    fs::write(&path, text).unwrap();
    path
}

/// A server that is ended with the test.
struct Running(Child);

impl Running {
    fn start(config: &Path) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keeperd"));
        let mut child = command.arg(config).stderr(Stdio::piped()).spawn().unwrap();
        // The first line of its log: by then the directory is its own.
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.contains("in use"), "{line}");
        Running(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_second_server_on_a_directory_ends_and_names_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (config(folder.path(), "one.cfg"), config(folder.path(), "other.cfg"));
    let first = Running::start(&one);
    let second = Command::new(env!("CARGO_BIN_EXE_keeperd")).arg(&other).output().unwrap();
    let text = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("in use by process {}", first.0.id())), "{text}");
    assert!(text.contains(folder.path().join("data/version-2").to_str().unwrap()), "{text}");
    // However the first one ends, the directory is free.
    drop(first);
    drop(Running::start(&other));
}
