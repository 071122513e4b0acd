//! Every fault of the world has its effect, and only while it lasts.

use platform::{File, Files, Platform};
use sim::clock::Clock;
use sim::disk::{DiskFault, EIO, ENOSPC, Errno, OpKind};
use sim::{HostId, World};

use crate::programs::{Log, echo_world, errno, world};

const SERVER: HostId = HostId(0);
const CLIENT: HostId = HostId(1);

type Change<W> = fn(&mut W);

/// The answers that the pinger got before, during and after a fault from 100 ms to 600 ms.
fn pongs_around<W: World>(begin: Change<W>, end: Change<W>) -> [usize; 3] {
    let (mut world, log) = echo_world::<W>(5);
    world.run_until_ms(100).unwrap();
    begin(&mut world);
    world.run_until_ms(600).unwrap();
    end(&mut world);
    world.run_until_ms(1_600).unwrap();
    [(0, 100), (106, 600), (600, 1_600)].map(|(from, to)| log.count_between("pong", from, to))
}

fn faults_that_cut_links_or_stop_hosts_stop_all_answers_until_they_end<W: World>() {
    let cuts: [(Change<W>, Change<W>); 4] = [
        (|w| w.partition(&[SERVER], &[CLIENT]), |w| w.heal(&[SERVER], &[CLIENT])),
        (|w| w.one_way(&[SERVER], &[CLIENT]), |w| w.heal_one_way(&[SERVER], &[CLIENT])),
        (|w| w.one_way(&[CLIENT], &[SERVER]), |w| w.heal_one_way(&[CLIENT], &[SERVER])),
        (|w| w.pause(SERVER), |w| w.resume(SERVER)),
    ];
    for (number, (begin, end)) in cuts.into_iter().enumerate() {
        let [before, during, after] = pongs_around(begin, end);
        assert!(before >= 8, "{number}: {before}");
        assert_eq!(during, 0, "{number}");
        assert!(after >= 140, "{number}: {after}, with those held up");
    }
}

fn faults_that_do_not_concern_a_link_leave_it_alone<W: World>() {
    let stall = |world: &mut W| {
        world.add_disk_fault(SERVER, DiskFault::Stall);
    };
    let harmless: [Change<W>; 5] = [
        |w| w.shift_clock(SERVER, 60_000),
        |w| w.drift_clock(SERVER, Clock::Monotonic, 200_000),
        |w| w.partition(&[SERVER], &[SERVER]),
        |w| w.reset_connections(&[SERVER], &[CLIENT], 0.0, 1),
        stall,
    ];
    for (number, begin) in harmless.into_iter().enumerate() {
        let [_, during, _] = pongs_around(begin, |_| {});
        assert!(during >= 45, "{number}: {during}");
    }
}

fn slow_link_doubles_back_to_normal<W: World>() {
    let [before, during, after] = pongs_around::<W>(
        |w| w.slow_link(SERVER, CLIENT, 300),
        |w| w.slow_link(CLIENT, SERVER, -300),
    );
    assert!(before >= 8 && during <= 5, "{before} {during}");
    assert!(after >= 90, "{after}");
}

fn resets_strike_the_share_of_connections_that_was_asked_for<W: World>() {
    let reset = |probability: f64| {
        let connected = (0..100).filter(|seed| {
            let (mut world, log) = echo_world::<W>(*seed);
            world.run_until_ms(100).unwrap();
            world.reset_connections(&[SERVER], &[CLIENT], probability, 9);
            world.run_until_ms(200).unwrap();
            assert_eq!(log.at("read errno 104").is_some(), world.connection_ends() == 0);
            world.connection_ends() == 2
        });
        100 - connected.count()
    };
    assert_eq!((reset(0.0), reset(1.0)), (0, 100));
    let half = reset(0.5);
    assert!((35..65).contains(&half), "{half}");
}

fn crash_and_power_loss_differ_in_what_the_peer_learns<W: World>() {
    for is_power_loss in [false, true] {
        let (mut world, log) = echo_world::<W>(5);
        world.run_until_ms(100).unwrap();
        match is_power_loss {
            true => world.power_loss(SERVER).unwrap(),
            false => world.crash(SERVER).unwrap(),
        }
        assert!(!world.is_running(SERVER));
        world.run_until_ms(600).unwrap();
        world.restart(SERVER).unwrap();
        assert!(world.is_running(SERVER));
        world.run_until_ms(2_000).unwrap();
        let learnt_ms = log.all().into_iter().find(|(_, text)| text.contains("read")).unwrap().0;
        assert_eq!(learnt_ms > 600, is_power_loss, "{learnt_ms}");
    }
}

/// Runs a writer that opens its file anew for each record, under a fault from 100 ms to 200 ms, and
/// says what came of each.
fn writes_around<W: World>(fault: DiskFault) -> Vec<(u64, String)> {
    let mut world: W = world(5);
    let log = Log::default();
    let own = log.clone();
    world.host("server", move |platform| {
        let log = own.clone();
        async move {
            let files = platform.files();
            drop(files.create("f").await.unwrap());
            loop {
                let mut file = files.open_append("f").await.unwrap();
                file.append(vec![1; 10]);
                let written = file.sync().await;
                let dir = files.sync_dir("").await;
                log.add(&platform, errno(written.and(dir)));
                platform.sleep_ms(5).await;
            }
        }
    });
    world.run_until_ms(100).unwrap();
    let id = world.add_disk_fault(SERVER, fault);
    world.run_until_ms(200).unwrap();
    world.remove_disk_fault(SERVER, id);
    world.run_until_ms(300).unwrap();
    log.all()
}

fn fail(kind: OpKind, errno: Errno, nth: Option<u64>) -> DiskFault {
    DiskFault::Error { kinds: vec![kind], errno, nth }
}

fn disk_faults_fail_what_they_name_while_they_last<W: World>() {
    for (fault, expected, times) in [
        (fail(OpKind::Write, EIO, None), "errno Some(5)", 8..30),
        (fail(OpKind::SyncDir, EIO, Some(2)), "errno Some(5)", 1..2),
        (fail(OpKind::Sync, EIO, Some(1)), "errno Some(5)", 1..2),
        (fail(OpKind::Write, ENOSPC, None), "errno Some(28)", 8..30),
        (fail(OpKind::Rename, ENOSPC, None), "errno Some(28)", 0..1),
    ] {
        let writes = writes_around::<W>(fault.clone());
        let failed: Vec<u64> =
            writes.iter().filter(|(_, what)| what == expected).map(|(at, _)| *at).collect();
        assert!(times.contains(&failed.len()), "{fault:?}: {failed:?}");
        assert!(failed.iter().all(|at| (100..205).contains(at)), "{fault:?}: {failed:?}");
        let fine = writes.iter().filter(|(at, what)| *at > 205 && what == "ok").count();
        assert!(fine > 8, "{fault:?}: {fine}");
    }
}

fn slow_and_stalled_disks_hold_up_writes_while_they_last<W: World>() {
    for (fault, most) in [(DiskFault::Stall, 1), (DiskFault::Slow { factor: 60 }, 2)] {
        let writes = writes_around::<W>(fault.clone());
        let during = writes.iter().filter(|(at, _)| (100..200).contains(at)).count();
        let after = writes.iter().filter(|(at, _)| *at >= 200).count();
        assert!(during <= most && after > 5, "{fault:?}: {during} {after}");
    }
}

in_every_world! {
    faults_that_cut_links_or_stop_hosts_stop_all_answers_until_they_end,
    faults_that_do_not_concern_a_link_leave_it_alone,
    slow_link_doubles_back_to_normal,
    resets_strike_the_share_of_connections_that_was_asked_for,
    crash_and_power_loss_differ_in_what_the_peer_learns,
    disk_faults_fail_what_they_name_while_they_last,
    slow_and_stalled_disks_hold_up_writes_while_they_last,
}
