//! TCP in the fine: retransmission, time-outs, windows, bandwidth, resets, ports and backlogs.

use platform::{Listener, Platform, Stream};
use sim::engine::platform::EnginePlatform;
use sim::engine::{EngineSettings, EngineWorld};
use sim::{Host, HostId, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{Log, PORT, echo_server, echo_world, errno, read_to_its_end, world};

const SERVER: HostId = HostId(0);
const CLIENT: HostId = HostId(1);

/// A world with a server and a client made by `client`, which gets a log.
fn pair<F>(
    settings: EngineSettings,
    server: impl Fn(EnginePlatform, Log) -> F + 'static,
    client: impl AsyncFn(EnginePlatform, Log) + Clone + 'static,
) -> (EngineWorld, Log)
where
    F: Future<Output = ()> + 'static,
{
    let mut world = EngineWorld::new(1, settings);
    let log = Log::default();
    let own = log.clone();
    world.host("server", move |platform| server(platform, own.clone()));
    let own = log.clone();
    world.host("client", move |platform| {
        let (client, log) = (client.clone(), own.clone());
        async move { client(platform, log).await }
    });
    (world, log)
}

/// Accepts one connection and logs when bytes arrive.
async fn listener(platform: EnginePlatform, log: Log) {
    let mut stream = platform.listen("0.0.0.0", PORT).await.unwrap().accept().await.unwrap();
    let mut buffer = [0; 1 << 20];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return log.add(&platform, "server end"),
            Ok(len) => log.add(&platform, format!("server {len}")),
            Err(error) => return log.add(&platform, format!("server {:?}", error.raw_os_error())),
        }
    }
}

#[test]
fn blocked_bytes_are_sent_again_with_doubling_waits_and_arrive_with_the_first_that_passes() {
    for (healed_ms, arrived_ms) in [(1_150, 1_202), (1_250, 1_602), (1_700, 2_402), (2_500, 4_002)]
    {
        let (mut world, log) = pair(EngineSettings::default(), listener, async |platform, log| {
            let mut stream = platform.connect("server", PORT).await.unwrap();
            platform.sleep_until(platform::Mono(1_000_000_000)).await;
            for _ in 0..3 {
                stream.write_all(b"abc").await.unwrap();
                platform.sleep_ms(10).await;
            }
            log.add(&platform, "sent");
            std::future::pending::<()>().await;
        });
        world.run_until_ms(1_000).unwrap();
        world.one_way(&[CLIENT], &[SERVER]);
        world.run_until_ms(healed_ms).unwrap();
        world.heal_one_way(&[CLIENT], &[SERVER]);
        world.run_until_ms(6_000).unwrap();
        assert_eq!(log.at("sent"), Some(1_030));
        let at = log.at("server 9").expect("all of it arrives at once");
        assert!((arrived_ms..arrived_ms + 4).contains(&at), "{healed_ms}: {at}");
    }
}

/// Seen so between two network namespaces of Linux, where one hears nothing of the other: of bytes every 100 ms
/// three arrived, then nothing for seconds, nor the end; all of it with the first repetition after healing.
#[test]
fn who_hears_no_acknowledgements_sends_nothing_new_and_its_end_is_not_heard_of() {
    let (mut world, log) = pair(EngineSettings::default(), listener, async |platform, log| {
        let mut stream = platform.connect("server", PORT).await.unwrap();
        platform.sleep_until(platform::Mono(1_000_000_000)).await;
        for _ in 0..20 {
            stream.write_all(b"x").await.unwrap();
            platform.sleep_ms(100).await;
        }
        drop(stream);
        log.add(&platform, "closed");
        std::future::pending::<()>().await;
    });
    world.run_until_ms(1_050).unwrap();
    world.one_way(&[SERVER], &[CLIENT]);
    world.run_until_ms(5_000).unwrap();
    let bytes = |log: &Log| log.texts().iter().filter(|text| *text == "server 1").count();
    assert!((3..=4).contains(&bytes(&log)), "{:?}", log.texts());
    assert_eq!(log.texts().last().map(String::as_str), Some("closed"));
    world.heal_one_way(&[SERVER], &[CLIENT]);
    world.run_until_ms(12_000).unwrap();
    assert_eq!(log.texts().last().map(String::as_str), Some("server end"), "{:?}", log.texts());
}

#[test]
fn sender_gives_up_when_nothing_is_acknowledged_and_its_peer_learns_nothing() {
    // Either way may be blocked: the bytes' or the acknowledgements'.
    for (from, to, arrives) in [(CLIENT, SERVER, false), (SERVER, CLIENT, true)] {
        let (mut world, log) = pair(EngineSettings::default(), listener, async |platform, log| {
            let mut stream = platform.connect("server", PORT).await.unwrap();
            platform.sleep_ms(1_000).await;
            stream.write_all(b"abc").await.unwrap();
            log.add(&platform, read_to_its_end(&mut stream).await);
            log.add(&platform, errno(stream.write(b"x").await));
        });
        world.run_until_ms(500).unwrap();
        world.one_way(&[from], &[to]);
        world.run_until_ms(200_000).unwrap();
        let timed_out_ms = log.at("errno Some(110)").unwrap();
        assert!((101_000..101_010).contains(&timed_out_ms), "{timed_out_ms}");
        assert_eq!(log.texts().iter().filter(|text| *text == "errno Some(110)").count(), 2);
        assert_eq!(log.at("server 3").is_some(), arrives);
        assert_eq!(log.texts().len(), 2 + usize::from(arrives), "{:?}", log.texts());
        assert_eq!(world.connection_ends(), 1, "the server's end is half-open");
    }
}

#[test]
fn half_open_peer_is_reset_when_it_speaks_and_not_before() {
    let (mut world, log) = pair(
        EngineSettings::default(),
        |platform, _| echo_server(platform),
        async |platform, log| {
            let mut stream = platform.connect("server", PORT).await.unwrap();
            platform.sleep_ms(5_000).await;
            stream.write_all(b"?").await.unwrap();
            log.add(&platform, read_to_its_end(&mut stream).await);
        },
    );
    world.run_until_ms(100).unwrap();
    world.power_loss(SERVER).unwrap();
    world.restart(SERVER).unwrap();
    world.run_until_ms(6_000).unwrap();
    let reset_ms = log.at("errno Some(104)").unwrap();
    assert!((5_000..5_012).contains(&reset_ms), "{reset_ms}");
}

#[test]
fn writer_whose_reader_lost_power_with_a_full_window_learns_of_it() {
    let (mut world, log) = pair(
        EngineSettings::default(),
        |platform, _| async move {
            let _stream = platform.listen("0.0.0.0", PORT).await.unwrap().accept().await.unwrap();
            std::future::pending::<()>().await;
        },
        async |platform, log| {
            let mut stream = platform.connect("server", PORT).await.unwrap();
            let written = stream.write_all(&vec![0; 1 << 20]).await;
            log.add(&platform, errno(written));
        },
    );
    // It probes the full window for as long as the peer's kernel answers.
    world.run_until_ms(300_000).unwrap();
    assert_eq!(log.texts(), [""; 0]);
    world.power_loss(SERVER).unwrap();
    world.restart(SERVER).unwrap();
    world.run_until_ms(500_000).unwrap();
    assert_eq!(log.texts(), ["errno Some(32)"]);
}

#[test]
fn window_that_opens_behind_a_partition_is_found_out() {
    let (mut world, log) = pair(
        EngineSettings::default(),
        |platform, log| async move {
            let mut stream =
                platform.listen("0.0.0.0", PORT).await.unwrap().accept().await.unwrap();
            platform.sleep_ms(1_000).await;
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            log.add(&platform, format!("read {}", all.len()));
        },
        async |platform, log| {
            let mut stream = platform.connect("server", PORT).await.unwrap();
            stream.write_all(&vec![0; 1_000_000]).await.unwrap();
            log.add(&platform, "written");
        },
    );
    world.run_until_ms(900).unwrap();
    world.one_way(&[SERVER], &[CLIENT]);
    world.run_until_ms(2_000).unwrap();
    assert_eq!(log.texts(), [""; 0]);
    world.heal_one_way(&[SERVER], &[CLIENT]);
    world.run_until_ms(10_000).unwrap();
    assert_eq!(log.texts(), ["written", "read 1000000"]);
}

#[test]
fn news_of_room_takes_a_latency() {
    let latency_ns = Some((5_000_000, 5_000_000));
    let (mut world, log) = pair(
        EngineSettings { latency_ns, ..EngineSettings::default() },
        |platform, _| async move {
            let mut stream =
                platform.listen("0.0.0.0", PORT).await.unwrap().accept().await.unwrap();
            platform.sleep_until(platform::Mono(100_000_000)).await;
            read_to_its_end(&mut stream).await;
        },
        async |platform, log| {
            let mut stream = platform.connect("server", PORT).await.unwrap();
            stream.write_all(&[0; 256 * 1024]).await.unwrap();
            log.add(&platform, "window full");
            stream.write_all(&[0; 1]).await.unwrap();
            log.add(&platform, "room");
        },
    );
    world.run_until_ms(1_000).unwrap();
    assert_eq!((log.at("window full"), log.at("room")), (Some(10), Some(105)));
}

#[test]
fn bandwidth_spreads_bytes_over_time_and_connections_share_it() {
    for (connections, end_ms) in [(1, 1_000), (2, 2_000)] {
        let settings =
            EngineSettings { bandwidth_bytes_per_s: 100_000, ..EngineSettings::default() };
        let (mut world, log) = pair(
            settings,
            |platform, log| async move {
                let mut listener = platform.listen("0.0.0.0", PORT).await.unwrap();
                loop {
                    let mut stream = listener.accept().await.unwrap();
                    let (own, log) = (platform, log.clone());
                    platform.spawn(async move {
                        read_to_its_end(&mut stream).await;
                        log.add(&own, "end");
                    });
                }
            },
            async move |platform, _| {
                for _ in 0..connections {
                    platform.spawn(async move {
                        let mut stream = platform.connect("server", PORT).await.unwrap();
                        for _ in 0..100 {
                            stream.write_all(&[0; 1_000]).await.unwrap();
                        }
                    });
                }
            },
        );
        world.run_until_ms(5_000).unwrap();
        let last_ms = log.all().last().unwrap().0;
        assert!((end_ms..end_ms + 20).contains(&last_ms), "{connections}: {last_ms}");
    }
}

#[test]
fn bandwidth_of_one_link_can_be_limited_and_freed() {
    let (mut world, log) = pair(EngineSettings::default(), listener, async |platform, log| {
        let mut stream = platform.connect("server", PORT).await.unwrap();
        for _ in 0..2 {
            platform.sleep_ms(100).await;
            stream.write_all(&[0; 10_000]).await.unwrap();
            log.add(&platform, "sent");
        }
        std::future::pending::<()>().await;
    });
    world.narrow_link(SERVER, CLIENT, 1_000_000);
    world.run_until_ms(150).unwrap();
    world.end_narrow_link(SERVER, CLIENT, 1_000_000);
    world.run_until_ms(1_000).unwrap();
    let times: Vec<u64> = log.all().into_iter().map(|(at, _)| at).collect();
    assert!((11..14).contains(&(times[1] - times[0])), "{times:?}");
    assert!((1..4).contains(&(times[3] - times[2])), "{times:?}");
}

#[test]
fn what_waits_on_a_narrow_link_comes_at_once_when_it_is_wide_again() {
    let arrivals = |end_ms: u64, next: Option<u64>| {
        let (mut world, log) = pair(EngineSettings::default(), listener, async |platform, log| {
            let mut stream = platform.connect("server", PORT).await.unwrap();
            for _ in 0..3 {
                stream.write_all(&[0; 10_000]).await.unwrap();
                platform.sleep_ms(1).await;
            }
            log.add(&platform, "sent");
            std::future::pending::<()>().await;
        });
        world.narrow_link(SERVER, CLIENT, 10_000);
        world.run_until_ms(end_ms).unwrap();
        if let Some(next) = next {
            world.narrow_link(SERVER, CLIENT, next);
        }
        world.end_narrow_link(SERVER, CLIENT, 10_000);
        world.run_until_ms(10_000).unwrap();
        log.all().into_iter().filter(|(_, text)| text != "sent").map(|(at, _)| at).collect()
    };
    let times: Vec<u64> = arrivals(1_500, None);
    assert!((1_000..1_010).contains(&times[0]), "{times:?}");
    assert!(times[1..].iter().all(|at_ms| (1_500..1_510).contains(at_ms)), "{times:?}");
    // At twice the rate the rest takes half as long.
    let times: Vec<u64> = arrivals(1_500, Some(20_000));
    let last_ms = *times.last().unwrap();
    assert!((2_240..2_270).contains(&last_ms), "{times:?}");
}

#[test]
fn closing_with_bytes_unread_resets_and_without_them_ends() {
    for (reads, expected) in [(false, "errno Some(104)"), (true, "end")] {
        let (mut world, log) = pair(
            EngineSettings::default(),
            move |platform, _| async move {
                let mut stream =
                    platform.listen("0.0.0.0", PORT).await.unwrap().accept().await.unwrap();
                platform.sleep_ms(20).await;
                if reads {
                    stream.read_exact(&mut [0; 3]).await.unwrap();
                }
            },
            async |platform, log| {
                let mut stream = platform.connect("server", PORT).await.unwrap();
                stream.write_all(b"abc").await.unwrap();
                log.add(&platform, read_to_its_end(&mut stream).await);
            },
        );
        world.run_until_ms(100).unwrap();
        assert_eq!(log.texts(), [expected]);
        assert_eq!(world.census().connections, 0);
    }
}

#[test]
fn bytes_sent_before_a_kill_arrive_and_bytes_sent_after_it_are_answered_with_a_reset() {
    let (mut world, log) = pair(EngineSettings::default(), listener, async |platform, _| {
        let mut stream = platform.connect("server", PORT).await.unwrap();
        platform.sleep_ms(50).await;
        stream.write_all(b"last words").await.unwrap();
        std::future::pending::<()>().await;
    });
    world
        .run_until(1_000, |world| {
            world.trace_events().last().is_some_and(|event| event.kind == sim::trace::Kind::Sent)
        })
        .unwrap();
    world.crash(CLIENT).unwrap();
    world.run_until_ms(1_000).unwrap();
    assert_eq!(log.texts(), ["server 10", "server end"]);
    let (mut world, log) = echo_world(3);
    world.run_until_ms(100).unwrap();
    world.crash(SERVER).unwrap();
    world.run_until_ms(200).unwrap();
    let texts = log.texts();
    assert!(texts.iter().any(|text| text.contains("UnexpectedEof") || text.contains("104")));
    assert!(texts.iter().any(|text| text == "write errno Some(32)"), "{texts:?}");
}

#[test]
fn full_backlog_answers_no_more_until_there_is_room() {
    let settings = EngineSettings { backlog_max: 2, ..EngineSettings::default() };
    let (mut world, log) = pair(
        settings,
        |platform, _| async move {
            let mut listener = platform.listen("0.0.0.0", PORT).await.unwrap();
            platform.sleep_ms(500).await;
            let mut accepted = Vec::new();
            loop {
                accepted.push(listener.accept().await.unwrap());
            }
        },
        async |platform, log| {
            let mut streams = Vec::new();
            for _ in 0..3 {
                streams.push(platform.connect("server", PORT).await.unwrap());
                log.add(&platform, "connected");
                platform.sleep_ms(10).await;
            }
            std::future::pending::<()>().await;
        },
    );
    world.run_until_ms(900).unwrap();
    assert_eq!(log.texts().len(), 2);
    world.run_until_ms(1_500).unwrap();
    assert_eq!(log.texts().len(), 3, "the next SYN after a second is answered");
    assert_eq!(world.connection_ends(), 6);
}

#[test]
fn closing_a_port_resets_who_waits_to_be_accepted_and_frees_it() {
    let (mut world, log) = pair(
        EngineSettings::default(),
        |platform, log| async move {
            let listener = platform.listen("0.0.0.0", PORT).await.unwrap();
            platform.sleep_ms(50).await;
            drop(listener);
            log.add(&platform, errno(platform.listen("0.0.0.0", PORT).await));
        },
        async |platform, log| {
            let mut stream = platform.connect("server", PORT).await.unwrap();
            log.add(&platform, read_to_its_end(&mut stream).await);
        },
    );
    world.run_until_ms(100).unwrap();
    assert_eq!(log.texts(), ["ok", "errno Some(104)"]);
}

#[test]
fn loopback_port_is_for_its_own_host_and_port_zero_is_any_port() {
    let (mut world, log) = pair(
        EngineSettings::default(),
        |platform, log| async move {
            let _own = platform.listen("127.0.0.1", PORT).await.unwrap();
            let any = platform.listen("0.0.0.0", 0).await.unwrap();
            assert!(any.port() >= 32_768);
            log.add(&platform, errno(platform.connect("server", any.port()).await));
            log.add(&platform, errno(platform.connect("localhost", PORT).await));
            std::future::pending::<()>().await;
        },
        async |platform, log| {
            platform.sleep_ms(20).await;
            log.add(&platform, errno(platform.connect("server", PORT).await));
            log.add(&platform, errno(platform.connect("10.0.0.99", PORT).await));
        },
    );
    world.run_until_ms(100).unwrap();
    assert_eq!(log.texts(), ["ok", "ok", "errno Some(111)", "errno Some(113)"]);
}

#[test]
fn ephemeral_ports_run_out_and_come_back() {
    let (mut world, log) = pair(
        EngineSettings::default(),
        |platform, _| async move {
            let mut listener = platform.listen("0.0.0.0", PORT).await.unwrap();
            let mut accepted = Vec::new();
            loop {
                accepted.push(listener.accept().await.unwrap());
            }
        },
        async |platform, log| {
            let mut streams = Vec::new();
            for _ in 0..282 {
                let connecting: Vec<_> =
                    (0..101).map(|_| Box::pin(platform.connect("server", PORT))).collect();
                for each in connecting {
                    match each.await {
                        Ok(stream) => streams.push(stream),
                        Err(error) => log.add(&platform, errno::<()>(Err(error))),
                    }
                }
                if streams.len() == 28_232 {
                    break;
                }
            }
            log.add(&platform, format!("{}", streams.len()));
            drop(streams);
            platform.sleep_ms(100).await;
            log.add(&platform, errno(platform.connect("server", PORT).await));
        },
    );
    world.run_until_ms(200_000).unwrap();
    let texts = log.texts();
    assert_eq!(texts.last().unwrap(), "ok", "{texts:?}");
    assert!(texts.contains(&"28232".to_owned()), "{:?}", &texts[texts.len() - 3..]);
}

#[test]
fn latencies_of_a_connection_do_not_depend_on_others() {
    let times = |busy: bool| {
        let settings =
            EngineSettings { latency_ns: Some((1_000, 9_000_000)), ..EngineSettings::default() };
        let (mut world, log) = pair(
            settings,
            |platform, _| echo_server(platform),
            async |platform, log| {
                let mut stream = platform.connect("server", PORT).await.unwrap();
                for _ in 0..100 {
                    stream.write_all(b"x").await.unwrap();
                    stream.read_u8().await.unwrap();
                    log.add(&platform, format!("{}", platform.world_ns()));
                }
            },
        );
        world.host("other", move |platform| async move {
            if busy {
                for _ in 0..50 {
                    let mut stream = platform.connect("server", PORT).await.unwrap();
                    stream.write_all(b"y").await.unwrap();
                    stream.read_u8().await.unwrap();
                }
            }
        });
        world.run_until_ms(5_000).unwrap();
        log.texts()
    };
    let quiet = times(false);
    assert_eq!(quiet.len(), 100);
    assert_eq!(quiet, times(true));
}

#[test]
fn order_is_kept_within_a_direction_whatever_the_latencies() {
    let settings =
        EngineSettings { latency_ns: Some((1_000, 50_000_000)), ..EngineSettings::default() };
    let (mut world, log) = pair(
        settings,
        |platform, log| async move {
            let mut stream =
                platform.listen("0.0.0.0", PORT).await.unwrap().accept().await.unwrap();
            for number in 0..1_000 {
                assert_eq!(stream.read_u32().await.unwrap(), number);
            }
            log.add(&platform, "all");
        },
        async |platform, _| {
            let (_read, mut write) = platform.connect("server", PORT).await.unwrap().into_split();
            for number in 0..1_000 {
                write.write_u32(number).await.unwrap();
                platform.sleep_ms(1).await;
            }
            std::future::pending::<()>().await;
        },
    );
    world.run_until_ms(3_000).unwrap();
    assert_eq!(log.texts(), ["all"]);
}

#[test]
fn host_without_power_that_comes_back_refuses_connections_of_its_former_life_at_the_handshake() {
    for delay_us in (0..6_000).step_by(250) {
        let mut world = world(1);
        let log = Log::default();
        world.host("server", echo_server);
        let own = log.clone();
        world.host("client", move |platform| {
            let log = own.clone();
            async move {
                let mut stream = platform.connect("server", PORT).await.unwrap();
                let echoed = async {
                    stream.write_all(b"x").await?;
                    stream.read_u8().await
                };
                log.add(&platform, errno(echoed.await));
            }
        });
        world.run_until_ns(delay_us * 1_000).unwrap();
        world.power_loss(SERVER).unwrap();
        world.restart(SERVER).unwrap();
        world.run_until_ms(5_000).unwrap();
        let texts = log.texts();
        assert!(texts == ["ok"] || texts == ["errno Some(104)"], "{delay_us}: {texts:?}");
    }
}
