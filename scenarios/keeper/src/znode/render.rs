//! Operations and events of ZooKeeper histories as lines of an explanation.

use checker::{ExplainLine, Explanation, Verdict};

use super::{
    ErrorCode, MultiResult, Outcome, Response, SessionEvent, SessionEventKind, WatchEvent,
    ZHistory, ZOperation,
};

/// Builds the explanation of one property.
pub(super) struct Explain {
    explanation: Explanation,
}

impl Explain {
    pub(super) fn new(property: &str, headline: String) -> Explain {
        let property = property.to_owned();
        let explanation =
            Explanation { property, headline, lines: Vec::new(), contradiction: None };
        Explain { explanation }
    }

    pub(super) fn line(mut self, line: ExplainLine, note: impl Into<String>) -> Explain {
        self.explanation.lines.push(ExplainLine { note: note.into(), ..line });
        self
    }

    /// The last line, which contradicts the ones before.
    pub(super) fn contradiction(self, line: ExplainLine, note: impl Into<String>) -> Verdict {
        let mut explain = self.line(line, note);
        explain.explanation.contradiction = Some(explain.explanation.lines.len() - 1);
        Verdict::Invalid(explain.explanation)
    }
}

/// `nothing was checked` for a history without operations.
pub(super) fn nothing(history: &ZHistory) -> Option<Verdict> {
    history.operations.is_empty().then(Verdict::nothing_checked)
}

/// What was asked and answered.
pub(crate) fn operation_line(operation: &ZOperation) -> ExplainLine {
    let answer = match &operation.outcome {
        Outcome::Ok(response) => answer(response),
        Outcome::Error(error) => error.to_string(),
        Outcome::Unknown => "unknown".to_owned(),
    };
    let at = operation.zxid.map_or(String::new(), |zxid| format!(" at zxid {zxid}"));
    ExplainLine {
        client: operation.client.to_string(),
        text: format!("{} → {answer}{at}", operation.request),
        from_ns: Some(operation.invoke_ns),
        to_ns: operation.complete_ns,
        note: String::new(),
    }
}

fn answer(response: &Response) -> String {
    match response {
        Response::Created { path, .. } => path.clone(),
        Response::Deleted => "deleted".to_owned(),
        Response::Exists { stat } => format!("exists, version {}", stat.version),
        Response::Data { data, stat } => format!("{data} version {}", stat.version),
        Response::Set { stat } => format!("version {}", stat.version),
        Response::Children { children, .. } => format!("[{}]", children.join(" ")),
        Response::Synced => "ok".to_owned(),
        Response::Multi { results } => {
            let error = results.iter().find_map(|result| match result {
                MultiResult::Error(ErrorCode::OK | ErrorCode::RUNTIME_INCONSISTENCY)
                | MultiResult::Created { .. }
                | MultiResult::Deleted
                | MultiResult::Set { .. }
                | MultiResult::Checked => None,
                MultiResult::Error(error) => Some(*error),
            });
            error.map_or("ok".to_owned(), |error| format!("failed with {error}"))
        }
    }
}

/// A watch event as received.
pub(super) fn watch_line(event: &WatchEvent) -> ExplainLine {
    let at = event.zxid.map_or(String::new(), |zxid| format!(" at zxid {zxid}"));
    ExplainLine {
        client: event.client.to_string(),
        text: format!("event {:?} {}{at}", event.kind, event.path),
        from_ns: Some(event.at_ns),
        to_ns: Some(event.at_ns),
        note: String::new(),
    }
}

/// A session event as seen.
pub(super) fn session_line(event: &SessionEvent) -> ExplainLine {
    let what = match event.kind {
        SessionEventKind::Created { timeout_ms } => format!("created, time-out {timeout_ms} ms"),
        SessionEventKind::Disconnected => "disconnected".to_owned(),
        SessionEventKind::Reconnected => "reconnected".to_owned(),
        SessionEventKind::Expired => "expired".to_owned(),
        SessionEventKind::Closed { zxid: Some(zxid) } => format!("closed at zxid {zxid}"),
        SessionEventKind::Closed { zxid: None } => "closed".to_owned(),
        SessionEventKind::CloseUnknown => "asked to close, no answer".to_owned(),
    };
    ExplainLine {
        client: event.client.to_string(),
        text: format!("session {} {what}", event.session),
        from_ns: Some(event.at_ns),
        to_ns: Some(event.at_ns),
        note: String::new(),
    }
}
