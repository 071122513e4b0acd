//! Sequential models of objects: what an operation does to a state, and which results it allows.
//!
//! The search in [`crate::linear`] is generic over [`Model`]. A model also reads its operations
//! from a history, says which object (key) each belongs to, and puts them into words.

pub mod key_value;
pub mod register;

use std::fmt::Debug;
use std::hash::Hash;

use thiserror::Error;

use crate::history::{Operation, Value};

/// How an operation touches the state; the search treats each kind in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It never changes the state.
    Read,
    /// It is possible in every state and leaves the same state whatever was there before.
    Overwrite,
    /// Anything else: it may change the object.
    Update,
}

/// What an operation has to do with single states, on an object that keeps its state until an
/// operation stores another: a register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch<S> {
    /// The only state in which the operation is possible; none if it is possible in others.
    pub finds: Option<S>,
    /// The only other state than the one before that it can leave; none if it leaves that one.
    pub stores: Option<S>,
}

/// A sequential object.
pub trait Model {
    /// An operation together with its result. Equal operations have equal effects.
    type Op: Clone + Eq + Hash + Debug;
    /// A state of the object.
    type State: Clone + Eq + Hash + Ord + Debug;

    /// The model's name, as users write it.
    fn name(&self) -> &'static str;

    /// The state of a new object.
    fn initial(&self) -> Self::State;

    /// The state after the operation, or `None` if it cannot have its result in this state.
    fn step(&self, state: &Self::State, op: &Self::Op) -> Option<Self::State>;

    /// How the operation touches the state.
    fn effect(&self, op: &Self::Op) -> Effect;

    /// Bytes that a state holds outside of itself: a search with many states is ended by what they
    /// hold. Needed where states grow; 0 by default.
    fn held_by(&self, state: &Self::State) -> usize {
        let _ = state;
        0
    }

    /// Whether every update is possible in every state and only adds to it, and [`Model::may_lead_to`]
    /// says what may follow. It does not by default.
    fn only_adds(&self) -> bool {
        false
    }

    /// Whether a read can become possible after some number of updates, and no overwrite, from a
    /// state. Where it cannot, and no overwrite may come that it can follow, the search turns back.
    fn may_lead_to(&self, state: &Self::State, read: &Self::Op) -> bool {
        let _ = (state, read);
        true
    }

    /// What the operation finds and stores, if the object is a register: then histories are decided
    /// faster. `None`, the default, says nothing.
    fn touch(&self, op: &Self::Op) -> Option<Touch<Self::State>> {
        let _ = op;
        None
    }

    /// Whether leaving `op` out of any legal order leaves it legal for `rest`. What is irrelevant
    /// may be dropped from a counterexample without making a new one.
    fn is_irrelevant(&self, op: &Self::Op, rest: &[&Self::Op]) -> bool;

    /// What a completed or open operation of a history is in this model, and the key of its
    /// object. `None` for operations that constrain nothing.
    ///
    /// # Errors
    /// When the history has an operation that the model does not know.
    fn read(&self, operation: &Operation) -> Result<Option<(Value, Self::Op)>, ModelError>;

    /// The operation in words, with its result.
    fn describe_op(&self, op: &Self::Op) -> String;

    /// The state in words.
    fn describe_state(&self, state: &Self::State) -> String;
}

/// An operation that a model does not know.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: the {model} model expects {expected}, found {found}")]
pub struct ModelError {
    /// Line of the invocation.
    pub line: usize,
    /// The name of the model that does not know the operation.
    pub model: &'static str,
    /// What the model knows.
    pub expected: String,
    /// What the history has.
    pub found: String,
}
