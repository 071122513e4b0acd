//! A store of strings with get, put and append, after Porcupine's key-value model: one object for
//! each key, the empty string at first.

use super::{Effect, Model, ModelError};
use crate::history::{Operation, Status, Value};

/// The key-value model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyValue;

/// An operation on one key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyValueOp {
    /// Returned this string.
    Get(String),
    /// Stored this string.
    Put(String),
    /// Added this string at the end.
    Append(String),
}

impl Model for KeyValue {
    type Op = KeyValueOp;
    type State = String;

    fn name(&self) -> &'static str {
        "key-value"
    }

    fn initial(&self) -> String {
        String::new()
    }

    fn step(&self, state: &String, op: &KeyValueOp) -> Option<String> {
        match op {
            KeyValueOp::Get(value) => (value == state).then(|| state.clone()),
            KeyValueOp::Put(value) => Some(value.clone()),
            KeyValueOp::Append(value) => Some(format!("{state}{value}")),
        }
    }

    fn effect(&self, op: &KeyValueOp) -> Effect {
        match op {
            KeyValueOp::Get(_) => Effect::Read,
            KeyValueOp::Put(_) => Effect::Overwrite,
            KeyValueOp::Append(_) => Effect::Update,
        }
    }

    fn held_by(&self, state: &String) -> usize {
        // The allocator rounds up.
        state.capacity() + 16
    }

    fn only_adds(&self) -> bool {
        true
    }

    fn may_lead_to(&self, state: &String, read: &KeyValueOp) -> bool {
        match read {
            KeyValueOp::Get(value) => value.starts_with(state.as_str()),
            KeyValueOp::Put(_) | KeyValueOp::Append(_) => true,
        }
    }

    fn is_irrelevant(&self, op: &KeyValueOp, _rest: &[&KeyValueOp]) -> bool {
        // A put or an append is part of every later value, so only reads can be left out.
        matches!(op, KeyValueOp::Get(_))
    }

    fn read(&self, operation: &Operation) -> Result<Option<(Value, KeyValueOp)>, ModelError> {
        let Some(key) = operation.key.clone() else {
            return Err(self.error(operation, "a :key", "none".to_owned()));
        };
        if operation.status == Status::Fail {
            return Ok(None);
        }
        let open = operation.status == Status::Info;
        let op = match operation.f.as_str() {
            "get" if open => return Ok(None),
            "get" => KeyValueOp::Get(self.text(operation, &operation.result)?),
            "put" => KeyValueOp::Put(self.text(operation, &operation.argument)?),
            "append" => KeyValueOp::Append(self.text(operation, &operation.argument)?),
            other => return Err(self.error(operation, "get, put or append", other.to_owned())),
        };
        Ok(Some((key, op)))
    }

    fn describe_op(&self, op: &KeyValueOp) -> String {
        match op {
            KeyValueOp::Get(value) => format!("get → {value:?}"),
            KeyValueOp::Put(value) => format!("put {value:?}"),
            KeyValueOp::Append(value) => format!("append {value:?}"),
        }
    }

    fn describe_state(&self, state: &String) -> String {
        format!("{state:?}")
    }
}

impl KeyValue {
    fn text(&self, operation: &Operation, value: &Value) -> Result<String, ModelError> {
        match value {
            Value::Text(text) => Ok(text.clone()),
            Value::Nil => Ok(String::new()),
            other => Err(self.error(operation, "a string value", other.to_string())),
        }
    }

    fn error(&self, operation: &Operation, expected: &str, found: String) -> ModelError {
        let expected = expected.to_owned();
        ModelError { line: operation.line, model: self.name(), expected, found }
    }
}
