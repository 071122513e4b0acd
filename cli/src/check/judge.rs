//! One file, judged: a ZooKeeper history of ours by every guarantee, any other by its model.

use checker::check::CheckError;
use checker::linear::Budget;
use checker::znode::ZHistory;
use checker::{Explanation, Verdict, check_all, check_text};
use serde::Serialize;

use crate::exit::Exit;

/// Names that `--model` takes.
pub(crate) const MODELS: [&str; 4] = ["register", "cas-register", "key-value", "znode"];

/// A verdict as elle-cli prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Truth {
    True,
    False,
    Unknown,
}

impl Truth {
    pub(super) fn word(self) -> &'static str {
        match self {
            Truth::True => "true",
            Truth::False => "false",
            Truth::Unknown => "unknown",
        }
    }
}

/// What there is to say about a file.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) truth: Truth,
    /// Why it is unknown.
    pub(super) reason: Option<String>,
    /// Why it is false.
    pub(super) explanations: Vec<Explanation>,
    /// It is no history, or a damaged one.
    pub(super) is_input_error: bool,
    /// No model fits it.
    pub(super) is_unknown_model: bool,
}

impl Finding {
    fn new(truth: Truth, reason: Option<String>, explanations: Vec<Explanation>) -> Finding {
        Finding { truth, reason, explanations, is_input_error: false, is_unknown_model: false }
    }

    /// A file that cannot be judged.
    pub(super) fn unreadable(reason: String) -> Finding {
        Finding { is_input_error: true, ..Finding::new(Truth::Unknown, Some(reason), Vec::new()) }
    }

    pub(super) fn exit(&self) -> Exit {
        match self.truth {
            Truth::True => Exit::Passed,
            Truth::False => Exit::Violated,
            Truth::Unknown if self.is_input_error => Exit::Usage,
            Truth::Unknown => Exit::Undecided,
        }
    }

    /// Everything that is not in the verdict; empty if there is nothing.
    pub(super) fn text(&self) -> String {
        let reasons = self.reason.iter().cloned();
        let all = reasons.chain(self.explanations.iter().map(Explanation::to_string));
        all.map(|text| text + "\n").collect()
    }
}

/// Refuses a model that nobody knows.
pub(super) fn known_model(model: &str) -> Result<(), String> {
    match MODELS.contains(&model) {
        true => Ok(()),
        false => Err(format!("--model {model}: expected one of {}", MODELS.join(", "))),
    }
}

/// Judges a file's bytes.
pub(super) fn judge(shown: &str, bytes: &[u8], model: Option<&str>, budget: Budget<'_>) -> Finding {
    let is_ours = bytes.starts_with(b"{\"line\":\"head\"");
    match model {
        Some("znode") => judge_znodes(shown, bytes),
        None if is_ours => judge_znodes(shown, bytes),
        Some(_) | None => judge_model(shown, bytes, model, budget),
    }
}

fn judge_model(shown: &str, bytes: &[u8], model: Option<&str>, budget: Budget<'_>) -> Finding {
    match check_text(shown, bytes, model, budget) {
        Ok(verdict) => from_verdict(verdict),
        Err(error @ CheckError::UnknownModel { .. }) => Finding {
            is_unknown_model: true,
            ..Finding::new(Truth::Unknown, Some(error.to_string()), Vec::new())
        },
        Err(
            error
            @ (CheckError::Format { .. } | CheckError::Pair { .. } | CheckError::Model { .. }),
        ) => Finding::unreadable(error.to_string()),
    }
}

fn from_verdict(verdict: Verdict) -> Finding {
    match verdict {
        Verdict::Valid => Finding::new(Truth::True, None, Vec::new()),
        Verdict::Invalid(explanation) => Finding::new(Truth::False, None, vec![explanation]),
        Verdict::Unknown { .. } => {
            Finding::new(Truth::Unknown, Some(verdict.to_string()), Vec::new())
        }
    }
}

fn judge_znodes(shown: &str, bytes: &[u8]) -> Finding {
    let text = String::from_utf8_lossy(bytes);
    match ZHistory::from_json_lines(&text) {
        Err(error) => Finding::unreadable(format!("{shown}: {error}")),
        Ok(history) => {
            let verdicts = check_all(&history);
            combine(verdicts.into_iter().map(|(property, verdict)| (property.0, verdict)))
        }
    }
}

/// All properties as one: false if any is, else unknown if any is, or if nothing was checked.
fn combine<'a>(verdicts: impl Iterator<Item = (&'a str, Verdict)>) -> Finding {
    let (mut explanations, mut reasons, mut valid) = (Vec::new(), Vec::new(), 0);
    for (property, verdict) in verdicts {
        match verdict {
            Verdict::Valid => valid += 1,
            Verdict::Invalid(explanation) => explanations.push(explanation),
            unknown @ Verdict::Unknown { .. } => reasons.push((property, unknown)),
        }
    }
    if !explanations.is_empty() {
        return Finding::new(Truth::False, None, explanations);
    }
    // A property with nothing to speak of leaves the others' verdict as it is.
    reasons.retain(|(_, verdict)| valid == 0 || *verdict != Verdict::nothing_checked());
    if reasons.is_empty() && valid > 0 {
        return Finding::new(Truth::True, None, Vec::new());
    }
    let reasons: Vec<String> =
        reasons.iter().map(|(property, verdict)| format!("{property}: {verdict}")).collect();
    Finding::new(Truth::Unknown, Some(reasons.join("\n")), Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(reason: &str) -> Verdict {
        Verdict::Unknown { reason: reason.to_owned(), spent: String::new() }
    }

    fn invalid() -> Verdict {
        Verdict::Invalid(Explanation {
            property: "fifo".to_owned(),
            headline: "out of order".to_owned(),
            lines: Vec::new(),
            contradiction: None,
        })
    }

    #[test]
    fn one_violation_is_enough_and_silence_is_no_doubt() {
        let combine = |verdicts: &[Verdict]| {
            combine(verdicts.iter().map(|verdict| ("fifo", verdict.clone()))).truth
        };
        assert_eq!(combine(&[Verdict::Valid, invalid(), unknown("x")]), Truth::False);
        assert_eq!(combine(&[Verdict::Valid, unknown("x")]), Truth::Unknown);
        assert_eq!(combine(&[Verdict::Valid, Verdict::nothing_checked()]), Truth::True);
        assert_eq!(combine(&[Verdict::nothing_checked()]), Truth::Unknown);
        assert_eq!(combine(&[]), Truth::Unknown);
    }

    #[test]
    fn every_model_but_ours_is_one_of_the_checkers() {
        let ours: Vec<&str> = MODELS.into_iter().filter(|model| *model != "znode").collect();
        assert_eq!(ours, checker::check::MODELS);
        assert!(known_model("bank").is_err());
    }
}
