//! What a person or another program looks at after a run: summaries, failure messages, histories,
//! and the folder in which they are kept.
//!
//! Nothing here runs, decides or measures anything: data come in, texts and files go out. Times of
//! day are handed in by the caller; every other time is simulated.

mod bench;
mod bench_plot;
mod bench_text;
mod coverage;
mod failure;
mod folder;
mod github;
mod history;
mod junit;
mod latencies;
mod merge;
mod message;
mod messages;
mod perfetto;
mod picture;
mod plot;
mod report;
mod run_line;
mod shiviz;
mod story;
mod style;
mod summary;
mod summary_text;
mod timeline;
pub mod words;

pub use bench::{
    BENCH_SCHEMA_VERSION, BenchComparison, BenchReport, BenchTarget, Better, ComparedFigure,
    Failovers, Figure, FigureVerdict, Latency, LatencyPoint, Machine, Safety, quantile,
};
pub use bench_plot::{BenchPlot, bench_plots};
pub use bench_text::{bench_markdown, bench_text, comparison_text, percentile_text};
pub use coverage::{COVERAGE_FILE, Coverage, DeclaredMark, FAMILY_LETTERS, MarkHits};
pub use failure::FailureFiles;
pub use folder::{FolderError, OutputFolder, folder_name, write_atomically};
pub use github::annotations;
pub use history::{HistoryFiles, Span};
pub use junit::JUnit;
pub use latencies::Latencies;
pub use merge::{MergeError, Merged, SAW_NO, ShardFolder, find_shards, merge, read_shard};
pub use message::{Commands, FailureMessage, Moment};
pub use picture::{ClockTrack, Gap, OperationKind, OperationPoint, PointOutcome, RunPicture};
pub use report::{Report, ReportError};
pub use run_line::{RunLine, RunVerdict};
pub use story::{Arrow, Contradiction, HostSpan, HostState, Point, Step, Story};
pub use summary::{
    Canary, Counts, DistinctFailure, Environment, MarkFigures, SCHEMA_VERSION, Shard, SmallerPlan,
    Summary, Syncs, UndecidedRun, Utilization,
};
