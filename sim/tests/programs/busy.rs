//! A program that does all that a program can do, and faults that strike it.

use platform::{File, Files, Listener, Stream};
use sim::clock::Clock;
use sim::disk::DiskFault;
use sim::trace::Event;
use sim::{Capability, Host, HostId, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::PORT;

/// How many hosts run it.
pub const HOSTS: usize = 4;

/// What a run has left.
pub struct Run {
    pub hash: u64,
    pub events: Vec<Event>,
}

/// Lets every host of a world run it, and `program` besides.
pub fn run<W: World>(mut world: W, is_biased: bool, program: impl Fn(&mut W)) -> Run {
    for host in 0..HOSTS {
        world.host(&format!("n{host}"), move |platform| node(platform, is_biased));
    }
    program(&mut world);
    strike(&mut world);
    Run { hash: world.trace_hash(), events: world.trace_events() }
}

/// Faults of most kinds, all over within six seconds.
fn strike<W: World>(world: &mut W) {
    let [n0, n1, n2, n3] = [0, 1, 2, 3].map(HostId);
    let until = |world: &mut W, at_ms| world.run_until_ms(at_ms).unwrap();
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
    world.drift_clock(n1, Clock::Both, -400_000);
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
    if W::has(Capability::NarrowLinks) {
        world.narrow_link(n0, n2, 2_000);
    }
    until(world, 3_900);
    world.slow_link(n0, n1, -30);
    if W::has(Capability::NarrowLinks) {
        world.end_narrow_link(n0, n2, 2_000);
    }
    for (turn, host) in [n0, n1, n2, n3].into_iter().enumerate() {
        until(world, 4_000 + turn as u64 * 300);
        world.crash(host).unwrap();
        until(world, 4_100 + turn as u64 * 300);
        world.restart(host).unwrap();
    }
    world.end_clock_drift(n1, Clock::Both, -400_000, 1_800_000_000);
    world.shift_clock(n2, -5_000);
    for turn in 0..10 {
        until(world, 5_200 + turn * 70);
        world.shift_clock(n1, if turn % 2 == 0 { -700 } else { 700 });
    }
    until(world, 6_000);
}

/// Talks to every other host, writes what it hears to a file, and draws from all that is random;
/// unless it `is_biased`, from tokio's own generator, too.
async fn node(platform: impl Host, is_biased: bool) {
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
        let slept = platform.sleep_ms(1);
        if is_biased {
            tokio::select! {
                biased;
                synced = file.sync() => synced.unwrap(),
                () = slept => platform.record(2, b""),
            }
        } else {
            // Either branch may be ready: tokio then draws from its own generator.
            tokio::select! {
                synced = file.sync() => synced.unwrap(),
                () = slept => platform.record(2, b""),
            }
        }
    }
}

async fn talker(platform: impl Host, peer: usize) {
    let peer = format!("n{peer}");
    loop {
        let connecting = platform.connect(&peer, PORT);
        if let Ok(Ok(stream)) = platform.timeout(300, connecting).await {
            let _ = talk(&platform, stream).await;
        }
        platform.sleep_ms(50).await;
    }
}

async fn talk(platform: &impl Host, stream: impl Stream) -> std::io::Result<()> {
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
