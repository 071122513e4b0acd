//! Just-in-time search for an order (after Lowe, "Testing for linearizability", CCPE 2017).
//!
//! Events are taken in turn, and operations are given places only when one of them returns without
//! having one. What keeps the number of configurations small:
//! - reads are placed as soon as the state allows;
//! - a write that nobody reads is hidden just before another write, and gets its last chance of a
//!   place of its own when it returns, if anyone can still want its state;
//! - of open operations with equal effect, the one that returns first goes first;
//! - a write is placed early only if an open read or update wants its state;
//! - where updates only add, a state that no later read can come from is left (`search/ahead.rs`);
//! - configurations that another dominates are dropped;
//! - the width of the beam starts small and grows, since an order that is found is right however
//!   many were not looked at.

use std::collections::BTreeSet;
use std::fmt;

use super::{Budget, Call};
use crate::model::Model;

mod ahead;
mod groups;
mod run;
mod tables;

use ahead::Ahead;
use run::{Pass, Run};

/// Beam widths tried in turn; the last is bounded by the budget alone.
const WIDTHS: [usize; 5] = [32, 256, 2048, 16_384, usize::MAX];

/// A part of a history, made ready to be searched.
pub(super) struct Search<'a, M: Model> {
    pub(super) model: &'a M,
    pub(super) calls: &'a [Call<M::Op>],
    initial: &'a [M::State],
    events: Vec<Event>,
    slot_of: Vec<usize>,
    slots: usize,
    ahead: Option<Ahead>,
}

#[derive(Clone, Copy)]
enum Event {
    Invoke(usize),
    Return(usize),
}

/// What a search found.
pub(super) enum Found<S> {
    /// An order that explains everything.
    Order,
    /// There is none.
    NoOrder(DeadEnd<S>),
    /// It gave up, for this reason.
    Undecided(GaveUp),
}

/// Why a search gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GaveUp {
    /// It looked at as many configurations as it may.
    Budget,
    /// It holds as many bytes as it may.
    Memory(u64),
    /// It was told to.
    Stopped,
    /// So many operations are open at once.
    TooWide(usize),
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GaveUp::Budget => f.write_str("the budget ran out before an order was found"),
            GaveUp::Memory(bytes) => {
                let megabytes = bytes / 1_000_000;
                write!(f, "the search holds {megabytes} MB, and may hold no more")
            }
            GaveUp::Stopped => f.write_str("it was stopped before an order was found"),
            GaveUp::TooWide(slots) => write!(f, "{slots} operations are open at once"),
        }
    }
}

/// A return before which it is certain that no order exists: the earliest, unless it was foreseen.
pub(super) struct DeadEnd<S> {
    /// The call that returned.
    pub(super) call: usize,
    /// Whether it was seen before the call returned that no order leads there.
    pub(super) is_foreseen: bool,
    /// The states that the object could have been in when that was seen.
    pub(super) states: Vec<S>,
    /// The calls that one of the longest orders before it places visibly, in that order.
    pub(super) order: Vec<usize>,
}

impl<'a, M: Model> Search<'a, M> {
    /// Prepares a search that starts from any of the `initial` states.
    pub(super) fn new(
        model: &'a M,
        calls: &'a [Call<M::Op>],
        initial: &'a [M::State],
    ) -> Search<'a, M> {
        let mut order: Vec<(u64, bool, usize)> = Vec::with_capacity(calls.len() * 2);
        for (index, call) in calls.iter().enumerate() {
            order.push((call.invoke, false, index));
            order.extend(call.complete.map(|position| (position, true, index)));
        }
        order.sort_unstable();
        let mut events = Vec::with_capacity(order.len());
        let mut slot_of = vec![0; calls.len()];
        let mut free: BTreeSet<usize> = BTreeSet::new();
        let mut slots = 0;
        for (_, returns, index) in order {
            if returns {
                free.insert(slot_of[index]);
                events.push(Event::Return(index));
            } else {
                slot_of[index] = free.pop_first().unwrap_or_else(|| {
                    slots += 1;
                    slots - 1
                });
                events.push(Event::Invoke(index));
            }
        }
        let ahead = Ahead::of(model, calls);
        Search { model, calls, initial, events, slot_of, slots, ahead }
    }

    /// The same without looking ahead, which takes longer. Its dead end is the earliest return at which
    /// no order exists, and has the states in which the object can be then.
    pub(super) fn step_by_step(self) -> Search<'a, M> {
        Search { ahead: None, ..self }
    }

    /// Searches with a growing beam until decided or out of budget. It begins at a `width` (0 is the
    /// smallest) and leaves there how far it came, so that another call can go on. Adds what it spent.
    pub(super) fn decide(
        &self,
        budget: Budget<'_>,
        width: &mut usize,
        spent: &mut u64,
    ) -> Found<M::State> {
        match self.slots {
            0..=64 => self.decide_in::<1>(budget, width, spent),
            65..=256 => self.decide_in::<4>(budget, width, spent),
            257..=1024 => self.decide_in::<16>(budget, width, spent),
            1025..=4096 => self.decide_in::<64>(budget, width, spent),
            slots => Found::Undecided(GaveUp::TooWide(slots)),
        }
    }

    fn decide_in<const N: usize>(
        &self,
        budget: Budget<'_>,
        width: &mut usize,
        spent: &mut u64,
    ) -> Found<M::State> {
        loop {
            let beam = WIDTHS[(*width).min(WIDTHS.len() - 1)];
            let mut run = Run::<M, N>::new(self, beam, budget, spent);
            match run.pass() {
                Pass::Order(_) => return Found::Order,
                Pass::DeadEnd(dead_end) if !run.truncated => return Found::NoOrder(dead_end),
                Pass::DeadEnd(_) => *width += 1,
                Pass::GaveUp(reason) => return Found::Undecided(reason),
            }
        }
    }

    /// The states in which the object can be after all events, if they can be told exactly at a
    /// moderate width; operations that are still open may or may not have taken effect. For a search
    /// that goes step by step.
    pub(super) fn final_states(
        &self,
        budget: Budget<'_>,
        spent: &mut u64,
    ) -> Option<Vec<M::State>> {
        match self.slots {
            0..=64 => self.final_states_in::<1>(budget, spent),
            65..=256 => self.final_states_in::<4>(budget, spent),
            _ => None,
        }
    }

    fn final_states_in<const N: usize>(
        &self,
        budget: Budget<'_>,
        spent: &mut u64,
    ) -> Option<Vec<M::State>> {
        // Looking ahead forgets what only later calls than these may need.
        assert!(self.ahead.is_none(), "states at an end are searched for step by step");
        let mut run = Run::<M, N>::new(self, WIDTHS[2], budget, spent);
        match run.pass() {
            Pass::Order(states) if !run.truncated => Some(states),
            Pass::Order(_) | Pass::DeadEnd(_) | Pass::GaveUp(_) => None,
        }
    }
}
