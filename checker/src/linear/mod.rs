//! Linearizability (Herlihy and Wing, TOPLAS 1990) of histories of any [`Model`].
//!
//! A history is split by key (Horn and Kroening, FORTE 2015: an object is linearizable when each
//! of its independent parts is), and each part is decided by the just-in-time search of
//! `search.rs`. `Valid` is sound at any width of the search's beam; `Invalid` is said only by a
//! search that dropped nothing; everything else is `Unknown`.

mod config;
mod differential;
mod explain;
mod search;
mod shrink;

use std::collections::BTreeMap;

use evidence::Verdict;

use crate::history::{Operation, Value};
use crate::model::{Model, ModelError};

use explain::explain;
use search::{Found, Search};

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
    /// Asked now and then; the check gives up when it answers true.
    pub stop: Option<&'a dyn Fn() -> bool>,
}

impl Default for Budget<'_> {
    fn default() -> Self {
        Budget { configurations_max: 50_000_000, stop: None }
    }
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
    if keys.is_empty() {
        return Ok(Verdict::nothing_checked());
    }
    let mut verdict = Verdict::Valid;
    for (key, calls) in keys {
        let name = match key {
            Value::Nil => "the register".to_owned(),
            key => format!("key {key}"),
        };
        match check_calls(model, &name, &calls, budget) {
            Verdict::Valid => {}
            invalid @ Verdict::Invalid(_) => return Ok(invalid),
            unknown @ Verdict::Unknown { .. } => verdict = unknown,
        }
    }
    Ok(verdict)
}

/// Decides one object; `name` says which in explanations.
pub fn check_calls<M: Model>(
    model: &M,
    name: &str,
    calls: &[Call<M::Op>],
    budget: Budget<'_>,
) -> Verdict {
    if calls.is_empty() {
        return Verdict::nothing_checked();
    }
    let initial = [model.initial()];
    let search = Search::new(model, calls, &initial);
    let mut spent = 0;
    match search.decide(budget, &mut spent) {
        Found::Order => Verdict::Valid,
        Found::NoOrder(_) => Verdict::Invalid(explain(model, name, calls, budget)),
        Found::Undecided(reason) => Verdict::Unknown {
            reason: format!("{name}: {reason}"),
            spent: format!("{spent} configurations"),
        },
    }
}
