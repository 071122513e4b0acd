//! What others can make a server hold, and how long it waits for what it needs.
#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(clippy::disallowed_methods, reason = "these tests use real files, ports and processes")]

mod common;

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use keeper_core::record::Acl;
use keeper_core::wire::client::CreateMode;

use common::{Raw, Server, client, free_port, wait_for};

/// A server that stands alone, on a port of its own.
fn alone(port: u16) -> String {
    format!("clientPort={port}\nclientPortAddress=127.0.0.1\n")
}

#[tokio::test(flavor = "current_thread")]
async fn clients_that_do_not_read_take_one_budget() {
    const ANSWER: usize = 900_000;
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let server =
        Server::start(folder.path(), &format!("{}unreadAnswersMaxBytes=8000000\n", alone(port)));
    let writer = client(port);
    let data = vec![b'x'; ANSWER];
    writer.create("/large", data, Acl::open(), CreateMode::Persistent).await.unwrap();
    let before = server.kilobytes("VmHWM");
    let mut silent: Vec<Raw> = (0..30).map(|_| Raw::open(port)).collect();
    // 30 times 12 answers of 900 kB; the kernel takes a few megabytes of each connection's.
    for raw in &mut silent {
        for _ in 0..12 {
            raw.ask("/large");
        }
    }
    server.wait_for("unreadAnswersMaxBytes");
    // Whoever reads is served meanwhile, and its answer is larger than a fair part of the budget.
    let read = client(port).get_data("/large", false).await.unwrap();
    assert_eq!(read.value.0.as_ref().map(|data| data.len()), Some(ANSWER));
    // 324 MB were asked for. The budget is 8; what the allocator keeps beside it differs from run to run.
    let (grown, asked) = (server.kilobytes("VmHWM") - before, 30 * 12 * ANSWER as u64 / 1_000);
    assert!(grown < asked / 2, "{grown} kB more than before");
    let said = server.said();
    let line = said.lines().find(|line| line.contains("unreadAnswersMaxBytes")).unwrap();
    assert!(line.contains("address=127.0.0.1:") && line.contains("session=0x"), "{line}");
}

#[tokio::test(flavor = "current_thread")]
async fn an_answer_that_is_larger_than_the_budget_passes() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let lines = format!("{}unreadAnswersMaxBytes=1000\n", alone(port));
    let _server = Server::start(folder.path(), &lines);
    let good = client(port);
    let data = vec![b'x'; 1_000_000];
    good.create("/large", data, Acl::open(), CreateMode::Persistent).await.unwrap();
    for _ in 0..3 {
        let read = good.get_data("/large", false).await.unwrap();
        assert_eq!(read.value.0.as_ref().map(|data| data.len()), Some(1_000_000));
    }
}

#[test]
fn who_says_nothing_to_a_server_is_sent_away() {
    let folder = tempfile::tempdir().unwrap();
    let [port, quorum, election] = [free_port(), free_port(), free_port()];
    fs::create_dir_all(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/myid"), "1").unwrap();
    // The others never come: this one looks for a leader for ever, and so it would hold whoever connects.
    let lines = format!(
        "{}tickTime=200\ninitLimit=2\nsyncLimit=2\nserver.1=127.0.0.1:{quorum}:{election}\n\
         server.2=127.0.0.1:1:2\nserver.3=127.0.0.1:3:4\n",
        alone(port)
    );
    let server = Server::start(folder.path(), &lines);
    for port in [quorum, election] {
        wait_for("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        let silent: Vec<TcpStream> =
            (0..200).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
        for (number, mut stream) in silent.into_iter().enumerate() {
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            let mut byte = [0];
            // An end or a reset: either way it is over.
            let is_open = matches!(stream.read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
            assert!(!is_open, "connection {number} to port {port} is open after a minute");
        }
    }
    server.wait_for("too many connections to the quorum port say nothing");
    server.wait_for("an election connection that has not said who it is");
}

#[tokio::test(flavor = "current_thread")]
async fn a_data_directory_that_vanished_ends_the_server_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut server = Server::start(folder.path(), &format!("{}snapCount=2\n", alone(port)));
    let writer = client(port);
    writer.create("/a", "x", Acl::open(), CreateMode::Persistent).await.unwrap();
    let directory = folder.path().join("data/version-2");
    // At once, whatever the server is writing there.
    fs::rename(&directory, folder.path().join("elsewhere")).unwrap();
    // A snapshot or a new log fails before long; until then the old log, which nobody can find any more, is
    // written to.
    let write = async {
        for turn in 0..1_000 {
            if writer.set_data("/a", format!("{turn}"), -1).await.is_err() {
                break;
            }
        }
    };
    let limited = tokio::time::timeout(Duration::from_secs(5), write).await;
    drop(limited);
    let status = server.ended();
    assert_eq!(status.code(), Some(1), "{}", server.said());
    server.wait_for("keeperd: ");
    let said = server.said();
    let last = said.lines().last().unwrap();
    assert!(
        last.contains(directory.to_str().unwrap()) && last.contains("tried 10 times"),
        "{last}"
    );
    assert!(!directory.exists(), "it was not made anew, as if nothing had ever been acknowledged");
}

#[tokio::test(flavor = "current_thread")]
async fn a_port_that_is_taken_for_a_moment_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let lines = format!("{}electionPortBindRetry=0\n", alone(port));
    let server = Server::start(folder.path(), &lines);
    server.wait_for("cannot listen; trying again");
    drop(taken);
    let client = client(port);
    client.create("/a", "x", Acl::open(), CreateMode::Persistent).await.unwrap();
}

#[test]
fn a_port_that_stays_taken_ends_the_server_after_as_many_tries() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let lines = format!("{}electionPortBindRetry=2\n", alone(port));
    let mut server = Server::start(folder.path(), &lines);
    assert_eq!(server.ended().code(), Some(1));
    server.wait_for(&format!("cannot listen on 127.0.0.1:{port}: "));
    server.wait_for("tried 2 times (electionPortBindRetry)");
    assert_eq!(server.said().matches("trying again").count(), 1, "{}", server.said());
}

#[test]
fn a_name_that_does_not_resolve_is_waited_for_and_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/myid"), "1").unwrap();
    // No name under `invalid` ever resolves (RFC 6761, section 6.4).
    let lines = format!(
        "{}tickTime=200\ninitLimit=2\nsyncLimit=2\nelectionPortBindRetry=2\n\
         server.1=keeper.invalid:1:2\nserver.2=127.0.0.1:3:4\nserver.3=127.0.0.1:5:6\n",
        alone(free_port())
    );
    let mut server = Server::start(folder.path(), &lines);
    assert_eq!(server.ended().code(), Some(1));
    server.wait_for("cannot listen on keeper.invalid:1: ");
    assert_eq!(server.said().matches("trying again").count(), 1, "{}", server.said());
}
