//! Several hosts, and what a world does to their programs.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use squall_runtime::io::{AsyncReadExt, AsyncWriteExt};
use squall_runtime::net::{TcpListener, TcpStream};
use squall_runtime::time::{Instant, MissedTickBehavior, SystemTime, interval, sleep, timeout};
use squall_runtime::{random, signal, spawn, task};

use sim::World as _;

use super::world;

async fn echo() {
    let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        spawn(async move {
            let (mut read, mut write) = stream.split();
            let _ = squall_runtime::io::copy(&mut read, &mut write).await;
        });
    }
}

#[test]
fn names_of_hosts_are_resolved_and_cuts_are_felt() {
    let mut world = world(3);
    let answers = Arc::new(AtomicU32::new(0));
    let server = world.host("server", |_| echo());
    let seen = Arc::clone(&answers);
    let client = world.host("client", move |_| {
        let seen = Arc::clone(&seen);
        async move {
            loop {
                let asked = timeout(Duration::from_millis(200), async {
                    let mut stream = TcpStream::connect("server:7").await?;
                    stream.write_all(b"x").await?;
                    stream.read_u8().await
                });
                if asked.await.is_ok_and(|answer| answer.is_ok()) {
                    seen.fetch_add(1, Ordering::Relaxed);
                }
                sleep(Duration::from_millis(100)).await;
            }
        }
    });
    world.run_until_ms(1_000).unwrap();
    let before = answers.load(Ordering::Relaxed);
    assert!(before > 5);
    world.partition(&[server], &[client]);
    world.run_until_ms(1_100).unwrap();
    let cut = answers.load(Ordering::Relaxed);
    world.run_until_ms(3_000).unwrap();
    assert_eq!(answers.load(Ordering::Relaxed), cut);
    world.heal(&[server], &[client]);
    world.crash(server).unwrap();
    world.restart(server).unwrap();
    world.run_until_ms(4_000).unwrap();
    assert!(answers.load(Ordering::Relaxed) > cut + 3);
}

#[test]
fn several_tasks_accept_from_one_listener() {
    let mut world = world(4);
    let served = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&served);
    world.host("server", move |_| {
        let seen = Arc::clone(&seen);
        async move {
            let listener = Arc::new(TcpListener::bind("0.0.0.0:7").await.unwrap());
            for number in 0..3 {
                let (listener, seen) = (Arc::clone(&listener), Arc::clone(&seen));
                spawn(async move {
                    let stream = listener.accept().await.unwrap();
                    seen.lock().unwrap().push(number);
                    // Each keeps its connection and accepts no other.
                    std::future::pending::<()>().await;
                    drop(stream);
                });
            }
            std::future::pending::<()>().await;
        }
    });
    world.host("client", |_| async {
        let mut streams = Vec::new();
        for _ in 0..3 {
            streams.push(TcpStream::connect("server:7").await.unwrap());
        }
        std::future::pending::<()>().await;
    });
    world.run_until_ms(1_000).unwrap();
    let mut served = served.lock().unwrap().clone();
    served.sort_unstable();
    assert_eq!(served, [0, 1, 2]);
}

#[test]
fn panic_of_a_task_fails_the_run() {
    let mut world = world(1);
    world.host("host", |_| async {
        let _ = spawn(async { panic!("a task panicked") }).await;
        unreachable!("nobody goes on after that");
    });
    let failure = world.run_until_ms(10).unwrap_err();
    assert!(failure.message.contains("a task panicked"), "{failure}");
}

#[test]
fn what_cannot_be_simulated_says_what_to_use() {
    let mut world = world(1);
    world.host("host", |_| async { drop(task::spawn_blocking(|| 5)) });
    let failure = world.run_until_ms(10).unwrap_err();
    assert!(failure.message.contains("squall_runtime::fs"), "{failure}");

    let mut world = super::world(1);
    world.host("host", |_| tokio::time::sleep(Duration::from_millis(1)));
    let failure = world.run_until_ms(10).unwrap_err();
    assert!(failure.message.contains("no reactor running"), "{failure}");
}

#[test]
fn world_of_turmoil_is_refused() {
    let mut world = sim::turmoil::TurmoilWorld::build(1, sim::Settings::default());
    world.host("host", |_| async { sleep(Duration::from_millis(1)).await });
    let failure = world.run_until_ms(10).unwrap_err();
    assert!(failure.message.contains("runs on the engine only"), "{failure}");
}

#[test]
fn host_is_asked_to_stop_once_in_a_life() {
    let mut world = world(1);
    let stops = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&stops);
    let host = world.host("host", move |_| {
        let log = Arc::clone(&log);
        async move {
            let mut terminate =
                signal::unix::signal(signal::unix::SignalKind::terminate()).unwrap();
            let mut hangup = signal::unix::signal(signal::unix::SignalKind::hangup()).unwrap();
            let hangups = Arc::clone(&log);
            spawn(async move {
                hangup.recv().await;
                hangups.lock().unwrap().push("hangup");
            });
            signal::ctrl_c().await.unwrap();
            log.lock().unwrap().push("interrupt");
            terminate.recv().await.unwrap();
            log.lock().unwrap().push("terminate");
            terminate.recv().await.unwrap();
            log.lock().unwrap().push("again");
        }
    });
    world.run_until_ms(10).unwrap();
    assert!(stops.lock().unwrap().is_empty());
    world.ask_to_stop(host);
    world.run_until_ms(20).unwrap();
    assert_eq!(*stops.lock().unwrap(), ["interrupt", "terminate"]);
    world.crash(host).unwrap();
    world.restart(host).unwrap();
    world.run_until_ms(30).unwrap();
    assert_eq!(stops.lock().unwrap().len(), 2, "a restart forgets it");
}

#[test]
fn clocks_are_the_hosts() {
    let mut world = world(1);
    let readings = Arc::new(Mutex::new(Vec::new()));
    let mut hosts = Vec::new();
    for name in ["right", "fast"] {
        let readings = Arc::clone(&readings);
        hosts.push(world.host(name, move |_| {
            let readings = Arc::clone(&readings);
            async move {
                let (start, day) = (Instant::now(), SystemTime::now());
                sleep(Duration::from_millis(1_000)).await;
                let day = SystemTime::now().duration_since(day).unwrap();
                readings.lock().unwrap().push((name, start.elapsed(), day.as_millis()));
            }
        }));
    }
    world.drift_clock(hosts[1], sim::clock::Clock::Monotonic, 1_000_000);
    world.run_until_ms(2_000).unwrap();
    let second = Duration::from_millis(1_000);
    let expected = [("fast", second, 500), ("right", second, 1_000)];
    assert_eq!(*readings.lock().unwrap(), expected);
}

#[test]
fn missed_ticks_are_made_up_for_as_asked() {
    let mut world = world(1);
    let ticks = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&ticks);
    world.host("host", move |_| {
        let log = Arc::clone(&log);
        async move {
            for behaviour in
                [MissedTickBehavior::Burst, MissedTickBehavior::Skip, MissedTickBehavior::Delay]
            {
                let mut ticks = interval(Duration::from_millis(20));
                ticks.set_missed_tick_behavior(behaviour);
                let first = ticks.tick().await;
                sleep(Duration::from_millis(50)).await;
                let mut seen = Vec::new();
                for _ in 0..4 {
                    seen.push((ticks.tick().await - first).as_millis());
                }
                log.lock().unwrap().push(seen);
            }
        }
    });
    world.run_until_ms(1_000).unwrap();
    let expected = [[20, 40, 60, 80], [20, 60, 80, 100], [20, 70, 90, 110]];
    assert_eq!(*ticks.lock().unwrap(), expected);
}

#[test]
fn random_sources_are_anothers_on_each_host_and_after_each_restart() {
    let mut world = world(1);
    let drawn = Arc::new(Mutex::new(Vec::new()));
    let mut last = None;
    for name in ["a", "b"] {
        let drawn = Arc::clone(&drawn);
        last = Some(world.host(name, move |_| {
            let drawn = Arc::clone(&drawn);
            async move { drawn.lock().unwrap().push(random("test").bits()) }
        }));
    }
    world.run_until_ms(1).unwrap();
    world.crash(last.unwrap()).unwrap();
    world.restart(last.unwrap()).unwrap();
    world.run_until_ms(2).unwrap();
    let drawn = drawn.lock().unwrap().clone();
    assert_eq!(drawn.len(), 3);
    assert_eq!(drawn.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
}

#[test]
fn tasks_may_be_spawned_by_destructors() {
    struct SpawnsWhenDropped;
    impl Drop for SpawnsWhenDropped {
        fn drop(&mut self) {
            drop(spawn(async {}));
        }
    }
    let mut world = world(1);
    let host = world.host("host", |_| async {
        drop(SpawnsWhenDropped);
        let _kept = SpawnsWhenDropped;
        std::future::pending::<()>().await;
    });
    world.run_until_ms(10).unwrap();
    world.crash(host).unwrap();
    assert_eq!(world.census().tasks, 0);
}
