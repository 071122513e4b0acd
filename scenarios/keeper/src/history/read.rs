//! Our own EDN, read again, so that `squall check` judges it by every guarantee as it does the JSON lines.
//!
//! What an omniscient recorder knew (the commits) stands in the JSON lines alone. Counters of clients are the
//! records' numbers here: they increase in the same order.

use std::collections::BTreeMap;

use checker::history::{Event, EventKind, Process, Value};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::{CLAIMS, RECORDER};
use crate::znode::{
    Claims, ClientId, Cxid, ErrorCode, Outcome, Request, Response, SessionEvent, SessionEventKind,
    SessionId, WatchEvent, WatchEventKind, ZHistory, ZOperation, Zxid,
};

/// What is wrong with a record, after its line.
type Wrong = String;

/// Whether these bytes are a history that [`super::evidence`] wrote as EDN: its first record says so.
pub fn is_ours(bytes: &[u8]) -> bool {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let has = |words: &str| first.windows(words.len()).any(|part| part == words.as_bytes());
    has(&format!(":process :{RECORDER}")) && has(&format!(":f :{CLAIMS}"))
}

/// Reads it.
///
/// # Errors
/// Where it is no such history, and what was expected.
pub fn from_edn(bytes: &[u8]) -> Result<ZHistory, String> {
    let events = checker::format::read(bytes).map_err(|error| error.to_string())?.events;
    let mut history = ZHistory::default();
    let mut open: BTreeMap<i64, usize> = BTreeMap::new();
    for event in &events {
        add(&mut history, &mut open, event)
            .map_err(|wrong| format!("line {}: {wrong}", event.line))?;
    }
    Ok(history)
}

/// Adds what a record says. `open` are the operations that have not ended, by process.
fn add(
    history: &mut ZHistory,
    open: &mut BTreeMap<i64, usize>,
    event: &Event,
) -> Result<(), Wrong> {
    match &event.process {
        Process::Client(process) if event.kind == EventKind::Invoke => {
            open.insert(*process, history.operations.len());
            history.operations.push(asked(event)?);
        }
        Process::Client(process) => {
            let index = open.remove(process);
            let index = index.ok_or(format!("process {process} ends what it did not begin"))?;
            answered(&mut history.operations[index], event)?;
        }
        Process::Named(name) if name == RECORDER && event.f == CLAIMS => {
            history.claims = of_json::<Claims>(json(&event.value))?;
        }
        Process::Named(name) => match name.split_once('-') {
            Some((client, "session")) => history.sessions.push(session(event, client)?),
            Some((client, "watch")) => history.watches.push(watch(event, client)?),
            // Faults.
            _ => {}
        },
    }
    Ok(())
}

fn asked(event: &Event) -> Result<ZOperation, Wrong> {
    let variant = match event.f.as_str() {
        "create" => "Create",
        "delete" => "Delete",
        "exists" => "Exists",
        "get" => "GetData",
        "set" => "SetData",
        "children" => "GetChildren2",
        "multi" => "Multi",
        "sync" => "Sync",
        other => return Err(format!("`{other}`, expected an operation of znodes")),
    };
    Ok(ZOperation {
        client: ClientId(number(event, "client")?),
        session: session_id(event)?,
        cxid: Cxid(number(event, "xid")?),
        request: of_json::<Request>(tagged(variant, &event.value))?,
        watch: event.extra.get("watch") == Some(&Value::Bool(true)),
        invoke_ns: at_ns(event)?,
        complete_ns: None,
        outcome: Outcome::Unknown,
        zxid: None,
        invoke_sequence: event.index,
        sequence: event.index,
    })
}

fn answered(operation: &mut ZOperation, event: &Event) -> Result<(), Wrong> {
    operation.complete_ns = Some(at_ns(event)?);
    operation.sequence = event.index;
    operation.zxid = zxid(event)?;
    operation.outcome = match event.kind {
        EventKind::Ok => Outcome::Ok(response(&operation.request, &event.value)?),
        EventKind::Fail => Outcome::Error(error_code(text(event, "error")?)?),
        EventKind::Info | EventKind::Invoke => Outcome::Unknown,
    };
    Ok(())
}

fn response(request: &Request, value: &Value) -> Result<Response, Wrong> {
    let variant = match request {
        Request::Create { .. } => "Created",
        Request::Exists { .. } => "Exists",
        Request::GetData { .. } => "Data",
        Request::SetData { .. } => "Set",
        Request::GetChildren2 { .. } => "Children",
        Request::Multi { .. } => "Multi",
        // They have no fields, and are written as their names.
        Request::Delete { .. } | Request::Sync { .. } => return of_json(json(value)),
    };
    of_json(tagged(variant, value))
}

fn session(event: &Event, client: &str) -> Result<SessionEvent, Wrong> {
    let kind = match event.f.as_str() {
        "session-created" => match &event.value {
            Value::Int(ms) if *ms >= 0 => SessionEventKind::Created { timeout_ms: *ms as u64 },
            other => return Err(format!("{}, expected a time-out in milliseconds", other.kind())),
        },
        "disconnected" => SessionEventKind::Disconnected,
        "reconnected" => SessionEventKind::Reconnected,
        "session-expired" => SessionEventKind::Expired,
        "session-closed" => SessionEventKind::Closed {
            zxid: event.value.name().map(hexadecimal).transpose()?.map(Zxid),
        },
        "session-close-unknown" => SessionEventKind::CloseUnknown,
        other => return Err(format!("`{other}`, expected an event of a session")),
    };
    Ok(SessionEvent {
        client: client_id(client)?,
        session: session_id(event)?,
        kind,
        server: event.extra.get("server").and_then(Value::name).map(str::to_owned),
        at_ns: at_ns(event)?,
        sequence: event.index,
    })
}

fn watch(event: &Event, client: &str) -> Result<WatchEvent, Wrong> {
    let path = event.value.name().ok_or("a watch event without a path")?;
    Ok(WatchEvent {
        client: client_id(client)?,
        session: session_id(event)?,
        kind: of_json::<WatchEventKind>(Json::String(event.f.clone()))?,
        path: path.to_owned(),
        zxid: zxid(event)?,
        at_ns: at_ns(event)?,
        sequence: event.index,
    })
}

fn at_ns(event: &Event) -> Result<u64, Wrong> {
    event.time_ns.ok_or("no :time".to_owned())
}

fn client_id(name: &str) -> Result<ClientId, Wrong> {
    let number = name.strip_prefix('c').and_then(|digits| digits.parse().ok());
    number.map(ClientId).ok_or(format!("process `{name}`, expected a client as c1"))
}

fn session_id(event: &Event) -> Result<SessionId, Wrong> {
    // As it was printed: the bits of a number that may be negative.
    Ok(SessionId(hexadecimal(text(event, "session")?)? as i64))
}

fn zxid(event: &Event) -> Result<Option<Zxid>, Wrong> {
    let zxid = event.extra.get("zxid").and_then(Value::name);
    Ok(zxid.map(hexadecimal).transpose()?.map(Zxid))
}

fn hexadecimal(text: &str) -> Result<u64, Wrong> {
    let digits = text.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
    digits.ok_or(format!("\"{text}\", expected hexadecimal digits after 0x"))
}

fn error_code(name: &str) -> Result<ErrorCode, Wrong> {
    let known = (-200..=0).map(ErrorCode).find(|code| code.to_string() == name);
    let other = || Some(ErrorCode(name.strip_prefix("error ")?.parse().ok()?));
    known.or_else(other).ok_or(format!("\"{name}\", expected an error as NoNode"))
}

fn text<'a>(event: &'a Event, field: &str) -> Result<&'a str, Wrong> {
    let value = event.extra.get(field).and_then(Value::name);
    value.ok_or(format!("no :{field}, or one that is no text"))
}

fn number<T: TryFrom<i64>>(event: &Event, field: &str) -> Result<T, Wrong> {
    let value = match event.extra.get(field) {
        Some(Value::Int(value)) => T::try_from(*value).ok(),
        _ => None,
    };
    value.ok_or(format!("no :{field}, or one that is no number"))
}

fn tagged(variant: &str, value: &Value) -> Json {
    Json::Object(Map::from_iter([(variant.to_owned(), json(value))]))
}

fn of_json<T: DeserializeOwned>(json: Json) -> Result<T, Wrong> {
    serde_json::from_value(json).map_err(|error| error.to_string())
}

/// The value as the JSON that it was made of: keywords were names of fields.
fn json(value: &Value) -> Json {
    match value.untagged() {
        Value::Nil => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Int(number) => Json::from(*number),
        Value::Number(number) => serde_json::from_str(number).unwrap_or(Json::Null),
        Value::Text(text) | Value::Keyword(text) | Value::Symbol(text) => Json::from(text.as_str()),
        Value::Character(character) => Json::from(character.to_string()),
        Value::Vector(items) | Value::Set(items) => items.iter().map(json).collect(),
        Value::Map(entries) => {
            let field = |(key, value): &(Value, Value)| {
                (key.name().unwrap_or_default().to_owned(), json(value))
            };
            Json::Object(entries.iter().map(field).collect())
        }
        Value::Tagged(..) => Json::Null,
    }
}
