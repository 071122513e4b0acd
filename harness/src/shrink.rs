//! Smaller plans that fail the same way.
//!
//! Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input",
//! 2002) over everything that a plan consists of: what comes after the contradiction, what came
//! long before it, faults, clients, servers, operations, durations, configuration. A candidate is
//! accepted only if its earliest contradiction has the same fingerprint. Latencies and other draws
//! follow the plan's seed, so a candidate is tried with several seeds: the plan that is kept names
//! the one that failed, and is the evidence.
//!
//! What is left when nothing more can be left out depends on what was left out first. If it is more
//! than a person can hold in the head, the search sets out from the whole plan again and takes
//! another way, a few times.
//!
//! Candidates are performed side by side; of those that fail the same way the first in the order of
//! proposal is accepted, so that the result does not depend on how many run at a time.

mod anchors;
mod aside;
mod edit;
mod passes;
mod search;

use std::fmt;

use evidence::words;

use crate::any::Systems;
use crate::plan::Plan;
use search::Search;

/// How much a plan asks of its reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Size {
    /// Requests of clients.
    pub operations: usize,
    /// Faults of the plan, whether or not they strike anybody.
    pub faults: usize,
    /// Hosts of the groups of servers.
    pub servers: u32,
    /// Hosts of the group of clients.
    pub clients: u32,
    /// Simulated milliseconds of chaos.
    pub chaos_ms: u64,
}

/// A plan that a person can hold in the head has at most so many operations.
pub const SMALL_OPERATIONS_MAX: usize = 12;
/// And at most so many faults.
pub const SMALL_FAULTS_MAX: usize = 4;

/// On so many ways a search goes at most.
const WAYS_MAX: u64 = 5;

impl Size {
    /// Whether a person can hold the plan in the head.
    pub fn is_small(self) -> bool {
        self.operations <= SMALL_OPERATIONS_MAX && self.faults <= SMALL_FAULTS_MAX
    }

    /// Whether this one asks less of its reader than the other: small or not, then what there is to
    /// follow, a fault counting as much as three operations. With more faults it never does.
    fn is_less_than(self, other: Size) -> bool {
        let key = |size: Size| {
            let things = size.operations + 3 * size.faults;
            (!size.is_small(), things, size.servers, size.clients, size.chaos_ms)
        };
        self.faults <= other.faults && key(self) < key(other)
    }

    /// Of a plan.
    pub fn of(systems: Systems, plan: &Plan) -> Size {
        let count = |is_client: bool| {
            let groups = systems.of(plan).groups().iter();
            groups.filter(|group| group.is_client == is_client).map(|g| plan.count(g.name)).sum()
        };
        Size {
            operations: plan.operations.len(),
            faults: plan.faults.len(),
            servers: count(false),
            clients: count(true),
            chaos_ms: plan.chaos_ms,
        }
    }

    /// "ops 412 -> 7, faults 9 -> 2, nodes 5 -> 3, ..".
    pub fn to(self, smaller: Size) -> String {
        format!(
            "ops {} -> {}, faults {} -> {}, nodes {} -> {}, clients {} -> {}, chaos {} -> {}",
            self.operations,
            smaller.operations,
            self.faults,
            smaller.faults,
            self.servers,
            smaller.servers,
            self.clients,
            smaller.clients,
            words::duration(self.chaos_ms),
            words::duration(smaller.chaos_ms),
        )
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Size { operations, faults, servers, clients, chaos_ms } = self;
        let chaos = words::duration(*chaos_ms);
        write!(
            f,
            "{operations} operations, {faults} faults, {servers} servers, {clients} clients, {chaos}"
        )
    }
}

/// What is kept of the way.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    /// The smallest plan so far, as it is to be stored.
    pub plan: &'a Plan,
    /// The plan that is being made smaller at present.
    pub at: &'a Plan,
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
    /// Events of these runs.
    pub work: u64,
    /// Why it went no further.
    pub ended: Ended,
}

/// Why a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// Nothing smaller was left to try.
    Complete,
    /// It has done the work that it was to do at most.
    Work,
    /// Somebody told it to end.
    Told,
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
    /// With how many seeds a candidate is tried at most, at least one: its own, and others drawn
    /// from it. Few at first, as many once few find nothing more; a candidate that is much shorter
    /// than the best plan is tried with up to eight times as many.
    pub seeds: u64,
    /// The fingerprint that must stay, wherever it stands among a run's failures; none for that of
    /// the earliest contradiction, which must stay the earliest.
    pub fingerprint: Option<&'a str>,
    /// After so many events of the world in all its runs the search ends with what there is: the same on
    /// every machine, however many runs go on at a time.
    pub work_max: u64,
    /// Asked between runs and within them; true ends the search with what there is.
    pub is_over: &'a (dyn Fn() -> bool + Sync),
}

/// Makes a failing plan smaller until nothing can be left out, or `is_over` says so. `on_progress`
/// hears of every batch of candidates.
///
/// A plan with a planted bug that passes without it stays one that does: what fails by itself as
/// well would show nothing of the bug.
///
/// # Errors
/// The plan does not fail, or not as it says.
pub fn shrink(
    systems: Systems,
    plan: &Plan,
    options: &Shrink<'_>,
    on_progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<Shrunk, ShrinkError> {
    let mut search = Search::new(systems, plan, options, on_progress)?;
    for way in 0..WAYS_MAX {
        search.set_out(way);
        go_through(&passes::STAGES, &mut search);
        if search.is_over() || search.has_small() {
            return Ok(search.end());
        }
    }
    search.return_to_smallest();
    go_through(&passes::LAST_STAGES, &mut search);
    Ok(search.end())
}

fn go_through(stages: &[passes::Stage], search: &mut Search<'_>) {
    for stage in stages {
        search.begin(*stage);
        loop {
            let before = search.best().clone();
            for pass in passes::ALL {
                if pass.grain <= stage.grain {
                    (pass.run)(search, pass.name);
                    search.confirm(pass.name);
                }
            }
            if search.is_over() || edit::same(&before, search.best()) {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests;
