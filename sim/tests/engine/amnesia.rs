//! A server forgets only when nothing is lost by it, and shows it then, through tiny programs.

use std::cell::RefCell;
use std::rc::Rc;

use platform::{File, Files, Platform};
use sim::engine::EngineWorld;
use sim::fault::{Applied, Casting, Forgot, Schedule, Standing};
use sim::{HostId, World};

use crate::common::world;

const MS: u64 = 1_000_000;
const LEADER: HostId = HostId(0);
const FOLLOWER: HostId = HostId(1);
const OTHER: HostId = HostId(2);
const SERVERS: [HostId; 3] = [LEADER, FOLLOWER, OTHER];

/// Three servers, each of which appends a sector to its log every 10 ms: `1` for as long as it has
/// been started once, then `2`, and so on. A host of clients stands beside them.
fn writers() -> EngineWorld {
    let mut world = world(7);
    for name in ["n1", "n2", "n3"] {
        let starts = Rc::new(RefCell::new(b'0'));
        world.host(name, move |platform| {
            *starts.borrow_mut() += 1;
            let letter = *starts.borrow();
            async move {
                let files = platform.files();
                if files.len("log").await.is_err() {
                    drop(files.create("log").await.unwrap());
                    files.sync_dir("").await.unwrap();
                }
                let mut log = files.open_append("log").await.unwrap();
                loop {
                    log.append(vec![letter; 512]);
                    log.sync().await.unwrap();
                    platform.sleep_ms(10).await;
                }
            }
        });
    }
    world.host("c1", |_| async {});
    world
}

/// Everybody serves who runs, but for whom `is_away`; everybody but the leader is expendable while all
/// others serve, whether it does so itself or not.
fn roles_of(world: &EngineWorld, is_away: impl Fn(HostId) -> bool) -> Standing {
    let serves = |host: &HostId| world.is_running(*host) && !is_away(*host);
    let without = |host: &HostId| SERVERS.iter().all(|other| other == host || serves(other));
    let serving: Vec<HostId> = SERVERS.into_iter().filter(serves).collect();
    let followers: Vec<HostId> = serving.iter().copied().filter(|host| *host != LEADER).collect();
    let now = |hosts: &[HostId]| hosts.iter().map(|host| (*host, 0)).collect();
    let leader: Vec<HostId> = serving.iter().copied().filter(|host| *host == LEADER).collect();
    Standing {
        castings: vec![
            Casting { role: "leader", players: now(&leader) },
            Casting { role: "follower", players: now(&followers) },
        ],
        servers: SERVERS.to_vec(),
        serving,
        expendable: SERVERS[1..].iter().copied().filter(without).collect(),
        replaceable: followers,
        refusing: Vec::new(),
        copies: None,
    }
}

/// Runs the writers under the faults of a JSON list, and says what happened to whom.
fn run_with(
    faults: &str,
    end_ms: u64,
    mut roles: impl FnMut(&EngineWorld) -> Standing,
) -> (EngineWorld, Vec<Applied>) {
    let mut world = writers();
    let mut schedule = Schedule::new(serde_json::from_str(faults).unwrap());
    let mut applied = Vec::new();
    while world.elapsed_ms() < end_ms {
        applied.extend(schedule.advance(&mut world, &mut roles).unwrap());
        world.run_for_ms(1).unwrap();
    }
    applied.extend(schedule.finish(&mut world).unwrap());
    (world, applied)
}

fn run(faults: &str, end_ms: u64) -> (EngineWorld, Vec<Applied>) {
    run_with(faults, end_ms, |world| roles_of(world, |_| false))
}

/// How often each letter stands in a server's log; `.` for zero, `?` for anything else.
fn letters(world: &mut EngineWorld, host: HostId) -> String {
    let content = world.with_disk(host, |disk| disk.peek("log").unwrap_or_default().to_vec());
    let mut letters: Vec<char> = content
        .chunks(512)
        .map(|sector| match sector {
            _ if sector.iter().any(|byte| *byte != sector[0]) => '?',
            [0, ..] => '.',
            [first, ..] => *first as char,
            [] => '?',
        })
        .collect();
    letters.dedup();
    letters.into_iter().collect()
}

fn forgetting(applied: &[Applied]) -> Vec<(u64, HostId, Forgot)> {
    let forgot = |each: &Applied| Some((each.at_ns / MS, each.hosts[0], each.forgot?));
    applied.iter().filter_map(forgot).collect()
}

#[test]
fn every_amnesia_takes_its_server_down_and_shows() {
    use Forgot::{Damaged, SetBack, Wiped};
    for (fault, at_ms, how, log) in [
        (r#""kind":"wipe","target":"n2""#, 200, Wiped, "2"),
        (r#""kind":"restore","target":"n2","taken_ms":100"#, 200, SetBack, "12"),
        (r#""kind":"rot","target":"n2","file":"log","sectors":1"#, 200, Damaged, "1?12"),
        (r#""kind":"lost_write","target":"n2","down_ms":40"#, 300, Damaged, "1.2"),
        (
            r#""kind":"misdirected_write","target":"n2","onto":"log","nth":1,"down_ms":40"#,
            300,
            Damaged,
            "1.12",
        ),
    ] {
        let faults = format!(r#"[{{"at_ms":200,"until_ms":300,{fault}}}]"#);
        let (mut world, applied) = run(&faults, 400);
        assert_eq!(forgetting(&applied), [(at_ms, FOLLOWER, how)], "{fault}");
        assert_eq!(letters(&mut world, FOLLOWER), log, "{fault}");
        assert_eq!(letters(&mut world, LEADER), "1", "{fault}");
        let last = applied.last().unwrap();
        assert!(!last.began && last.at_ns >= 300 * MS && last.hosts == [FOLLOWER], "{fault}");
    }
}

#[test]
fn restored_server_has_lost_what_came_after_its_backup() {
    let faults =
        r#"[{"at_ms":300,"until_ms":310,"kind":"restore","target":"follower:0","taken_ms":100}]"#;
    let (mut world, _) = run(faults, 320);
    let len = world.with_disk(FOLLOWER, |disk| disk.peek("log").unwrap().len() / 512);
    let untouched = world.with_disk(OTHER, |disk| disk.peek("log").unwrap().len() / 512);
    assert!((5..14).contains(&len) && untouched > 20, "{len} {untouched}");
}

#[test]
fn nobody_forgets_while_another_server_is_down_or_the_leader_is_meant() {
    for (target, is_away) in [("n2", OTHER), ("n2", LEADER), ("n2", FOLLOWER), ("n1", FOLLOWER)] {
        for kind in [r#""wipe""#, r#""rot","file":"","sectors":3"#, r#""restore","taken_ms":9"#] {
            let faults =
                format!(r#"[{{"at_ms":100,"until_ms":200,"kind":{kind},"target":"{target}"}}]"#);
            let roles = |world: &EngineWorld| roles_of(world, |host| host == is_away);
            let (mut world, applied) = run_with(&faults, 400, roles);
            assert_eq!(applied, [], "{target} {kind}");
            assert_eq!(letters(&mut world, FOLLOWER), "1");
        }
    }
}

#[test]
fn amnesia_waits_until_it_is_fair() {
    let faults = r#"[
        {"at_ms":100,"until_ms":150,"kind":"pause","target":"n3"},
        {"at_ms":100,"until_ms":300,"kind":"wipe","target":"n2"},
        {"at_ms":100,"until_ms":140,"kind":"wipe","target":"n2"}]"#;
    let (_, applied) = run(faults, 400);
    assert_eq!(forgetting(&applied), [(150, FOLLOWER, Forgot::Wiped)], "{applied:?}");
}

#[test]
fn faults_of_clients_hold_nobody_back() {
    let faults = r#"[
        {"at_ms":100,"until_ms":300,"kind":"pause","target":"c1"},
        {"at_ms":100,"until_ms":300,"kind":"partition","sides":[["n1","n2"],["c1"]]},
        {"at_ms":100,"until_ms":300,"kind":"clock_offset","target":"n1","offset_ms":9},
        {"at_ms":120,"until_ms":300,"kind":"wipe","target":"n2"},
        {"at_ms":130,"until_ms":300,"kind":"crash","target":"c1"}]"#;
    let (_, applied) = run(faults, 400);
    assert_eq!(forgetting(&applied), [(120, FOLLOWER, Forgot::Wiped)]);
    assert!(applied.iter().any(|each| each.index == 4 && each.at_ns == 130 * MS));
}

#[test]
fn other_faults_wait_until_who_forgot_serves_again_or_are_skipped() {
    let faults = r#"[
        {"at_ms":100,"until_ms":200,"kind":"wipe","target":"n2"},
        {"at_ms":150,"until_ms":600,"kind":"crash","target":"n3"},
        {"at_ms":150,"until_ms":240,"kind":"isolate","who":"leader"},
        {"at_ms":160,"until_ms":900,"kind":"wipe","target":"n3"}]"#;
    // It needs until 250 ms to be brought up to the others.
    let roles = |world: &EngineWorld| {
        let learns = (101..250).contains(&world.elapsed_ms());
        roles_of(world, |host| learns && host == FOLLOWER)
    };
    let (_, applied) = run_with(faults, 1_000, roles);
    let begun = |index: usize| applied.iter().find(|each| each.index == index && each.began);
    assert_eq!(begun(1).map(|each| each.at_ns / MS), Some(250), "{applied:?}");
    assert_eq!(begun(2), None, "its time was over");
    let expected = [(100, FOLLOWER, Forgot::Wiped), (600, OTHER, Forgot::Wiped)];
    assert_eq!(forgetting(&applied), expected, "once the crash was over");
}

#[test]
fn wrong_writes_are_made_good_when_showing_them_would_be_unfair() {
    let lost = r#"{"at_ms":100,"until_ms":200,"kind":"lost_write","target":"n2","down_ms":40}"#;
    for other in [
        r#"{"at_ms":190,"until_ms":300,"kind":"pause","target":"n3"}"#,
        r#"{"at_ms":150,"until_ms":160,"kind":"power_loss","target":"n2"}"#,
    ] {
        let (mut world, applied) = run(&format!("[{lost},{other}]"), 400);
        let is_paused = other.contains("pause");
        let forgot = forgetting(&applied);
        assert_eq!(forgot.is_empty(), is_paused, "{other}: {forgot:?}");
        if is_paused {
            world.power_loss(FOLLOWER).unwrap();
            let log = letters(&mut world, FOLLOWER);
            assert_eq!(log, "1", "what was synced is there");
        } else {
            // Of its first life nothing is missing, of its second what was written before the end.
            assert_eq!(letters(&mut world, FOLLOWER), "1.3");
        }
    }
}

#[test]
fn server_that_refuses_damage_gets_an_empty_disk_once_that_is_fair() {
    let faults =
        r#"[{"at_ms":100,"until_ms":200,"kind":"rot","target":"n2","file":"","sectors":1}]"#;
    for is_damaged in [true, false] {
        let roles = |world: &EngineWorld| {
            let now_ms = world.elapsed_ms();
            let refuses = now_ms > 210 && now_ms < 500;
            let mut roles = roles_of(world, |host| {
                (refuses && host == FOLLOWER) || (host == OTHER && now_ms < 300 && refuses)
            });
            roles.refusing = if refuses { vec![FOLLOWER] } else { vec![] };
            roles
        };
        let faults = if is_damaged { faults } else { "[]" };
        let (mut world, applied) = run_with(faults, 700, roles);
        let forgot = forgetting(&applied);
        if is_damaged {
            let [damaged, wiped] = forgot[..] else { panic!("{forgot:?}") };
            assert_eq!(damaged, (100, FOLLOWER, Forgot::Damaged));
            assert!(wiped.0 >= 300 && (wiped.1, wiped.2) == (FOLLOWER, Forgot::Wiped), "{wiped:?}");
            assert_eq!(letters(&mut world, FOLLOWER), "3");
        } else {
            assert_eq!(forgot, [], "nobody is excused whose disk was never damaged");
        }
    }
}

#[test]
fn only_a_minority_of_disks_is_damaged() {
    let faults = r#"[
        {"at_ms":100,"until_ms":150,"kind":"rot","target":"n2","file":"","sectors":1},
        {"at_ms":200,"until_ms":250,"kind":"rot","target":"n3","file":"","sectors":1},
        {"at_ms":200,"until_ms":250,"kind":"lost_write","target":"n3","down_ms":5},
        {"at_ms":300,"until_ms":350,"kind":"rot","target":"n2","file":"","sectors":1},
        {"at_ms":400,"until_ms":450,"kind":"wipe","target":"n2"},
        {"at_ms":500,"until_ms":550,"kind":"rot","target":"n3","file":"","sectors":1}]"#;
    let (_, applied) = run(faults, 600);
    let who: Vec<_> =
        forgetting(&applied).into_iter().map(|(at_ms, host, _)| (at_ms, host)).collect();
    assert_eq!(who, [(100, FOLLOWER), (300, FOLLOWER), (400, FOLLOWER), (500, OTHER)]);
}

/// Everybody can tell damage; these hold everything.
fn telling(world: &EngineWorld, copies: &[HostId]) -> Standing {
    Standing { copies: Some(copies.to_vec()), ..roles_of(world, |_| false) }
}

#[test]
fn damage_that_is_told_strikes_anyone_at_any_time_as_long_as_a_copy_is_left() {
    let faults = r#"[
        {"at_ms":100,"until_ms":500,"kind":"crash","target":"n3"},
        {"at_ms":110,"until_ms":200,"kind":"rot","target":"n1","file":"log","sectors":1},
        {"at_ms":120,"until_ms":220,"kind":"rot","target":"n2","file":"log","sectors":1},
        {"at_ms":130,"until_ms":190,"kind":"rot","target":"n3","file":"log","sectors":1},
        {"at_ms":300,"until_ms":400,"kind":"rot","target":"n2","file":"log","sectors":1}]"#;
    let (mut world, applied) = run_with(faults, 700, |world| telling(world, &SERVERS));
    let who = forgetting(&applied);
    let expected = [
        (110, LEADER, Forgot::Damaged),
        (120, FOLLOWER, Forgot::Damaged),
        (300, FOLLOWER, Forgot::Damaged),
    ];
    assert_eq!(who, expected, "n3 is the last copy until others serve again");
    assert_eq!(letters(&mut world, OTHER), "12", "the last copy is whole");
    assert!(letters(&mut world, LEADER).contains('?'));
}

#[test]
fn damage_that_is_told_spares_the_only_copy_and_waits_for_who_has_forgotten() {
    let faults = r#"[
        {"at_ms":100,"until_ms":200,"kind":"rot","target":"n2","file":"log","sectors":1},
        {"at_ms":100,"until_ms":200,"kind":"rot","target":"n3","file":"log","sectors":1}]"#;
    let (_, applied) = run_with(faults, 400, |world| telling(world, &[FOLLOWER]));
    assert_eq!(forgetting(&applied), [(100, OTHER, Forgot::Damaged)]);
    let faults = r#"[
        {"at_ms":100,"until_ms":200,"kind":"wipe","target":"n2"},
        {"at_ms":150,"until_ms":400,"kind":"rot","target":"n3","file":"log","sectors":1}]"#;
    let (_, applied) = run_with(faults, 500, |world| telling(world, &SERVERS));
    let expected = [(100, FOLLOWER, Forgot::Wiped), (201, OTHER, Forgot::Damaged)];
    assert_eq!(forgetting(&applied), expected);
}
