//! `squall bench sim`: how fast the simulator is, and what the simulated cluster does in simulated
//! time. The first depends on the machine; the second is a function of build and seeds.

pub mod cluster;
pub mod speed;

use std::collections::BTreeMap;

use reports::{BenchTarget, Better};

use crate::Measured;
use crate::machine::process_cpu_s;
use cluster::{Loss, failovers, throughput};
use sim::EngineKind;
use speed::Watch;

/// How much to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimOptions {
    /// The loads whose speed is measured.
    pub loads: Vec<Load>,
    /// How often each is measured.
    pub rounds: u32,
    /// Seeds of each way to lose a leader.
    pub seeds: u64,
    /// Runs at a time where speed is not measured.
    pub jobs: usize,
}

/// A load whose speed is measured: a run of each world takes about as much of the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Requests per second, of all clients together.
    pub rate: u64,
    /// Simulated seconds on our own engine.
    pub engine_s: u64,
    /// Simulated seconds on turmoil.
    pub turmoil_s: u64,
}

fn load(rate: u64, engine_s: u64, turmoil_s: u64) -> Load {
    Load { rate, engine_s, turmoil_s }
}

impl Load {
    fn seconds(&self, engine: EngineKind) -> u64 {
        match engine {
            EngineKind::Engine => self.engine_s,
            EngineKind::Turmoil => self.turmoil_s,
        }
    }

    fn figure(&self, engine: EngineKind, watch: Watch) -> String {
        let load = match self.rate {
            0 => "idle".to_owned(),
            rate => format!("{rate} requests/s"),
        };
        format!("simulator speed, {engine}, {}, {load}", watch.name())
    }
}

impl SimOptions {
    /// A measurement to rely on: two to three minutes.
    pub fn full(jobs: usize) -> SimOptions {
        let loads = vec![load(0, 2_400, 40), load(200, 120, 20), load(2_000, 16, 8)];
        SimOptions { loads, rounds: 5, seeds: 60, jobs }
    }

    /// A look: some twenty seconds.
    pub fn quick(jobs: usize) -> SimOptions {
        let loads = vec![load(0, 600, 10), load(200, 30, 6), load(2_000, 5, 3)];
        SimOptions { loads, rounds: 3, seeds: 9, jobs }
    }

    /// As a report shows them and a baseline must have them.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let loads = self.loads.iter().map(|load| {
            let Load { rate, engine_s, turmoil_s } = load;
            format!("{rate}/s for {engine_s} s (turmoil: {turmoil_s} s)")
        });
        BTreeMap::from([
            ("loads".to_owned(), loads.collect::<Vec<_>>().join(", ")),
            ("rounds".to_owned(), self.rounds.to_string()),
            ("seeds".to_owned(), self.seeds.to_string()),
        ])
    }

    /// Nothing measured yet.
    pub fn measured(&self) -> Measured {
        let mut measured = Measured::new(BenchTarget::Sim, self.settings());
        measured.notes.push(
            "speed: five servers and five clients, half setData and half getData, one thread, both \
             simulated worlds in turn in each round; watched: with the recorder and every property; \
             throughput, latency and failover: simulated time, the same on any machine"
                .to_owned(),
        );
        measured
    }
}

/// Measures everything into `measured`; `progress` is told what comes next. Ends early when
/// `should_stop` says so, and then returns false.
pub fn measure(
    options: &SimOptions,
    measured: &mut Measured,
    progress: &dyn Fn(&str),
    should_stop: &(dyn Fn() -> bool + Sync),
) -> bool {
    for round in 1..=options.rounds {
        for load in &options.loads {
            for watch in [Watch::Nothing, Watch::Everything] {
                for engine in EngineKind::ALL {
                    if should_stop() {
                        return false;
                    }
                    let name = load.figure(engine, watch);
                    progress(&format!("{name}, round {round}/{}", options.rounds));
                    let part = (load.rate, load.seconds(engine));
                    let speed = speed::measure(part, engine, watch, &process_cpu_s);
                    measured.round(&name, "simulated s/CPU s", Better::Higher, speed.ratio());
                }
            }
        }
    }
    for seed in 1..=u64::from(options.rounds) {
        if should_stop() {
            return false;
        }
        progress(&format!("simulated throughput, seed {seed}"));
        let busy = throughput(seed);
        measured.round("simulated throughput", "operations/s", Better::Higher, busy.rate());
        measured.latencies("simulated request", &busy.latencies);
    }
    for loss in Loss::ALL {
        progress(&format!("failover by {} over {} seeds", loss.name(), options.seeds));
        let all = failovers(loss, options.seeds, options.jobs, should_stop);
        if should_stop() {
            return false;
        }
        for each in all {
            measured.safety.acknowledged_writes += each.acknowledged;
            measured.safety.clients_dropped += each.sessions_lost;
            measured.safety.violations.extend(each.violations);
            match each.outage {
                Some(outage) => measured.failover(
                    loss.name(),
                    outage.any_ms,
                    outage.worst_client_ms,
                    outage.leader_ms,
                ),
                None => measured.notes.push(format!(
                    "failover by {}: seed {} has no next leader or no answer after it",
                    loss.name(),
                    each.seed
                )),
            }
        }
    }
    true
}
