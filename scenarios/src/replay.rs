//! Stored plans: reading them, and running them again.
//!
//! A stored plan names the build that wrote it and the trace hash that it ended with. The same
//! build must reach the same hash; another build need only give a verdict.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sim::cluster::RunOptions;
use sim::cluster::plan::{Found, PLAN_FORMAT, Plan, PlannedOperation};
use sim::fault::TimedFault;
use thiserror::Error;

use crate::judge::Verdict;
use crate::run::{Outcome, run_plan};
use crate::validate::{Contradiction, validate};

/// A file that is no plan for this build.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// It is no JSON.
    #[error("{path}: line {line}, column {column}: {message}")]
    Syntax {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// From 1; 0 where the file ends too early.
        column: usize,
        /// What was expected.
        message: String,
    },
    /// It is JSON, but nothing that says it is a plan.
    #[error("{path}: not a plan: expected an object with `format` and `scenario`, found {found}")]
    NotAPlan {
        /// The file.
        path: String,
        /// What it is.
        found: String,
    },
    /// Another version of the format.
    #[error("{path}: a plan of format {found}, but this build reads format {expected}")]
    OtherFormat {
        /// The file.
        path: String,
        /// The file's.
        found: String,
        /// This build's.
        expected: u32,
    },
    /// A field is missing, unknown or malformed.
    #[error("{path}: {field}: {message}")]
    Field {
        /// The file.
        path: String,
        /// Which field, as in `faults[2]`.
        field: String,
        /// What is wrong, and what was expected.
        message: String,
    },
    /// The values contradict each other.
    #[error("{path}: {contradiction}")]
    Contradiction {
        /// The file.
        path: String,
        /// Where and how.
        contradiction: Contradiction,
    },
}

/// Reads a plan and checks that it makes sense. `path` is for messages only.
///
/// # Errors
/// When the bytes are no plan, or one that this build cannot run.
pub fn load_plan(bytes: &[u8], path: &str) -> Result<Plan, PlanError> {
    let file = || path.to_owned();
    let value: Value = serde_json::from_slice(bytes).map_err(|error| PlanError::Syntax {
        path: file(),
        line: error.line(),
        column: error.column(),
        message: without_position(&error),
    })?;
    let is_plan = value.get("format").is_some() && value.get("scenario").is_some();
    if !is_plan {
        return Err(PlanError::NotAPlan { path: file(), found: kind_of(&value) });
    }
    let format = &value["format"];
    if format.as_u64() != Some(PLAN_FORMAT.into()) {
        let found = format.to_string();
        return Err(PlanError::OtherFormat { path: file(), found, expected: PLAN_FORMAT });
    }
    each::<PlannedOperation>(&value, "operations", path)?;
    each::<TimedFault>(&value, "faults", path)?;
    // From the bytes again: a value no longer tells that a field was there twice.
    let mut bytes = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut bytes);
    let plan: Plan = read.map_err(|error| PlanError::Field {
        path: file(),
        field: where_in_plan(error.path()),
        message: without_position(error.inner()),
    })?;
    match validate(&plan) {
        Ok(()) => Ok(plan),
        Err(contradiction) => Err(PlanError::Contradiction { path: file(), contradiction }),
    }
}

/// Reads a list's elements one by one, so that an error names the element. A field that nobody reads
/// is an error too: it is a misspelt one, most likely.
fn each<T>(plan: &Value, list: &str, path: &str) -> Result<(), PlanError>
where
    T: DeserializeOwned + Serialize,
{
    let Some(Value::Array(elements)) = plan.get(list) else { return Ok(()) };
    for (index, element) in elements.iter().enumerate() {
        let wrong = |message| PlanError::Field {
            path: path.to_owned(),
            field: format!("{list}[{index}]"),
            message,
        };
        let read = T::deserialize(element).map_err(|error| wrong(error.to_string()))?;
        let understood = serde_json::to_value(&read).map_err(|error| wrong(error.to_string()))?;
        if let Some(field) = unknown_field(element, &understood) {
            return Err(wrong(format!("unknown field `{field}`")));
        }
    }
    Ok(())
}

/// A field of what was given that is not in what was understood of it.
fn unknown_field<'a>(given: &'a Value, understood: &Value) -> Option<&'a str> {
    match (given, understood) {
        (Value::Object(given), Value::Object(understood)) => {
            given.iter().find_map(|(name, value)| match understood.get(name) {
                Some(understood) => unknown_field(value, understood),
                // Saying "none" is saying nothing.
                None => (!value.is_null()).then_some(name.as_str()),
            })
        }
        (Value::Array(given), Value::Array(understood)) => given
            .iter()
            .zip(understood)
            .find_map(|(given, understood)| unknown_field(given, understood)),
        _ => None,
    }
}

/// `ensemble.tick_ms`, or the plan itself, if one of its fields is missing.
fn where_in_plan(path: &serde_path_to_error::Path) -> String {
    match path.iter().next() {
        Some(_) => path.to_string(),
        None => "the plan".to_owned(),
    }
}

fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&position).unwrap_or(&text).to_owned()
}

fn kind_of(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a truth value".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(fields) => {
            let names: Vec<&str> = fields.keys().map(String::as_str).take(5).collect();
            format!("an object with {}", names.join(", "))
        }
    }
}

/// A plan run once more, beside how it ended when it was stored.
#[derive(Debug)]
pub struct Replayed {
    /// How it ended.
    pub outcome: Outcome,
    /// What that says about the stored end.
    pub comparison: Comparison,
}

/// Two ends of one plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The plan does not say how it ended.
    NothingStored,
    /// The same build and the same trace.
    Reproduced,
    /// The same build with another trace: the harness is not deterministic.
    Diverged {
        /// The stored trace hash.
        expected: String,
        /// The trace hash of this run.
        found: String,
    },
    /// Stored by another build, whose name it gives.
    OtherBuild {
        /// That build.
        build: String,
        /// How its verdict relates to this one.
        change: Change,
    },
}

/// A verdict beside another build's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It failed there and passes here.
    NowPasses,
    /// It failed there and fails here in the same way.
    StillFails,
    /// It failed there and fails here in another way.
    FailsOtherwise,
    /// It passed there and fails here.
    NowFails,
    /// It passed there and passes here.
    StillPasses,
    /// It is undecided here.
    Undecided,
}

/// Runs a stored plan again.
pub fn replay(plan: &Plan, options: &RunOptions<'_>) -> Replayed {
    let outcome = run_plan(plan, options);
    let comparison = match &plan.found {
        None => Comparison::NothingStored,
        Some(found) => compare(found, &outcome, crate::build_id()),
    };
    Replayed { outcome, comparison }
}

fn compare(found: &Found, outcome: &Outcome, build: &str) -> Comparison {
    if found.build != build {
        let change = change(found, outcome);
        return Comparison::OtherBuild { build: found.build.clone(), change };
    }
    let hash = format!("{:016x}", outcome.trace_hash);
    if found.trace_hash.trim_start_matches("0x") == hash {
        return Comparison::Reproduced;
    }
    Comparison::Diverged { expected: found.trace_hash.clone(), found: hash }
}

fn change(found: &Found, outcome: &Outcome) -> Change {
    match (&found.fingerprint, &outcome.verdict) {
        (_, Verdict::Undecided(_)) => Change::Undecided,
        (Some(_), Verdict::Pass) => Change::NowPasses,
        (None, Verdict::Pass) => Change::StillPasses,
        (None, Verdict::Fail(_)) => Change::NowFails,
        (Some(expected), Verdict::Fail(failures)) => {
            let is_same = failures.iter().any(|failure| failure.fingerprint == *expected);
            if is_same { Change::StillFails } else { Change::FailsOtherwise }
        }
    }
}

impl Comparison {
    /// What to tell a person; none if there is nothing to tell.
    pub fn message(&self) -> Option<String> {
        match self {
            Comparison::NothingStored | Comparison::Reproduced => None,
            Comparison::Diverged { expected, found } => Some(format!(
                "the same build ended with trace {found}, but {expected} is stored: the run is \
                 not deterministic"
            )),
            Comparison::OtherBuild { build, change } => Some(match change {
                Change::NowPasses => format!("found at {build}, now passes"),
                Change::StillFails => format!("found at {build}, still fails"),
                Change::FailsOtherwise => format!("found at {build}, fails in another way now"),
                Change::NowFails => format!("passed at {build}, fails now"),
                Change::StillPasses => format!("passed at {build}, still passes"),
                Change::Undecided => format!("stored by {build}, undecided now"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use sim::cluster::record::RunRecord;

    use super::*;
    use crate::property::testing::{honest_run, plan, two_epochs};
    use crate::run::outcome;

    fn json(change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut value = serde_json::to_value(plan()).unwrap();
        change(&mut value);
        serde_json::to_vec(&value).unwrap()
    }

    fn complaint(bytes: &[u8]) -> String {
        load_plan(bytes, "p.json").unwrap_err().to_string()
    }

    #[test]
    fn a_plan_survives_being_stored() {
        let bytes = serde_json::to_vec_pretty(&plan()).unwrap();
        assert_eq!(load_plan(&bytes, "p.json"), Ok(plan()));
    }

    #[test]
    fn what_is_no_plan_is_told_so() {
        assert_eq!(
            complaint(b"{\n\"format\": 1,,}"),
            "p.json: line 2, column 13: key must be a string"
        );
        assert!(complaint(b"{\"format\": 1, \"scenario\": ").contains("EOF"));
        assert!(complaint(b"[1]").ends_with("found a list"));
        assert!(complaint(b"{\"a\":1}").ends_with("found an object with a"));
        assert!(complaint(&[0xff, 0xfe]).starts_with("p.json: line 1"));
        let other = complaint(b"{\"format\": 7, \"scenario\": \"x\"}");
        assert_eq!(other, "p.json: a plan of format 7, but this build reads format 1");
    }

    #[test]
    fn the_element_that_is_wrong_is_named() {
        let kind = complaint(&json(|plan| plan["faults"][1]["kind"] = "earthquake".into()));
        assert!(kind.starts_with("p.json: faults[1]: unknown variant `earthquake`"), "{kind}");
        assert!(kind.contains("partition"), "{kind}");
        let action = complaint(&json(|plan| plan["operations"][2]["do"] = "dance".into()));
        assert!(action.starts_with("p.json: operations[2]: unknown variant `dance`"), "{action}");
        let field = complaint(&json(|plan| plan["speed"] = 3.into()));
        assert!(field.contains("unknown field `speed`"), "{field}");
        let missing = complaint(&json(|plan| {
            plan.as_object_mut().unwrap().remove("chaos_ms");
        }));
        assert!(missing.contains("missing field `chaos_ms`"), "{missing}");
        let misspelt = complaint(&json(|plan| plan["faults"][1]["untill_ms"] = 5.into()));
        assert_eq!(misspelt, "p.json: faults[1]: unknown field `untill_ms`");
        let part = complaint(&json(|plan| {
            let multi = r#"{"at_ms":1,"client":1,"do":"multi","parts":[{"part":"delete","path":"/a","vers":1}]}"#;
            plan["operations"][0] = serde_json::from_str(multi).unwrap();
        }));
        assert_eq!(part, "p.json: operations[0]: unknown field `vers`");
        let none = json(|plan| plan["faults"][1]["when"] = Value::Null);
        assert!(load_plan(&none, "p.json").is_ok());
        let negative = complaint(&json(|plan| plan["value_bytes"] = (-3).into()));
        assert!(negative.starts_with("p.json: value_bytes: invalid value: integer"), "{negative}");
        let tick = complaint(&json(|plan| plan["ensemble"]["tick_ms"] = "long".into()));
        assert!(tick.starts_with("p.json: ensemble.tick_ms: invalid type: string"), "{tick}");
        let text = String::from_utf8(json(|_| {})).unwrap();
        let twice = text.replacen("\"seed\":", "\"seed\":1,\"seed\":", 1);
        assert!(complaint(twice.as_bytes()).contains("duplicate field `seed`"), "{twice}");
        let client = complaint(&json(|plan| plan["operations"][2]["client"] = 9.into()));
        assert_eq!(client, "p.json: operations[2].client: client 9 of 5");
    }

    fn failing() -> Outcome {
        let record = RunRecord { panic: Some("boom".to_owned()), ..two_epochs().record() };
        outcome(&plan(), record, Vec::new())
    }

    #[test]
    fn the_same_build_must_reach_the_same_trace() {
        let outcome = failing();
        let mut found = outcome.stored(&plan()).found.unwrap();
        assert_eq!(compare(&found, &outcome, crate::build_id()), Comparison::Reproduced);
        assert_eq!(found.fingerprint.as_deref(), outcome.fingerprint());
        found.trace_hash = "1234".to_owned();
        let diverged = compare(&found, &outcome, crate::build_id());
        assert!(matches!(diverged, Comparison::Diverged { .. }));
        assert!(diverged.message().unwrap().contains("not deterministic"));
    }

    #[test]
    fn another_build_is_told_what_has_changed() {
        let outcome = failing();
        let mut found = outcome.stored(&plan()).found.unwrap();
        let told = |found: &Found| compare(found, &outcome, "other").message().unwrap();
        assert!(told(&found).ends_with("still fails"));
        found.fingerprint = Some("0".to_owned());
        assert!(told(&found).ends_with("in another way now"));
        found.fingerprint = None;
        assert!(told(&found).ends_with("fails now"));
        let (plan, mut record) = honest_run();
        record.operations.clear();
        let undecided = crate::run::outcome(&plan, record, Vec::new());
        assert_eq!(change(&found, &undecided), Change::Undecided);
    }
}
