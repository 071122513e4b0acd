//! A register with read, write and compare-and-set, after Knossos' `cas-register`; without its
//! compare-and-set it is the plain register. It is nil at first.

use super::{Effect, Model, ModelError, Touch};
use crate::history::{Operation, Status, Value};

/// The register model. Operations may name a `key`: then there is one register for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CasRegister {
    /// What a `fail` of a compare-and-set means.
    pub failed_cas: FailedCas,
}

/// What a history means by a failed compare-and-set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedCas {
    /// It did not happen, and nothing is known about the register (Jepsen).
    DidNotHappen,
    /// It compared, and found another value (the logs of Jepsen's etcd test, after Porcupine).
    FoundAnother,
}

/// An operation on a register.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RegisterOp {
    /// Returned this value.
    Read(Value),
    /// Stored this value.
    Write(Value),
    /// Found the first value and stored the second.
    Cas(Value, Value),
    /// Did not find this value.
    CasFailed(Value),
    /// Stored the second value if it found the first; nobody knows.
    CasUnknown(Value, Value),
}

impl Model for CasRegister {
    type Op = RegisterOp;
    type State = Value;

    fn name(&self) -> &'static str {
        "cas-register"
    }

    fn initial(&self) -> Value {
        Value::Nil
    }

    fn step(&self, state: &Value, op: &RegisterOp) -> Option<Value> {
        match op {
            RegisterOp::Read(value) => (value == state).then(|| state.clone()),
            RegisterOp::Write(value) => Some(value.clone()),
            RegisterOp::Cas(old, new) => (old == state).then(|| new.clone()),
            RegisterOp::CasFailed(old) => (old != state).then(|| state.clone()),
            RegisterOp::CasUnknown(old, new) => {
                Some(if old == state { new } else { state }.clone())
            }
        }
    }

    fn effect(&self, op: &RegisterOp) -> Effect {
        match op {
            RegisterOp::Read(_) | RegisterOp::CasFailed(_) => Effect::Read,
            RegisterOp::Write(_) => Effect::Overwrite,
            RegisterOp::Cas(..) | RegisterOp::CasUnknown(..) => Effect::Update,
        }
    }

    fn touch(&self, op: &RegisterOp) -> Option<Touch<Value>> {
        let (finds, stores) = match op {
            RegisterOp::Read(value) => (Some(value), None),
            RegisterOp::Write(value) => (None, Some(value)),
            RegisterOp::Cas(old, new) => (Some(old), Some(new)),
            RegisterOp::CasFailed(_) => (None, None),
            RegisterOp::CasUnknown(_, new) => (None, Some(new)),
        };
        Some(Touch { finds: finds.cloned(), stores: stores.cloned() })
    }

    fn is_irrelevant(&self, op: &RegisterOp, rest: &[&RegisterOp]) -> bool {
        let stored = match op {
            RegisterOp::Read(_) | RegisterOp::CasFailed(_) => return true,
            RegisterOp::Write(value)
            | RegisterOp::Cas(_, value)
            | RegisterOp::CasUnknown(_, value) => value,
        };
        // Without this store the register keeps an older value for longer. Nobody needs the
        // stored one, and nobody needs the absence of the older one.
        rest.iter().all(|other| match other {
            RegisterOp::Read(seen) => seen != stored,
            RegisterOp::Cas(old, _) | RegisterOp::CasUnknown(old, _) => old != stored,
            RegisterOp::CasFailed(_) => false,
            RegisterOp::Write(_) => true,
        })
    }

    fn read(&self, operation: &Operation) -> Result<Option<(Value, RegisterOp)>, ModelError> {
        let key = operation.key.clone().unwrap_or(Value::Nil);
        let open = operation.status == Status::Info;
        let failed = operation.status == Status::Fail;
        let op = match operation.f.as_str() {
            "read" | "r" if open || failed => None,
            "read" | "r" => Some(RegisterOp::Read(operation.result.clone())),
            "write" | "w" if failed => None,
            "write" | "w" => Some(RegisterOp::Write(operation.argument.clone())),
            "cas" => {
                let (old, new) = self.cas_argument(operation)?;
                match (operation.status, self.failed_cas) {
                    (Status::Ok, _) => Some(RegisterOp::Cas(old, new)),
                    (Status::Info, _) => Some(RegisterOp::CasUnknown(old, new)),
                    (Status::Fail, FailedCas::FoundAnother) => Some(RegisterOp::CasFailed(old)),
                    (Status::Fail, FailedCas::DidNotHappen) => None,
                }
            }
            other => return Err(self.error(operation, "read, write or cas", other.to_owned())),
        };
        Ok(op.map(|op| (key, op)))
    }

    fn describe_op(&self, op: &RegisterOp) -> String {
        match op {
            RegisterOp::Read(value) => format!("read → {value}"),
            RegisterOp::Write(value) => format!("write {value}"),
            RegisterOp::Cas(old, new) => format!("cas {old} to {new}"),
            RegisterOp::CasFailed(old) => format!("cas from {old} → found another value"),
            RegisterOp::CasUnknown(old, new) => format!("cas {old} to {new} → unknown"),
        }
    }

    fn describe_state(&self, state: &Value) -> String {
        state.to_string()
    }
}

impl CasRegister {
    fn cas_argument(&self, operation: &Operation) -> Result<(Value, Value), ModelError> {
        match operation.argument.elements() {
            Some([old, new]) => Ok((old.clone(), new.clone())),
            Some(_) | None => {
                Err(self.error(operation, "cas with [old new]", operation.argument.to_string()))
            }
        }
    }

    fn error(&self, operation: &Operation, expected: &str, found: String) -> ModelError {
        let expected = expected.to_owned();
        ModelError { line: operation.line, model: self.name(), expected, found }
    }
}
