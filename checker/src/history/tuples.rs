//! Values that name their object: the `[key value]` tuples of `jepsen.independent`, taken apart.
//!
//! A test of one register is lifted there to a map of registers: every `:value` becomes a tuple, a
//! read is invoked as `[k nil]`, a compare-and-set as `[k [old new]]`. Most printers write tuples as
//! vectors, and then only the form of the whole history tells them from values that are pairs.

use thiserror::Error;

use super::{Operation, Status, Value};

/// Whether values are tuples of a key and a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tuples {
    /// Where they are tagged as tuples, and where the form gives them away.
    #[default]
    Told,
    /// All of them.
    All,
    /// None of them.
    None,
}

/// A history whose tuples cannot be taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TupleError {
    /// A value is no tuple where all should be.
    #[error("line {line}: expected {expected}, found {found}")]
    Expected {
        /// Line of the invocation.
        line: usize,
        /// What would have been right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// Every value is a pair, and nothing tells whether its first part is a key.
    #[error(
        "line {line}: every value is a pair, as {example}: `--keys tuples` takes the first part \
         for the key of an object of its own, as jepsen.independent means it; `--keys none` takes \
         pairs for values"
    )]
    Ambiguous {
        /// Line of the first of them.
        line: usize,
        /// Its value.
        example: String,
    },
}

/// Takes tuples apart into key and value. Says so, unless it was asked for or there are none.
///
/// # Errors
/// When a value is no tuple where it must be one, or nobody can know.
pub(crate) fn take_apart(
    operations: &mut [Operation],
    tuples: Tuples,
) -> Result<Option<String>, TupleError> {
    let is_tagged = |value: &Value| tuple(value, true).is_some();
    let has_tag = |op: &Operation| is_tagged(&op.argument) || is_tagged(&op.result);
    let how = match tuples {
        Tuples::None => return Ok(None),
        Tuples::All => None,
        Tuples::Told if operations.iter().any(has_tag) => {
            for operation in operations {
                split(operation, true)?;
            }
            return Ok(None);
        }
        Tuples::Told if gives_itself_away(operations) => Some(
            "values are taken for the [key value] tuples of jepsen.independent, since reads are \
             invoked with [key nil]",
        ),
        Tuples::Told => return refuse_pairs(operations).map(|()| None),
    };
    for operation in operations {
        split(operation, false)?;
    }
    Ok(how.map(str::to_owned))
}

/// Key and value of a tuple: a tagged one, or any pair where tags are not asked for.
fn tuple(value: &Value, only_tagged: bool) -> Option<(&Value, &Value)> {
    let inner = match value {
        Value::Tagged(tag, inner) => {
            let tag = tag.to_ascii_lowercase();
            let is_tuple = tag.contains("independent") && tag.ends_with("tuple");
            is_tuple.then_some(&**inner)?
        }
        _ if only_tagged => return None,
        value => value,
    };
    match inner {
        Value::Vector(items) => match items.as_slice() {
            [key, value] => Some((key, value)),
            _ => None,
        },
        _ => None,
    }
}

fn split(operation: &mut Operation, only_tagged: bool) -> Result<(), TupleError> {
    let cloned = |pair: Option<(&Value, &Value)>| pair.map(|(k, v)| (k.clone(), v.clone()));
    let argument = cloned(tuple(&operation.argument, only_tagged));
    let result = cloned(tuple(&operation.result, only_tagged));
    let result = result.filter(|_| operation.status == Status::Ok);
    let error = |expected: &str, found: &Value| TupleError::Expected {
        line: operation.line,
        expected: expected.to_owned(),
        found: found.to_string(),
    };
    let key = match (&argument, &result) {
        (Some((asked, _)), Some((told, _))) if asked != told => {
            return Err(error(&format!("an answer of key {asked}"), &operation.result));
        }
        (Some((key, _)), _) | (None, Some((key, _))) => key.clone(),
        // It did not happen, so nobody needs to know where.
        (None, None) if operation.status == Status::Fail => return Ok(()),
        (None, None) => return Err(error("a tuple [key value]", &operation.argument)),
    };
    operation.key = Some(key);
    if let Some((_, value)) = argument {
        operation.argument = value;
    }
    if let Some((_, value)) = result {
        operation.result = value;
    }
    Ok(())
}

/// Whether reads are invoked with `[k nil]`, all other values are pairs, and answers keep the key.
fn gives_itself_away(operations: &[Operation]) -> bool {
    let mut reads = 0;
    let is_tuple = |operation: &Operation| {
        let Some((key, value)) = tuple(&operation.argument, false) else { return false };
        let is_of_key = |result: &Value| tuple(result, false).is_some_and(|(told, _)| told == key);
        let is_answered = operation.status == Status::Ok;
        operation.key.is_none()
            && (!is_answered || is_of_key(&operation.result))
            && match operation.f.as_str() {
                "read" | "r" | "get" => *value == Value::Nil,
                "cas" => tuple(value, false).is_some(),
                _ => true,
            }
    };
    for operation in operations {
        if !is_tuple(operation) {
            return false;
        }
        reads += usize::from(matches!(operation.f.as_str(), "read" | "r" | "get"));
    }
    reads > 0
}

/// Refuses a history in which every value is a pair: most likely they are tuples, and judged as
/// values of one object they would make a violation of it.
fn refuse_pairs(operations: &[Operation]) -> Result<(), TupleError> {
    let mut first: Option<&Operation> = None;
    for operation in operations {
        if operation.key.is_some() {
            return Ok(());
        }
        let is_read = matches!(operation.f.as_str(), "read" | "r" | "get");
        let value = match operation.status {
            _ if !is_read => &operation.argument,
            Status::Ok => &operation.result,
            Status::Fail | Status::Info => continue,
        };
        let is_pair = match (operation.f.as_str(), tuple(value, false)) {
            (_, None) if *value == Value::Nil => continue,
            ("cas", Some((_, value))) => tuple(value, false).is_some(),
            (_, pair) => pair.is_some(),
        };
        if !is_pair {
            return Ok(());
        }
        first = first.or(Some(operation));
    }
    let Some(first) = first else { return Ok(()) };
    let is_told = first.argument == Value::Nil || first.f == "read";
    let example = if is_told { &first.result } else { &first.argument };
    Err(TupleError::Ambiguous { line: first.line, example: example.to_string() })
}
