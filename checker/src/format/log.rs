//! Logs that Jepsen writes an operation a line into: process, kind, function and value, then an error
//! if there was one, with tabs or spaces between them (`jepsen.util/op->str`, `prn-op`).
//!
//! - `INFO  jepsen.util - 0  :invoke  :read  nil`: Jepsen's etcd test, as Porcupine's test data has it;
//! - `INFO [2024-01-06 15:07:52,664] jepsen worker 0 - jepsen.util 0  :invoke …`, and with
//!   `jepsen.util: ` before it: `jepsen.log` of newer versions;
//! - `0  :invoke  :read  nil`: `history.txt`.
//!
//! Other lines of logs are passed over. Some recorders give a client's process number on after an
//! `info`.

use std::collections::BTreeMap;

use super::{FormatError, edn};
use crate::history::{Event, EventKind, Process, Value};

/// The logger that operations are written by.
const LOGGER: &str = "jepsen.util";

/// What a line of a log says, behind the name of its logger; `None` if another logger wrote it.
fn message(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(LOGGER)?;
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    if !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let rest = rest.trim_start();
    Some(rest.strip_prefix("- ").map_or(rest, str::trim_start))
}

/// Whether a text is a log with operations in it.
pub(super) fn is_log(text: &str) -> bool {
    text.lines().filter_map(message).any(is_operation)
}

/// Whether the first operation is written as in Porcupine's data.
pub(super) fn is_etcd_log(text: &str) -> bool {
    let first = text.lines().find(|line| message(line).is_some_and(is_operation));
    first.is_some_and(|line| line.starts_with("INFO  jepsen.util - "))
}

/// Whether a line begins with a process and a kind.
pub(super) fn is_operation(entry: &str) -> bool {
    let mut words = entry.split_whitespace();
    let is_process = |word: &str| word.starts_with(':') || word.parse::<i64>().is_ok();
    words.next().is_some_and(is_process) && words.next().is_some_and(|word| word.starts_with(':'))
}

/// Reads the operations of a log.
pub(super) fn parse(text: &str) -> Result<Vec<Event>, FormatError> {
    let mut events = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some(entry) = message(line).filter(|entry| is_operation(entry)) else { continue };
        events.push(event(events.len() as u64, index + 1, entry)?);
    }
    Ok(events)
}

/// Reads `history.txt`, of which every line is an operation.
pub(super) fn parse_plain(text: &str) -> Result<Vec<Event>, FormatError> {
    let mut events = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if !line.trim().is_empty() {
            events.push(event(events.len() as u64, index + 1, line)?);
        }
    }
    Ok(events)
}

fn event(index: u64, line: usize, entry: &str) -> Result<Event, FormatError> {
    let (process, rest) = word(entry);
    let process = match process.strip_prefix(':') {
        Some(name) => Process::Named(name.to_owned()),
        None => match process.parse::<i64>() {
            Ok(number) => Process::Client(number),
            Err(_) => return Err(FormatError::new(line, "a process number", process)),
        },
    };
    let (kind, rest) = word(rest);
    let Some(kind) = kind.strip_prefix(':').and_then(EventKind::from_name) else {
        return Err(FormatError::new(line, ":invoke, :ok, :fail or :info", format!("`{kind}`")));
    };
    let (f, rest) = word(rest);
    let Some(f) = f.strip_prefix(':') else {
        return Err(FormatError::new(line, "a function as :read", format!("`{f}`")));
    };
    // What a nemesis did, and why something failed, may be any text.
    let is_any_text = !matches!(process, Process::Client(_))
        || !matches!(kind, EventKind::Invoke | EventKind::Ok);
    let (value, error) = match edn::parse_first(rest) {
        _ if rest.is_empty() => (Value::Nil, ""),
        Ok((value, error)) => (value, error.trim()),
        Err(_) if is_any_text => (Value::Text(rest.to_owned()), ""),
        Err(error) => return Err(FormatError { line, ..error }),
    };
    let mut extra = BTreeMap::new();
    if !error.is_empty() {
        extra.insert("error".to_owned(), Value::Text(error.to_owned()));
    }
    let f = f.to_owned();
    Ok(Event { index, line, process, kind, f, value, time_ns: None, extra })
}

/// The first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let (word, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    (word, rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_found_in_every_kind_of_log() {
        let lines = [
            "INFO  jepsen.util - 3\t:ok\t:cas\t[0 4]\tsql: 1 row",
            "INFO  jepsen.util - 3   :ok     :cas    [0 4]   sql: 1 row",
            "INFO [2019-04-01 11:25:24,038] jepsen worker 0 - jepsen.util 3\t:ok\t:cas\t[0 4]\tsql: 1 row",
            "2024-01-06 15:00:19,037{GMT}\tINFO\t[jepsen worker 3] jepsen.util: 3\t:ok\t:cas\t[0 4]\tsql: 1 row",
        ];
        for line in lines {
            let text =
                format!("INFO jepsen.core - 3 :ok :no\nINFO jepsen.util - waiting\n{line}\n");
            assert!(is_log(&text), "{line}");
            let events = parse(&text).unwrap();
            assert_eq!(events.len(), 1, "{line}");
            let event = &events[0];
            assert_eq!((event.line, event.f.as_str(), event.kind), (3, "cas", EventKind::Ok));
            assert_eq!(event.value, Value::Vector(vec![Value::Int(0), Value::Int(4)]), "{line}");
            assert_eq!(event.extra["error"], Value::Text("sql: 1 row".to_owned()), "{line}");
        }
        let events = parse_plain("3\t:ok\t:cas\t[0 4]\t:odd\n\n:nemesis\t:info\t:start\t(n1\n");
        let events = events.unwrap();
        assert_eq!(events[1].process, Process::Named("nemesis".to_owned()));
        assert_eq!(events[1].value, Value::Text("(n1".to_owned()));
        assert!(!is_log("at jepsen.util$timeout 0 :ok :read"));
    }
}
