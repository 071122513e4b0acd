//! The objects of a history in turns, so that a hard one does not hide what is wrong with another.
//!
//! What needs no search is done for all objects first. Then each gets a small allowance, those that
//! are left twice as much, and so on up to the whole budget: an object costs at most twice what it
//! would cost alone, and a violation is found at a cost of about what it needs for each object,
//! however much the hardest would take. One object is searched at a time and leaves nothing behind, so
//! memory is that of the hardest.

use evidence::{Explanation, Verdict};

use super::search::{DeadEnd, Found, GaveUp, Search};
use super::shrink::shrink;
use super::unwritten::{self, touches};
use super::zones::{self, Zones};
use super::{Budget, Call, explain};
use crate::model::Model;

/// Configurations that each object is given in the first turn.
const FIRST_ALLOWANCE: u64 = 1 << 16;

/// An object with its name.
type Part<'a, M> = (&'a str, &'a [Call<<M as Model>::Op>]);

/// An object that is not decided yet.
struct Open<'a, M: Model> {
    part: Part<'a, M>,
    /// How wide the search is by now.
    width: usize,
}

/// Decides all parts.
pub(super) fn decide<M: Model>(model: &M, parts: Vec<Part<'_, M>>, budget: Budget<'_>) -> Verdict {
    if parts.iter().all(|(_, calls)| calls.is_empty()) {
        return Verdict::nothing_checked();
    }
    let mut open = Vec::new();
    for part in parts {
        match without_search(model, part, budget) {
            Some(None) => {}
            Some(Some(explanation)) => return Verdict::Invalid(explanation),
            None => open.push(Open { part, width: 0 }),
        }
    }
    search(model, open, budget)
}

/// What can be told of a part in one pass: an explanation if it has no order.
fn without_search<M: Model>(
    model: &M,
    (name, calls): Part<'_, M>,
    budget: Budget<'_>,
) -> Option<Option<Explanation>> {
    let touches = touches(model, calls)?;
    if let Some(unwritten) = unwritten::find(model, calls, &touches) {
        return Some(Some(unwritten::explain(model, name, calls, unwritten)));
    }
    let conflict = match zones::decide(model, calls, &touches)? {
        Zones::Order => return Some(None),
        Zones::Conflict(conflict) => conflict,
    };
    let few: Vec<Call<M::Op>> = conflict.iter().map(|index| calls[*index].clone()).collect();
    let initial = [model.initial()];
    let (mut width, mut spent) = (0, 0);
    let own = Budget { configurations_max: budget.explaining_max, ..budget };
    match Search::new(model, &few, &initial).decide(own, &mut width, &mut spent) {
        Found::NoOrder(dead_end) => Some(Some(because(model, (name, &few), dead_end, budget))),
        // What zones say must be seen in the few calls as well; if not, the search decides.
        Found::Order | Found::Undecided(_) => None,
    }
}

fn because<M: Model>(
    model: &M,
    (name, calls): Part<'_, M>,
    dead_end: DeadEnd<M::State>,
    budget: Budget<'_>,
) -> Explanation {
    explain::explain(model, name, &shrink(model, calls, dead_end, budget))
}

fn search<M: Model>(model: &M, mut open: Vec<Open<'_, M>>, budget: Budget<'_>) -> Verdict {
    let initial = [model.initial()];
    let mut spent = 0;
    let mut undecided: Vec<(&str, GaveUp)> = Vec::new();
    let mut allowance = FIRST_ALLOWANCE;
    while !open.is_empty() {
        allowance = match open.len() {
            1 => budget.configurations_max,
            _ => allowance.min(budget.configurations_max),
        };
        let mut left = Vec::new();
        for Open { part: (name, calls), mut width } in open {
            let turn = Budget { configurations_max: allowance, ..budget };
            let mut cost = 0;
            let found = Search::new(model, calls, &initial).decide(turn, &mut width, &mut cost);
            spent += cost;
            match found {
                Found::Order => {}
                Found::NoOrder(dead_end) => {
                    return Verdict::Invalid(because(model, (name, calls), dead_end, budget));
                }
                Found::Undecided(GaveUp::Budget) if allowance < budget.configurations_max => {
                    left.push(Open { part: (name, calls), width });
                }
                Found::Undecided(reason) => {
                    undecided.push((name, reason));
                    if reason == GaveUp::Stopped {
                        return unknown(&undecided, spent);
                    }
                }
            }
        }
        open = left;
        allowance = allowance.saturating_mul(2);
    }
    if undecided.is_empty() { Verdict::Valid } else { unknown(&undecided, spent) }
}

fn unknown(undecided: &[(&str, GaveUp)], spent: u64) -> Verdict {
    let first = undecided.iter().map(|(name, reason)| format!("{name}: {reason}")).next();
    let more = match undecided.len() {
        0 | 1 => String::new(),
        more => format!(", and {} others are undecided too", more - 1),
    };
    Verdict::Unknown {
        reason: first.unwrap_or_default() + &more,
        spent: format!("{spent} configurations"),
    }
}
