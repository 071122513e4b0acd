//! Two processes on one data directory: the second one ends at once and says who has it.
#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(clippy::disallowed_methods, reason = "these tests use real files and processes")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

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

/// A server that is ended with the test, and the first line that it says. Whoever it talks to stays: where
/// nobody reads, it would have nothing to say it to.
struct Running {
    child: Child,
    says: BufReader<ChildStderr>,
    first_line: String,
}

impl Running {
    fn start(config: &Path) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keeperd"));
        let mut child = command.arg(config).stderr(Stdio::piped()).spawn().unwrap();
        let mut says = BufReader::new(child.stderr.take().unwrap());
        let mut first_line = String::new();
        says.read_line(&mut first_line).unwrap();
        Running { child, says, first_line }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_second_server_on_a_directory_ends_and_names_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (config(folder.path(), "one.cfg"), config(folder.path(), "other.cfg"));
    let first = Running::start(&one);
    assert!(!first.first_line.contains("in use"), "{}", first.first_line);
    let mut second = Running::start(&other);
    let said = &second.first_line;
    assert!(said.contains(&format!("in use by process {}", first.child.id())), "{said}");
    assert!(said.contains(folder.path().join("data/version-2").to_str().unwrap()), "{said}");
    let mut rest = String::new();
    second.says.read_to_string(&mut rest).unwrap();
    assert_eq!((second.child.wait().unwrap().code(), rest.as_str()), (Some(1), ""));
    // However the first one ends, the directory is free.
    drop(first);
    let third = Running::start(&other);
    assert!(!third.first_line.contains("in use"), "{}", third.first_line);
}
