//! Edits of plans.

use std::collections::BTreeSet;

use sim::fault::{Fault, MarkTarget, Settings, Target, TimedFault};
use sim::seed::Draws;

use crate::any::AnySystem;
use crate::plan::{Plan, PlannedOperation};
use crate::system::Group;

/// By when a system without faults serves and has what its clients work on, amply.
const FIRST_LEADER_MS: u64 = 1_000;
/// A beginning that is shorter is not worth a run.
const GAIN_MIN_MS: u64 = 500;
/// By so much a fault's moment is changed at most when others go.
const JITTER_MAX_MS: u64 = 200;
/// How often a fault becomes a plain loss of power when others go.
const PLAIN_CHANCE: f64 = 0.15;

/// The plan with its n-th seed on one way of a search; the first is its own.
pub(super) fn with_seed(plan: &Plan, n: u64, way: u64) -> Plan {
    let seed = match n {
        0 => plan.seed,
        n => Draws::for_host(plan.seed, "shrink", way as u32, n).bits() >> 16,
    };
    Plan { seed, found: None, ..plan.clone() }
}

/// Whether two plans ask for the same, however they ended.
pub(super) fn same(one: &Plan, other: &Plan) -> bool {
    let bare = |plan: &Plan| Plan { found: None, seed: 0, ..plan.clone() };
    bare(one) == bare(other)
}

/// The plan without the items for which `is_gone` says so.
pub(super) fn without_operations(plan: &Plan, is_gone: impl Fn(usize) -> bool) -> Plan {
    let kept = plan.operations.iter().enumerate().filter(|(index, _)| !is_gone(*index));
    Plan { operations: kept.map(|(_, item)| item.clone()).collect(), ..plan.clone() }
}

/// As [`without_operations`].
pub(super) fn without_faults(plan: &Plan, is_gone: impl Fn(usize) -> bool) -> Plan {
    let kept = plan.faults.iter().enumerate().filter(|(index, _)| !is_gone(*index));
    Plan { faults: kept.map(|(_, item)| item.clone()).collect(), ..plan.clone() }
}

/// The plan with its first `count` operations alone.
pub(super) fn first_operations(plan: &Plan, count: usize) -> Plan {
    without_operations(plan, |index| index >= count)
}

/// The plan with its last `count` writes up to `end_ms` alone, spread evenly over the `width_ms` before
/// that moment. A request that changes nothing seldom is what matters.
pub(super) fn last_operations(
    system: &dyn AnySystem,
    plan: &Plan,
    count: usize,
    end_ms: u64,
    width_ms: u64,
) -> Plan {
    let until_end = plan
        .operations
        .iter()
        .filter(|operation| operation.at_ms <= end_ms && !system.is_read(&operation.action));
    let mut kept: Vec<_> = until_end.cloned().collect();
    kept.drain(..kept.len().saturating_sub(count));
    let step_ms = width_ms / kept.len().max(1) as u64;
    for (turn, operation) in kept.iter_mut().rev().enumerate() {
        operation.at_ms = end_ms.saturating_sub(turn as u64 * step_ms);
    }
    Plan { operations: kept, ..plan.clone() }
}

/// The plan without its first `count` operations that change something.
pub(super) fn without_first_changes(system: &dyn AnySystem, plan: &Plan, count: usize) -> Plan {
    let is_read = |n: &usize| system.is_read(&plan.operations[*n].action);
    let writes = (0..plan.operations.len()).filter(|n| !is_read(n));
    let gone: BTreeSet<usize> = writes.take(count).collect();
    without_operations(plan, |index| gone.contains(&index))
}

/// Of what was asked before `from_ms` and lasts, the first of each kind alone: clients ask for it again
/// and again until it is there.
fn once(operations: &mut Vec<PlannedOperation>, from_ms: u64) {
    let mut seen: Vec<PlannedOperation> = Vec::new();
    operations.retain(|operation| {
        let is_again = seen.iter().any(|other| other.action == operation.action);
        if operation.at_ms < from_ms && !is_again {
            seen.push(operation.clone());
        }
        operation.at_ms >= from_ms || !is_again
    });
}

/// The plan with chaos over at `end_ms`, and without what was to come then.
pub(super) fn without_end(plan: &Plan, end_ms: u64) -> Plan {
    let mut plan = without_operations(plan, |index| plan.operations[index].at_ms > end_ms);
    plan.faults.retain(|fault| fault.at_ms < end_ms);
    for fault in &mut plan.faults {
        fault.until_ms = fault.until_ms.map(|until_ms| until_ms.min(end_ms));
    }
    plan.chaos_ms = end_ms;
    plan
}

/// The plan without what is over by `from_ms`, and with the rest earlier, so that it begins when
/// there is a first leader; none if that gains little. What lasts is kept: faults that are not over,
/// and what operations do that lasts.
pub(super) fn without_beginning(system: &dyn AnySystem, plan: &Plan, from_ms: u64) -> Option<Plan> {
    let by_ms = from_ms.checked_sub(FIRST_LEADER_MS).filter(|by_ms| *by_ms >= GAIN_MIN_MS)?;
    let mut plan = plan.clone();
    plan.operations
        .retain(|operation| operation.at_ms >= from_ms || system.lasts(&operation.action));
    once(&mut plan.operations, from_ms);
    let under_way = plan.faults.iter().filter_map(|fault| rest_of_restart(fault, from_ms));
    plan.faults = under_way.collect();
    plan.faults.sort_by_key(|fault| fault.at_ms);
    plan.faults.retain(|fault| {
        fault.at_ms >= from_ms || fault.until_ms.is_some_and(|until_ms| until_ms > from_ms)
    });
    let earlier = |at_ms: u64| if at_ms < from_ms { FIRST_LEADER_MS } else { at_ms - by_ms };
    for operation in &mut plan.operations {
        operation.at_ms = match operation.at_ms < from_ms {
            true => FIRST_LEADER_MS / 2,
            false => operation.at_ms - by_ms,
        };
    }
    for fault in &mut plan.faults {
        change_times(fault, earlier);
    }
    plan.chaos_ms -= by_ms;
    Some(plan)
}

fn change_times(fault: &mut TimedFault, change: impl Fn(u64) -> u64) {
    fault.at_ms = change(fault.at_ms);
    fault.until_ms = fault.until_ms.map(&change);
    if let Fault::Restore { taken_ms, .. } = &mut fault.fault {
        *taken_ms = change(*taken_ms);
    }
}

/// The plan without a stretch of time and what happens in it. What lasts is kept, as in
/// [`without_beginning`].
pub(super) fn without_stretch(
    system: &dyn AnySystem,
    plan: &Plan,
    from_ms: u64,
    to_ms: u64,
) -> Plan {
    let is_within = |at_ms: u64| at_ms >= from_ms && at_ms < to_ms;
    let mut plan = plan.clone();
    plan.operations
        .retain(|operation| !is_within(operation.at_ms) || system.lasts(&operation.action));
    plan.faults.retain(|fault| {
        !is_within(fault.at_ms) || fault.until_ms.is_none_or(|until_ms| until_ms > to_ms)
    });
    let earlier = |at_ms: u64| match at_ms {
        at_ms if at_ms < from_ms => at_ms,
        at_ms if at_ms < to_ms => from_ms,
        at_ms => at_ms - (to_ms - from_ms),
    };
    for operation in &mut plan.operations {
        operation.at_ms = earlier(operation.at_ms);
    }
    for fault in &mut plan.faults {
        change_times(fault, earlier);
    }
    plan.chaos_ms = earlier(plan.chaos_ms).max(1);
    plan
}

/// What is not over of a rolling restart by `from_ms`, or nothing if all is; any other fault as it is. It
/// stays one fault: of a single server a crash, unless the server is to come back with other settings.
fn rest_of_restart(fault: &TimedFault, from_ms: u64) -> Option<TimedFault> {
    let Fault::Restart { targets, down_ms, gap_ms, settings } = &fault.fault else {
        return Some(fault.clone());
    };
    if fault.when.is_some() {
        return Some(fault.clone());
    }
    let begin_ms = |turn: usize| fault.at_ms + turn as u64 * (down_ms + gap_ms);
    let over = (0..targets.len()).take_while(|turn| begin_ms(*turn) + down_ms <= from_ms).count();
    let (at_ms, rest) = (begin_ms(over), &targets[over..]);
    let until_ms = fault.until_ms.unwrap_or(begin_ms(targets.len()));
    match rest {
        _ if until_ms <= at_ms => None,
        [] => None,
        [target] if *settings == Settings::default() => {
            let crash = Fault::Crash { target: target.clone() };
            Some(TimedFault::new(at_ms, Some(until_ms.min(at_ms + down_ms)), crash))
        }
        rest => {
            let (targets, settings) = (rest.to_vec(), settings.clone());
            let (down_ms, gap_ms) = (*down_ms, *gap_ms);
            let rest = Fault::Restart { targets, down_ms, gap_ms, settings };
            Some(TimedFault::new(at_ms, Some(until_ms), rest))
        }
    }
}

/// The plan without one host of a group: those after it move up. The operations of a client go with it,
/// and so do faults that strike it alone.
pub(super) fn without_host(plan: &Plan, group: &Group, gone: u32) -> Plan {
    let mut plan = plan.clone();
    if let Some(count) = plan.topology.get_mut(group.name) {
        *count -= 1;
    }
    if group.is_client {
        plan.operations.retain(|operation| operation.client != gone);
        for operation in &mut plan.operations {
            operation.client -= u32::from(operation.client > gone);
        }
    }
    let moved_up = |name: &str| match group.number(name) {
        Some(number) if number == gone => None,
        Some(number) if number > gone => Some(group.host(number - 1)),
        _ => Some(name.to_owned()),
    };
    let place = |place: &MarkTarget| match &place.of {
        Some(of) => Some(MarkTarget { of: Some(moved_up(of)?), ..place.clone() }),
        None => Some(place.clone()),
    };
    let target = |target: &Target| match target {
        Target::Named(name) => moved_up(name).map(Target::Named),
        Target::Mark(at) => place(at).map(Target::Mark),
        Target::Nth(..) | Target::Since(..) | Target::Here => Some(target.clone()),
    };
    let edit = |timed: &TimedFault| {
        let when = match &timed.when {
            Some(at) => Some(place(at)?),
            None => None,
        };
        let fault = timed.fault.map_targets(&mut |each| target(each))?;
        let has_sides = !matches!(&fault, Fault::Partition { sides, .. } if sides.len() < 2);
        has_sides.then_some(TimedFault { when, fault, ..timed.clone() })
    };
    plan.faults = plan.faults.iter().filter_map(edit).collect();
    plan
}

/// The plan with every moment from `from_ms` on `by_ms` earlier.
pub(super) fn earlier(plan: &Plan, from_ms: u64, by_ms: u64) -> Plan {
    let shift = |at_ms: u64| if at_ms >= from_ms { at_ms - by_ms } else { at_ms };
    let mut plan = plan.clone();
    plan.chaos_ms = shift(plan.chaos_ms);
    for operation in &mut plan.operations {
        operation.at_ms = shift(operation.at_ms);
    }
    for fault in &mut plan.faults {
        change_times(fault, shift);
    }
    plan
}

/// The plan with some of its faults a little earlier or later, all of one by as much, and some as the
/// plainest fault there is of one host.
pub(super) fn jittered(plan: &Plan, draws: &mut Draws) -> Plan {
    let mut plan = plan.clone();
    for fault in &mut plan.faults {
        let by_ms = draws.log_uniform(1, JITTER_MAX_MS);
        let (moves, is_later) = (draws.chance(0.5), draws.chance(0.5));
        let last_ms = plan.chaos_ms.saturating_sub(1);
        if let (true, Some(target)) = (draws.chance(PLAIN_CHANCE), fault.fault.target()) {
            fault.fault = Fault::PowerLoss { target: target.clone() };
        }
        if moves {
            change_times(fault, |at_ms| match is_later {
                true => (at_ms + by_ms).min(last_ms),
                false => at_ms.saturating_sub(by_ms),
            });
        }
    }
    plan.faults.sort_by_key(|fault| fault.at_ms);
    plan
}

/// Every moment of the plan at which something begins or ends, sorted.
pub(super) fn moments_ms(plan: &Plan) -> Vec<u64> {
    let operations = plan.operations.iter().map(|operation| operation.at_ms);
    let faults = plan.faults.iter().flat_map(|fault| [Some(fault.at_ms), fault.until_ms]);
    let mut moments: Vec<u64> = operations.chain(faults.flatten()).collect();
    moments.push(plan.chaos_ms);
    moments.sort_unstable();
    moments.dedup();
    moments
}
