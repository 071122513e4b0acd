//! What befalls links on the engine alone: lost segments, narrowness, connections that time out.

use crate::common::{Log, PORT, echo_world, world};
use crate::programs::waiting_world;
use platform::{Listener, Platform};
use sim::engine::EngineWorld;
use sim::{HostId, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SERVER: HostId = HostId(0);
const CLIENT: HostId = HostId(1);

/// The longest time between two answers, in milliseconds.
fn longest_gap_ms(log: &Log, from_ms: u64, to_ms: u64) -> u64 {
    let all = log.all();
    let pongs: Vec<u64> = all
        .iter()
        .filter(|(at, what)| what == "pong" && (from_ms..to_ms).contains(at))
        .map(|(at, _)| *at)
        .collect();
    pongs.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
}

#[test]
fn flaky_link_delays_bytes_and_loses_none() {
    let (mut world, log) = echo_world(1);
    world.run_until_ms(1_000).unwrap();
    world.flaky_link(SERVER, CLIENT, 0.05);
    world.run_until_ms(11_000).unwrap();
    world.end_flaky_link(CLIENT, SERVER, 0.05);
    world.run_until_ms(15_000).unwrap();
    assert!(longest_gap_ms(&log, 0, 1_000) < 20);
    assert!(longest_gap_ms(&log, 1_000, 11_000) >= 200, "the first retransmission");
    assert!(longest_gap_ms(&log, 13_000, 15_000) < 20);
    // The pinger itself checks that no number is missing or out of order.
    let pongs = log.count_between("pong", 0, 15_000);
    let sent = log.count_between("pong", 0, 1_000) * 15;
    assert!(pongs + 30 > sent, "{pongs} of {sent}");
    assert!(!log.texts().iter().any(|text| text.contains("errno")));
}

#[test]
fn flaky_link_loses_the_share_that_was_asked_for_and_leaves_others_alone() {
    let losses = |loss: f64| {
        let (mut world, log) = echo_world(3);
        world.host("probe", |_| async {});
        world.run_until_ms(100).unwrap();
        world.flaky_link(SERVER, CLIENT, loss);
        world.flaky_link(HostId(2), CLIENT, 1.0);
        world.run_until_ms(20_000).unwrap();
        let all = log.all();
        all.windows(2).filter(|pair| pair[1].0 - pair[0].0 >= 150).count()
    };
    assert_eq!(losses(0.0), 0);
    let (few, many) = (losses(0.01), losses(0.1));
    assert!(few > 5 && many > 2 * few, "{few} {many}");
}

#[test]
fn syn_or_its_answer_may_get_lost_and_the_next_one_arrives() {
    let (mut world, log) = echo_world(1);
    world.flaky_link(SERVER, CLIENT, 1.0);
    world.run_until_ms(500).unwrap();
    world.end_flaky_link(SERVER, CLIENT, 1.0);
    world.run_until_ms(2_000).unwrap();
    assert!((1_000..1_050).contains(&log.at("connected").unwrap()));
    let half = (0..200).filter(|seed| {
        let (mut world, log) = echo_world(*seed);
        world.flaky_link(SERVER, CLIENT, 0.3);
        world.run_until_ms(500).unwrap();
        log.at("connected").is_some()
    });
    let half = half.count();
    assert!((75..125).contains(&half), "about 0.7 * 0.7 of 200: {half}");
}

#[test]
fn flaky_run_is_a_function_of_its_seed() {
    let hash = |seed| {
        let (mut world, _) = echo_world(seed);
        world.flaky_link(SERVER, CLIENT, 0.2);
        world.run_until_ms(5_000).unwrap();
        world.trace_hash()
    };
    assert_eq!(hash(4), hash(4));
    assert_ne!(hash(4), hash(5));
}

#[test]
fn narrow_link_holds_the_lowest_of_its_limits() {
    let mut world = world(1);
    let log = Log::default();
    let server_log = log.clone();
    world.host("server", move |platform| {
        let log = server_log.clone();
        async move {
            let mut listener = platform.listen("0.0.0.0", PORT).await.unwrap();
            let mut stream = listener.accept().await.unwrap();
            loop {
                stream.read_exact(&mut [0; 10_000]).await.unwrap();
                log.add(&platform, "block");
            }
        }
    });
    world.host("client", |platform| async move {
        let mut stream = platform.connect("server", PORT).await.unwrap();
        loop {
            platform.sleep_ms(1_000).await;
            stream.write_all(&[0; 10_000]).await.unwrap();
        }
    });
    world.narrow_link(CLIENT, SERVER, 100_000);
    world.narrow_link(SERVER, CLIENT, 20_000);
    world.run_until_ms(2_000).unwrap();
    world.end_narrow_link(SERVER, CLIENT, 20_000);
    world.run_until_ms(3_000).unwrap();
    world.end_narrow_link(SERVER, CLIENT, 100_000);
    world.run_until_ms(4_000).unwrap();
    let took: Vec<u64> = log.all().iter().map(|(at, _)| at % 1_000).collect();
    assert!((500..520).contains(&took[0]), "{took:?}");
    assert!((100..120).contains(&took[1]), "{took:?}");
    assert!(took[2] < 20, "{took:?}");
}

#[test]
fn silent_firewall_lets_the_writer_time_out() {
    let (mut world, log) = waiting_world::<EngineWorld>(1_000);
    world.run_until_ms(100).unwrap();
    world.half_open(SERVER, CLIENT, true);
    world.run_until_ms(60_000).unwrap();
    assert_eq!(log.texts(), ["ok"]);
    world.run_until_ms(110_000).unwrap();
    assert_eq!(log.texts(), ["ok", "errno Some(110)"]);
}

#[test]
fn forgotten_connections_leave_nothing_behind_once_both_ends_are_gone() {
    for silent in [false, true] {
        let (mut world, _) = waiting_world::<EngineWorld>(50);
        world.run_until_ms(200).unwrap();
        let calm = world.census().ports;
        world.half_open(SERVER, CLIENT, silent);
        world.crash(CLIENT).unwrap();
        world.crash(SERVER).unwrap();
        world.run_until_ms(300_000).unwrap();
        assert_eq!((world.census().connections, world.connection_ends()), (0, 0), "{silent}");
        assert_eq!(world.census().ports, calm - 1);
    }
}
