//! Every kind of fault of a schedule has its effect, and only while it lasts.

use crate::programs::{Log, echo_world, errno, world};
use platform::{File, Files, Mono, Platform};
use sim::fault::{Applied, Casting, Schedule, Standing};
use sim::{HostId, RunPanic, World};

const SERVER: HostId = HostId(0);
const CLIENT: HostId = HostId(1);

/// Who plays which role, and for how many milliseconds.
fn cast(roles: &[(&'static str, &[(HostId, u64)])]) -> Standing {
    let casting = |(role, players): &(&'static str, &[(HostId, u64)])| Casting {
        role,
        players: players.to_vec(),
    };
    Standing { castings: roles.iter().map(casting).collect(), ..Standing::default() }
}

/// Runs a world to `end_ms` under the faults of a JSON list; the server leads.
fn run<W: World>(world: &mut W, faults: &str, end_ms: u64) -> Result<Vec<Applied>, RunPanic> {
    let mut schedule = Schedule::new(serde_json::from_str(faults).unwrap());
    let mut applied = Vec::new();
    let mut roles = |world: &W| {
        let leader = Some((SERVER, 0)).filter(|(leader, _)| world.is_running(*leader));
        cast(&[("leader", leader.as_slice()), ("follower", &[(CLIENT, 0)])])
    };
    while world.elapsed_ms() < end_ms {
        applied.extend(schedule.advance(world, &mut roles)?);
        world.run_for_ms(1)?;
    }
    assert_eq!(schedule.next_ns(), None);
    Ok(applied)
}

/// The answers that the pinger got before, during and after a fault from 100 ms to 600 ms.
fn pongs_around<W: World>(fault: &str) -> [usize; 3] {
    let (mut world, log) = echo_world::<W>(5);
    let faults = format!(r#"[{{"at_ms":100,"until_ms":600,{fault}}}]"#);
    let applied = run(&mut world, &faults, 1_000).unwrap();
    let [first, .., last] = &applied[..] else { panic!("{applied:?}") };
    assert_eq!((first.at_ns, last.at_ns), (100_000_000, 600_000_000));
    assert!(first.began && !last.began);
    assert_eq!(first.hosts, last.hosts);
    [(0, 100), (106, 600), (600, 1_000)].map(|(from, to)| log.count_between("pong", from, to))
}

fn faults_that_cut_links_stop_all_answers_until_they_end<W: World>() {
    for fault in [
        r#""kind":"partition","sides":[["server"],["client"]]"#,
        r#""kind":"partition","sides":[["leader"],["follower:7"]]"#,
        r#""kind":"one_way","from":["server"],"to":["client"]"#,
        r#""kind":"one_way","from":["client"],"to":["server"]"#,
        r#""kind":"isolate","who":"leader""#,
        r#""kind":"pause","target":"leader""#,
    ] {
        let [before, during, after] = pongs_around::<W>(fault);
        assert!(before >= 8, "{fault}: {before}");
        assert_eq!(during, 0, "{fault}");
        assert!(after >= 80, "{fault}: {after}, with those held up");
    }
}

fn faults_that_do_not_concern_a_link_leave_it_alone<W: World>() {
    for fault in [
        r#""kind":"clock_offset","target":"server","offset_ms":60000"#,
        r#""kind":"clock_jump","target":"server","by_ms":-9"#,
        r#""kind":"clock_drift","target":"server","ppm":-100000"#,
        r#""kind":"enospc","target":"server""#,
        r#""kind":"slow_disk","target":"server","factor":0"#,
        r#""kind":"partition","sides":[["server"],["server"]]"#,
    ] {
        let [_, during, _] = pongs_around::<W>(fault);
        assert!(during >= 45, "{fault}: {during}");
    }
}

fn a_fault_for_a_host_that_does_not_exist_is_refused<W: World>() {
    for (fault, field) in [
        (r#""kind":"crash","target":"nobody""#, "target"),
        (r#""kind":"partition","sides":[["server"],["nobody"]]"#, "sides"),
    ] {
        let (mut world, _) = echo_world::<W>(5);
        let faults = format!(
            r#"[{{"at_ms":1,"kind":"pause","target":"leader"}},{{"at_ms":100,"until_ms":600,{fault}}}]"#
        );
        let refused = run(&mut world, &faults, 1_000).unwrap_err().message;
        let expected =
            format!("faults[1].{field}: there is no host or role `nobody`, expected one of ");
        assert!(refused.starts_with(&expected), "{refused}");
        assert!(
            ["server", "client", "leader"].iter().all(|name| refused.contains(name)),
            "{refused}"
        );
    }
}

fn reset_on_heal_resets<W: World>() {
    let (mut world, log) = echo_world::<W>(5);
    let fault =
        r#"[{"at_ms":100,"until_ms":600,"kind":"isolate","who":"leader","reset_on_heal":1.0}]"#;
    run(&mut world, fault, 700).unwrap();
    assert_eq!(log.at("read errno 104"), Some(600));
}

fn crash_and_power_loss_take_down_and_start_again<W: World>() {
    for kind in ["crash", "power_loss"] {
        let (mut world, log) = echo_world::<W>(5);
        let fault =
            format!(r#"[{{"at_ms":100,"until_ms":600,"kind":"{kind}","target":"leader"}}]"#);
        let mut schedule = Schedule::new(serde_json::from_str(&fault).unwrap());
        let mut roles = |_: &W| cast(&[("leader", &[(SERVER, 0)])]);
        let mut up = Vec::new();
        for _ in 0..1_000 {
            schedule.advance(&mut world, &mut roles).unwrap();
            world.run_for_ms(1).unwrap();
            up.push(world.is_running(SERVER));
        }
        let down: Vec<usize> = (0..1_000).filter(|&ms| !up[ms]).collect();
        assert_eq!((down.first(), down.last(), down.len()), (Some(&100), Some(&599), 500));
        let learnt_ms = log.all().into_iter().find(|(_, text)| text.contains("read")).unwrap().0;
        assert_eq!(learnt_ms < 600, kind == "crash", "a machine without power says nothing");
    }
}

fn fault_of_a_learner_waits_until_it_has_been_one_for_so_long<W: World>() {
    for (until_ms, struck) in [(900, true), (60, false)] {
        let (mut world, _) = echo_world::<W>(5);
        let fault = format!(
            r#"[{{"at_ms":10,"until_ms":{until_ms},"kind":"crash","target":"learner+30"}}]"#
        );
        let mut schedule = Schedule::new(serde_json::from_str(&fault).unwrap());
        // The server learns from 40 ms on.
        let mut roles = |world: &W| {
            let since_ms = world.elapsed_ms().checked_sub(40);
            let learner = since_ms.map(|ms| (SERVER, ms));
            cast(&[("learner", learner.as_slice())])
        };
        let mut applied = Vec::new();
        while world.elapsed_ms() < 1_000 {
            applied.extend(schedule.advance(&mut world, &mut roles).unwrap());
            world.run_for_ms(1).unwrap();
        }
        let hosts = if struck { vec![SERVER] } else { vec![] };
        let first = (applied[0].at_ns / 1_000_000, applied[0].began, applied[0].hosts.clone());
        assert_eq!(first, (if struck { 70 } else { until_ms }, true, hosts));
        assert_eq!(schedule.next_ns(), None);
    }
}

fn host_held_down_twice_starts_with_the_later_end<W: World>() {
    let (mut world, _) = echo_world::<W>(5);
    let faults = r#"[
        {"at_ms":10,"until_ms":50,"kind":"crash","target":"server"},
        {"at_ms":20,"until_ms":90,"kind":"power_loss","target":"server"}]"#;
    let mut schedule = Schedule::new(serde_json::from_str(faults).unwrap());
    let mut started_ms = None;
    while world.elapsed_ms() < 100 {
        schedule.advance(&mut world, &mut |_| Standing::default()).unwrap();
        world.run_for_ms(1).unwrap();
        if world.elapsed_ms() > 20 && world.is_running(SERVER) {
            started_ms = started_ms.or(Some(world.elapsed_ms()));
        }
    }
    assert_eq!(started_ms, Some(91));
}

fn rolling_restart_takes_one_after_the_other<W: World>() {
    let (mut world, _) = echo_world::<W>(5);
    let fault = r#"[{"at_ms":10,"kind":"restart","targets":["client","server"],
        "down_ms":20,"gap_ms":30}]"#;
    let applied = run(&mut world, fault, 200).unwrap();
    let turns: Vec<_> = applied.iter().map(|a| (a.at_ns / 1_000_000, a.hosts.clone())).collect();
    let expected = [
        (10, vec![]),
        (10, vec![CLIENT]),
        (30, vec![CLIENT]),
        (60, vec![SERVER]),
        (80, vec![SERVER]),
    ];
    assert_eq!(turns, expected);
    assert!(world.is_running(SERVER) && world.is_running(CLIENT));
}

fn slow_link_doubles_back_to_normal<W: World>() {
    let [before, during, after] =
        pongs_around::<W>(r#""kind":"slow_link","from":["server"],"to":["client"],"extra_ms":300"#);
    assert!(before >= 8 && during <= 5, "{before} {during}");
    assert!(after >= 60, "{after}");
}

fn finish_takes_back_what_lasts_and_forgets_what_is_to_come<W: World>() {
    let (mut world, log) = echo_world::<W>(5);
    let faults = r#"[
        {"at_ms":100,"kind":"partition","sides":[["server"],["client"]]},
        {"at_ms":100,"kind":"pause","target":"server"},
        {"at_ms":100,"kind":"crash","target":"client"},
        {"at_ms":900,"kind":"crash","target":"server"}]"#;
    let mut schedule = Schedule::new(serde_json::from_str(faults).unwrap());
    world.run_until_ms(100).unwrap();
    schedule.advance(&mut world, &mut |_| Standing::default()).unwrap();
    world.run_until_ms(400).unwrap();
    assert_eq!(log.count_between("pong", 101, 400), 0);
    assert_eq!(schedule.finish(&mut world).unwrap().len(), 3);
    assert_eq!(schedule.next_ns(), None);
    world.run_until_ms(2_000).unwrap();
    assert!(log.count_between("pong", 400, 2_000) > 100);
}

/// Runs a writer that opens its file anew for each record, and says what came of each.
fn writes_around<W: World>(fault: &str) -> Vec<(u64, String)> {
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
    world.host("client", |_| async {});
    run(&mut world, &format!(r#"[{{"at_ms":100,"until_ms":200,{fault}}}]"#), 300).unwrap();
    log.all()
}

fn disk_faults_fail_what_they_name_while_they_last<W: World>() {
    for (fault, expected, times) in [
        (r#""kind":"eio","target":"server","op":"write""#, "errno Some(5)", 8..30),
        (r#""kind":"eio","target":"server","op":"sync_dir","nth":2"#, "errno Some(5)", 1..2),
        (r#""kind":"fsync_fail","target":"leader""#, "errno Some(5)", 1..2),
        (r#""kind":"enospc","target":"server""#, "errno Some(28)", 8..30),
        (r#""kind":"enospc","target":"client""#, "errno Some(28)", 0..1),
    ] {
        let writes = writes_around::<W>(fault);
        let failed: Vec<u64> =
            writes.iter().filter(|(_, what)| what == expected).map(|(at, _)| *at).collect();
        assert!(times.contains(&failed.len()), "{fault}: {failed:?}");
        assert!(failed.iter().all(|at| (100..205).contains(at)), "{fault}: {failed:?}");
        let fine = writes.iter().filter(|(at, what)| *at > 205 && what == "ok").count();
        assert!(fine > 8, "{fault}: {fine}");
    }
}

fn slow_and_stalled_disks_hold_up_writes_while_they_last<W: World>() {
    for (fault, most) in [(0, 1), (60, 2)] {
        let writes = writes_around::<W>(&format!(
            r#""kind":"slow_disk","target":"server","factor":{fault}"#
        ));
        let during = writes.iter().filter(|(at, _)| (100..200).contains(at)).count();
        let after = writes.iter().filter(|(at, _)| *at >= 200).count();
        assert!(during <= most && after > 5, "{fault}: {during} {after}");
    }
}

/// What a host's clocks show every 100 ms of its own monotonic time, as `wall monotonic` in
/// milliseconds, and at which millisecond of the world.
fn clock_world<W: World>(seed: u64) -> (W, Log) {
    let mut world: W = world(seed);
    let log = Log::default();
    let own = log.clone();
    world.host("server", move |platform| {
        let log = own.clone();
        async move {
            for turn in 0u64.. {
                platform.sleep_until(Mono(0).after_ms(turn * 100)).await;
                let wall_ms = (platform.wall_ns() / 1_000_000) as i64 - 1_700_000_000_000;
                log.add(&platform, format!("{wall_ms} {}", platform.now().0 / 1_000_000));
            }
        }
    });
    world.host("client", |_| std::future::pending());
    (world, log)
}

fn clocks_during<W: World>(fault: &str, end_ms: u64) -> Vec<(u64, String)> {
    let faults = format!(r#"[{{"at_ms":150,"until_ms":650,{fault}}}]"#);
    let seen = |seed| {
        let (mut world, log) = clock_world::<W>(seed);
        run(&mut world, &faults, end_ms).unwrap();
        (log.all(), world.wall_offsets(), world.trace_hash())
    };
    assert_eq!(seen(3), seen(3), "what a host sees of time is a function of the run");
    seen(3).0
}

fn lines(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    expected.iter().map(|(at_ms, text)| (*at_ms, (*text).to_owned())).collect()
}

fn a_fast_clock_hurries_its_alarms_and_only_its_wall_clock_is_set_right<W: World>() {
    // The alarm at 200 ms is armed before the drift and comes 25 ms early.
    let seen = clocks_during::<W>(r#""kind":"clock_drift","target":"server","ppm":1000000"#, 750);
    let fast: Vec<(u64, String)> =
        (0..10).map(|n| (175 + n * 50, format!("{0} {0}", 200 + n * 100))).collect();
    assert_eq!(seen[..2], lines(&[(0, "0 0"), (100, "100 100")]));
    assert_eq!(seen[2..12], fast);
    // At 650 ms the monotonic clock stands at 1150 ms and the wall clock is set to 650 ms.
    assert_eq!(seen[12..], lines(&[(700, "700 1200")]));
}

fn a_slow_monotonic_clock_delays_alarms_and_leaves_the_wall_alone<W: World>() {
    let fault = r#""kind":"clock_drift","target":"server","ppm":-500000,"of":"monotonic""#;
    let expected =
        [(0, "0 0"), (100, "100 100"), (250, "250 200"), (450, "450 300"), (650, "650 400")];
    let after = [(750, "750 500"), (850, "850 600")];
    assert_eq!(clocks_during::<W>(fault, 900), lines(&[&expected[..], &after[..]].concat()));
}

fn a_slow_wall_clock_leaves_alarms_alone<W: World>() {
    let fault = r#""kind":"clock_drift","target":"server","ppm":-500000,"of":"wall""#;
    let expected = [(0, "0 0"), (100, "100 100"), (200, "175 200"), (300, "225 300")];
    let after = [(400, "275 400"), (500, "325 500"), (600, "375 600"), (700, "700 700")];
    assert_eq!(clocks_during::<W>(fault, 750), lines(&[&expected[..], &after[..]].concat()));
}

fn a_wall_clock_jumps_once_or_to_and_fro_and_back_at_the_end<W: World>() {
    let once = r#""kind":"clock_jump","target":"server","by_ms":-60"#;
    let expected = [(0, "0 0"), (100, "100 100"), (200, "140 200"), (300, "240 300")];
    let after = [(400, "340 400"), (500, "440 500"), (600, "540 600"), (700, "700 700")];
    assert_eq!(clocks_during::<W>(once, 750), lines(&[&expected[..], &after[..]].concat()));
    let strobe = r#""kind":"clock_jump","target":"server","by_ms":5000,"every_ms":100"#;
    let expected = [(0, "0 0"), (100, "100 100"), (200, "5200 200"), (300, "300 300")];
    let after = [(400, "5400 400"), (500, "500 500"), (600, "5600 600"), (700, "700 700")];
    assert_eq!(clocks_during::<W>(strobe, 750), lines(&[&expected[..], &after[..]].concat()));
}

fn how_far_a_wall_clock_was_off_can_be_drawn<W: World>() {
    let (mut world, _) = clock_world::<W>(1);
    let faults = r#"[
        {"at_ms":100,"until_ms":300,"kind":"clock_drift","target":"server","ppm":-100000},
        {"at_ms":200,"until_ms":400,"kind":"clock_jump","target":"server","by_ms":7}]"#;
    run(&mut world, faults, 500).unwrap();
    let points: Vec<(u64, i64)> = world
        .wall_offsets()
        .iter()
        .map(|point| {
            assert_eq!(point.host, SERVER);
            (point.at_ns / 1_000_000, point.offset_us)
        })
        .collect();
    let drifting = [(100, 0), (100, 0), (200, -10_000), (200, -3_000), (300, -13_000)];
    let after = [(300, 7_000), (400, 7_000), (400, 0), (500, 0)];
    assert_eq!(points, [&drifting[..], &after[..]].concat());
}

in_every_world! {
    faults_that_cut_links_stop_all_answers_until_they_end,
    faults_that_do_not_concern_a_link_leave_it_alone,
    a_fault_for_a_host_that_does_not_exist_is_refused,
    reset_on_heal_resets,
    crash_and_power_loss_take_down_and_start_again,
    fault_of_a_learner_waits_until_it_has_been_one_for_so_long,
    host_held_down_twice_starts_with_the_later_end,
    rolling_restart_takes_one_after_the_other,
    slow_link_doubles_back_to_normal,
    finish_takes_back_what_lasts_and_forgets_what_is_to_come,
    disk_faults_fail_what_they_name_while_they_last,
    slow_and_stalled_disks_hold_up_writes_while_they_last,
    a_fast_clock_hurries_its_alarms_and_only_its_wall_clock_is_set_right,
    a_slow_monotonic_clock_delays_alarms_and_leaves_the_wall_alone,
    a_slow_wall_clock_leaves_alarms_alone,
    a_wall_clock_jumps_once_or_to_and_fro_and_back_at_the_end,
    how_far_a_wall_clock_was_off_can_be_drawn,
}
