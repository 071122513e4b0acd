//! One program and one seed make one trace: twice in a process, beside other runs, in two
//! processes.
use std::collections::HashMap;

use platform::{File, Files, Listener, Platform, Stream};
use sim::HostId;
use sim::clock::Clock;
use sim::disk::DiskFault;
use sim::engine::platform::EnginePlatform;
use sim::engine::{EngineRecorder, EngineSettings, EngineStream, EngineWorld};
use sim::trace::first_difference;
use sim::world::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::common::PORT;

const HOSTS: usize = 4;

/// Faults of most kinds, all over within six seconds.
fn strike(world: &mut EngineWorld) {
    let [n0, n1, n2, n3] = [0, 1, 2, 3].map(HostId);
    let until = |world: &mut EngineWorld, at_ms| world.run_until_ms(at_ms).unwrap();
    until(world, 300);
    world.partition(&[n0, n1], &[n2, n3]);
    until(world, 700);
    world.heal(&[n0, n1], &[n2, n3]);
    world.reset_connections(&[n0, n1], &[n2, n3], 0.5, 0);
    until(world, 900);
    world.crash(n0).unwrap();
    until(world, 1_400);
    world.restart(n0).unwrap();
    world.power_loss(n2).unwrap();
    until(world, 1_800);
    world.pause(n0);
    world.drift_clock(n3, Clock::Monotonic, 300_000);
    until(world, 2_000);
    let slow = world.add_disk_fault(n1, DiskFault::Slow { factor: 20 });
    until(world, 2_200);
    world.resume(n0);
    until(world, 2_500);
    world.restart(n2).unwrap();
    world.one_way(&[n3], &[n0]);
    until(world, 3_200);
    world.remove_disk_fault(n1, slow);
    world.heal_one_way(&[n3], &[n0]);
    world.slow_link(n0, n1, 30);
    world.narrow_link(n0, n2, 2_000);
    until(world, 3_900);
    world.slow_link(n0, n1, -30);
    world.end_narrow_link(n0, n2, 2_000);
    for (turn, host) in [n0, n1, n2, n3].into_iter().enumerate() {
        until(world, 4_000 + turn as u64 * 300);
        world.crash(host).unwrap();
        until(world, 4_100 + turn as u64 * 300);
        world.restart(host).unwrap();
    }
    world.shift_clock(n2, -5_000);
    until(world, 6_000);
}

/// Talks to every other host, writes what it hears to a file, and draws from all that is random.
async fn node(platform: EnginePlatform) {
    let (heard, mut hearing) = mpsc::channel::<Vec<u8>>(100);
    let files = platform.files();
    let mut file = match files.open_append("log").await {
        Ok(file) => file,
        Err(_) => files.create("log").await.unwrap(),
    };
    let mut listener = platform.listen("0.0.0.0", PORT).await.unwrap();
    let own = platform;
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
        platform.spawn(talker(platform, peer));
    }
    while let Some(bytes) = hearing.recv().await {
        platform.record(1, &platform.wall_ns().to_le_bytes());
        file.append(bytes);
        tokio::select! {
            biased;
            synced = file.sync() => synced.unwrap(),
            () = platform.sleep_ms(1) => platform.record(2, b""),
        }
    }
}

async fn talker(platform: EnginePlatform, peer: usize) {
    let peer = format!("n{peer}");
    loop {
        let connecting = platform.connect(&peer, PORT);
        if let Ok(Ok(stream)) = platform.timeout(300, connecting).await {
            let _ = talk(&platform, stream).await;
        }
        platform.sleep_ms(50).await;
    }
}

async fn talk(platform: &EnginePlatform, stream: EngineStream) -> std::io::Result<()> {
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

fn busy_run(seed: u64, one_in: u64, program: impl Fn(&mut EngineWorld)) -> EngineRecorder {
    let settings = EngineSettings {
        common: Settings { keep_trace: true, ..Settings::default() },
        spurious_one_in: one_in,
        ..EngineSettings::default()
    };
    let mut world = EngineWorld::new(seed, settings);
    for host in 0..HOSTS {
        world.host(&format!("n{host}"), node);
    }
    program(&mut world);
    strike(&mut world);
    world.recorder()
}

fn hash(seed: u64) -> u64 {
    busy_run(seed, 0, |_| {}).hash()
}

#[test]
fn same_seed_twice_is_the_same_run_to_the_last_event() {
    let (a, b) = (busy_run(1, 0, |_| {}), busy_run(1, 0, |_| {}));
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

#[test]
fn spurious_waits_and_short_reads_change_the_run_and_not_its_determinism() {
    for one_in in [2, 8, 64] {
        let (a, b) = (busy_run(3, one_in, |_| {}), busy_run(3, one_in, |_| {}));
        assert_eq!(a.hash(), b.hash());
        assert_ne!(a.hash(), hash(3));
    }
}

const CHILD: &str = "SIM_TEST_ENGINE_CHILD";

#[test]
fn another_process_makes_the_same_run() {
    let own = format!("hash {:016x} {:016x}", hash(20), hash(21));
    if std::env::var_os(CHILD).is_some() {
        println!("{own}");
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "determinism::another_process_makes_the_same_run", "--nocapture"])
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
        let planted = |world: &mut EngineWorld| {
            world.host("planted", |platform| async move {
                let map: HashMap<u32, u32> = (0..20).map(|n| (n, n)).collect();
                platform.sleep_ms(500).await;
                for key in map.keys() {
                    platform.record(3, &key.to_le_bytes());
                }
            });
        };
        busy_run(1, 0, planted)
    };
    let first = with_hash_map(0);
    let differs = (1..5).map(with_hash_map).find(|other| other.hash() != first.hash());
    let other = differs.expect("twenty keys come in the same order with one chance in 20!");
    let (all_a, all_b) = (first.all().unwrap(), other.all().unwrap());
    let (_, a, _) = first_difference(&all_a, &all_b).unwrap();
    assert_eq!(a.unwrap().kind, sim::trace::Kind::Own(3), "the first difference is the mistake");
}
