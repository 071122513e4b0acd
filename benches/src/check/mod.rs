//! `squall bench checker`: how long the linearizability of histories takes, the search alone and with
//! the reading of the file, and what stays undecided.

pub mod history;

use std::collections::BTreeMap;
use std::time::Instant;

use checker::format::write_edn;
use checker::history::{Operation, pair};
use checker::linear::{self, Budget};
use checker::model::key_value::KeyValue;
use checker::model::register::{CasRegister, FailedCas};
use checker::{Verdict, check_text};
use reports::{BenchTarget, Better};

use crate::Measured;
use history::{Kind, Shape, events};

/// How much to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckerOptions {
    /// Clients at a time.
    pub clients: Vec<u64>,
    /// Operations of a history.
    pub operations: Vec<u64>,
    /// How often each history is judged; each round has another seed.
    pub rounds: u32,
}

/// Operations beyond which histories of strings are left out: their gets alone fill the memory.
const STRING_OPERATIONS_MAX: u64 = 10_000;

/// Different values where there are few.
const FEW: u64 = 5;

impl CheckerOptions {
    /// A measurement to rely on: some minutes.
    pub fn full() -> CheckerOptions {
        let operations = vec![1_000, 10_000, 100_000];
        CheckerOptions { clients: vec![5, 20, 50], operations, rounds: 3 }
    }

    /// A look: some seconds.
    pub fn quick() -> CheckerOptions {
        CheckerOptions { clients: vec![5, 20], operations: vec![1_000], rounds: 1 }
    }

    /// As a report shows them and a baseline must have them.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let list =
            |numbers: &[u64]| numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        BTreeMap::from([
            ("clients".to_owned(), list(&self.clients)),
            ("operations".to_owned(), list(&self.operations)),
            ("rounds".to_owned(), self.rounds.to_string()),
        ])
    }

    /// Nothing measured yet.
    pub fn measured(&self) -> Measured {
        let mut measured = Measured::new(BenchTarget::Checker, self.settings());
        measured.notes.push(
            "search: operations in memory to a verdict; file: EDN in memory to a verdict; stale: one \
             read, behind seven tenths of the history, finds what forty changes replaced"
                .to_owned(),
        );
        measured
    }

    /// Every kind of history that is measured.
    fn shapes(&self) -> Vec<Shape> {
        let mut shapes = Vec::new();
        for kind in Kind::ALL {
            for &clients in &self.clients {
                for &operations in &self.operations {
                    if kind == Kind::KeyValue && operations > STRING_OPERATIONS_MAX {
                        continue;
                    }
                    for values in [None, Some(FEW)] {
                        for (unfinished_percent, is_stale) in
                            [(0, false), (10, false), (0, true), (10, true)]
                        {
                            shapes.push(Shape {
                                kind,
                                clients,
                                operations,
                                values,
                                unfinished_percent,
                                is_stale,
                            });
                        }
                    }
                }
            }
        }
        shapes
    }
}

fn name(shape: &Shape) -> String {
    let Shape { kind, clients, operations, unfinished_percent, .. } = shape;
    let values = if shape.values.is_some() { "few values" } else { "unique values" };
    let stale = if shape.is_stale { ", stale" } else { "" };
    let kind = kind.name();
    format!("{kind}, {clients} x {operations}, {values}, {unfinished_percent} % unfinished{stale}")
}

/// Measures everything into `measured`; `progress` is told what comes next. Ends early when
/// `should_stop` says so, and then returns false.
pub fn measure(
    options: &CheckerOptions,
    measured: &mut Measured,
    progress: &dyn Fn(&str),
    should_stop: &(dyn Fn() -> bool + Sync),
) -> bool {
    for shape in options.shapes() {
        for round in 1..=options.rounds {
            if should_stop() {
                return false;
            }
            let name = name(&shape);
            progress(&format!("{name}, round {round}/{}", options.rounds));
            let events = events(&shape, u64::from(round));
            let text = write_edn(&events);
            let operations = pair(&events).expect("each client does one thing at a time");
            drop(events);
            let (verdict, search_ms) = timed(|| search(&shape, &operations));
            drop(operations);
            let (_, file_ms) = timed(|| check_text("h", text.as_bytes(), None, Budget::default()));
            measured.round(&format!("search, {name}"), "ms", Better::Lower, search_ms);
            measured.round(&format!("file, {name}"), "ms", Better::Lower, file_ms);
            match verdict {
                Verdict::Unknown { reason, .. } => {
                    measured.notes.push(format!("{name}, round {round}: undecided: {reason}"));
                }
                verdict if !verdict.is_valid() && !shape.is_stale => {
                    let violation =
                        format!("{name}, round {round}: a valid history is called wrong");
                    measured.safety.violations.push(violation);
                }
                _ => {}
            }
        }
    }
    true
}

fn search(shape: &Shape, operations: &[Operation]) -> Verdict {
    let register = CasRegister { failed_cas: FailedCas::DidNotHappen };
    let verdict = match shape.kind {
        Kind::Register | Kind::Cas => linear::check(&register, operations, Budget::default()),
        Kind::KeyValue => linear::check(&KeyValue, operations, Budget::default()),
    };
    verdict.expect("the model knows what it is asked")
}

#[allow(clippy::disallowed_methods, reason = "it measures how long something takes")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed().as_secs_f64() * 1_000.0)
}
