//! `squall check`: one line for each history, FILE, tab, and `true`, `false` or `unknown`, as
//! elle-cli prints them.

mod expected;
mod files;
mod judge;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use checker::history::Tuples;
use checker::linear::Budget;
use checker::{Explanation, Options};
use reports::OutputFolder;
use serde::Serialize;

use crate::args::{CheckArgs, Keys};
use crate::clock::unix_seconds;
use crate::exit::Exit;
use crate::output::{Output, complain, say};
use expected::{Expectations, Expected};
use files::HistoryFile;
use judge::{Finding, Truth};

#[cfg(test)]
pub(crate) use judge::known_model;

/// What stands before each line of an explanation, and how long they are with it.
const INDENTATION: &str = "  ";
const COLUMNS: usize = 80;

/// One line of results.
#[derive(Debug, Serialize)]
struct Row<'a> {
    path: String,
    verdict: Truth,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    explanations: &'a [Explanation],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<Truth>,
}

/// Counts of what was compared with known verdicts.
#[derive(Debug, Default, Serialize)]
struct Comparison {
    files: u64,
    as_expected: u64,
    wrong: u64,
    unknown_models: BTreeMap<String, u64>,
}

/// Judges all files.
pub(crate) fn check(args: &CheckArgs, stop: &AtomicBool) -> Exit {
    let output = Output::new(args.format);
    match prepare(args) {
        Ok((files, expectations, folder)) => {
            let mut check = Check {
                args,
                stop,
                output,
                folder,
                comparison: Comparison::default(),
                exit: Exit::Passed,
            };
            check.all(&files, expectations.as_ref())
        }
        Err(message) => {
            complain(&message);
            Exit::Usage
        }
    }
}

type Prepared = (Vec<HistoryFile>, Option<Expectations>, Option<OutputFolder>);

/// Reads what the arguments name, before anything is judged or written.
fn prepare(args: &CheckArgs) -> Result<Prepared, String> {
    if let Some(model) = &args.model {
        judge::known_model(model)?;
    }
    let expectations = match &args.expect {
        None => None,
        Some(table) => Some(Expectations::read(table, &args.paths)?),
    };
    let files = files::find(&args.paths)?;
    let folder = match &args.out {
        None => None,
        Some(out) => {
            let name = reports::folder_name(unix_seconds(), "check");
            Some(OutputFolder::create(out, &name).map_err(|error| error.to_string())?)
        }
    };
    Ok((files, expectations, folder))
}

struct Check<'a> {
    args: &'a CheckArgs,
    stop: &'a AtomicBool,
    output: Output,
    folder: Option<OutputFolder>,
    comparison: Comparison,
    exit: Exit,
}

impl Check<'_> {
    fn all(&mut self, files: &[HistoryFile], expectations: Option<&Expectations>) -> Exit {
        for file in files {
            if self.stop.load(Ordering::Relaxed) {
                return self.exit.and(Exit::Interrupted);
            }
            if self.output.is_closed() {
                return self.exit;
            }
            let expected = expectations.and_then(|table| table.of(file));
            self.one(file, expected);
        }
        if let Some(table) = expectations {
            for missing in table.missing(files) {
                complain(&format!("{missing}: is in the table and not in the folder"));
                self.comparison.wrong += 1;
                self.exit = self.exit.and(Exit::Violated);
            }
            self.say_comparison();
        }
        if let Some(folder) = &self.folder {
            say(&format!("explanations are in {}", folder.path().display()));
        }
        if files.is_empty() {
            complain("no history was found");
            return self.exit.and(Exit::NothingRan);
        }
        self.exit
    }

    fn one(&mut self, file: &HistoryFile, expected: Option<&Expected>) {
        let stop = || self.stop.load(Ordering::Relaxed);
        let options = Options {
            model: self.args.model.as_deref().or(expected.and_then(|e| e.known_model())),
            tuples: match self.args.keys {
                Keys::Told => Tuples::Told,
                Keys::Tuples => Tuples::All,
                Keys::None => Tuples::None,
            },
        };
        let finding = match file.read() {
            Ok(bytes) => match memory_of_search(self.args.memory_max, bytes.len()) {
                Ok(memory_max) => {
                    let budget = Budget { memory_max, stop: Some(&stop), ..Budget::default() };
                    judge::judge(&file.shown, &bytes, &options, budget)
                }
                Err(reason) => Finding::undecided(format!("{}: {reason}", file.shown)),
            },
            Err(error) => Finding::unreadable(format!("{}: {error}", file.shown)),
        };
        let row = Row {
            path: file.shown.clone(),
            verdict: finding.truth,
            reason: finding.reason.as_deref(),
            explanations: &finding.explanations,
            notes: &finding.notes,
            expected: expected.map(|expected| expected.truth),
        };
        self.output.json(&row);
        self.output.text(&format!("{}\t{}\n", row.path, row.verdict.word()));
        for note in &finding.notes {
            self.output.text(&format!("  note: {note}\n"));
        }
        self.explain(file, &finding);
        let exit = match expected {
            Some(expected) => self.compare(file, &finding, expected),
            None => finding.exit(),
        };
        self.exit = self.exit.and(exit);
    }

    fn explain(&mut self, file: &HistoryFile, finding: &Finding) {
        let is_whole = self.args.full || self.folder.is_some();
        let text = match is_whole {
            true => finding.text(),
            false => finding.short_text(COLUMNS - INDENTATION.len()),
        };
        if text.is_empty() {
            return;
        }
        if finding.is_input_error {
            complain(text.trim_end());
            return;
        }
        let Some(folder) = &self.folder else {
            let indented: String =
                text.lines().map(|line| format!("{INDENTATION}{line}\n")).collect();
            self.output.text(&indented);
            return;
        };
        if let Err(error) = folder.write(&format!("{}.txt", file.name_in_folder()), text.as_bytes())
        {
            complain(&error.to_string());
            self.exit = self.exit.and(Exit::Internal);
        }
    }

    fn compare(&mut self, file: &HistoryFile, finding: &Finding, expected: &Expected) -> Exit {
        self.comparison.files += 1;
        if finding.truth == expected.truth {
            self.comparison.as_expected += 1;
            return Exit::Passed;
        }
        if finding.is_unknown_model && expected.known_model().is_none() {
            *self.comparison.unknown_models.entry(expected.short_model()).or_default() += 1;
            return Exit::Passed;
        }
        self.comparison.wrong += 1;
        let (found, wanted) = (finding.truth.word(), expected.truth.word());
        complain(&format!("{}: is {found}, and the table says {wanted}", file.shown));
        Exit::Violated
    }

    fn say_comparison(&self) {
        let Comparison { files, as_expected, wrong, unknown_models } = &self.comparison;
        let unknown: u64 = unknown_models.values().sum();
        let models = match unknown {
            0 => String::new(),
            _ => format!(" ({})", evidence::words::by_kind(unknown_models)),
        };
        self.output.json(&self.comparison);
        say(&format!(
            "{files} files: {as_expected} as expected, {wrong} wrong, {unknown} of models that are \
             not known yet{models}"
        ));
    }
}

/// Bytes that a search may hold, so that the process holds no more than so many megabytes: beside it
/// there are the program itself and the history, which takes several times its file.
///
/// # Errors
/// When the history alone takes too much.
fn memory_of_search(megabytes: u64, file_bytes: usize) -> Result<u64, String> {
    const MEGABYTE: u64 = 1_000_000;
    const PROGRAM: u64 = 20 * MEGABYTE;
    const SEARCH_MIN: u64 = 10 * MEGABYTE;
    const TIMES_FILE: u64 = 10;
    let history = (file_bytes as u64).saturating_mul(TIMES_FILE);
    let needed = history + PROGRAM + SEARCH_MIN;
    let search = megabytes.saturating_mul(MEGABYTE).checked_sub(history + PROGRAM);
    search.filter(|search| *search >= SEARCH_MIN).ok_or_else(|| {
        let needed = needed.div_ceil(MEGABYTE);
        format!("it takes about {needed} MB of memory, and --memory-max is {megabytes}")
    })
}

/// A path without `./` before it.
fn plain(path: &Path) -> String {
    let shown = path.display().to_string();
    shown.strip_prefix("./").map_or(shown.clone(), str::to_owned)
}
