//! From a map with Jepsen's fields (`process`, `type`, `f`, `value`, …) to an event.

use std::collections::BTreeMap;

use super::FormatError;
use crate::history::{Event, EventKind, Process, Value};

/// Records with their lines, turned into events in the order of their `:index` where all have one
/// (<https://github.com/jepsen-io/history>: the index is the position in the history). Says where
/// that is not the order of the file.
#[derive(Debug, Default)]
pub(super) struct Records {
    events: Vec<Event>,
    without_index: bool,
}

impl Records {
    /// Adds a record of this line.
    pub(super) fn add(&mut self, line: usize, value: Value) -> Result<(), FormatError> {
        let (event, has_index) = event(self.events.len() as u64, line, value)?;
        self.without_index |= !has_index;
        self.events.push(event);
        Ok(())
    }

    /// The events in order, and a note on that order.
    pub(super) fn into_events(self) -> (Vec<Event>, Option<String>) {
        if self.without_index { (self.events, None) } else { by_index(self.events) }
    }
}

fn by_index(mut events: Vec<Event>) -> (Vec<Event>, Option<String>) {
    let mut line_of: BTreeMap<u64, usize> = BTreeMap::new();
    for event in &events {
        if let Some(line) = line_of.insert(event.index, event.line) {
            let (index, own) = (event.index, event.line);
            let note = format!(
                "lines {line} and {own} have the same :index {index}: events are taken in the order \
                 of the file"
            );
            return (events, Some(note));
        }
    }
    let out_of_place = events.windows(2).find(|pair| pair[1].index < pair[0].index);
    let note = out_of_place.map(|pair| {
        let (line, index, before) = (pair[1].line, pair[1].index, pair[0].index);
        format!(
            "events are taken in the order of their :index, not of the file: line {line} has {index} \
             after {before}"
        )
    });
    events.sort_by_key(|event| event.index);
    (events, note)
}

/// One event, and whether it says its own index.
fn event(index: u64, line: usize, value: Value) -> Result<(Event, bool), FormatError> {
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
    let own = match fields.remove("index") {
        Some(Value::Int(own)) => u64::try_from(own).ok(),
        Some(_) | None => None,
    };
    let index = own.unwrap_or(index);
    let value = fields.remove("value").unwrap_or(Value::Nil);
    // An empty map that once had entries keeps room for eleven.
    let extra = if fields.is_empty() { BTreeMap::new() } else { fields };
    Ok((Event { index, line, process, kind, f, value, time_ns, extra }, own.is_some()))
}

fn process(line: usize, value: Value) -> Result<Process, FormatError> {
    match value {
        Value::Int(number) => Ok(Process::Client(number)),
        Value::Text(name) | Value::Keyword(name) | Value::Symbol(name) => Ok(Process::Named(name)),
        other => Err(FormatError::new(line, ":process to be a number or a name", other.kind())),
    }
}
