//! Smaller plans that fail the same way.
//!
//! Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input",
//! 2002) over everything that a plan consists of: what comes after the contradiction, faults,
//! operations, clients, servers, durations, configuration. A candidate is accepted only if its
//! earliest contradiction has the same fingerprint. Latencies and other draws follow the plan's
//! seed, so a candidate may be tried with several seeds: the plan that is kept names the one that
//! failed, and is the evidence.
//!
//! Candidates are performed side by side; of those that fail the same way the first in the order of
//! proposal is accepted, so that the result does not depend on how many run at a time.

mod edit;
mod passes;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use sim::cluster::RunOptions;
use sim::cluster::plan::Plan;

use crate::run::{Outcome, run_plan};
use crate::validate::validate;

/// How much a plan asks of its reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Size {
    /// Requests of clients.
    pub operations: usize,
    /// Faults.
    pub faults: usize,
    /// Servers.
    pub servers: u32,
    /// Clients.
    pub clients: u32,
    /// Simulated milliseconds of chaos.
    pub chaos_ms: u64,
}

impl Size {
    /// Of a plan.
    pub fn of(plan: &Plan) -> Size {
        Size {
            operations: plan.operations.len(),
            faults: plan.faults.len(),
            servers: plan.topology.servers,
            clients: plan.topology.clients,
            chaos_ms: plan.chaos_ms,
        }
    }

    /// "ops 412 -> 7, faults 9 -> 2, nodes 5 -> 3, ..".
    pub fn to(self, smaller: Size) -> String {
        let seconds = |ms: u64| format!("{}.{:01}", ms / 1_000, ms % 1_000 / 100);
        format!(
            "ops {} -> {}, faults {} -> {}, nodes {} -> {}, clients {} -> {}, chaos {} s -> {} s",
            self.operations,
            smaller.operations,
            self.faults,
            smaller.faults,
            self.servers,
            smaller.servers,
            self.clients,
            smaller.clients,
            seconds(self.chaos_ms),
            seconds(smaller.chaos_ms),
        )
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Size { operations, faults, servers, clients, chaos_ms } = self;
        write!(
            f,
            "{operations} operations, {faults} faults, {servers} servers, {clients} clients, \
             {chaos_ms} ms"
        )
    }
}

/// What is kept of the way.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    /// The smallest plan so far, as it is to be stored.
    pub plan: &'a Plan,
    /// Plans that were performed.
    pub performed: u64,
    /// What is being left out at present.
    pub pass: &'static str,
    /// Whether `plan` is smaller than at the last call.
    pub is_smaller: bool,
}

/// How it ended.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest plan found, with how it ended.
    pub plan: Plan,
    /// Plans that were performed.
    pub performed: u64,
    /// Whether nothing smaller was left to try; otherwise somebody stopped it.
    pub is_complete: bool,
}

/// The plan does not fail that way, so that nothing can be learned from smaller ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShrinkError {
    /// It passes, or ends undecided.
    #[error("the plan does not fail with this build: nothing to shrink")]
    DoesNotFail,
    /// It fails in another way.
    #[error("the plan fails with {found}, but was stored with {stored}")]
    FailsOtherwise {
        /// The fingerprint now.
        found: String,
        /// The stored one.
        stored: String,
    },
}

/// How to go about it.
#[derive(Clone, Copy)]
pub struct Shrink<'a> {
    /// Runs at a time, at least one.
    pub jobs: usize,
    /// With how many seeds a candidate is tried, at least one: its own, and others drawn from it.
    pub seeds: u64,
    /// Asked between runs and within them; true ends the search with what there is.
    pub is_over: &'a (dyn Fn() -> bool + Sync),
}

/// Makes a failing plan smaller until nothing can be left out, or `is_over` says so. `on_progress`
/// hears of every batch of candidates.
///
/// # Errors
/// The plan does not fail, or not as it says.
pub fn shrink(
    plan: &Plan,
    options: &Shrink<'_>,
    on_progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<Shrunk, ShrinkError> {
    let outcome = run_plan(plan, &RunOptions::default());
    let Some(fingerprint) = outcome.fingerprint().map(str::to_owned) else {
        return Err(ShrinkError::DoesNotFail);
    };
    let stored = plan.found.as_ref().and_then(|found| found.fingerprint.clone());
    if let Some(stored) = stored.filter(|stored| *stored != fingerprint) {
        return Err(ShrinkError::FailsOtherwise { found: fingerprint, stored });
    }
    let failed_ms = failed_ms(&outcome);
    let events_max = outcome.stats.events.saturating_mul(2).saturating_add(100_000);
    let mut search = Search {
        options,
        on_progress,
        fingerprint,
        events_max,
        best: outcome.stored(plan),
        failed_ms,
        performed: 1,
    };
    loop {
        let before = search.best.clone();
        for pass in passes::ALL {
            (pass.run)(&mut search, pass.name);
        }
        if search.is_over() || edit::same(&before, &search.best) {
            break;
        }
    }
    let is_complete = !search.is_over();
    Ok(Shrunk { plan: search.best, performed: search.performed, is_complete })
}

fn failed_ms(outcome: &Outcome) -> u64 {
    outcome.failures().first().map_or(0, |failure| failure.at_ns.div_ceil(1_000_000))
}

/// A search under way.
struct Search<'a> {
    options: &'a Shrink<'a>,
    on_progress: &'a mut dyn FnMut(&Progress<'_>),
    fingerprint: String,
    events_max: u64,
    best: Plan,
    /// When the contradiction of `best` was complete.
    failed_ms: u64,
    performed: u64,
}

impl Search<'_> {
    fn is_over(&self) -> bool {
        (self.options.is_over)()
    }

    /// Tries candidates in their order; the first that fails the same way becomes the best plan, and
    /// its position is returned.
    fn try_all(&mut self, pass: &'static str, candidates: Vec<Plan>) -> Option<usize> {
        let mut position = 0;
        for batch in candidates.chunks(self.options.jobs.max(1)) {
            if self.is_over() {
                return None;
            }
            let found = self.perform(batch);
            if let Some((index, plan, failed_ms)) = found {
                (self.best, self.failed_ms) = (plan, failed_ms);
                self.report(pass, true);
                return Some(position + index);
            }
            self.report(pass, false);
            position += batch.len();
        }
        None
    }

    fn report(&mut self, pass: &'static str, is_smaller: bool) {
        let (plan, performed) = (&self.best, self.performed);
        (self.on_progress)(&Progress { plan, performed, pass, is_smaller });
    }

    /// Performs a batch, one thread for each plan.
    fn perform(&mut self, batch: &[Plan]) -> Option<(usize, Plan, u64)> {
        let performed = AtomicUsize::new(0);
        let (events_max, fingerprint) = (self.events_max, self.fingerprint.as_str());
        let options = self.options;
        let attempt = |plan: &Plan| {
            (0..options.seeds.max(1)).find_map(|n| {
                let plan = edit::with_seed(plan, n);
                if validate(&plan).is_err() || (options.is_over)() {
                    return None;
                }
                performed.fetch_add(1, Ordering::Relaxed);
                let run = RunOptions {
                    should_stop: Some(options.is_over),
                    events_max: Some(events_max),
                    ..RunOptions::default()
                };
                let outcome = run_plan(&plan, &run);
                let is_same = outcome.fingerprint() == Some(fingerprint);
                is_same.then(|| (outcome.stored(&plan), failed_ms(&outcome)))
            })
        };
        let found: Vec<Option<(Plan, u64)>> = std::thread::scope(|scope| {
            let attempt = &attempt;
            let threads: Vec<_> =
                batch.iter().map(|plan| scope.spawn(move || attempt(plan))).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().map(join).collect()
        });
        self.performed += performed.into_inner() as u64;
        found
            .into_iter()
            .enumerate()
            .find_map(|(index, found)| found.map(|(plan, failed_ms)| (index, plan, failed_ms)))
    }
}

#[cfg(test)]
mod tests;
