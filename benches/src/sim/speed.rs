//! Simulated seconds per CPU second of a whole ensemble with clients, in either world, with and
//! without what watches it.

use harness::RunOptions;
use harness::judge::{Verdict, judge};
use harness::opaque::Opaque;
use harness::plan::{Conditions, PLAN_FORMAT, Plan, PlannedOperation};
use harness::run::run;
use harness::system::System;
use scenarios::KEEPER;
use scenarios::action::Action;
use scenarios::record::ClientOutcome;
use scenarios::setup::{EnsemblePlan, KeeperSetup};
use sim::EngineKind;

/// One measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Speed {
    /// Requests that clients made per simulated second.
    pub rate: u64,
    /// Simulated time, in seconds.
    pub simulated_s: f64,
    /// CPU time of this process, in seconds.
    pub cpu_s: f64,
    /// Requests that were answered.
    pub answered: usize,
    /// Events in the trace.
    pub events: u64,
}

impl Speed {
    /// Simulated seconds per CPU second.
    pub fn ratio(&self) -> f64 {
        self.simulated_s / self.cpu_s.max(1e-9)
    }
}

/// Five servers and five clients for `seconds`, with `rate` requests per second in all (half of them
/// setData, half getData), without faults.
pub fn plan(rate: u64, seconds: u64) -> Plan {
    let begin_ms = 1_000;
    let create = Action::Create {
        path: "/bench".into(),
        data: "0".into(),
        ephemeral: false,
        sequential: false,
    };
    let mut operations = vec![PlannedOperation::new(begin_ms, 1, create)];
    let count = rate * (seconds - 2);
    operations.extend((0..count).map(|turn| {
        let action = if turn % 2 == 0 {
            Action::Set { path: "/bench".into(), data: format!("{turn:0100}") }
        } else {
            Action::Get { path: "/bench".into(), watch: false }
        };
        let at_ms = begin_ms + 500 + turn * 1_000 / rate.max(1);
        PlannedOperation::new(at_ms, 1 + (turn % 5) as u32, action)
    }));
    let ensemble = EnsemblePlan {
        tick_ms: 200,
        init_limit: 10,
        sync_limit: 5,
        snap_count: 10_000,
        commit_log_count: 500,
        session_timeout_ms: 4_000,
        epoch_transactions_max: None,
        purge_retain: None,
        apply_max: None,
    };
    Plan {
        format: PLAN_FORMAT,
        system: "keeper".into(),
        scenario: "bench".into(),
        seed: 1,
        engine: EngineKind::default(),
        plant: None,
        topology: [("servers".into(), 5), ("clients".into(), 5)].into(),
        setup: Opaque::new(KeeperSetup { ensemble, value_bytes: 0 }),
        conditions: Conditions { latency_min_ms: 1, latency_max_ms: 2, fsync_us: 1_000 },
        chaos_ms: seconds * 1_000,
        heal_ms: 20_000,
        operations,
        faults: Vec::new(),
        note: None,
        found: None,
    }
}

/// Whether a run is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Servers without instruments, and nobody judges.
    Nothing,
    /// The recorder is on, and every property is judged.
    Everything,
}

impl Watch {
    /// In figures.
    pub fn name(self) -> &'static str {
        match self {
            Watch::Nothing => "unwatched",
            Watch::Everything => "watched",
        }
    }
}

/// Runs the plan of that rate; `cpu_s` reads the CPU time that this process has used, in seconds.
pub fn measure(
    (rate, seconds): (u64, u64),
    engine: EngineKind,
    watch: Watch,
    cpu_s: &dyn Fn() -> f64,
) -> Speed {
    let plan = Plan { engine, ..plan(rate, seconds) };
    let options = RunOptions { unobserved: watch == Watch::Nothing, ..RunOptions::default() };
    let before = cpu_s();
    let record = run(&KEEPER, &plan, &options).record;
    if watch == Watch::Everything {
        assert_eq!(record.healing_missing, None, "an undisturbed run ends well");
        let asked = KEEPER.asked(&plan, &record);
        let judged = judge(&KEEPER, &plan, &record, &asked);
        assert_eq!(judged.verdict, Verdict::Pass, "an undisturbed run passes");
    }
    let cpu_s = cpu_s() - before;
    assert_eq!(record.panic, None, "an undisturbed run goes on to its end");
    let answered = |outcome: &ClientOutcome| matches!(outcome, ClientOutcome::Ok { .. });
    Speed {
        rate,
        simulated_s: record.end_ns as f64 / 1e9,
        cpu_s,
        answered: record.history.operations.iter().filter(|each| answered(&each.outcome)).count(),
        events: record.trace_events,
    }
}
