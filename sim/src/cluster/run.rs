//! One run: a plan in, a record out.
//!
//! Chaos first: the plan's operations and faults. Then the faults end, and the ensemble must elect a
//! leader, serve a new write and bring every tree to the same state within the plan's limit.

use std::collections::BTreeMap;

use keeper_client::ServerAddress;
use keeper_core::ids::ServerId;
use keeper_core::instruments::{Off, Plant};
use keeper_core::zab::ensemble::{Ensemble, Purge, Settings as KeeperSettings};
use keeper_server::{Directories, NodeConfig, PeerAddress};

use super::client::{self, ClientPlan};
use super::clocks;
use super::plan::{Action, Plan, PlannedOperation};
use super::plants;
use super::record::{Amnesia, FaultWindow, RunRecord};
use super::recording::Recording;
use super::roles::roles;
use crate::disk::DiskSettings;
use crate::engine::EngineWorld;
use crate::fault::{Applied, Fault, Forgot, Schedule, ServerSettings, Sprung, Upgrades};
use crate::shared::HostId;
use crate::simulation::{Attention, EngineKind, SimHandle, Simulation};
use crate::tap::Tapped;
use crate::task::RunPanic;
use crate::trace::Event;
use crate::world::{Settings, World};

/// `clientPort` of every simulated server.
pub const CLIENT_PORT: u16 = 2181;
/// The quorum port of every simulated server.
pub const QUORUM_PORT: u16 = 2888;
/// The election port of every simulated server.
pub const ELECTION_PORT: u16 = 3888;
const NS_PER_MS: u64 = 1_000_000;
/// The node that the prober writes.
const PROBE_PATH: &str = "/squall-probe";
/// Pause between the prober's writes, in milliseconds.
const PROBE_PAUSE_MS: u64 = 100;

/// Between two looks whether the run is to be cut off, in simulated nanoseconds.
const LOOK_EVERY_NS: u64 = 64 * NS_PER_MS;
/// Between two looks whether the ensemble has healed, in simulated milliseconds.
const HEALED_EVERY_MS: u64 = 10;

/// How to run, besides what to run.
#[derive(Default)]
pub struct RunOptions<'a> {
    /// Keep every event of the trace, to name the first that differs, and tap the network.
    pub keep_trace: bool,
    /// Write down every hit of a mark: see [`MarkNotes::hits`](super::mark_notes::MarkNotes::hits).
    pub keep_marks: bool,
    /// Asked now and then; true cuts the run off.
    pub should_stop: Option<&'a dyn Fn() -> bool>,
    /// Cut the run off after so many events.
    pub events_max: Option<u64>,
    /// Leave out everything that observes servers, and end with chaos: for measuring what a world
    /// costs by itself. The record then holds the clients' side only.
    pub unobserved: bool,
    /// Cut the run off when what it has written down takes more than so many bytes, by an estimate
    /// that is the same each time: see [`Recording`].
    pub memory_max: Option<u64>,
}

/// A run's record, and its trace if it was kept.
pub struct Finished {
    /// What judges need.
    pub record: RunRecord,
    /// Every event, or the last ones.
    pub trace: Vec<Event>,
    /// What hosts wrote to each other, if the trace was kept.
    pub tapped: Option<Tapped>,
}

/// Performs a plan. The result is a function of the plan alone, unless the run is cut off. A panic
/// of the code under test ends the run and stands in the record.
///
/// # Panics
/// If the plan names a plant or a host that does not exist; plans are checked when they are loaded.
pub fn run(plan: &Plan, options: &RunOptions<'_>) -> Finished {
    match plan.engine {
        EngineKind::Engine => run_on::<EngineWorld>(plan, options),
        EngineKind::Turmoil => run_on::<World>(plan, options),
    }
}

fn run_on<S: Simulation>(plan: &Plan, options: &RunOptions<'_>) -> Finished {
    let mut run: Run<'_, S> = Run::new(plan, options);
    if let Err(panic) = run.perform(options) {
        run.recording.notes().record.panic = Some(panic.to_string());
    }
    run.finish()
}

struct Run<'a, S> {
    plan: &'a Plan,
    world: S,
    /// Set by whoever needs the harness at once.
    attention: Attention,
    recording: Recording,
    schedule: Schedule,
    servers: Vec<HostId>,
}

impl<'a, S: Simulation> Run<'a, S> {
    fn new(plan: &'a Plan, options: &RunOptions<'_>) -> Run<'a, S> {
        let recording = Recording::default();
        recording.notes().record.marks.hits = options.keep_marks.then(Vec::new);
        let mut world = S::build(plan.seed, world_settings(plan, options));
        let plant =
            plan.plant.as_deref().map(|name| Plant::named(name).expect("plans are checked"));
        let schedule = Schedule::new(plan.faults.clone());
        let upgrades = schedule.upgrades();
        let servers = (1..=plan.topology.servers)
            .map(|number| match options.unobserved {
                true => add_unobserved_server(&mut world, plan, number),
                false => add_server(&mut world, plan, &recording, number, plant, &upgrades),
            })
            .collect();
        for number in 1..=plan.topology.clients {
            add_client(&mut world, plan, &recording, number, plant);
        }
        add_prober(&mut world, plan, &recording);
        let attention = Attention::default();
        lay_snares(plan, &recording, &attention);
        Run { plan, world, attention, recording, schedule, servers }
    }

    fn perform(&mut self, options: &RunOptions<'_>) -> Result<(), RunPanic> {
        while self.world.elapsed_ms() < self.plan.chaos_ms {
            self.strike()?;
            let next_ns = self.schedule.next_ns().unwrap_or(u64::MAX);
            let chaos_ns = self.plan.chaos_ms.saturating_mul(NS_PER_MS);
            self.pass_until_ns(next_ns.min(chaos_ns), options)?;
            if self.is_cut_off() {
                return Ok(());
            }
        }
        let ended = self.schedule.finish(&mut self.world)?;
        self.note_faults(&ended);
        for server in self.servers.clone() {
            if !self.world.is_running(server) {
                self.world.restart(server)?;
            }
        }
        self.recording.notes().record.chaos_end_ns = self.world.elapsed_ns();
        if options.unobserved {
            return Ok(());
        }
        self.heal(options)
    }

    fn strike(&mut self) -> Result<(), RunPanic> {
        let (recording, servers) = (&self.recording, &self.servers);
        let mut roles = |world: &S| roles(&recording.notes(), servers, world.elapsed_ns());
        let sprung = self.recording.notes().snares.take_sprung();
        for Sprung { fault, server, at_ns } in sprung {
            self.schedule.spring(fault, self.servers[server as usize - 1], at_ns);
        }
        let applied = self.schedule.advance(&mut self.world, &mut roles)?;
        self.note_faults(&applied);
        self.recording.notes().snares.hold(self.schedule.is_anyone_forgetful());
        Ok(())
    }

    /// The faults are over, but damage that they did may still be found.
    fn tend(&mut self) -> Result<(), RunPanic> {
        let (recording, servers) = (&self.recording, &self.servers);
        let mut roles = |world: &S| roles(&recording.notes(), servers, world.elapsed_ns());
        let applied = self.schedule.tend(&mut self.world, &mut roles)?;
        self.note_faults(&applied);
        Ok(())
    }

    /// Lets the ensemble heal until nothing is missing, at most for the plan's limit.
    fn heal(&mut self, options: &RunOptions<'_>) -> Result<(), RunPanic> {
        let from_ms = self.world.elapsed_ms();
        let clients = self.plan.topology.clients + 1;
        loop {
            let healed_ms = self.world.elapsed_ms() - from_ms;
            let missing = self.recording.notes().missing(self.plan.topology.servers, clients);
            if missing.is_none() {
                self.recording.notes().record.healed_after_ms = Some(healed_ms);
                return Ok(());
            }
            if healed_ms >= self.plan.heal_ms {
                self.recording.notes().record.healing_missing = missing;
                return Ok(());
            }
            self.tend()?;
            let next_ms = from_ms + healed_ms + HEALED_EVERY_MS;
            self.pass_until_ns(next_ms.saturating_mul(NS_PER_MS), options)?;
            if self.is_cut_off() {
                return Ok(());
            }
        }
    }

    /// Lets time pass, unless somebody asks for attention or the run is cut off meanwhile.
    fn pass_until_ns(&mut self, at_ns: u64, options: &RunOptions<'_>) -> Result<(), RunPanic> {
        loop {
            let now_ns = self.world.elapsed_ns();
            if now_ns >= at_ns || self.attention.take() || self.cut_off(options) {
                return Ok(());
            }
            let look_ns = (now_ns / LOOK_EVERY_NS + 1) * LOOK_EVERY_NS;
            self.world.pass_until_ns(look_ns.min(at_ns), &self.attention)?;
        }
    }

    fn cut_off(&mut self, options: &RunOptions<'_>) -> bool {
        let events = self.world.trace_count();
        let reason = if options.events_max.is_some_and(|max| events > max) {
            Some(format!("more than {events} events"))
        } else if options.memory_max.is_some_and(|max| self.recording.notes().held_bytes > max) {
            let held = self.recording.notes().held_bytes;
            Some(format!("its record takes more memory than it may: {held} bytes"))
        } else if options.should_stop.is_some_and(|should_stop| should_stop()) {
            Some("stopped from outside".to_owned())
        } else {
            None
        };
        let is_cut_off = reason.is_some();
        if is_cut_off {
            self.recording.notes().record.cut_off = reason;
        }
        is_cut_off
    }

    fn is_cut_off(&self) -> bool {
        self.recording.notes().record.cut_off.is_some()
    }

    fn note_faults(&mut self, applied: &[Applied]) {
        for each in applied {
            let fault = &self.plan.faults[each.index].fault;
            let names: Vec<String> = each.hosts.iter().map(|host| self.world.name(*host)).collect();
            let at_ns = each.at_ns;
            let kind = kind_of(fault);
            if let Some(how) = each.forgot {
                self.note_amnesia(how, &each.hosts, at_ns);
            }
            clocks::note(&mut self.recording.notes().record, fault, each, &names);
            if each.began {
                self.note_downs(fault, &each.hosts);
                let what = names.join(" ");
                let mut notes = self.recording.notes();
                let record = &mut notes.record;
                let open = record.faults.iter_mut().find(|window| {
                    window.planned == each.index && window.to_ns.is_none() && window.what == what
                });
                match (fault, open) {
                    // A rolling restart tells of each server as it goes down and as it comes up.
                    (Fault::Restart { .. }, Some(window)) => window.to_ns = Some(at_ns),
                    // A clock that jumps to and fro is one fault.
                    (_, Some(_)) => {}
                    (_, None) if what.is_empty() => {}
                    (_, None) => {
                        *record.counters.entry(format!("fault.{kind}")).or_default() += 1;
                        let (planned, from_ns) = (each.index, at_ns);
                        record.faults.push(FaultWindow {
                            planned,
                            kind,
                            what,
                            from_ns,
                            to_ns: None,
                        });
                    }
                }
            } else {
                let mut notes = self.recording.notes();
                for window in &mut notes.record.faults {
                    if window.planned == each.index && window.to_ns.is_none() {
                        window.to_ns = Some(at_ns);
                    }
                }
            }
            let record = &mut self.recording.notes().record;
            record.marks.faults_changed(at_ns, &record.faults, &self.plan.faults);
        }
    }

    /// Servers that a fault took down are no leaders and no followers any more.
    fn note_downs(&mut self, fault: &Fault, hosts: &[HostId]) {
        if !matches!(fault, Fault::Crash { .. } | Fault::PowerLoss { .. } | Fault::Restart { .. }) {
            return;
        }
        for (index, server) in self.servers.iter().enumerate() {
            if hosts.contains(server) && self.recording.server_down(index as u32 + 1) {
                let mut notes = self.recording.notes();
                *notes.record.counters.entry("crash-during-sync".to_owned()).or_default() += 1;
            }
        }
    }

    fn note_amnesia(&mut self, how: Forgot, hosts: &[HostId], at_ns: u64) {
        for (server, host) in (1..).zip(&self.servers) {
            if hosts.contains(host) {
                self.recording.server_down(server);
                self.recording.notes().record.amnesias.push(Amnesia { server, at_ns, how });
            }
        }
    }

    fn finish(self) -> Finished {
        let trace = self.world.trace_events();
        let mut notes = self.recording.notes();
        notes.record.finals = notes.finals();
        notes.record.end_ns = self.world.elapsed_ns();
        notes.record.clock_points = clocks::points(&self.world);
        notes.record.trace_hash = self.world.trace_hash();
        notes.record.trace_events = self.world.trace_count();
        let record = std::mem::take(&mut notes.record);
        drop(notes);
        Finished { record, trace, tapped: self.world.take_tapped() }
    }
}

/// Lets the faults that wait for marks wait for them.
fn lay_snares(plan: &Plan, recording: &Recording, attention: &Attention) {
    let mut notes = recording.notes();
    notes.attention = attention.clone();
    for (position, timed) in plan.faults.iter().enumerate() {
        notes.snares.lay(position, timed, plan.chaos_ms.saturating_mul(NS_PER_MS));
    }
}

fn world_settings(plan: &Plan, options: &RunOptions<'_>) -> Settings {
    Settings {
        latency_min_ms: plan.conditions.latency_min_ms,
        latency_max_ms: plan.conditions.latency_max_ms,
        keep_trace: options.keep_trace,
        trace_ring: if options.unobserved { 0 } else { Settings::default().trace_ring },
        disk: DiskSettings { sync_us: plan.conditions.fsync_us, ..DiskSettings::default() },
        ..Settings::default()
    }
}

/// The kind of a fault, as plans spell it.
pub fn kind_of(fault: &Fault) -> String {
    serde_json::to_value(fault)
        .ok()
        .and_then(|value| Some(value.get("kind")?.as_str()?.to_owned()))
        .unwrap_or_default()
}

fn server_name(number: u32) -> String {
    format!("n{number}")
}

fn node_config(plan: &Plan, number: u32) -> NodeConfig {
    let numbers = 1..=plan.topology.servers;
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
    let ensemble = plan.ensemble;
    NodeConfig {
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
            ..KeeperSettings::default()
        },
        directories: Directories {
            data: "/data/version-2".to_owned(),
            log: "/data/version-2".to_owned(),
        },
        client_address: "0.0.0.0".to_owned(),
        client_port: CLIENT_PORT,
        servers,
        listen_on_all_addresses: true,
        max_client_connections: None,
    }
}

fn add_server(
    world: &mut impl Simulation,
    plan: &Plan,
    recording: &Recording,
    number: u32,
    plant: Option<Plant>,
    upgrades: &Upgrades,
) -> HostId {
    let config = node_config(plan, number);
    let (recording, upgrades) = (recording.clone(), upgrades.clone());
    world.host(&server_name(number), move |platform| {
        let (mut config, recording) = (config.clone(), recording.clone());
        let ServerSettings { snap_count, commit_log_count } = upgrades.of(platform.host());
        let settings = &mut config.settings;
        settings.snap_count = snap_count.unwrap_or(settings.snap_count);
        settings.commit_log_count = commit_log_count.unwrap_or(settings.commit_log_count);
        async move {
            let own = platform.clone();
            plants::before_start(&own, &recording, number, plant).await;
            let (instruments, of_instruments) = (recording.clone(), own.clone());
            let ended = keeper_server::run(platform, config, move || {
                instruments.instruments(&of_instruments, number, plant)
            });
            if let Err(error) = ended.await {
                recording.refuse(number, own.world_ns(), error.to_string());
            }
        }
    })
}

fn add_unobserved_server(world: &mut impl Simulation, plan: &Plan, number: u32) -> HostId {
    let config = node_config(plan, number);
    world.host(&server_name(number), move |platform| {
        let config = config.clone();
        async move {
            if let Err(error) = keeper_server::run(platform, config, || Off).await {
                panic!("a server that nobody observes gave up: {error}");
            }
        }
    })
}

fn addresses(plan: &Plan) -> Vec<ServerAddress> {
    (1..=plan.topology.servers)
        .map(|number| ServerAddress { host: server_name(number), port: CLIENT_PORT })
        .collect()
}

fn add_client(
    world: &mut impl Simulation,
    plan: &Plan,
    recording: &Recording,
    number: u32,
    plant: Option<Plant>,
) {
    let mut operations: Vec<(usize, PlannedOperation)> = plan
        .operations
        .iter()
        .enumerate()
        .filter(|(_, operation)| operation.client == number)
        .map(|(position, operation)| (position, operation.clone()))
        .collect();
    operations.sort_by_key(|(position, operation)| (operation.at_ms, *position));
    let part = ClientPlan {
        number,
        operations,
        servers: addresses(plan),
        session_timeout_ms: plan.ensemble.session_timeout_ms,
        value_bytes: plan.value_bytes,
        probes: false,
        plant,
    };
    let recording = recording.clone();
    world.host(&format!("c{number}"), move |platform| {
        client::run(platform, recording.clone(), part.clone())
    });
}

/// One client more, which after chaos writes until a write is acknowledged.
fn add_prober(world: &mut impl Simulation, plan: &Plan, recording: &Recording) {
    let number = plan.topology.clients + 1;
    let writes = plan.heal_ms / PROBE_PAUSE_MS;
    let base = plan.operations.len();
    let operation = |at_ms, action| PlannedOperation { at_ms, client: number, action };
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
        .map(|turn| {
            (base + turn as usize, operation(plan.chaos_ms + turn * PROBE_PAUSE_MS, write(turn)))
        })
        .collect();
    let part = ClientPlan {
        number,
        operations,
        servers: addresses(plan),
        session_timeout_ms: plan.ensemble.session_timeout_ms,
        value_bytes: 0,
        probes: true,
        plant: None,
    };
    let recording = recording.clone();
    let chaos_ms = plan.chaos_ms;
    world.host(&format!("c{number}"), move |platform| {
        let (recording, part) = (recording.clone(), part.clone());
        async move {
            use platform::Platform as _;
            // It has no session during chaos, so that none of its own expires then.
            platform.sleep_until(platform::Mono(chaos_ms * 1_000_000)).await;
            client::run(platform, recording, part).await;
        }
    });
}
