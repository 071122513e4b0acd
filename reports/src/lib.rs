//! What a person or another program looks at after a run: summaries, failure messages, histories,
//! and the folder in which they are kept.
//!
//! Nothing here runs, decides or measures anything: data come in, texts and files go out. Times of
//! day are handed in by the caller; every other time is simulated.

mod failure;
mod folder;
mod history;
mod message;
mod run_line;
mod summary;
mod summary_text;
pub mod words;

pub use failure::FailureFiles;
pub use folder::{FolderError, OutputFolder, folder_name, write_atomically};
pub use history::{HistoryFiles, Span};
pub use message::{Commands, FailureMessage, Moment};
pub use run_line::{RunLine, RunVerdict};
pub use summary::{
    Counts, DistinctFailure, Environment, SCHEMA_VERSION, Summary, Syncs, UndecidedRun, Utilization,
};
