//! Linearizability (Herlihy and Wing, TOPLAS 1990) of histories of any [`Model`].
//!
//! A history is split by key (Horn and Kroening, FORTE 2015: an object is linearizable when each
//! of its independent parts is). Each part is first looked at by what needs no search
//! (`unwritten.rs`, `zones.rs`); the rest is decided by the just-in-time search of `search.rs`, the
//! parts in turns (`turns.rs`). `Valid` is sound at any width of the search's beam; `Invalid` is said
//! only by a search that dropped nothing; everything else is `Unknown`.

mod config;
mod differential;
mod explain;
mod search;
mod shrink;
mod turns;
mod unwritten;
mod zones;

use std::collections::BTreeMap;

use evidence::Verdict;

use crate::history::{Operation, Status, Value};
use crate::model::{Model, ModelError};

/// One operation as the search sees it: what it did, and between which positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call<Op> {
    /// The operation with its result.
    pub op: Op,
    /// Who, in words (`"c3"`).
    pub client: String,
    /// Position of the invocation in the order of events. At equal positions invocations come
    /// before completions, so that such operations are concurrent.
    pub invoke: u64,
    /// Position of the completion; `None` when it may take effect at any later time, or never.
    pub complete: Option<u64>,
    /// Time of the invocation in nanoseconds, for the explanation.
    pub from_ns: Option<u64>,
    /// Time of the completion in nanoseconds, for the explanation.
    pub to_ns: Option<u64>,
}

/// How much a check may spend.
#[derive(Clone, Copy)]
pub struct Budget<'a> {
    /// Configurations (states with sets of operations already placed) to look at, per key and in
    /// total over all widenings of the beam. Comparing them counts too, by the time that it takes.
    pub configurations_max: u64,
    /// Bytes that a search may hold, as counted by itself; the calls themselves are not in it.
    pub memory_max: u64,
    /// Configurations to look at to make the explanation of a violation small.
    pub explaining_max: u64,
    /// Asked now and then; the check gives up when it answers true.
    pub stop: Option<&'a dyn Fn() -> bool>,
}

impl Default for Budget<'_> {
    fn default() -> Self {
        Budget {
            configurations_max: 50_000_000,
            memory_max: 200_000_000,
            explaining_max: 500_000,
            stop: None,
        }
    }
}

/// The calls of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object<Op> {
    /// Which object, in words (`"key 7"`).
    pub name: String,
    /// What was asked of it.
    pub calls: Vec<Call<Op>>,
}

/// Decides whether the operations of a history are linearizable.
///
/// # Errors
/// When the history has an operation that the model does not know.
pub fn check<M: Model>(
    model: &M,
    operations: &[Operation],
    budget: Budget<'_>,
) -> Result<Verdict, ModelError> {
    let mut keys: BTreeMap<Value, Vec<Call<M::Op>>> = BTreeMap::new();
    for operation in operations {
        let Some((key, op)) = model.read(operation)? else { continue };
        keys.entry(key).or_default().push(Call {
            op,
            client: format!("c{}", operation.process),
            invoke: operation.invoke as u64,
            complete: operation.complete.map(|position| position as u64),
            from_ns: operation.invoke_ns,
            to_ns: operation.complete_ns,
        });
    }
    if !keys.values().flatten().any(|call| call.complete.is_some()) {
        return Ok(nothing_answered(operations));
    }
    let objects = keys.into_iter().map(|(key, calls)| {
        let name = match key {
            Value::Nil => "the register".to_owned(),
            key => format!("key {key}"),
        };
        Object { name, calls }
    });
    let objects: Vec<Object<M::Op>> = objects.collect();
    Ok(check_objects(model, &objects, budget))
}

/// Why a history of which nothing is known to have happened says nothing.
fn nothing_answered(operations: &[Operation]) -> Verdict {
    let count = |status| operations.iter().filter(|op| op.status == status).count();
    let (ok, failed, open) = (count(Status::Ok), count(Status::Fail), count(Status::Info));
    if operations.is_empty() || ok > 0 {
        return Verdict::nothing_checked();
    }
    let reason = format!("only failed or open operations: {failed} failed and {open} never ended");
    Verdict::Unknown { reason, spent: String::new() }
}

/// Decides objects that have nothing to do with each other: valid if all are. The first violation
/// that is found ends it, and a hard object does not keep those of others from being found.
pub fn check_objects<M: Model>(
    model: &M,
    objects: &[Object<M::Op>],
    budget: Budget<'_>,
) -> Verdict {
    let parts = objects.iter().map(|object| (object.name.as_str(), object.calls.as_slice()));
    turns::decide(model, parts.collect(), budget)
}

/// Decides one object; `name` says which in explanations.
pub fn check_calls<M: Model>(
    model: &M,
    name: &str,
    calls: &[Call<M::Op>],
    budget: Budget<'_>,
) -> Verdict {
    turns::decide(model, vec![(name, calls)], budget)
}
