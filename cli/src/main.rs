//! `squall`: argument parsing and exit codes. The work is in `scenarios`, `checker` and `reports`.

mod args;
mod bench;
mod check;
mod clock;
mod corpus;
mod determinism;
mod diagrams;
mod engine;
mod evidence;
mod exit;
mod fuzz;
mod list;
mod merge;
mod names;
mod output;
mod partition;
mod plans;
mod progress;
mod publish;
mod report;
mod seed;
mod selftest;
mod shrink;
mod single;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser;
use signal_hook::consts::{SIGINT, SIGTERM};

use args::{Cli, Verb};
use exit::Exit;
use output::complain;

/// A simulated run allocates little and often: a tenth of a campaign's time is saved by this.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing can be done when the message cannot be written.
            let _ = error.print();
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Passed };
            return ExitCode::from(exit.code());
        }
    };
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The first signal ends in order, the second one at once.
        let at_once = signal_hook::flag::register_conditional_shutdown(
            signal,
            i32::from(Exit::Interrupted.code()),
            Arc::clone(&stop),
        );
        let in_order = signal_hook::flag::register(signal, Arc::clone(&stop));
        if let Err(error) = at_once.and(in_order) {
            complain(&format!("signals cannot be caught, so Ctrl-C keeps nothing: {error}"));
        }
    }
    let exit = catch_unwind(AssertUnwindSafe(|| dispatch(&cli.verb, &stop)));
    ExitCode::from(exit.unwrap_or(Exit::Internal).code())
}

fn dispatch(verb: &Verb, stop: &Arc<AtomicBool>) -> Exit {
    match verb {
        Verb::Fuzz(args) => fuzz::fuzz(args, stop),
        Verb::Run(args) => single::run(args, stop),
        Verb::Replay(args) => single::replay(args, stop),
        Verb::Shrink(args) => shrink::shrink(args, stop),
        Verb::Merge(args) => merge::merge(args),
        Verb::Check(args) => check::check(args, stop),
        Verb::Selftest(args) => selftest::selftest(args, stop),
        Verb::Corpus(args) => corpus::corpus(args, stop),
        Verb::Determinism(args) => determinism::determinism(args, stop),
        Verb::Report(args) => report::report(args),
        Verb::List(args) => list::list(args),
        Verb::Bench(args) => bench::bench(args, stop),
    }
}
