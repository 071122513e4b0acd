//! Edits of plans. Faults are edited as JSON, so that a new kind of fault needs nothing here as long
//! as it names hosts and numbers as the others do.

use serde_json::Value;
use sim::cluster::plan::Plan;
use sim::fault::TimedFault;
use sim::seed::Draws;

/// The plan with its n-th seed; the first is its own.
pub(super) fn with_seed(plan: &Plan, n: u64) -> Plan {
    let seed = match n {
        0 => plan.seed,
        n => Draws::new(plan.seed, "shrink", n).bits() >> 16,
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
        fault.at_ms = shift(fault.at_ms);
        fault.until_ms = fault.until_ms.map(shift);
    }
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
