//! Stored reports that later runs are compared with.

use std::fs;
use std::path::{Path, PathBuf};

use reports::{BENCH_SCHEMA_VERSION, BenchReport, BenchTarget, FolderError, write_atomically};
use thiserror::Error;

/// Why a baseline is of no use.
#[derive(Debug, Error)]
pub enum BaselineError {
    /// The name cannot be that of a file everywhere.
    #[error("`{0}` is no name for a baseline: letters, digits, `-`, `_` and `.` are")]
    Name(String),
    /// There is none.
    #[error("there is no baseline {name}: {} cannot be read: {error}", path.display())]
    Unreadable {
        /// Its name.
        name: String,
        /// Where it was looked for.
        path: PathBuf,
        /// Why not.
        #[source]
        error: std::io::Error,
    },
    /// The file holds something else.
    #[error("{}: not a stored benchmark: {reason}", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It was measured in another way.
    #[error("baseline {name} was measured with {setting} = {before}, this run has {now}")]
    OtherSettings {
        /// The baseline's name.
        name: String,
        /// The first setting that differs.
        setting: String,
        /// The baseline's value.
        before: String,
        /// This run's value.
        now: String,
    },
}

/// Where baselines are kept, below the folder of results.
fn path(out: &Path, target: BenchTarget, name: &str) -> PathBuf {
    out.join("baselines").join(format!("{}-{name}.json", target.name()))
}

/// Whether a baseline may have this name.
///
/// # Errors
/// [`BaselineError::Name`].
pub fn check_name(name: &str) -> Result<(), BaselineError> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let fits = !name.is_empty() && name.len() <= 100 && name.chars().all(is_plain);
    if fits && !name.starts_with('.') { Ok(()) } else { Err(BaselineError::Name(name.to_owned())) }
}

/// Stores a report under a name, in place of an older one, and says where.
///
/// # Errors
/// When the file cannot be written.
pub fn save(out: &Path, name: &str, report: &BenchReport) -> Result<PathBuf, FolderError> {
    let path = path(out, report.target, name);
    let json = serde_json::to_string_pretty(report).expect("reports are plain data");
    write_atomically(&path, (json + "\n").as_bytes())?;
    Ok(path)
}

/// Reads the report stored under a name.
///
/// # Errors
/// When there is none that could be compared with anything.
pub fn load(out: &Path, target: BenchTarget, name: &str) -> Result<BenchReport, BaselineError> {
    check_name(name)?;
    let path = path(out, target, name);
    let text = fs::read_to_string(&path).map_err(|error| BaselineError::Unreadable {
        name: name.to_owned(),
        path: path.clone(),
        error,
    })?;
    let malformed = |reason: String| BaselineError::Malformed { path: path.clone(), reason };
    let report: BenchReport =
        serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
    if (report.schema_version, report.target) != (BENCH_SCHEMA_VERSION, target) {
        let (version, found) = (report.schema_version, report.target.name());
        return Err(malformed(format!("form {version} of a {found} benchmark")));
    }
    if report.figures.iter().any(|figure| figure.rounds.is_empty()) {
        return Err(malformed("a figure without a round".to_owned()));
    }
    Ok(report)
}

/// Whether two reports were measured in the same way.
///
/// # Errors
/// [`BaselineError::OtherSettings`] with the first setting that differs.
pub fn check_settings(
    name: &str,
    before: &BenchReport,
    settings: &std::collections::BTreeMap<String, String>,
) -> Result<(), BaselineError> {
    let keys = before.settings.keys().chain(settings.keys());
    for setting in keys {
        let value = |of: &std::collections::BTreeMap<String, String>| {
            of.get(setting).cloned().unwrap_or_else(|| "nothing".to_owned())
        };
        let (before, now) = (value(&before.settings), value(settings));
        if before != now {
            let (name, setting) = (name.to_owned(), setting.clone());
            return Err(BaselineError::OtherSettings { name, setting, before, now });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use reports::Better;

    use super::*;
    use crate::Measured;
    use crate::machine::machine;

    fn report() -> BenchReport {
        let settings = BTreeMap::from([("clients".to_owned(), "4".to_owned())]);
        let mut measured = Measured::new(BenchTarget::Live, settings);
        measured.round("set", "operations/s", Better::Higher, 0.1 + 0.2);
        measured.report(machine(None))
    }

    #[test]
    fn what_is_stored_is_read_back_to_the_bit() {
        let out = tempfile::tempdir().unwrap();
        let path = save(out.path(), "main", &report()).unwrap();
        assert!(path.ends_with("baselines/live-main.json"));
        let read = load(out.path(), BenchTarget::Live, "main").unwrap();
        assert_eq!(read.figures, report().figures);
        check_settings("main", &read, &report().settings).unwrap();
    }

    #[test]
    fn what_cannot_be_compared_is_refused_by_name_and_reason() {
        let out = tempfile::tempdir().unwrap();
        let message = |name: &str, target| load(out.path(), target, name).unwrap_err().to_string();
        assert!(message("main", BenchTarget::Sim).contains("no baseline main"));
        for name in ["", "../x", ".x", "a b"] {
            assert!(message(name, BenchTarget::Sim).contains("no name for a baseline"), "{name}");
        }
        fs::create_dir(out.path().join("baselines")).unwrap();
        let file = out.path().join("baselines/sim-main.json");
        fs::write(&file, "{").unwrap();
        assert!(message("main", BenchTarget::Sim).contains("sim-main.json: not a stored"));
        let json = serde_json::to_string(&report()).unwrap();
        fs::write(&file, json).unwrap();
        assert!(message("main", BenchTarget::Sim).contains("form 1 of a live benchmark"));
        for (key, value) in [("clients", "8"), ("rate", "100")] {
            let mut settings = report().settings;
            settings.insert(key.to_owned(), value.to_owned());
            let error = check_settings("main", &report(), &settings).unwrap_err().to_string();
            assert!(error.contains(key) && error.contains(value), "{error}");
        }
    }
}
