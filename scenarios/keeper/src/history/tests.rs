//! The three files of one small history.

use checker::history::pair;

use crate::znode::{
    CreateMode, Cxid, Data, ErrorCode, SessionEvent, SessionId, Stat, WatchEvent, WatchEventKind,
    Zxid,
};

use super::*;

fn operation(
    client: u32,
    times: (u64, Option<u64>),
    request: Request,
    outcome: Outcome,
) -> ZOperation {
    ZOperation {
        client: ClientId(client),
        session: SessionId(16 + i64::from(client)),
        cxid: Cxid(1),
        request,
        watch: false,
        invoke_ns: times.0,
        complete_ns: times.1,
        zxid: (!matches!(outcome, Outcome::Unknown)).then_some(Zxid(0x1_0000_0001)),
        outcome,
        invoke_sequence: times.0,
        sequence: times.1.unwrap_or(0),
    }
}

/// One client that loses an answer and goes on, and another with two requests in flight.
fn history() -> ZHistory {
    let get = |path: &str| Request::GetData { path: path.to_owned() };
    let data = Outcome::Ok(Response::Data {
        data: Data::text("x"),
        stat: Stat { version: 3, ..Stat::default() },
    });
    let create = Request::Create {
        path: "/k".to_owned(),
        data: Data::text("x"),
        mode: CreateMode::Ephemeral,
    };
    ZHistory {
        operations: vec![
            operation(1, (1_000, Some(5_000)), create, Outcome::Unknown),
            operation(1, (6_000, Some(7_000)), get("/k"), data.clone()),
            operation(2, (2_000, Some(4_000)), get("/k"), Outcome::Error(ErrorCode::NO_NODE)),
            operation(2, (3_000, Some(5_000)), get("/k"), data),
            operation(2, (8_000, None), get("/k"), Outcome::Unknown),
        ],
        sessions: vec![SessionEvent {
            client: ClientId(1),
            session: SessionId(17),
            kind: SessionEventKind::Created { timeout_ms: 4_000 },
            server: Some("n1".to_owned()),
            at_ns: 500,
            sequence: 0,
        }],
        watches: vec![WatchEvent {
            client: ClientId(2),
            session: SessionId(18),
            kind: WatchEventKind::NodeCreated,
            path: "/k".to_owned(),
            zxid: None,
            at_ns: 4_500,
            sequence: 4_500,
        }],
        ..ZHistory::default()
    }
}

fn files() -> HistoryFiles {
    evidence(&history(), &[FaultWindow::new("crash", "n3", 100, Some(9_000))]).files
}

#[test]
fn the_table_reads_from_top_to_bottom() {
    let lines: Vec<String> = files()
        .text
        .lines()
        .map(|line| line.split_whitespace().skip(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        lines,
        [
            "nemesis info start-crash \"n3\"",
            "c1-session info session-created 4000 server=\"n1\" session=\"0x11\"",
            "1 invoke create create /k \"x\" ephemeral session=\"0x11\"",
            "2 invoke get get /k session=\"0x12\"",
            "5 invoke get get /k session=\"0x12\"",
            "2 fail get get /k error=\"NoNode\" zxid=\"0x100000001\"",
            "c2-watch info NodeCreated \"/k\" session=\"0x12\"",
            "1 info create create /k \"x\" ephemeral error=\"unknown\"",
            "5 ok get \"x\" version 3 zxid=\"0x100000001\"",
            "4 invoke get get /k session=\"0x11\"",
            "4 ok get \"x\" version 3 zxid=\"0x100000001\"",
            "2 invoke get get /k session=\"0x12\"",
            "nemesis info stop-crash \"n3\"",
        ]
    );
}

#[test]
fn the_edn_is_a_history_in_jepsens_sense() {
    let edn = files().edn;
    let events = checker::format::read(edn.as_bytes()).unwrap().events;
    assert_eq!(events.len(), 14);
    assert_eq!(pair(&events).unwrap().len(), 5);
    assert!(edn.contains(":f :create, :value {:"), "{edn}");
    assert!(edn.contains(":path \"/k\""), "{edn}");
    assert!(edn.contains(":process :nemesis"), "{edn}");
}

#[test]
fn the_edn_is_judged_as_the_json_lines_are() {
    let mut written = history();
    written.claims.sync_is_barrier = true;
    written.operations[1].watch = true;
    let edn = evidence(&written, &[FaultWindow::new("crash", "n3", 100, Some(9_000))]).files.edn;
    assert!(is_ours(edn.as_bytes()), "{edn}");
    let read = from_edn(edn.as_bytes()).unwrap();
    let bare = |mut history: ZHistory| {
        for operation in &mut history.operations {
            (operation.invoke_sequence, operation.sequence) = (0, 0);
        }
        history.sessions.iter_mut().for_each(|event| event.sequence = 0);
        history.watches.iter_mut().for_each(|event| event.sequence = 0);
        history.operations.sort_by_key(|operation| (operation.invoke_ns, operation.client));
        history
    };
    assert_eq!(bare(read), bare(written));
    let first = |line: &str| edn.replacen(line, "", 1);
    assert!(!is_ours(first(":process :squall").as_bytes()));
    let torn = from_edn(first(":xid 1").as_bytes()).unwrap_err();
    assert!(torn.starts_with("line ") && torn.contains("no :xid"), "{torn}");
}

#[test]
fn every_answer_is_read_again() {
    let stat = Stat { version: 3, mzxid: Zxid(u64::MAX), ..Stat::default() };
    let path = "/k".to_owned();
    let create = Request::Create {
        path: path.clone(),
        data: Data(vec![0xff, 0]),
        mode: CreateMode::EphemeralSequential,
    };
    let ops = vec![crate::znode::MultiOp::Check { path: path.clone(), version: -1 }];
    let results = vec![crate::znode::MultiResult::Checked];
    let answered = [
        (create, Response::Created { path: path.clone(), stat: Some(stat) }),
        (Request::Delete { path: path.clone(), version: 2 }, Response::Deleted),
        (Request::Exists { path: path.clone() }, Response::Exists { stat }),
        (
            Request::GetChildren2 { path: path.clone() },
            Response::Children { children: vec!["a".into()], stat },
        ),
        (Request::Multi { ops }, Response::Multi { results }),
        (Request::Sync { path }, Response::Synced),
    ];
    let operations: Vec<ZOperation> = (1_u64..)
        .zip(answered)
        .map(|(turn, (request, response))| {
            operation(1, (turn * 10, Some(turn * 10 + 5)), request, Outcome::Ok(response))
        })
        .collect();
    let written = ZHistory { operations, ..ZHistory::default() };
    let read = from_edn(evidence(&written, &[]).files.edn.as_bytes()).unwrap();
    let outcomes = |history: &ZHistory| -> Vec<(Request, Outcome)> {
        history.operations.iter().map(|o| (o.request.clone(), o.outcome.clone())).collect()
    };
    assert_eq!(outcomes(&read), outcomes(&written));
}

#[test]
fn the_json_lines_lose_nothing() {
    assert_eq!(ZHistory::from_json_lines(&files().json_lines), Ok(history()));
}

#[test]
fn operations_keep_what_diagrams_tell() {
    let evidence = evidence(&history(), &[]);
    let asked: Vec<String> = evidence.operations.iter().map(Operation::text).collect();
    assert_eq!(asked[0], "create /k \"x\" ephemeral → unknown");
    assert_eq!(asked[2], "get /k → NoNode");
    let refused = &evidence.operations[2];
    assert_eq!((refused.kind.as_str(), refused.outcome), ("get", OutcomeClass::Refused));
    assert_eq!(refused.session.as_deref(), Some("session 0x12"));
    assert_eq!(refused.position.as_deref(), Some("zxid 0x100000001"));
    assert!(evidence.operations[0].is_change && !refused.is_change);
    assert!(evidence.operations.iter().all(|operation| KINDS.contains(&operation.kind.as_str())));
    let notes: Vec<&str> = evidence.notes.iter().map(|note| note.text.as_str()).collect();
    assert_eq!(notes, ["session-created 0x11 at n1", "NodeCreated /k"]);
}

#[test]
fn lines_of_explanations_begin_with_what_was_asked() {
    let history = history();
    for (operation, told) in history.operations.iter().zip(evidence(&history, &[]).operations) {
        let line = crate::znode::operation_line(operation);
        assert!(line.text.starts_with(&told.asked), "{line:?}");
        assert_eq!(line.client, told.client_name);
    }
}
