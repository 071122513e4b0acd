//! What only the answer tells: an `:ok` completes its invocation.
//!
//! After Knossos (`knossos.history/complete`): a written value that only the `:ok` names, as where
//! the database chooses it, is the value of the operation.

use thiserror::Error;

use super::{Operation, Status, Value};

/// An operation that may have written something, and nobody told what.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "line {line}: expected the value of a {f} that may have happened: here values are told by \
     :ok only, and this one has none"
)]
pub struct UntoldError {
    /// Line of the invocation.
    pub line: usize,
    /// Function of the operation.
    pub f: String,
}

/// Completes writes whose invocation has no value by that of their answer. Says what was taken.
///
/// # Errors
/// When a value that is told like this is missing.
pub(crate) fn complete(operations: &mut [Operation]) -> Result<Vec<String>, UntoldError> {
    let is_change = |f: &str| matches!(f, "write" | "w" | "cas" | "put" | "append");
    let (mut told, mut other): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    for operation in &mut *operations {
        if operation.status != Status::Ok || !is_change(&operation.f) {
            continue;
        }
        if operation.argument == Value::Nil && operation.result != Value::Nil {
            operation.argument = operation.result.clone();
            told.push(operation.line);
        } else if operation.result != Value::Nil && operation.result != operation.argument {
            other.push(operation.line);
        }
    }
    let is_untold = |operation: &&Operation| {
        let is_open = operation.status == Status::Info && is_change(&operation.f);
        is_open && operation.argument == Value::Nil
    };
    match operations.iter().find(is_untold) {
        Some(untold) if !told.is_empty() => {
            return Err(UntoldError { line: untold.line, f: untold.f.clone() });
        }
        Some(_) | None => {}
    }
    let note = |lines: &[usize], what: &str| {
        lines.first().map(|line| format!("{what} ({} times, first on line {line})", lines.len()))
    };
    let told = note(&told, "a value is told by :ok only, and taken for what was asked");
    let other = note(&other, ":ok has another value than what was asked, which counts");
    Ok(told.into_iter().chain(other).collect())
}
