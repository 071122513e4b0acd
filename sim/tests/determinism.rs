//! One program and one seed make one trace: twice in a process, beside other runs, in two
//! processes.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::HashMap;

use common::PORT;
use platform::{File, Files, Listener, Platform, Stream};
use sim::fault::{Roles, Schedule};
use sim::platform::{SimPlatform, SimStream};
use sim::trace::first_difference;
use sim::world::{Settings, World};
use sim::{HostId, Recorder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

const HOSTS: usize = 4;

/// Faults of most kinds, all over within six seconds.
const FAULTS: &str = r#"[
    {"at_ms":300,"until_ms":700,"kind":"partition","sides":[["n0","n1"],["n2","n3"]],"reset_on_heal":0.5},
    {"at_ms":900,"until_ms":1400,"kind":"crash","target":"leader"},
    {"at_ms":1500,"until_ms":2500,"kind":"power_loss","target":"follower:1"},
    {"at_ms":1800,"until_ms":2200,"kind":"pause","target":"n0"},
    {"at_ms":2000,"until_ms":3000,"kind":"slow_disk","target":"n1","factor":20},
    {"at_ms":2600,"until_ms":3200,"kind":"one_way","from":["n3"],"to":["n0"]},
    {"at_ms":3300,"until_ms":3900,"kind":"slow_link","from":["n0"],"to":["n1","n2"],"extra_ms":30},
    {"at_ms":4000,"kind":"restart","targets":["n0","n1","n2","n3"],"down_ms":100,"gap_ms":200},
    {"at_ms":4500,"until_ms":5500,"kind":"clock_offset","target":"n2","offset_ms":-5000},
    {"at_ms":1000,"until_ms":4000,"kind":"clock_drift","target":"n1","ppm":300000},
    {"at_ms":2000,"until_ms":5000,"kind":"clock_drift","target":"n3","ppm":-400000,"of":"monotonic"},
    {"at_ms":5000,"until_ms":5600,"kind":"clock_jump","target":"n1","by_ms":-700,"every_ms":70}]"#;

/// Talks to every other host, writes what it hears to a file, and draws from all that is random.
async fn node(platform: SimPlatform) {
    let (heard, mut hearing) = mpsc::channel::<Vec<u8>>(100);
    let files = platform.files();
    let mut file = match files.open_append("log").await {
        Ok(file) => file,
        Err(_) => files.create("log").await.unwrap(),
    };
    let mut listener = platform.listen("0.0.0.0", PORT).await.unwrap();
    let own = platform.clone();
    platform.spawn(async move {
        loop {
            let mut stream = listener.accept().await.unwrap();
            let heard = heard.clone();
            own.spawn(async move {
                let mut buffer = [0; 64];
                while let Ok(len @ 1..) = stream.read(&mut buffer).await {
                    heard.send(buffer[..len].to_vec()).await.unwrap();
                }
            });
        }
    });
    for peer in (0..HOSTS).filter(|peer| *peer as u32 != platform.host().0) {
        platform.spawn(talker(platform.clone(), peer));
    }
    while let Some(bytes) = hearing.recv().await {
        platform.record(1, &platform.wall_ns().to_le_bytes());
        file.append(bytes);
        // Either branch may be ready: tokio then draws from its own seeded generator.
        tokio::select! {
            synced = file.sync() => synced.unwrap(),
            () = platform.sleep_ms(1) => platform.record(2, b""),
        }
    }
}

async fn talker(platform: SimPlatform, peer: usize) {
    let peer = format!("n{peer}");
    loop {
        let connecting = platform.connect(&peer, PORT);
        if let Ok(Ok(stream)) = platform.timeout(300, connecting).await {
            let _ = talk(&platform, stream).await;
        }
        platform.sleep_ms(50).await;
    }
}

async fn talk(platform: &SimPlatform, stream: SimStream) -> std::io::Result<()> {
    let (mut read, mut write) = stream.into_split();
    loop {
        let mut bytes = [0; 24];
        platform.fill(&mut bytes);
        write.write_all(&bytes).await?;
        let wait_ms = u64::from(bytes[0] % 16);
        let mut end = [0];
        if let Ok(ended) = platform.timeout(wait_ms, read.read(&mut end)).await {
            ended?;
            return Ok(());
        }
    }
}

fn busy_run(seed: u64, program: impl Fn(&mut World)) -> Recorder {
    let mut world = World::new(seed, Settings { keep_trace: true, ..Settings::default() });
    for host in 0..HOSTS {
        world.host(&format!("n{host}"), node);
    }
    program(&mut world);
    let mut schedule = Schedule::new(serde_json::from_str(FAULTS).unwrap());
    let mut roles = |world: &World| Roles {
        leader: world.hosts().into_iter().find(|host| world.is_running(*host)),
        followers: vec![HostId(1), HostId(2)],
        learners: vec![],
        ..Roles::default()
    };
    while world.elapsed_ms() < 6_000 {
        schedule.advance(&mut world, &mut roles).unwrap();
        world.step().unwrap();
    }
    world.recorder()
}

fn hash(seed: u64) -> u64 {
    busy_run(seed, |_| {}).hash()
}

#[test]
fn same_seed_twice_is_the_same_run_to_the_last_event() {
    let (a, b) = (busy_run(1, |_| {}), busy_run(1, |_| {}));
    let (all_a, all_b) = (a.all().unwrap(), b.all().unwrap());
    if let Some((number, a, b)) = first_difference(&all_a, &all_b) {
        panic!("event {number} differs:\n{a:?}\n{b:?}");
    }
    assert_eq!(a.hash(), b.hash());
    assert!(a.count() > 10_000, "the run is worth comparing: {} events", a.count());
    assert_ne!(a.hash(), hash(2), "another seed is another run");
}

#[test]
fn runs_side_by_side_do_not_influence_each_other() {
    let alone: Vec<u64> = (10..16).map(hash).collect();
    let together: Vec<u64> = std::thread::scope(|scope| {
        let runs: Vec<_> = (10..16).map(|seed| scope.spawn(move || hash(seed))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(alone, together);
}

const CHILD: &str = "SIM_TEST_DETERMINISM_CHILD";

#[test]
fn another_process_makes_the_same_run() {
    let own = format!("hash {:016x} {:016x}", hash(20), hash(21));
    if std::env::var_os(CHILD).is_some() {
        println!("{own}");
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "another_process_makes_the_same_run", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains(&own), "{own} is not in {stdout}");
}

/// The proof that the comparison can fail: a program with the classic mistake.
#[test]
#[allow(clippy::disallowed_methods, reason = "the mistake is the point")]
fn iterating_a_hash_map_shows_as_a_difference() {
    let with_hash_map = |_: u32| {
        let planted = |world: &mut World| {
            world.host("planted", |platform| async move {
                let map: HashMap<u32, u32> = (0..20).map(|n| (n, n)).collect();
                platform.sleep_ms(500).await;
                for key in map.keys() {
                    platform.record(3, &key.to_le_bytes());
                }
            });
        };
        busy_run(1, planted)
    };
    let first = with_hash_map(0);
    let differs = (1..5).map(with_hash_map).find(|other| other.hash() != first.hash());
    let other = differs.expect("twenty keys come in the same order with one chance in 20!");
    let (all_a, all_b) = (first.all().unwrap(), other.all().unwrap());
    let (_, a, _) = first_difference(&all_a, &all_b).unwrap();
    assert_eq!(a.unwrap().kind, sim::trace::Kind::Own(3), "the first difference is the mistake");
}
