//! What the network does to datagrams.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sim::World as _;
use sim::engine::EngineWorld;
use sim::{DatagramTrouble, HostId};
use squall_runtime::net::UdpSocket;
use squall_runtime::time::sleep;

use sim::Host as _;

use super::world;

type Received = Arc<Mutex<Vec<u32>>>;

const MESSAGES: u32 = 500;

/// Numbers that a sender sends a millisecond apart, as a receiver gets them.
fn numbers(seed: u64) -> (EngineWorld, [HostId; 2], Received) {
    let mut world = world(seed);
    let received = Received::default();
    let log = Arc::clone(&received);
    let receiver = world.host("receiver", move |_| {
        let log = Arc::clone(&log);
        async move {
            let socket = UdpSocket::bind("0.0.0.0:53").await.unwrap();
            let mut buf = [0; 8];
            loop {
                let (len, _) = socket.recv_from(&mut buf).await.unwrap();
                let number = buf[..len].try_into().unwrap();
                log.lock().unwrap().push(u32::from_be_bytes(number));
            }
        }
    });
    let sender = world.host("sender", |_| async {
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        socket.connect("receiver:53").await.unwrap();
        for number in 0..MESSAGES {
            sleep(Duration::from_millis(1)).await;
            socket.send(&number.to_be_bytes()).await.unwrap();
        }
    });
    (world, [receiver, sender], received)
}

fn with_trouble(seed: u64, loss: f64, duplicate: f64, reorder: f64) -> (Vec<u32>, u64) {
    let (mut world, [receiver, sender], received) = numbers(seed);
    world.trouble_datagrams(sender, receiver, DatagramTrouble { loss, duplicate, reorder });
    world.run_until_ms(2_000).unwrap();
    let numbers = received.lock().unwrap().clone();
    (numbers, world.trace_hash())
}

fn share(received: &[u32]) -> f64 {
    received.len() as f64 / f64::from(MESSAGES)
}

#[test]
fn link_without_trouble_delivers_each_once_and_in_order() {
    for seed in 0..5 {
        let (received, hash) = with_trouble(seed, 0.0, 0.0, 0.0);
        assert_eq!(received, (0..MESSAGES).collect::<Vec<_>>());
        assert_eq!(hash, with_trouble(seed, 0.0, 0.0, 0.0).1);
    }
}

#[test]
fn some_get_lost() {
    let (received, hash) = with_trouble(1, 0.3, 0.0, 0.0);
    assert!((0.6..0.8).contains(&share(&received)), "{}", share(&received));
    assert!(received.is_sorted());
    assert_eq!(hash, with_trouble(1, 0.3, 0.0, 0.0).1, "the seed says which");
    assert_ne!(received, with_trouble(2, 0.3, 0.0, 0.0).0);
}

#[test]
fn some_arrive_twice() {
    let (mut received, _) = with_trouble(1, 0.0, 0.3, 0.0);
    assert!((1.2..1.4).contains(&share(&received)), "{}", share(&received));
    received.dedup();
    assert_eq!(received, (0..MESSAGES).collect::<Vec<_>>());
}

#[test]
fn some_are_overtaken() {
    let (mut received, _) = with_trouble(1, 0.0, 0.0, 0.3);
    assert!(!received.is_sorted());
    received.sort_unstable();
    assert_eq!(received, (0..MESSAGES).collect::<Vec<_>>());
}

#[test]
fn trouble_ends_and_a_flaky_link_is_trouble_too() {
    let (mut world, [receiver, sender], received) = numbers(3);
    let all_lost = DatagramTrouble { loss: 1.0, duplicate: 0.0, reorder: 0.0 };
    world.trouble_datagrams(sender, receiver, all_lost);
    world.run_until_ms(100).unwrap();
    assert!(received.lock().unwrap().is_empty());
    world.end_datagram_trouble(sender, receiver, all_lost);
    world.run_until_ms(200).unwrap();
    let before = received.lock().unwrap().len();
    assert!((95..=100).contains(&before), "{before}");
    world.flaky_link(sender, receiver, 1.0);
    world.run_until_ms(300).unwrap();
    assert!(received.lock().unwrap().len() <= before + 2, "only what was under way");
}

#[test]
fn cut_link_drops_and_nothing_is_sent_again() {
    let (mut world, [receiver, sender], received) = numbers(4);
    world.run_until_ms(100).unwrap();
    world.partition(&[sender], &[receiver]);
    world.run_until_ms(200).unwrap();
    world.heal(&[sender], &[receiver]);
    world.run_until_ms(2_000).unwrap();
    let received = received.lock().unwrap().clone();
    let lost = (0..MESSAGES).filter(|number| !received.contains(number)).count();
    assert!((95..=103).contains(&lost), "{lost}");
    assert!(received.is_sorted());
}

#[test]
fn receiver_that_is_gone_gets_nothing_and_nobody_is_told() {
    for power in [false, true] {
        let (mut world, [receiver, _], received) = numbers(5);
        world.run_until_ms(100).unwrap();
        match power {
            true => world.power_loss(receiver).unwrap(),
            false => world.crash(receiver).unwrap(),
        }
        assert_eq!(world.census().ports, 1, "the sender's");
        world.run_until_ms(200).unwrap();
        let before = received.lock().unwrap().len();
        world.restart(receiver).unwrap();
        world.run_until_ms(2_000).unwrap();
        let received = received.lock().unwrap().clone();
        assert!(received.len() > before + 200 && received.len() < MESSAGES as usize - 90);
    }
}

#[test]
fn full_buffer_drops_the_rest() {
    let (mut world, [receiver, _], received) = numbers(6);
    world.host("flood", |_| async {
        let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        for number in 0..1_000u32 {
            socket.send_to(&number.to_be_bytes(), "receiver:53").await.unwrap();
        }
    });
    world.run_until_ms(0).unwrap();
    world.run_until_ms(1).unwrap();
    world.pause(receiver);
    world.run_until_ms(100).unwrap();
    world.resume(receiver);
    world.run_until_ms(101).unwrap();
    // 212 992 bytes hold so many datagrams of four bytes with their overhead; one or two more arrive
    // while it reads on.
    let held = 212_992 / 260;
    let received = received.lock().unwrap().len();
    assert!((held..=held + 2).contains(&received), "{received}");
}

#[test]
fn datagrams_between_other_hosts_move_nothing() {
    let trace = |with_udp: bool| {
        let mut world = world(9);
        let log = Received::default();
        let times = Arc::clone(&log);
        world.host("server", |_| async {
            let listener = squall_runtime::net::TcpListener::bind("0.0.0.0:7").await.unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (mut read, mut write) = stream.split();
                squall_runtime::io::copy(&mut read, &mut write).await.unwrap();
            }
        });
        world.host("client", move |platform| {
            let times = Arc::clone(&times);
            async move {
                for _ in 0..50 {
                    let mut stream =
                        squall_runtime::net::TcpStream::connect("server:7").await.unwrap();
                    use squall_runtime::io::{AsyncReadExt, AsyncWriteExt};
                    stream.write_all(b"x").await.unwrap();
                    stream.read_u8().await.unwrap();
                    times.lock().unwrap().push(platform.world_ns() as u32);
                }
            }
        });
        world.host("other", move |_| async move {
            if with_udp {
                let socket = UdpSocket::bind("0.0.0.0:9").await.unwrap();
                loop {
                    socket.send_to(b"hello", "server:9").await.unwrap();
                    sleep(Duration::from_micros(300)).await;
                }
            }
        });
        world.run_until_ms(1_000).unwrap();
        let log = log.lock().unwrap();
        log.clone()
    };
    assert_eq!(trace(true), trace(false));
}
