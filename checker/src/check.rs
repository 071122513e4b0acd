//! From the bytes of a file to a verdict: what `squall check` does.

use evidence::Verdict;
use thiserror::Error;

use crate::format::{File, Format, FormatError, read};
use crate::history::{
    Event, Operation, PairError, Process, Status, TupleError, Tuples, UntoldError, pair, told,
    tuples,
};
use crate::linear::{self, Budget};
use crate::model::ModelError;
use crate::model::key_value::KeyValue;
use crate::model::register::{CasRegister, FailedCas};

/// Names of the models that [`check_text`] knows.
pub const MODELS: [&str; 3] = ["register", "cas-register", "key-value"];

/// How a file is to be taken, where its form does not tell.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// The model; told from the operations, unless given.
    pub model: Option<&'a str>,
    /// Whether values are tuples that name their object.
    pub tuples: Tuples,
}

/// What there is to say about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether it is linearizable.
    pub verdict: Verdict,
    /// What was taken for what, where that was a guess; one line each.
    pub notes: Vec<String>,
}

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
    /// Its values do not name their objects as they should, or nobody can know whether they do.
    #[error("{path}: {error}")]
    Tuples {
        /// The path of the file, as it was given.
        path: String,
        /// What is wrong with it.
        error: TupleError,
    },
    /// A written value is missing.
    #[error("{path}: {error}")]
    Untold {
        /// The path of the file, as it was given.
        path: String,
        /// What is wrong with it.
        error: UntoldError,
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
    let options = Options { model, ..Options::default() };
    judge_text(path, bytes, &options, budget).map(|judgement| judgement.verdict)
}

/// As [`check_text`], and says how the file was taken.
///
/// # Errors
/// When the file is no history, or no model fits it, or it can be taken in two ways.
pub fn judge_text(
    path: &str,
    bytes: &[u8],
    options: &Options<'_>,
    budget: Budget<'_>,
) -> Result<Judgement, CheckError> {
    let named = || path.to_owned();
    let File { format, events, mut notes } =
        read(bytes).map_err(|error| CheckError::Format { path: named(), error })?;
    let is_client = |event: &&Event| matches!(event.process, Process::Client(_));
    if !events.iter().any(|event| is_client(&event)) {
        return Ok(Judgement { verdict: Verdict::nothing_checked(), notes });
    }
    // The model comes first: a history of another kind may not pair, and the model is the reason
    // that its reader can act on.
    let model = match options.model {
        Some(name) => Kind::named(name),
        None => guess(events.iter().filter(is_client).map(|event| event.f.as_str())),
    };
    let model = model.map_err(|reason| CheckError::UnknownModel { path: named(), reason })?;
    let mut operations =
        pair(&events).map_err(|error| CheckError::Pair { path: named(), error })?;
    drop(events);
    let taken = tuples::take_apart(&mut operations, options.tuples);
    notes.extend(taken.map_err(|error| CheckError::Tuples { path: named(), error })?);
    let told = told::complete(&mut operations);
    notes.extend(told.map_err(|error| CheckError::Untold { path: named(), error })?);
    notes.extend(failed_cas_note(format, &operations));
    let verdict = check_operations(format, &operations, model, budget)
        .map_err(|error| CheckError::Model { path: named(), error })?;
    Ok(Judgement { verdict, notes })
}

/// A model that files are checked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Register,
    KeyValue,
}

impl Kind {
    fn named(name: &str) -> Result<Kind, String> {
        match name {
            "register" | "cas-register" => Ok(Kind::Register),
            "key-value" | "kv" => Ok(Kind::KeyValue),
            _ => Err(format!("`{name}` is not one of {}", MODELS.join(", "))),
        }
    }
}

fn check_operations(
    format: Format,
    operations: &[Operation],
    model: Kind,
    budget: Budget<'_>,
) -> Result<Verdict, ModelError> {
    match model {
        Kind::Register => {
            linear::check(&CasRegister { failed_cas: failed_cas(format) }, operations, budget)
        }
        Kind::KeyValue => linear::check(&KeyValue, operations, budget),
    }
}

fn failed_cas(format: Format) -> FailedCas {
    match format {
        Format::EtcdLog => FailedCas::FoundAnother,
        Format::Edn
        | Format::JsonLines
        | Format::JsonArray
        | Format::JepsenLog
        | Format::HistoryText => FailedCas::DidNotHappen,
    }
}

/// One logger wrote logs of several meanings.
fn failed_cas_note(format: Format, operations: &[Operation]) -> Option<String> {
    let is_failed_cas = |op: &&Operation| op.f == "cas" && op.status == Status::Fail;
    let failed = operations.iter().find(is_failed_cas).filter(|_| format == Format::EtcdLog)?;
    let line = failed.line;
    Some(format!(
        "a failed cas is taken for a comparison that found another value, as in the logs of \
         Jepsen's etcd test (first on line {line})"
    ))
}

/// The model that knows all of these functions.
fn guess<'a>(functions: impl Iterator<Item = &'a str>) -> Result<Kind, String> {
    let mut functions: Vec<&str> = functions.collect();
    functions.sort_unstable();
    functions.dedup();
    let all_of = |known: &[&str]| functions.iter().all(|f| known.contains(f));
    // A history of reads alone could be one of many things.
    if functions == ["read"] {
        return Err("reads alone do not tell which; name one with --model".to_owned());
    }
    if all_of(&["read", "write", "cas"]) {
        return Ok(Kind::Register);
    }
    if all_of(&["get", "put", "append"]) {
        return Ok(Kind::KeyValue);
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

    fn judge(text: &str, tuples: Tuples) -> Result<Judgement, CheckError> {
        let options = Options { tuples, ..Options::default() };
        judge_text("a.edn", text.as_bytes(), &options, Budget::default())
    }

    /// A line for each event: process, kind, function, value.
    fn edn(events: &[(i64, &str, &str, &str)]) -> String {
        let line = |(process, kind, f, value): &(i64, &str, &str, &str)| {
            format!("{{:process {process}, :type :{kind}, :f :{f}, :value {value}}}\n")
        };
        events.iter().map(line).collect()
    }

    fn write_then_read(written: &str, read: &str) -> String {
        edn(&[
            (0, "invoke", "write", written),
            (0, "ok", "write", written),
            (1, "invoke", "read", "nil"),
            (1, "ok", "read", read),
        ])
    }

    #[test]
    fn values_are_compared_and_not_their_spelling() {
        for (written, read) in [
            ("#{1 2}", "#{2 1}"),
            ("{:a 1, :b 2}", "{:b 2N, :a 1}"),
            ("(1 2 3)", "[1 2 3]"),
            ("1.50M", "1.5M"),
            ("#:a{:b 1}", "{:a/b 1}"),
            ("^{:line 3} [1]", "[1]"),
            ("##NaN", "##NaN"),
        ] {
            assert_eq!(check(&write_then_read(written, read), None), Ok(Verdict::Valid), "{read}");
        }
        for (written, read) in [("1", "1.0"), ("#{1}", "[1]"), ("##Inf", "##-Inf")] {
            let verdict = check(&write_then_read(written, read), None).unwrap();
            assert!(verdict.explanation().is_some(), "{written} {read}");
        }
    }

    #[test]
    fn integers_of_json_beyond_64_bits_differ_in_every_digit() {
        let json = |read: &str| {
            format!(
                "{{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":18446744073709551617}}
                 {{\"process\":0,\"type\":\"ok\",\"f\":\"write\",\"value\":18446744073709551617}}
                 {{\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}}
                 {{\"process\":0,\"type\":\"ok\",\"f\":\"read\",\"value\":{read}}}"
            )
        };
        assert_eq!(check(&json("18446744073709551617"), None), Ok(Verdict::Valid));
        assert_eq!(check(&json("1.8446744073709551617e19"), None), Ok(Verdict::Valid));
        let near = check(&json("18446744073709551616"), None).unwrap();
        assert!(near.explanation().is_some(), "{near}");
    }

    /// Two registers: right as such, and wrong as one.
    fn tuples(read: &str) -> String {
        edn(&[
            (0, "invoke", "write", "[1 5]"),
            (0, "ok", "write", "[1 5]"),
            (0, "invoke", "write", "[2 6]"),
            (0, "ok", "write", "[2 6]"),
            (1, "invoke", "read", read),
            (1, "ok", "read", "[1 5]"),
            (1, "invoke", "cas", "[1 [5 7]]"),
            (1, "ok", "cas", "[1 [5 7]]"),
        ])
    }

    #[test]
    fn tuples_of_independent_are_taken_apart_where_the_form_tells() {
        let told = judge(&tuples("[1 nil]"), Tuples::Told).unwrap();
        assert_eq!(told.verdict, Verdict::Valid);
        assert!(told.notes[0].contains("tuples of jepsen.independent"), "{:?}", told.notes);
        let wrong = tuples("[1 nil]").replace("[5 7]", "[6 7]");
        let verdict = judge(&wrong, Tuples::Told).unwrap().verdict;
        assert!(verdict.to_string().contains("key 1: no order"), "{verdict}");
        let tagged = tuples("[1 nil]").replace(":value [", ":value #jepsen.independent/tuple [");
        let tagged = judge(&tagged, Tuples::Told).unwrap();
        assert_eq!(tagged, Judgement { verdict: Verdict::Valid, notes: vec![] });
    }

    #[test]
    fn a_history_of_pairs_is_refused_unless_somebody_says_what_they_are() {
        let text = tuples("nil");
        let error = judge(&text, Tuples::Told).unwrap_err().to_string();
        let refused = "a.edn: line 1: every value is a pair, as [1 5]: `--keys tuples` takes";
        assert!(error.starts_with(refused), "{error}");
        assert_eq!(judge(&text, Tuples::All).unwrap().verdict, Verdict::Valid);
        let verdict = judge(&text, Tuples::None).unwrap().verdict;
        assert!(verdict.explanation().is_some(), "as one register: {verdict}");
        let one = text.replace("[2 6]", "6");
        assert!(judge(&one, Tuples::Told).is_ok(), "not every value is a pair");
        let error = judge(&one, Tuples::All).unwrap_err().to_string();
        assert_eq!(error, "a.edn: line 3: expected a tuple [key value], found 6");
        let other = tuples("[2 nil]");
        let error = judge(&other, Tuples::All).unwrap_err().to_string();
        assert_eq!(error, "a.edn: line 5: expected an answer of key 2, found [1 5]");
        // The pair of a compare-and-set is no tuple.
        let cas = edn(&[(0, "invoke", "cas", "[1 2]"), (0, "fail", "cas", "[1 2]")]);
        assert!(judge(&cas, Tuples::Told).is_ok());
    }

    #[test]
    fn an_answer_completes_what_was_asked() {
        let text = edn(&[
            (0, "invoke", "write", "nil"),
            (0, "ok", "write", "5"),
            (1, "invoke", "read", "nil"),
            (1, "ok", "read", "5"),
        ]);
        let judged = judge(&text, Tuples::Told).unwrap();
        assert_eq!(judged.verdict, Verdict::Valid);
        assert!(judged.notes[0].starts_with("a value is told by :ok only"), "{:?}", judged.notes);
        let open = text + &edn(&[(2, "invoke", "write", "nil")]);
        let error = judge(&open, Tuples::Told).unwrap_err().to_string();
        assert!(error.starts_with("a.edn: line 5: expected the value of a write"), "{error}");
        let text = edn(&[(0, "invoke", "write", "5"), (0, "ok", "write", "6")]);
        let notes = judge(&text, Tuples::Told).unwrap().notes;
        assert!(notes[0].starts_with(":ok has another value than what was asked"), "{notes:?}");
    }

    #[test]
    fn a_history_without_answers_is_no_search_that_gave_up() {
        let text = edn(&[
            (0, "invoke", "write", "1"),
            (0, "fail", "write", "1"),
            (1, "invoke", "write", "2"),
            (1, "info", "write", "2"),
            (2, "invoke", "read", "nil"),
        ]);
        let verdict = check(&text, None).unwrap();
        let said = "unknown: only failed or open operations: 1 failed and 2 never ended";
        assert_eq!(verdict.to_string(), said);
    }

    #[test]
    fn newer_logs_of_jepsen_mean_nothing_by_a_failed_cas() {
        let text = "0\t:invoke\t:write\t1\n0\t:ok\t:write\t1\n0\t:invoke\t:cas\t[1 2]\n\
                    0\t:fail\t:cas\t[1 2]\t:timeout\n:nemesis\t:info\t:start\tnil\n";
        let judged = judge(text, Tuples::Told).unwrap();
        assert_eq!(judged, Judgement { verdict: Verdict::Valid, notes: vec![] });
        let log: String = text.lines().map(|l| format!("INFO  jepsen.util - {l}\n")).collect();
        let judged = judge(&log, Tuples::Told).unwrap();
        assert!(judged.verdict.explanation().is_some());
        assert!(judged.notes[0].starts_with("a failed cas is taken"), "{:?}", judged.notes);
        let log = log.replace("INFO  jepsen.util - ", "INFO [2024] jepsen worker 0 - jepsen.util ");
        assert_eq!(judge(&log, Tuples::Told).unwrap().verdict, Verdict::Valid);
    }
}
