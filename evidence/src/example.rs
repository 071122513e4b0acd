//! A small replicated store as an example of everything in this crate: for the tests of whoever
//! draws or reads evidence, and to see in one place how the parts fit together.
//!
//! Its hosts are `n1` to `n3`, one of them the primary, and the clients `c1` to `c3`.

use crate::coverage::MarkHits;
use crate::fault::{Families, FaultWindow};
use crate::figure::FigureDeclaration;
use crate::history::{History, HistoryFiles, Operation, OutcomeClass};
use crate::message::{Commands, FailureMessage, Moment};
use crate::picture::{ClockTrack, Gap, OperationPoint, RunPicture};
use crate::run_line::{RunLine, RunVerdict};
use crate::story::{
    Arrow, Contradiction, Durable, Host, HostSpan, Logged, Point, Step, Story, Tone,
};
use crate::summary::{
    Canary, DistinctFailure, Environment, MarkFigures, SCHEMA_VERSION, SmallerPlan, Summary,
    UndecidedRun,
};
use crate::utilization::Utilization;
use crate::verdict::{ExplainLine, Explanation};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// What the store counts and measures.
pub fn figures() -> Vec<FigureDeclaration> {
    let about = "from the end of a primary to the next one that serves";
    vec![
        FigureDeclaration::count("role-changes", "role changes").required(),
        FigureDeclaration::count("full-copies", "full copies").required(),
        FigureDeclaration::samples_ms("failovers", "failovers", about),
    ]
}

/// The families of its faults.
pub fn families() -> Families {
    let of = [
        ("partition", "network"),
        ("crash", "process"),
        ("pause", "process"),
        ("fsync_fail", "disk"),
        ("slow_disk", "disk"),
        ("clock_offset", "clock"),
    ];
    of.into_iter().collect()
}

/// A run that passed.
pub fn run_line() -> RunLine {
    let hits = |name: &str, hits, letters: &str| (name.to_owned(), MarkHits(hits, letters.into()));
    RunLine {
        build: "0.1.0+4f2c1de".to_owned(),
        system: "store".to_owned(),
        scenario: "store/register".to_owned(),
        seed: 1234,
        position: Some(3),
        verdict: RunVerdict::Pass,
        wall_ms: 41,
        sim_ms: 31_000,
        operations: 800,
        acknowledged: 700,
        refused: 70,
        unknown: 30,
        events: 18_233,
        trace_hash: "00ff".to_owned(),
        faults: [("crash".to_owned(), 2), ("partition".to_owned(), 1)].into(),
        figures: [("role-changes".to_owned(), 3), ("full-copies".to_owned(), 2)].into(),
        samples: [("failovers".to_owned(), vec![0, 210])].into(),
        checked: vec!["linearizability".to_owned(), "no panic".to_owned()],
        unavailable_ms: vec![(4_000, 650)],
        healed_after_ms: Some(900),
        latencies_us: [3_000_000, 3_100_000, 90_000_000].into_iter().collect(),
        marks: [hits("primary-writes", 800, "npd-"), hits("replica-truncates", 2, "p")].into(),
        ..RunLine::default()
    }
}

/// A campaign of four runs: one passed, two failed alike, one is undecided.
pub fn summary() -> Summary {
    let run = run_line();
    let mut utilization = Utilization { wall_ms: 245_000, ..Utilization::default() };
    for verdict in [RunVerdict::Pass, RunVerdict::Fail, RunVerdict::Fail, RunVerdict::Undecided] {
        utilization.add(&RunLine { verdict, ..run.clone() }, &figures());
    }
    Summary {
        schema_version: SCHEMA_VERSION,
        environment: Environment {
            build: run.build,
            command: vec!["squall".to_owned(), "fuzz".to_owned()],
            seed: 7,
            scenarios: vec![run.scenario.clone()],
            jobs: 2,
            started: "2026-11-20T16:42:07Z".to_owned(),
            ..Environment::default()
        },
        utilization,
        figures: figures(),
        families: families(),
        failures: vec![DistinctFailure {
            fingerprint: "12ab".to_owned(),
            scenario: run.scenario.clone(),
            property: "linearizability".to_owned(),
            headline: "/k7: no order explains | these".to_owned(),
            seed: 1234,
            count: 2,
            folder: "failures/12ab".to_owned(),
            smaller: Some(SmallerPlan {
                plan: "failures/12ab/plan.min.json".to_owned(),
                change: "ops 412 -> 7, faults 9 -> 2".to_owned(),
                operations: 7,
                faults: 2,
                runs: 61,
                complete: true,
            }),
        }],
        undecided: vec![UndecidedRun {
            scenario: run.scenario.clone(),
            seed: 5,
            reason: "nothing was checked".to_owned(),
            plan: "undecided/store-register-5.json".to_owned(),
        }],
        canary: Some(Canary {
            found: true,
            scenario: run.scenario,
            seed: 1,
            plant: Some("ack-before-fsync".to_owned()),
            property: Some("acknowledged is durable".to_owned()),
        }),
        marks: Some(MarkFigures {
            declared: 3,
            reached: 2,
            not_reached: vec!["client-moves".to_owned()],
        }),
        shards: Vec::new(),
        doubts: Vec::new(),
        interrupted: false,
        unfinished: false,
        exit_code: 1,
    }
}

fn line(client: &str, text: &str, times_ms: (u64, u64), note: &str) -> ExplainLine {
    ExplainLine {
        client: client.to_owned(),
        text: text.to_owned(),
        from_ns: Some(times_ms.0 * MS),
        to_ns: Some(times_ms.1 * MS),
        note: note.to_owned(),
    }
}

/// A failure as it is told.
pub fn message() -> FailureMessage {
    let role = |at_ns, what: &str| Moment { at_ns, what: what.to_owned() };
    FailureMessage {
        scenario: "store/register".to_owned(),
        plant: None,
        seed: 1234,
        build: "0.1.0+4f2c1de".to_owned(),
        fingerprint: "12ab".to_owned(),
        at_ns: Some(5_811 * MS),
        explanation: Explanation {
            property: "linearizability".to_owned(),
            headline: "/k7: no order explains these operations".to_owned(),
            lines: vec![
                line("c3", "get /k7 → \"b\"", (5_700, 5_709), "so the set took effect"),
                line("c2", "get /k7 → \"a\"", (5_802, 5_811), "but this read is later"),
            ],
            contradiction: Some(1),
        },
        faults: vec![
            FaultWindow::new("crash", "n3", SECOND, Some(2 * SECOND)),
            FaultWindow::new("partition", "{n1 | n2 n3}", 4 * SECOND, None),
            FaultWindow::new("pause", "n2", 20 * SECOND, Some(21 * SECOND)),
        ],
        roles: vec![
            role(SECOND, "primary n3 (term 1)"),
            role(3 * SECOND, "primary n3 → n1 (term 2)"),
            role(5_705 * MS, "primary n1 → n2 (term 3)"),
            role(9 * SECOND, "primary n2 → n1 (term 4)"),
        ],
        also: vec!["agreement".to_owned()],
        runs: 3,
        commands: Commands {
            replay: Some("squall replay out/latest-failure/plan.json".to_owned()),
            shrink: Some("squall shrink out/latest-failure/plan.json".to_owned()),
            smaller: None,
            read: Some("out/latest-failure/explanation.txt".to_owned()),
        },
    }
}

/// Twenty seconds of three clients.
pub fn picture() -> RunPicture {
    use OutcomeClass::{Ok, Refused, Unknown};
    let kinds = ["create", "get", "set"];
    let outcomes = [Ok, Ok, Ok, Refused, Unknown];
    let operations = (0..200u64).map(|index| {
        let invoke_ns = index * SECOND / 10;
        let is_lost = index % 50 == 49;
        OperationPoint {
            client: 1 + index as u32 % 3,
            kind: kinds[index as usize % 3].to_owned(),
            invoke_ns,
            complete_ns: (!is_lost).then_some(invoke_ns + (1 + index % 40) * MS),
            outcome: if is_lost { Unknown } else { outcomes[index as usize % 5] },
        }
    });
    let track = |host: &str, points: &[(u64, i64)]| {
        let points = points.iter().map(|(second, ms)| (second * SECOND, *ms)).collect();
        ClockTrack { host: host.to_owned(), points }
    };
    RunPicture {
        scenario: "store/register".to_owned(),
        seed: 7,
        kinds: ["get", "set", "create"].map(str::to_owned).to_vec(),
        operations: operations.collect(),
        faults: vec![
            FaultWindow::new("partition", "n1", 2 * SECOND, Some(5 * SECOND)),
            FaultWindow::new("crash", "n2", 4 * SECOND, Some(6 * SECOND)),
            FaultWindow::new("clock_offset", "n3", 7 * SECOND, Some(9 * SECOND)),
            FaultWindow::new("fsync_fail", "n1", 8 * SECOND, Some(8 * SECOND)),
            FaultWindow::new("pause", "n5", 12 * SECOND, None),
        ],
        families: families(),
        roles: vec![
            Moment { at_ns: SECOND / 2, what: "primary n1 (term 1)".to_owned() },
            Moment { at_ns: 3 * SECOND, what: "primary n1 → n4 (term 2)".to_owned() },
        ],
        clocks: vec![
            track("n1", &[(0, 0), (20, 0)]),
            track("n3", &[(0, 0), (7, 0), (7, -4_000), (9, -4_000), (9, 0), (20, 0)]),
        ],
        unavailable: vec![Gap { from_ns: 2 * SECOND, to_ns: 3 * SECOND + SECOND / 2 }],
        chaos_end_ns: 15 * SECOND,
        end_ns: 20 * SECOND,
    }
}

fn operation(
    client: u32,
    times_ms: (u64, Option<u64>),
    asked: &str,
    answered: &str,
    outcome: OutcomeClass,
) -> Operation {
    let kind = asked.split(' ').next().unwrap_or_default().to_owned();
    Operation {
        client,
        client_name: format!("c{client}"),
        session: Some("session 0x7".to_owned()),
        is_change: kind != "get",
        kind,
        asked: asked.to_owned(),
        asked_detail: String::new(),
        answered: answered.to_owned(),
        invoke_ns: times_ms.0 * MS,
        complete_ns: times_ms.1.map(|ms| ms * MS),
        outcome,
        position: None,
    }
}

/// A read that contradicts an earlier one between 5.0 and 5.2 s, and so many other operations.
pub fn history(others: u64) -> History {
    use OutcomeClass::{Ok, Refused, Unknown};
    let mut operations = vec![
        operation(1, (4_190, Some(6_011)), "set /k \"b<&>\"", "unknown", Unknown),
        operation(3, (5_100, Some(5_109)), "get /k", "\"b<&>\" version 3", Ok),
        operation(2, (5_160, Some(5_171)), "get /k", "\"a\" version 3", Ok),
        operation(2, (5_900, None), "set /k \"never\"", "unknown", Unknown),
        operation(2, (5_901, Some(5_903)), "set /k \"c\"", "wrong version", Refused),
    ];
    for n in 0..others {
        let (at_ms, client) = (100 + n * 17, 1 + (n % 3) as u32);
        let times_ms = (at_ms, Some(at_ms + 6));
        operations.push(operation(client, times_ms, &format!("set /k \"{n}\""), "version 0", Ok));
    }
    operations.sort_by_key(|operation| operation.invoke_ns);
    let files = HistoryFiles {
        json_lines: "{}\n".to_owned(),
        edn: "{}\n".to_owned(),
        text: "nothing\n".to_owned(),
    };
    History { operations, notes: Vec::new(), files }
}

/// What is wrong with [`history`].
pub fn explanation() -> Explanation {
    Explanation {
        property: "linearizability".to_owned(),
        headline: "/k: no order explains <these> operations".to_owned(),
        lines: vec![
            line("c1", "set /k \"b<&>\" → unknown", (4_190, 6_011), "connection lost"),
            line("c3", "get /k → \"b<&>\" version 3", (5_100, 5_109), "so it took effect"),
            line("c2", "get /k → \"a\" version 3", (5_160, 5_171), "but this is older"),
            line("n2", "acknowledged 0x1", (5_150, 5_150), "a server's part"),
        ],
        contradiction: Some(2),
    }
}

fn arrow(from: &str, to: &str, sent_ms: u64, delivered_ms: Option<u64>, label: &str) -> Arrow {
    let point = |ms: u64, late: u64| Point { at_ns: ms * MS, order: ms * 10 + late };
    let is_client = from.starts_with('c') || to.starts_with('c');
    Arrow {
        from: from.to_owned(),
        to: to.to_owned(),
        protocol: if is_client { "client" } else { "replication" }.to_owned(),
        sent: point(sent_ms, 1),
        delivered: delivered_ms.map(|ms| point(ms, 2)),
        label: label.to_owned(),
        detail: "a <detail>".to_owned(),
        is_ping: label == "PING",
    }
}

/// A write at 5.10 s that reaches one replica, is lost to the other, and pings; before it, so many
/// rounds of replication.
fn arrows(rounds: u64) -> Vec<Arrow> {
    let mut arrows = Vec::new();
    for n in 0..rounds {
        let at_ms = 4_200 + n * 7;
        let label = format!("PROPOSAL 0x{n:x}");
        arrows.push(arrow("n1", "n2", at_ms, Some(at_ms + 2), &label));
        arrows.push(arrow("n1", "n3", at_ms, Some(at_ms + 1), &label));
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

/// The story of [`history`]: a partition, a lost write, and a read that contradicts it.
pub fn story(history: History, explanation: Explanation) -> Story {
    let host = |name: &str| {
        let is_client = name.starts_with('c');
        let group = if is_client { "clients" } else { "servers" }.to_owned();
        Host { name: name.to_owned(), group, is_client }
    };
    let step = |host: &str, at_ms: u64, text: &str, is_turn| Step {
        host: host.to_owned(),
        at: Point { at_ns: at_ms * MS, order: at_ms * 10 + 5 },
        text: text.to_owned(),
        is_turn,
    };
    let span = |host: &str, tone, text: &str, from_ms: u64, to_ms: u64| HostSpan {
        host: host.to_owned(),
        tone,
        text: text.to_owned(),
        from_ns: from_ms * MS,
        to_ns: to_ms * MS,
    };
    let durable = |host: &str, at_ms: u64, text: &str| Durable {
        host: host.to_owned(),
        at_ns: at_ms * MS,
        text: text.to_owned(),
    };
    let logged = |host: &str, at_ms: u64, level: &str, text: &str| Logged {
        host: host.to_owned(),
        at_ns: at_ms * MS,
        level: level.to_owned(),
        target: "store::node".to_owned(),
        text: text.to_owned(),
    };
    Story {
        title: "store/register, seed <7>".to_owned(),
        hosts: ["n1", "n2", "n3", "c1", "c2", "c3"].map(host).to_vec(),
        history,
        faults: vec![
            FaultWindow::new("partition", "n1 n3", 5_090 * MS, Some(5_140 * MS)),
            FaultWindow::new("slow_disk", "n2", 2_000 * MS, None),
            FaultWindow::new("crash", "n3", 1_000 * MS, Some(1_500 * MS)),
        ],
        families: families(),
        roles: vec![Moment { at_ns: 80 * MS, what: "primary n1 (term 1)".to_owned() }],
        contradiction: Some(Contradiction { explanation, at_ns: 5_171 * MS }),
        arrows: arrows(30),
        steps: vec![
            step("n1", 80, "leads term 1", true),
            step("n1", 5_102, "proposes 0x99", false),
            step("n3", 5_120, "looks for a primary", true),
        ],
        spans: vec![
            span("n1", Tone::Primary, "primary, term 1", 80, 30_000),
            span("n2", Tone::Secondary, "replica, term 1", 90, 30_000),
            span("n3", Tone::Secondary, "replica, term 1", 90, 5_120),
            span("n3", Tone::Unsettled, "looking", 5_120, 30_000),
            span("n3", Tone::Down, "killed", 1_000, 1_500),
            span("n3", Tone::Cut, "cut off from n1", 5_090, 5_140),
            span("n1", Tone::Cut, "cut off from n3", 5_090, 5_140),
        ],
        durable: vec![
            durable("n1", 80, "0x0"),
            durable("n2", 5_103, "0x98"),
            durable("n2", 5_140, "0x99"),
            durable("n3", 5_000, "0x98"),
        ],
        log: vec![
            logged("n1", 80, "INFO", "leads term 1"),
            logged("c2", 5_101, "DEBUG", "connecting to n3"),
            logged("n3", 5_120, "WARN", "the primary <n1> is silent: term=1"),
            logged("n1", 5_600, "INFO", "after it all"),
        ],
        tones: [(Tone::Secondary, "replica".to_owned())].into(),
        end_ns: 30 * SECOND,
    }
}
