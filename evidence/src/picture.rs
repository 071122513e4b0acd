//! What can be drawn of one run: operations as points, faults as spans, roles as moments, clocks
//! as tracks. A folder keeps it as `picture.json`, so that plots can be made again from it alone.

use serde::{Deserialize, Serialize};

use crate::fault::{Families, FaultWindow};
use crate::history::{History, Operation, OutcomeClass};
use crate::message::Moment;

/// What can be drawn of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunPicture {
    /// The scenario that the run was of.
    pub scenario: String,
    /// The run's seed.
    pub seed: u64,
    /// Kinds of operations in the order of legends; each has its own symbol. Kinds that are missing
    /// follow in the order of their appearance.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// What clients asked.
    #[serde(default)]
    pub operations: Vec<OperationPoint>,
    /// When each fault struck and ended.
    pub faults: Vec<FaultWindow>,
    /// The families of the kinds of faults.
    #[serde(default)]
    pub families: Families,
    /// When hosts took a role that is worth a line.
    #[serde(default)]
    pub roles: Vec<Moment>,
    /// How wrong the hosts' wall clocks were.
    pub clocks: Vec<ClockTrack>,
    /// Spans in which no change was acknowledged although clients asked for some.
    pub unavailable: Vec<Gap>,
    /// When faults ended and healing began.
    pub chaos_end_ns: u64,
    /// The end of the run.
    pub end_ns: u64,
}

/// One operation, as far as a plot shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationPoint {
    /// The client's number.
    pub client: u32,
    /// What kind of operation, in a word.
    pub kind: String,
    /// When it was asked.
    pub invoke_ns: u64,
    /// When its end was known; none if it never was.
    pub complete_ns: Option<u64>,
    /// How it ended, as far as its client knows.
    pub outcome: OutcomeClass,
}

/// How wrong a host's wall clock was, as points that straight lines join. A step is two points at
/// one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockTrack {
    /// The name of the host whose clock it is.
    pub host: String,
    /// (nanoseconds, offset in milliseconds; positive is ahead), in order of time.
    pub points: Vec<(u64, i64)>,
}

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// When it begins, in world nanoseconds since the start of the run.
    pub from_ns: u64,
    /// When it ends, in world nanoseconds since the start of the run.
    pub to_ns: u64,
}

impl OperationPoint {
    /// The point of an operation.
    pub fn of(operation: &Operation) -> OperationPoint {
        OperationPoint {
            client: operation.client,
            kind: operation.kind.clone(),
            invoke_ns: operation.invoke_ns,
            complete_ns: operation.complete_ns,
            outcome: operation.outcome,
        }
    }

    /// How long it took; none if its end was never known.
    pub fn latency_ns(&self) -> Option<u64> {
        self.complete_ns.map(|complete_ns| complete_ns.saturating_sub(self.invoke_ns))
    }
}

impl RunPicture {
    /// The picture with the operations of a history.
    pub fn with_history(mut self, history: &History) -> RunPicture {
        self.operations = history.operations.iter().map(OperationPoint::of).collect();
        self
    }

    /// Every kind of operation that is seen or declared, in the order of legends.
    pub fn all_kinds(&self) -> Vec<&str> {
        let mut kinds: Vec<&str> = Vec::new();
        let seen = self.operations.iter().map(|point| &point.kind);
        for kind in self.kinds.iter().chain(seen) {
            if !kinds.contains(&kind.as_str()) {
                kinds.push(kind);
            }
        }
        kinds
    }

    /// The text of `picture.json`.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a picture is plain data with text keys") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> History {
        let operation = |client, kind: &str, complete_ns, outcome| Operation {
            client,
            kind: kind.to_owned(),
            invoke_ns: u64::from(client) * 10,
            complete_ns,
            outcome,
            ..Operation::default()
        };
        let operations = vec![
            operation(2, "put", Some(25), OutcomeClass::Ok),
            operation(1, "get", None, OutcomeClass::Unknown),
        ];
        History { operations, ..History::default() }
    }

    #[test]
    fn points_are_the_historys_operations_and_are_read_again() {
        let kinds = vec!["get".to_owned(), "scan".to_owned()];
        let picture = RunPicture { kinds, ..RunPicture::default() }.with_history(&history());
        let latencies: Vec<_> = picture.operations.iter().map(OperationPoint::latency_ns).collect();
        assert_eq!(latencies, [Some(5), None]);
        assert_eq!(picture.all_kinds(), ["get", "scan", "put"]);
        assert_eq!(serde_json::from_str::<RunPicture>(&picture.to_json()).unwrap(), picture);
    }
}
