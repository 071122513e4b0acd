//! Histories in Jepsen's sense: invocations and completions of operations by processes.
//!
//! An [`Event`] is one line of such a history. [`pair`] joins the events of each process into
//! [`Operation`]s, the form in which models and searches read them.

pub(crate) mod instant;
pub(crate) mod number;
mod pair;
pub(crate) mod told;
pub(crate) mod tuples;
mod value;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use pair::{Operation, PairError, Status, pair};
pub use told::UntoldError;
pub use tuples::{TupleError, Tuples};
pub use value::Value;

/// Who invokes operations.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Process {
    /// A single-threaded client.
    Client(i64),
    /// Anything else, as `nemesis`: what it does is no operation on the object under test.
    Named(String),
}

/// What an event says about its operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// The operation is asked for.
    Invoke,
    /// It took effect, and the value says what was answered.
    Ok,
    /// It did not happen.
    Fail,
    /// Nobody knows whether it happened, or will.
    Info,
}

/// One event of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the history, from 0.
    pub index: u64,
    /// Line of the file that it came from, from 1; 0 if from none.
    pub line: usize,
    /// The client or the named process that it is of.
    pub process: Process,
    /// What it says.
    pub kind: EventKind,
    /// Function of the operation: `read`, `write`, `cas`, `append`, …
    pub f: String,
    /// Argument or result.
    pub value: Value,
    /// When, in nanoseconds from the start of the test, if recorded.
    pub time_ns: Option<u64>,
    /// Every other field of the record (`key`, `error`, …).
    pub extra: BTreeMap<String, Value>,
}

impl EventKind {
    /// The name used in files.
    pub fn name(self) -> &'static str {
        match self {
            EventKind::Invoke => "invoke",
            EventKind::Ok => "ok",
            EventKind::Fail => "fail",
            EventKind::Info => "info",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<EventKind> {
        match name {
            "invoke" => Some(EventKind::Invoke),
            "ok" => Some(EventKind::Ok),
            "fail" => Some(EventKind::Fail),
            "info" => Some(EventKind::Info),
            _ => None,
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Process::Client(number) => write!(f, "{number}"),
            Process::Named(name) => f.write_str(name),
        }
    }
}
