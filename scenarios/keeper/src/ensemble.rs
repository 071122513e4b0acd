//! The hosts of a run: servers, clients, and one client more that tells when the ensemble serves again.

use std::collections::BTreeMap;

use harness::Stage;
use harness::plan::Plan;
use harness::stage::Server;
use keeper_client::ServerAddress;
use keeper_core::ids::ServerId;
use keeper_core::zab::ensemble::{Ensemble, Purge, Settings as KeeperSettings};
use keeper_server::{Bounds, Directories, NodeConfig, PeerAddress};
use platform::{Mono, Platform as _};
use probe::Off;
use sim::World;
use sim::fault::Settings;

use crate::action::Action;
use crate::client::{self, ClientAction, ClientPlan};
use crate::setup::{KeeperSetup, clients, servers};
use crate::system::Keeper;

/// `clientPort` of every simulated server.
pub const CLIENT_PORT: u16 = 2181;
/// The quorum port of every simulated server.
pub const QUORUM_PORT: u16 = 2888;
/// The election port of every simulated server.
pub const ELECTION_PORT: u16 = 3888;
/// How long a step takes in which a server applies a part of its history, in milliseconds.
const APPLY_PAUSE_MS: u64 = 1;
/// The node that the prober writes.
const PROBE_PATH: &str = "/squall-probe";
/// Pause between the prober's writes, in milliseconds.
const PROBE_PAUSE_MS: u64 = 100;
/// `snapCount`, as faults spell it.
pub(crate) const SNAP_COUNT: &str = "snap_count";
/// `commitLogCount`, as faults spell it.
pub(crate) const COMMIT_LOG_COUNT: &str = "commit_log_count";

/// Puts an ensemble and its clients on a stage.
pub(crate) fn stage<W: World>(plan: &Plan, stage: &mut Stage<'_, W, Keeper>) {
    for number in 1..=servers(plan) {
        if stage.is_unobserved() {
            add_unobserved_server(stage, plan, number);
        } else {
            add_server(stage, plan, number);
        }
    }
    for number in 1..=clients(plan) {
        add_client(stage, plan, number);
    }
    add_prober(stage, plan);
}

fn server_name(number: u32) -> String {
    format!("n{number}")
}

fn node_config(plan: &Plan, number: u32) -> NodeConfig {
    let numbers = 1..=servers(plan);
    let servers: BTreeMap<ServerId, PeerAddress> = numbers
        .clone()
        .map(|number| {
            let address = PeerAddress {
                host: server_name(number),
                quorum_port: QUORUM_PORT,
                election_port: ELECTION_PORT,
            };
            (ServerId(u64::from(number)), address)
        })
        .collect();
    let lines: Vec<String> = numbers
        .map(|number| {
            format!("server.{number}=n{number}:{QUORUM_PORT}:{ELECTION_PORT}:participant")
        })
        .collect();
    let ensemble = KeeperSetup::of(plan).ensemble;
    let defaults = KeeperSettings::default();
    NodeConfig {
        bounds: Bounds::default(),
        ensemble: Ensemble {
            me: ServerId(u64::from(number)),
            voters: servers.keys().copied().collect(),
            config_text: format!("{}\nversion=0", lines.join("\n")),
            config_version: 0,
        },
        settings: KeeperSettings {
            tick_ms: ensemble.tick_ms,
            init_limit: ensemble.init_limit,
            sync_limit: ensemble.sync_limit,
            session_min_ms: 2 * ensemble.tick_ms,
            session_max_ms: 200 * ensemble.tick_ms,
            snap_count: ensemble.snap_count,
            commit_log_count: ensemble.commit_log_count,
            epoch_transactions_max: ensemble.epoch_transactions_max.unwrap_or(u32::MAX),
            purge: ensemble.purge_retain.map(|retain_count| Purge { retain_count, interval_ms: 0 }),
            apply_max: ensemble.apply_max.map_or(defaults.apply_max, |max| max as usize),
            apply_pause_ms: ensemble.apply_max.map_or(defaults.apply_pause_ms, |_| APPLY_PAUSE_MS),
            ..defaults
        },
        directories: Directories {
            data: "/data/version-2".to_owned(),
            log: "/data/version-2".to_owned(),
        },
        client_address: "0.0.0.0".to_owned(),
        client_port: CLIENT_PORT,
        servers,
        listen_on_all_addresses: true,
        accepts_loss: false,
        max_client_connections: None,
    }
}

/// What an upgrade has changed.
fn upgraded(mut config: NodeConfig, changed: &Settings) -> NodeConfig {
    let settings = &mut config.settings;
    settings.snap_count = changed.get(SNAP_COUNT).copied().unwrap_or(settings.snap_count);
    let count = changed.get(COMMIT_LOG_COUNT).map(|count| *count as usize);
    settings.commit_log_count = count.unwrap_or(settings.commit_log_count);
    config
}

fn add_server<W: World>(stage: &mut Stage<'_, W, Keeper>, plan: &Plan, number: u32) {
    let config = node_config(plan, number);
    stage.server(&server_name(number), move |server| {
        let Server { platform, number, upgraded: changed, recording, .. } = server;
        let (config, own) = (upgraded(config.clone(), &changed), platform.clone());
        keeper_server::run(platform, config, move || recording.probe(&own, number))
    });
}

fn add_unobserved_server<W: World>(stage: &mut Stage<'_, W, Keeper>, plan: &Plan, number: u32) {
    let config = node_config(plan, number);
    stage.server(&server_name(number), move |Server { platform, .. }| {
        keeper_server::run(platform, config.clone(), || Off)
    });
}

fn addresses(plan: &Plan) -> Vec<ServerAddress> {
    (1..=servers(plan))
        .map(|number| ServerAddress { host: server_name(number), port: CLIENT_PORT })
        .collect()
}

fn add_client<W: World>(stage: &mut Stage<'_, W, Keeper>, plan: &Plan, number: u32) {
    let mut operations: Vec<ClientAction> = plan
        .operations
        .iter()
        .enumerate()
        .filter(|(_, operation)| operation.client == number)
        .map(|(position, operation)| ClientAction {
            position,
            at_ms: operation.at_ms,
            action: operation.action.get::<Action>().clone(),
        })
        .collect();
    operations.sort_by_key(|operation| (operation.at_ms, operation.position));
    let setup = KeeperSetup::of(plan);
    let part = ClientPlan {
        number,
        operations,
        servers: addresses(plan),
        session_timeout_ms: setup.ensemble.session_timeout_ms,
        value_bytes: setup.value_bytes,
        probes: false,
    };
    stage.client(&format!("c{number}"), move |platform, recording| {
        client::run(platform, recording, part.clone())
    });
}

/// One client more, which after chaos writes until a write is acknowledged.
fn add_prober<W: World>(stage: &mut Stage<'_, W, Keeper>, plan: &Plan) {
    let number = clients(plan) + 1;
    let writes = plan.heal_ms / PROBE_PAUSE_MS;
    let base = plan.operations.len();
    // Which of the two can succeed depends on whether the node is there already.
    let write = |turn: u64| match turn % 2 {
        0 => Action::Create {
            path: PROBE_PATH.to_owned(),
            data: String::new(),
            ephemeral: false,
            sequential: false,
        },
        _ => Action::Set { path: PROBE_PATH.to_owned(), data: format!("probe {turn}") },
    };
    let operations = (0..writes)
        .map(|turn| ClientAction {
            position: base + turn as usize,
            at_ms: plan.chaos_ms + turn * PROBE_PAUSE_MS,
            action: write(turn),
        })
        .collect();
    let part = ClientPlan {
        number,
        operations,
        servers: addresses(plan),
        session_timeout_ms: KeeperSetup::of(plan).ensemble.session_timeout_ms,
        value_bytes: 0,
        probes: true,
    };
    let chaos_ms = plan.chaos_ms;
    stage.client(&format!("c{number}"), move |platform, recording| {
        let part = part.clone();
        async move {
            // It has no session during chaos, so that none of its own expires then.
            platform.sleep_until(Mono(chaos_ms * 1_000_000)).await;
            client::run(platform, recording, part).await;
        }
    });
}
