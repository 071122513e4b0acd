//! What clients asked and were told, in words that need no system to be shown.

use serde::{Deserialize, Serialize};

/// The clients' side of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Every operation of every client, in any order.
    pub operations: Vec<Operation>,
    /// What else clients saw, such as the ends of their connections.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// The files that are kept of it, as the system writes them; they lie beside each other and
    /// are not stored twice.
    #[serde(skip)]
    pub files: HistoryFiles,
}

/// The texts of a history's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryFiles {
    /// `history.jsonl`, which loses nothing and which `squall check` reads.
    pub json_lines: String,
    /// `history.edn`, which Jepsen's tools read.
    pub edn: String,
    /// `history.txt`, a table for people.
    pub text: String,
}

impl HistoryFiles {
    /// Each file's name and text.
    pub fn named(&self) -> [(&'static str, &str); 3] {
        [
            ("history.jsonl", &self.json_lines),
            ("history.edn", &self.edn),
            ("history.txt", &self.text),
        ]
    }
}

/// One operation of a client and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Who asked: its number among the clients.
    pub client: u32,
    /// The same as hosts and explanations name it.
    pub client_name: String,
    /// On which session or connection, in words, if the system has such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The kind of operation in a word, such as `get`: plots tell kinds apart.
    pub kind: String,
    /// What was asked, in a few words. A line of an explanation that speaks of this operation
    /// begins with them.
    pub asked: String,
    /// What else is to be known of the request; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub asked_detail: String,
    /// What was answered, in a few words.
    pub answered: String,
    /// When it was asked.
    pub invoke_ns: u64,
    /// When its end was known to the client; none if it never was.
    pub complete_ns: Option<u64>,
    /// How it ended.
    pub outcome: OutcomeClass,
    /// Whether it is of a kind that changes something.
    #[serde(default)]
    pub is_change: bool,
    /// Its place in the system's own order, in the system's words, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeClass {
    /// Answered without error.
    Ok,
    /// Answered with an error, so nothing was changed.
    Refused,
    /// Not answered; it may have happened.
    #[default]
    Unknown,
    /// Never sent, so it did not happen.
    NotSent,
}

impl OutcomeClass {
    /// All, in the order of legends.
    pub const ALL: [OutcomeClass; 4] =
        [OutcomeClass::Ok, OutcomeClass::Refused, OutcomeClass::Unknown, OutcomeClass::NotSent];

    /// Its name in legends and data.
    pub fn name(self) -> &'static str {
        match self {
            OutcomeClass::Ok => "acknowledged",
            OutcomeClass::Refused => "refused",
            OutcomeClass::Unknown => "unknown",
            OutcomeClass::NotSent => "not sent",
        }
    }
}

/// Something that a client saw beside its operations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The name of the client that it is about.
    pub client: String,
    /// When it was, in world nanoseconds since the start of the run.
    pub at_ns: u64,
    /// What, in words.
    pub text: String,
}

impl Operation {
    /// What was asked and answered.
    pub fn text(&self) -> String {
        format!("{} → {}", self.asked, self.answered)
    }

    /// How long it took; none if its end was never known.
    pub fn latency_ns(&self) -> Option<u64> {
        self.complete_ns.map(|complete_ns| complete_ns.saturating_sub(self.invoke_ns))
    }
}
