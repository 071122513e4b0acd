//! Verbs that a program has beside those of every program, and what they need to behave like them.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{ArgMatches, Command};

use crate::exit::Exit;

pub use crate::args::Format;

/// A verb of a program's own.
pub trait ExtraVerb {
    /// Its command line.
    fn command(&self) -> Command;

    /// Does it. `stop` is set when somebody interrupts the program.
    fn run(&self, matches: &ArgMatches, stop: &Arc<AtomicBool>) -> Exit;
}
