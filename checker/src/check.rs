//! From the bytes of a file to a verdict: what `squall check` does.

use evidence::Verdict;
use thiserror::Error;

use crate::format::{File, Format, FormatError, read};
use crate::history::{Operation, PairError, Process, pair};
use crate::linear::{self, Budget};
use crate::model::ModelError;
use crate::model::key_value::KeyValue;
use crate::model::register::{CasRegister, FailedCas};

/// Names of the models that [`check_text`] knows.
pub const MODELS: [&str; 3] = ["register", "cas-register", "key-value"];

/// A file that cannot be checked at all.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckError {
    /// It is no history, or a damaged one.
    #[error("{path}: {error}")]
    Format {
        /// The path of the file, as it was given.
        path: String,
        /// What is wrong with it.
        error: FormatError,
    },
    /// Its events do not pair into operations.
    #[error("{path}: {error}")]
    Pair {
        /// The path of the file, as it was given.
        path: String,
        /// What is wrong with it.
        error: PairError,
    },
    /// It has operations that the model does not know.
    #[error("{path}: {error}")]
    Model {
        /// The path of the file, as it was given.
        path: String,
        /// What is wrong with it.
        error: ModelError,
    },
    /// No model was named and none can be told from the operations, or an unknown one was named.
    #[error("{path}: unknown model: {reason}")]
    UnknownModel {
        /// The path of the file, as it was given.
        path: String,
        /// Why none fits.
        reason: String,
    },
}

/// Checks the linearizability of a history file. Without a `model`, it is told from the file: an
/// etcd log and EDN or JSON of read, write and cas is a cas-register; get, put and append with
/// keys are a key-value store.
///
/// # Errors
/// When the file is no history, or no model fits it.
pub fn check_text(
    path: &str,
    bytes: &[u8],
    model: Option<&str>,
    budget: Budget<'_>,
) -> Result<Verdict, CheckError> {
    let named = |path: &str| path.to_owned();
    let File { format, events, .. } =
        read(bytes).map_err(|error| CheckError::Format { path: named(path), error })?;
    if !events.iter().any(|event| matches!(event.process, Process::Client(_))) {
        return Ok(Verdict::nothing_checked());
    }
    // The model comes first: a history of another kind may not pair, and the model is the reason
    // that its reader can act on.
    let functions = || events.iter().filter(|e| matches!(e.process, Process::Client(_)));
    let model = match model {
        Some(name) => name.to_owned(),
        None => guess(functions().map(|event| event.f.as_str()))
            .map_err(|reason| CheckError::UnknownModel { path: named(path), reason })?
            .to_owned(),
    };
    let operations =
        pair(&events).map_err(|error| CheckError::Pair { path: named(path), error })?;
    let verdict = check_operations(format, &operations, &model, budget);
    match verdict {
        Some(verdict) => verdict.map_err(|error| CheckError::Model { path: named(path), error }),
        None => {
            let reason = format!("`{model}` is not one of {}", MODELS.join(", "));
            Err(CheckError::UnknownModel { path: named(path), reason })
        }
    }
}

fn check_operations(
    format: Format,
    operations: &[Operation],
    model: &str,
    budget: Budget<'_>,
) -> Option<Result<Verdict, ModelError>> {
    let failed_cas = match format {
        Format::EtcdLog => FailedCas::FoundAnother,
        Format::Edn
        | Format::JsonLines
        | Format::JsonArray
        | Format::JepsenLog
        | Format::HistoryText => FailedCas::DidNotHappen,
    };
    match model {
        "register" | "cas-register" => {
            Some(linear::check(&CasRegister { failed_cas }, operations, budget))
        }
        "key-value" | "kv" => Some(linear::check(&KeyValue, operations, budget)),
        _ => None,
    }
}

/// The model that knows all of these functions.
fn guess<'a>(functions: impl Iterator<Item = &'a str>) -> Result<&'static str, String> {
    let mut functions: Vec<&str> = functions.collect();
    functions.sort_unstable();
    functions.dedup();
    let all_of = |known: &[&str]| functions.iter().all(|f| known.contains(f));
    // A history of reads alone could be one of many things.
    if functions == ["read"] {
        return Err("reads alone do not tell which; name one with --model".to_owned());
    }
    if all_of(&["read", "write", "cas"]) {
        return Ok("cas-register");
    }
    if all_of(&["get", "put", "append"]) {
        return Ok("key-value");
    }
    Err(format!(
        "operations are {}; read, write and cas make a cas-register, get, put and append a \
         key-value store",
        functions.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, model: Option<&str>) -> Result<Verdict, CheckError> {
        check_text("a.edn", text.as_bytes(), model, Budget::default())
    }

    const GOOD: &str = "{:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :ok, :f :write, :value 1}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value 1}";

    #[test]
    fn the_model_is_told_from_the_functions() {
        assert_eq!(check(GOOD, None), Ok(Verdict::Valid));
        let bad = GOOD.replace(":f :read, :value 1", ":f :read, :value 2");
        assert!(check(&bad, None).unwrap().explanation().is_some());
        let put = "{:process 0, :type :invoke, :f :put, :key 1, :value \"a\"}
            {:process 0, :type :ok, :f :put, :key 1, :value \"a\"}";
        assert_eq!(check(put, None), Ok(Verdict::Valid));
    }

    #[test]
    fn the_etcd_log_means_a_comparison_by_a_failed_cas() {
        let log = |kind: &str| {
            format!(
                "INFO  jepsen.util - 0\t:invoke\t:write\t1\nINFO  jepsen.util - 0\t:ok\t:write\t1\n\
                 INFO  jepsen.util - 0\t:invoke\t:cas\t[1 2]\n\
                 INFO  jepsen.util - 0\t:{kind}\t:cas\t[1 2]\n"
            )
        };
        assert_eq!(check(&log("ok"), None), Ok(Verdict::Valid));
        assert!(check(&log("fail"), None).unwrap().explanation().is_some());
    }

    #[test]
    fn a_file_without_operations_checks_nothing() {
        assert_eq!(check("", None), Ok(Verdict::nothing_checked()));
        let nemesis = "{:process :nemesis, :type :info, :f :start}";
        assert_eq!(check(nemesis, None), Ok(Verdict::nothing_checked()));
    }

    #[test]
    fn an_unknown_model_is_said_with_its_reason() {
        let set = "{:process 0, :type :invoke, :f :add, :value 1}";
        let error = check(set, None).unwrap_err().to_string();
        assert!(error.starts_with("a.edn: unknown model: operations are add;"), "{error}");
        let error = check(GOOD, Some("queue")).unwrap_err().to_string();
        assert!(error.contains("`queue` is not one of register"), "{error}");
        let reads = "{:process 0, :type :invoke, :f :read}";
        assert!(matches!(check(reads, None), Err(CheckError::UnknownModel { .. })));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_line() {
        let twice = format!("{GOOD}\n{{:process 1, :type :ok, :f :read, :value 1}}");
        let error = check(&twice, None).unwrap_err().to_string();
        assert_eq!(error, "a.edn: line 5: process 1 completes read, but has no open operation");
        let error = check(GOOD, Some("key-value")).unwrap_err().to_string();
        assert!(error.contains("line 1: the key-value model expects a :key"), "{error}");
        let no_pair = GOOD.replace("[", "").replace(":f :write, :value 1", ":f :cas, :value 1");
        let error = check(&no_pair, None).unwrap_err().to_string();
        assert!(error.contains("expects cas with [old new], found 1"), "{error}");
    }
}
