//! Real servers whose files have a flipped bit: nothing acknowledged is lost, whether the server stands alone or
//! another that holds everything is away meanwhile (the example of a damaged log of FAST 2018, "Protocol-Aware
//! Recovery for Consensus-Based Storage", section 2).
//!
//! What takes ports and minutes runs only where `SQUALL_LIVE` is set.

#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(clippy::disallowed_methods, reason = "this program runs on real threads and clocks")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use keeper_client::{Client, ClientOptions, ServerAddress};
use keeper_core::log::scan;
use keeper_core::record::Acl;
use keeper_core::wire::client::CreateMode;
use platform::tokio_platform::TokioPlatform;

/// Places in which a bit flips, of each kind of file.
const PLACES: usize = 20;
const NODES: usize = 30;

/// One server: its folder, its client's port, and its process.
struct Server {
    folder: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl Server {
    fn start(&mut self, options: &[&str]) {
        let log = File::create(self.folder.join("log.txt")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_keeperd"));
        command.args(options).arg(self.folder.join("zoo.cfg"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder.join("log.txt")).unwrap_or_default()
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().unwrap()
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn address(&self) -> ServerAddress {
        ServerAddress { host: "127.0.0.1".to_owned(), port: self.port }
    }

    fn data(&self) -> PathBuf {
        self.folder.join("version-2")
    }

    /// The newest file of that kind.
    fn newest(&self, kind: &str) -> PathBuf {
        let names = fs::read_dir(self.data()).unwrap().map(|entry| entry.unwrap().path());
        let is_one = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(kind);
        names
            .filter(is_one)
            .max_by_key(|path| (path.to_str().unwrap().len(), path.clone()))
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// So many servers, or one that stands alone.
fn servers(folder: &Path, count: usize) -> Vec<Server> {
    let listeners: Vec<TcpListener> =
        (0..3 * count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports: Vec<u16> =
        listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
    let line = |number: usize| {
        format!("server.{number}=127.0.0.1:{}:{}\n", ports[number - 1], ports[count + number - 1])
    };
    let lines: String = if count > 1 { (1..=count).map(line).collect() } else { String::new() };
    (1..=count)
        .map(|number| {
            let (folder, port) = (folder.join(number.to_string()), ports[2 * count + number - 1]);
            fs::create_dir_all(&folder).unwrap();
            let config = format!(
                "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\ntickTime=100\n\
                 initLimit=20\nsyncLimit=10\nsnapCount=20\n{lines}",
                folder.display()
            );
            fs::write(folder.join("zoo.cfg"), config).unwrap();
            fs::write(folder.join("myid"), number.to_string()).unwrap();
            Server { folder, port, child: None }
        })
        .collect()
}

fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// Keeps the data of these servers, to begin with them again and again.
fn keep(servers: &[Server]) {
    for server in servers {
        copy(&server.data(), &server.folder.join("kept"));
    }
}

fn begin_again(servers: &mut [Server]) {
    for server in servers {
        server.kill();
        copy(&server.folder.join("kept"), &server.data());
    }
}

fn flip(path: &Path, place: usize) -> String {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.len() * place / PLACES + place % 7;
    let at = at.min(bytes.len() - 1);
    bytes[at] ^= 1 << (place % 8);
    fs::write(path, bytes).unwrap();
    format!("{} at byte {at}", path.file_name().unwrap().to_str().unwrap())
}

async fn client(servers: &[ServerAddress]) -> Client<TokioPlatform> {
    let options = ClientOptions {
        session_timeout_ms: 4_000,
        request_timeout_ms: Some(10_000),
        ..ClientOptions::default()
    };
    Client::connect(TokioPlatform::new().unwrap(), servers.to_vec(), options).0
}

/// Makes so many nodes; each is acknowledged.
async fn write(servers: &[ServerAddress]) -> BTreeSet<String> {
    let client = client(servers).await;
    let mut names = BTreeSet::new();
    client.create("/all", "", Acl::open(), CreateMode::Persistent).await.unwrap();
    for number in 0..NODES {
        let (name, data) = (format!("node-{number:02}"), vec![b'x'; 10 * number]);
        client
            .create(&format!("/all/{name}"), data, Acl::open(), CreateMode::Persistent)
            .await
            .unwrap();
        names.insert(name);
    }
    // Of what was written last nothing tells for some milliseconds.
    tokio::time::sleep(Duration::from_millis(300)).await;
    names
}

/// The nodes that a server serves; none if it does not serve for so long.
async fn served(server: &Server, within_ms: u64) -> Option<BTreeSet<String>> {
    let client = client(&[server.address()]).await;
    let reading = async {
        client.sync("/all").await.ok()?;
        Some(client.get_children("/all", false).await.ok()?.value.into_iter().collect())
    };
    tokio::time::timeout(Duration::from_millis(within_ms), reading).await.ok().flatten()
}

async fn wait_for_end(server: &mut Server) -> ExitStatus {
    for _ in 0..200 {
        if let Some(status) = server.ended() {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it runs on: {}", server.said());
}

#[tokio::test(flavor = "current_thread")]
async fn a_damaged_server_that_stands_alone_starts_only_where_the_loss_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = servers(folder.path(), 1);
    all[0].start(&[]);
    let names = write(&[all[0].address()]).await;
    all[0].kill();
    let log = all[0].newest("log.");
    let mut bytes = fs::read(&log).unwrap();
    bytes[60] ^= 1;
    fs::write(&log, &bytes).unwrap();
    all[0].start(&[]);
    assert_eq!(wait_for_end(&mut all[0]).await.code(), Some(1), "{}", all[0].said());
    for words in ["damaged", "is damaged at byte", "--accept-loss"] {
        assert!(all[0].said().contains(words), "{}", all[0].said());
    }
    assert_eq!(fs::read(&log).unwrap(), bytes, "nothing was changed");
    all[0].start(&["--accept-loss"]);
    let left = served(&all[0], 20_000).await.unwrap_or_default();
    assert!(left.is_subset(&names) && left.len() < NODES, "{left:?}");
    let kept = all[0].data().join("damaged-1").join(log.file_name().unwrap());
    assert_eq!(fs::read(kept).unwrap(), bytes, "the file as it was is kept");
}

#[tokio::test(flavor = "current_thread")]
async fn a_directory_of_another_server_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = servers(folder.path(), 3);
    all[0].start(&[]);
    while !all[0].data().join("synced").exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    all[0].kill();
    fs::create_dir_all(all[1].data()).unwrap();
    let (from, to) = (all[0].data(), all[1].data());
    copy(&from, &to);
    all[1].start(&[]);
    assert_eq!(wait_for_end(&mut all[1]).await.code(), Some(1));
    assert!(
        all[1].said().contains("written by server 1, but this is server 2"),
        "{}",
        all[1].said()
    );
}

/// A log as builds wrote it before records said what was synced: commit 972d746.
fn as_before(bytes: &[u8]) -> Vec<u8> {
    let scan = scan(bytes);
    let mut old = [&b"ZKLG\0\0\0\x02"[..], &scan.after.0.to_be_bytes()].concat();
    for record in scan.records {
        let txn = &bytes[record.txn];
        old.extend(u64::from(adler32(txn)).to_be_bytes());
        old.extend((txn.len() as u32).to_be_bytes());
        old.extend_from_slice(txn);
        old.push(b'B');
    }
    old
}

fn adler32(bytes: &[u8]) -> u32 {
    let add = |(a, b): (u32, u32), byte: &u8| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (a + b) % 65_521)
    };
    let (a, b) = bytes.iter().fold((1, 0), add);
    b << 16 | a
}

#[tokio::test(flavor = "current_thread")]
async fn a_directory_from_before_records_said_what_was_synced_is_started_from() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = servers(folder.path(), 1);
    all[0].start(&[]);
    let names = write(&[all[0].address()]).await;
    all[0].kill();
    for entry in fs::read_dir(all[0].data()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("log.") {
            let bytes = fs::read(&path).unwrap();
            assert_ne!(as_before(&bytes), bytes);
            fs::write(&path, as_before(&bytes)).unwrap();
        }
    }
    fs::remove_file(all[0].data().join("synced")).unwrap();
    all[0].start(&[]);
    let there = served(&all[0], 20_000).await;
    assert_eq!(there.as_ref(), Some(&names), "{}", all[0].said());
    assert!(all[0].data().join("synced").exists());
}

#[tokio::test(flavor = "current_thread")]
async fn no_flipped_bit_costs_a_server_that_stands_alone_anything_in_silence() {
    if std::env::var_os("SQUALL_LIVE").is_none() {
        println!("skipped: set SQUALL_LIVE to run servers on loopback");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut all = servers(folder.path(), 1);
    all[0].start(&[]);
    let names = write(&[all[0].address()]).await;
    all[0].kill();
    keep(&all);
    let mut refused = 0;
    for (kind, place) in places() {
        begin_again(&mut all);
        let what = flip(&all[0].newest(kind), place);
        all[0].start(&[]);
        let there = served(&all[0], 2_000).await;
        match there {
            Some(there) => assert_eq!(there, names, "{what}: {}", all[0].said()),
            None => {
                assert_eq!(wait_for_end(&mut all[0]).await.code(), Some(1), "{what}");
                assert!(all[0].said().contains("damaged"), "{what}: {}", all[0].said());
                refused += 1;
            }
        }
    }
    println!("{refused} of {} starts were refused, nothing was lost", 2 * PLACES);
    assert!(refused >= PLACES / 2, "only {refused}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_file_that_cannot_be_read_is_damaged_after_ten_tries() {
    if std::env::var_os("SQUALL_LIVE").is_none() {
        println!("skipped: set SQUALL_LIVE, it takes ten seconds");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut all = servers(folder.path(), 1);
    fs::create_dir_all(all[0].data().join("log.1")).unwrap();
    all[0].start(&[]);
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(all[0].ended(), None, "it may pass: {}", all[0].said());
    }
    assert_eq!(wait_for_end(&mut all[0]).await.code(), Some(1));
    assert!(all[0].said().contains("log.1 cannot be read"), "{}", all[0].said());
}

#[tokio::test(flavor = "current_thread")]
async fn no_flipped_bit_loses_anything_while_another_server_is_away() {
    if std::env::var_os("SQUALL_LIVE").is_none() {
        println!("skipped: set SQUALL_LIVE to run three servers on loopback");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut all = servers(folder.path(), 3);
    for server in &mut all {
        server.start(&[]);
    }
    assert!(served_or_none(&all).await, "nobody serves: {}", all[0].said());
    all[2].kill();
    let names = write(&[all[0].address(), all[1].address()]).await;
    all.iter_mut().for_each(Server::kill);
    keep(&all);
    let mut aside = 0;
    for (kind, place) in places() {
        begin_again(&mut all);
        let what = flip(&all[0].newest(kind), place);
        all[0].start(&[]);
        all[2].start(&[]);
        // What those two would have lost, they serve now if at all.
        if let Some(there) = served(&all[0], 1_500).await {
            assert_eq!(there, names, "{what}: {}", all[0].said());
        }
        all[1].start(&[]);
        for server in [&all[0], &all[1], &all[2]] {
            let there = served(server, 20_000).await;
            assert_eq!(there.as_ref(), Some(&names), "{what}: {}", all[0].said());
        }
        aside += usize::from(all[0].data().join("damaged-1").exists());
    }
    println!("{aside} of {} times files were set aside, nothing was lost", 2 * PLACES);
    assert!(aside >= PLACES / 2, "only {aside}");
}

fn places() -> impl Iterator<Item = (&'static str, usize)> {
    ["log.", "snapshot."].into_iter().flat_map(|kind| (0..PLACES).map(move |place| (kind, place)))
}

/// Whether the servers answer at all, whatever they hold.
async fn served_or_none(all: &[Server]) -> bool {
    let client = client(&[all[0].address()]).await;
    tokio::time::timeout(Duration::from_secs(20), client.sync("/")).await.is_ok()
}
