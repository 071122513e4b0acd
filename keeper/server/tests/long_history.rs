//! Three real servers on loopback whose logs hold half a million nodes and no snapshot, with a short `tickTime`: all
//! are started at once, and elect one leader, once.
//!
//! It takes ports, a gigabyte of memory and half a minute, so it runs only where `SQUALL_LIVE` is set.

#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(clippy::disallowed_methods, reason = "this program runs on real threads and clocks")]

mod common;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use keeper_core::ids::{Epoch, SessionId, Zxid};
use keeper_core::log::{FileName, append_header, append_record, epoch};
use keeper_core::record::Acl;
use keeper_core::txn::{CreateTxn, Txn, TxnBody, TxnHeader, encode_txn};

use common::{Server, client, free_port};

const SERVERS: usize = 3;
const NODES: u32 = 500_000;
const DIRECTORIES: u32 = 100;
/// Long enough for whoever is given up to be given up: `syncLimit` is half a second.
const CALM: Duration = Duration::from_secs(3);
/// Clock ticks of /proc in a second.
const TICKS: f64 = 100.0;

/// The log of a server that was in epoch 1 when all were stopped.
fn log() -> Vec<u8> {
    let mut file = Vec::new();
    append_header(&mut file, Zxid::ZERO);
    let mut last = Zxid::ZERO;
    let mut create = |path: String, parent_cversion: u32| {
        let zxid = Zxid::new(Epoch(1), last.counter() + 1);
        let header = TxnHeader { session: SessionId(1), cxid: 1, zxid, time_ms: 1 };
        let data = Some(Bytes::from_static(&[b'x'; 100]));
        let parent_cversion = parent_cversion as i32;
        let node = CreateTxn { path, data, acl: Acl::open(), ephemeral: false, parent_cversion };
        let mut txn = Vec::new();
        encode_txn(&Txn { header, body: TxnBody::Create(node) }, None, &mut txn);
        append_record(&mut file, &txn, last);
        last = zxid;
    };
    for number in 0..DIRECTORIES {
        create(format!("/directory-{number}"), number + 1);
    }
    for number in 0..NODES {
        let directory = number % DIRECTORIES;
        create(format!("/directory-{directory}/node-{number:010}"), number / DIRECTORIES + 1);
    }
    file
}

fn prepare(folder: &Path, number: usize, log: &[u8]) {
    let version_2 = folder.join("data/version-2");
    fs::create_dir_all(&version_2).unwrap();
    let first = FileName::Log(Zxid::new(Epoch(1), 1)).to_string();
    fs::write(version_2.join(first), log).unwrap();
    for name in ["acceptedEpoch", "currentEpoch"] {
        fs::write(version_2.join(name), epoch::encode(name, Epoch(1))).unwrap();
    }
    fs::write(folder.join("data/myid"), number.to_string()).unwrap();
}

/// User and system time of a process, in seconds.
fn cpu_s(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let ticks = |field: usize| rest.split(' ').nth(field).unwrap().parse::<f64>().unwrap();
    // Fields 14 and 15 of proc(5); the first after the name is the third.
    (ticks(11) + ticks(12)) / TICKS
}

#[tokio::test(flavor = "current_thread")]
async fn one_leader_is_elected_once_however_much_there_is_to_apply() {
    if std::env::var_os("SQUALL_LIVE").is_none() {
        println!("skipped: set SQUALL_LIVE to run three servers on loopback");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (log, ports) = (log(), [(); 3 * SERVERS].map(|()| free_port()));
    let mut lines = "tickTime=100\ninitLimit=10\nsyncLimit=5\n".to_owned();
    for number in 1..=SERVERS {
        let (quorum, election) = (ports[number - 1], ports[SERVERS + number - 1]);
        lines += &format!("server.{number}=127.0.0.1:{quorum}:{election}\n");
    }
    let begun = Instant::now();
    let servers: Vec<Server> = (1..=SERVERS)
        .map(|number| {
            let folder = folder.path().join(number.to_string());
            prepare(&folder, number, &log);
            (folder, ports[2 * SERVERS + number - 1])
        })
        .collect::<Vec<_>>()
        .into_iter()
        .map(|(folder, port)| {
            let client = format!("clientPort={port}\nclientPortAddress=127.0.0.1\n");
            Server::start(&folder, &(client + &lines))
        })
        .collect();
    for server in &servers {
        server.wait_for("serving as ");
        let (took, cpu) = (begun.elapsed(), cpu_s(server.child.id()));
        let per_million = cpu * 1e6 / f64::from(NODES);
        println!("serves after {took:?}, {cpu} s of CPU, {per_million} s per million records");
    }
    tokio::time::sleep(CALM).await;
    let said: String = servers.iter().map(Server::said).collect();
    let count = |words: &str| said.matches(words).count();
    assert_eq!(count("serving as the leader of epoch 2"), 1, "{said}");
    assert_eq!(count("serving as a follower in epoch 2"), SERVERS - 1, "{said}");
    assert_eq!(count("looking for a leader: the server starts"), SERVERS, "{said}");
    assert_eq!(count("looking for a leader"), SERVERS, "{said}");
    assert_eq!(count("leading: "), 1, "{said}");
    let reader = client(ports[2 * SERVERS]);
    let path = format!("/directory-{}/node-{:010}", (NODES - 1) % DIRECTORIES, NODES - 1);
    assert!(reader.get_data(&path, false).await.is_ok());
}
