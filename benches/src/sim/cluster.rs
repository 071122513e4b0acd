//! Throughput and failover of the simulated cluster, in simulated time.
//!
//! An outage is the longest time without an acknowledged write that ends between the
//! loss of the leader and the last client's first answer afterwards.

use std::sync::atomic::{AtomicU64, Ordering};

use harness::RunOptions;
use harness::judge::{Verdict, judge};
use harness::opaque::Opaque;
use harness::plan::{Conditions, PLAN_FORMAT, Plan, PlannedOperation};
use harness::run::run;
use harness::system::System;
use hdrhistogram::Histogram;
use scenarios::KEEPER;
use scenarios::action::Action;
use scenarios::record::{ClientOperation, ClientOutcome, RunRecord, SessionChange};
use scenarios::setup::{EnsemblePlan, KeeperSetup};
use sim::EngineKind;
use sim::fault::{Fault, Target, TimedFault};

use crate::histogram;
use crate::outage::{Acknowledgement, Outage, outage};

const CLIENTS: u32 = 3;
/// Between two writes of one client, in milliseconds.
const WRITE_EVERY_MS: u64 = 10;
/// When writes begin: the ensemble has elected its first leader by then.
const BEGIN_MS: u64 = 1_500;
/// How long a lost leader stays lost, in milliseconds.
const LOST_MS: u64 = 6_000;
/// Clients make more requests than are answered for so long, in simulated milliseconds.
const BUSY_MS: u64 = 2_000;

/// How a leader is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Its program is killed: connections close at once.
    Kill,
    /// Nobody reaches it any more.
    Isolate,
    /// Its program stands still.
    Pause,
}

impl Loss {
    /// Every way.
    pub const ALL: [Loss; 3] = [Loss::Kill, Loss::Isolate, Loss::Pause];

    /// In figures.
    pub fn name(self) -> &'static str {
        match self {
            Loss::Kill => "kill",
            Loss::Isolate => "isolation",
            Loss::Pause => "pause",
        }
    }

    fn fault(self) -> Fault {
        match self {
            Loss::Kill => Fault::Crash { target: Target::named("leader") },
            Loss::Isolate => Fault::Isolate { who: Target::named("leader"), reset_on_heal: 0.0 },
            Loss::Pause => Fault::Pause { target: Target::named("leader") },
        }
    }
}

/// What one loss cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Failover {
    /// The run's seed.
    pub seed: u64,
    /// How long nobody was served; none if that never ended.
    pub outage: Option<Outage>,
    /// Writes that were acknowledged in the run.
    pub acknowledged: u64,
    /// Sessions that expired.
    pub sessions_lost: u64,
    /// Properties that the run violated.
    pub violations: Vec<String>,
}

/// What clients got who always asked for more.
#[derive(Clone, Debug)]
pub struct Busy {
    /// Requests answered.
    pub answered: u64,
    /// From the first request to the last answer, in simulated seconds.
    pub seconds: f64,
    /// From each request to its answer, in simulated microseconds.
    pub latencies: Histogram<u64>,
}

impl Busy {
    /// Requests answered per simulated second.
    pub fn rate(&self) -> f64 {
        self.answered as f64 / self.seconds.max(1e-9)
    }
}

fn ensemble() -> EnsemblePlan {
    EnsemblePlan {
        tick_ms: 100,
        init_limit: 10,
        sync_limit: 5,
        snap_count: 100_000,
        commit_log_count: 500,
        session_timeout_ms: 4_000,
        epoch_transactions_max: None,
        purge_retain: None,
        apply_max: None,
    }
}

fn plan(seed: u64, chaos_ms: u64, operations: Vec<PlannedOperation>) -> Plan {
    Plan {
        format: PLAN_FORMAT,
        system: "keeper".into(),
        scenario: "bench".into(),
        seed,
        engine: EngineKind::default(),
        plant: None,
        topology: [("servers".into(), 3), ("clients".into(), CLIENTS)].into(),
        setup: Opaque::new(KeeperSetup { ensemble: ensemble(), value_bytes: 0 }),
        conditions: Conditions { latency_min_ms: 1, latency_max_ms: 2, fsync_us: 1_000 },
        chaos_ms,
        heal_ms: 30_000,
        operations,
        faults: Vec::new(),
        note: None,
        found: None,
    }
}

fn create(path: String) -> PlannedOperation {
    let action = Action::Create { path, data: String::new(), ephemeral: false, sequential: false };
    PlannedOperation::new(BEGIN_MS - 500, 1, action)
}

fn node(client: u32) -> String {
    format!("/bench-{client}")
}

/// Clients that write all the time, and a leader that is lost at a moment of the seed.
fn failover_plan(loss: Loss, seed: u64) -> Plan {
    // Where in a tick the leader is lost matters, so each seed has another moment.
    let lost_at_ms = BEGIN_MS + 1_500 + seed * 37 % 500;
    let end_ms = lost_at_ms + LOST_MS;
    let mut operations: Vec<PlannedOperation> = (1..=CLIENTS).map(node).map(create).collect();
    for turn in 0..(end_ms - BEGIN_MS) / WRITE_EVERY_MS {
        operations.extend((1..=CLIENTS).map(|client| {
            let at_ms = BEGIN_MS + turn * WRITE_EVERY_MS + u64::from(client) * 3;
            let action = Action::Set { path: node(client), data: turn.to_string() };
            PlannedOperation::new(at_ms, client, action)
        }));
    }
    let mut plan = plan(seed, end_ms + 500, operations);
    plan.faults = vec![TimedFault::new(lost_at_ms, Some(end_ms), loss.fault())];
    plan
}

/// Loses a leader once for each seed from 1 to `seeds`, on `jobs` threads, in the order of seeds.
pub fn failovers(
    loss: Loss,
    seeds: u64,
    jobs: usize,
    should_stop: &(dyn Fn() -> bool + Sync),
) -> Vec<Failover> {
    let next = AtomicU64::new(1);
    let work = || {
        let mut done = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > seeds || should_stop() {
                return done;
            }
            done.push(failover(loss, seed));
        }
    };
    let mut all: Vec<Failover> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().flat_map(|thread| thread.join().expect("runs end"));
        joined.collect()
    });
    all.sort_by_key(|failover| failover.seed);
    all
}

/// Loses a leader once.
pub fn failover(loss: Loss, seed: u64) -> Failover {
    let plan = failover_plan(loss, seed);
    let record = run(&KEEPER, &plan, &RunOptions::default()).record;
    let asked = KEEPER.asked(&plan, &record);
    let violations = match judge(&KEEPER, &plan, &record, &asked).verdict {
        Verdict::Fail(failures) => failures
            .iter()
            .map(|failure| {
                let (property, headline) = (&failure.property, &failure.headline);
                format!("failover by {} seed {seed}: {property}: {headline}", loss.name())
            })
            .collect(),
        Verdict::Pass | Verdict::Undecided(_) => Vec::new(),
    };
    let expired = |kind: SessionChange| kind == SessionChange::Expired;
    let acknowledged = acknowledgements(&record);
    Failover {
        seed,
        outage: seen_outage(&record, &acknowledged),
        acknowledged: acknowledged.len() as u64,
        sessions_lost: record.history.sessions.iter().filter(|each| expired(each.kind)).count()
            as u64,
        violations,
    }
}

fn acknowledgements(record: &RunRecord) -> Vec<Acknowledgement> {
    let writes = record.history.operations.iter().filter(|each| each.client <= CLIENTS);
    let answered = writes.filter_map(|operation| {
        Some(Acknowledgement {
            client: operation.client as usize,
            asked_ns: operation.invoke_ns,
            at_ns: answered_at(operation)?,
        })
    });
    answered.collect()
}

fn answered_at(operation: &ClientOperation) -> Option<u64> {
    match operation.outcome {
        ClientOutcome::Ok { .. } => operation.complete_ns,
        _ => None,
    }
}

fn seen_outage(record: &RunRecord, acknowledged: &[Acknowledgement]) -> Option<Outage> {
    use keeper_core::observation::Observation;
    let lost_ns = record.faults.first()?.from_ns;
    let serves = record.observations.iter().find(|observed| {
        observed.at_ns >= lost_ns && matches!(observed.observation, Observation::Serving { .. })
    })?;
    outage(acknowledged, lost_ns, serves.at_ns, CLIENTS as usize)
}

/// Clients that always ask for more than is answered, for two simulated seconds.
pub fn throughput(seed: u64) -> Busy {
    let mut operations: Vec<PlannedOperation> = (1..=CLIENTS).map(node).map(create).collect();
    // Each client has eight requests under way, so this is far more than can be answered.
    for turn in 0..BUSY_MS * 2 {
        operations.extend((1..=CLIENTS).map(|client| {
            let action = Action::Set { path: node(client), data: format!("{turn:0100}") };
            PlannedOperation::new(BEGIN_MS, client, action)
        }));
    }
    let plan = plan(seed, BEGIN_MS + BUSY_MS, operations);
    let record = run(&KEEPER, &plan, &RunOptions::default()).record;
    let mut latencies = histogram::new();
    let (mut answered, mut last_ns) = (0, 0);
    let begin_ns = BEGIN_MS * 1_000_000;
    let until_ns = begin_ns + BUSY_MS * 1_000_000;
    for operation in &record.history.operations {
        let Some(at_ns) = answered_at(operation) else { continue };
        if operation.client <= CLIENTS && operation.invoke_ns >= begin_ns && at_ns <= until_ns {
            answered += 1;
            last_ns = last_ns.max(at_ns);
            latencies.saturating_record((at_ns - operation.invoke_ns) / 1_000);
        }
    }
    let seconds = last_ns.saturating_sub(begin_ns) as f64 / 1e9;
    Busy { answered, seconds, latencies }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_loss_costs_something_and_breaks_nothing() {
        for loss in Loss::ALL {
            let failover = failover(loss, 3);
            assert_eq!(failover.violations, [""; 0]);
            let outage = failover.outage.expect("a leader follows and clients are served");
            assert!(outage.leader_ms > 1.0 && outage.any_ms > outage.leader_ms / 2.0, "{outage:?}");
            assert!(outage.worst_client_ms >= outage.any_ms, "{outage:?}");
            assert!(outage.worst_client_ms < LOST_MS as f64, "{outage:?}");
            assert!(failover.acknowledged > 500, "{failover:?}");
        }
    }

    #[test]
    fn results_are_in_the_order_of_seeds_whatever_the_threads() {
        let two = failovers(Loss::Kill, 3, 2, &|| false);
        let one = failovers(Loss::Kill, 3, 1, &|| false);
        assert_eq!(two.iter().map(|each| each.seed).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(one, two);
        assert_eq!(failovers(Loss::Kill, 3, 2, &|| true), []);
    }

    #[test]
    fn busy_clients_are_answered_at_a_rate() {
        let busy = throughput(1);
        assert!(busy.rate() > 500.0 && busy.latencies.len() == busy.answered, "{busy:?}");
        assert!(busy.seconds > 1.5, "more is asked than answered: {}", busy.seconds);
    }
}
