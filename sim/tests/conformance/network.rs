//! TCP between hosts, and what partitions, slow links, pauses, crashes and power losses do to it.

use crate::programs::{Log, PORT, echo_server, echo_world, errno, read_to_its_end, world};
use platform::{Listener, Platform, Stream};
use sim::{EngineKind, HostId, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SERVER: HostId = HostId(0);
const CLIENT: HostId = HostId(1);

/// When bytes arrive that a partition held up until `healed_ms` and that TCP sends again at
/// `sent_again_ms`: turmoil's world, which sends nothing again, delivers them with the healing.
fn arrives_ms<W: World>(healed_ms: u64, sent_again_ms: u64) -> u64 {
    match W::KIND {
        EngineKind::Engine => sent_again_ms,
        EngineKind::Turmoil => healed_ms,
    }
}

fn undisturbed_echo_answers_within_two_latencies<W: World>() {
    let (mut world, log) = echo_world::<W>(1);
    world.run_until_ms(1_000).unwrap();
    let pongs = log.count_between("pong", 0, 1_000);
    assert!((85..=100).contains(&pongs), "{pongs}");
}

fn partition_delays_bytes_and_loses_none<W: World>() {
    let (mut world, log) = echo_world::<W>(1);
    world.run_until_ms(200).unwrap();
    world.partition(&[SERVER], &[CLIENT]);
    world.run_until_ms(1_200).unwrap();
    world.heal(&[SERVER], &[CLIENT]);
    world.run_until_ms(2_000).unwrap();
    assert!(log.count_between("pong", 100, 200) > 5);
    // What was lost at about 205 ms is sent again after 200, 400 and 800 ms.
    let arrives_ms = arrives_ms::<W>(1_200, 1_600);
    assert_eq!(log.count_between("pong", 205, arrives_ms), 0);
    // The pinger itself checks that no number is missing.
    let burst = log.count_between("pong", arrives_ms, arrives_ms + 20);
    assert!(burst >= (arrives_ms as usize - 200) / 10 - 5, "{burst}");
    assert!(!log.texts().iter().any(|text| text.contains("errno")));
}

fn overlapping_partitions_end_with_the_last<W: World>() {
    let (mut world, log) = echo_world::<W>(1);
    world.run_until_ms(100).unwrap();
    world.partition(&[SERVER], &[CLIENT]);
    world.one_way(&[CLIENT], &[SERVER]);
    world.heal(&[SERVER], &[CLIENT]);
    world.run_until_ms(300).unwrap();
    assert_eq!(log.count_between("pong", 105, 300), 0);
    world.heal_one_way(&[CLIENT], &[SERVER]);
    world.run_until_ms(320).unwrap();
    assert!(log.count_between("pong", 300, 320) > 20);
}

fn one_way_partition_holds_one_direction_only<W: World>() {
    let mut world: W = world(3);
    let log = Log::default();
    // Both ends send a byte every 10 ms and log each byte that they get.
    let chatter = |own: &'static str, log: Log| {
        move |platform: W::Host| {
            let log = log.clone();
            async move {
                let stream = if own == "server" {
                    platform.listen("0.0.0.0", PORT).await.unwrap().accept().await.unwrap()
                } else {
                    platform.connect("server", PORT).await.unwrap()
                };
                let (mut read, mut write) = stream.into_split();
                let sender = platform.clone();
                platform.spawn(async move {
                    loop {
                        write.write_all(b"x").await.unwrap();
                        sender.sleep_ms(10).await;
                    }
                });
                while read.read_u8().await.is_ok() {
                    log.add(&platform, own);
                }
            }
        }
    };
    world.host("server", chatter("server", log.clone()));
    world.host("client", chatter("client", log.clone()));
    world.run_until_ms(100).unwrap();
    world.one_way(&[CLIENT], &[SERVER]);
    world.run_until_ms(600).unwrap();
    assert_eq!(log.count_between("server", 101, 600), 0);
    // What is acknowledged no more goes on for a while at least.
    assert!(log.count_between("client", 101, 600) >= 15);
    world.heal_one_way(&[CLIENT], &[SERVER]);
    world.run_until_ms(720).unwrap();
    // Sent again after 200 and 400 ms.
    let arrives_ms = arrives_ms::<W>(600, 700);
    assert_eq!(log.count_between("server", 101, arrives_ms), 0);
    let burst = log.count_between("server", arrives_ms, arrives_ms + 20);
    assert!(burst >= (arrives_ms as usize - 100) / 10 - 2, "{burst}");
}

fn connect_into_a_partition_hangs_and_succeeds_after_it<W: World>() {
    let (mut world, log) = echo_world::<W>(1);
    world.partition(&[SERVER], &[CLIENT]);
    world.run_until_ms(5_000).unwrap();
    assert_eq!(log.all(), []);
    world.heal(&[SERVER], &[CLIENT]);
    world.run_until_ms(8_000).unwrap();
    // SYNs go out after 0, 1, 3 and 7 seconds.
    let connected_ms = log.at("connected").unwrap();
    assert!((7_000..7_050).contains(&connected_ms), "{connected_ms}");
}

fn connect_times_out_in_the_end_and_may_be_given_up_before<W: World>() {
    let mut world: W = world(1);
    let log = Log::default();
    world.host("server", echo_server);
    let client_log = log.clone();
    world.host("client", move |platform| {
        let log = client_log.clone();
        async move {
            let given_up = platform.timeout(300, platform.connect("server", PORT)).await;
            log.add(&platform, format!("given up {}", given_up.is_err()));
            log.add(&platform, errno(platform.connect("server", PORT).await));
        }
    });
    world.partition(&[SERVER], &[CLIENT]);
    world.run_until_ms(130_000).unwrap();
    assert_eq!(log.texts(), ["given up true", "errno Some(110)"]);
    let timed_out_ms = log.at("errno Some(110)").unwrap();
    assert!((127_000..128_000).contains(&timed_out_ms), "{timed_out_ms}");
    assert_eq!(world.connection_ends(), 0);
}

fn connect_answers_as_linux_does_where_nobody_listens<W: World>() {
    let mut world: W = world(1);
    let log = Log::default();
    world.host("server", |_| async {});
    let client_log = log.clone();
    world.host("client", move |platform| {
        let log = client_log.clone();
        async move {
            log.add(&platform, errno(platform.connect("server", PORT).await));
            let unknown = platform.connect("nobody", PORT).await.err().unwrap();
            log.add(&platform, format!("{:?}", unknown.kind()));
            log.add(&platform, errno(platform.listen("server", PORT).await));
            let listener = platform.listen("client", PORT).await.unwrap();
            log.add(&platform, errno(platform.listen("0.0.0.0", PORT).await));
            assert_eq!(listener.port(), PORT);
        }
    });
    world.run_until_ms(50).unwrap();
    let expected = ["errno Some(111)", "NotFound", "errno Some(99)", "errno Some(98)"];
    assert_eq!(log.texts(), expected);
}

fn host_reaches_itself_by_loopback_and_by_name_through_any_partition<W: World>() {
    let mut world: W = world(1);
    let log = Log::default();
    let own_log = log.clone();
    world.host("server", move |platform| {
        let log = own_log.clone();
        async move {
            platform.spawn(echo_server(platform.clone()));
            platform.sleep_ms(5).await;
            for name in ["127.0.0.1", "localhost", "server"] {
                let mut stream = platform.connect(name, PORT).await.unwrap();
                stream.write_all(b"x").await.unwrap();
                stream.read_u8().await.unwrap();
                log.add(&platform, name);
            }
        }
    });
    world.host("client", |_| async {});
    world.partition(&[SERVER], &[SERVER, CLIENT]);
    world.run_until_ms(100).unwrap();
    assert_eq!(log.texts(), ["127.0.0.1", "localhost", "server"]);
}

fn slow_link_adds_its_latency_until_it_ends<W: World>() {
    let (mut world, log) = echo_world::<W>(1);
    world.run_until_ms(100).unwrap();
    world.slow_link(SERVER, CLIENT, 200);
    world.run_until_ms(1_000).unwrap();
    assert_eq!(log.count_between("pong", 110, 490), 0);
    assert!(log.count_between("pong", 520, 1_000) > 40);
    world.slow_link(CLIENT, SERVER, -200);
    world.run_until_ms(3_000).unwrap();
    assert!(log.count_between("pong", 1_900, 2_900) > 90);
}

fn reset_on_heal_ends_both_directions<W: World>() {
    for (probability, expected) in [(1.0, true), (0.0, false)] {
        let (mut world, log) = echo_world::<W>(1);
        world.run_until_ms(100).unwrap();
        world.partition(&[SERVER], &[CLIENT]);
        world.run_until_ms(500).unwrap();
        world.heal(&[SERVER], &[CLIENT]);
        world.reset_connections(&[SERVER], &[CLIENT], probability, 0);
        world.run_until_ms(600).unwrap();
        assert_eq!(log.at("read errno 104").is_some(), expected);
        assert_eq!(log.at("write errno Some(32)").is_some(), expected);
        assert_eq!(world.connection_ends(), if expected { 0 } else { 2 });
    }
}

fn killed_program_ends_its_connections_and_refuses_new_ones_until_it_restarts<W: World>() {
    let (mut world, log) = echo_world::<W>(1);
    world.run_until_ms(100).unwrap();
    world.crash(SERVER).unwrap();
    assert!(!world.is_running(SERVER));
    world.run_until_ms(110).unwrap();
    let ended = log.texts().iter().any(|text| text.starts_with("read "));
    assert!(ended, "the peer learns of it at once: {:?}", log.texts());
    let probe_log = log.clone();
    world.host("probe", move |platform| {
        let log = probe_log.clone();
        async move {
            loop {
                log.add(
                    &platform,
                    format!("probe {}", errno(platform.connect("server", PORT).await)),
                );
                platform.sleep_ms(100).await;
            }
        }
    });
    world.run_until_ms(500).unwrap();
    assert!(log.count_between("probe errno Some(111)", 110, 500) >= 3);
    assert_eq!(log.at("probe ok"), None);
    world.restart(SERVER).unwrap();
    world.run_until_ms(700).unwrap();
    assert!(log.at("probe ok").is_some());
}

fn kill_behind_a_partition_is_learnt_after_it<W: World>() {
    let (mut world, log) = echo_world::<W>(1);
    world.run_until_ms(100).unwrap();
    world.partition(&[SERVER], &[CLIENT]);
    world.crash(SERVER).unwrap();
    world.run_until_ms(2_000).unwrap();
    assert!(!log.texts().iter().any(|text| text != "pong" && text != "connected"));
    world.heal(&[SERVER], &[CLIENT]);
    world.run_until_ms(arrives_ms::<W>(2_000, 3_200) + 100).unwrap();
    let learnt: Vec<String> =
        log.texts().into_iter().filter(|text| text.contains("errno")).collect();
    assert!(!learnt.is_empty());
}

fn machine_without_power_is_silent_and_resets_what_it_does_not_know_when_it_is_back<W: World>() {
    let (mut world, log) = echo_world::<W>(1);
    world.run_until_ms(100).unwrap();
    world.power_loss(SERVER).unwrap();
    world.run_until_ms(10_000).unwrap();
    assert_eq!(log.count_between("pong", 110, 10_000), 0);
    assert!(!log.texts().iter().any(|text| text.contains("errno")), "{:?}", log.texts());
    world.restart(SERVER).unwrap();
    world.run_until_ms(15_000).unwrap();
    let reset_ms = log.at("read errno 104").unwrap();
    // What was lost at about 105 ms is sent again after 0.2, 0.6, 1.4, 3, 6.2 and 12.6 seconds.
    let expected_ms = match W::KIND {
        EngineKind::Engine => 12_700..12_720,
        EngineKind::Turmoil => 10_000..11_100,
    };
    assert!(expected_ms.contains(&reset_ms), "{reset_ms}");
    assert!(log.at("write errno Some(32)").is_some());
    assert_eq!(world.connection_ends(), 0);
}

fn silent_reader_of_a_lost_machine_never_learns_of_it<W: World>() {
    let mut world: W = world(1);
    let log = Log::default();
    world.host("server", echo_server);
    let client_log = log.clone();
    world.host("client", move |platform| {
        let log = client_log.clone();
        async move {
            let mut stream = platform.connect("server", PORT).await.unwrap();
            log.add(&platform, "connected");
            log.add(&platform, read_to_its_end(&mut stream).await);
        }
    });
    world.run_until_ms(100).unwrap();
    world.power_loss(SERVER).unwrap();
    world.run_until_ms(1_000).unwrap();
    world.restart(SERVER).unwrap();
    world.run_until_ms(60_000).unwrap();
    assert_eq!(log.texts(), ["connected"]);
    assert_eq!(world.connection_ends(), 1, "a half-open connection");
    // The other way to be rid of it: the program goes.
    world.crash(CLIENT).unwrap();
    assert_eq!(world.connection_ends(), 0);
}

fn connect_to_a_machine_without_power_hangs<W: World>() {
    let (mut world, log) = echo_world::<W>(1);
    world.power_loss(SERVER).unwrap();
    world.run_until_ms(2_000).unwrap();
    assert_eq!(log.all(), []);
    world.restart(SERVER).unwrap();
    world.run_until_ms(3_100).unwrap();
    assert!((3_000..3_050).contains(&log.at("connected").unwrap()));
}

fn bytes_held_up_by_a_partition_die_with_their_machine<W: World>() {
    let (mut world, log) = echo_world::<W>(1);
    world.run_until_ms(100).unwrap();
    world.one_way(&[SERVER], &[CLIENT]);
    world.run_until_ms(500).unwrap();
    world.power_loss(SERVER).unwrap();
    world.run_until_ms(510).unwrap();
    world.heal_one_way(&[SERVER], &[CLIENT]);
    world.run_until_ms(3_000).unwrap();
    assert_eq!(log.count_between("pong", 105, 3_000), 0);
}

fn paused_program_stands_still_and_then_does_all_at_once<W: World>() {
    let (mut world, log) = echo_world::<W>(1);
    world.run_until_ms(200).unwrap();
    world.pause(CLIENT);
    world.pause(CLIENT);
    world.run_until_ms(700).unwrap();
    world.resume(CLIENT);
    world.run_until_ms(800).unwrap();
    assert_eq!(log.count_between("pong", 200, 800), 0, "pauses add up");
    let events = world.trace_count();
    world.resume(CLIENT);
    world.run_until_ms(900).unwrap();
    assert!(log.count_between("pong", 800, 900) >= 9);
    assert!(world.trace_count() > events);
}

fn paused_server_answers_in_a_burst<W: World>() {
    let (mut world, log) = echo_world::<W>(1);
    world.run_until_ms(200).unwrap();
    world.pause(SERVER);
    world.run_until_ms(1_200).unwrap();
    assert_eq!(log.count_between("pong", 210, 1_200), 0);
    world.resume(SERVER);
    world.run_until_ms(1_230).unwrap();
    assert!(log.count_between("pong", 1_200, 1_230) >= 95);
}

fn window_holds_a_writer_back_until_the_reader_reads<W: World>() {
    let mut world: W = world(1);
    let log = Log::default();
    world.host("server", |platform| async move {
        let mut stream = platform.listen("0.0.0.0", PORT).await.unwrap().accept().await.unwrap();
        platform.sleep_ms(1_000).await;
        read_to_its_end(&mut stream).await;
    });
    let client_log = log.clone();
    world.host("client", move |platform| {
        let log = client_log.clone();
        async move {
            let mut stream = platform.connect("server", PORT).await.unwrap();
            for _ in 0..8 {
                stream.write_all(&[0; 64 * 1024]).await.unwrap();
                log.add(&platform, "written");
            }
        }
    });
    world.run_until_ms(1_000).unwrap();
    assert_eq!(log.texts().len(), 4, "the window is 256 KiB");
    world.run_until_ms(1_100).unwrap();
    assert_eq!(log.texts().len(), 8);
}

fn attempt_given_up_as_it_is_accepted_leaves_no_connection<W: World>() {
    for delay_ms in 0..12 {
        let mut world: W = world(delay_ms);
        let log = Log::default();
        let server_log = log.clone();
        world.host("server", move |platform| {
            let log = server_log.clone();
            async move {
                let mut listener = platform.listen("0.0.0.0", PORT).await.unwrap();
                loop {
                    let mut stream = listener.accept().await.unwrap();
                    let (own, log) = (platform.clone(), log.clone());
                    platform.spawn(async move {
                        let end = read_to_its_end(&mut stream).await;
                        log.add(&own, end);
                    });
                }
            }
        });
        world.host("client", move |platform| async move {
            let _ = platform.timeout(delay_ms, platform.connect("server", PORT)).await;
        });
        world.run_until_ms(100).unwrap();
        assert_eq!(world.connection_ends(), 0, "delay {delay_ms}: {:?}", log.texts());
    }
}

fn half_close_ends_the_peers_reading_only<W: World>() {
    let mut world: W = world(1);
    let log = Log::default();
    world.host("server", |platform| async move {
        let stream = platform.listen("0.0.0.0", PORT).await.unwrap().accept().await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let mut all = Vec::new();
        read.read_to_end(&mut all).await.unwrap();
        platform.sleep_ms(50).await;
        write.write_all(&all).await.unwrap();
    });
    let client_log = log.clone();
    world.host("client", move |platform| {
        let log = client_log.clone();
        async move {
            let stream = platform.connect("server", PORT).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap().port(), PORT);
            let (mut read, mut write) = stream.into_split();
            write.write_all(b"question").await.unwrap();
            write.shutdown().await.unwrap();
            let mut answer = String::new();
            read.read_to_string(&mut answer).await.unwrap();
            log.add(&platform, answer);
        }
    });
    world.run_until_ms(100).unwrap();
    assert_eq!(log.texts(), ["question"]);
    assert_eq!(world.connection_ends(), 0);
}

fn many_kills_leave_no_connection_behind<W: World>() {
    let (mut world, _) = echo_world::<W>(9);
    for round in 0..100 {
        world.run_for_ms(20).unwrap();
        for host in [SERVER, CLIENT] {
            match round % 3 {
                0 => world.crash(host).unwrap(),
                _ => world.power_loss(host).unwrap(),
            }
        }
        world.run_for_ms(3).unwrap();
        world.restart(SERVER).unwrap();
        world.run_for_ms(2).unwrap();
        world.restart(CLIENT).unwrap();
    }
    world.run_for_ms(2_000).unwrap();
    assert_eq!(world.connection_ends(), 2);
}

in_every_world! {
    undisturbed_echo_answers_within_two_latencies,
    partition_delays_bytes_and_loses_none,
    overlapping_partitions_end_with_the_last,
    one_way_partition_holds_one_direction_only,
    connect_into_a_partition_hangs_and_succeeds_after_it,
    connect_times_out_in_the_end_and_may_be_given_up_before,
    connect_answers_as_linux_does_where_nobody_listens,
    host_reaches_itself_by_loopback_and_by_name_through_any_partition,
    slow_link_adds_its_latency_until_it_ends,
    reset_on_heal_ends_both_directions,
    killed_program_ends_its_connections_and_refuses_new_ones_until_it_restarts,
    kill_behind_a_partition_is_learnt_after_it,
    machine_without_power_is_silent_and_resets_what_it_does_not_know_when_it_is_back,
    silent_reader_of_a_lost_machine_never_learns_of_it,
    connect_to_a_machine_without_power_hangs,
    bytes_held_up_by_a_partition_die_with_their_machine,
    paused_program_stands_still_and_then_does_all_at_once,
    paused_server_answers_in_a_burst,
    window_holds_a_writer_back_until_the_reader_reads,
    attempt_given_up_as_it_is_accepted_leaves_no_connection,
    half_close_ends_the_peers_reading_only,
    many_kills_leave_no_connection_behind,
}
