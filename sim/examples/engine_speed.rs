//! `cargo run --release -p sim --example engine_speed [RATE [SECONDS]]`: simulated seconds per CPU
//! second of the whole server on the engine: five servers and five clients, without recorder. With
//! no arguments it measures three loads, three times each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use keeper_client::{Client, ClientOptions, ServerAddress};
use keeper_core::ids::ServerId;
use keeper_core::instruments::Off;
use keeper_core::record::Acl;
use keeper_core::wire::client::{CreateMode, Request};
use keeper_core::zab::ensemble::{Ensemble, Settings as KeeperSettings};
use keeper_server::{Directories, NodeConfig, PeerAddress};
use platform::{Mono, Platform};
use sim::engine::platform::EnginePlatform;
use sim::engine::{EngineSettings, EngineWorld};
use sim::world::Settings;

/// Servers, and as many clients.
const SERVERS: u32 = 5;
/// Requests per second in all, and for how many simulated seconds.
const LOADS: [(u64, u64); 3] = [(0, 2_000), (200, 200), (2_000, 30)];

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let loads = match numbers[..] {
        [] => LOADS.to_vec(),
        [rate] => vec![(rate, 60)],
        [rate, seconds, ..] => vec![(rate, seconds)],
    };
    println!(
        "requests/s   simulated s   CPU s   ratio   answered   events   us/event   polls/event"
    );
    for (rate, seconds) in loads {
        for _ in 0..3 {
            measure(rate, seconds);
        }
    }
}

fn measure(rate: u64, seconds: u64) {
    let common = Settings { trace_ring: 0, ..Settings::default() };
    let mut world = EngineWorld::new(1, EngineSettings::from(common));
    for number in 1..=SERVERS {
        world.host(&format!("n{number}"), move |platform| async move {
            let ended = keeper_server::run(platform, node_config(number), || Off).await;
            ended.expect("a server without faults goes on");
        });
    }
    let answered = Arc::new(AtomicU64::new(0));
    for number in 1..=SERVERS {
        let answered = Arc::clone(&answered);
        world.host(&format!("c{number}"), move |platform| {
            client(platform, number, rate, Arc::clone(&answered))
        });
    }
    let before_s = process_cpu_s();
    world.run_until_ms(seconds * 1_000).expect("nothing panics");
    let cpu_s = (process_cpu_s() - before_s).max(1e-9);
    let events = world.recorder().count();
    println!(
        "{rate:>10}   {seconds:>11}   {cpu_s:>5.2}   {:>7.1}   {:>8}   {events:>8}   {:.3}   {:.2}",
        seconds as f64 / cpu_s,
        answered.load(Ordering::Relaxed),
        cpu_s * 1e6 / events as f64,
        world.polls() as f64 / events as f64,
    );
}

async fn client(platform: EnginePlatform, number: u32, rate: u64, answered: Arc<AtomicU64>) {
    let servers = (0..SERVERS)
        .map(|n| ServerAddress { host: format!("n{}", (number + n) % SERVERS + 1), port: 2181 })
        .collect();
    let options = ClientOptions { session_timeout_ms: 4_000, ..ClientOptions::default() };
    let (client, _events) = Client::connect(platform, servers, options);
    platform.sleep_ms(1_500).await;
    let path = format!("/c{number}");
    let created = client.create(&path, &b"0"[..], Acl::open(), CreateMode::Persistent).await;
    created.expect("the ensemble serves by then");
    let own_rate = rate / u64::from(SERVERS);
    let Some(pause_ns) = 1_000_000_000u64.checked_div(own_rate) else {
        return std::future::pending().await;
    };
    let mut at_ns = platform.now().0;
    for turn in 0u64.. {
        at_ns += pause_ns;
        platform.sleep_until(Mono(at_ns)).await;
        let request = match turn % 2 {
            0 => Request::SetData {
                path: path.clone(),
                data: Some(Bytes::from(vec![b'x'; 100])),
                version: -1,
            },
            _ => Request::GetData { path: path.clone(), watch: false },
        };
        // Requests do not wait for each other.
        let answer = client.submit(request);
        let answered = Arc::clone(&answered);
        platform.spawn(async move {
            if answer.await.is_ok() {
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

fn node_config(number: u32) -> NodeConfig {
    let servers: BTreeMap<ServerId, PeerAddress> = (1..=SERVERS)
        .map(|number| {
            let host = format!("n{number}");
            let address = PeerAddress { host, quorum_port: 2888, election_port: 3888 };
            (ServerId(u64::from(number)), address)
        })
        .collect();
    NodeConfig {
        ensemble: Ensemble {
            me: ServerId(u64::from(number)),
            voters: servers.keys().copied().collect(),
            config_text: "version=0".to_owned(),
            config_version: 0,
        },
        settings: KeeperSettings {
            tick_ms: 200,
            init_limit: 10,
            sync_limit: 5,
            session_min_ms: 400,
            session_max_ms: 40_000,
            snap_count: 10_000,
            commit_log_count: 500,
            ..KeeperSettings::default()
        },
        directories: Directories {
            data: "/data/version-2".to_owned(),
            log: "/data/version-2".to_owned(),
        },
        client_address: "0.0.0.0".to_owned(),
        client_port: 2181,
        servers,
        listen_on_all_addresses: true,
        max_client_connections: None,
    }
}

/// CPU time of this process in seconds, from `/proc/self/stat` (hundredths of a second).
fn process_cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux shows a process its times");
    let (_, fields) = stat.rsplit_once(')').expect("the name is in parentheses");
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().expect("times are numbers")).sum::<f64>() / 100.0
}
