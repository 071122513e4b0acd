//! The log of Jepsen's etcd test, as Porcupine's test data has it.
//!
//! `INFO  jepsen.util - PROCESS TAB :KIND TAB :FUNCTION TAB VALUE`; other lines of the log are
//! passed over. Its test gave each client's process number on after an `info`.

use std::collections::BTreeMap;

use super::{FormatError, parse_edn};
use crate::history::{Event, EventKind, Process, Value};

/// Reads the operations of a log.
pub(super) fn parse(text: &str) -> Result<Vec<Event>, FormatError> {
    let mut events = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some((_, entry)) = line.split_once("jepsen.util - ") else { continue };
        events.push(event(events.len() as u64, index + 1, entry)?);
    }
    Ok(events)
}

fn event(index: u64, line: usize, entry: &str) -> Result<Event, FormatError> {
    let mut words = entry.splitn(4, |c: char| c.is_whitespace());
    let process = words.next().unwrap_or("");
    let process = match process.strip_prefix(':') {
        Some(name) => Process::Named(name.to_owned()),
        None => match process.parse::<i64>() {
            Ok(number) => Process::Client(number),
            Err(_) => return Err(FormatError::new(line, "a process number", process)),
        },
    };
    let kind = words.next().unwrap_or("");
    let Some(kind) = kind.strip_prefix(':').and_then(EventKind::from_name) else {
        return Err(FormatError::new(line, ":invoke, :ok, :fail or :info", format!("`{kind}`")));
    };
    let f = words.next().unwrap_or("");
    let Some(f) = f.strip_prefix(':') else {
        return Err(FormatError::new(line, "a function as :read", format!("`{f}`")));
    };
    let value = match parse_one(words.next().unwrap_or("nil")) {
        Ok(value) => value,
        Err(error) => return Err(FormatError { line, ..error }),
    };
    let extra = BTreeMap::new();
    let f = f.to_owned();
    Ok(Event { index, line, process, kind, f, value, time_ns: None, extra })
}

fn parse_one(text: &str) -> Result<Value, FormatError> {
    // The vector around it keeps a vector value from being taken apart.
    let mut forms = parse_edn(&format!("[{text}]"))?;
    if forms.len() != 1 {
        return Err(FormatError::new(0, "one value", format!("`{text}`")));
    }
    Ok(forms.remove(0).1)
}
