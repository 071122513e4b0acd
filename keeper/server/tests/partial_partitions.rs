//! Four real servers, each in a network namespace of its own, between which links are cut in part: the
//! majority that still reaches each other must go on serving.
//!
//! A link is cut by giving the sender a wrong address for the receiver's network card: what it sends is lost
//! without a word, in one direction or in both. The namespaces end with their processes.
//!
//! It needs root, `ip`, `unshare` and `nsenter`, and about two minutes, so it runs only where `SQUALL_LIVE` is set,
//! and says so where namespaces cannot be made.

#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(clippy::disallowed_methods, reason = "this program runs on real threads and clocks")]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use keeper_client::{Client, ClientError, ClientOptions, ServerAddress};
use keeper_core::record::Acl;
use keeper_core::wire::client::CreateMode;
use platform::tokio_platform::TokioPlatform;

const SERVERS: usize = 4;
const WRITERS: usize = 4;
const TICK_MS: u64 = 500;
/// The longest time without an acknowledged write.
const GAP_TICKS_MAX: u64 = 8;
/// For how long links stay cut, and how long they are whole before the next cut.
const CUT_FOR: Duration = Duration::from_secs(12);
const WHOLE_FOR: Duration = Duration::from_secs(6);
/// Set in the process that has a network namespace of its own.
const INSIDE: &str = "SQUALL_PARTITIONS_INSIDE";
const NAME: &str = "a_majority_that_reaches_each_other_serves";

/// Who cannot be heard by whom, where 0 is the leader and 1 to 3 are the others.
type Cut = &'static [(usize, usize)];

const CUTS: [(&str, Cut); 6] = [
    ("the leader reaches one of three", &[(0, 1), (1, 0), (0, 2), (2, 0)]),
    ("the leader reaches two of three", &[(0, 1), (1, 0)]),
    ("two do not hear the leader", &[(0, 1), (0, 2)]),
    ("the leader does not hear two", &[(1, 0), (2, 0)]),
    ("the leader reaches nobody", &[(0, 1), (1, 0), (0, 2), (2, 0), (0, 3), (3, 0)]),
    ("one does not hear the leader, and it does not hear another", &[(0, 1), (2, 0)]),
];

/// A server's process in its namespace.
struct Server {
    number: usize,
    folder: PathBuf,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} {}: {}", arguments.join(" "), said.trim()))
}

fn ip(arguments: &str) {
    run("ip", &arguments.split(' ').collect::<Vec<_>>()).unwrap();
}

fn address(number: usize) -> String {
    format!("10.213.0.{number}")
}

impl Server {
    /// Starts a server whose network card is one end of a cable to the bridge.
    fn start(folder: &Path, number: usize) -> Server {
        let folder = folder.join(number.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        let lines: String = (1..=SERVERS)
            .map(|number| format!("server.{number}={}:2888:3888\n", address(number)))
            .collect();
        let config = format!(
            "dataDir={}\nclientPort=2181\ntickTime={TICK_MS}\ninitLimit=10\nsyncLimit=5\n{lines}",
            folder.display()
        );
        std::fs::write(folder.join("zoo.cfg"), config).unwrap();
        std::fs::write(folder.join("myid"), number.to_string()).unwrap();
        // It waits for a word until its network is there.
        let child = Command::new("unshare")
            .args([
                "-n",
                "sh",
                "-c",
                "read word; exec \"$0\" \"$1\"",
                env!("CARGO_BIN_EXE_keeperd"),
            ])
            .arg(folder.join("zoo.cfg"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("log.txt")).unwrap())
            .spawn()
            .unwrap();
        let mut server = Server { number, folder, child };
        let pid = server.child.id();
        await_namespace(pid);
        ip(&format!("link add br{number} type veth peer name eth{number}"));
        ip(&format!("link set br{number} master bridge"));
        ip(&format!("link set br{number} up"));
        ip(&format!("link set eth{number} netns {pid}"));
        server.inside(&format!("addr add {}/24 dev eth{number}", address(number)));
        server.inside(&format!("link set eth{number} up"));
        server.inside("link set lo up");
        server.child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        server
    }

    fn inside(&self, arguments: &str) {
        let pid = self.child.id().to_string();
        let words = ["-t", &pid, "-n", "ip"].into_iter().chain(arguments.split(' '));
        run("nsenter", &words.collect::<Vec<_>>()).unwrap();
    }

    /// From now on nothing that it sends arrives at the other one, or all does again.
    fn set_mute(&self, other: usize, is_mute: bool) {
        let (to, device) = (address(other), format!("eth{}", self.number));
        if is_mute {
            let nobody = "lladdr 02:00:00:00:00:99 nud permanent";
            self.inside(&format!("neigh replace {to} dev {device} {nobody}"));
        } else {
            self.inside(&format!("neigh del {to} dev {device}"));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log.txt")).unwrap_or_default()
    }

    /// The epoch that it leads, by the last thing that its log says of its role.
    fn leads(&self) -> Option<u64> {
        let text = self.log();
        let line = text.lines().rev().find(|line| {
            line.contains("serving as the ") || line.contains("looking for a leader")
        })?;
        let (_, rest) = line.split_once("serving as the leader of epoch ")?;
        rest.split_whitespace().next()?.parse().ok()
    }
}

/// Waits until the process has left this one's namespace.
fn await_namespace(pid: u32) {
    let of = |who: &str| std::fs::read_link(format!("/proc/{who}/ns/net"));
    let own = of("self").unwrap();
    for _ in 0..500 {
        if of(&pid.to_string()).is_ok_and(|other| other != own) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("process {pid} has no namespace of its own after 5 s");
}

/// When writes were acknowledged.
type Acknowledged = Arc<Mutex<Vec<Instant>>>;

async fn write(
    writer: usize,
    platform: TokioPlatform,
    stop: Arc<AtomicBool>,
    acknowledged: Acknowledged,
) {
    let servers: Vec<ServerAddress> = (0..SERVERS)
        .map(|turn| ServerAddress { host: address((writer + turn) % SERVERS + 1), port: 2181 })
        .collect();
    let options = ClientOptions {
        session_timeout_ms: 4_000,
        request_timeout_ms: Some(1_000),
        ..ClientOptions::default()
    };
    let mut turn = 0;
    while !stop.load(Ordering::Relaxed) {
        let (client, _events) = Client::connect(platform.clone(), servers.clone(), options.clone());
        while !stop.load(Ordering::Relaxed) {
            turn += 1;
            let path = format!("/w{writer}-{turn}");
            match client.create(&path, "x", Acl::open(), CreateMode::Persistent).await {
                Ok(_) => acknowledged.lock().unwrap().push(Instant::now()),
                Err(error) if error.outcome_unknown() => {}
                Err(ClientError::Timeout) => {}
                Err(_) => break,
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The present leader's position among the servers.
async fn leader(servers: &[Server]) -> usize {
    for _ in 0..300 {
        let leading = servers.iter().zip(0..);
        let leading = leading.filter_map(|(server, index)| Some((server.leads()?, index))).max();
        if let Some((_, index)) = leading {
            return index;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no leader within 30 s");
}

/// What the servers have said since their logs were so long, in the order of time.
fn said_since(servers: &[Server], lengths: &[usize]) -> String {
    let mut lines = Vec::new();
    for (server, length) in servers.iter().zip(lengths) {
        let text = server.log();
        let said = text.get(*length..).unwrap_or_default();
        let by = |line: &str| match line.split_once(' ') {
            Some((time, rest)) => format!("{time} n{} {rest}\n", server.number),
            None => format!("n{} {line}\n", server.number),
        };
        lines.extend(said.lines().map(by));
    }
    lines.sort();
    lines.concat()
}

/// Cuts links for a while. Returns the longest time without an acknowledged write, until they have been
/// whole again for a while.
async fn longest_gap(servers: &[Server], cut: Cut, acknowledged: &Acknowledged) -> Duration {
    let leader = leader(servers).await;
    let who = |role: usize| (leader + role) % SERVERS;
    let began = Instant::now();
    for (from, to) in cut {
        servers[who(*from)].set_mute(servers[who(*to)].number, true);
    }
    tokio::time::sleep(CUT_FOR).await;
    for (from, to) in cut {
        servers[who(*from)].set_mute(servers[who(*to)].number, false);
    }
    tokio::time::sleep(WHOLE_FOR).await;
    let times = acknowledged.lock().unwrap();
    let times: Vec<Instant> = times.iter().copied().filter(|time| *time >= began).collect();
    let all: Vec<Instant> = [began].into_iter().chain(times).chain([Instant::now()]).collect();
    let gaps = all.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.max().unwrap()
}

async fn inside() {
    ip("link set lo up");
    ip("link add bridge type bridge");
    ip("addr add 10.213.0.254/24 dev bridge");
    ip("link set bridge up");
    let folder = tempfile::tempdir().unwrap();
    let servers: Vec<Server> =
        (1..=SERVERS).map(|number| Server::start(folder.path(), number)).collect();
    let platform = TokioPlatform::new().unwrap();
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Acknowledged::default());
    leader(&servers).await;
    let writers: Vec<_> = (1..=WRITERS)
        .map(|writer| {
            tokio::spawn(write(writer, platform.clone(), stop.clone(), acknowledged.clone()))
        })
        .collect();
    tokio::time::sleep(WHOLE_FOR).await;
    let mut too_long = Vec::new();
    for (what, cut) in CUTS {
        let lengths: Vec<usize> = servers.iter().map(|server| server.log().len()).collect();
        let gap = longest_gap(&servers, cut, &acknowledged).await;
        let ticks = gap.as_millis() as f64 / TICK_MS as f64;
        println!("{what}: longest time without an acknowledged write {ticks:.1} ticks");
        if ticks > GAP_TICKS_MAX as f64 {
            println!("the servers' logs:\n{}", said_since(&servers, &lengths));
            too_long.push(format!("{what}: {ticks:.1} ticks"));
        }
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(too_long.is_empty(), "more than {GAP_TICKS_MAX} ticks: {too_long:?}");
}

#[test]
fn a_majority_that_reaches_each_other_serves() {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.unwrap().block_on(inside());
    }
    if std::env::var_os("SQUALL_LIVE").is_none() {
        println!("skipped: set SQUALL_LIVE to run four servers in network namespaces");
        return;
    }
    let can = run("unshare", &["-n", "ip", "link", "add", "bridge", "type", "bridge"]);
    if let Err(why) = can.and_then(|()| run("nsenter", &["--version"])) {
        println!("skipped: network namespaces cannot be made here: {why}");
        return;
    }
    // The same test in a namespace of its own: nothing of it is seen outside, and nothing is left over.
    let this = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.arg("-n").arg(this).args(["--exact", NAME, "--nocapture"]).env(INSIDE, "1");
    assert!(command.status().unwrap().success());
}
