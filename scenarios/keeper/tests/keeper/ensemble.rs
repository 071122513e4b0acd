//! The whole server on the engine: it elects, serves, and survives what befalls it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use keeper_client::{Client, ClientOptions, ServerAddress};
use keeper_core::ids::ServerId;
use keeper_core::record::Acl;
use keeper_core::wire::client::CreateMode;
use keeper_core::zab::ensemble::{Ensemble, Settings as KeeperSettings};
use keeper_server::{Bounds, Directories, NodeConfig, PeerAddress};
use platform::Platform;
use probe::Off;
use sim::clock::Clock;
use sim::engine::{EngineSettings, EngineWorld};
use sim::{Host, HostId, World};

const SERVERS: u32 = 3;

fn node_config(number: u32) -> NodeConfig {
    let address = |number| {
        let host = format!("n{number}");
        let address = PeerAddress { host, quorum_port: 2888, election_port: 3888 };
        (ServerId(u64::from(number)), address)
    };
    let servers: BTreeMap<ServerId, PeerAddress> = (1..=SERVERS).map(address).collect();
    NodeConfig {
        bounds: Bounds::default(),
        ensemble: Ensemble {
            me: ServerId(u64::from(number)),
            voters: servers.keys().copied().collect(),
            config_text: "version=0".to_owned(),
            config_version: 0,
        },
        settings: KeeperSettings {
            tick_ms: 100,
            init_limit: 10,
            sync_limit: 5,
            session_min_ms: 200,
            session_max_ms: 20_000,
            snap_count: 30,
            ..KeeperSettings::default()
        },
        directories: Directories { data: "/data".to_owned(), log: "/data".to_owned() },
        client_address: "0.0.0.0".to_owned(),
        client_port: 2181,
        servers,
        accepts_loss: false,
        listen_on_all_addresses: true,
        max_client_connections: None,
    }
}

/// A client writes the numbers from 0 on, one after another, each until it is acknowledged.
/// Returned are the milliseconds at which that was.
fn ensemble(seed: u64, one_in: u64) -> (EngineWorld, Arc<Mutex<Vec<u64>>>) {
    let settings = EngineSettings { spurious_one_in: one_in, ..EngineSettings::default() };
    let mut world = EngineWorld::new(seed, settings);
    for number in 1..=SERVERS {
        world.host(&format!("n{number}"), move |platform| async move {
            let ended = keeper_server::run(platform, node_config(number), || Off).await;
            panic!("a server goes on for ever: {ended:?}");
        });
    }
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let own = Arc::clone(&acknowledged);
    world.host("client", move |platform| {
        let acknowledged = Arc::clone(&own);
        async move {
            let servers = (1..=SERVERS)
                .map(|n| ServerAddress { host: format!("n{n}"), port: 2181 })
                .collect();
            let options = ClientOptions {
                session_timeout_ms: 15_000,
                connect_timeout_ms: Some(300),
                request_timeout_ms: Some(2_000),
                ..ClientOptions::default()
            };
            let (client, _events) = Client::connect(platform, servers, options);
            while client.create("/n", &b""[..], Acl::open(), CreateMode::Persistent).await.is_err()
            {
                platform.sleep_ms(50).await;
            }
            for number in 0u64.. {
                let text = number.to_string();
                while client.set_data("/n", text.clone().into_bytes(), -1).await.is_err() {
                    platform.sleep_ms(50).await;
                }
                acknowledged.lock().unwrap().push(platform.world_ns() / 1_000_000);
                platform.sleep_ms(10).await;
            }
        }
    });
    (world, acknowledged)
}

/// Strikes every server in every way, one after another; how much was served in each phase.
fn stormy_run(seed: u64, one_in: u64) -> (u64, Vec<usize>) {
    let (mut world, acknowledged) = ensemble(seed, one_in);
    let mut served = Vec::new();
    let mut phase = |world: &mut EngineWorld| {
        let before = acknowledged.lock().unwrap().len();
        world.run_for_ms(5_000).unwrap();
        served.push(acknowledged.lock().unwrap().len() - before);
    };
    phase(&mut world);
    for number in 0..SERVERS {
        let (host, others) = (HostId(number), [(number + 1) % 3, (number + 2) % 3].map(HostId));
        world.crash(host).unwrap();
        phase(&mut world);
        world.restart(host).unwrap();
        phase(&mut world);
        world.partition(&[host], &others);
        phase(&mut world);
        world.heal(&[host], &others);
        world.pause(host);
        phase(&mut world);
        world.resume(host);
        world.power_loss(host).unwrap();
        phase(&mut world);
        world.restart(host).unwrap();
        world.drift_clock(host, Clock::Monotonic, 30_000);
        phase(&mut world);
    }
    (world.trace_hash(), served)
}

#[test]
fn ensemble_serves_through_every_fault_of_one_server() {
    for (seed, one_in) in [(1, 0), (2, 0), (3, 16)] {
        let (_, served) = stormy_run(seed, one_in);
        assert_eq!(served.len(), 19);
        assert!(served.iter().all(|served| *served > 20), "{seed}: {served:?}");
    }
}

#[test]
fn stormy_runs_of_one_seed_are_equal() {
    assert_eq!(stormy_run(4, 32), stormy_run(4, 32));
    assert_ne!(stormy_run(4, 32).0, stormy_run(5, 32).0);
}

#[test]
fn majority_that_is_gone_stops_service_and_its_return_restores_it() {
    let (mut world, acknowledged) = ensemble(7, 0);
    world.run_until_ms(5_000).unwrap();
    world.power_loss(HostId(0)).unwrap();
    world.power_loss(HostId(2)).unwrap();
    world.run_until_ms(15_000).unwrap();
    world.restart(HostId(0)).unwrap();
    world.restart(HostId(2)).unwrap();
    world.run_until_ms(25_000).unwrap();
    let acknowledged = acknowledged.lock().unwrap().clone();
    let between = |from, to| acknowledged.iter().filter(|at| (from..to).contains(*at)).count();
    assert!(between(0, 5_000) > 100);
    assert_eq!(between(5_005, 15_000), 0);
    assert!(between(15_000, 25_000) > 100);
}
