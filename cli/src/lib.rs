//! The program `squall` for any list of systems: arguments, exit codes, and every verb.
//!
//! A program of one's own is three lines:
//!
//! ```no_run
//! # static MY_SYSTEMS: &squall::SystemList = &[];
//! fn main() -> std::process::ExitCode {
//!     squall::main(MY_SYSTEMS)
//! }
//! ```
//!
//! The seams are re-exported, so that one dependency is enough: [`harness`] with `System`, `Property` and
//! `Workload`, [`sim`] with the world, [`probe`], [`checker`], [`evidence`] and [`platform`].

mod args;
mod check;
pub mod clock;
mod corpus;
mod determinism;
mod diagrams;
mod engine;
pub mod exit;
mod fuzz;
mod help;
mod keep;
mod list;
mod merge;
mod names;
pub mod output;
mod partition;
mod place;
mod plans;
mod program;
mod progress;
mod publish;
mod report;
pub mod seed;
mod selftest;
mod shrink;
mod single;
mod systems;
pub mod testing;
pub mod verb;
mod watch;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{CommandFactory, FromArgMatches};
use harness::{AnySystem, Systems};
use signal_hook::consts::{SIGINT, SIGTERM};

use args::{Cli, Verb};
use exit::Exit;
use output::complain;
use verb::ExtraVerb;

pub use harness::sim;
pub use harness::{calls, common_case, generate, model, property, stored_plans};
pub use {checker, evidence, harness, platform, probe, reports};

/// What a system's own file uses most.
pub mod prelude {
    pub use super::SystemList;
    pub use harness::plan::NoSetup;
    pub use harness::plant::PlantedBug;
    pub use harness::property::{self, Contradiction, Property, PropertyVerdict};
    pub use harness::sim::fault::{Casting, Standing};
    pub use harness::sim::{Host, HostId, World};
    pub use harness::stage::Server;
    pub use harness::system::{Group, Part, Role, Scenario, Seen};
    pub use harness::{Plan, Record, Stage, System};
    pub use platform::{File, Files, Listener, Platform, Stream};
    pub use probe::{Probe, always, hash_bytes, planted, reachable, sometimes};
}

/// The systems of a program: `pub static SYSTEMS: &SystemList = &[&Mine];`.
///
/// The elements are [`AnySystem`], the face that [`System`](harness::System) has for a list of several. The
/// prelude leaves that trait out, since both have methods of the same names.
pub type SystemList = [&'static dyn AnySystem];

/// The program, for these systems. Plans that name no system are the first one's.
pub fn main(systems: &'static SystemList) -> ExitCode {
    main_with(systems, &[])
}

/// The program, with verbs of its own beside the others.
pub fn main_with(systems: &'static SystemList, verbs: &[&dyn ExtraVerb]) -> ExitCode {
    ExitCode::from(run(systems, verbs, std::env::args_os().collect::<Vec<_>>()).code())
}

/// Does what a command line asks, the program's name first. What `main` does, within a process that goes
/// on.
pub fn run<A: Into<OsString> + Clone>(
    systems: &'static SystemList,
    verbs: &[&dyn ExtraVerb],
    arguments: Vec<A>,
) -> Exit {
    systems::set(Systems(systems));
    let commands = verbs.iter().map(|verb| verb.command());
    let command = commands.fold(Cli::command(), clap::Command::subcommand);
    let command = help::told_for(systems::systems(), command);
    let matches = match command.try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // Nothing can be done when the message cannot be written.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Passed };
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
    let extra = matches.subcommand().and_then(|(name, own)| {
        let verb = verbs.iter().find(|verb| verb.command().get_name() == name)?;
        Some((*verb, own))
    });
    watch::begin();
    let exit = catch_unwind(AssertUnwindSafe(|| match extra {
        Some((verb, own)) => verb.run(own, &stop),
        None => match Cli::from_arg_matches(&matches) {
            Ok(cli) => dispatch(&cli.verb, &stop),
            Err(error) => {
                let _ = error.print();
                Exit::Usage
            }
        },
    }));
    let exit = exit.unwrap_or(Exit::Internal);
    if output::has_failed() { exit.and(Exit::Internal) } else { exit }
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
    }
}
