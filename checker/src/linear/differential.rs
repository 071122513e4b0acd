//! The search against brute force: every order of small histories, tried one by one.

#![cfg(test)]

use evidence::Verdict;
use proptest::prelude::*;

use super::search::{Found, Search};
use super::shrink::shrink;
use super::unwritten::{self, touches};
use super::zones::{self, Zones};
use super::{Budget, Call, Object, check_calls, check_objects};
use crate::history::{Operation, Value};
use crate::model::key_value::{KeyValue, KeyValueOp};
use crate::model::register::{CasRegister, FailedCas, RegisterOp};
use crate::model::{Effect, Model, ModelError};

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
    let initial = [model.initial()];
    let found = Search::new(model, calls, &initial).decide(Budget::default(), &mut 0, &mut 0);
    prop_assert_eq!(legal, matches!(found, Found::Order), "the search alone\n{:?}", calls);
    if let Found::NoOrder(dead_end) = found {
        let shrunk = shrink(model, calls, dead_end, Budget::default());
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

/// Distinct values for the writes, so that zones decide.
fn with_unique_writes(calls: &[Call<RegisterOp>]) -> Vec<Call<RegisterOp>> {
    let mut written = 0;
    let mut unique = calls.to_vec();
    for call in &mut unique {
        if matches!(call.op, RegisterOp::Write(_)) {
            written += 1;
            call.op = RegisterOp::Write(Value::Int(written));
        }
    }
    unique
}

fn unique_register_op() -> impl Strategy<Value = RegisterOp> {
    let value = (0i64..6).prop_map(|n| if n == 0 { Value::Nil } else { Value::Int(n) });
    prop_oneof![
        1 => value.prop_map(RegisterOp::Read),
        1 => Just(RegisterOp::Write(Value::Nil)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn zones_agree(calls in calls(unique_register_op(), is_read, 10)) {
        let calls = with_unique_writes(&calls);
        let all = touches(&REGISTER, &calls).expect("a register says what it touches");
        let legal = brute_force(&REGISTER, &calls, &mut vec![false; calls.len()], &Value::Nil);
        let is_unwritten = unwritten::find(&REGISTER, &calls, &all).is_some();
        prop_assert!(!(legal && is_unwritten), "{:?}", calls);
        match zones::decide(&REGISTER, &calls, &all) {
            None => prop_assert!(is_unwritten, "undecided: {:?}", calls),
            Some(Zones::Order) => prop_assert!(legal, "{:?}", calls),
            Some(Zones::Conflict(few)) => {
                let few: Vec<_> = few.into_iter().map(|index| calls[index].clone()).collect();
                let placed = &mut vec![false; few.len()];
                prop_assert!(!legal && !brute_force(&REGISTER, &few, placed, &Value::Nil));
            }
        }
    }

    #[test]
    fn a_history_of_several_objects_is_legal_if_each_is(
        objects in prop::collection::vec(calls(cas_op(), is_read, 6), 1..4),
    ) {
        let is_legal = |calls: &Vec<Call<RegisterOp>>| {
            brute_force(&REGISTER, calls, &mut vec![false; calls.len()], &Value::Nil)
        };
        let legal = objects.iter().all(is_legal);
        let is_empty = objects.iter().all(Vec::is_empty);
        let named = objects.into_iter().enumerate();
        let objects: Vec<Object<RegisterOp>> =
            named.map(|(index, calls)| Object { name: format!("key {index}"), calls }).collect();
        let verdict = check_objects(&REGISTER, &objects, Budget::default());
        prop_assert_eq!(legal && !is_empty, verdict.is_valid(), "{}", &verdict);
        prop_assert_eq!(!legal, verdict.explanation().is_some());
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
    let budget = Budget { configurations_max: 2_000_000, ..Budget::default() };
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
    let calls = hard("x").calls;
    let small = Budget { configurations_max: 10_000, ..Budget::default() };
    let verdict = check_calls(&Blind, "x", &calls, small);
    assert!(matches!(verdict, Verdict::Unknown { .. }), "{verdict}");
    let stopped = Budget { stop: Some(&|| true), ..Budget::default() };
    let verdict = check_calls(&Blind, "x", &calls, stopped);
    assert!(matches!(verdict, Verdict::Unknown { .. }), "{verdict}");
}

/// Strings without a word on what may follow: every order must be tried.
struct Blind;

impl Model for Blind {
    type Op = KeyValueOp;
    type State = String;

    fn name(&self) -> &'static str {
        "blind"
    }

    fn initial(&self) -> String {
        String::new()
    }

    fn step(&self, state: &String, op: &KeyValueOp) -> Option<String> {
        KeyValue.step(state, op)
    }

    fn effect(&self, op: &KeyValueOp) -> Effect {
        KeyValue.effect(op)
    }

    fn is_irrelevant(&self, op: &KeyValueOp, rest: &[&KeyValueOp]) -> bool {
        KeyValue.is_irrelevant(op, rest)
    }

    fn read(&self, operation: &Operation) -> Result<Option<(Value, KeyValueOp)>, ModelError> {
        KeyValue.read(operation)
    }

    fn describe_op(&self, op: &KeyValueOp) -> String {
        KeyValue.describe_op(op)
    }

    fn describe_state(&self, state: &String) -> String {
        KeyValue.describe_state(state)
    }
}

/// Appends that may come in any order, a put that may come at any time, and a get of what no order
/// leaves, at which a search tries them all.
fn hard(name: &str) -> Object<KeyValueOp> {
    let call = |client: u64, op, invoke, complete| {
        let client = format!("c{client}");
        Call { op, client, invoke, complete: Some(complete), from_ns: None, to_ns: None }
    };
    let append =
        |client| call(client, KeyValueOp::Append(format!("{client} ")), client, 100 + client);
    let mut calls: Vec<_> = (0..12).map(append).collect();
    calls.push(call(20, KeyValueOp::Get("0 1 2 3 4 5 6 7 8 9 10 10 ".to_owned()), 200, 201));
    let put = KeyValueOp::Put(String::new());
    calls.push(Call { complete: None, ..call(21, put, 0, 0) });
    Object { name: name.to_owned(), calls }
}

#[test]
fn a_hard_object_does_not_hide_what_is_wrong_with_another() {
    let mut objects: Vec<Object<KeyValueOp>> = (0..9).map(|n| hard(&format!("key {n}"))).collect();
    let get = KeyValueOp::Get("x".to_owned());
    let (from_ns, to_ns, client) = (None, None, "c1".to_owned());
    let call = Call { op: get, client, invoke: 1, complete: Some(2), from_ns, to_ns };
    objects.push(Object { name: "key 9".to_owned(), calls: vec![call] });
    // Asked after each thousand configurations: far less than one hard object takes.
    let asked = std::cell::Cell::new(0);
    let stop = || asked.replace(asked.get() + 1) > 1000;
    let budget = Budget { stop: Some(&stop), ..Budget::default() };
    let verdict = check_objects(&Blind, &objects, budget);
    let explanation = verdict.explanation().expect("key 9 is wrong");
    assert!(explanation.headline.starts_with("key 9: "), "{explanation}");
}

#[test]
fn all_that_is_undecided_is_counted() {
    let objects: Vec<Object<KeyValueOp>> = (0..3).map(|n| hard(&format!("key {n}"))).collect();
    let budget = Budget { configurations_max: 150_000, ..Budget::default() };
    let verdict = check_objects(&Blind, &objects, budget).to_string();
    let said = "unknown: key 0: the budget ran out before an order was found, and 2 others are";
    assert!(verdict.starts_with(said), "{verdict}");
}

#[test]
fn a_search_ends_where_it_holds_too_much() {
    let budget = Budget { memory_max: 20_000_000, ..Budget::default() };
    let verdict = check_objects(&Blind, &[hard("key 0")], budget).to_string();
    assert!(verdict.starts_with("unknown: key 0: the search holds 2"), "{verdict}");
}

#[test]
fn fifty_clients_with_values_of_their_own_are_decided_without_a_search() {
    let mut calls = Vec::new();
    for round in 0..200u64 {
        for client in 0..50u64 {
            let value = Value::Int((round * 50 + client) as i64);
            let (start, end) = (round * 100 + client, round * 100 + 80 + client % 20);
            let op = if client == round % 50 {
                RegisterOp::Read(Value::Int((round * 50 + (client + 1) % 50) as i64))
            } else {
                RegisterOp::Write(value)
            };
            calls.push(call(client as u32, op, start, Some(end)));
        }
    }
    let none = Budget { configurations_max: 100, ..Budget::default() };
    assert_eq!(check_calls(&REGISTER, "x", &calls, none), Verdict::Valid);
    // A read of what was overwritten ten rounds ago.
    calls.push(call(60, RegisterOp::Read(Value::Int(190 * 50 + 7)), 30_000, Some(30_001)));
    let verdict = check_calls(&REGISTER, "x", &calls, none);
    let explanation = verdict.explanation().expect("it is stale");
    assert!(explanation.lines.len() <= 6, "{explanation}");
}

#[test]
fn what_nobody_wrote_is_found_before_any_search() {
    let none = Budget { configurations_max: 0, ..Budget::default() };
    let mut calls = vec![
        call(1, RegisterOp::Write(Value::Int(1)), 0, None),
        call(2, RegisterOp::Cas(Value::Int(1), Value::Int(2)), 0, None),
        call(3, RegisterOp::Read(Value::Int(7)), 10, Some(20)),
    ];
    let text = check_calls(&REGISTER, "x", &calls, none).to_string();
    assert!(text.contains("impossible: nothing leaves this   ← contradiction"), "{text}");
    calls.push(call(4, RegisterOp::Write(Value::Int(7)), 30, Some(40)));
    let text = check_calls(&REGISTER, "x", &calls, none).to_string();
    assert!(text.contains("impossible: nothing had left this yet   ← contradiction"), "{text}");
    assert!(text.lines().last().is_some_and(|line| line.ends_with("too late")), "{text}");
    calls[3].invoke = 20;
    let verdict = check_calls(&REGISTER, "x", &calls, none);
    assert!(matches!(verdict, Verdict::Unknown { .. }), "{verdict}");
}

#[test]
fn appends_are_put_into_order_by_the_reads_behind_them() {
    // Thirty at a time, in an order that nobody would try first, and a get after each round.
    let mut calls = Vec::new();
    let mut all = String::new();
    for round in 0..40u64 {
        let at = round * 1000;
        for client in 0..30u64 {
            let op = KeyValueOp::Append(format!("{round}.{client} "));
            let client = format!("c{client}");
            let (invoke, complete) = (at, Some(at + 100));
            calls.push(Call { op, client, invoke, complete, from_ns: None, to_ns: None });
        }
        let order = (0..30u64).map(|n| (n * 7 + round) % 30);
        order.for_each(|client| all.push_str(&format!("{round}.{client} ")));
        let op = KeyValueOp::Get(all.clone());
        let (client, invoke, complete) = ("c90".to_owned(), at + 200, Some(at + 300));
        calls.push(Call { op, client, invoke, complete, from_ns: None, to_ns: None });
    }
    let budget = Budget { configurations_max: 200_000, ..Budget::default() };
    assert_eq!(check_calls(&KeyValue, "x", &calls, budget), Verdict::Valid);
    let KeyValueOp::Get(last) = &calls[calls.len() - 1].op else { panic!("a get") };
    let wrong = last.replace("39.0 39.7 ", "39.7 39.0 ").replace("0.0 0.7 ", "0.7 0.0 ");
    let last = calls.len() - 1;
    calls[last].op = KeyValueOp::Get(wrong);
    let verdict = check_calls(&KeyValue, "x", &calls, budget);
    assert!(verdict.explanation().is_some(), "{verdict}");
}

#[test]
fn appends_that_nobody_reads_need_no_order() {
    // Twenty at a time, a put that is answered in every second round, one that never is, and gets of what
    // a few of them leave.
    let mut calls = Vec::new();
    let mut push = |op, client: u64, invoke, complete| {
        let client = format!("c{client}");
        calls.push(Call { op, client, invoke, complete, from_ns: None, to_ns: None });
    };
    push(KeyValueOp::Put("never answered".to_owned()), 40, 0, None);
    for round in 0..40u64 {
        let at = 10 + round * 1000;
        for client in 0..20u64 {
            let complete = Some(at + 500 + client).filter(|_| client != round % 20);
            push(KeyValueOp::Append(format!("{round}.{client} ")), client, at, complete);
        }
        if round % 2 == 0 {
            push(KeyValueOp::Put(format!("put {round} ")), 20, at + 100, Some(at + 900));
        } else {
            let seen = format!("put {} {round}.3 ", round - 1);
            push(KeyValueOp::Get(seen), 21, at + 100, Some(at + 200));
        }
    }
    let budget = Budget { configurations_max: 200_000, ..Budget::default() };
    assert_eq!(check_calls(&KeyValue, "x", &calls, budget), Verdict::Valid);
    let wrong = calls.len() - 1;
    calls[wrong].op = KeyValueOp::Get("put 36 39.3 ".to_owned());
    let verdict = check_calls(&KeyValue, "x", &calls, budget);
    assert!(verdict.explanation().is_some(), "{verdict}");
}
