//! What befalls links besides being cut: dropped SYNs, firewalls that forget connections, resets.

use platform::Platform;
use sim::{HostId, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::programs::{Log, PORT, echo_server, echo_world, errno, waiting_world, world};

const SERVER: HostId = HostId(0);
const CLIENT: HostId = HostId(1);

fn connection_that_a_firewall_forgot_ends_for_whoever_writes<W: World>() {
    for silent in [false, true] {
        let (mut world, log) = echo_world::<W>(1);
        world.run_until_ms(100).unwrap();
        world.half_open(CLIENT, SERVER, silent);
        world.run_until_ms(1_000).unwrap();
        assert_eq!(log.count_between("pong", 101, 1_000), 0);
        assert_eq!(log.at("read errno 104").is_some(), !silent, "{:?}", log.texts());
        assert_eq!(world.connection_ends(), if silent { 2 } else { 1 });
    }
}

fn syns_pass_again_when_connects_hang_no_more<W: World>() {
    let (mut world, log) = echo_world::<W>(1);
    world.run_until_ms(100).unwrap();
    world.hang_connects(CLIENT, SERVER);
    world.run_until_ms(1_100).unwrap();
    assert!(log.count_between("pong", 100, 1_100) >= 85);
    world.crash(CLIENT).unwrap();
    world.restart(CLIENT).unwrap();
    world.run_until_ms(1_500).unwrap();
    assert_eq!(log.count_between("connected", 1_100, 1_500), 0);
    world.end_hang_connects(CLIENT, SERVER);
    world.run_until_ms(2_200).unwrap();
    assert_eq!(log.count_between("connected", 2_100, 2_110), 1, "the second SYN");
}

fn hanging_connects_leave_open_connections_alone<W: World>() {
    let (mut world, log) = echo_world::<W>(1);
    world.run_until_ms(100).unwrap();
    world.hang_connects(CLIENT, SERVER);
    world.hang_connects(CLIENT, SERVER);
    let probe_log = log.clone();
    world.crash(CLIENT).unwrap();
    world.restart(CLIENT).unwrap();
    let probe = world.host("probe", move |platform| {
        let log = probe_log.clone();
        async move {
            log.add(&platform, errno(platform.connect("server", PORT).await));
        }
    });
    world.hang_connects(SERVER, probe);
    world.run_until_ms(2_000).unwrap();
    world.end_hang_connects(CLIENT, SERVER);
    world.run_until_ms(5_000).unwrap();
    assert_eq!(log.texts().iter().filter(|text| *text == "connected").count(), 1);
    assert!(log.at("ok").unwrap() < 110, "another host, and the other direction");
    world.end_hang_connects(CLIENT, SERVER);
    world.run_until_ms(7_200).unwrap();
    // SYNs go out after 0, 1, 3 and 7 seconds.
    assert!(log.count_between("pong", 7_100, 7_200) >= 5);
}

fn open_connection_goes_on_while_connects_hang<W: World>() {
    let (mut world, log) = echo_world::<W>(1);
    world.run_until_ms(100).unwrap();
    world.hang_connects(CLIENT, SERVER);
    world.hang_connects(SERVER, CLIENT);
    world.run_until_ms(1_100).unwrap();
    assert!(log.count_between("pong", 100, 1_100) >= 85);
}

fn connection_that_a_firewall_forgot_is_reset_when_one_end_writes_and_only_for_it<W: World>() {
    let (mut world, log) = waiting_world::<W>(1_000);
    world.run_until_ms(100).unwrap();
    world.half_open(SERVER, CLIENT, false);
    world.run_until_ms(1_000).unwrap();
    assert_eq!(log.all(), [], "nobody is told");
    world.run_until_ms(60_000).unwrap();
    assert_eq!(log.texts(), ["ok", "errno Some(104)"]);
    assert!((1_002..1_015).contains(&log.at("errno Some(104)").unwrap()));
    assert_eq!(world.connection_ends(), 1, "the other end is half-open");
}

fn firewall_that_forgot_lets_new_connections_through<W: World>() {
    for silent in [false, true] {
        let mut world: W = world(1);
        let log = Log::default();
        world.host("server", echo_server);
        let client_log = log.clone();
        world.host("client", move |platform| {
            let log = client_log.clone();
            async move {
                for what in ["first", "second"] {
                    let mut stream = platform.connect("server", PORT).await.unwrap();
                    while stream.write_all(b"x").await.is_ok() {
                        let answer = platform.timeout(100, stream.read_u8()).await;
                        if !matches!(answer, Ok(Ok(_))) {
                            break;
                        }
                        log.add(&platform, what);
                        platform.sleep_ms(10).await;
                    }
                }
            }
        });
        world.run_until_ms(300).unwrap();
        world.half_open(CLIENT, SERVER, silent);
        world.half_open(SERVER, SERVER, silent);
        world.run_until_ms(1_000).unwrap();
        assert_eq!(log.count_between("first", 310, 1_000), 0);
        assert!(log.count_between("second", 310, 1_000) > 30);
    }
}

fn reset_ends_both_ends_at_once<W: World>() {
    let (mut world, log) = echo_world::<W>(1);
    world.run_until_ms(100).unwrap();
    world.reset_all(SERVER, CLIENT);
    world.run_until_ms(101).unwrap();
    assert!(log.at("read errno 104").unwrap() <= 101);
    world.run_until_ms(200).unwrap();
    assert_eq!(world.connection_ends(), 0);
}

in_every_world! {
    connection_that_a_firewall_forgot_ends_for_whoever_writes,
    syns_pass_again_when_connects_hang_no_more,
    hanging_connects_leave_open_connections_alone,
    open_connection_goes_on_while_connects_hang,
    connection_that_a_firewall_forgot_is_reset_when_one_end_writes_and_only_for_it,
    firewall_that_forgot_lets_new_connections_through,
    reset_ends_both_ends_at_once,
}
