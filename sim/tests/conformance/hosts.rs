//! A host's files, clocks, alarms, entropy and tasks, and what kills and faults do to them.

use std::collections::BTreeSet;

use crate::programs::{Log, errno, world};
use platform::{Elapsed, File, Files, Mono, Platform, Task, Timer};
use sim::disk::{DiskFault, EIO, ENOSPC, OpKind};
use sim::{Capability, Host, HostId, World};

const HOST: HostId = HostId(0);

/// Appends a numbered record every 10 ms and syncs it; logs `synced` or the error.
async fn writer(platform: impl Host, log: Log) {
    let files = platform.files();
    let mut file = match files.open_append("data/log").await {
        Ok(file) => file,
        Err(_) => {
            files.create_dir_all("data").await.unwrap();
            let file = files.create("data/log").await.unwrap();
            files.sync_dir("data").await.unwrap();
            files.sync_dir("").await.unwrap();
            file
        }
    };
    loop {
        file.append(vec![b'r'; 200]);
        match file.sync().await {
            Ok(()) => log.add(&platform, "synced"),
            Err(error) => log.add(&platform, errno::<()>(Err(error))),
        }
        platform.sleep_ms(10).await;
    }
}

fn writer_world<W: World>(seed: u64) -> (W, Log) {
    let mut world: W = world(seed);
    let log = Log::default();
    let own = log.clone();
    world.host("writer", move |platform| writer(platform, own.clone()));
    (world, log)
}

fn fail(kinds: &[OpKind], errno: sim::disk::Errno, nth: Option<u64>) -> DiskFault {
    DiskFault::Error { kinds: kinds.to_vec(), errno, nth }
}

fn healthy_disk_syncs_within_milliseconds<W: World>() {
    let (mut world, log) = writer_world::<W>(1);
    world.run_until_ms(1_000).unwrap();
    let synced = log.count_between("synced", 0, 1_000);
    assert!((80..=95).contains(&synced), "{synced}");
}

fn what_was_synced_survives_every_kill_and_power_loss<W: World>() {
    for seed in 0..20 {
        let (mut world, log) = writer_world::<W>(seed);
        for round in 0..10 {
            world.run_for_ms(37 + seed).unwrap();
            let synced = log.texts().iter().filter(|text| *text == "synced").count();
            match round % 2 {
                0 => world.power_loss(HOST).unwrap(),
                _ => world.crash(HOST).unwrap(),
            }
            world.with_disk(HOST, |disk| {
                let content = disk.peek("data/log").unwrap_or_default();
                let written = content.iter().filter(|&&byte| byte == b'r').count();
                assert!(written >= 200 * synced, "seed {seed} round {round}");
                // Where power goes in the midst of a millisecond, what it has left of a record that
                // was not synced may lie between others.
                let first = content.iter().take(200 * synced);
                let is_whole = first.clone().all(|&byte| byte == b'r');
                assert!(is_whole || W::has(Capability::ExactTime), "seed {seed} round {round}");
            });
            world.restart(HOST).unwrap();
        }
        assert!(!log.texts().iter().any(|text| text.starts_with("errno")));
    }
}

fn kill_keeps_what_was_flushed_and_loses_what_was_queued<W: World>() {
    let mut world: W = world(1);
    world.host("host", |platform| async move {
        let mut file = platform.files().create("f").await.unwrap();
        file.append(b"flushed".to_vec());
        file.flush().await.unwrap();
        file.append(b"queued".to_vec());
        std::future::pending::<()>().await;
        drop(file);
    });
    world.run_until_ms(10).unwrap();
    world.crash(HOST).unwrap();
    world.with_disk(HOST, |disk| assert_eq!(disk.peek("f"), Some(&b"flushed"[..])));
}

fn power_loss_may_keep_or_lose_what_was_only_flushed<W: World>() {
    let outcomes: BTreeSet<Option<usize>> = (0..300)
        .map(|seed| {
            let mut world: W = world(seed);
            world.host("host", |platform| async move {
                let mut file = platform.files().create("f").await.unwrap();
                platform.files().sync_dir("").await.unwrap();
                file.append(vec![1; 600]);
                file.flush().await.unwrap();
                std::future::pending::<()>().await;
            });
            world.run_until_ms(10).unwrap();
            world.power_loss(HOST).unwrap();
            world.with_disk(HOST, |disk| {
                disk.peek("f").map(|content| content.iter().filter(|&&byte| byte == 1).count())
            })
        })
        .collect();
    // All, nothing, one of the two sectors.
    for expected in [Some(0), Some(600), Some(512), Some(88)] {
        assert!(outcomes.contains(&expected), "{outcomes:?}");
    }
}

fn dropping_a_file_writes_what_it_had_queued_and_a_dropped_sync_is_done<W: World>() {
    let mut world: W = world(1);
    world.host("host", |platform| async move {
        let files = platform.files();
        let mut file = files.create("dropped").await.unwrap();
        file.append(b"bytes".to_vec());
        drop(file);
        let mut file = files.create("synced").await.unwrap();
        files.sync_dir("").await.unwrap();
        file.append(b"bytes".to_vec());
        assert_eq!(platform.timeout(0, file.sync()).await.err(), Some(Elapsed));
        platform.sleep_ms(5).await;
        std::future::pending::<()>().await;
    });
    world.run_until_ms(20).unwrap();
    world.with_disk(HOST, |disk| assert_eq!(disk.peek("dropped"), Some(&b"bytes"[..])));
    world.power_loss(HOST).unwrap();
    world.with_disk(HOST, |disk| assert_eq!(disk.peek("synced"), Some(&b"bytes"[..])));
}

fn files_keep_their_contract<W: World>() {
    let mut world: W = world(1);
    let log = Log::default();
    let own = log.clone();
    world.host("host", move |platform| {
        let log = own.clone();
        async move {
            let files = platform.files();
            files.create_dir_all("/a/b").await.unwrap();
            let mut file = files.create("/a/b/log").await.unwrap();
            file.append(b"hello ".to_vec());
            file.append(b"world".to_vec());
            file.sync().await.unwrap();
            assert_eq!(files.read("a/b/log").await.unwrap(), b"hello world");
            assert_eq!(files.read_at("a/b/log", 6, 3).await.unwrap(), b"wor");
            file.truncate(5);
            file.append(b"!".to_vec());
            file.flush().await.unwrap();
            drop(file);
            let mut again = files.open_append("a/b/log").await.unwrap();
            again.write_at(1, b"ipp".to_vec());
            again.append(b"?".to_vec());
            again.sync().await.unwrap();
            assert_eq!(files.read("a/b/log").await.unwrap(), b"hippo!?");
            files.rename("a/b/log", "a/b/moved").await.unwrap();
            assert_eq!(files.list("a/b").await.unwrap(), ["moved"]);
            assert_eq!(files.list("/").await.unwrap(), ["a"]);
            files.remove("a/b/moved").await.unwrap();
            log.add(&platform, errno(files.read("a/b/moved").await));
            log.add(&platform, errno(files.open_append("none").await));
            log.add(&platform, errno(files.sync_dir("none").await));
        }
    });
    world.run_until_ms(100).unwrap();
    assert_eq!(log.texts(), ["errno Some(2)"; 3]);
}

fn failing_sync_is_told_with_its_errno_and_sticks<W: World>() {
    let (mut world, log) = writer_world::<W>(1);
    world.run_until_ms(100).unwrap();
    world.add_disk_fault(HOST, fail(&[OpKind::Sync], EIO, Some(1)));
    world.run_until_ms(200).unwrap();
    assert_eq!(log.count_between("synced", 113, 200), 0);
    assert!(log.count_between("errno Some(5)", 100, 200) >= 7);
}

fn full_disk_is_told_with_its_errno<W: World>() {
    let (mut world, log) = writer_world::<W>(1);
    world.run_until_ms(100).unwrap();
    let full = world.add_disk_fault(HOST, fail(&[OpKind::Write], ENOSPC, None));
    world.run_until_ms(200).unwrap();
    world.remove_disk_fault(HOST, full);
    assert!(log.count_between("errno Some(28)", 100, 200) >= 7);
    world.crash(HOST).unwrap();
    world.restart(HOST).unwrap();
    world.run_until_ms(300).unwrap();
    assert!(log.count_between("synced", 200, 300) >= 7, "another handle writes again");
}

fn slow_disk_is_slow_and_stalled_disk_answers_after_its_stall<W: World>() {
    let (mut world, log) = writer_world::<W>(1);
    world.run_until_ms(100).unwrap();
    let slow = world.add_disk_fault(HOST, DiskFault::Slow { factor: 90 });
    world.run_until_ms(1_100).unwrap();
    world.remove_disk_fault(HOST, slow);
    let synced = log.count_between("synced", 120, 1_100);
    assert!((5..=16).contains(&synced), "{synced}");
    world.run_until_ms(1_300).unwrap();
    let stall = world.add_disk_fault(HOST, DiskFault::Stall);
    world.run_until_ms(5_000).unwrap();
    assert_eq!(log.count_between("synced", 1_301, 5_000), 0);
    world.remove_disk_fault(HOST, stall);
    world.run_until_ms(5_100).unwrap();
    assert!(log.count_between("synced", 5_000, 5_100) >= 7);
}

fn clocks_start_at_the_epoch_and_only_the_wall_clock_can_be_wrong<W: World>() {
    let mut world: W = world(1);
    let log = Log::default();
    let own = log.clone();
    world.host("host", move |platform| {
        let log = own.clone();
        async move {
            for _ in 0..2 {
                let wall_ms = platform.wall_ns() / 1_000_000 - 1_700_000_000_000;
                log.add(&platform, format!("{wall_ms} {}", platform.now().0 / 1_000_000));
                platform.sleep_ms(100).await;
            }
        }
    });
    world.run_until_ms(50).unwrap();
    world.shift_clock(HOST, 5_000);
    world.run_until_ms(150).unwrap();
    assert_eq!(log.texts(), ["0 0", "5100 100"]);
}

fn alarms_fire_when_they_are_due_and_can_be_moved_and_disarmed<W: World>() {
    let mut world: W = world(1);
    let log = Log::default();
    let own = log.clone();
    world.host("host", move |platform| {
        let log = own.clone();
        async move {
            let mut timer = platform.timer();
            timer.set(Some(Mono(0).after_ms(10_000)));
            timer.set(Some(Mono(0).after_ms(30)));
            timer.fired().await;
            log.add(&platform, "moved");
            assert_eq!(platform.timeout(20, timer.fired()).await, Err(Elapsed));
            timer.set(Some(Mono(1)));
            timer.fired().await;
            log.add(&platform, "past");
            timer.set(Some(Mono(u64::MAX)));
            assert_eq!(platform.timeout(20, timer.fired()).await, Err(Elapsed));
            platform.sleep_until(Mono(100_500_000)).await;
            assert_eq!(platform.now() == Mono(100_500_000), W::has(Capability::ExactTime));
            assert!(platform.now() >= Mono(100_500_000));
            log.add(&platform, "in between");
        }
    });
    world.run_until_ms(200).unwrap();
    // Otherwise in whole milliseconds, rounded up.
    let in_between_ms = if W::has(Capability::ExactTime) { 100 } else { 101 };
    let expected = [(30, "moved"), (50, "past"), (in_between_ms, "in between")];
    assert_eq!(log.all(), expected.map(|(at, what)| (at, what.to_owned())));
}

fn entropy_differs_by_host_and_life_and_not_by_run<W: World>() {
    let drawn = |seed| {
        let mut world: W = world(seed);
        let log = Log::default();
        for name in ["a", "b"] {
            let own = log.clone();
            world.host(name, move |platform| {
                let log = own.clone();
                async move {
                    let mut bytes = [0; 16];
                    platform.fill(&mut bytes);
                    log.add(&platform, format!("{bytes:?}"));
                }
            });
        }
        world.run_until_ms(5).unwrap();
        world.crash(HOST).unwrap();
        world.restart(HOST).unwrap();
        world.run_until_ms(10).unwrap();
        log.texts()
    };
    let texts = drawn(1);
    assert_eq!(texts.iter().collect::<BTreeSet<_>>().len(), 3, "{texts:?}");
    assert_eq!(texts, drawn(1));
    assert_ne!(texts, drawn(2));
}

fn tasks_outlive_their_spawner_end_when_aborted_and_die_with_their_host<W: World>() {
    let mut world: W = world(1);
    let log = Log::default();
    let own = log.clone();
    world.host("host", move |platform| {
        let log = own.clone();
        async move {
            let ticker = |what: &'static str| {
                let (own, log) = (platform.clone(), log.clone());
                platform.spawn(async move {
                    loop {
                        own.sleep_ms(10).await;
                        log.add(&own, what);
                    }
                })
            };
            ticker("aborted").abort();
            drop(ticker("detached"));
        }
    });
    world.run_until_ms(100).unwrap();
    assert_eq!(log.count_between("aborted", 0, 100), 0);
    assert!(log.count_between("detached", 0, 100) >= 8);
    world.crash(HOST).unwrap();
    world.run_until_ms(200).unwrap();
    assert_eq!(log.count_between("detached", 100, 200), 0);
    world.restart(HOST).unwrap();
    world.restart(HOST).unwrap();
    world.run_until_ms(300).unwrap();
    let ticks = log.count_between("detached", 200, 300);
    assert!((8..=10).contains(&ticks), "one program, not two: {ticks}");
}

fn panic_in_a_task_ends_the_run_and_says_where<W: World>() {
    let mut world: W = world(1);
    world.host("calm", |_| async {});
    world.host("broken", |platform| async move {
        let own = platform.clone();
        platform.spawn(async move {
            own.sleep_ms(25).await;
            assert_eq!(1 + 1, 3, "arithmetic");
        });
    });
    let error = world.run_until_ms(1_000).unwrap_err();
    assert_eq!((error.host, error.host_name.as_deref()), (Some(HostId(1)), Some("broken")));
    assert_eq!(error.at_ns / 1_000_000, 25);
    assert!(error.at_ns == 25_000_000 || !W::has(Capability::ExactTime));
    assert!(error.message.contains("arithmetic") && error.message.contains("hosts.rs"), "{error}");
    assert_eq!(world.step().unwrap_err(), error);
    // Without exact time the step in which it happens goes to its end.
    assert_eq!(world.elapsed_ms(), if W::has(Capability::ExactTime) { 25 } else { 26 });
}

fn panic_while_a_program_is_built_or_dropped_ends_the_run_too<W: World>() {
    let mut built: W = world(1);
    built.host("host", |_| async { panic!("as it is built") });
    assert!(built.step().unwrap_err().message.contains("as it is built"));

    struct Grenade;
    impl Drop for Grenade {
        fn drop(&mut self) {
            panic!("as it is dropped");
        }
    }
    let mut dropped: W = world(1);
    dropped.host("host", |_| async {
        let _grenade = Grenade;
        std::future::pending::<()>().await;
    });
    dropped.step().unwrap();
    assert!(dropped.crash(HOST).unwrap_err().message.contains("as it is dropped"));
}

in_every_world! {
    healthy_disk_syncs_within_milliseconds,
    what_was_synced_survives_every_kill_and_power_loss,
    kill_keeps_what_was_flushed_and_loses_what_was_queued,
    power_loss_may_keep_or_lose_what_was_only_flushed,
    dropping_a_file_writes_what_it_had_queued_and_a_dropped_sync_is_done,
    files_keep_their_contract,
    failing_sync_is_told_with_its_errno_and_sticks,
    full_disk_is_told_with_its_errno,
    slow_disk_is_slow_and_stalled_disk_answers_after_its_stall,
    clocks_start_at_the_epoch_and_only_the_wall_clock_can_be_wrong,
    alarms_fire_when_they_are_due_and_can_be_moved_and_disarmed,
    entropy_differs_by_host_and_life_and_not_by_run,
    tasks_outlive_their_spawner_end_when_aborted_and_die_with_their_host,
    panic_in_a_task_ends_the_run_and_says_where,
    panic_while_a_program_is_built_or_dropped_ends_the_run_too,
}
