//! Data that an older keeperd has written: its logs say nothing of what was synced, its epoch files have no checksum,
//! and there is no witness. `data/before-marks` was written by build 972d746: servers 1 and 2 of three, killed while
//! they served in epoch 2, with /n000 to /n099.
#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(clippy::disallowed_methods, reason = "these tests use real files, ports and processes")]

mod common;

use std::fs;
use std::path::Path;

use keeper_core::record::Acl;
use keeper_core::wire::client::CreateMode;

use common::{Server, client, free_port};

/// Copies what a server has written into a folder of its own.
fn copy_of(server: u32, folder: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/before-marks");
    let to = folder.join("data/version-2");
    fs::create_dir_all(&to).unwrap();
    fs::write(folder.join("data/myid"), server.to_string()).unwrap();
    for entry in fs::read_dir(from.join(server.to_string())).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Reads everything that was written, and `more` nodes, then writes one more.
async fn reads_all_and_writes_one(port: u16, more: u32) {
    let client = client(port);
    for n in 0..100 {
        let read = client.get_data(&format!("/n{n:03}"), false).await.unwrap();
        assert_eq!(read.value.0.as_deref(), Some(format!("data {n}").as_bytes()), "/n{n:03}");
    }
    for n in 0..more {
        client.get_data(&format!("/more{n}"), false).await.unwrap();
    }
    let path = format!("/more{more}");
    client.create(&path, "new", Acl::open(), CreateMode::Persistent).await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_server_starts_on_what_an_older_one_wrote_and_again_on_what_it_adds() {
    for server in [1, 2] {
        let folder = tempfile::tempdir().unwrap();
        copy_of(server, folder.path());
        for more in 0..3 {
            let port = free_port();
            let lines = format!("clientPort={port}\nclientPortAddress=127.0.0.1\n");
            let server = Server::start(folder.path(), &lines);
            server.wait_for("serving");
            reads_all_and_writes_one(port, more).await;
            assert!(!server.said().contains("damaged"), "{}", server.said());
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn two_of_three_servers_go_on_with_what_older_ones_wrote() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    copy_of(1, folders[0].path());
    copy_of(2, folders[1].path());
    for more in 0..2 {
        let peers: String = (1..=3)
            .map(|n| format!("server.{n}=127.0.0.1:{}:{}\n", free_port(), free_port()))
            .collect();
        let ports = [free_port(), free_port()];
        let lines = |port: u16| {
            format!(
                "clientPort={port}\nclientPortAddress=127.0.0.1\ntickTime=500\ninitLimit=10\n\
                 syncLimit=5\n{peers}"
            )
        };
        let servers: Vec<Server> = folders
            .iter()
            .zip(ports)
            .map(|(folder, port)| Server::start(folder.path(), &lines(port)))
            .collect();
        for server in &servers {
            server.wait_for("serving as");
            assert!(!server.said().contains("damaged"), "{}", server.said());
        }
        reads_all_and_writes_one(ports[more as usize], more).await;
    }
}
