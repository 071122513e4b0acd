//! Judges histories: verdicts with explanations that a person can check by hand.
//!
//! [`check_text`] takes the bytes of anyone's history (Jepsen EDN, JSON, Jepsen's and Porcupine's logs) and
//! decides its linearizability by a sequential [`model`]; [`linear`] does so for histories in
//! memory. What only one system promises is judged on that system's side.
//!
//! Every answer is a [`Verdict`]: valid, invalid with an [`Explanation`], or unknown with the
//! reason and the budget spent. Nothing here reads a clock, a file or a socket.

pub mod check;
pub mod format;
pub mod history;
pub mod linear;
pub mod model;
mod short;

pub use check::{CheckError, Judgement, Options, check_text, judge_text};
pub use evidence::{ExplainLine, Explanation, Verdict};
pub use history::{TupleError, UntoldError};
pub use short::short;
