//! What an operator does to a server without meaning it harm, and what it tells him.
#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(clippy::disallowed_methods, reason = "these tests use real files, ports and processes")]

mod common;

use std::io::Write;

use keeper_core::record::Acl;
use keeper_core::wire::client::CreateMode;

use common::{Raw, Server, client, free_port};

fn alone(port: u16) -> String {
    format!("clientPort={port}\nclientPortAddress=127.0.0.1\n")
}

#[tokio::test(flavor = "current_thread")]
async fn a_hangup_does_not_end_a_server_and_a_termination_does() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut server = Server::start(folder.path(), &alone(port));
    let client = client(port);
    client.create("/a", "x", Acl::open(), CreateMode::Persistent).await.unwrap();
    server.signal("-HUP");
    server.wait_for("SIGHUP");
    client.set_data("/a", "y", -1).await.unwrap();
    server.signal("-TERM");
    assert_eq!(server.ended().code(), Some(0), "{}", server.said());
}

#[tokio::test(flavor = "current_thread")]
async fn a_server_lives_on_where_nobody_reads_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut server = Server::start_unheard(folder.path(), &alone(port));
    drop((server.child.stdout.take(), server.child.stderr.take()));
    let client = client(port);
    client.create("/a", "x", Acl::open(), CreateMode::Persistent).await.unwrap();
    // Each makes the server log a line, which nobody takes.
    for _ in 0..20 {
        let mut raw = Raw::open(port);
        raw.0.write_all(&[0xff; 8]).unwrap();
        assert!(raw.ends());
    }
    client.set_data("/a", "y", -1).await.unwrap();
    assert_eq!(server.child.try_wait().unwrap(), None);
}

#[test]
fn a_line_about_a_client_names_its_address_and_its_session() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let server = Server::start(folder.path(), &alone(port));
    let mut raw = Raw::open(port);
    let address = raw.0.local_addr().unwrap();
    raw.0.write_all(&[0xff; 8]).unwrap();
    assert!(raw.ends());
    server.wait_for("closing a client's connection");
    let said = server.said();
    let line = said.lines().find(|line| line.contains("closing a client's")).unwrap();
    let is_field = line.contains(&format!("address={address}")) && line.contains("session=0x");
    assert!(is_field, "{line}");
}
