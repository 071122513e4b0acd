//! Every kind is read and written the same, and is what its declaration says.

use std::collections::BTreeSet;

use super::*;

fn round_trip(json: &str) -> TimedFault {
    let fault: TimedFault = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&fault).unwrap(), json);
    fault
}

/// What follows the times of a fault in JSON.
fn fault_of(rest: &str) -> Fault {
    serde_json::from_str::<TimedFault>(&format!(r#"{{"at_ms":1,{rest}}}"#)).unwrap().fault
}

/// At least one of every kind, as plans write it.
const EVERY_KIND: &[&str] = &[
    r#"{"at_ms":1,"until_ms":5,"kind":"partition","sides":[["a","leader"],["follower:2"]],"reset_on_heal":0.5}"#,
    r#"{"at_ms":1,"kind":"one_way","from":["a"],"to":["b"],"reset_on_heal":0.0}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"isolate","who":"leader","reset_on_heal":0.0}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"crash","target":"leader"}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"power_loss","target":"a"}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"pause","target":"a"}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"pause","target":"learner+30"}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"crash","target":"mark:log-unsynced#3@leader+20us"}"#,
    r#"{"at_ms":1,"until_ms":5,"when":"mark:log-unsynced#2@n1","kind":"crash","target":"leader"}"#,
    r#"{"at_ms":1,"until_ms":5,"when":"mark:log-unsynced@leader-of-epoch-3+5us","kind":"partition","sides":[["here"],["a"]],"reset_on_heal":0.5}"#,
    r#"{"at_ms":1,"kind":"restart","targets":["a","b"],"down_ms":10,"gap_ms":20}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"slow_disk","target":"a","factor":0}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"eio","target":"a","op":"sync_dir","nth":3}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"enospc","target":"a"}"#,
    r#"{"at_ms":1,"kind":"fsync_fail","target":"a"}"#,
    r#"{"at_ms":1,"kind":"restart","targets":["a"],"down_ms":1,"gap_ms":2,"commit_log_count":9,"snap_count":50}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"lost_write","target":"a","nth":3,"down_ms":9}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"misdirected_write","target":"a","onto":"log.","down_ms":9}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"rot","target":"follower:1","file":"snapshot.","sectors":2}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"wipe","target":"a"}"#,
    r#"{"at_ms":9,"until_ms":15,"kind":"restore","target":"a","taken_ms":4}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"flaky_link","from":["a"],"to":["b"],"loss":0.25}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"bandwidth","from":["a"],"to":["b"],"bytes_per_s":9000}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"connect_hang","from":["a"],"to":["b"]}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"half_open","from":["a"],"to":["b"],"silent":true}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"reset","from":["a"],"to":["b"]}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"slow_link","from":["a"],"to":["b"],"extra_ms":40}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"clock_offset","target":"a","offset_ms":-7}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"clock_drift","target":"a","ppm":-200,"of":"wall"}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"clock_jump","target":"a","by_ms":-7}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"clock_jump","target":"a","by_ms":7,"every_ms":20}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"datagrams","from":["a"],"to":["b"],"loss":0.25,"duplicate":0.0,"reorder":0.5}"#,
    r#"{"at_ms":1,"until_ms":5,"kind":"own","name":"slow-answers","target":"leader","amount":7}"#,
];

#[test]
fn every_kind_is_read_and_written_the_same() {
    let read: BTreeSet<FaultKind> =
        EVERY_KIND.iter().map(|json| round_trip(json).fault.kind()).collect();
    assert!(read.iter().eq(FaultKind::ALL), "every kind has an example here");
}

#[test]
fn every_kind_is_what_its_declaration_says() {
    for json in EVERY_KIND {
        let kind = round_trip(json).fault.kind();
        assert!(json.contains(&format!(r#""kind":"{}""#, kind.tag())), "{json}");
    }
    let tags: BTreeSet<&str> = FaultKind::ALL.iter().map(|kind| kind.tag()).collect();
    assert_eq!(tags.len(), FaultKind::ALL.len(), "no two kinds have one tag");
    let about = |kind: &&FaultKind| kind.about().ends_with('.') && !kind.about().contains("  ");
    assert_eq!(FaultKind::ALL.iter().find(|kind| !about(kind)), None);
}

/// Figures of old runs are kept by family, and seeds mix families.
#[test]
fn kinds_belong_to_their_families_and_worlds() {
    let of = |family: FaultFamily| -> Vec<&str> {
        let all = FaultKind::ALL.iter().filter(|kind| kind.family() == family);
        all.map(|kind| kind.tag()).collect()
    };
    let network = [
        "partition",
        "one_way",
        "isolate",
        "flaky_link",
        "bandwidth",
        "connect_hang",
        "half_open",
        "reset",
        "slow_link",
        "datagrams",
    ];
    assert_eq!(of(FaultFamily::Network), network);
    let process = ["crash", "power_loss", "pause", "restart", "wipe", "restore"];
    assert_eq!(of(FaultFamily::Process), process);
    let disk =
        ["slow_disk", "eio", "enospc", "fsync_fail", "lost_write", "misdirected_write", "rot"];
    assert_eq!(of(FaultFamily::Disk), disk);
    assert_eq!(of(FaultFamily::Clock), ["clock_offset", "clock_drift", "clock_jump"]);
    assert_eq!(of(FaultFamily::Membership), [""; 0]);
    assert_eq!(of(FaultFamily::Own), ["own"]);
    let lacking = FaultKind::ALL.iter().filter(|kind| kind.engines() != EngineKind::ALL);
    let lacking: Vec<_> = lacking.map(|kind| (kind.tag(), kind.engines())).collect();
    let own_alone = [EngineKind::Engine].as_slice();
    let expected = ["flaky_link", "bandwidth", "datagrams"].map(|tag| (tag, own_alone));
    assert_eq!(lacking, expected);
}

#[test]
fn amnesia_and_corruption_are_told_from_what_a_protocol_survives() {
    let those = |is_it: fn(&Fault) -> bool| -> Vec<&str> {
        let read = EVERY_KIND.iter().map(|json| round_trip(json).fault);
        read.filter(is_it).map(|fault| fault.kind().tag()).collect()
    };
    let corrupting = ["lost_write", "misdirected_write", "rot"];
    assert_eq!(those(Fault::corrupts), corrupting);
    assert_eq!(those(Fault::is_amnesia), [&corrupting[..], &["wipe", "restore"]].concat());
}

#[test]
fn values_that_cannot_be_are_named_with_what_was_expected() {
    for json in EVERY_KIND {
        assert_eq!(round_trip(json).fault.check(), Ok(()), "{json}");
    }
    for (fault, field, message) in [
        (r#""kind":"partition","sides":[["a"]]"#, "sides", "1 of them, expected two or more"),
        (r#""kind":"partition","sides":[["a"],[]]"#, "sides", "nobody, expected at least one host"),
        (
            r#""kind":"one_way","from":["a"],"to":["mark:m"]"#,
            "to",
            "`mark:m`, expected here, and the mark as the fault's `when`",
        ),
        (
            r#""kind":"isolate","who":"a","reset_on_heal":2"#,
            "reset_on_heal",
            "2, expected a probability from 0 to 1",
        ),
        (
            r#""kind":"restart","targets":[],"down_ms":1,"gap_ms":1"#,
            "targets",
            "nobody, expected at least one host",
        ),
        (
            r#""kind":"flaky_link","from":["a"],"to":["b"],"loss":-0.5"#,
            "loss",
            "-0.5, expected a probability from 0 to 1",
        ),
        (
            r#""kind":"bandwidth","from":["a"],"to":["b"],"bytes_per_s":0"#,
            "bytes_per_s",
            "0, expected 1 to 1000000000000",
        ),
        (r#""kind":"eio","target":"a","op":"sync","nth":0"#, "nth", "0, expected 1 to 1000000000"),
        (
            r#""kind":"rot","target":"a","file":"x","sectors":0"#,
            "sectors",
            "0, expected 1 to 1000000",
        ),
        (
            r#""kind":"clock_drift","target":"a","ppm":-1000000"#,
            "ppm",
            "-1000000, expected -900000 to 9000000",
        ),
        (
            r#""kind":"clock_jump","target":"a","by_ms":1,"every_ms":0"#,
            "every_ms",
            "0, expected 1 to 86400000",
        ),
    ] {
        assert_eq!(fault_of(fault).check(), Err((field, message.to_owned())), "{fault}");
    }
}

#[test]
fn every_target_is_shown_with_its_field_and_can_be_another() {
    let partition = fault_of(r#""kind":"partition","sides":[["a","leader"],["b","c"]]"#);
    let mut shown = Vec::new();
    partition.for_targets(&mut |field, target| shown.push((field, target.to_string())));
    let sides = ["a", "leader", "b", "c"].map(|name| ("sides", name.to_owned()));
    assert_eq!(shown, sides);
    assert_eq!((partition.target(), partition.with_target(&Target::Here)), (None, None));

    let without = |fault: &Fault, gone: &str| {
        let stays = |target: &Target| (target.to_string() != gone).then(|| target.clone());
        fault.map_targets(&mut { stays })
    };
    let smaller = fault_of(r#""kind":"partition","sides":[["leader"],["b","c"]]"#);
    assert_eq!(without(&partition, "a"), Some(smaller));
    let crash = fault_of(r#""kind":"crash","target":"a""#);
    assert_eq!(without(&crash, "a"), None, "nobody is left to crash");
    let one_way = fault_of(r#""kind":"one_way","from":["a"],"to":["b"]"#);
    assert_eq!(without(&one_way, "b"), None, "nobody is left to hear");

    for json in EVERY_KIND {
        let fault = round_trip(json).fault;
        let Some(target) = fault.target() else { continue };
        let other = Target::named("other");
        assert_ne!(*target, other);
        let moved = fault.with_target(&other).unwrap();
        assert_eq!((moved.kind(), moved.target()), (fault.kind(), Some(&other)), "{json}");
        assert_eq!(moved.with_target(target), Some(fault.clone()), "nothing else is changed");
    }
}

#[test]
fn milder_forms_are_shorter_smaller_or_strike_fewer() {
    let milder = |json: &str| -> Vec<String> {
        let forms = round_trip(json).milder();
        forms.iter().map(|form| serde_json::to_string(form).unwrap()).collect()
    };
    let eio = r#"{"at_ms":10,"until_ms":30,"kind":"eio","target":"a","op":"sync","nth":3}"#;
    let expected = [
        r#"{"at_ms":10,"until_ms":20,"kind":"eio","target":"a","op":"sync","nth":3}"#,
        r#"{"at_ms":10,"until_ms":30,"kind":"eio","target":"a","op":"sync","nth":1}"#,
    ];
    assert_eq!(milder(eio), expected);
    let ring = r#"{"at_ms":1,"kind":"one_way","from":["a","b"],"to":["c"],"reset_on_heal":0.5}"#;
    let expected = [
        r#"{"at_ms":1,"kind":"one_way","from":["b"],"to":["c"],"reset_on_heal":0.5}"#,
        r#"{"at_ms":1,"kind":"one_way","from":["a"],"to":["c"],"reset_on_heal":0.5}"#,
        r#"{"at_ms":1,"kind":"one_way","from":["a","b"],"to":["c"],"reset_on_heal":0.0}"#,
    ];
    assert_eq!(milder(ring), expected);
    let restart =
        r#"{"at_ms":1,"kind":"restart","targets":["a"],"down_ms":8,"gap_ms":1,"snap_count":50}"#;
    let expected = [
        r#"{"at_ms":1,"kind":"restart","targets":["a"],"down_ms":4,"gap_ms":1,"snap_count":50}"#,
        r#"{"at_ms":1,"kind":"restart","targets":["a"],"down_ms":8,"gap_ms":1,"snap_count":25}"#,
    ];
    assert_eq!(milder(restart), expected);
    let drift = r#"{"at_ms":1,"kind":"clock_drift","target":"a","ppm":-201,"of":"wall"}"#;
    let halved = r#"{"at_ms":1,"kind":"clock_drift","target":"a","ppm":-100,"of":"wall"}"#;
    assert_eq!(milder(drift), [halved]);
    assert_eq!(milder(r#"{"at_ms":1,"until_ms":2,"kind":"wipe","target":"a"}"#), [""; 0]);
}

#[test]
fn what_may_be_left_out_may() {
    let json = r#"{"at_ms":1,"kind":"partition","sides":[["a"],["b"]]}"#;
    let fault: TimedFault = serde_json::from_str(json).unwrap();
    assert_eq!(fault.until_ms, None);
    assert!(serde_json::from_str::<TimedFault>(r#"{"at_ms":1,"kind":"nonsense"}"#).is_err());
}

#[test]
fn a_target_that_only_looks_like_a_role_is_a_host() {
    let read = |text: &str| Target::from(text.to_owned());
    assert_eq!(read("follower:x"), Target::named("follower:x"));
    assert_eq!(read("follower:2"), Target::Nth("follower".to_owned(), 2));
    assert_eq!(read("learner+30"), Target::Since("learner".to_owned(), 30));
    assert_eq!(read("learner+"), Target::named("learner+"));
    assert_eq!(read(":2"), Target::named(":2"));
    assert_eq!(read("here"), Target::Here);
}
