//! Making a counterexample small, without making a different one.
//!
//! Three reductions, each of which keeps the rest illegal only if the whole was: what was invoked
//! after the dead end is cut off; everything before a quiet moment is replaced by the states that
//! it can leave; and operations that are irrelevant to the rest (see [`Model::is_irrelevant`])
//! are dropped by delta debugging (Zeller and Hildebrandt, TSE 2002). A write that someone reads
//! is never dropped: the read would become a contradiction that the system never made.

use super::search::{DeadEnd, Found, Search};
use super::{Budget, Call};
use crate::model::{Effect, Model};

/// Searches that shrinking may do.
const TRIALS_MAX: usize = 3000;

/// Searches that the whole budget suffices for at least.
const TRIALS_PER_BUDGET: u64 = 10;

/// So many comparisons of operations take about as long as finding a configuration.
const COMPARED_PER_CONFIGURATION: u64 = 64;

/// Quiet moments tried, the latest first.
const QUIET_MOMENTS_MAX: usize = 64;

/// A counterexample: no order of these calls exists from any of these states.
pub(super) struct Shrunk<M: Model> {
    /// Where the object can have been before the first call.
    pub(super) initial: Vec<M::State>,
    /// Whether that is the state of a new object.
    pub(super) is_whole: bool,
    /// The calls, by invocation.
    pub(super) calls: Vec<Call<M::Op>>,
    /// The return at which no order is left.
    pub(super) dead_end: DeadEnd<M::State>,
}

/// Shrinks an illegal history, of which the dead end of a search is given, as far as
/// [`Budget::explaining_max`] suffices.
pub(super) fn shrink<M: Model>(
    model: &M,
    calls: &[Call<M::Op>],
    dead_end: DeadEnd<M::State>,
    budget: Budget<'_>,
) -> Shrunk<M> {
    let mut order: Vec<usize> = (0..calls.len()).collect();
    order.sort_by_key(|index| calls[*index].invoke);
    let mut place = vec![0; calls.len()];
    order.iter().enumerate().for_each(|(new, old)| place[*old] = new);
    let dead_end = DeadEnd {
        call: place[dead_end.call],
        order: dead_end.order.iter().map(|old| place[*old]).collect(),
        ..dead_end
    };
    let calls = order.iter().map(|index| calls[*index].clone()).collect();
    let initial = vec![model.initial()];
    let mut shrunk = Shrunk { initial, is_whole: true, calls, dead_end };
    shrunk.cut_after_dead_end();
    let mut trials = Trials { model, budget, left: TRIALS_MAX, spent: 0 };
    trials.start_later(&mut shrunk);
    trials.drop_calls(&mut shrunk, |_, _| true);
    trials.drop_calls(&mut shrunk, |model, call| model.effect(&call.op) == Effect::Read);
    trials.drop_calls(&mut shrunk, |_, _| true);
    if shrunk.dead_end.is_foreseen {
        trials.see_step_by_step(&mut shrunk);
    }
    shrunk
}

impl<M: Model> Shrunk<M> {
    /// Leaves out what was invoked after the dead end.
    fn cut_after_dead_end(&mut self) {
        let end = self.calls[self.dead_end.call].complete.expect("a dead end is a return");
        let kept: Vec<usize> =
            (0..self.calls.len()).filter(|i| self.calls[*i].invoke <= end).collect();
        let renumber = |old: usize| kept.binary_search(&old).expect("it was invoked before");
        self.dead_end.call = renumber(self.dead_end.call);
        self.dead_end.order = self.dead_end.order.iter().map(|old| renumber(*old)).collect();
        self.calls = kept.iter().map(|index| self.calls[*index].clone()).collect();
    }
}

/// The searches of one shrinking, with what is left to spend.
struct Trials<'a, M: Model> {
    model: &'a M,
    budget: Budget<'a>,
    /// Searches that are left.
    left: usize,
    /// Configurations that were looked at.
    spent: u64,
}

impl<'a, M: Model> Trials<'a, M> {
    fn budget(&mut self) -> Option<Budget<'a>> {
        let rest = self.budget.explaining_max.saturating_sub(self.spent);
        if self.left == 0 || rest == 0 {
            return None;
        }
        self.left -= 1;
        let configurations_max = rest.min(self.budget.explaining_max / TRIALS_PER_BUDGET).max(1);
        Some(Budget { configurations_max, ..self.budget })
    }

    fn dead_end(
        &mut self,
        calls: &[Call<M::Op>],
        initial: &[M::State],
    ) -> Option<DeadEnd<M::State>> {
        let budget = self.budget()?;
        let (mut width, mut spent) = (0, calls.len() as u64);
        let found = Search::new(self.model, calls, initial).decide(budget, &mut width, &mut spent);
        self.spent += spent;
        match found {
            Found::NoOrder(dead_end) => Some(dead_end),
            Found::Order | Found::Undecided(_) => None,
        }
    }

    /// Finds the return at which no order is left, where it was foreseen by now, if that takes little.
    fn see_step_by_step(&mut self, shrunk: &mut Shrunk<M>) {
        let Some(budget) = self.budget() else { return };
        let search = Search::new(self.model, &shrunk.calls, &shrunk.initial).step_by_step();
        let found = search.decide(budget, &mut 0, &mut self.spent);
        if let Found::NoOrder(dead_end) = found {
            shrunk.dead_end = dead_end;
            shrunk.cut_after_dead_end();
        }
    }

    /// Replaces the calls before a quiet moment by the states that they can leave. Calls that
    /// were never answered may take effect later, so they come along.
    fn start_later(&mut self, shrunk: &mut Shrunk<M>) {
        for moment in quiet_moments(&shrunk.calls).into_iter().rev().take(QUIET_MOMENTS_MAX) {
            let is_before = |call: &&Call<M::Op>| call.invoke < moment;
            let before: Vec<Call<M::Op>> = shrunk.calls.iter().filter(is_before).cloned().collect();
            let later = |call: &&Call<M::Op>| call.invoke >= moment || call.complete.is_none();
            let later: Vec<Call<M::Op>> = shrunk.calls.iter().filter(later).cloned().collect();
            let Some(budget) = self.budget() else { return };
            let mut spent = before.len() as u64;
            let search = Search::new(self.model, &before, &shrunk.initial).step_by_step();
            let states = search.final_states(budget, &mut spent);
            self.spent += spent;
            let Some(states) = states else { continue };
            if let Some(dead_end) = self.dead_end(&later, &states) {
                let initial = states;
                *shrunk = Shrunk { initial, is_whole: false, calls: later, dead_end };
                return;
            }
        }
    }

    /// Drops irrelevant calls of a kind, in ever smaller pieces.
    fn drop_calls(&mut self, shrunk: &mut Shrunk<M>, may_go: impl Fn(&M, &Call<M::Op>) -> bool) {
        let mut piece = shrunk.calls.len().div_ceil(2);
        while piece > 0 {
            let mut from = 0;
            let mut dropped = false;
            while from < shrunk.calls.len() {
                let to = (from + piece).min(shrunk.calls.len());
                let before = shrunk.calls.len();
                dropped |= self.drop_piece(shrunk, (from, to), &may_go);
                from = to - (before - shrunk.calls.len());
            }
            if !dropped || piece > 1 {
                piece /= 2;
            }
        }
    }

    /// Drops what is irrelevant between two positions, if the rest is still illegal.
    fn drop_piece(
        &mut self,
        shrunk: &mut Shrunk<M>,
        (from, to): (usize, usize),
        may_go: &impl Fn(&M, &Call<M::Op>) -> bool,
    ) -> bool {
        // Reads first: what nobody reads any more may go with them. One after another, since each
        // must be irrelevant to all that is left when it goes.
        let is_read = |model: &M, call: &Call<M::Op>| model.effect(&call.op) == Effect::Read;
        let piece = || (from..to).filter(|index| may_go(self.model, &shrunk.calls[*index]));
        let (reads, others): (Vec<usize>, Vec<usize>) =
            piece().partition(|index| is_read(self.model, &shrunk.calls[*index]));
        let mut gone = vec![false; shrunk.calls.len()];
        let compared = (to - from) as u64 * shrunk.calls.len() as u64;
        self.spent += compared / COMPARED_PER_CONFIGURATION;
        if self.spent > self.budget.explaining_max {
            return false;
        }
        for index in reads.into_iter().chain(others) {
            let rest = (0..gone.len()).filter(|other| *other != index && !gone[*other]);
            let rest: Vec<&M::Op> = rest.map(|other| &shrunk.calls[other].op).collect();
            gone[index] = self.model.is_irrelevant(&shrunk.calls[index].op, &rest);
        }
        if !gone.contains(&true) {
            return false;
        }
        let left = shrunk.calls.iter().zip(&gone).filter(|(_, gone)| !**gone);
        let kept: Vec<Call<M::Op>> = left.map(|(call, _)| call.clone()).collect();
        match self.dead_end(&kept, &shrunk.initial) {
            Some(dead_end) => {
                shrunk.calls = kept;
                shrunk.dead_end = dead_end;
                true
            }
            None => false,
        }
    }
}

/// Positions at which no answered call is in flight and something has been answered, in order.
fn quiet_moments<Op>(calls: &[Call<Op>]) -> Vec<u64> {
    let mut moments = Vec::new();
    let mut busy_until = 0;
    for (index, call) in calls.iter().enumerate() {
        if index > 0 && call.invoke > busy_until {
            moments.push(call.invoke);
        }
        busy_until = busy_until.max(call.complete.unwrap_or(0));
    }
    moments
}
