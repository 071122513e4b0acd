//! The search against brute force: every order of small histories, tried one by one.

#![cfg(test)]

use evidence::Verdict;
use proptest::prelude::*;

use super::shrink::shrink;
use super::{Budget, Call, check_calls};
use crate::history::Value;
use crate::model::Model;
use crate::model::key_value::{KeyValue, KeyValueOp};
use crate::model::register::{CasRegister, FailedCas, RegisterOp};

/// Whether some order of all completed and any of the open calls is legal.
fn brute_force<M: Model>(
    model: &M,
    calls: &[Call<M::Op>],
    placed: &mut [bool],
    state: &M::State,
) -> bool {
    let owed = |(index, call): (usize, &Call<M::Op>)| !placed[index] && call.complete.is_some();
    if !calls.iter().enumerate().any(owed) {
        return true;
    }
    let unplaced = calls.iter().enumerate().filter(|(index, _)| !placed[*index]);
    let horizon = unplaced.filter_map(|(_, call)| call.complete).min().unwrap_or(u64::MAX);
    for index in 0..calls.len() {
        if placed[index] || calls[index].invoke > horizon {
            continue;
        }
        let Some(after) = model.step(state, &calls[index].op) else { continue };
        placed[index] = true;
        let legal = brute_force(model, calls, placed, &after);
        placed[index] = false;
        if legal {
            return true;
        }
    }
    false
}

fn agree<M: Model>(model: &M, calls: &[Call<M::Op>]) -> Result<(), TestCaseError> {
    if calls.is_empty() {
        return Ok(());
    }
    let legal = brute_force(model, calls, &mut vec![false; calls.len()], &model.initial());
    let verdict = check_calls(model, "x", calls, Budget::default());
    prop_assert_eq!(legal, verdict.is_valid(), "brute force against {}\n{:?}", verdict, calls);
    prop_assert_eq!(!legal, verdict.explanation().is_some());
    if let Some(shrunk) = shrink(model, calls, Budget::default()) {
        // What is left must be illegal by itself, from every state that it may start from.
        for state in &shrunk.initial {
            let placed = &mut vec![false; shrunk.calls.len()];
            prop_assert!(!brute_force(model, &shrunk.calls, placed, state), "{:?}", calls);
        }
    }
    Ok(())
}

/// Random intervals: some open, some overlapping, some at equal positions.
fn calls<Op: std::fmt::Debug + Clone>(
    op: impl Strategy<Value = Op>,
    is_dropped_when_open: fn(&Op) -> bool,
    max: usize,
) -> impl Strategy<Value = Vec<Call<Op>>> {
    let call = (op, 0u64..20, 1u64..9, prop::bool::weighted(0.2));
    prop::collection::vec(call, 1..max).prop_map(move |list| {
        let calls = list.into_iter().enumerate().map(|(index, (op, invoke, length, open))| Call {
            op,
            client: format!("c{index}"),
            invoke,
            complete: (!open).then_some(invoke + length),
            from_ns: None,
            to_ns: None,
        });
        calls.filter(|call| call.complete.is_some() || !is_dropped_when_open(&call.op)).collect()
    })
}

fn value() -> impl Strategy<Value = Value> {
    (0i64..3).prop_map(|n| if n == 0 { Value::Nil } else { Value::Int(n) })
}

fn register_op() -> impl Strategy<Value = RegisterOp> {
    prop_oneof![
        3 => value().prop_map(RegisterOp::Read),
        3 => value().prop_map(RegisterOp::Write),
    ]
}

fn cas_op() -> impl Strategy<Value = RegisterOp> {
    prop_oneof![
        2 => register_op(),
        3 => (value(), value()).prop_map(|(old, new)| RegisterOp::Cas(old, new)),
        1 => value().prop_map(RegisterOp::CasFailed),
        1 => (value(), value()).prop_map(|(old, new)| RegisterOp::CasUnknown(old, new)),
    ]
}

fn key_value_op() -> impl Strategy<Value = KeyValueOp> {
    prop_oneof![
        3 => "[ab]{0,3}".prop_map(KeyValueOp::Get),
        1 => "[ab]{0,2}".prop_map(KeyValueOp::Put),
        2 => "[ab]{1,2}".prop_map(KeyValueOp::Append),
    ]
}

fn is_read(op: &RegisterOp) -> bool {
    matches!(op, RegisterOp::Read(_) | RegisterOp::CasFailed(_))
}

const REGISTER: CasRegister = CasRegister { failed_cas: FailedCas::FoundAnother };

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn register_agrees(calls in calls(register_op(), is_read, 8)) {
        agree(&REGISTER, &calls)?;
    }

    #[test]
    fn cas_register_agrees(calls in calls(cas_op(), is_read, 8)) {
        agree(&REGISTER, &calls)?;
    }

    #[test]
    fn key_value_agrees(calls in calls(key_value_op(), |op| matches!(op, KeyValueOp::Get(_)), 7)) {
        agree(&KeyValue, &calls)?;
    }
}

fn call(client: u32, op: RegisterOp, invoke: u64, complete: Option<u64>) -> Call<RegisterOp> {
    let nanoseconds = |at: u64| at * 1_000_000;
    Call {
        op,
        client: format!("c{client}"),
        invoke,
        complete,
        from_ns: Some(nanoseconds(invoke)),
        to_ns: complete.map(nanoseconds),
    }
}

#[test]
fn a_stale_read_is_explained_by_the_few_operations_that_matter() {
    let int = Value::Int;
    let mut calls = Vec::new();
    for round in 0..30u64 {
        let written = RegisterOp::Write(int(round as i64));
        calls.push(call(1, written, round * 10, Some(round * 10 + 3)));
        let read = RegisterOp::Read(int(round as i64));
        calls.push(call(2, read, round * 10 + 4, Some(round * 10 + 6)));
    }
    calls.push(call(3, RegisterOp::Write(int(99)), 300, Some(305)));
    calls.push(call(2, RegisterOp::Read(int(29)), 310, Some(312)));
    calls.push(call(2, RegisterOp::Read(int(99)), 320, Some(322)));
    let verdict = check_calls(&REGISTER, "/k7", &calls, Budget::default());
    let text = verdict.explanation().unwrap().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(lines[0], "linearizability: /k7: no order explains these operations");
    assert_eq!(lines[1], "      earlier operations leave 99");
    let contradiction = "0.310 … 0.312 s  impossible: it could only find 99   ← contradiction";
    assert_eq!(lines[2], format!("  c2  read → 29                    {contradiction}"));
}

#[test]
fn an_unanswered_write_may_take_effect_late_but_not_twice() {
    let int = Value::Int;
    let mut calls = vec![
        call(1, RegisterOp::Write(int(1)), 0, None),
        call(2, RegisterOp::Write(int(2)), 10, Some(11)),
        call(2, RegisterOp::Read(int(2)), 12, Some(13)),
        call(2, RegisterOp::Read(int(1)), 14, Some(15)),
    ];
    assert!(check_calls(&REGISTER, "x", &calls, Budget::default()).is_valid());
    calls.push(call(2, RegisterOp::Write(int(2)), 16, Some(17)));
    calls.push(call(2, RegisterOp::Read(int(1)), 18, Some(19)));
    let verdict = check_calls(&REGISTER, "x", &calls, Budget::default());
    let text = verdict.explanation().unwrap().to_string();
    assert!(text.contains("read → 1") && text.contains("← contradiction"), "{text}");
}

#[test]
fn a_hot_key_with_many_clients_is_decided_within_a_small_budget() {
    // Twenty writers that always overlap, and readers that see them in one order.
    let mut calls = Vec::new();
    for round in 0..200u64 {
        for client in 0..20u64 {
            let value = Value::Int((round * 20 + client) as i64);
            let start = round * 100 + client;
            calls.push(call(client as u32, RegisterOp::Write(value), start, Some(start + 95)));
        }
        let seen = Value::Int((round * 20 + round % 20) as i64);
        calls.push(call(50, RegisterOp::Read(seen), round * 100 + 40, Some(round * 100 + 60)));
    }
    let budget = Budget { configurations_max: 2_000_000, stop: None };
    assert_eq!(check_calls(&REGISTER, "x", &calls, budget), Verdict::Valid);
    calls.push(call(60, RegisterOp::Read(Value::Int(3)), 30_000, Some(30_001)));
    let verdict = check_calls(&REGISTER, "x", &calls, budget);
    let explanation = verdict.explanation().unwrap();
    assert!(explanation.lines.len() <= 10, "{explanation}");
}

#[test]
fn a_write_that_could_be_hidden_may_also_be_last() {
    // Both writes could be hidden before the other; the reads tell which came last.
    for last in [1, 2] {
        let calls = [
            call(1, RegisterOp::Write(Value::Int(1)), 0, Some(10)),
            call(2, RegisterOp::Write(Value::Int(2)), 1, Some(11)),
            call(3, RegisterOp::Read(Value::Int(last)), 20, Some(21)),
        ];
        assert!(check_calls(&REGISTER, "x", &calls, Budget::default()).is_valid());
    }
    // The same, where an equal operation that is never answered wants nothing.
    let cas = || RegisterOp::Cas(Value::Int(2), Value::Int(2));
    let calls = [
        call(0, cas(), 0, None),
        call(1, RegisterOp::Write(Value::Int(2)), 4, Some(10)),
        call(2, RegisterOp::Write(Value::Nil), 0, Some(4)),
        call(3, cas(), 5, Some(10)),
    ];
    assert!(check_calls(&REGISTER, "x", &calls, Budget::default()).is_valid());
}

#[test]
fn what_the_budget_does_not_suffice_for_is_unknown() {
    let mut calls: Vec<Call<KeyValueOp>> = Vec::new();
    for client in 0..12u64 {
        calls.push(Call {
            op: KeyValueOp::Append(format!("{client} ")),
            client: format!("c{client}"),
            invoke: client,
            complete: Some(100 + client),
            from_ns: None,
            to_ns: None,
        });
    }
    let get = KeyValueOp::Get("never".to_owned());
    let (from_ns, to_ns, client) = (None, None, "c20".to_owned());
    calls.push(Call { op: get, client, invoke: 200, complete: Some(201), from_ns, to_ns });
    let small = Budget { configurations_max: 10_000, stop: None };
    let verdict = check_calls(&KeyValue, "x", &calls, small);
    assert!(matches!(verdict, Verdict::Unknown { .. }), "{verdict}");
    let stopped = Budget { stop: Some(&|| true), ..Budget::default() };
    let verdict = check_calls(&KeyValue, "x", &calls, stopped);
    assert!(matches!(verdict, Verdict::Unknown { .. }), "{verdict}");
}
