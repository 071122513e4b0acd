//! What does not change what a history says does not change its verdict.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use checker::history::Tuples;
use checker::linear::Budget;
use checker::{CheckError, Options, Verdict, check_text, judge_text};
use proptest::prelude::*;

/// One operation of a register whose values are numbered: how it is written down is another matter.
#[derive(Debug, Clone, Copy)]
enum Op {
    Read(usize),
    Write(usize),
    Cas(usize, usize),
}

/// One event: process, kind, operation.
type Event = (usize, &'static str, Op);

/// Small histories: each process invokes and is answered in turn, with some luck in a legal way.
fn history() -> impl Strategy<Value = Vec<Event>> {
    let op = prop_oneof![
        3 => (0..4usize).prop_map(Op::Read),
        3 => (1..4usize).prop_map(Op::Write),
        1 => (1..4usize, 1..4usize).prop_map(|(old, new)| Op::Cas(old, new)),
    ];
    let end = prop_oneof![6 => Just("ok"), 1 => Just("fail"), 1 => Just("info")];
    prop::collection::vec((0..3usize, op, end), 1..14).prop_map(|steps| {
        let mut open: [Option<(Op, &'static str)>; 3] = [None; 3];
        let mut events = Vec::new();
        for (process, op, end) in steps {
            match open[process].take() {
                Some((asked, end)) => events.push((process, end, asked)),
                None => {
                    events.push((process, "invoke", op));
                    open[process] = Some((op, end));
                }
            }
        }
        for (process, still) in open.into_iter().enumerate() {
            events.extend(still.map(|(op, end)| (process, end, op)));
        }
        events
    })
}

/// Values in two spellings each; 0 is nil.
const PLAIN: [&str; 4] = ["nil", "#{1 2 #{3 4}}", "{:a {:b 1, :c [1 2]}, :d #{}}", "[1 16 1.5M]"];
const OTHERWISE: [&str; 4] =
    ["nil", "#{#{4N 3} 2 1}", "{:d #{}, :a ^:m {:c (1 2), :b 0x1}}", "(1N 0x10 1.50M)"];
/// The same as JSON, in two spellings.
const JSON: [&str; 4] = ["null", "12345678901234567890", "{\"a\":1,\"b\":[2]}", "1.5"];
const JSON_OTHERWISE: [&str; 4] =
    ["null", "1234567890123456789e1", "{\"b\":[2.0],\"a\":10e-1}", "0.15E1"];

/// Function and value of an event.
fn words(kind: &str, op: Op, values: [&str; 4]) -> (&'static str, String) {
    match op {
        Op::Read(_) if kind != "ok" => ("read", values[0].to_owned()),
        Op::Read(seen) => ("read", values[seen].to_owned()),
        Op::Write(value) => ("write", values[value].to_owned()),
        Op::Cas(old, new) => ("cas", format!("[{} {}]", values[old], values[new])),
    }
}

fn edn(events: &[Event], values: [&str; 4], wrap: impl Fn(String) -> String) -> String {
    let line = |(process, kind, op): &Event| {
        let (f, value) = words(kind, *op, values);
        format!("{{:process {process}, :type :{kind}, :f :{f}, :value {}}}\n", wrap(value))
    };
    events.iter().map(line).collect()
}

fn json(events: &[Event], values: [&str; 4]) -> String {
    let line = |(process, kind, op): &Event| {
        let (f, value) = words(kind, *op, values);
        let value = if f == "cas" { value.replace(' ', ",") } else { value };
        format!("{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"value\":{value}}}\n")
    };
    events.iter().map(line).collect()
}

fn log(events: &[Event], before: &str, between: &str) -> String {
    let line = |(process, kind, op): &Event| {
        let (f, value) = words(kind, *op, PLAIN);
        format!("{before}{process}{between}:{kind}{between}:{f}{between}{value}\n")
    };
    events.iter().map(line).collect()
}

fn word(verdict: Result<Verdict, CheckError>) -> String {
    match verdict {
        Ok(Verdict::Valid) => "valid".to_owned(),
        Ok(Verdict::Invalid(_)) => "invalid".to_owned(),
        Ok(Verdict::Unknown { reason, .. }) => reason,
        Err(error) => error.to_string(),
    }
}

fn check(text: &str) -> String {
    word(check_text("h", text.as_bytes(), Some("register"), Budget::default()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn spelling_does_not_matter(events in history()) {
        let plain = edn(&events, PLAIN, |value| value);
        let verdict = check(&plain);
        prop_assert_eq!(&verdict, &check(&edn(&events, OTHERWISE, |value| value)));
        prop_assert_eq!(&verdict, &check(&format!("\u{feff}{plain}")));
        prop_assert_eq!(&verdict, &check(&format!("[{plain}]")));
        prop_assert_eq!(&verdict, &check(&json(&events, JSON)));
        prop_assert_eq!(&verdict, &check(&json(&events, JSON_OTHERWISE)));
        // Every second event in the other spelling.
        let mixed: Vec<String> = plain.lines().map(str::to_owned).zip(
            edn(&events, OTHERWISE, |value| value).lines().map(str::to_owned),
        ).enumerate().map(|(n, (a, b))| if n % 2 == 0 { a } else { b }).collect();
        prop_assert_eq!(&verdict, &check(&mixed.join("\n")));
    }

    #[test]
    fn the_order_of_the_file_does_not_matter_where_events_are_numbered(
        events in history(),
        swap in any::<prop::sample::Index>(),
    ) {
        let plain = edn(&events, PLAIN, |value| value);
        let mut lines: Vec<String> = plain.lines().enumerate()
            .map(|(n, line)| line.replace("{:process", &format!("{{:index {n}, :process")))
            .collect();
        let verdict = check(&lines.join("\n"));
        prop_assert_eq!(&verdict, &check(&plain));
        let at = swap.index(lines.len());
        lines.rotate_left(at);
        prop_assert_eq!(&verdict, &check(&lines.join("\n")));
    }

    #[test]
    fn keys_may_be_tuples(events in history()) {
        let verdict = check(&edn(&events, PLAIN, |value| value));
        let tagged = edn(&events, PLAIN, |v| format!("#jepsen.independent/tuple [\"k\" {v}]"));
        prop_assert_eq!(&verdict, &check(&tagged).replace("key \"k\"", "the register"));
        let pairs = edn(&events, PLAIN, |value| format!("[:k {value}]"));
        let told = |tuples| {
            let options = Options { model: Some("register"), tuples };
            let judged = judge_text("h", pairs.as_bytes(), &options, Budget::default());
            word(judged.map(|judgement| judgement.verdict))
        };
        prop_assert_eq!(&verdict, &told(Tuples::All));
        let guessed = told(Tuples::Told);
        let is_refused = guessed.contains("every value is a pair");
        prop_assert!(guessed == verdict || is_refused, "{} and not {}", guessed, verdict);
        if events.iter().any(|(_, _, op)| matches!(op, Op::Read(_))) {
            prop_assert!(!is_refused, "{}", guessed);
        }
    }

    #[test]
    fn logs_may_have_spaces_for_tabs(events in history()) {
        let plain = edn(&events, PLAIN, |value| value);
        let verdict = check(&plain);
        for before in [
            "INFO [2024-01-06 15:07:52,664] jepsen worker 0 - jepsen.util ",
            "2024-01-06 15:00:19,037{GMT}\tINFO\t[jepsen worker 3] jepsen.util: ",
            "",
        ] {
            for between in ["\t", "   "] {
                prop_assert_eq!(&verdict, &check(&log(&events, before, between)), "{}", before);
            }
        }
        let etcd = |between| check(&log(&events, "INFO  jepsen.util - ", between));
        prop_assert_eq!(etcd("\t"), etcd("    "));
    }
}
