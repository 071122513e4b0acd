//! Why no order exists, in words that a reader can check by hand.

use evidence::{ExplainLine, Explanation};

use super::Call;
use super::search::DeadEnd;
use super::shrink::Shrunk;
use crate::model::Model;

/// States and operations named in one line before the rest is only counted.
const NAMED_MAX: usize = 6;

/// The beginning of every explanation.
pub(super) fn headline(name: &str) -> Explanation {
    Explanation {
        property: "linearizability".to_owned(),
        headline: format!("{name}: no order explains these operations"),
        lines: Vec::new(),
        contradiction: None,
    }
}

/// Explains a counterexample.
pub(super) fn explain<M: Model>(model: &M, name: &str, shrunk: &Shrunk<M>) -> Explanation {
    let mut explanation = headline(name);
    if !shrunk.is_whole {
        let text = format!("earlier operations leave {}", either(model, &shrunk.initial));
        explanation.lines.push(remark(text));
    }
    let dead = &shrunk.calls[shrunk.dead_end.call];
    for (index, call) in shrunk.calls.iter().enumerate() {
        let note = if index == shrunk.dead_end.call {
            explanation.contradiction = Some(explanation.lines.len());
            impossible(model, &shrunk.dead_end)
        } else if call.complete.is_none() {
            "no answer: may take effect at any later time, or never".to_owned()
        } else if call.complete.is_some_and(|complete| complete > dead.invoke) {
            "concurrent with the contradiction".to_owned()
        } else {
            String::new()
        };
        explanation.lines.push(line(model, call, note));
    }
    explanation.lines.extend(order(model, shrunk));
    explanation
}

/// Why a call cannot be where a search came to a dead end.
fn impossible<M: Model>(model: &M, dead_end: &DeadEnd<M::State>) -> String {
    // What the states were when it was foreseen says nothing of the call itself.
    if dead_end.is_foreseen || dead_end.states.is_empty() {
        return "impossible: no order leads here".to_owned();
    }
    format!("impossible: it could only find {}", either(model, &dead_end.states))
}

/// One call.
pub(super) fn line<M: Model>(model: &M, call: &Call<M::Op>, note: String) -> ExplainLine {
    ExplainLine {
        client: call.client.clone(),
        text: model.describe_op(&call.op),
        from_ns: call.from_ns,
        to_ns: call.to_ns.filter(|_| call.complete.is_some()),
        note,
    }
}

fn remark(text: String) -> ExplainLine {
    ExplainLine { client: String::new(), text, from_ns: None, to_ns: None, note: String::new() }
}

/// The latest consistent order of the changes before the contradiction.
fn order<M: Model>(model: &M, shrunk: &Shrunk<M>) -> Option<ExplainLine> {
    let order = &shrunk.dead_end.order;
    if order.is_empty() {
        return None;
    }
    let skipped = order.len().saturating_sub(NAMED_MAX);
    let named = order[skipped..].iter().map(|call| {
        let call = &shrunk.calls[*call];
        format!("{} {}", call.client, model.describe_op(&call.op))
    });
    let named: Vec<String> = named.collect();
    let more = if skipped > 0 { format!("{skipped} changes, ") } else { String::new() };
    Some(remark(format!("a longest order without it: {more}{}", named.join(", "))))
}

fn either<M: Model>(model: &M, states: &[M::State]) -> String {
    let named: Vec<String> =
        states.iter().take(NAMED_MAX).map(|state| model.describe_state(state)).collect();
    let more = states.len() - named.len();
    let more = if more > 0 { format!(" or {more} other states") } else { String::new() };
    format!("{}{more}", named.join(" or "))
}
