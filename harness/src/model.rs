//! Sequential models: what a service answers if it does one thing after the other.
//!
//! In the common case a system is a set of objects by key, and its clients ask operations of them. Then a
//! [`Model`] and a [`Workload`](crate::generate::Workload) are all that a user writes: plans, recording and
//! the verdict of linearizability come by [`crate::calls`]. [`Registers`] and [`Queues`] are ready.

mod queue;
mod register;

use std::fmt::Debug;
use std::hash::Hash;

use checker::history::Operation;
pub use checker::history::Value;
pub use checker::model::Effect;
use checker::model::{Model as Searched, ModelError};

use crate::opaque::Data;

pub use queue::{QueueAnswer, QueueOperation, Queues};
pub use register::{RegisterAnswer, RegisterOperation, Registers};

/// A sequential object. There is one for each key, and all begin in the same state.
pub trait Model: Clone + Default + Send + Sync + 'static {
    /// What is asked of it.
    type Operation: Data + Eq + Hash;
    /// What it answers.
    type Answer: Clone + Debug + Eq + Hash + Send + Sync + 'static;
    /// What it holds.
    type State: Clone + Debug + Eq + Hash + Ord;

    /// What it is called in explanations: `register`.
    fn name(&self) -> &'static str;

    /// A new object.
    fn initial(&self) -> Self::State;

    /// The object after an operation with this answer; none if it cannot answer so in this state. Without
    /// an answer nobody knows what it was: the object as if the operation had taken effect.
    fn step(
        &self,
        state: &Self::State,
        operation: &Self::Operation,
        answer: Option<&Self::Answer>,
    ) -> Option<Self::State>;

    /// The key of the object that it is asked of.
    fn key(&self, operation: &Self::Operation) -> String;

    /// A short word for what kind of operation it is: `get`. Plots tell kinds apart.
    fn kind(&self, operation: &Self::Operation) -> &'static str;

    /// Whether it never changes the object.
    fn is_read(&self, operation: &Self::Operation) -> bool;

    /// How an operation with this answer touches the object. A search that knows what overwrites is a
    /// great deal faster; by default whatever is no read may do anything.
    fn effect(&self, operation: &Self::Operation, answer: Option<&Self::Answer>) -> Effect {
        let _ = answer;
        if self.is_read(operation) { Effect::Read } else { Effect::Update }
    }

    /// Whether any order that is legal with it is legal without it for `rest`: such operations are left
    /// out of counterexamples. By default reads are, and nothing else.
    fn is_irrelevant(&self, one: &Answered<Self>, rest: &[&Answered<Self>]) -> bool {
        let _ = rest;
        self.effect(&one.0, one.1.as_ref()) == Effect::Read
    }

    /// Makes alike, among all operations on one object, what no answer tells apart: writes of values that
    /// nobody saw. The search takes equal operations together, so that many calls without an answer do not
    /// make it give up. Every order that was legal must stay so, and none become so. By default nothing is
    /// changed.
    fn blur(&self, operations: &mut [Answered<Self>]) {
        let _ = operations;
    }

    /// The operation as it stands in histories of Jepsen, asked and, with an answer, answered: then
    /// `squall check` and Jepsen's own checkers can judge the file. None if it has no such form, as by default.
    fn jepsen(
        &self,
        operation: &Self::Operation,
        answer: Option<&Self::Answer>,
    ) -> Option<JepsenForm> {
        let _ = (operation, answer);
        None
    }

    /// The kinds of operations, in the order of legends.
    fn kinds(&self) -> &'static [&'static str];
}

/// An operation in the words of Jepsen's registers (`jepsen.tests.linearizable-register`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JepsenForm {
    /// `read`, `write` or `cas`.
    pub f: &'static str,
    /// The value, without the key: nil of a read that is asked, `[old new]` of a cas.
    pub value: Value,
    /// Whether the answer says that nothing was changed, so that the operation failed.
    pub is_failed: bool,
}

/// A model as the search of the checker knows it.
pub(crate) struct Sequential<M>(pub(crate) M);

/// An operation with its answer, if that is known.
pub type Answered<M> = (<M as Model>::Operation, Option<<M as Model>::Answer>);

impl<M: Model> Searched for Sequential<M> {
    type Op = Answered<M>;
    type State = M::State;

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn initial(&self) -> M::State {
        self.0.initial()
    }

    fn step(&self, state: &M::State, (operation, answer): &Answered<M>) -> Option<M::State> {
        self.0.step(state, operation, answer.as_ref())
    }

    fn effect(&self, (operation, answer): &Answered<M>) -> Effect {
        self.0.effect(operation, answer.as_ref())
    }

    fn is_irrelevant(&self, one: &Answered<M>, rest: &[&Answered<M>]) -> bool {
        self.0.is_irrelevant(one, rest)
    }

    fn read(&self, _operation: &Operation) -> Result<Option<(Value, Answered<M>)>, ModelError> {
        // Calls are given to the search as they are; nothing is read from a foreign history.
        Ok(None)
    }

    fn describe_op(&self, (operation, answer): &Answered<M>) -> String {
        match answer {
            Some(answer) => format!("{operation:?} → {answer:?}"),
            None => format!("{operation:?} → ?"),
        }
    }

    fn describe_state(&self, state: &M::State) -> String {
        format!("{state:?}")
    }
}
