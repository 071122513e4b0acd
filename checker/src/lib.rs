//! Judges histories: verdicts with explanations that a person can check by hand.
//!
//! - [`check_text`] takes the bytes of anyone's history (Jepsen EDN, JSON, Porcupine's logs) and
//!   decides its linearizability by a sequential [`model`].
//! - [`check_all`] takes a [`znode::ZHistory`], the full record of a ZooKeeper run, and checks
//!   every guarantee that ZooKeeper's manual states, each property in a file of its own.
//!
//! Every answer is a [`Verdict`]: valid, invalid with an [`Explanation`], or unknown with the
//! reason and the budget spent. Nothing here reads a clock, a file or a socket.

pub mod check;
pub mod format;
pub mod history;
pub mod linear;
pub mod model;
mod verdict;
pub mod znode;

pub use check::{CheckError, check_text};
pub use verdict::{ExplainLine, Explanation, Verdict};
pub use znode::check_all::{PropertyName, check_all};
