//! Files of histories: reading by content, writing by name.
//!
//! [`read`] finds out what it has: Jepsen's EDN (a map on each line, or one vector or list of
//! maps; plain or tagged `#jepsen.history.Op{…}`; Porcupine's key-value files are such maps), JSON
//! (lines or an array), or one of Jepsen's logs (`log.rs`). A byte order mark is passed over. Errors
//! name the line and what was expected there; what had to be decided about the form is in
//! [`File::notes`].

mod edn;
mod json;
mod log;
mod record;
mod write;

use thiserror::Error;

use crate::history::{Event, Value};

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
    /// `INFO  jepsen.util - PROCESS :invoke :f VALUE`, as Porcupine's test data has it.
    EtcdLog,
    /// `jepsen.log` as newer versions of Jepsen write it.
    JepsenLog,
    /// `history.txt` of Jepsen: `PROCESS :invoke :f VALUE`.
    HistoryText,
}

/// A history file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// What kind of file it is.
    pub format: Format,
    /// Its events, in order.
    pub events: Vec<Event>,
    /// What a reader of a verdict must know of how the file was taken; one line each.
    pub notes: Vec<String>,
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

/// Takes one record after the other, with its line.
type Sink<'a> = dyn FnMut(usize, Value) -> Result<(), FormatError> + 'a;

/// Reads a history of any of the known formats. A file without events gives no events.
///
/// # Errors
/// When the bytes are not UTF-8, of no known format, or damaged.
pub fn read(bytes: &[u8]) -> Result<File, FormatError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        FormatError::new(line, "UTF-8 text", "other bytes")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let format = detect(text);
    let mut records = record::Records::default();
    let mut sink = |line, value| records.add(line, value);
    let (events, note) = match format {
        Format::Edn => {
            edn::each_form(text, &mut sink)?;
            records.into_events()
        }
        Format::JsonLines => {
            json::each_line(text, &mut sink)?;
            records.into_events()
        }
        Format::JsonArray => {
            json::each_element(text, &mut sink)?;
            records.into_events()
        }
        Format::EtcdLog | Format::JepsenLog => (log::parse(text)?, None),
        Format::HistoryText => (log::parse_plain(text)?, None),
    };
    Ok(File { format, events, notes: note.into_iter().collect() })
}

/// The format that a text must be, if it is a history at all.
fn detect(text: &str) -> Format {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("");
    // EDN and JSON begin with a bracket, a tag, metadata or a comment; logs may begin with anything else.
    let is_log = !first.starts_with(|c: char| "{[(#;^".contains(c));
    if is_log && log::is_log(text) {
        return if log::is_etcd_log(text) { Format::EtcdLog } else { Format::JepsenLog };
    }
    if is_log && log::is_operation(first) {
        return Format::HistoryText;
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
    use crate::history::{EventKind, Process};

    fn read_str(text: &str) -> Result<(Format, Vec<Event>), FormatError> {
        read(text.as_bytes()).map(|file| (file.format, file.events))
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
            (Format::EtcdLog, "INFO  jepsen.util - 0   :invoke  :write   3\n"),
            (
                Format::JepsenLog,
                "INFO [2024-01-06 15:07:52,664] jepsen worker 0 - jepsen.util 0\t:invoke\t:write\t3",
            ),
            (Format::HistoryText, "0\t:invoke\t:write\t3\n"),
        ];
        let marked = files.map(|(format, text)| (format, format!("\u{feff}{text}")));
        let files = files.map(|(format, text)| (format, text.to_owned())).into_iter().chain(marked);
        for (format, text) in files {
            let text = text.as_str();
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
            ("INFO  jepsen.util - 0\t:invoke\t:write\t3\nINFO  jepsen.util - 0\t:done\n", 2, ":ok"),
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
    fn records_are_ordered_by_index_where_all_have_one() {
        let record = |index: &str, value: u32| {
            format!("{{{index} :process {value}, :type :invoke, :f :write, :value {value}}}\n")
        };
        let read = |records: &[(&str, u32)]| {
            let text: String = records.iter().map(|(index, value)| record(index, *value)).collect();
            let file = super::read(text.as_bytes()).unwrap();
            let lines: Vec<usize> = file.events.iter().map(|event| event.line).collect();
            (lines, file.notes)
        };
        let (lines, notes) = read(&[(":index 4", 1), (":index 0", 2), (":index 7", 3)]);
        assert_eq!(lines, [2, 1, 3]);
        assert!(notes[0].ends_with("not of the file: line 2 has 0 after 4"), "{notes:?}");
        assert_eq!(read(&[(":index 1", 1), (":index 4", 2)]), (vec![1, 2], vec![]));
        assert_eq!(read(&[(":index 4", 1), ("", 2), (":index 1", 3)]), (vec![1, 2, 3], vec![]));
        let (lines, notes) = read(&[(":index 4", 1), (":index 1", 2), (":index 4", 3)]);
        assert_eq!(lines, [1, 2, 3]);
        assert!(notes[0].starts_with("lines 1 and 3 have the same :index 4"), "{notes:?}");
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
