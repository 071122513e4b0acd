use super::*;
use crate::plan::PlannedOperation;
use crate::testing::{STORE, SYSTEMS, plan_of};
use crate::{AnySystem, Outcome, RunOptions};
use sim::fault::{Fault, MarkTarget, Settings, Target, TimedFault};
use sim::seed::Draws;

/// A plan in which the leader loses power and what it had acknowledged.
fn planted() -> Plan {
    let planted = |seed| Plan { plant: Some("acks-before-sync".to_owned()), ..plan_of(seed) };
    (3..).map(planted).find(|plan| run_plan(plan).fingerprint().is_some()).unwrap()
}

fn run_plan(plan: &Plan) -> Outcome {
    SYSTEMS.perform(plan, &RunOptions::default())
}

fn go_on() -> bool {
    false
}

const OPTIONS: Shrink<'static> =
    Shrink { jobs: 1, seeds: 1, fingerprint: None, work_max: u64::MAX, is_over: &go_on };

#[test]
fn a_failing_plan_becomes_small_and_fails_the_same_way() {
    let plan = planted();
    let first = run_plan(&plan);
    let fingerprint = first.fingerprint().unwrap().to_owned();
    let mut sizes = Vec::new();
    let options = Shrink { jobs: 2, ..OPTIONS };
    let shrunk = shrink(SYSTEMS, &plan, &options, &mut |progress| {
        sizes.push(Size::of(SYSTEMS, progress.plan).operations);
    })
    .unwrap();
    assert_eq!(shrunk.ended, Ended::Complete);
    let size = Size::of(SYSTEMS, &shrunk.plan);
    assert!(size.operations <= 12 && size.faults <= 4, "{size}");
    assert!(sizes.is_sorted_by(|before, after| before >= after), "{sizes:?}");
    let again = run_plan(&shrunk.plan);
    assert_eq!(again.fingerprint(), Some(fingerprint.as_str()));
    let found = shrunk.plan.found.as_ref().unwrap();
    assert_eq!(found.trace_hash, format!("{:016x}", again.trace_hash));
    let alone = Shrink { jobs: 1, ..options };
    assert_eq!(shrink(SYSTEMS, &plan, &alone, &mut |_| {}).unwrap().plan, shrunk.plan);
}

#[test]
fn what_does_not_fail_or_fails_otherwise_is_refused() {
    let options = OPTIONS;
    let honest = Plan { plant: None, ..planted() };
    let refused = shrink(SYSTEMS, &honest, &options, &mut |_| {}).unwrap_err();
    assert_eq!(refused, ShrinkError::DoesNotFail);
    let plan = planted();
    let mut stored = run_plan(&plan).stored(&plan);
    stored.found.as_mut().unwrap().fingerprint = Some("another".to_owned());
    let refused = shrink(SYSTEMS, &stored, &options, &mut |_| {}).unwrap_err();
    assert!(matches!(refused, ShrinkError::FailsOtherwise { .. }), "{refused}");
}

#[test]
fn a_search_that_is_over_keeps_what_it_has() {
    let plan = planted();
    let options = Shrink { is_over: &|| true, ..OPTIONS };
    let shrunk = shrink(SYSTEMS, &plan, &options, &mut |_| {}).unwrap();
    assert_eq!(shrunk.ended, Ended::Told);
    assert!(edit::same(&shrunk.plan, &plan));
}

fn on_way(way: u64, jobs: usize) -> Shrunk {
    let plan = planted();
    let options = Shrink { jobs, ..OPTIONS };
    let mut ignore = |_: &Progress<'_>| {};
    let mut search = Search::new(SYSTEMS, &plan, &options, &mut ignore).unwrap();
    search.set_out(way);
    go_through(&passes::STAGES, &mut search);
    search.end()
}

#[test]
fn other_ways_lead_to_small_plans_too_however_many_runs_go_on_at_a_time() {
    let plain = on_way(0, 1);
    let others: Vec<Shrunk> = (1..4).map(|way| on_way(way, 1)).collect();
    assert!(others.iter().all(|other| Size::of(SYSTEMS, &other.plan).is_small()));
    assert!(others.iter().all(|other| other.performed != plain.performed), "they are other ways");
    assert_eq!(on_way(1, 2).plan, others[0].plan);
}

#[test]
fn a_search_with_as_much_work_ends_the_same_however_many_runs_go_on_at_a_time() {
    let plan = planted();
    let whole = shrink(SYSTEMS, &plan, &OPTIONS, &mut |_| {}).unwrap();
    for part in 1..6 {
        let work_max = whole.work * part / 6;
        let within = |jobs| {
            let options = Shrink { jobs, work_max, ..OPTIONS };
            let shrunk = shrink(SYSTEMS, &plan, &options, &mut |progress| {
                assert!(progress.plan.faults.len() <= plan.faults.len());
                assert!(progress.at.faults.len() <= plan.faults.len());
            });
            shrunk.unwrap()
        };
        let (alone, three) = (within(1), within(3));
        assert_eq!(alone.ended, Ended::Work);
        assert!(alone.work >= work_max);
        assert_eq!(
            (alone.plan, alone.performed, alone.work),
            (three.plan, three.performed, three.work)
        );
    }
}

#[test]
fn the_smallest_plan_of_all_ways_is_kept() {
    let plan = planted();
    let options = OPTIONS;
    let mut kept = Vec::new();
    let mut note = |progress: &Progress<'_>| {
        if progress.is_smaller {
            kept.push(Size::of(SYSTEMS, progress.plan));
        }
    };
    let mut search = Search::new(SYSTEMS, &plan, &options, &mut note).unwrap();
    go_through(&passes::STAGES, &mut search);
    let smallest = search.best().clone();
    assert!(search.has_small());
    search.set_out(1);
    assert!(edit::same(search.best(), &plan), "it begins with the whole plan");
    search.begin(passes::STAGES[0]);
    (passes::ALL[0].run)(&mut search, passes::ALL[0].name);
    search.confirm(passes::ALL[0].name);
    assert!(!edit::same(search.best(), &plan), "it has come some way");
    assert!(edit::same(&search.end().plan, &smallest));
    assert!(kept.is_sorted_by(|before, after| !before.is_less_than(*after)), "{kept:?}");
}

/// An operation on two objects takes both along.
#[test]
fn a_sweep_copes_with_candidates_that_leave_out_more_than_they_name() {
    let plan = planted();
    let mut note = |_: &Progress<'_>| {};
    let mut search = Search::new(SYSTEMS, &plan, &OPTIONS, &mut note).unwrap();
    search.begin(*passes::STAGES.last().unwrap());
    let count = |plan: &Plan| plan.operations.len();
    passes::sweep(&mut search, "test", count, |plan, from, to| {
        assert!(to <= plan.operations.len(), "{from}..{to} of {}", plan.operations.len());
        edit::without_operations(plan, |n| n + 1 >= from && n < to)
    });
    assert!(search.best().operations.len() < plan.operations.len());
}

#[test]
fn a_plan_that_a_person_can_hold_in_the_head_is_less_than_any_other() {
    let size = |operations, faults| Size { operations, faults, ..Size::default() };
    assert!(size(12, 4).is_less_than(size(0, 5)));
    assert!(size(12, 4).is_less_than(size(13, 4)));
    assert!(size(2, 1).is_less_than(size(0, 2)), "a fault is more to follow than an operation");
    assert!(!size(3, 1).is_less_than(size(3, 1)));
    assert!(!size(179, 27).is_less_than(size(1_300, 24)), "more faults are never less");
    let shorter = Size { chaos_ms: 1, ..size(3, 1) };
    assert!(shorter.is_less_than(Size { chaos_ms: 2, ..size(3, 1) }));
}

#[test]
fn faults_come_at_other_moments_within_the_plan() {
    let plan = planted();
    let mut changed = 0;
    for n in 0..20 {
        let mut draws = Draws::new(n, "test", 0);
        let other = edit::jittered(&plan, &mut draws);
        assert_eq!(other.faults.len(), plan.faults.len());
        assert!(other.faults.is_sorted_by_key(|fault| fault.at_ms));
        assert!(other.faults.iter().all(|fault| fault.at_ms < plan.chaos_ms));
        assert!(crate::plan::validate(SYSTEMS, &other).is_ok());
        changed += usize::from(other != plan);
    }
    assert!(changed > 15, "{changed}");
}

#[test]
fn hosts_that_are_left_out_disappear_from_faults() {
    let host = |name: &str| Target::named(name);
    let at = |fault| TimedFault::new(1, Some(9), fault);
    let sides = vec![vec![host("n1"), host("n2")], vec![host("n3")]];
    let faults = vec![
        at(Fault::Crash { target: host("n2") }),
        at(Fault::Crash { target: host("n3") }),
        at(Fault::Partition { sides, reset_on_heal: 0.5 }),
        at(Fault::Crash { target: Target::named("leader") }),
        at(Fault::Pause { target: Target::from("mark:log-synced#2@n3+5us".to_owned()) }),
        TimedFault {
            when: MarkTarget::parse("mark:log-synced@n2"),
            ..at(Fault::Isolate { who: Target::named("leader"), reset_on_heal: 0.0 })
        },
    ];
    let plan = Plan { faults, ..planted() };
    let smaller = edit::without_host(&plan, &AnySystem::groups(&STORE)[0], 2);
    assert_eq!(smaller.count("servers"), plan.count("servers") - 1);
    let names: Vec<String> =
        smaller.faults.iter().map(|fault| serde_json::to_string(fault).unwrap()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(names[3].contains("mark:log-synced#2@n2+5us"), "{names:?}");
    assert!(names[0].contains(r#""target":"n2""#), "{names:?}");
    assert!(names[1].contains(r#"[["n1"],["n2"]]"#), "{names:?}");
}

#[test]
fn milder_faults_are_shorter_or_smaller() {
    let at = |until_ms, fault| TimedFault::new(100, until_ms, fault);
    let target = Target::named("leader");
    let slow = at(Some(300), Fault::SlowDisk { target: target.clone(), factor: 8 });
    let forms = slow.milder();
    assert!(forms.contains(&at(Some(200), slow.fault.clone())));
    assert!(forms.contains(&at(Some(300), Fault::SlowDisk { target: target.clone(), factor: 4 })));
    let wrong = at(None, Fault::ClockOffset { target: target.clone(), offset_ms: -9 });
    assert_eq!(wrong.milder(), [at(None, Fault::ClockOffset { target, offset_ms: -4 })]);
}

#[test]
fn gaps_close_from_their_end_on() {
    let plan = planted();
    let moments = edit::moments_ms(&plan);
    let from_ms = moments[moments.len() / 2];
    let earlier = edit::earlier(&plan, from_ms, 1);
    assert_eq!(earlier.chaos_ms, plan.chaos_ms - 1);
    let before = |plan: &Plan| plan.operations.iter().filter(|o| o.at_ms < from_ms - 1).count();
    assert_eq!(before(&earlier), before(&plan));
}

#[test]
fn a_plan_without_its_beginning_keeps_what_lasts() {
    let plan = planted();
    let from_ms = plan.chaos_ms / 2;
    let shorter = edit::without_beginning(&STORE, &plan, from_ms).unwrap();
    assert_eq!(plan.chaos_ms - shorter.chaos_ms, from_ms - 1_000);
    let from = |plan: &Plan, from_ms: u64| {
        plan.operations.iter().filter(|operation| operation.at_ms >= from_ms).count()
    };
    assert_eq!(from(&shorter, 1_000), from(&plan, from_ms));
    let lasting_ones = |plan: &Plan| -> std::collections::BTreeSet<String> {
        let lasting = plan.operations.iter().filter(|operation| STORE.lasts(&operation.action));
        lasting.map(|operation| operation.action.to_json().to_string()).collect()
    };
    assert_eq!(lasting_ones(&shorter), lasting_ones(&plan));
    let crash = Fault::Crash { target: Target::named("leader") };
    let lasting = TimedFault::new(2_000, Some(from_ms + 7), crash);
    let over = TimedFault { until_ms: Some(from_ms), ..lasting.clone() };
    let faults = vec![lasting.clone(), over];
    let shorter =
        edit::without_beginning(&STORE, &Plan { faults, ..plan.clone() }, from_ms).unwrap();
    assert_eq!(shorter.faults, [TimedFault { at_ms: 1_000, until_ms: Some(1_007), ..lasting }]);
    assert_eq!(edit::without_beginning(&STORE, &plan, 1_400), None);
}

#[test]
fn the_first_writes_go_and_reads_stay() {
    let plan = planted();
    let is_write = |operation: &PlannedOperation| !AnySystem::is_read(&STORE, &operation.action);
    let writes = |plan: &Plan| -> Vec<PlannedOperation> {
        plan.operations.iter().filter(|operation| is_write(operation)).cloned().collect()
    };
    let fewer = edit::without_first_changes(&STORE, &plan, 7);
    assert_eq!(fewer.operations.len() + 7, plan.operations.len());
    assert_eq!(writes(&fewer), writes(&plan)[7..]);
    assert_eq!(edit::first_operations(&plan, 3).operations, plan.operations[..3]);
    let none = edit::without_first_changes(&STORE, &plan, usize::MAX);
    assert!(writes(&none).is_empty() && !none.operations.is_empty());
}

#[test]
fn a_beginning_is_cut_out_of_a_rolling_restart() {
    let targets = ["n1", "n2", "n3"].map(Target::named).to_vec();
    let restart = |targets: &[Target], settings| Fault::Restart {
        targets: targets.to_vec(),
        down_ms: 100,
        gap_ms: 400,
        settings,
    };
    let plain = Settings::default();
    let rolling = TimedFault::new(9_000, Some(20_000), restart(&targets, plain.clone()));
    let cut = |rolling: &TimedFault, from_ms| {
        let plan = Plan { faults: vec![rolling.clone()], ..planted() };
        edit::without_beginning(&STORE, &plan, from_ms).unwrap().faults
    };
    // The first server is back by then, the second one is down: still one fault.
    let rest = restart(&targets[1..], plain);
    assert_eq!(cut(&rolling, 9_550), [TimedFault::new(1_000, Some(11_450), rest)]);
    // Only the last one's turn is left, or nobody's.
    let crash = Fault::Crash { target: targets[2].clone() };
    assert_eq!(cut(&rolling, 9_700), [TimedFault::new(1_300, Some(1_400), crash)]);
    assert_eq!(cut(&rolling, 10_200), []);
}

#[test]
fn a_stretch_goes_with_what_happens_in_it() {
    let fault = |at_ms, until_ms| {
        TimedFault::new(at_ms, Some(until_ms), Fault::Crash { target: Target::named("leader") })
    };
    let faults = vec![fault(500, 900), fault(900, 1_500), fault(1_200, 1_900), fault(1_500, 2_500)];
    let plan = Plan { faults, ..planted() };
    let shorter = edit::without_stretch(&STORE, &plan, 1_000, 2_000);
    assert_eq!(plan.chaos_ms - shorter.chaos_ms, 1_000);
    assert_eq!(shorter.faults, [fault(500, 900), fault(900, 1_000), fault(1_000, 1_500)]);
    let after = |plan: &Plan, ms: u64| plan.operations.iter().filter(|o| o.at_ms >= ms).count();
    assert_eq!(after(&shorter, 1_001), after(&plan, 2_001));
}
