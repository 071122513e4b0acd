//! What a run leaves behind, as plain data: what the harness writes down and what reports draw.
//!
//! Neither side knows the other, and none of this knows a system. What only a system can name -
//! its operations, its roles, its figures, its families of faults - is text and declarations in
//! the data, so that a page is drawn from a folder alone, years after and without the system.
//!
//! - A verdict: [`Verdict`], [`Explanation`], [`FailureMessage`].
//! - One run: [`RunLine`] (a line of `seeds.jsonl`), [`History`], [`RunPicture`] (plots),
//!   [`Story`] (diagrams).
//! - A campaign: [`Summary`] with its [`Utilization`], [`Coverage`] of marks.
//! - Declarations: [`FigureDeclaration`], [`DeclaredMark`], [`Families`].
//!
//! All simulated times are nanoseconds from the run's beginning unless a name ends otherwise.
//! Nothing here reads a clock, a file or a socket.

mod coverage;
mod disagreement;
pub mod example;
mod fault;
mod figure;
mod history;
mod latencies;
mod message;
mod picture;
mod run_line;
mod story;
mod summary;
mod utilization;
mod verdict;
pub mod words;

pub use coverage::{
    COVERAGE_FILE, Coverage, DeclaredMark, FAMILY_LETTERS, FirstRun, MarkCoverage, MarkHits,
};
pub use fault::{Aimed, Families, FaultWindow, OTHER_FAMILY};
pub use figure::{AddsUp, FigureDeclaration, Unit};
pub use history::{History, HistoryFiles, Note, Operation, OutcomeClass};
pub use latencies::Latencies;
pub use message::{Commands, FailureMessage, Moment};
pub use picture::{ClockTrack, Gap, OperationPoint, RunPicture};
pub use run_line::{RunAddress, RunLine, RunVerdict};
pub use story::{Arrow, Contradiction, Durable, Host, HostSpan, Logged, Point, Step, Story, Tone};
pub use summary::{
    Canary, DistinctFailure, Environment, MarkFigures, SCHEMA_VERSION, Shard, SmallerPlan, Summary,
    UndecidedRun, joined_figures,
};
pub use utilization::{Counts, Utilization};
pub use verdict::{ExplainLine, Explanation, Verdict, kind_of_failure};
