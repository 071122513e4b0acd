//! Foreign code's clocks, hash orders and entropy are functions of the seed inside a run, and real
//! everywhere else.

#![allow(clippy::unwrap_used, reason = "these are tests")]
#![expect(clippy::disallowed_methods, reason = "what foreign code does is what is tested")]

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use platform::Platform;
use sim::World as _;
use sim::engine::{EngineSettings, EngineWorld};
use squall_intercept::{UPTIME_S, in_fresh_thread};

/// What a dependency may do on any machine.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    order: Vec<u32>,
    set_order: Vec<u32>,
    entropy: [u8; 16],
    wall: Duration,
    since: Duration,
}

fn look(earlier: Instant) -> Seen {
    let map: HashMap<u32, ()> = (0..50).map(|n| (n, ())).collect();
    let set: HashSet<u32> = (0..50).collect();
    let mut entropy = [0; 16];
    getrandom::fill(&mut entropy).unwrap();
    Seen {
        order: map.keys().copied().collect(),
        set_order: set.iter().copied().collect(),
        entropy,
        wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap(),
        since: earlier.elapsed(),
    }
}

/// What two hosts see, at the start and a simulated hour later.
fn world(seed: u64) -> Vec<Seen> {
    let mut world = EngineWorld::new(seed, EngineSettings::default());
    let seen = Arc::new(Mutex::new(Vec::new()));
    for name in ["a", "b"] {
        let seen = Arc::clone(&seen);
        world.host(name, move |platform| {
            let seen = Arc::clone(&seen);
            async move {
                let start = Instant::now();
                seen.lock().unwrap().push(look(start));
                platform.sleep_ms(3_600_000).await;
                seen.lock().unwrap().push(look(start));
            }
        });
    }
    world.run_until_ms(4_000_000).unwrap();
    let seen = seen.lock().unwrap();
    seen.clone()
}

fn in_a_run(seed: u64) -> Vec<Seen> {
    in_fresh_thread(seed, || world(seed))
}

#[test]
fn foreign_code_is_a_function_of_the_seed() {
    let first = in_a_run(7);
    assert_eq!(first.len(), 4);
    assert_eq!(first, in_a_run(7));
    let other = in_a_run(8);
    for (a, b) in first.iter().zip(&other) {
        assert!(a.order != b.order && a.set_order != b.set_order && a.entropy != b.entropy);
        assert_eq!(a.wall, b.wall, "clocks are right in both");
    }
    let entropy: HashSet<_> = first.iter().map(|seen| seen.entropy).collect();
    assert_eq!(entropy.len(), 4, "each host has its own, and never the same again");
}

#[test]
fn clocks_are_the_hosts() {
    let hour = Duration::from_secs(3_600);
    let epoch = Duration::from_millis(sim::world::Settings::default().epoch_ms);
    for seen in &in_a_run(3)[..2] {
        assert_eq!((seen.wall, seen.since), (epoch, Duration::ZERO));
    }
    for seen in &in_a_run(3)[2..] {
        assert_eq!((seen.wall, seen.since), (epoch + hour, hour));
    }
    let in_a_host = in_fresh_thread(1, || {
        let mut world = EngineWorld::new(1, EngineSettings::default());
        let clocks = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&clocks);
        world.host("a", move |_| {
            let seen = Arc::clone(&seen);
            async move {
                let before = Instant::now() - Duration::from_secs(UPTIME_S);
                assert_eq!(before.elapsed(), Duration::from_secs(UPTIME_S));
                // C code asks otherwise.
                let mut now = libc::timeval { tv_sec: 0, tv_usec: 0 };
                let mut word = 0u64;
                #[expect(unsafe_code, reason = "C code is what is tested")]
                // SAFETY: the pointers are to live variables of the right sizes.
                unsafe {
                    libc::gettimeofday(&raw mut now, std::ptr::null_mut());
                    libc::getentropy((&raw mut word).cast(), 8);
                    seen.lock().unwrap().push(libc::time(std::ptr::null_mut()));
                }
                seen.lock().unwrap().push(now.tv_sec);
                seen.lock().unwrap().push((word >> 1) as i64);
            }
        });
        world.run_until_ms(1).unwrap();
        let clocks = clocks.lock().unwrap();
        clocks.clone()
    });
    let epoch_s = epoch.as_secs() as i64;
    assert_eq!(in_a_host[..2], [epoch_s, epoch_s]);
    assert_ne!(in_a_host[2], 0);
}

#[test]
fn outside_everything_is_real() {
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(5));
    let (first, second) = (look(start), look(start));
    assert!(first.since >= Duration::from_millis(5) && first.since < Duration::from_secs(60));
    assert_ne!(first.entropy, second.entropy);
    let recent = Duration::from_secs(1_750_000_000);
    assert!(first.wall > recent, "this is not the world's epoch");
    // On the thread of a run, but in no host, clocks are real: the harness measures by them.
    let passed = in_fresh_thread(1, || {
        let start = Instant::now();
        std::thread::sleep(Duration::from_millis(5));
        start.elapsed()
    });
    assert!(passed >= Duration::from_millis(5) && passed < Duration::from_secs(60));
    // A world on another thread has nothing of it.
    assert_ne!(world(7)[0].entropy, world(7)[0].entropy);
}

#[test]
fn threads_do_not_disturb_each_other() {
    let alone: Vec<_> = (0..4).map(in_a_run).collect();
    let together = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4).map(|seed| scope.spawn(move || in_a_run(seed))).collect();
        // A thread of no run among them.
        let real = scope.spawn(|| look(Instant::now()).entropy);
        let runs: Vec<_> = runs.into_iter().map(|run| run.join().unwrap()).collect();
        assert_ne!(real.join().unwrap(), [0; 16]);
        runs
    });
    assert_eq!(alone, together);
}
