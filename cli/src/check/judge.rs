//! One file, judged: a history of one of the systems by every guarantee, any other by its model.

use checker::linear::Budget;
use checker::{
    CheckError, Explanation, Judgement, Options, TupleError, Verdict, judge_text, short,
};
use harness::system::Format;
use serde::Serialize;

use crate::exit::Exit;
use crate::systems::systems;

/// Names that `--model` takes.
pub(super) fn models() -> Vec<&'static str> {
    let of_systems = systems().all().flat_map(|system| system.formats().iter());
    checker::check::MODELS.into_iter().chain(of_systems.map(|format| format.name)).collect()
}

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
    /// What was taken for what, where that was a guess.
    pub(super) notes: Vec<String>,
    /// It is no history, or a damaged one.
    pub(super) is_input_error: bool,
    /// No model fits it.
    pub(super) is_unknown_model: bool,
}

impl Finding {
    fn new(truth: Truth, reason: Option<String>, explanations: Vec<Explanation>) -> Finding {
        let notes = Vec::new();
        Finding {
            truth,
            reason,
            explanations,
            notes,
            is_input_error: false,
            is_unknown_model: false,
        }
    }

    /// A file of which nothing is known, for this reason.
    pub(super) fn undecided(reason: String) -> Finding {
        Finding::new(Truth::Unknown, Some(reason), Vec::new())
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
        self.told(Explanation::to_string)
    }

    /// The same with explanations of at most so many columns and a dozen operations.
    pub(super) fn short_text(&self, columns: usize) -> String {
        self.told(|explanation| short(explanation, columns).trim_end().to_owned())
    }

    fn told(&self, explain: impl Fn(&Explanation) -> String) -> String {
        let reasons = self.reason.iter().cloned();
        let all = reasons.chain(self.explanations.iter().map(explain));
        all.map(|text| text + "\n").collect()
    }
}

/// Refuses a model that nobody knows.
pub(crate) fn known_model(model: &str) -> Result<(), String> {
    match models().contains(&model) {
        true => Ok(()),
        false => Err(format!("--model {model}: expected one of {}", models().join(", "))),
    }
}

/// Judges a file's bytes.
pub(super) fn judge(
    shown: &str,
    bytes: &[u8],
    options: &Options<'_>,
    budget: Budget<'_>,
) -> Finding {
    let mut formats = systems().all().flat_map(|system| system.formats().iter());
    let is_meant = |format: &&Format| match options.model {
        Some(model) => format.name == model,
        None => (format.is_of)(bytes),
    };
    match formats.find(is_meant) {
        Some(format) => judge_format(shown, bytes, format),
        None => judge_model(shown, bytes, options, budget),
    }
}

fn judge_model(shown: &str, bytes: &[u8], options: &Options<'_>, budget: Budget<'_>) -> Finding {
    match judge_text(shown, bytes, options, budget) {
        Ok(Judgement { verdict, notes }) => Finding { notes, ..from_verdict(verdict) },
        Err(error @ CheckError::UnknownModel { .. }) => Finding {
            is_unknown_model: true,
            ..Finding::new(Truth::Unknown, Some(error.to_string()), Vec::new())
        },
        // It can be judged, once somebody says how it is to be taken.
        Err(error @ CheckError::Tuples { error: TupleError::Ambiguous { .. }, .. }) => {
            Finding::undecided(error.to_string())
        }
        Err(
            error @ (CheckError::Format { .. }
            | CheckError::Pair { .. }
            | CheckError::Tuples { .. }
            | CheckError::Untold { .. }
            | CheckError::Model { .. }),
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

fn judge_format(shown: &str, bytes: &[u8], format: &Format) -> Finding {
    match (format.judge)(bytes) {
        Err(error) => Finding::unreadable(format!("{shown}: {error}")),
        Ok(verdicts) => combine(verdicts.into_iter()),
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
    fn models_of_the_checker_and_of_systems_are_known_and_no_others() {
        assert!(known_model("register").is_ok() && known_model("znode").is_ok());
        assert!(known_model("bank").is_err());
    }
}
