//! `squall bench sim`: how fast the simulator is, and what the simulated cluster does in simulated
//! time. The first depends on the machine; the second is a function of build and seeds.

pub mod cluster;
pub mod speed;

use std::collections::BTreeMap;

use reports::{BenchTarget, Better};

use crate::Measured;
use crate::machine::process_cpu_s;
use cluster::{Loss, failovers, throughput};

/// How much to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimOptions {
    /// Requests per second and simulated seconds of each load whose speed is measured.
    pub loads: Vec<(u64, u64)>,
    /// How often each is measured.
    pub rounds: u32,
    /// Seeds of each way to lose a leader.
    pub seeds: u64,
    /// Runs at a time where speed is not measured.
    pub jobs: usize,
}

impl SimOptions {
    /// A measurement to rely on: two to three minutes.
    pub fn full(jobs: usize) -> SimOptions {
        SimOptions { loads: vec![(0, 120), (200, 60), (2_000, 12)], rounds: 5, seeds: 60, jobs }
    }

    /// A look: some twenty seconds.
    pub fn quick(jobs: usize) -> SimOptions {
        SimOptions { loads: vec![(0, 30), (200, 12), (2_000, 4)], rounds: 3, seeds: 9, jobs }
    }

    /// As a report shows them and a baseline must have them.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let loads = self.loads.iter().map(|(rate, seconds)| format!("{rate}/s for {seconds} s"));
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
            "speed: five servers and five clients, half setData and half getData, recorder on, one \
             thread; throughput, latency and failover: simulated time, the same on any machine"
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
        for (rate, seconds) in &options.loads {
            if should_stop() {
                return false;
            }
            progress(&format!("speed at {rate} requests/s, round {round}/{}", options.rounds));
            let speed = speed::measure(*rate, *seconds, &process_cpu_s);
            let name = match rate {
                0 => "simulator speed, idle".to_owned(),
                rate => format!("simulator speed, {rate} requests/s"),
            };
            measured.round(&name, "simulated s/CPU s", Better::Higher, speed.ratio());
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
            measured.safety.lost_sessions += each.sessions_lost;
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
