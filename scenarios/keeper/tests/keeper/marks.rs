//! Faults that wait for marks in the servers' code strike exactly there.

use harness::{Plan, RunOptions};
use keeper_core::observation::Observation;
use scenarios::Keeper;
use scenarios::record::Observed;
use sim::trace::{Event, Kind};
use sim::{EngineKind, HostId};

use crate::support::{plan, run};

type Finished = harness::run::Finished<Keeper>;

const NS_PER_MS: u64 = 1_000_000;

fn performed(engine: EngineKind, fault: &str) -> Finished {
    let faults = format!(r#"[{{"at_ms":2500,"until_ms":3500,{fault}}}]"#);
    let plan = Plan { engine, ..plan(3, &faults) };
    let finished = run(&plan, &RunOptions { keep_trace: true, ..RunOptions::default() });
    assert_eq!(finished.record.panic, None);
    assert!(finished.record.healed_after_ms.is_some(), "{:?}", finished.record.healing_missing);
    finished
}

/// When the one fault struck, whom, and when it ended.
fn window(finished: &Finished) -> (u64, HostId, u64) {
    let [window] = finished.record.faults.as_slice() else {
        panic!("one fault: {:?}", finished.record.faults)
    };
    let number: u32 = window.what.strip_prefix('n').unwrap().parse().unwrap();
    (window.from_ns, HostId(number - 1), window.to_ns.unwrap())
}

/// What a host did in a span of time.
fn done(finished: &Finished, host: HostId, from_ns: u64, to_ns: u64, kind: Kind) -> Vec<&Event> {
    let is_it = |event: &&Event| {
        event.host == Some(host) && event.kind == kind && (from_ns..to_ns).contains(&event.at_ns)
    };
    finished.trace.iter().filter(is_it).collect()
}

#[test]
fn a_server_is_killed_before_the_fsync_that_the_mark_announces() {
    for kind in ["crash", "power_loss"] {
        let fault = format!(r#""kind":"{kind}","target":"mark:log-unsynced#2@leader""#);
        let finished = performed(EngineKind::Engine, &fault);
        let (from_ns, host, to_ns) = window(&finished);
        assert!((2_500 * NS_PER_MS..3_400 * NS_PER_MS).contains(&from_ns), "{from_ns}");
        for effect in [Kind::Sent, Kind::DiskSubmitted, Kind::Received] {
            assert!(!done(&finished, host, 2_000 * NS_PER_MS, from_ns, effect).is_empty());
            let after = done(&finished, host, from_ns + 1, to_ns, effect);
            assert!(after.is_empty(), "{kind}: a dead server did {after:?}");
        }
        let died = done(&finished, host, from_ns, from_ns + 1, Kind::Died);
        assert_eq!(died.len(), 1, "{kind}: at the very instant of the hit");
        // The sync itself, and what the step would have sent, never left.
        let submitted = done(&finished, host, from_ns, from_ns + 1, Kind::DiskSubmitted);
        assert!(submitted.is_empty(), "{kind}: {submitted:?}");
        assert_eq!(to_ns, 3_500 * NS_PER_MS);
    }
}

#[test]
fn a_delay_lets_the_fsync_begin() {
    let fault = r#""kind":"power_loss","target":"mark:log-unsynced@follower+300us""#;
    let finished = performed(EngineKind::Engine, fault);
    let (from_ns, host, _) = window(&finished);
    let hit_ns = from_ns - 300_000;
    let submitted = done(&finished, host, hit_ns, hit_ns + 1, Kind::DiskSubmitted);
    assert!(!submitted.is_empty(), "the fsync is under way");
    let completed = done(&finished, host, hit_ns, from_ns, Kind::DiskCompleted);
    assert!(completed.is_empty(), "and does not end: {completed:?}");
}

#[test]
fn other_faults_and_the_other_world_wait_for_marks_too() {
    for engine in EngineKind::ALL {
        let fault = r#""kind":"pause","target":"mark:leader-proposes""#;
        let finished = performed(engine, fault);
        let (from_ns, host, to_ns) = window(&finished);
        // turmoil acts at the end of the millisecond.
        let slack_ns = if engine == EngineKind::Turmoil { NS_PER_MS } else { 0 };
        let after = done(&finished, host, from_ns + slack_ns + 1, to_ns, Kind::Sent);
        assert!(after.is_empty(), "{engine}: a paused leader sends {after:?}");
    }
}

#[test]
fn the_leader_is_struck_where_a_follower_is() {
    for engine in EngineKind::ALL {
        let fault = r#""when":"mark:follower-logs@follower","kind":"crash","target":"leader""#;
        let finished = performed(engine, fault);
        let (from_ns, leader, to_ns) = window(&finished);
        assert!((2_500 * NS_PER_MS..3_400 * NS_PER_MS).contains(&from_ns), "{from_ns}");
        let logged = |observed: &&Observed| {
            matches!(observed.observation, Observation::Logged { .. })
                && HostId(observed.server - 1) != leader
                && observed.at_ns <= from_ns
                && observed.at_ns + NS_PER_MS >= from_ns
        };
        assert!(finished.record.observations.iter().any(|observed| logged(&observed)));
        // The follower lives and goes on.
        let sent = done(&finished, leader, from_ns + NS_PER_MS, to_ns, Kind::Sent);
        assert!(sent.is_empty(), "{engine}: a dead leader sends {sent:?}");
        let died = finished.trace.iter().filter(|event| event.kind == Kind::Died);
        assert_eq!(died.filter(|event| event.at_ns >= from_ns).count(), 1, "{engine}");
    }
}

#[test]
fn the_network_parts_where_a_server_is() {
    let fault = r#""when":"mark:leader-proposes@leader-of-epoch-1","kind":"partition","sides":[["here"],["n1","n2","n3"]],"reset_on_heal":0.0"#;
    let finished = performed(EngineKind::Engine, fault);
    let [window] = finished.record.faults.as_slice() else { panic!("one fault") };
    let proposed = |observed: &&Observed| observed.at_ns == window.from_ns;
    let leader = finished.record.observations.iter().find(proposed).unwrap().server;
    let elected = |observed: &&Observed| {
        observed.at_ns > window.from_ns && observed.observation == Observation::Leading
    };
    let next = finished.record.observations.iter().find(elected).unwrap();
    assert_ne!(next.server, leader, "who was cut off is deposed");
    let later = fault.replace("epoch-1", "epoch-9");
    assert_eq!(performed(EngineKind::Engine, &later).record.faults, [], "no such leader");
}

#[test]
fn a_mark_that_nobody_hits_lets_the_fault_pass_by() {
    let fault = r#""kind":"crash","target":"mark:epoch-used-up""#;
    for engine in EngineKind::ALL {
        assert_eq!(performed(engine, fault).record.faults, []);
    }
}
