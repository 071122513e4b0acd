//! Registers by key: a key-value store with compare-and-set.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use checker::history::Value as Told;

use super::{Answered, Effect, JepsenForm, Model};

/// The model: each key has a register, empty at first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Registers;

/// What is asked of a register.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum RegisterOperation {
    /// Read what the register holds.
    Get {
        /// The name of the register.
        key: String,
    },
    /// Write a value, whatever it held.
    Set {
        /// The name of the register.
        key: String,
        /// What it holds afterwards; unique in a run, so that a read tells which write it saw.
        value: String,
    },
    /// Write it if it holds `old`.
    Cas {
        /// The name of the register.
        key: String,
        /// What it must hold.
        old: String,
        /// What is written then.
        new: String,
    },
}

/// What a register answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RegisterAnswer {
    /// It held this; nothing, if it was never written.
    Value(Option<String>),
    /// It was written.
    Written,
    /// It did not hold what was expected, and is as it was.
    Differs,
}

impl RegisterOperation {
    /// The register's key.
    pub fn key(&self) -> &str {
        match self {
            RegisterOperation::Get { key }
            | RegisterOperation::Set { key, .. }
            | RegisterOperation::Cas { key, .. } => key,
        }
    }
}

impl fmt::Display for RegisterOperation {
    /// `get x`, `set x 1`, `cas x 1 2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegisterOperation::Get { key } => write!(f, "get {key}"),
            RegisterOperation::Set { key, value } => write!(f, "set {key} {value}"),
            RegisterOperation::Cas { key, old, new } => write!(f, "cas {key} {old} {new}"),
        }
    }
}

impl Model for Registers {
    type Operation = RegisterOperation;
    type Answer = RegisterAnswer;
    type State = Option<String>;

    fn name(&self) -> &'static str {
        "register"
    }

    fn initial(&self) -> Option<String> {
        None
    }

    fn step(
        &self,
        state: &Option<String>,
        operation: &RegisterOperation,
        answer: Option<&RegisterAnswer>,
    ) -> Option<Option<String>> {
        use RegisterAnswer::{Differs, Value, Written};
        let holds = |old: &String| state.as_ref() == Some(old);
        match (operation, answer) {
            (RegisterOperation::Get { .. }, None) => Some(state.clone()),
            (RegisterOperation::Get { .. }, Some(Value(value))) => {
                (value == state).then(|| state.clone())
            }
            (RegisterOperation::Set { value, .. }, None | Some(Written)) => {
                Some(Some(value.clone()))
            }
            (RegisterOperation::Cas { old, new, .. }, None) => {
                Some(if holds(old) { Some(new.clone()) } else { state.clone() })
            }
            (RegisterOperation::Cas { old, new, .. }, Some(Written)) => {
                holds(old).then(|| Some(new.clone()))
            }
            (RegisterOperation::Cas { old, .. }, Some(Differs)) => {
                (!holds(old)).then(|| state.clone())
            }
            _ => None,
        }
    }

    fn key(&self, operation: &RegisterOperation) -> String {
        operation.key().to_owned()
    }

    fn kind(&self, operation: &RegisterOperation) -> &'static str {
        match operation {
            RegisterOperation::Get { .. } => "get",
            RegisterOperation::Set { .. } => "set",
            RegisterOperation::Cas { .. } => "cas",
        }
    }

    fn is_read(&self, operation: &RegisterOperation) -> bool {
        matches!(operation, RegisterOperation::Get { .. })
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["get", "set", "cas"]
    }

    fn jepsen(
        &self,
        operation: &RegisterOperation,
        answer: Option<&RegisterAnswer>,
    ) -> Option<JepsenForm> {
        let text = |text: &String| Told::Text(text.clone());
        let (f, asked) = match operation {
            RegisterOperation::Get { .. } => ("read", Told::Nil),
            RegisterOperation::Set { value, .. } => ("write", text(value)),
            RegisterOperation::Cas { old, new, .. } => {
                ("cas", Told::Vector(vec![text(old), text(new)]))
            }
        };
        let value = match answer {
            Some(RegisterAnswer::Value(value)) => value.as_ref().map_or(Told::Nil, text),
            Some(RegisterAnswer::Written | RegisterAnswer::Differs) | None => asked,
        };
        let is_failed = matches!(answer, Some(RegisterAnswer::Differs));
        Some(JepsenForm { f, value, is_failed })
    }

    fn effect(&self, operation: &RegisterOperation, answer: Option<&RegisterAnswer>) -> Effect {
        match (operation, answer) {
            (RegisterOperation::Get { .. }, _) | (_, Some(RegisterAnswer::Differs)) => Effect::Read,
            (RegisterOperation::Set { .. }, _) => Effect::Overwrite,
            (RegisterOperation::Cas { .. }, _) => Effect::Update,
        }
    }

    /// A value that no read returned and no compare-and-set expects is as good as any other such value:
    /// what is compared with it is unequal, whichever it is.
    fn blur(&self, operations: &mut [Answered<Self>]) {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for (operation, answer) in operations.iter() {
            if let Some(RegisterAnswer::Value(Some(value))) = answer {
                seen.insert(value.clone());
            }
            if let RegisterOperation::Cas { old, .. } = operation {
                seen.insert(old.clone());
            }
        }
        let unseen = (0..).map(|n| format!("unseen-{n}")).find(|name| !seen.contains(name));
        let unseen = unseen.expect("there are more names than values");
        for (operation, _) in operations {
            let (RegisterOperation::Set { value: stored, .. }
            | RegisterOperation::Cas { new: stored, .. }) = operation
            else {
                continue;
            };
            if !seen.contains(stored) {
                stored.clone_from(&unseen);
            }
        }
    }

    fn is_irrelevant(&self, one: &Answered<Self>, rest: &[&Answered<Self>]) -> bool {
        let stored = match &one.0 {
            operation if self.effect(operation, one.1.as_ref()) == Effect::Read => return true,
            RegisterOperation::Set { value, .. } => value,
            RegisterOperation::Cas { new, .. } => new,
            RegisterOperation::Get { .. } => return true,
        };
        // Without this store the register keeps an older value for longer. Nobody needs the stored one,
        // and nobody needs the absence of the older one.
        rest.iter().all(|(other, answer)| match (other, answer) {
            (_, Some(RegisterAnswer::Differs)) => false,
            (_, Some(RegisterAnswer::Value(seen))) => seen.as_ref() != Some(stored),
            (RegisterOperation::Cas { old, .. }, _) => old != stored,
            (RegisterOperation::Get { .. } | RegisterOperation::Set { .. }, _) => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_answers_what_it_holds() {
        let key = || "x".to_owned();
        let step = |state: Option<&str>, operation, answer| {
            Registers.step(&state.map(str::to_owned), &operation, answer)
        };
        let get = || RegisterOperation::Get { key: key() };
        let one = RegisterAnswer::Value(Some("1".to_owned()));
        assert_eq!(step(Some("1"), get(), Some(&one)), Some(Some("1".to_owned())));
        assert_eq!(step(Some("2"), get(), Some(&one)), None, "it holds another");
        let cas = || RegisterOperation::Cas { key: key(), old: "1".into(), new: "2".into() };
        let (written, differs) = (RegisterAnswer::Written, RegisterAnswer::Differs);
        assert_eq!(step(Some("1"), cas(), Some(&written)), Some(Some("2".to_owned())));
        assert_eq!(step(Some("1"), cas(), Some(&differs)), None);
        assert_eq!(step(None, cas(), Some(&written)), None);
        assert_eq!(step(None, cas(), None), Some(None), "nobody knows, and it had no effect");
        assert_eq!(step(None, get(), Some(&written)), None, "that is no answer to this");
    }

    #[test]
    fn what_is_left_out_of_a_counterexample_is_needed_by_nobody() {
        let key = || "x".to_owned();
        let set = |value: &str| (RegisterOperation::Set { key: key(), value: value.into() }, None);
        let get = |value: Option<&str>| {
            let answer = RegisterAnswer::Value(value.map(str::to_owned));
            (RegisterOperation::Get { key: key() }, Some(answer))
        };
        let cas = |answer| {
            let (old, new) = ("1".to_owned(), "2".to_owned());
            (RegisterOperation::Cas { key: key(), old, new }, answer)
        };
        let irrelevant = |one: &_, rest: &[&_]| Registers.is_irrelevant(one, rest);
        assert!(irrelevant(&get(Some("1")), &[&set("1")]));
        assert!(irrelevant(&set("1"), &[&get(Some("2")), &set("2")]));
        assert!(!irrelevant(&set("1"), &[&get(Some("1"))]), "somebody reads it");
        assert!(!irrelevant(&set("1"), &[&cas(None)]), "somebody may have found it");
        assert!(
            !irrelevant(&set("3"), &[&cas(Some(RegisterAnswer::Differs))]),
            "something else than 1 must have been there"
        );
        assert!(irrelevant(&cas(Some(RegisterAnswer::Differs)), &[]), "it changed nothing");
        assert_eq!(Registers.effect(&set("1").0, None), Effect::Overwrite);
        assert_eq!(Registers.effect(&cas(None).0, None), Effect::Update);
    }

    #[test]
    fn values_that_nobody_saw_become_one() {
        let key = || "x".to_owned();
        let set = |value: &str| (RegisterOperation::Set { key: key(), value: value.into() }, None);
        let cas = |old: &str, new: &str| {
            let (old, new) = (old.to_owned(), new.to_owned());
            (RegisterOperation::Cas { key: key(), old, new }, None)
        };
        let get = |value: &str| {
            let answer = RegisterAnswer::Value(Some(value.to_owned()));
            (RegisterOperation::Get { key: key() }, Some(answer))
        };
        let mut operations =
            [set("1"), set("2"), set("3"), cas("3", "4"), cas("1", "unseen-0"), get("2")];
        Registers.blur(&mut operations);
        let expected = ["1", "2", "3"].map(set).into_iter().chain([
            cas("3", "unseen-0"),
            cas("1", "unseen-0"),
            get("2"),
        ]);
        assert_eq!(operations.to_vec(), expected.collect::<Vec<_>>());
        let mut seen = [set("1"), set("2"), get("unseen-0")];
        Registers.blur(&mut seen);
        assert_eq!(seen, [set("unseen-1"), set("unseen-1"), get("unseen-0")]);
    }
}
