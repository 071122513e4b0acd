//! Pairing: the events of each process become operations.
//!
//! After Jepsen's rules: a process has one operation at a time; `fail` means that it did not
//! happen; `info`, or no completion at all, means that it may take effect at any later time, for
//! ever. A process that reported `info` may go on under its own number: recorders that do not
//! renumber processes exist, and the open operation simply stays open.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Event, EventKind, Process, Value};

/// One operation: an invocation with what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The number of the client's process.
    pub process: i64,
    /// Function: `read`, `write`, …
    pub f: String,
    /// The value of the invocation: the arguments.
    pub argument: Value,
    /// The value of the completion; nil while open.
    pub result: Value,
    /// The key, in histories that name it beside the value.
    pub key: Option<Value>,
    /// What became of it.
    pub status: Status,
    /// Position of the invocation among the events.
    pub invoke: usize,
    /// Position of the completion among the events; `None` while open.
    pub complete: Option<usize>,
    /// Time of the invocation in nanoseconds, if recorded.
    pub invoke_ns: Option<u64>,
    /// Time of the completion in nanoseconds, if recorded and completed.
    pub complete_ns: Option<u64>,
    /// Line of the invocation.
    pub line: usize,
}

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Status {
    /// It happened between its invocation and its completion.
    Ok,
    /// It did not happen.
    Fail,
    /// It may happen at any time after its invocation, or never.
    Info,
}

/// A history whose events do not pair.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PairError {
    /// Two invocations without a completion between them.
    #[error(
        "line {line}: process {process} invokes {f} while its {open} of line {open_line} is open"
    )]
    DoubleInvoke {
        /// Line of the second invocation.
        line: usize,
        /// The process that invokes.
        process: Process,
        /// Function of the second invocation.
        f: String,
        /// Function of the open operation.
        open: String,
        /// The line of the operation that is still open, from 1.
        open_line: usize,
    },
    /// A completion of nothing.
    #[error("line {line}: process {process} completes {f}, but has no open operation")]
    NotInvoked {
        /// Line of the completion.
        line: usize,
        /// The process whose completion it is.
        process: Process,
        /// Function of the completion.
        f: String,
    },
    /// A completion of another function than was invoked.
    #[error("line {line}: process {process} completes {f}, but its open operation is {open}")]
    OtherFunction {
        /// Line of the completion.
        line: usize,
        /// The process whose completion it is.
        process: Process,
        /// Function of the completion.
        f: String,
        /// Function of the open operation.
        open: String,
    },
}

/// Joins events into operations, in the order of invocation. Events of processes that are no
/// clients are left out.
///
/// # Errors
/// When a client's events do not alternate between invocation and completion.
pub fn pair(events: &[Event]) -> Result<Vec<Operation>, PairError> {
    let mut operations: Vec<Operation> = Vec::new();
    let mut open: BTreeMap<i64, usize> = BTreeMap::new();
    for (position, event) in events.iter().enumerate() {
        let Process::Client(process) = event.process else { continue };
        if event.kind == EventKind::Invoke {
            if let Some(&earlier) = open.get(&process) {
                return Err(PairError::DoubleInvoke {
                    line: event.line,
                    process: event.process.clone(),
                    f: event.f.clone(),
                    open: operations[earlier].f.clone(),
                    open_line: operations[earlier].line,
                });
            }
            open.insert(process, operations.len());
            operations.push(invoked(process, position, event));
        } else {
            let Some(index) = open.remove(&process) else {
                return Err(PairError::NotInvoked {
                    line: event.line,
                    process: event.process.clone(),
                    f: event.f.clone(),
                });
            };
            complete(&mut operations[index], position, event)?;
        }
    }
    Ok(operations)
}

fn invoked(process: i64, position: usize, event: &Event) -> Operation {
    Operation {
        process,
        f: event.f.clone(),
        argument: event.value.clone(),
        result: Value::Nil,
        key: event.extra.get("key").cloned(),
        status: Status::Info,
        invoke: position,
        complete: None,
        invoke_ns: event.time_ns,
        complete_ns: None,
        line: event.line,
    }
}

fn complete(operation: &mut Operation, position: usize, event: &Event) -> Result<(), PairError> {
    if operation.f != event.f {
        return Err(PairError::OtherFunction {
            line: event.line,
            process: event.process.clone(),
            f: event.f.clone(),
            open: operation.f.clone(),
        });
    }
    operation.status = match event.kind {
        EventKind::Ok => Status::Ok,
        EventKind::Fail => Status::Fail,
        EventKind::Info => return Ok(()),
        EventKind::Invoke => unreachable!("only completions are completed"),
    };
    operation.result = event.value.clone();
    operation.complete = Some(position);
    operation.complete_ns = event.time_ns;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(line: usize, process: Process, kind: EventKind, f: &str) -> Event {
        Event {
            index: line as u64 - 1,
            line,
            process,
            kind,
            f: f.to_owned(),
            value: Value::Int(line as i64),
            time_ns: Some(line as u64 * 10),
            extra: BTreeMap::new(),
        }
    }

    #[test]
    fn events_become_operations_and_open_ones_stay_open() {
        use EventKind::{Fail, Info, Invoke, Ok};
        let nemesis = || Process::Named("nemesis".to_owned());
        let events = vec![
            event(1, Process::Client(0), Invoke, "write"),
            event(2, nemesis(), Info, "start"),
            event(3, Process::Client(1), Invoke, "read"),
            event(4, Process::Client(0), Ok, "write"),
            event(5, Process::Client(1), Fail, "read"),
            event(6, Process::Client(0), Invoke, "write"),
            event(7, Process::Client(0), Info, "write"),
            event(8, Process::Client(0), Invoke, "write"),
        ];
        let operations = pair(&events).unwrap();
        let seen: Vec<_> = operations.iter().map(|o| (o.line, o.status, o.complete_ns)).collect();
        assert_eq!(
            seen,
            [
                (1, Status::Ok, Some(40)),
                (3, Status::Fail, Some(50)),
                (6, Status::Info, None),
                (8, Status::Info, None),
            ]
        );
    }

    #[test]
    fn events_that_do_not_pair_are_errors_with_their_line() {
        use EventKind::{Invoke, Ok};
        let client = Process::Client(3);
        let twice =
            [event(1, client.clone(), Invoke, "read"), event(2, client.clone(), Invoke, "write")];
        assert_eq!(
            pair(&twice).unwrap_err().to_string(),
            "line 2: process 3 invokes write while its read of line 1 is open"
        );
        let nothing = [event(1, client.clone(), Ok, "read")];
        assert_eq!(
            pair(&nothing).unwrap_err().to_string(),
            "line 1: process 3 completes read, but has no open operation"
        );
        let other = [event(1, client.clone(), Invoke, "read"), event(2, client, Ok, "write")];
        assert_eq!(
            pair(&other).unwrap_err().to_string(),
            "line 2: process 3 completes write, but its open operation is read"
        );
    }
}
