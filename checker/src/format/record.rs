//! From a map with Jepsen's fields (`process`, `type`, `f`, `value`, …) to an event.

use std::collections::BTreeMap;

use super::FormatError;
use crate::history::{Event, EventKind, Process, Value};

/// Turns records with their lines into events.
pub(super) fn events(records: Vec<(usize, Value)>) -> Result<Vec<Event>, FormatError> {
    let numbered = records.into_iter().enumerate();
    numbered.map(|(index, (line, value))| event(index as u64, line, value)).collect()
}

fn event(index: u64, line: usize, value: Value) -> Result<Event, FormatError> {
    let mut value = value;
    while let Value::Tagged(_, inner) = value {
        value = *inner;
    }
    let Value::Map(entries) = value else {
        return Err(FormatError::new(line, "a map with :process, :type, :f", value.kind()));
    };
    let mut fields: BTreeMap<String, Value> = BTreeMap::new();
    for (key, value) in entries {
        let Some(name) = key.name() else {
            return Err(FormatError::new(line, "a name as key", key.kind()));
        };
        fields.insert(name.to_owned(), value);
    }
    let kind = fields.remove("type").unwrap_or(Value::Nil);
    let Some(kind) = kind.name().and_then(EventKind::from_name) else {
        let expected = ":type to be invoke, ok, fail or info";
        return Err(FormatError::new(line, expected, kind.to_string()));
    };
    // A transaction needs no function, and a history of one client needs no processes: small
    // hand-made files leave them out.
    let f = fields.remove("f").map_or(Some("txn".to_owned()), |f| f.name().map(str::to_owned));
    let f = f.ok_or_else(|| FormatError::new(line, ":f to be a name", "another value"))?;
    let process = process(line, fields.remove("process").unwrap_or(Value::Int(0)))?;
    let time_ns = match fields.remove("time") {
        Some(Value::Int(time)) => u64::try_from(time).ok(),
        Some(other) => {
            fields.insert("time".to_owned(), other);
            None
        }
        None => None,
    };
    let index = match fields.remove("index") {
        Some(Value::Int(own)) if own >= 0 => own as u64,
        Some(_) | None => index,
    };
    let value = fields.remove("value").unwrap_or(Value::Nil);
    Ok(Event { index, line, process, kind, f, value, time_ns, extra: fields })
}

fn process(line: usize, value: Value) -> Result<Process, FormatError> {
    match value {
        Value::Int(number) => Ok(Process::Client(number)),
        Value::Text(name) | Value::Keyword(name) | Value::Symbol(name) => Ok(Process::Named(name)),
        other => Err(FormatError::new(line, ":process to be a number or a name", other.kind())),
    }
}
