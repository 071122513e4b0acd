//! One pass before any search: what found a state that nobody can have left.
//!
//! For objects that keep a state until an operation stores another (see [`Touch`]), an operation that
//! found a state must have been answered after some other one that stores it was invoked. Where that
//! fails there is no order, and one or two operations say why, however hard the rest may be.

use std::collections::BTreeMap;

use evidence::Explanation;

use super::Call;
use super::explain::{headline, line};
use crate::model::{Model, Touch};

/// An answered call that found what nobody had left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unwritten {
    /// The call.
    pub(super) call: usize,
    /// The first call that stores the state, if one does later.
    later: Option<usize>,
}

/// Where a call that stores a state begins, and which call it is.
type Stored = Option<(u64, usize)>;

/// What all calls find and store; `None` if the model does not say.
pub(super) fn touches<M: Model>(model: &M, calls: &[Call<M::Op>]) -> Option<Vec<Touch<M::State>>> {
    calls.iter().map(|call| model.touch(&call.op)).collect()
}

/// The first call to be answered with a state that nobody had left.
pub(super) fn find<M: Model>(
    model: &M,
    calls: &[Call<M::Op>],
    touches: &[Touch<M::State>],
) -> Option<Unwritten> {
    // The first two that store each state: an operation does not find what it stores itself.
    let mut stored: BTreeMap<&M::State, [Stored; 2]> = BTreeMap::new();
    for (index, touch) in touches.iter().enumerate() {
        let Some(state) = &touch.stores else { continue };
        let first = stored.entry(state).or_default();
        let mut own = Some((calls[index].invoke, index));
        for place in first {
            if place.is_none() || own < *place {
                std::mem::swap(place, &mut own);
            }
        }
    }
    let initial = model.initial();
    let mut found: Option<(u64, Unwritten)> = None;
    for (index, touch) in touches.iter().enumerate() {
        let (Some(state), Some(complete)) = (&touch.finds, calls[index].complete) else { continue };
        if *state == initial || found.is_some_and(|(earlier, _)| earlier <= complete) {
            continue;
        }
        let by_others = stored.get(state).into_iter().flatten().flatten();
        let first = by_others.copied().find(|(_, other)| *other != index);
        if first.is_none_or(|(invoke, _)| invoke > complete) {
            let later = first.map(|(_, other)| other);
            found = Some((complete, Unwritten { call: index, later }));
        }
    }
    found.map(|(_, unwritten)| unwritten)
}

/// The call, and the one that came too late to explain it.
pub(super) fn explain<M: Model>(
    model: &M,
    name: &str,
    calls: &[Call<M::Op>],
    unwritten: Unwritten,
) -> Explanation {
    let call = &calls[unwritten.call];
    let note = match unwritten.later {
        None => "impossible: nothing leaves this",
        Some(_) => "impossible: nothing had left this yet",
    };
    let mut lines = vec![line(model, call, note.to_owned())];
    lines.extend(unwritten.later.map(|later| line(model, &calls[later], "too late".to_owned())));
    Explanation { contradiction: Some(0), lines, ..headline(name) }
}
