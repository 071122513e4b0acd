//! Draws evidence: what a person or another program looks at after a run.
//!
//! Data of crate `evidence` come in; texts, plots, diagrams, pages and folders go out. Nothing here
//! runs, decides or measures anything, and nothing knows a system: its operations, roles and
//! figures have the words that the data give them. Times of day are handed in by the caller; every
//! other time is simulated.

mod bench;
mod bench_plot;
mod bench_text;
mod coverage_text;
mod failure;
mod folder;
mod github;
mod home;
mod junit;
mod label;
mod merge;
mod message;
mod messages;
mod perfetto;
mod picture;
mod place;
mod plot;
mod report;
mod shiviz;
mod story;
mod style;
mod summary_text;
mod timeline;

pub use bench::{
    BENCH_SCHEMA_VERSION, BenchComparison, BenchReport, BenchTarget, Better, ComparedFigure,
    Failovers, Figure, FigureVerdict, Latency, LatencyPoint, Machine, Safety, quantile,
};
pub use bench_plot::{BenchPlot, bench_plots};
pub use bench_text::{bench_markdown, bench_text, comparison_text, percentile_text};
pub use failure::FailureFiles;
pub use folder::{FolderError, OutputFolder, append_line, folder_name};
pub use github::annotations;
pub use home::Home;
pub use junit::JUnit;
pub use merge::{MergeError, Merged, SAW_NO, ShardFolder, find_shards, merge, read_shard};
pub use message::{explanation_text, failure_text};
pub use picture::{plots, write_history, write_picture};
pub use place::{try_place, write_atomically, write_there};
pub use report::{Report, ReportError};
pub use story::write_story;
pub use summary_text::{closing_line, summary_markdown};
