//! A run of an ensemble is a function of its plan: the same trace hash twice in one process, in two
//! processes, and beside other runs on other threads. A planted iteration over a hash map breaks
//! that, and is seen.
#![allow(clippy::disallowed_methods, reason = "these tests compare runs across threads")]

use std::collections::BTreeSet;
use std::process::Command;

use harness::determinism::{difference, part, perform, perform_beside};
use harness::recording::TAG_OBSERVATION;
use harness::sabotage::Sabotage;
use harness::{Plan, RunOptions};
use sim::trace::first_difference;

use crate::support::{SYSTEMS, plan, planned, run};

const CHILD: &str = "SQUALL_TEST_PRINT_TRACE_HASH";

fn faulty(seed: u64) -> Plan {
    let faults = r#"[
        {"at_ms":2500,"until_ms":4000,"kind":"isolate","who":"leader","reset_on_heal":0.5},
        {"at_ms":5000,"until_ms":6000,"kind":"power_loss","target":"leader"},
        {"at_ms":6500,"until_ms":7000,"kind":"pause","target":"follower:0"}
    ]"#;
    Plan { seed, ..plan(3, faults) }
}

fn hash(plan: &Plan) -> u64 {
    run(plan, &RunOptions::default()).record.trace_hash
}

#[test]
fn twice_in_one_process() {
    let first = run(&faulty(1), &RunOptions::default()).record;
    let second = run(&faulty(1), &RunOptions::default()).record;
    assert_eq!(first.trace_hash, second.trace_hash);
    assert_eq!(first.observations, second.observations);
    assert_eq!(first.history.operations, second.history.operations);
    assert_ne!(first.trace_hash, hash(&faulty(2)), "another seed is another run");
}

#[test]
fn beside_other_seeds_on_other_threads() {
    let alone: Vec<u64> = (1..=4).map(|seed| hash(&faulty(seed))).collect();
    let together: Vec<u64> = std::thread::scope(|scope| {
        let runs: Vec<_> = (1..=4).map(|seed| scope.spawn(move || hash(&faulty(seed)))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(alone, together);
}

#[test]
fn in_two_processes() {
    if std::env::var_os(CHILD).is_some() {
        println!("hash={:016x}", hash(&faulty(3)));
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "determinism::in_two_processes", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let there = text.lines().find_map(|line| line.split("hash=").nth(1)).expect(&text);
    assert_eq!(there.trim(), format!("{:016x}", hash(&faulty(3))));
}

#[test]
fn a_planted_hash_map_iteration_is_seen() {
    let planted = Plan { plant: Some("hash-order".to_owned()), ..faulty(1) };
    // Two learners have only two orders, but each of many proposals draws anew.
    let hashes: BTreeSet<u64> = (0..4).map(|_| hash(&planted)).collect();
    assert!(hashes.len() > 1, "the plant was not noticed");
    let kept = RunOptions { keep_trace: true, ..RunOptions::default() };
    let (one, other) = (run(&planted, &kept).trace, run(&planted, &kept).trace);
    assert!(first_difference(&one, &other).is_some(), "the first differing event can be named");
}

#[test]
fn the_tap_hears_everything_and_changes_nothing() {
    let kept = RunOptions { keep_trace: true, ..RunOptions::default() };
    let tapped = run(&faulty(4), &kept);
    let plain = run(&faulty(4), &RunOptions::default());
    assert_eq!(tapped.record.trace_hash, plain.record.trace_hash);
    assert_eq!(tapped.record.observations, plain.record.observations);
    assert_eq!(plain.tapped, None, "campaigns do not pay for it");
    let heard = tapped.tapped.unwrap();
    let observed = &heard.own[&TAG_OBSERVATION];
    assert_eq!(observed.len(), tapped.record.observations.len());
    let same_times = observed.iter().zip(&tapped.record.observations);
    assert!(same_times.into_iter().all(|(moment, seen)| moment.at_ns == seen.at_ns));
    let bytes = |kind| {
        let events = tapped.trace.iter().filter(|event| event.kind == kind);
        events.map(|event| event.len as u64).sum::<u64>()
    };
    let written: u64 = heard.streams.iter().map(|stream| stream.bytes.len() as u64).sum();
    assert_eq!(written, bytes(sim::trace::Kind::Sent), "every written byte is heard");
    let mut read = 0;
    for stream in &heard.streams {
        let length = stream.bytes.len() as u64;
        read += (1..=length).take_while(|end| stream.read(*end).is_some()).count() as u64;
        let latencies = (1..=length)
            .step_by(17)
            .filter_map(|end| Some((stream.written(end)?, stream.read(end)?)));
        assert!(latencies.into_iter().all(|(sent, got)| sent.order < got.order));
    }
    assert_eq!(read, bytes(sim::trace::Kind::Received), "every read byte is paired with a write");
    let befell = |change| heard.changes.iter().filter(|(_, _, c)| *c == change).count();
    assert_eq!(befell(sim::tap::Change::LostPower), 1);
    assert_eq!(befell(sim::tap::Change::Paused), befell(sim::tap::Change::Resumed));
    // Seven hosts: three servers, three clients, the prober; one server starts again.
    assert_eq!(befell(sim::tap::Change::Started), 8);
}

/// The first seconds of a seed.
fn short(seed: u64) -> Plan {
    let mut plan = planned("keeper/register", seed);
    plan.chaos_ms = 5_000;
    plan.operations.retain(|operation| operation.at_ms < 5_000);
    plan.faults.retain(|fault| fault.at_ms < 4_000);
    plan
}

#[test]
fn a_run_is_a_function_of_its_plan() {
    let (hash, events) = perform(SYSTEMS, &short(1), true);
    assert_eq!(perform_beside(SYSTEMS, &short(1), &[short(2), short(3)]), hash);
    let (again, same) = perform(SYSTEMS, &short(1), true);
    assert_eq!(again, hash);
    assert_eq!(difference(&events, &same), None);
}

#[test]
fn a_run_that_is_none_is_seen_and_the_event_is_named() {
    let sabotages = Sabotage::ALL.into_iter().filter(|sabotage| sabotage.breaks_determinism());
    let sabotages: Vec<&str> = sabotages.map(Sabotage::name).collect();
    assert_eq!(sabotages, ["wall-clock", "thread"]);
    for plant in ["hash-order"].into_iter().chain(sabotages) {
        let planted = Plan { plant: Some(plant.to_owned()), ..short(1) };
        let difference =
            part(SYSTEMS, &planted).unwrap_or_else(|| panic!("{plant}: all are equal"));
        assert!(difference.event > 0 && !difference.before.is_empty(), "{plant}");
        assert_ne!(difference.one[0], difference.other[0]);
        let text = difference.to_string();
        assert!(text.contains(&format!("is number {}", difference.event)), "{text}");
        assert!(text.contains(&format!("  < {}", difference.one[0])), "{text}");
        assert!(text.contains(&format!("  > {}", difference.other[0])), "{text}");
    }
    assert_eq!(part(SYSTEMS, &short(1)), None);
}
