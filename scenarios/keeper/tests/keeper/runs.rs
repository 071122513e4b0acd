//! A whole ensemble in a world: it elects, serves, and survives the death of its leader.

use harness::{Plan, RunOptions};
use scenarios::record::ClientOutcome;

use crate::support::{plan, run};

fn ok(plan: &Plan) -> usize {
    let record = run(plan, &RunOptions::default()).record;
    assert_eq!(record.panic, None);
    assert_eq!(record.fatal, vec![]);
    assert_eq!(record.healing_missing, None, "{:#?}", record.history.finals);
    record
        .history
        .operations
        .iter()
        .filter(|operation| matches!(operation.outcome, ClientOutcome::Ok { .. }))
        .count()
}

#[test]
fn an_undisturbed_ensemble_answers_everything() {
    for servers in [1, 3, 5] {
        assert!(ok(&plan(servers, "[]")) >= 81);
    }
}

#[test]
fn it_survives_the_death_of_its_leader() {
    let faults = r#"[{"at_ms":3000,"until_ms":5000,"kind":"crash","target":"leader"}]"#;
    assert!(ok(&plan(3, faults)) >= 60);
    let faults = r#"[{"at_ms":3000,"until_ms":4000,"kind":"power_loss","target":"leader"}]"#;
    assert!(ok(&plan(5, faults)) >= 60);
}

#[test]
fn a_rolling_restart_has_a_window_for_each_server_and_nobody_struck_has_none() {
    let faults = r#"[
        {"at_ms":2000,"until_ms":2500,"kind":"pause","target":"learner+9000"},
        {"at_ms":3000,"kind":"restart","targets":["n1","n3"],"down_ms":400,"gap_ms":600}
    ]"#;
    let record = run(&plan(3, faults), &RunOptions::default()).record;
    let ms = |ns: u64| ns / 1_000_000;
    let windows: Vec<_> = record
        .faults
        .iter()
        .map(|w| (w.planned, w.what.as_str(), ms(w.from_ns), w.to_ns.map(ms)))
        .collect();
    let [first, second] = windows[..] else { panic!("{windows:?}") };
    assert_eq!((first.0, first.1, second.0, second.1), (1, "n1", 1, "n3"));
    for ((_, _, from_ms, to_ms), planned_ms) in [(first, 3_000), (second, 4_000)] {
        assert!(from_ms.abs_diff(planned_ms) <= 2, "{windows:?}");
        assert!(to_ms.unwrap().abs_diff(planned_ms + 400) <= 4, "{windows:?}");
    }
    assert_eq!(record.counters.get("fault.restart"), Some(&2));
    assert_eq!(record.counters.get("fault.pause"), None);
}

#[test]
fn clocks_that_are_wrong_stand_in_the_record() {
    let faults = r#"[
        {"at_ms":2000,"until_ms":4000,"kind":"clock_drift","target":"n1","ppm":-100000},
        {"at_ms":3000,"until_ms":5000,"kind":"clock_jump","target":"n2","by_ms":50,"every_ms":400}]"#;
    let record = run(&plan(3, faults), &RunOptions::default()).record;
    assert!(record.healed_after_ms.is_some(), "{:?}", record.healing_missing);
    let drift = &record.monotonic_drifts;
    assert_eq!((drift.len(), drift[0].host.as_str(), drift[0].ppm), (1, "n1", -100_000));
    assert_eq!((drift[0].from_ns, drift[0].to_ns), (2_000_000_000, Some(4_000_000_000)));
    let of = |host: &str| -> Vec<i64> {
        let points = record.clock_points.iter().filter(|point| point.host == host);
        points.map(|point| point.offset_us).collect()
    };
    assert_eq!(of("n1"), [0, 0, -200_000, 0, 0]);
    // Six jumps, three of them away from the right time; the end finds it right.
    assert_eq!(of("n2").iter().filter(|offset_us| **offset_us == 50_000).count(), 6);
    assert_eq!(of("n2").last(), Some(&0));
    assert_eq!(record.counters["fault.clock_jump"], 1, "to and fro is one fault");
}
