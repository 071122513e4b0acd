//! What must hold of a run: properties over what servers did, and how they are told when they do not.

mod general;

use evidence::ExplainLine;

use crate::plan::Plan;
use crate::record::{Observed, Record};
use crate::system::System;

pub use general::{always, check_healing, fatal, healing, no_panic};

/// A rule over the record of a run of a system.
pub struct Property<S: System> {
    /// Its name, by which plants, reports and the command line know it. It never changes: fingerprints
    /// are made of it.
    pub name: &'static str,
    /// Where the rule comes from: paper, manual section, issue.
    pub source: &'static str,
    /// Whether a run has anything that it speaks of. One that has nothing has judged nothing.
    pub has_subject: fn(&Record<S>) -> bool,
    /// Judges a run.
    pub check: fn(&Plan, &Record<S>) -> PropertyVerdict,
}

impl<S: System> Property<S> {
    /// A rule that speaks of every run.
    pub const fn new(
        name: &'static str,
        source: &'static str,
        check: fn(&Plan, &Record<S>) -> PropertyVerdict,
    ) -> Property<S> {
        Property { name, source, has_subject: of_every_run, check }
    }
}

impl<S: System> Clone for Property<S> {
    fn clone(&self) -> Property<S> {
        *self
    }
}

impl<S: System> Copy for Property<S> {}

/// What a property says of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PropertyVerdict {
    /// Nothing contradicts it.
    Holds,
    /// Something contradicts it: what, when, and the lines to read.
    Violated(Box<Violation>),
}

/// What contradicts a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When the contradiction was complete.
    pub at_ns: u64,
    /// What is wrong, in one line.
    pub headline: String,
    /// What contradicts what, in the order to read it; the last line is the contradiction.
    pub lines: Vec<ExplainLine>,
}

impl PropertyVerdict {
    /// The contradiction, if there is one.
    pub fn violation(&self) -> Option<&Violation> {
        match self {
            PropertyVerdict::Holds => None,
            PropertyVerdict::Violated(violation) => Some(violation),
        }
    }
}

/// A property that speaks of every run.
pub fn of_every_run<S: System>(_record: &Record<S>) -> bool {
    true
}

/// Builds a violation line by line.
#[derive(Clone, Debug)]
pub struct Contradiction {
    headline: String,
    lines: Vec<ExplainLine>,
}

impl Contradiction {
    /// What is wrong, in one line. Names, numbers and times in it do not make another kind of failure.
    pub fn new(headline: impl Into<String>) -> Contradiction {
        Contradiction { headline: headline.into(), lines: Vec::new() }
    }

    /// Something that a server did.
    #[must_use]
    pub fn did<S: System>(
        self,
        record: &Record<S>,
        observed: &Observed<S::Observation>,
        text: impl Into<String>,
        note: impl Into<String>,
    ) -> Contradiction {
        let who = record.server_name(observed.server).to_owned();
        self.line(who, observed.at_ns, text, note)
    }

    /// Something that somebody did.
    #[must_use]
    pub fn line(
        mut self,
        who: impl Into<String>,
        at_ns: u64,
        text: impl Into<String>,
        note: impl Into<String>,
    ) -> Contradiction {
        self.lines.push(ExplainLine {
            client: who.into(),
            text: text.into(),
            from_ns: Some(at_ns),
            to_ns: Some(at_ns),
            note: note.into(),
        });
        self
    }

    /// The verdict: the contradiction was complete at this moment.
    pub fn violated(self, at_ns: u64) -> PropertyVerdict {
        let Contradiction { headline, lines } = self;
        PropertyVerdict::Violated(Box::new(Violation { at_ns, headline, lines }))
    }
}
