//! The kinds of fault that a schedule has for links and upgrades, through tiny programs; what makes
//! servers forget is in `amnesia`.

use sim::engine::EngineWorld;
use sim::fault::{Applied, Casting, Schedule, Settings, Standing};
use sim::{HostId, World};

use crate::common::{Log, echo_world};

const MS: u64 = 1_000_000;
const SERVER: HostId = HostId(0);

/// Runs a world to `end_ms` under the faults of a JSON list.
fn run(world: &mut EngineWorld, faults: &str, end_ms: u64) -> (Schedule, Vec<Applied>) {
    let mut schedule = Schedule::new(serde_json::from_str(faults).unwrap());
    let mut applied = Vec::new();
    let leader = Casting { role: "leader", players: vec![(SERVER, 0)] };
    let standing =
        Standing { castings: vec![leader], servers: vec![SERVER], ..Standing::default() };
    let mut roles = |_: &EngineWorld| standing.clone();
    while world.elapsed_ms() < end_ms {
        applied.extend(schedule.advance(world, &mut roles).unwrap());
        world.run_for_ms(1).unwrap();
    }
    assert_eq!(schedule.next_ns(), None);
    (schedule, applied)
}

/// What became of a pinger under a fault from 100 ms to 3100 ms.
fn pings_under(fault: &str) -> (Log, EngineWorld) {
    let (mut world, log) = echo_world(5);
    let faults = format!(r#"[{{"at_ms":100,"until_ms":3100,{fault}}}]"#);
    let (_, applied) = run(&mut world, &faults, 5_000);
    let [first, last] = &applied[..] else { panic!("{applied:?}") };
    assert_eq!(
        (first.at_ns / MS, first.began, last.at_ns / MS, last.began),
        (100, true, 3_100, false)
    );
    assert_eq!((first.hosts.len(), first.forgot), (2, None));
    (log, world)
}

/// The longest time between two answers.
fn longest_gap_ms(log: &Log, from_ms: u64, to_ms: u64) -> u64 {
    let all = log.all();
    let within = |at: &u64| (from_ms..to_ms).contains(at);
    let pongs: Vec<u64> = all.iter().map(|(at, _)| *at).filter(within).collect();
    pongs.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(to_ms - from_ms)
}

#[test]
fn flaky_link_stutters_while_it_lasts() {
    let (log, _) =
        pings_under(r#""kind":"flaky_link","from":["leader"],"to":["client"],"loss":0.1"#);
    assert!(longest_gap_ms(&log, 100, 3_100) >= 200);
    assert!(longest_gap_ms(&log, 4_500, 5_000) < 20);
}

#[test]
fn narrow_link_delays_while_it_lasts() {
    // The pinger sends 400 bytes a second.
    let fault = r#""kind":"bandwidth","from":["client"],"to":["server"],"bytes_per_s":100"#;
    let (log, _) = pings_under(fault);
    let during = log.count_between("pong", 200, 3_100);
    assert!((50..100).contains(&during), "{during}");
}

#[test]
fn connects_hang_while_others_go_on() {
    let (log, _) = pings_under(r#""kind":"connect_hang","from":["client"],"to":["server"]"#);
    assert!(longest_gap_ms(&log, 100, 5_000) < 20);
    let (mut world, log) = echo_world(5);
    run(
        &mut world,
        r#"[{"at_ms":0,"until_ms":3100,"kind":"connect_hang","from":["client"],"to":["server"]}]"#,
        8_000,
    );
    assert!(log.at("connected").unwrap() >= 7_000, "SYNs after 0, 1, 3 and 7 s");
}

#[test]
fn forgotten_and_reset_connections_end_for_whoever_writes_or_for_both() {
    for (fault, ends, errno) in [
        (r#""kind":"half_open","from":["client"],"to":["server"]"#, 1, true),
        (r#""kind":"half_open","from":["client"],"to":["server"],"silent":true"#, 2, false),
        (r#""kind":"reset","from":["client"],"to":["server"]"#, 0, true),
    ] {
        let (log, world) = pings_under(fault);
        assert_eq!(log.count_between("pong", 105, 5_000), 0, "{fault}");
        assert_eq!(log.at("read errno 104").is_some(), errno, "{fault}");
        assert_eq!(world.connection_ends(), ends, "{fault}");
    }
}

#[test]
fn rolling_upgrade_changes_the_settings_of_whom_it_has_restarted() {
    let (mut world, _) = echo_world(5);
    let faults = r#"[{"at_ms":100,"until_ms":900,"kind":"restart","targets":["server"],
        "down_ms":50,"gap_ms":50,"snap_count":7}]"#;
    let (schedule, _) = run(&mut world, faults, 1_000);
    let upgraded = Settings::from([("snap_count".to_owned(), 7)]);
    assert_eq!(schedule.upgrades().of(SERVER), upgraded);
    assert_eq!(schedule.upgrades().of(HostId(1)), Settings::default());
}
