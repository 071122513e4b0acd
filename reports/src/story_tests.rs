//! A small story: a partition, a lost write, a read that contradicts it.

use checker::ExplainLine;
use checker::znode::{ClientId, Cxid, Data, ErrorCode, Request, Response, SessionId, Stat};

use super::*;

const MS: u64 = 1_000_000;

fn operation(
    client: u32,
    times_ms: (u64, Option<u64>),
    request: Request,
    outcome: Outcome,
) -> ZOperation {
    ZOperation {
        client: ClientId(client),
        session: SessionId(7),
        cxid: Cxid(1),
        request,
        watch: false,
        invoke_ns: times_ms.0 * MS,
        complete_ns: times_ms.1.map(|ms| ms * MS),
        zxid: None,
        outcome,
        invoke_sequence: times_ms.0,
        sequence: times_ms.1.unwrap_or(0),
    }
}

fn get(value: &str) -> (Request, Outcome) {
    let (data, stat) = (Data::text(value), Stat { version: 3, ..Stat::default() });
    (Request::GetData { path: "/k".to_owned() }, Outcome::Ok(Response::Data { data, stat }))
}

fn set(value: &str) -> Request {
    Request::SetData { path: "/k".to_owned(), data: Data::text(value), version: -1 }
}

/// So many operations beside those of the contradiction, which is between 5.0 and 5.2 s.
pub(crate) fn history(others: u64) -> ZHistory {
    let ok = Outcome::Ok(Response::Set { stat: Stat::default() });
    let mut operations = vec![
        operation(1, (4_190, Some(6_011)), set("b<&>"), Outcome::Unknown),
        operation(3, (5_100, Some(5_109)), get("b<&>").0, get("b<&>").1),
        operation(2, (5_160, Some(5_171)), get("a").0, get("a").1),
        operation(2, (5_900, None), set("never"), Outcome::Unknown),
        operation(2, (5_901, Some(5_903)), set("c"), Outcome::Error(ErrorCode::BAD_VERSION)),
    ];
    for n in 0..others {
        let at_ms = 100 + n * 17;
        let client = 1 + (n % 3) as u32;
        operations.push(operation(
            client,
            (at_ms, Some(at_ms + 6)),
            set(&n.to_string()),
            ok.clone(),
        ));
    }
    operations.sort_by_key(|operation| operation.invoke_ns);
    ZHistory { operations, ..ZHistory::default() }
}

pub(crate) fn explanation() -> Explanation {
    let line = |client: &str, text: &str, times: (u64, Option<u64>), note: &str| ExplainLine {
        client: client.to_owned(),
        text: text.to_owned(),
        from_ns: Some(times.0 * MS),
        to_ns: times.1.map(|ms| ms * MS),
        note: note.to_owned(),
    };
    Explanation {
        property: "linearizability".to_owned(),
        headline: "/k: no order explains <these> operations".to_owned(),
        lines: vec![
            line("c1", "set /k \"b<&>\" → unknown", (4_190, Some(6_011)), "connection lost"),
            line("c3", "get /k → \"b<&>\" version 3", (5_100, Some(5_109)), "so it took effect"),
            line("c2", "get /k → \"a\" version 3", (5_160, Some(5_171)), "but this is older"),
            line("n2", "acknowledged 0x1", (5_150, Some(5_150)), "a server's part"),
        ],
        contradiction: Some(2),
    }
}

fn arrow(from: &str, to: &str, sent_ms: u64, delivered_ms: Option<u64>, label: &str) -> Arrow {
    let point = |ms: u64, late: u64| Point { at_ns: ms * MS, order: ms * 10 + late };
    Arrow {
        from: from.to_owned(),
        to: to.to_owned(),
        protocol: if from.starts_with('c') || to.starts_with('c') { "client" } else { "quorum" },
        sent: point(sent_ms, 1),
        delivered: delivered_ms.map(|ms| point(ms, 2)),
        label: label.to_owned(),
        detail: "a <detail>".to_owned(),
        is_ping: label == "PING",
    }
}

/// A write at 5.10 s that reaches one follower, is lost to the other, and pings; before it, so many
/// rounds of broadcast.
fn arrows(rounds: u64) -> Vec<Arrow> {
    let mut arrows = Vec::new();
    for n in 0..rounds {
        let at_ms = 4_200 + n * 7;
        let zxid = format!("PROPOSAL 0x{n:x}");
        arrows.push(arrow("n1", "n2", at_ms, Some(at_ms + 2), &zxid));
        arrows.push(arrow("n1", "n3", at_ms, Some(at_ms + 1), &zxid));
        arrows.push(arrow("n2", "n1", at_ms + 2, Some(at_ms + 3), &format!("ACK 0x{n:x}")));
    }
    arrows.push(arrow("c3", "n1", 5_100, Some(5_102), "get /k"));
    arrows.push(arrow("n1", "n2", 5_102, Some(5_104), "PROPOSAL 0x99"));
    arrows.push(arrow("n1", "n3", 5_102, None, "PROPOSAL 0x99"));
    arrows.push(arrow("n1", "n3", 5_103, Some(5_104), "PING"));
    arrows.push(arrow("n2", "n1", 5_104, Some(5_106), "ACK 0x99"));
    arrows.push(arrow("n1", "c3", 5_107, Some(5_109), "reply"));
    arrows.push(arrow("c2", "n3", 5_160, Some(5_165), "get /k"));
    arrows.push(arrow("n3", "c2", 5_166, Some(5_171), "reply"));
    arrows.push(arrow("n1", "n2", 5_500, Some(5_502), "PROPOSAL after"));
    arrows
}

/// The story; `others` as in [`history`].
pub(crate) fn story<'a>(history: &'a ZHistory, explanation: &'a Explanation) -> Story<'a> {
    let hosts = ["n1", "n2", "n3", "c1", "c2", "c3"].map(str::to_owned);
    let step = |host: &str, at_ms: u64, text: &str, is_turn| Step {
        host: host.to_owned(),
        at: Point { at_ns: at_ms * MS, order: at_ms * 10 + 5 },
        text: text.to_owned(),
        is_turn,
    };
    let span = |host: &str, state, text: &str, from_ms: u64, to_ms: u64| HostSpan {
        host: host.to_owned(),
        state,
        text: text.to_owned(),
        from_ns: from_ms * MS,
        to_ns: to_ms * MS,
    };
    Story {
        title: "keeper/register, seed <7>".to_owned(),
        hosts: hosts.into(),
        servers: 3,
        history,
        faults: vec![
            Span::new("partition", "n1 n3", 5_090 * MS, Some(5_140 * MS)),
            Span::new("slow_disk", "n2", 2_000 * MS, None),
            Span::new("crash", "n3", 1_000 * MS, Some(1_500 * MS)),
        ],
        leaders: vec![Moment { at_ns: 80 * MS, what: "leader n1 (epoch 1)".to_owned() }],
        contradiction: Some(Contradiction { explanation, at_ns: 5_171 * MS }),
        arrows: arrows(30),
        steps: vec![
            step("n1", 80, "leads epoch 1", true),
            step("n1", 5_102, "proposes 0x99", false),
            step("n3", 5_120, "looks for a leader", true),
        ],
        spans: vec![
            span("n1", HostState::Leading, "leading, epoch 1", 80, 30_000),
            span("n2", HostState::Following, "following, epoch 1", 90, 30_000),
            span("n3", HostState::Following, "following, epoch 1", 90, 5_120),
            span("n3", HostState::Looking, "looking", 5_120, 30_000),
            span("n3", HostState::Down, "killed", 1_000, 1_500),
            span("n3", HostState::Cut, "cut off from n1", 5_090, 5_140),
            span("n1", HostState::Cut, "cut off from n3", 5_090, 5_140),
        ],
        end_ns: 30_000 * MS,
    }
}

/// Markup as a tree; fails if it is not well-formed.
pub(crate) fn parsed(text: &str) -> roxmltree::Document<'_> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    roxmltree::Document::parse_with_options(text, options).unwrap()
}

#[test]
fn lines_of_the_explanation_find_their_operations() {
    let (history, explanation) = (history(20), explanation());
    let story = story(&history, &explanation);
    let found: Vec<usize> = history.operations.iter().filter_map(|o| story.line_of(o)).collect();
    assert_eq!(found, [0, 1, 2]);
    assert!(story.is_contradiction(2) && !story.is_contradiction(1));
}

#[test]
fn lanes_keep_what_overlaps_apart() {
    assert_eq!(lanes([(0, 10), (2, 4), (3, 8), (4, 5), (10, 11)]), [0, 1, 2, 1, 0]);
    assert_eq!(shortened("abcdef", 6), "abcdef");
    assert_eq!(shortened("ä→cdefg", 6), "ä→cde…");
}

#[test]
fn all_diagrams_are_written_into_the_folder() {
    let root = tempfile::tempdir().unwrap();
    let output = OutputFolder::create(root.path(), "a").unwrap();
    let (history, explanation) = (history(20), explanation());
    story(&history, &explanation).write(&output, "failures/f").unwrap();
    for name in ["timeline.html", "messages.svg", "trace.perfetto.json", "shiviz.log"] {
        let path = output.path().join("failures/f").join(name);
        assert!(std::fs::metadata(path).unwrap().len() > 500, "{name}");
    }
}
