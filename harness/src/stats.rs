//! What a run went through: how much was asked, what struck, and what the system counted of itself.

use std::collections::{BTreeMap, BTreeSet};

use evidence::{Aimed, Latencies, OutcomeClass};
use sim::fault::Target;

use crate::plan::Plan;
use crate::record::Record;
use crate::system::{Asked, Figures, System};

/// Without an acknowledged change for longer than this, the service counts as unavailable.
const UNAVAILABLE_AFTER_MS: u64 = 500;
const NS_PER_MS: u64 = 1_000_000;

/// Figures of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// How long answers without error took.
    pub latencies: Latencies,
    /// Faults that struck somebody, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Faults of the plan that struck nobody, by kind.
    pub missed: BTreeMap<String, u64>,
    /// Faults that are aimed at whoever plays a role and at nobody else, by role.
    pub roles: BTreeMap<String, Aimed>,
    /// Spans without an acknowledged change of more than 500 ms, while clients were at work: begin
    /// and length in milliseconds.
    pub unavailable_ms: Vec<(u64, u64)>,
    /// From the end of chaos until the system had healed, in milliseconds.
    pub healed_after_ms: Option<u64>,
    /// What the system counted.
    pub figures: Figures,
}

/// Counts what a record holds.
pub fn stats<S: System>(system: &S, plan: &Plan, record: &Record<S>, asked: &[Asked]) -> Stats {
    let mut stats = Stats {
        simulated_ms: record.end_ns / NS_PER_MS,
        events: record.trace_events,
        operations: asked.len() as u64,
        healed_after_ms: record.healed_after_ms,
        unavailable_ms: unavailable(plan, asked),
        figures: system.figures(plan, record),
        ..Stats::default()
    };
    for asked in asked {
        match asked.outcome {
            OutcomeClass::Ok => stats.acknowledged += 1,
            OutcomeClass::Refused => stats.refused += 1,
            OutcomeClass::Unknown => stats.unknown += 1,
            OutcomeClass::NotSent => {}
        }
    }
    let answered = asked.iter().filter(|asked| asked.outcome == OutcomeClass::Ok);
    stats.latencies = answered
        .filter_map(|asked| Some(asked.complete_ns?.saturating_sub(asked.invoke_ns)))
        .collect();
    for (name, count) in &record.counters {
        if let Some(kind) = name.strip_prefix("fault.") {
            stats.faults.insert(kind.to_owned(), *count);
        }
    }
    count_aimed(system, plan, record, &mut stats);
    stats
}

/// Counts which faults struck nobody. A fault that waits for a mark says nothing of roles: who hits it need
/// not exist.
fn count_aimed<S: System>(system: &S, plan: &Plan, record: &Record<S>, stats: &mut Stats) {
    let struck: BTreeSet<usize> = record.faults.iter().map(|window| window.planned).collect();
    for (index, timed) in plan.faults.iter().enumerate() {
        let has_struck = struck.contains(&index);
        if !has_struck {
            *stats.missed.entry(timed.fault.label().to_owned()).or_default() += 1;
        }
        let mut targets = Vec::new();
        timed.fault.for_targets(&mut |_, target| targets.push(target));
        let role = match targets[..] {
            [Target::Named(name)] if system.is_role(name) => Some(name.as_str()),
            [target] => target.role(),
            _ => None,
        };
        if let Some(role) = role.filter(|_| timed.mark().is_none()) {
            let aimed = Aimed { planned: 1, struck: has_struck.into() };
            stats.roles.entry(role.to_owned()).or_default().add(aimed);
        }
    }
}

fn unavailable(plan: &Plan, asked: &[Asked]) -> Vec<(u64, u64)> {
    let from_ns = plan.operations.first().map_or(0, |first| first.at_ms * NS_PER_MS);
    let acknowledged =
        asked.iter().filter(|asked| asked.is_change && asked.outcome == OutcomeClass::Ok);
    let mut times: Vec<u64> = acknowledged.filter_map(|asked| asked.complete_ns).collect();
    times.push(from_ns);
    times.sort_unstable();
    let spans = times.windows(2).map(|pair| (pair[0] / NS_PER_MS, (pair[1] - pair[0]) / NS_PER_MS));
    spans.filter(|(_, length_ms)| *length_ms > UNAVAILABLE_AFTER_MS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_long_silence_is_unavailability() {
        let plan = testing::plan();
        let begin_ns = plan.operations[0].at_ms * NS_PER_MS;
        let answered = |after_ms: u64, is_change| Asked {
            planned: None,
            invoke_ns: begin_ns,
            complete_ns: Some(begin_ns + after_ms * NS_PER_MS),
            outcome: OutcomeClass::Ok,
            is_change,
        };
        let asked = [answered(400, true), answered(700, false), answered(1_000, true)];
        assert_eq!(unavailable(&plan, &asked), [(begin_ns / NS_PER_MS + 400, 600)]);
    }
}
