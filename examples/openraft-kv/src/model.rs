//! What clients ask: registers by key, and changes of the membership, of which no answer is wrong.

use serde::{Deserialize, Serialize};
use squall::model::{Answered, JepsenForm, Model, RegisterAnswer, RegisterOperation, Registers};

/// The model: registers beside an object that says yes to everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Members;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Operation {
    /// Of a register.
    Register(RegisterOperation),
    /// Of the cluster.
    Change(Change),
}

/// A change of the membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Change {
    /// A server becomes a learner, and then a voter.
    AddVoter {
        /// Its number.
        server: u64,
    },
    /// A server is a member no more.
    RemoveVoter {
        /// Its number.
        server: u64,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// By a register.
    Register(RegisterAnswer),
    /// The change is committed.
    Changed,
}

/// The key of the object that memberships are asked of.
const MEMBERS: &str = "members";

impl Model for Members {
    type Operation = Operation;
    type Answer = Answer;
    type State = Option<String>;

    fn name(&self) -> &'static str {
        "registers and members"
    }

    fn initial(&self) -> Option<String> {
        Registers.initial()
    }

    fn step(
        &self,
        state: &Option<String>,
        operation: &Operation,
        answer: Option<&Answer>,
    ) -> Option<Option<String>> {
        match (operation, answer) {
            (Operation::Register(operation), Some(Answer::Register(answer))) => {
                Registers.step(state, operation, Some(answer))
            }
            (Operation::Register(operation), None) => Registers.step(state, operation, None),
            (Operation::Register(_), Some(Answer::Changed)) => None,
            (Operation::Change(_), _) => Some(state.clone()),
        }
    }

    fn key(&self, operation: &Operation) -> String {
        match operation {
            Operation::Register(operation) => Registers.key(operation),
            Operation::Change(_) => MEMBERS.to_owned(),
        }
    }

    fn kind(&self, operation: &Operation) -> &'static str {
        match operation {
            Operation::Register(operation) => Registers.kind(operation),
            Operation::Change(Change::AddVoter { .. }) => "add-voter",
            Operation::Change(Change::RemoveVoter { .. }) => "remove-voter",
        }
    }

    fn is_read(&self, operation: &Operation) -> bool {
        matches!(operation, Operation::Register(operation) if Registers.is_read(operation))
    }

    fn blur(&self, operations: &mut [Answered<Self>]) {
        let of_register = |(operation, answer): &Answered<Self>| match (operation, answer) {
            (Operation::Register(operation), Some(Answer::Register(answer))) => {
                Some((operation.clone(), Some(answer.clone())))
            }
            (Operation::Register(operation), _) => Some((operation.clone(), None)),
            (Operation::Change(_), _) => None,
        };
        let mut registers: Vec<_> = operations.iter().filter_map(of_register).collect();
        Registers.blur(&mut registers);
        let mut blurred = registers.into_iter();
        for (operation, _) in operations {
            if let Operation::Register(operation) = operation {
                (*operation, _) = blurred.next().expect("as many as there were");
            }
        }
    }

    fn jepsen(&self, operation: &Operation, answer: Option<&Answer>) -> Option<JepsenForm> {
        match (operation, answer) {
            (Operation::Register(operation), Some(Answer::Register(answer))) => {
                Registers.jepsen(operation, Some(answer))
            }
            (Operation::Register(operation), None) => Registers.jepsen(operation, None),
            (Operation::Register(_), Some(Answer::Changed)) | (Operation::Change(_), _) => None,
        }
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["get", "set", "cas", "add-voter", "remove-voter"]
    }
}
