//! `squall report`: what one or several folders of results come to.

use std::path::{Path, PathBuf};

use clap::Args;
use reports::{Report, ReportError};

use crate::args::Format;
use crate::exit::Exit;
use crate::output::{Output, complain, say};

pub(crate) const REPORT_EXAMPLES: &str = "\
Examples:
  squall report out/latest                  index.html and report.md into that folder
  squall report shard-1 shard-2 --out both  what two campaigns come to together
  squall report out                         all campaigns in a folder, and the trend over them

Reads what `squall fuzz` and `squall run` wrote. Every number of summary.json is counted again from
seeds.jsonl; where they disagree, nothing is written and the exit code is 3. Of a campaign that did not
come to its end, because it was killed or the disk was full, the report says so, and tells what there is.";

/// Arguments of `report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Folders of results, or of such folders; a run that is in several counts once.
    #[arg(value_name = "DIR", required = true)]
    pub(crate) folders: Vec<PathBuf>,
    /// Where the report goes. Into the first folder, unless given.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// Writes a report.
pub(crate) fn report(args: &ReportArgs) -> Exit {
    let out: &Path = args.out.as_ref().unwrap_or(&args.folders[0]);
    match written(&args.folders, out) {
        Ok(exit) => exit,
        Err(error) => {
            complain(&error.to_string());
            match error {
                ReportError::Disagreement { .. } => Exit::Untrusted,
                ReportError::Unwritable(_) => Exit::Internal,
                _ => Exit::Usage,
            }
        }
    }
}

fn written(folders: &[PathBuf], out: &Path) -> Result<Exit, ReportError> {
    let report = Report::read(folders)?;
    let files = report.write(out)?;
    say(&report.headline());
    report.doubts().iter().for_each(|doubt| say(doubt));
    let output = Output::new(Format::Text);
    // The page to open comes first.
    for file in files {
        output.text(&format!("{}\n", file.display()));
    }
    Ok(if report.is_contradictory() { Exit::Untrusted } else { Exit::Passed })
}
