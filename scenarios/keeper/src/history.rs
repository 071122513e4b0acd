//! A ZooKeeper history as files: JSON lines that lose nothing, EDN that Jepsen's tools read, and a
//! table for people.
//!
//! Jepsen's processes do one thing at a time and end with an operation whose outcome is unknown
//! (Jepsen, `jepsen.generator`), so a client appears under several numbers: its own, and after each
//! such operation, or beside one in flight, a new one that is the same modulo the clients' number.

mod read;

use std::collections::BTreeMap;

use checker::format::{write_edn, write_text};
use checker::history::{Event, EventKind, Process, Value};
use evidence::{FaultWindow, History, HistoryFiles, Note, Operation, OutcomeClass};

use crate::znode::{
    ClientId, MultiResult, Outcome, Request, Response, SessionEventKind, ZHistory, ZOperation,
};

pub use read::{from_edn, is_ours};

/// The process of what the recorder itself says, and the first of that: what the system claims.
const RECORDER: &str = "squall";
const CLAIMS: &str = "claims";

/// Kinds of operations, in the order of legends.
pub const KINDS: [&str; 8] =
    ["get", "set", "create", "delete", "exists", "children", "multi", "sync"];

/// The history as evidence, with its files; `faults` stand in two of them too.
pub fn evidence(history: &ZHistory, faults: &[FaultWindow]) -> History {
    let sessions = history.sessions.iter().map(|event| {
        let server = event.server.as_ref().map_or(String::new(), |name| format!(" at {name}"));
        let (what, _) = session_words(&event.kind);
        let text = format!("{what} {}{server}", event.session);
        Note { client: event.client.to_string(), at_ns: event.at_ns, text }
    });
    let watches = history.watches.iter().map(|event| {
        let text = format!("{:?} {}", event.kind, event.path);
        Note { client: event.client.to_string(), at_ns: event.at_ns, text }
    });
    let mut notes: Vec<Note> = sessions.chain(watches).collect();
    notes.sort_by_key(|note| note.at_ns);
    History {
        operations: history.operations.iter().map(operation_evidence).collect(),
        notes,
        files: files(history, faults),
    }
}

fn operation_evidence(operation: &ZOperation) -> Operation {
    let watch = if operation.watch { ", with a watch" } else { "" };
    Operation {
        client: operation.client.0,
        client_name: operation.client.to_string(),
        session: Some(format!("session {}", operation.session)),
        kind: function(&operation.request).to_owned(),
        asked: operation.request.to_string(),
        asked_detail: format!("xid {}{watch}", operation.cxid.0),
        answered: match &operation.outcome {
            Outcome::Ok(response) => answer(response),
            Outcome::Error(code) => code.to_string(),
            Outcome::Unknown => "unknown".to_owned(),
        },
        invoke_ns: operation.invoke_ns,
        complete_ns: operation.complete_ns,
        outcome: match &operation.outcome {
            Outcome::Ok(_) => OutcomeClass::Ok,
            Outcome::Error(_) => OutcomeClass::Refused,
            Outcome::Unknown => OutcomeClass::Unknown,
        },
        is_change: operation.request.is_write(),
        position: operation.zxid.map(|zxid| format!("zxid {zxid}")),
    }
}

/// The files of a history and of the faults beside it.
fn files(history: &ZHistory, faults: &[FaultWindow]) -> HistoryFiles {
    HistoryFiles {
        json_lines: history.to_json_lines(),
        edn: write_edn(&events(history, faults, Style::Data)),
        text: write_text(&events(history, faults, Style::Words)),
    }
}

/// How requests and answers are written.
#[derive(Clone, Copy)]
enum Style {
    /// As maps.
    Data,
    /// As a person would say them.
    Words,
}

/// An event before it has its place: time, client and the client's own order decide.
type Unplaced = (u64, u32, u64, Event);

fn events(history: &ZHistory, faults: &[FaultWindow], style: Style) -> Vec<Event> {
    let mut unplaced = Vec::with_capacity(history.operations.len() * 2);
    if let Style::Data = style {
        let claims = serde_json::to_value(&history.claims).expect("claims are plain data");
        let (process, claims) = (Process::Named(RECORDER.to_owned()), keywords(claims.into()));
        unplaced.push((0, 0, 0, event(process, EventKind::Info, CLAIMS, claims)));
    }
    operation_events(&history.operations, style, &mut unplaced);
    for session in &history.sessions {
        let (f, value) = session_words(&session.kind);
        let mut event = event(named(session.client, "session"), EventKind::Info, f, value);
        event.extra.insert("session".to_owned(), Value::Text(session.session.to_string()));
        if let Some(server) = &session.server {
            event.extra.insert("server".to_owned(), Value::Text(server.clone()));
        }
        unplaced.push((session.at_ns, session.client.0, session.sequence, event));
    }
    for watch in &history.watches {
        let value = Value::Text(watch.path.clone());
        let mut event = event(
            named(watch.client, "watch"),
            EventKind::Info,
            format!("{:?}", watch.kind),
            value,
        );
        event.extra.insert("session".to_owned(), Value::Text(watch.session.to_string()));
        if let Some(zxid) = watch.zxid {
            event.extra.insert("zxid".to_owned(), Value::Text(zxid.to_string()));
        }
        unplaced.push((watch.at_ns, watch.client.0, watch.sequence, event));
    }
    for fault in faults {
        let ends = [Some((fault.from_ns, "start")), fault.to_ns.map(|to_ns| (to_ns, "stop"))];
        for (at_ns, what) in ends.into_iter().flatten() {
            let process = Process::Named("nemesis".to_owned());
            let f = format!("{what}-{}", fault.kind);
            let value = Value::Text(fault.what.clone());
            unplaced.push((at_ns, 0, 0, event(process, EventKind::Info, f, value)));
        }
    }
    unplaced.sort_by_key(|(at_ns, client, sequence, _)| (*at_ns, *client, *sequence));
    let placed = (0..).zip(unplaced).map(|(index, (at_ns, _, _, event))| Event {
        index,
        time_ns: Some(at_ns),
        ..event
    });
    placed.collect()
}

/// Invocations and completions, with a process for each.
fn operation_events(operations: &[ZOperation], style: Style, out: &mut Vec<Unplaced>) {
    let stride = operations.iter().map(|operation| operation.client.0).max().unwrap_or(0) + 1;
    let mut order: Vec<&ZOperation> = operations.iter().collect();
    order.sort_by_key(|operation| {
        (operation.invoke_ns, operation.client, operation.invoke_sequence)
    });
    // For each client, when each of its processes is free again: never after an unknown outcome.
    let mut free_from: BTreeMap<ClientId, Vec<Option<(u64, u64)>>> = BTreeMap::new();
    for operation in order {
        let processes = free_from.entry(operation.client).or_default();
        let now = (operation.invoke_ns, operation.invoke_sequence);
        let is_free = |free: &Option<(u64, u64)>| free.is_some_and(|from| from <= now);
        let chosen = processes.iter().position(is_free).unwrap_or(processes.len());
        let end = operation.complete_ns.filter(|_| operation.is_known());
        let free = end.map(|at_ns| (at_ns, operation.sequence));
        match processes.get_mut(chosen) {
            Some(process) => *process = free,
            None => processes.push(free),
        }
        let number = i64::from(operation.client.0) + chosen as i64 * i64::from(stride);
        let process = Process::Client(number);
        push_operation(operation, &process, style, out);
    }
}

fn push_operation(
    operation: &ZOperation,
    process: &Process,
    style: Style,
    out: &mut Vec<Unplaced>,
) {
    let f = function(&operation.request);
    let asked = match style {
        Style::Data => fields(&operation.request),
        Style::Words => words(&operation.request.to_string()),
    };
    let mut invoke = event(process.clone(), EventKind::Invoke, f, asked.clone());
    invoke.extra.insert("session".to_owned(), Value::Text(operation.session.to_string()));
    if let Style::Data = style {
        let number = |number: i64| Value::Int(number);
        invoke.extra.insert("client".to_owned(), number(operation.client.0.into()));
        invoke.extra.insert("xid".to_owned(), number(operation.cxid.0.into()));
        if operation.watch {
            invoke.extra.insert("watch".to_owned(), Value::Bool(true));
        }
    }
    let client = operation.client.0;
    out.push((operation.invoke_ns, client, operation.invoke_sequence, invoke));
    let Some(complete_ns) = operation.complete_ns else { return };
    let (kind, value, error) = match (&operation.outcome, style) {
        (Outcome::Ok(response), Style::Data) => (EventKind::Ok, fields(response), None),
        (Outcome::Ok(response), Style::Words) => (EventKind::Ok, words(&answer(response)), None),
        (Outcome::Error(code), _) => (EventKind::Fail, asked, Some(code.to_string())),
        (Outcome::Unknown, _) => (EventKind::Info, asked, Some("unknown".to_owned())),
    };
    let mut completion = event(process.clone(), kind, f, value);
    if let Some(error) = error {
        completion.extra.insert("error".to_owned(), Value::Text(error));
    }
    if let Some(zxid) = operation.zxid {
        completion.extra.insert("zxid".to_owned(), Value::Text(zxid.to_string()));
    }
    out.push((complete_ns, client, operation.sequence, completion));
}

fn event(process: Process, kind: EventKind, f: impl Into<String>, value: Value) -> Event {
    let f = f.into();
    Event { index: 0, line: 0, process, kind, f, value, time_ns: None, extra: BTreeMap::new() }
}

fn named(client: ClientId, what: &str) -> Process {
    Process::Named(format!("{client}-{what}"))
}

fn function(request: &Request) -> &'static str {
    match request {
        Request::Create { .. } => "create",
        Request::Delete { .. } => "delete",
        Request::Exists { .. } => "exists",
        Request::GetData { .. } => "get",
        Request::SetData { .. } => "set",
        Request::GetChildren2 { .. } => "children",
        Request::Multi { .. } => "multi",
        Request::Sync { .. } => "sync",
    }
}

fn session_words(kind: &SessionEventKind) -> (&'static str, Value) {
    let number = |n: u64| i64::try_from(n).map_or(Value::Number(n.to_string()), Value::Int);
    match kind {
        SessionEventKind::Created { timeout_ms } => ("session-created", number(*timeout_ms)),
        SessionEventKind::Disconnected => ("disconnected", Value::Nil),
        SessionEventKind::Reconnected => ("reconnected", Value::Nil),
        SessionEventKind::Expired => ("session-expired", Value::Nil),
        SessionEventKind::Closed { zxid } => {
            ("session-closed", zxid.map_or(Value::Nil, |zxid| Value::Text(zxid.to_string())))
        }
        SessionEventKind::CloseUnknown => ("session-close-unknown", Value::Nil),
    }
}

/// Words that are written without quotes.
fn words(text: &str) -> Value {
    Value::Symbol(text.to_owned())
}

fn answer(response: &Response) -> String {
    match response {
        Response::Created { path, .. } => path.clone(),
        Response::Deleted => "deleted".to_owned(),
        Response::Exists { stat } => format!("exists, version {}", stat.version),
        Response::Data { data, stat } => format!("{data} version {}", stat.version),
        Response::Set { stat } => format!("version {}", stat.version),
        Response::Children { children, .. } => format!("[{}]", children.join(" ")),
        Response::Synced => "synced".to_owned(),
        Response::Multi { results } => {
            let results: Vec<String> = results.iter().map(part_answer).collect();
            format!("[{}]", results.join("; "))
        }
    }
}

fn part_answer(result: &MultiResult) -> String {
    match result {
        MultiResult::Created { path, .. } => path.clone(),
        MultiResult::Deleted => "deleted".to_owned(),
        MultiResult::Set { stat } => format!("version {}", stat.version),
        MultiResult::Checked => "checked".to_owned(),
        MultiResult::Error(code) => code.to_string(),
    }
}

/// The fields of a request or response as an EDN map: its JSON form without the outer name.
fn fields(data: &impl serde::Serialize) -> Value {
    let json = serde_json::to_value(data).expect("requests and responses are plain data");
    match Value::from(json) {
        Value::Map(mut variant) if variant.len() == 1 => keywords(variant.swap_remove(0).1),
        other => keywords(other),
    }
}

/// The value with every map's keys as keywords.
fn keywords(value: Value) -> Value {
    match value {
        Value::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let key = match key {
                        Value::Text(name) => Value::Keyword(name),
                        other => other,
                    };
                    (key, keywords(value))
                })
                .collect(),
        ),
        Value::Vector(items) => Value::Vector(items.into_iter().map(keywords).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
