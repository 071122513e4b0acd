//! Writing histories: EDN that Jepsen's tools read, JSON lines, and a table for people.

use crate::history::{Event, Process, Value};

/// One EDN map on each line, with Jepsen's fields.
pub fn write_edn(events: &[Event]) -> String {
    let mut out = String::new();
    for event in events {
        let entries = fields(event).into_iter().map(|(name, value)| {
            let value = match name.as_str() {
                "type" | "f" => keyword(value),
                "process" => keyword(value),
                _ => value,
            };
            (Value::Keyword(name), value)
        });
        out.push_str(&Value::Map(entries.collect()).to_string());
        out.push('\n');
    }
    out
}

/// One JSON object on each line, with Jepsen's fields.
pub fn write_json_lines(events: &[Event]) -> String {
    let mut out = String::new();
    for event in events {
        let entries = fields(event).into_iter().map(|(name, value)| (Value::Text(name), value));
        out.push_str(&Value::Map(entries.collect()).to_json().to_string());
        out.push('\n');
    }
    out
}

/// Aligned columns: index, seconds, process, kind, function, value and the rest.
pub fn write_text(events: &[Event]) -> String {
    let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let process_width = width(&mut events.iter().map(|e| e.process.to_string().chars().count()));
    let f_width = width(&mut events.iter().map(|e| e.f.chars().count()));
    let mut out = String::new();
    for event in events {
        let time = match event.time_ns {
            Some(ns) => format!("{}.{:06}", ns / 1_000_000_000, ns / 1000 % 1_000_000),
            None => "-".to_owned(),
        };
        let mut row = format!(
            "{:>7}  {time:>14}  {:>process_width$}  {:<6}  {:<f_width$}  {}",
            event.index,
            event.process.to_string(),
            event.kind.name(),
            event.f,
            event.value,
        );
        for (name, value) in &event.extra {
            row.push_str(&format!("  {name}={value}"));
        }
        out.push_str(row.trim_end());
        out.push('\n');
    }
    out
}

fn fields(event: &Event) -> Vec<(String, Value)> {
    let process = match &event.process {
        Process::Client(number) => Value::Int(*number),
        Process::Named(name) => Value::Text(name.clone()),
    };
    let number = |n: u64| i64::try_from(n).map_or(Value::Number(n.to_string()), Value::Int);
    let mut fields = vec![
        ("index".to_owned(), number(event.index)),
        ("process".to_owned(), process),
        ("type".to_owned(), Value::Text(event.kind.name().to_owned())),
        ("f".to_owned(), Value::Text(event.f.clone())),
        ("value".to_owned(), event.value.clone()),
    ];
    fields.extend(event.time_ns.map(|ns| ("time".to_owned(), number(ns))));
    fields.extend(event.extra.iter().map(|(name, value)| (name.clone(), value.clone())));
    fields
}

/// A name as EDN writes it: a keyword, if it can be one.
fn keyword(value: Value) -> Value {
    let is_plain = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_./*+!?<>=".contains(c))
    };
    match value {
        Value::Text(name) if is_plain(&name) => Value::Keyword(name),
        other => other,
    }
}
