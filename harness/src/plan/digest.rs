//! Whether a stored plan is still the plan whose end is stored with it.
//!
//! An end says of the plan that it is of: sixteen digits over all that a run is a function of. What a person
//! says of a plan (`note`) and the end itself (`found`) are left out, and so are the order of fields and
//! fields that say nothing. Who takes a line out to see what happens has another plan, with an end of its
//! own.

use std::fmt::Write;

use probe::hash_bytes;
use serde_json::{Map, Value};

use super::Plan;

/// Fields of a plan that no run depends on.
const SAID_OF_IT: [&str; 2] = ["note", "found"];

impl Plan {
    /// The digest of all that a run of it depends on.
    pub fn digest(&self) -> String {
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => digest(&fields),
            other => unreachable!("a plan is an object with text keys, not {other:?}"),
        }
    }

    /// Whether it is another plan than the one whose end is stored with it. An end that does not say of
    /// which plan it is, as builds wrote it that knew no digests, is believed to be of this one.
    pub fn is_changed(&self) -> bool {
        let stored = self.found.as_ref().and_then(|found| found.plan_digest.as_ref());
        stored.is_some_and(|stored| *stored != self.digest())
    }
}

/// The digest of a plan as it is written.
pub(super) fn digest(plan: &Map<String, Value>) -> String {
    let mut text = String::new();
    let run = plan.iter().filter(|(name, _)| !SAID_OF_IT.contains(&name.as_str()));
    write_object(run, &mut text);
    format!("{:016x}", hash_bytes(text.as_bytes()))
}

/// One text for all spellings of a value.
fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => write_object(fields.iter(), text),
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write(item, text);
                text.push(',');
            }
            text.push(']');
        }
        plain => {
            // Writing to a text cannot fail.
            let _ = write!(text, "{plain}");
        }
    }
}

fn write_object<'a>(fields: impl Iterator<Item = (&'a String, &'a Value)>, text: &mut String) {
    let mut fields: Vec<(&String, &Value)> = fields.filter(|(_, value)| !value.is_null()).collect();
    fields.sort_by_key(|(name, _)| *name);
    text.push('{');
    for (name, value) in fields {
        let _ = write!(text, "{}:", Value::String(name.clone()));
        write(value, text);
        text.push(',');
    }
    text.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Found;
    use crate::testing::plan;

    fn fields(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_no_run_depends_on_is_left_out() {
        let bare = digest(&fields(r#"{"seed":7,"topology":{"a":1,"b":2},"faults":[1,{"c":3}]}"#));
        for same in [
            r#"{"faults":[1,{"c":3}],"topology":{"b":2,"a":1},"seed":7}"#,
            r#"{"seed":7,"plant":null,"topology":{"a":1,"b":2},"faults":[1,{"when":null,"c":3}]}"#,
            r#"{"note":"why","seed":7,"topology":{"a":1,"b":2},"faults":[1,{"c":3}],"found":{}}"#,
        ] {
            assert_eq!(digest(&fields(same)), bare, "{same}");
        }
        for other in [
            r#"{"seed":8,"topology":{"a":1,"b":2},"faults":[1,{"c":3}]}"#,
            r#"{"seed":7,"topology":{"a":1,"b":2},"faults":[{"c":3},1]}"#,
            r#"{"seed":7,"topology":{"a":1,"b":2},"faults":[1]}"#,
            r#"{"seed":"7","topology":{"a":1,"b":2},"faults":[1,{"c":3}]}"#,
        ] {
            assert_ne!(digest(&fields(other)), bare, "{other}");
        }
    }

    #[test]
    fn a_plan_is_changed_when_its_end_is_of_another_one() {
        let found = |plan_digest| Found {
            build: "b".to_owned(),
            trace_hash: "1f".to_owned(),
            fingerprint: None,
            plan_digest,
        };
        let of_old_build = Plan { found: Some(found(None)), ..plan() };
        assert!(!plan().is_changed() && !of_old_build.is_changed());
        let mut stored = Plan { found: Some(found(Some(plan().digest()))), ..plan() };
        assert!(!stored.is_changed());
        stored.note = Some("why".to_owned());
        assert!(!stored.is_changed());
        stored.faults.pop().unwrap();
        assert!(stored.is_changed());
    }
}
