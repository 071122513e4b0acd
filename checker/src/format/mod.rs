//! Files of histories: reading by content, writing by name.
//!
//! [`read`] finds out what it has: Jepsen's EDN (a map on each line, or one vector or list of
//! maps; plain or tagged `#jepsen.history.Op{…}`; Porcupine's key-value files are such maps), JSON
//! (lines or an array), or the log of Jepsen's etcd test that Porcupine uses. Errors name the line
//! and what was expected there.

mod edn;
mod etcd_log;
mod json;
mod record;
mod write;

use thiserror::Error;

use crate::history::Event;

pub use edn::parse_edn;
pub use write::{write_edn, write_json_lines, write_text};

/// A kind of history file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Jepsen's EDN, or Porcupine's key-value files.
    Edn,
    /// A JSON object on each line.
    JsonLines,
    /// One JSON array of objects.
    JsonArray,
    /// `INFO  jepsen.util - PROCESS :invoke :f VALUE`.
    EtcdLog,
}

/// A file that is not a history, or a damaged one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: expected {expected}, found {found}")]
pub struct FormatError {
    /// Line of the file, from 1.
    pub line: usize,
    /// What would have been right.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl FormatError {
    pub(crate) fn new(
        line: usize,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> FormatError {
        FormatError { line, expected: expected.into(), found: found.into() }
    }
}

/// Reads a history of any of the known formats. A file without events gives no events.
///
/// # Errors
/// When the bytes are not UTF-8, of no known format, or damaged.
pub fn read(bytes: &[u8]) -> Result<(Format, Vec<Event>), FormatError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        FormatError::new(line, "UTF-8 text", "other bytes")
    })?;
    let format = detect(text);
    let events = match format {
        Format::Edn => record::events(edn::parse_edn(text)?)?,
        Format::JsonLines => record::events(json::parse_lines(text)?)?,
        Format::JsonArray => record::events(json::parse_array(text)?)?,
        Format::EtcdLog => etcd_log::parse(text)?,
    };
    Ok((format, events))
}

/// The format that a text must be, if it is a history at all.
fn detect(text: &str) -> Format {
    let is_log = |line: &str| line.contains("jepsen.util");
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or("");
    // A log may begin with lines of other loggers; EDN and JSON begin with a bracket or comment.
    if is_log(first) || (first.starts_with("INFO") && text.lines().any(is_log)) {
        return Format::EtcdLog;
    }
    // JSON quotes its keys and EDN (of these tools) does not.
    let after = |bracket: char, text: &str| {
        text.trim_start().strip_prefix(bracket).map(|rest| rest.trim_start().to_owned())
    };
    if after('{', text).is_some_and(|rest| rest.starts_with('"')) {
        return Format::JsonLines;
    }
    let inner = after('[', text).and_then(|rest| after('{', &rest));
    if inner.is_some_and(|rest| rest.starts_with('"')) {
        return Format::JsonArray;
    }
    Format::Edn
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{EventKind, Process, Value};

    fn read_str(text: &str) -> Result<(Format, Vec<Event>), FormatError> {
        read(text.as_bytes())
    }

    #[test]
    fn every_format_gives_the_same_events() {
        let files = [
            (Format::Edn, "{:process 0, :type :invoke, :f :write, :value 3, :time 7}\n"),
            (Format::Edn, "; note\n[{:process 0 :type :invoke :f :write :value 3 :time 7}]"),
            (Format::Edn, "({:process 0, :type :invoke, :f :write, :value 3, :time 7})"),
            (
                Format::Edn,
                "#jepsen.history.Op{:index 0, :process 0, :type :invoke, :f :write, :value 3, \
                 :time 7}",
            ),
            (Format::JsonLines, r#"{"process":0,"type":"invoke","f":"write","value":3,"time":7}"#),
            (
                Format::JsonArray,
                "[\n{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":3,\"time\":7}]",
            ),
            (Format::EtcdLog, "INFO  jepsen.util - 0\t:invoke\t:write\t3\n"),
        ];
        for (format, text) in files {
            let (found, events) = read_str(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(found, format, "{text}");
            assert_eq!(events.len(), 1, "{text}");
            assert_eq!(events[0].process, Process::Client(0), "{text}");
            assert_eq!(events[0].kind, EventKind::Invoke, "{text}");
            assert_eq!((events[0].f.as_str(), &events[0].value), ("write", &Value::Int(3)));
        }
    }

    #[test]
    fn errors_name_the_line_and_what_was_expected() {
        let files = [
            ("{:process 0, :type :invoke, :f :read}\n{:process 0, :type :done}", 2, ":type"),
            ("{:process 0\n :type", 2, "}"),
            ("[1 2]", 1, "a map"),
            ("{\"process\":0,\"type\":\"ok\"}\n{\"process\":", 2, "a JSON object"),
            ("INFO  jepsen.util - 0\t:invoke\t:write\t3\nINFO  jepsen.util - x\n", 2, "process"),
            ("{:process 0, :type :ok, :value \"abc", 1, "end of the string"),
        ];
        for (text, line, expected) in files {
            let error = read_str(text).unwrap_err();
            assert_eq!(error.line, line, "{text}: {error}");
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
        assert_eq!(read(b"{:a 1}\n\xff").unwrap_err().line, 2);
    }

    #[test]
    fn an_empty_file_has_no_events() {
        assert_eq!(read_str("").unwrap().1, []);
        assert_eq!(read_str("[]").unwrap().1, []);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text =
            "{:process 0, :type :invoke, :f :cas, :value [1 \"a\\\"b\"], :time 7, :key \"k\"}
            {:process :nemesis, :type :info, :f :start, :value {:a #{1}}}
            {:process 0, :type :ok, :f :cas, :value [1 \"a\\\"b\"], :error :odd}";
        let (_, events) = read_str(text).unwrap();
        let without_lines = |events: Vec<Event>| -> Vec<String> {
            events.into_iter().map(|e| format!("{:?}", Event { line: 0, ..e })).collect()
        };
        let (format, edn) = read_str(&write_edn(&events)).unwrap();
        assert_eq!(format, Format::Edn);
        assert_eq!(without_lines(edn), without_lines(events.clone()));
        let (format, json) = read_str(&write_json_lines(&events)).unwrap();
        assert_eq!(format, Format::JsonLines);
        assert_eq!(json.len(), 3);
        assert_eq!(json[1].process, Process::Named("nemesis".to_owned()));
        assert_eq!(json[0].value.to_json(), events[0].value.to_json());
        let table = write_text(&events);
        assert_eq!(table.lines().count(), 3);
        assert!(table.contains("nemesis"), "{table}");
    }
}
