//! Reading plans: an error names the file, the field and what was expected, and nothing is guessed.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sim::EngineKind;
use sim::fault::TimedFault;
use thiserror::Error;

use super::digest::digest;
use super::{
    Conditions, Contradiction, Found, PLAN_FORMAT, Plan, PlannedOperation, Topology, validate,
};
use crate::any::{AnySystem, Systems};
use crate::opaque::Opaque;

/// A file that is no plan for this build.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// It is no JSON.
    #[error("{path}: line {line}, column {column}: {message}")]
    Syntax {
        /// The path of the file, as it was given.
        path: String,
        /// The line at which reading ended, from 1.
        line: usize,
        /// From 1; 0 where the file ends too early.
        column: usize,
        /// What was expected.
        message: String,
    },
    /// It is JSON, but nothing that says it is a plan.
    #[error("{path}: not a plan: expected an object with `format` and `scenario`, found {found}")]
    NotAPlan {
        /// The path of the file, as it was given.
        path: String,
        /// What it is.
        found: String,
    },
    /// Another version of the format.
    #[error("{path}: a plan of format {found}, but this build reads format {expected}")]
    OtherFormat {
        /// The path of the file, as it was given.
        path: String,
        /// The format that the file names, as it is written there.
        found: String,
        /// The latest format that this build reads.
        expected: u32,
    },
    /// A field is missing, unknown or malformed.
    #[error("{path}: {field}: {message}")]
    Field {
        /// The path of the file, as it was given.
        path: String,
        /// Which field, as in `faults[2]`.
        field: String,
        /// What is wrong, and what was expected.
        message: String,
    },
    /// The values contradict each other.
    #[error("{path}: {contradiction}")]
    Contradiction {
        /// The path of the file, as it was given.
        path: String,
        /// Where and how.
        contradiction: Contradiction,
    },
}

/// Reads a plan and checks that it makes sense. `path` is for messages only.
pub fn load_plan(systems: Systems, bytes: &[u8], path: &str) -> Result<Plan, PlanError> {
    let file = || path.to_owned();
    let value: Value = serde_json::from_slice(bytes).map_err(|error| PlanError::Syntax {
        path: file(),
        line: error.line(),
        column: error.column(),
        message: without_position(&error),
    })?;
    let is_plan = value.get("format").is_some() && value.get("scenario").is_some();
    let Value::Object(mut fields) = value else {
        return Err(PlanError::NotAPlan { path: file(), found: kind_of(&value) });
    };
    if !is_plan {
        let found = kind_of(&Value::Object(fields));
        return Err(PlanError::NotAPlan { path: file(), found });
    }
    let format = fields["format"].as_u64();
    let Some(format) = format.filter(|format| (1..=PLAN_FORMAT.into()).contains(format)) else {
        let found = fields["format"].to_string();
        return Err(PlanError::OtherFormat { path: file(), found, expected: PLAN_FORMAT });
    };
    let field = |field: &str, message: String| PlanError::Field {
        path: file(),
        field: field.to_owned(),
        message,
    };
    let as_written = digest(&fields);
    let system = system_of(systems, &fields).map_err(|message| field("system", message))?;
    if format < PLAN_FORMAT.into() {
        system.modernise(format, &mut fields);
        fields.insert("format".to_owned(), PLAN_FORMAT.into());
    }
    let operations = each(&fields, "operations", path, |json| operation(system, json))?;
    let faults = each(&fields, "faults", path, |json| {
        let fault: TimedFault =
            serde_json::from_value(json.clone()).map_err(|error| error.to_string())?;
        understood(json, &fault)?;
        Ok(fault)
    })?;
    let setup = fields.remove("setup").ok_or_else(|| field("the plan", missing("setup")))?;
    let setup = read_setup(system, &setup).map_err(|(at, message)| field(&at, message))?;
    for list in ["operations", "faults"] {
        if fields.remove(list).is_none() {
            return Err(field("the plan", missing(list)));
        }
    }
    let read = serde_path_to_error::deserialize(Value::Object(fields));
    let envelope: Envelope =
        read.map_err(|error| field(&where_in_plan(error.path()), without_position(error.inner())))?;
    // A value no longer tells that a field was there twice, so the bytes are asked.
    twice(bytes).map_err(|message| field("the plan", message))?;
    let mut plan = envelope.plan(system.name(), setup, operations, faults);
    let understood = plan.digest();
    if let Some(found) = &mut plan.found
        && found.plan_digest.as_ref() == Some(&as_written)
    {
        // It was written so: that this build may write the same plan otherwise is no change of it.
        found.plan_digest = Some(understood);
    }
    match validate(systems, &plan) {
        Ok(()) => Ok(plan),
        Err(contradiction) => Err(PlanError::Contradiction { path: file(), contradiction }),
    }
}

/// A plan without what only its system can read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    format: u32,
    #[serde(default, rename = "system")]
    _system: Option<String>,
    scenario: String,
    seed: u64,
    #[serde(default)]
    engine: EngineKind,
    #[serde(default)]
    plant: Option<String>,
    topology: Topology,
    conditions: Conditions,
    chaos_ms: u64,
    heal_ms: u64,
    #[serde(default)]
    note: Option<String>,
    #[serde(default)]
    found: Option<Found>,
}

impl Envelope {
    fn plan(
        self,
        system: &str,
        setup: Opaque,
        operations: Vec<PlannedOperation>,
        faults: Vec<TimedFault>,
    ) -> Plan {
        Plan {
            format: self.format,
            system: system.to_owned(),
            scenario: self.scenario,
            seed: self.seed,
            engine: self.engine,
            plant: self.plant,
            topology: self.topology,
            setup,
            conditions: self.conditions,
            chaos_ms: self.chaos_ms,
            heal_ms: self.heal_ms,
            operations,
            faults,
            note: self.note,
            found: self.found,
        }
    }
}

/// The system that a plan names; one that names none is the first one's, which plans were of before
/// there were others.
fn system_of(
    systems: Systems,
    fields: &Map<String, Value>,
) -> Result<&'static dyn AnySystem, String> {
    let known = || systems.all().map(AnySystem::name).collect::<Vec<_>>().join(", ");
    match fields.get("system") {
        None | Some(Value::Null) => {
            systems.all().next().ok_or_else(|| "this program knows no system".to_owned())
        }
        Some(Value::String(name)) => systems
            .named(name)
            .ok_or_else(|| format!("there is no `{name}`; there are {}", known())),
        Some(other) => Err(format!("{other}, expected a name: {}", known())),
    }
}

fn missing(field: &str) -> String {
    format!("missing field `{field}`")
}

fn read_setup(system: &dyn AnySystem, json: &Value) -> Result<Opaque, (String, String)> {
    let at =
        |path: String| if path.is_empty() { "setup".to_owned() } else { format!("setup.{path}") };
    let setup = system.read_setup(json).map_err(|(path, message)| (at(path), message))?;
    match unknown_field(json, &setup.to_json()) {
        Some(field) => Err((at(String::new()), format!("unknown field `{field}`"))),
        None => Ok(setup),
    }
}

/// An operation: when, whose, and what is the system's.
fn operation(system: &dyn AnySystem, json: &Value) -> Result<PlannedOperation, String> {
    let Value::Object(fields) = json else {
        return Err(format!("expected an object, found {}", kind_of(json)));
    };
    let mut own = fields.clone();
    let mut number = |name: &str| {
        let value = own.remove(name).ok_or_else(|| missing(name))?;
        value.as_u64().ok_or_else(|| format!("{name}: {value}, expected a whole number"))
    };
    let (at_ms, client) = (number("at_ms")?, number("client")?);
    let client = u32::try_from(client).map_err(|_| format!("client: {client} is too large"))?;
    let own = Value::Object(own);
    let action = system.read_operation(&own).map_err(|(_, message)| message)?;
    match unknown_field(&own, &action.to_json()) {
        Some(field) => Err(format!("unknown field `{field}`")),
        None => Ok(PlannedOperation { at_ms, client, action }),
    }
}

/// Whether a field of the plan itself is there twice.
fn twice(bytes: &[u8]) -> Result<(), String> {
    struct Fields;

    impl<'de> Visitor<'de> for Fields {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a plan")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<String>, A::Error> {
            let (mut seen, mut again) = (BTreeSet::new(), None);
            while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                if !seen.insert(name.clone()) {
                    again.get_or_insert(name);
                }
            }
            Ok(again)
        }
    }

    let again = serde_json::Deserializer::from_slice(bytes).deserialize_map(Fields);
    match again {
        Ok(Some(name)) => Err(format!("duplicate field `{name}`")),
        Ok(None) | Err(_) => Ok(()),
    }
}

/// Reads a list's elements one by one, so that an error names the element.
fn each<T>(
    plan: &Map<String, Value>,
    list: &str,
    path: &str,
    read: impl Fn(&Value) -> Result<T, String>,
) -> Result<Vec<T>, PlanError> {
    let wrong = |field: String, message| PlanError::Field { path: path.to_owned(), field, message };
    let elements = match plan.get(list) {
        None => return Ok(Vec::new()),
        Some(Value::Array(elements)) => elements,
        Some(other) => {
            let message = format!("expected a list, found {}", kind_of(other));
            return Err(wrong(list.to_owned(), message));
        }
    };
    let one = |(index, element)| {
        read(element).map_err(|message| wrong(format!("{list}[{index}]"), message))
    };
    elements.iter().enumerate().map(one).collect()
}

/// A field that nobody reads is an error too: it is a misspelt one, most likely.
fn understood<T: Serialize>(given: &Value, read: &T) -> Result<(), String> {
    let understood = serde_json::to_value(read).map_err(|error| error.to_string())?;
    match unknown_field(given, &understood) {
        Some(field) => Err(format!("unknown field `{field}`")),
        None => Ok(()),
    }
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
        Value::Object(fields) if fields.is_empty() => "an object without fields".to_owned(),
        Value::Object(fields) => {
            let names: Vec<&str> = fields.keys().map(String::as_str).take(5).collect();
            format!("an object with {}", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SYSTEMS, plan, short_plan};

    fn load(bytes: &[u8]) -> Result<Plan, PlanError> {
        load_plan(SYSTEMS, bytes, "p.json")
    }

    fn json(change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut value = serde_json::to_value(plan()).unwrap();
        change(&mut value);
        serde_json::to_vec(&value).unwrap()
    }

    fn complaint(bytes: &[u8]) -> String {
        load(bytes).unwrap_err().to_string()
    }

    #[test]
    fn a_plan_survives_being_stored() {
        assert_eq!(load(plan().to_text().as_bytes()), Ok(plan()));
        let stored: Value = serde_json::from_str(&plan().to_text()).unwrap();
        assert_eq!((&stored["format"], &stored["system"]), (&2.into(), &"store".into()));
    }

    #[test]
    fn a_plan_of_an_older_format_becomes_one_of_this() {
        let old = json(|plan| {
            let fields = plan.as_object_mut().unwrap();
            fields.insert("format".to_owned(), 1.into());
            fields.remove("system");
            let setup = fields.remove("setup").unwrap();
            fields.insert("store".to_owned(), setup);
        });
        assert_eq!(load(&old), Ok(plan()));
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
        assert!(complaint(b"{}").ends_with("found an object without fields"));
        assert!(complaint(&[0xff, 0xfe]).starts_with("p.json: line 1"));
        let other = complaint(b"{\"format\": 7, \"scenario\": \"x\"}");
        assert_eq!(other, "p.json: a plan of format 7, but this build reads format 2");
        let nobodys = complaint(&json(|plan| plan["system"] = "shop".into()));
        assert_eq!(nobodys, "p.json: system: there is no `shop`; there are store");
        let number = complaint(&json(|plan| plan["system"] = 3.into()));
        assert_eq!(number, "p.json: system: 3, expected a name: store");
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
        for field in ["chaos_ms", "setup", "operations", "faults", "topology"] {
            let missing = complaint(&json(|plan| {
                plan.as_object_mut().unwrap().remove(field);
            }));
            let expected = format!("p.json: the plan: missing field `{field}`");
            assert_eq!(missing, expected);
        }
        let misspelt = complaint(&json(|plan| plan["faults"][1]["untill_ms"] = 5.into()));
        assert_eq!(misspelt, "p.json: faults[1]: unknown field `untill_ms`");
        let extra = complaint(&json(|plan| plan["operations"][0]["vers"] = 1.into()));
        assert_eq!(extra, "p.json: operations[0]: unknown field `vers`");
        let none = json(|plan| plan["faults"][1]["when"] = Value::Null);
        assert!(load(&none).is_ok());
        let listed = complaint(&json(|plan| plan["faults"] = 3.into()));
        assert_eq!(listed, "p.json: faults: expected a list, found a number");
        let nobodys = complaint(&json(|plan| {
            plan["operations"][2].as_object_mut().unwrap().remove("client");
        }));
        assert_eq!(nobodys, "p.json: operations[2]: missing field `client`");
        let negative = complaint(&json(|plan| plan["setup"]["value_bytes"] = (-3).into()));
        let expected = "p.json: setup.value_bytes: invalid value: integer";
        assert!(negative.starts_with(expected), "{negative}");
        let rest = complaint(&json(|plan| plan["setup"]["copy_ms"] = "long".into()));
        assert!(rest.starts_with("p.json: setup.copy_ms: invalid type: string"), "{rest}");
        let other = complaint(&json(|plan| plan["setup"]["colour"] = 1.into()));
        assert!(other.starts_with("p.json: setup.colour: unknown field `colour`"), "{other}");
        let slow = complaint(&json(|plan| plan["conditions"]["fsync_us"] = "slow".into()));
        assert!(slow.starts_with("p.json: conditions.fsync_us: invalid type: string"), "{slow}");
        let text = String::from_utf8(json(|_| {})).unwrap();
        let twice = text.replacen("\"seed\":", "\"seed\":1,\"seed\":", 1);
        assert!(complaint(twice.as_bytes()).contains("duplicate field `seed`"), "{twice}");
        let client = complaint(&json(|plan| plan["operations"][2]["client"] = 9.into()));
        assert_eq!(client, "p.json: operations[2].client: client 9 of 3");
    }

    #[test]
    fn what_a_person_and_a_run_say_of_a_plan_is_kept() {
        let plan_digest = Some("2e".into());
        let found =
            Found { build: "b".into(), trace_hash: "1f".into(), fingerprint: None, plan_digest };
        let told = Plan { note: Some("why".into()), found: Some(found), ..short_plan(1) };
        assert_eq!(load(told.to_text().as_bytes()), Ok(told));
    }

    #[test]
    fn a_plan_that_another_build_wrote_otherwise_is_not_changed_by_that() {
        let mut written = serde_json::to_value(short_plan(1)).unwrap();
        let fields = written.as_object_mut().unwrap();
        // A field that this build writes although it has its default, and another does not.
        let isolate = serde_json::json!([{"at_ms": 1, "kind": "isolate", "who": "n1"}]);
        fields.insert("faults".to_owned(), isolate);
        let found = serde_json::json!({
            "build": "other", "trace_hash": "1f", "plan_digest": digest(fields)
        });
        fields.insert("found".to_owned(), found);
        assert!(!load(written.to_string().as_bytes()).unwrap().is_changed());
        written["faults"][0]["at_ms"] = 2.into();
        assert!(load(written.to_string().as_bytes()).unwrap().is_changed());
    }
}
