//! Results in the forms that CI services show: `junit.xml`, and GitHub's annotations and summary.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use evidence::Summary;
use reports::{Home, JUnit, annotations, summary_markdown};

use crate::exit::Exit;
use crate::output::{complain, say};
use crate::place;
use crate::program;
use crate::systems::systems;

/// Where else results go.
#[derive(Debug, Default, Args)]
pub(crate) struct PublishArgs {
    /// Write a JUnit file here: a test case for each scenario and property. Its folder is made, if it
    /// is not there.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Annotate failures for GitHub Actions, and append summary.md to the step's summary. On by
    /// itself where GITHUB_ACTIONS is true.
    #[arg(long)]
    pub(crate) github: bool,
}

impl PublishArgs {
    /// Tries whether what is asked for can be written, before there is anything to write.
    pub(crate) fn try_places(&self) -> Result<(), String> {
        self.junit.as_deref().map_or(Ok(()), place::try_place)
    }

    /// Test cases to be filled with runs.
    pub(crate) fn junit(&self) -> JUnit {
        JUnit::new(systems().property_names().into_iter().map(str::to_owned))
    }

    /// Writes whatever was asked for of the results in a folder.
    pub(crate) fn publish(&self, junit: &JUnit, summary: &Summary, folder: &Path) -> Exit {
        let program = program::command();
        let home = Home { program: &program, folder };
        let mut exit = Exit::Passed;
        if let Some(file) = &self.junit
            && let Err(error) = place::write(file, junit.to_xml(summary, home).as_bytes())
        {
            complain(&error);
            exit = Exit::Internal;
        }
        let is_on_github = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        if self.github || is_on_github {
            // GitHub reads both streams, and stdout may hold JSON.
            annotations(summary, home).iter().for_each(|line| say(line.trim_end()));
            exit = exit.and(append_step_summary(summary, std::env::var_os("GITHUB_STEP_SUMMARY")));
        }
        exit
    }
}

fn append_step_summary(summary: &Summary, file: Option<OsString>) -> Exit {
    let Some(file) = file.filter(|file| !file.is_empty()) else {
        say("GITHUB_STEP_SUMMARY is not set: the step has no summary");
        return Exit::Passed;
    };
    let text = summary_markdown(summary) + "\n";
    let open = OpenOptions::new().create(true).append(true).open(&file);
    match open.and_then(|mut open| open.write_all(text.as_bytes())) {
        Ok(()) => Exit::Passed,
        Err(error) => {
            complain(&format!("cannot write {}: {error}", PathBuf::from(file).display()));
            Exit::Internal
        }
    }
}
