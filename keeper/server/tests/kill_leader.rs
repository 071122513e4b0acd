//! Three real servers on loopback: their leader is killed (SIGKILL) again and again under writes, and
//! no acknowledged write may be lost.
//!
//! It takes ports and about a minute, so it runs only where `SQUALL_LIVE` is set.

#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(clippy::disallowed_methods, reason = "this program runs on real threads and clocks")]

use std::collections::BTreeSet;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keeper_client::{Client, ClientOptions, ServerAddress};
use keeper_core::record::Acl;
use keeper_core::wire::client::CreateMode;
use platform::tokio_platform::TokioPlatform;

const SERVERS: usize = 3;
const KILLS: usize = 20;
const WRITERS: usize = 4;

/// One server's process, started again under the same number.
struct Server {
    number: usize,
    folder: PathBuf,
    starts: usize,
    child: Option<Child>,
}

impl Server {
    fn start(&mut self) {
        self.starts += 1;
        let log = File::create(self.log()).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_keeperd"))
            .arg(self.folder.join("zoo.cfg"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    fn log(&self) -> PathBuf {
        self.folder.join(format!("log-{}.txt", self.starts))
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// The epoch that it leads, by the last thing that its log says of its role.
    fn leads(&self) -> Option<u64> {
        self.child.as_ref()?;
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        let line = text.lines().rev().find(|line| {
            line.contains("serving as the ") || line.contains("looking for a leader")
        })?;
        let (_, rest) = line.split_once("serving as the leader of epoch ")?;
        rest.split_whitespace().next()?.parse().ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

fn ensemble(folder: &Path) -> (Vec<Server>, Vec<ServerAddress>) {
    let ports = free_ports(3 * SERVERS);
    let lines: String = (1..=SERVERS)
        .map(|number| {
            let (quorum, election) = (ports[number - 1], ports[SERVERS + number - 1]);
            format!("server.{number}=127.0.0.1:{quorum}:{election}\n")
        })
        .collect();
    let mut servers = Vec::new();
    let mut addresses = Vec::new();
    for number in 1..=SERVERS {
        let folder = folder.join(number.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        let port = ports[2 * SERVERS + number - 1];
        let config = format!(
            "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\ntickTime=200\n\
             initLimit=10\nsyncLimit=5\nsnapCount=500\n{lines}",
            folder.display()
        );
        std::fs::write(folder.join("zoo.cfg"), config).unwrap();
        std::fs::write(folder.join("myid"), number.to_string()).unwrap();
        servers.push(Server { number, folder, starts: 0, child: None });
        addresses.push(ServerAddress { host: "127.0.0.1".to_owned(), port });
    }
    (servers, addresses)
}

fn options() -> ClientOptions {
    ClientOptions {
        session_timeout_ms: 4_000,
        request_timeout_ms: Some(5_000),
        ..ClientOptions::default()
    }
}

async fn write(
    writer: usize,
    platform: TokioPlatform,
    servers: Vec<ServerAddress>,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<BTreeSet<String>>>,
) {
    let mut turn = 0;
    while !stop.load(Ordering::Relaxed) {
        let (client, _events) = Client::connect(platform.clone(), servers.clone(), options());
        while !stop.load(Ordering::Relaxed) {
            turn += 1;
            let name = format!("w{writer}-{turn}");
            let path = format!("/log/{name}");
            match client.create(&path, "x", Acl::open(), CreateMode::Persistent).await {
                Ok(_) => {
                    acknowledged.lock().unwrap().insert(name);
                }
                Err(error) if error.outcome_unknown() => {}
                Err(keeper_client::ClientError::Timeout) => {}
                Err(_) => break,
            }
        }
    }
}

/// The present leader's position among the servers.
async fn leader(servers: &[Server]) -> usize {
    for _ in 0..300 {
        let leading = servers
            .iter()
            .enumerate()
            .filter_map(|(index, server)| Some((server.leads()?, index)))
            .max();
        if let Some((_, index)) = leading {
            return index;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no leader within 30 s: see the logs of servers {:?}", servers[0].folder.parent());
}

#[tokio::test(flavor = "current_thread")]
async fn no_acknowledged_write_is_lost_when_leaders_are_killed() {
    if std::env::var_os("SQUALL_LIVE").is_none() {
        println!("skipped: set SQUALL_LIVE to run three servers on loopback");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut servers, addresses) = ensemble(folder.path());
    for server in &mut servers {
        server.start();
    }
    let platform = TokioPlatform::new().unwrap();
    let (setup, _events) = Client::connect(platform.clone(), addresses.clone(), options());
    setup.create("/log", "", Acl::open(), CreateMode::Persistent).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    let writers: Vec<_> = (1..=WRITERS)
        .map(|writer| {
            let (platform, addresses) = (platform.clone(), addresses.clone());
            tokio::spawn(write(writer, platform, addresses, stop.clone(), acknowledged.clone()))
        })
        .collect();
    for kill in 1..=KILLS {
        let index = leader(&servers).await;
        let before = acknowledged.lock().unwrap().len();
        servers[index].kill();
        // Writes must go on without the killed one before it comes back.
        let mut waited = 0;
        while acknowledged.lock().unwrap().len() <= before + 20 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            waited += 1;
            assert!(waited < 600, "no writes within 30 s of kill {kill}");
        }
        println!("kill {kill}: server {}, {before} writes before", servers[index].number);
        servers[index].start();
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    leader(&servers).await;
    let (reader, _events) = Client::connect(platform, addresses, options());
    reader.sync("/log").await.unwrap();
    let there: BTreeSet<String> =
        reader.get_children("/log", false).await.unwrap().value.into_iter().collect();
    let acknowledged = acknowledged.lock().unwrap();
    let lost: Vec<&String> = acknowledged.difference(&there).collect();
    println!("{} writes acknowledged over {KILLS} kills, {} lost", acknowledged.len(), lost.len());
    assert!(acknowledged.len() > KILLS * 20);
    assert!(lost.is_empty(), "lost: {lost:?}");
}
