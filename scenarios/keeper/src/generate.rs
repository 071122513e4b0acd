//! Plans of an ensemble from seeds.
//!
//! Every part of a plan is drawn from a stream of its own (`topology`, `ensemble`, `conditions`,
//! one for each client's operations, one for each fault), so that a new kind of fault changes
//! neither the workload nor the other faults of old seeds.

mod clients;
mod holders;

use harness::generate::{Ground, HEAL_MS, chaos_ms, conditions, faults, operations};
use harness::opaque::Opaque;
use harness::plan::{PLAN_FORMAT, Plan, Topology};
use keeper_core::log::purge::SNAPSHOTS_MIN;
use sim::EngineKind;
use sim::fault::Settings;
use sim::seed::Draws;

use crate::action::Action;
use crate::ensemble::{COMMIT_LOG_COUNT, SNAP_COUNT};
use crate::setup::{EnsemblePlan, KeeperSetup};
use crate::system::KEEPER;

pub(crate) use harness::generate::{Asks, FIRST_FAULT_MS, MARGIN_MS, Workload, shared};
pub(crate) use holders::with_faults_of_holders;

/// The least and the most bytes of a large value.
const VALUE_BYTES: (u64, u64) = (64, 8_192);
/// How many servers an ensemble has, each as often as it stands here: three and five as ensembles mostly have,
/// even numbers, which need a larger majority, and now and then a pair or a crowd.
const SIZES: [u32; 24] = [3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 5, 5, 5, 5, 5, 4, 4, 4, 4, 2, 6, 7, 9];
/// Clients of every plan.
pub(crate) const CLIENTS: u32 = 5;

/// The plan of a seed. `session_ticks` is the range of session time-outs, in ticks.
pub(crate) fn plan(
    scenario: &str,
    seed: u64,
    session_ticks: (u64, u64),
    workload: &dyn Workload<Operation = Action>,
) -> Plan {
    let mut draws = Draws::new(seed, "topology", 0);
    let servers = SIZES[draws.below(SIZES.len() as u64) as usize];
    let chaos_ms = chaos_ms(&mut draws);
    let topology: Topology =
        [("servers".to_owned(), servers), ("clients".to_owned(), CLIENTS)].into();
    let ensemble = ensemble(seed, session_ticks);
    let ground = Ground::of(&KEEPER, &topology);
    let mut faults = faults(seed, &ground, chaos_ms);
    faults.extend(clients::faults(seed, &ground, chaos_ms, &ensemble));
    faults.sort_by_key(|fault| fault.at_ms);
    Plan {
        format: PLAN_FORMAT,
        system: "keeper".to_owned(),
        scenario: scenario.to_owned(),
        seed,
        engine: EngineKind::default(),
        plant: None,
        topology,
        setup: Opaque::new(KeeperSetup { ensemble, value_bytes: value_bytes(seed) }),
        conditions: conditions(seed),
        chaos_ms,
        heal_ms: HEAL_MS,
        operations: operations(seed, CLIENTS, chaos_ms, workload),
        faults,
        note: None,
        found: None,
    }
}

/// The settings with which servers come back from a rolling upgrade.
pub(crate) fn upgrade(draws: &mut Draws) -> Settings {
    let snap_count = draws.log_uniform(20, 1_000);
    let commit_log_count = draws.log_uniform(10, 500);
    [(SNAP_COUNT.to_owned(), snap_count), (COMMIT_LOG_COUNT.to_owned(), commit_log_count)].into()
}

/// Small limits in most seeds, so that snapshots are taken often and a server that was away has to
/// be brought back by a snapshot.
fn ensemble(seed: u64, session_ticks: (u64, u64)) -> EnsemblePlan {
    let mut draws = Draws::new(seed, "ensemble", 0);
    let tick_ms = draws.range(100, 200);
    let (init_limit, sync_limit) = (draws.range(5, 10), draws.range(5, 10));
    let session_timeout_ms = tick_ms * draws.range(session_ticks.0, session_ticks.1);
    let snaps_often = draws.chance(0.7);
    let snap_count = if snaps_often { draws.log_uniform(20, 200) } else { 10_000 };
    let forgets_early = draws.chance(0.7);
    let commit_log_count = if forgets_early { draws.log_uniform(10, 100) } else { 500 };
    EnsemblePlan {
        tick_ms,
        init_limit,
        sync_limit,
        snap_count,
        commit_log_count: commit_log_count as usize,
        session_timeout_ms,
        epoch_transactions_max: epoch_transactions_max(seed),
        purge_retain: Draws::new(seed, "purge", 0).chance(0.5).then_some(SNAPSHOTS_MIN),
        apply_max: apply_max(seed),
    }
}

/// In some seeds an epoch has zxids for a part of the run only (ZOOKEEPER-1277).
fn epoch_transactions_max(seed: u64) -> Option<u32> {
    let mut draws = Draws::new(seed, "epoch transactions", 0);
    draws.chance(0.15).then(|| draws.log_uniform(60, 600) as u32)
}

/// In some seeds servers are slow to apply what they begin to serve with, so that much happens meanwhile.
fn apply_max(seed: u64) -> Option<u32> {
    let mut draws = Draws::new(seed, "apply", 0);
    draws.chance(0.3).then(|| draws.log_uniform(2, 50) as u32)
}

/// In some seeds values are large, up to what fills several segments: then a synchronisation comes in
/// many pieces, a snapshot too, and records of a log lie across sectors.
fn value_bytes(seed: u64) -> u32 {
    let mut draws = Draws::new(seed, "value bytes", 0);
    let is_large = draws.chance(0.12);
    if is_large { draws.log_uniform(VALUE_BYTES.0, VALUE_BYTES.1) as u32 } else { 0 }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sim::fault::{Fault, FaultFamily, FaultKind};

    use harness::plan::validate;

    use crate::ensemble::SNAP_COUNT;
    use crate::property::testing::SYSTEMS;
    use crate::registry::SCENARIOS;
    use crate::setup::{KeeperSetup, servers};

    #[test]
    fn every_plan_is_worth_its_name() {
        let mut sizes = BTreeSet::new();
        for (scenario, seed) in SCENARIOS
            .iter()
            .zip(0..)
            .flat_map(|(s, n)| (0..40u64).map(move |seed| (s, seed * 7 + n)))
        {
            let plan = (scenario.plan)(seed);
            assert_eq!(plan, (scenario.plan)(seed), "a plan is a function of its seed");
            validate(SYSTEMS, &plan).unwrap_or_else(|error| panic!("{seed}: {error}"));
            assert!(plan.chaos_ms >= 30_000);
            assert!(plan.operations.len() >= 700, "{}", plan.operations.len());
            assert!(plan.faults.len() >= 3, "{seed}: {:?}", plan.faults);
            let families: BTreeSet<FaultFamily> =
                plan.faults.iter().map(|timed| timed.fault.kind().family()).collect();
            assert!(families.len() >= 2, "{seed}: {families:?}");
            for timed in &plan.faults {
                assert!(timed.at_ms >= super::FIRST_FAULT_MS, "{timed:?}");
                assert!(timed.until_ms.is_some_and(|until_ms| until_ms < plan.chaos_ms));
            }
            let last_ms = plan.faults.iter().filter_map(|timed| timed.until_ms).max();
            assert!(last_ms.unwrap() >= 22_000, "{seed}: at least 20 s of chaos, {last_ms:?}");
            sizes.insert(servers(&plan));
        }
        assert_eq!(sizes, [2, 3, 4, 5, 6, 7, 9].into());
    }

    #[test]
    fn every_kind_of_fault_is_drawn() {
        let plans = SCENARIOS.iter().flat_map(|s| (0..100).map(move |seed| (s.plan)(seed)));
        let drawn: BTreeSet<FaultKind> = plans
            .flat_map(|plan| plan.faults.into_iter().map(|timed| timed.fault.kind()))
            .collect();
        // It sends no datagrams, and declares no kinds of its own.
        let absent = [FaultKind::Datagrams, FaultKind::Own];
        let expected = FaultKind::ALL.iter().filter(|kind| !absent.contains(kind));
        assert!(drawn.iter().eq(expected), "{drawn:?}");
    }

    #[test]
    fn seeds_differ_and_swarms_leave_kinds_out() {
        let plans: Vec<_> = (0..60).map(|seed| (SCENARIOS[0].plan)(seed)).collect();
        let with = |wanted: fn(&Fault) -> bool| {
            plans.iter().filter(|plan| plan.faults.iter().any(|f| wanted(&f.fault))).count()
        };
        let wanted: [fn(&Fault) -> bool; 18] = [
            |fault| matches!(fault, Fault::Partition { .. }),
            |fault| matches!(fault, Fault::PowerLoss { .. }),
            |fault| matches!(fault, Fault::Pause { .. }),
            |fault| matches!(fault, Fault::FsyncFail { .. }),
            |fault| matches!(fault, Fault::SlowLink { .. }),
            |fault| matches!(fault, Fault::ClockOffset { .. }),
            |fault| matches!(fault, Fault::ClockDrift { .. }),
            |fault| matches!(fault, Fault::ClockJump { .. }),
            |fault| matches!(fault, Fault::FlakyLink { .. }),
            |fault| matches!(fault, Fault::Bandwidth { .. }),
            |fault| matches!(fault, Fault::ConnectHang { .. }),
            |fault| matches!(fault, Fault::HalfOpen { .. } | Fault::Reset { .. }),
            |fault| matches!(fault, Fault::LostWrite { .. }),
            |fault| matches!(fault, Fault::MisdirectedWrite { .. }),
            |fault| matches!(fault, Fault::Rot { .. }),
            |fault| matches!(fault, Fault::Wipe { .. }),
            |fault| matches!(fault, Fault::Restore { .. }),
            |fault| matches!(fault, Fault::Restart { settings, .. } if settings.contains_key(SNAP_COUNT)),
        ];
        for (index, wanted) in wanted.into_iter().enumerate() {
            let plans = with(wanted);
            assert!((5..60).contains(&plans), "kind {index} in {plans} of 60 plans");
        }
        let large: Vec<u32> =
            plans.iter().map(|plan| KeeperSetup::of(plan).value_bytes).filter(|n| *n > 0).collect();
        assert!((2..20).contains(&large.len()), "{large:?}");
        assert!(large.iter().all(|n| (64..=8_192).contains(n)), "{large:?}");
    }
}
