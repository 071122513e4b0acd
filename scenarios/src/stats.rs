//! What a run went through: how much was asked, what struck, and what the ensemble did about it.

use std::collections::BTreeMap;

use keeper_core::instruments::{Observation, SyncKind};
use serde::Serialize;
use sim::cluster::claims::{ClaimEnd, GuardedWrite};
use sim::cluster::plan::Plan;
use sim::cluster::record::{ClientOutcome, RunRecord};

use crate::convert::is_write;

/// Without an acknowledged write for longer than this, the service counts as unavailable.
const UNAVAILABLE_AFTER_MS: u64 = 500;
const NS_PER_MS: u64 = 1_000_000;

/// Figures of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Simulated time in milliseconds.
    pub simulated_ms: u64,
    /// Time on the wall in milliseconds; 0 unless a campaign measured it.
    pub wall_ms: u64,
    /// Events of the world.
    pub events: u64,
    /// Requests of clients.
    pub operations: u64,
    /// Answered without error.
    pub acknowledged: u64,
    /// Answered with an error.
    pub refused: u64,
    /// With an unknown end.
    pub unknown: u64,
    /// Locks and leaderships that clients were granted.
    pub grants: u64,
    /// Those that ended otherwise than by a release.
    pub holds_lost: u64,
    /// Writes that only the token stopped: their clients still believed to hold, a newer holder had
    /// written already, and a resource that asks for no fencing token would have taken them.
    pub writes_fenced: u64,
    /// Faults that struck somebody, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Elections won.
    pub elections: u64,
    /// Leaders that began to serve after the first.
    pub leader_changes: u64,
    /// Synchronisations by DIFF that learners began.
    pub syncs_diff: u64,
    /// By TRUNC.
    pub syncs_trunc: u64,
    /// By SNAP.
    pub syncs_snap: u64,
    /// Servers that were restarted between the beginning and the end of a synchronisation.
    pub crashes_during_sync: u64,
    /// Starts of servers after the first of each.
    pub restarts: u64,
    /// Spans without an acknowledged write of more than 500 ms, while clients were at work: begin
    /// and length in milliseconds.
    pub unavailable_ms: Vec<(u64, u64)>,
    /// From the moment when a leader was killed or gave up until the next one served, in
    /// milliseconds; 0 where the next one served before the old one noticed.
    pub failovers_ms: Vec<u64>,
    /// From the end of chaos until the ensemble had healed, in milliseconds.
    pub healed_after_ms: Option<u64>,
}

/// Counts what a record holds.
pub fn stats(plan: &Plan, record: &RunRecord) -> Stats {
    let mut stats = Stats {
        simulated_ms: record.end_ns / NS_PER_MS,
        events: record.trace_events,
        operations: record.operations.len() as u64,
        healed_after_ms: record.healed_after_ms,
        unavailable_ms: unavailable(plan, record),
        failovers_ms: failovers(record),
        ..Stats::default()
    };
    for operation in &record.operations {
        match operation.outcome {
            ClientOutcome::Ok { .. } => stats.acknowledged += 1,
            ClientOutcome::Error { .. } => stats.refused += 1,
            ClientOutcome::Unknown => stats.unknown += 1,
            ClientOutcome::NotSent => {}
        }
    }
    count_claims(record, &mut stats);
    for (name, count) in &record.counters {
        if let Some(kind) = name.strip_prefix("fault.") {
            stats.faults.insert(kind.to_owned(), *count);
        }
    }
    count_steps(record, &mut stats);
    stats
}

fn count_claims(record: &RunRecord, stats: &mut Stats) {
    for claim in record.claims.iter().filter(|claim| claim.grant.is_some()) {
        stats.grants += 1;
        let is_lost = claim.end.as_ref().is_some_and(|(end, _)| *end != ClaimEnd::Released);
        stats.holds_lost += u64::from(is_lost);
    }
    let is_stale = |write: &&GuardedWrite| write.token < write.newest;
    stats.writes_fenced = record.guarded_writes.iter().filter(is_stale).count() as u64;
}

fn count_steps(record: &RunRecord, stats: &mut Stats) {
    let mut synchronising: BTreeMap<u32, bool> = BTreeMap::new();
    let mut leaders = 0u64;
    for observed in &record.observations {
        let in_sync = synchronising.entry(observed.server).or_default();
        match observed.observation {
            Observation::Recovered { .. } => {
                stats.restarts += u64::from(observed.incarnation > 1);
                stats.crashes_during_sync += u64::from(std::mem::take(in_sync));
            }
            Observation::Looking | Observation::SyncEnded => *in_sync = false,
            Observation::SyncBegun { kind } => {
                *in_sync = true;
                match kind {
                    SyncKind::Diff => stats.syncs_diff += 1,
                    SyncKind::Trunc => stats.syncs_trunc += 1,
                    SyncKind::Snap => stats.syncs_snap += 1,
                }
            }
            Observation::Leading => stats.elections += 1,
            Observation::Serving { .. } => leaders += 1,
            _ => {}
        }
    }
    stats.leader_changes = leaders.saturating_sub(1);
}

fn unavailable(plan: &Plan, record: &RunRecord) -> Vec<(u64, u64)> {
    let from_ns = plan.operations.first().map_or(0, |first| first.at_ms * NS_PER_MS);
    let acknowledged = record.operations.iter().filter(|operation| {
        is_write(&operation.request) && matches!(operation.outcome, ClientOutcome::Ok { .. })
    });
    let mut times: Vec<u64> = acknowledged.filter_map(|operation| operation.complete_ns).collect();
    times.push(from_ns);
    times.sort_unstable();
    let spans = times.windows(2).map(|pair| (pair[0] / NS_PER_MS, (pair[1] - pair[0]) / NS_PER_MS));
    spans.filter(|(_, length_ms)| *length_ms > UNAVAILABLE_AFTER_MS).collect()
}

fn failovers(record: &RunRecord) -> Vec<u64> {
    let mut failovers = Vec::new();
    // The last leader, since when it serves, and when it was seen to have stopped.
    let mut last: Option<(u32, u64, Option<u64>)> = None;
    for observed in &record.observations {
        match (&observed.observation, &mut last) {
            (Observation::Serving { .. }, _) => {
                if let Some((leader, from_ns, ended_ns)) = last {
                    let killed_ns = killed(record, leader, from_ns, observed.at_ns);
                    let down_ns = killed_ns.into_iter().chain(ended_ns).min();
                    let gap_ns = down_ns.map_or(0, |down_ns| observed.at_ns - down_ns);
                    failovers.push(gap_ns / NS_PER_MS);
                }
                last = Some((observed.server, observed.at_ns, None));
            }
            (Observation::Looking | Observation::Recovered { .. }, Some((leader, _, ended_ns)))
                if *leader == observed.server =>
            {
                ended_ns.get_or_insert(observed.at_ns);
            }
            _ => {}
        }
    }
    failovers
}

/// When a fault killed a server within a span of time.
fn killed(record: &RunRecord, server: u32, from_ns: u64, until_ns: u64) -> Option<u64> {
    let name = format!("n{server}");
    let is_kill = |kind: &str| matches!(kind, "crash" | "power_loss" | "restart");
    record
        .faults
        .iter()
        .filter(|window| is_kill(&window.kind) && window.what == name)
        .map(|window| window.from_ns)
        .find(|at_ns| (from_ns..until_ns).contains(at_ns))
}

#[cfg(test)]
mod tests {
    use sim::cluster::claims::{Claim, Grant, Recipe};
    use sim::cluster::record::FaultWindow;

    use super::*;
    use crate::property::testing::{plan, two_epochs, zxid};

    #[test]
    fn steps_are_counted() {
        let record = two_epochs()
            .see(3, Observation::SyncBegun { kind: SyncKind::Snap })
            .recover(3, keeper_core::ids::Zxid::ZERO, zxid(2, 1))
            .record();
        let stats = stats(&plan(), &record);
        assert_eq!((stats.syncs_diff, stats.syncs_trunc, stats.syncs_snap), (4, 0, 1));
        assert_eq!((stats.leader_changes, stats.elections), (1, 2));
        assert_eq!((stats.crashes_during_sync, stats.restarts), (1, 2));
        assert_eq!((stats.operations, stats.acknowledged), (2, 2));
    }

    #[test]
    fn a_failover_lasts_from_the_kill_to_the_next_leader() {
        let mut record = two_epochs().record();
        let is_serving = |o: &&sim::cluster::record::Observed| {
            matches!(o.observation, Observation::Serving { .. })
        };
        let served: Vec<u64> =
            record.observations.iter().filter(is_serving).map(|o| o.at_ns).collect();
        let looked =
            record.observations.iter().find(|o| o.server == 1 && o.incarnation == 2).unwrap().at_ns;
        assert_eq!(stats(&plan(), &record).failovers_ms, [(served[1] - looked) / NS_PER_MS]);
        let expected = (served[1] - served[0]) / NS_PER_MS - 1;
        for kind in ["crash", "power_loss", "restart"] {
            record.faults = vec![FaultWindow {
                planned: 0,
                kind: kind.to_owned(),
                what: "n1".to_owned(),
                from_ns: served[0] + NS_PER_MS,
                to_ns: None,
            }];
            assert_eq!(stats(&plan(), &record).failovers_ms, [expected], "{kind}");
        }
    }

    #[test]
    fn grants_losses_and_stale_writes_are_counted() {
        let mut record = two_epochs().record();
        let grant = Grant {
            at_ns: 5,
            node: "/l/n".to_owned(),
            session: keeper_core::ids::SessionId(1),
            token: zxid(1, 1),
            seen: zxid(1, 2),
        };
        for (grant, end) in [
            (Some(grant.clone()), ClaimEnd::Released),
            (Some(grant), ClaimEnd::SessionExpired),
            (None, ClaimEnd::SessionExpired),
        ] {
            let (recipe, path, end) = (Recipe::Lock, "/l".to_owned(), Some((end, 9)));
            let claim = Claim { client: 1, planned: 1, recipe, path, asked_ns: 1, grant, end };
            record.claims.push(claim);
        }
        for (token, newest) in [(1, 1), (1, 2), (2, 1)] {
            record.guarded_writes.push(GuardedWrite {
                client: 1,
                planned: 1,
                path: "/l".to_owned(),
                token: zxid(1, token),
                newest: zxid(1, newest),
                accepted: token >= newest,
                at_ns: 7,
            });
        }
        let stats = stats(&plan(), &record);
        assert_eq!((stats.grants, stats.holds_lost, stats.writes_fenced), (2, 1, 1));
    }

    #[test]
    fn a_long_silence_is_unavailability() {
        let mut record = two_epochs().record();
        let begin_ms = plan().operations[0].at_ms;
        record.operations[0].complete_ns = Some((begin_ms + 400) * NS_PER_MS);
        record.operations[1].complete_ns = Some((begin_ms + 1_000) * NS_PER_MS);
        let spans = stats(&plan(), &record).unavailable_ms;
        assert_eq!(spans, [(begin_ms + 400, 600)]);
    }
}
