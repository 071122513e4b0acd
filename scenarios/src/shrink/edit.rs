//! Edits of plans. Faults are edited as JSON, so that a new kind of fault needs nothing here as long
//! as it names hosts and numbers as the others do.

use std::collections::BTreeSet;

use serde_json::Value;
use sim::cluster::plan::{Action, Plan};
use sim::fault::{Fault, MarkTarget, Target, TimedFault, Whose};
use sim::seed::Draws;

/// By when an ensemble without faults has its first leader and first znodes, amply.
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
pub(super) fn last_operations(plan: &Plan, count: usize, end_ms: u64, width_ms: u64) -> Plan {
    let until_end = plan
        .operations
        .iter()
        .filter(|operation| operation.at_ms <= end_ms && !is_read(&operation.action));
    let mut kept: Vec<_> = until_end.cloned().collect();
    kept.drain(..kept.len().saturating_sub(count));
    let step_ms = width_ms / kept.len().max(1) as u64;
    for (turn, operation) in kept.iter_mut().rev().enumerate() {
        operation.at_ms = end_ms.saturating_sub(turn as u64 * step_ms);
    }
    Plan { operations: kept, ..plan.clone() }
}

/// The plan without its first `count` writes.
pub(super) fn without_first_writes(plan: &Plan, count: usize) -> Plan {
    let writes = (0..plan.operations.len()).filter(|n| !is_read(&plan.operations[*n].action));
    let gone: BTreeSet<usize> = writes.take(count).collect();
    without_operations(plan, |index| gone.contains(&index))
}

fn is_read(action: &Action) -> bool {
    matches!(
        action,
        Action::Get { .. }
            | Action::SyncGet { .. }
            | Action::Exists { .. }
            | Action::Children { .. }
    )
}

/// The kind of a fault, as plans spell it.
pub(super) fn kind(fault: &TimedFault) -> String {
    sim::cluster::run::kind_of(&fault.fault)
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
/// and the creation of lasting znodes.
pub(super) fn without_beginning(plan: &Plan, from_ms: u64) -> Option<Plan> {
    let by_ms = from_ms.checked_sub(FIRST_LEADER_MS).filter(|by_ms| *by_ms >= GAIN_MIN_MS)?;
    let mut plan = plan.clone();
    plan.operations.retain(|operation| operation.at_ms >= from_ms || lasts(&operation.action));
    let mut created: BTreeSet<String> = BTreeSet::new();
    plan.operations.retain(|operation| match &operation.action {
        Action::Create { path, .. } if operation.at_ms < from_ms => created.insert(path.clone()),
        _ => true,
    });
    plan.faults = plan.faults.iter().flat_map(one_by_one).collect();
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
pub(super) fn without_stretch(plan: &Plan, from_ms: u64, to_ms: u64) -> Plan {
    let is_within = |at_ms: u64| at_ms >= from_ms && at_ms < to_ms;
    let mut plan = plan.clone();
    plan.operations.retain(|operation| !is_within(operation.at_ms) || lasts(&operation.action));
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

/// A rolling restart as the crashes that it consists of; any other fault as it is.
fn one_by_one(fault: &TimedFault) -> Vec<TimedFault> {
    let (Fault::Restart { targets, down_ms, gap_ms, .. }, None) = (&fault.fault, &fault.when)
    else {
        return vec![fault.clone()];
    };
    let at_ms = |turn: usize| fault.at_ms + turn as u64 * (down_ms + gap_ms);
    let crash = |(turn, target): (usize, &Target)| {
        let fault = Fault::Crash { target: target.clone() };
        TimedFault::new(at_ms(turn), Some(at_ms(turn) + down_ms), fault)
    };
    let begins = |crash: &TimedFault| fault.until_ms.is_none_or(|until_ms| crash.at_ms < until_ms);
    targets.iter().enumerate().map(crash).filter(begins).collect()
}

fn lasts(action: &Action) -> bool {
    matches!(action, Action::Create { ephemeral: false, sequential: false, .. })
}

/// The plan without one client: its operations are gone, and those after it move up.
pub(super) fn without_client(plan: &Plan, client: u32) -> Plan {
    let mut plan = plan.clone();
    plan.topology.clients -= 1;
    plan.operations.retain(|operation| operation.client != client);
    for operation in &mut plan.operations {
        operation.client -= u32::from(operation.client > client);
    }
    plan.faults = without_host(&plan.faults, 'c', client);
    plan
}

/// The plan without one server; those after it move up.
pub(super) fn without_server(plan: &Plan, server: u32) -> Plan {
    let mut plan = plan.clone();
    plan.topology.servers -= 1;
    plan.faults = without_host(&plan.faults, 'n', server);
    plan
}

fn without_host(faults: &[TimedFault], prefix: char, number: u32) -> Vec<TimedFault> {
    let edit = |fault: &TimedFault| {
        let json = serde_json::to_value(fault).expect("a fault is plain data");
        let json = host_removed(json, prefix, number)?;
        serde_json::from_value(json).ok()
    };
    faults.iter().filter_map(edit).collect()
}

/// `None` if nothing is left of the value.
fn host_removed(value: Value, prefix: char, number: u32) -> Option<Value> {
    match value {
        Value::String(name) => {
            if let Some(mut place) = MarkTarget::parse(&name) {
                if let Whose::Host(host) = &place.of {
                    let host = host_removed(host.clone().into(), prefix, number)?;
                    place.of = Whose::Host(host.as_str()?.to_owned());
                }
                return Some(place.to_string().into());
            }
            let digits = name.strip_prefix(prefix).and_then(|digits| digits.parse::<u32>().ok());
            match digits {
                Some(found) if found == number => None,
                Some(found) if found > number => Some(format!("{prefix}{}", found - 1).into()),
                _ => Some(name.into()),
            }
        }
        Value::Array(items) => {
            let kept: Vec<Value> =
                items.into_iter().filter_map(|item| host_removed(item, prefix, number)).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| Some((key, host_removed(value, prefix, number)?)))
            .collect::<Option<serde_json::Map<_, _>>>()
            .map(Value::Object),
        other => Some(other),
    }
}

/// Milder forms of a fault: every number but its time halved (towards 0), lists of hosts without
/// one of theirs, and half as long.
pub(super) fn milder(fault: &TimedFault) -> Vec<TimedFault> {
    let json = serde_json::to_value(fault).expect("a fault is plain data");
    let Value::Object(fields) = &json else { return Vec::new() };
    let mut forms = Vec::new();
    if let Some(until_ms) = fault.until_ms {
        let length_ms = until_ms.saturating_sub(fault.at_ms);
        if length_ms > 1 {
            let until_ms = Some(fault.at_ms + length_ms / 2);
            forms.push(TimedFault { until_ms, ..fault.clone() });
        }
    }
    for (key, value) in fields {
        if matches!(key.as_str(), "at_ms" | "until_ms") {
            continue;
        }
        for value in milder_values(value) {
            let mut fields = fields.clone();
            fields.insert(key.clone(), value);
            forms.extend(serde_json::from_value(Value::Object(fields)).ok());
        }
    }
    forms.retain(|form| form != fault);
    forms
}

fn milder_values(value: &Value) -> Vec<Value> {
    match value {
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(whole), _, _) if whole > 1 => vec![(whole / 2).into()],
            (None, Some(whole), _) if whole < -1 => vec![(whole / 2).into()],
            (None, None, Some(part)) if part > 0.0 => vec![0.0.into()],
            _ => Vec::new(),
        },
        Value::Array(items) if items.len() > 1 => (0..items.len())
            .map(|gone| {
                let mut items = items.clone();
                items.remove(gone);
                Value::Array(items)
            })
            .collect(),
        _ => Vec::new(),
    }
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
