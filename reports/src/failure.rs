//! `failures/<fingerprint>/`: everything that is known of one kind of failure.

use evidence::{FailureMessage, History, RunPicture};

use crate::folder::{FolderError, OutputFolder};
use crate::message::explanation_text;
use crate::picture::{write_history, write_picture};

/// The evidence of a failure, by the first run in which it was seen.
#[derive(Clone, Debug)]
pub struct FailureFiles<'a> {
    /// The text of `plan.json`.
    pub plan: &'a str,
    /// What is wrong.
    pub message: &'a FailureMessage,
    /// How long the run was, in simulated milliseconds.
    pub sim_ms: u64,
    /// What clients saw.
    pub history: &'a History,
    /// What can be drawn of the run.
    pub picture: &'a RunPicture,
    /// What the world did, a JSON object on each line, if it was kept.
    pub trace: Option<&'a str>,
}

impl FailureFiles<'_> {
    /// The folder's path within the campaign's.
    pub fn folder(fingerprint: &str) -> String {
        format!("failures/{fingerprint}")
    }

    /// Writes all files. The plan comes first: it is the evidence, and the rest follows from it.
    ///
    /// # Errors
    /// When one of them cannot be written.
    pub fn write(&self, output: &OutputFolder) -> Result<(), FolderError> {
        let folder = FailureFiles::folder(&self.message.fingerprint);
        let write = |name: &str, text: &str| {
            output.write(&format!("{folder}/{name}"), text.as_bytes()).map(drop)
        };
        write("plan.json", self.plan)?;
        write("explanation.txt", &explanation_text(self.message, self.sim_ms))?;
        write_history(self.history, output, &format!("{folder}/"))?;
        write_picture(self.picture, output, &format!("{folder}/"))?;
        self.trace.map_or(Ok(()), |trace| write("trace.jsonl", trace))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use evidence::example;

    use super::*;

    #[test]
    fn every_file_is_there() {
        let root = tempfile::tempdir().unwrap();
        let output = OutputFolder::create(root.path(), "a").unwrap();
        let (history, message) = (example::history(5), example::message());
        let picture = RunPicture { end_ns: 1, ..RunPicture::default() };
        let mut files = FailureFiles {
            plan: "{}",
            message: &message,
            sim_ms: 31_000,
            history: &history,
            picture: &picture,
            trace: None,
        };
        let names = || {
            let entries = fs::read_dir(output.path().join("failures/12ab")).unwrap();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let ten = [
            "clock.svg",
            "explanation.txt",
            "history.edn",
            "history.jsonl",
            "history.txt",
            "latency-quantiles.svg",
            "latency-raw.svg",
            "picture.json",
            "plan.json",
            "rate.svg",
        ];
        files.write(&output).unwrap();
        assert_eq!(names(), ten);
        files.trace = Some("{}\n");
        files.write(&output).unwrap();
        assert_eq!(names().len(), 11);
        let explanation = output.path().join("failures/12ab/explanation.txt");
        assert!(fs::read_to_string(explanation).unwrap().starts_with("FAIL store/register"));
    }
}
