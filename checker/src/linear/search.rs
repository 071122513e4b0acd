//! Just-in-time search for an order (after Lowe, "Testing for linearizability", CCPE 2017).
//!
//! Events are taken in turn, and operations are given places only when one of them returns without
//! having one. What keeps the number of configurations small:
//! - reads are placed as soon as the state allows;
//! - a write that nobody reads is hidden just before another write, and gets its last chance of a
//!   place of its own when it returns, if anyone can still want its state;
//! - of open operations with equal effect, the one that returns first goes first;
//! - a write is placed early only if an open read or update wants its state;
//! - configurations that another dominates are dropped;
//! - the width of the beam starts small and grows, since an order that is found is right however
//!   many were not looked at.

use std::collections::{BTreeSet, VecDeque};

use super::config::{Config, Frontier, Slots};
use super::{Budget, Call};
use crate::model::{Effect, Model};

mod tables;

use tables::Tables;

/// Beam widths tried in turn; the last is bounded by the budget alone.
const WIDTHS: [usize; 5] = [32, 256, 2048, 16_384, usize::MAX];

/// Configurations explored at one return for each that may be kept.
const EXPLORED_PER_WIDTH: usize = 16;

/// So many comparisons of configurations take about as long as finding one more.
const COMPARED_PER_CONFIGURATION: u64 = 64;

/// A part of a history, made ready to be searched.
pub(super) struct Search<'a, M: Model> {
    pub(super) model: &'a M,
    pub(super) calls: &'a [Call<M::Op>],
    initial: &'a [M::State],
    events: Vec<Event>,
    slot_of: Vec<usize>,
    slots: usize,
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
    Undecided(String),
}

/// The earliest return at which no order exists.
pub(super) struct DeadEnd<S> {
    /// The call that returned.
    pub(super) call: usize,
    /// The states that the object could have been in at that moment.
    pub(super) states: Vec<S>,
    /// The calls that one of the longest orders before it places visibly, in that order.
    pub(super) order: Vec<usize>,
}

/// What one pass at one width found.
enum Pass<S> {
    Order(Vec<S>),
    DeadEnd(DeadEnd<S>),
    GaveUp(&'static str),
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
        Search { model, calls, initial, events, slot_of, slots }
    }

    /// Searches with a growing beam until decided or out of budget. Adds what it spent.
    pub(super) fn decide(&self, budget: Budget<'_>, spent: &mut u64) -> Found<M::State> {
        match self.slots {
            0..=64 => self.decide_in::<1>(budget, spent),
            65..=256 => self.decide_in::<4>(budget, spent),
            257..=1024 => self.decide_in::<16>(budget, spent),
            1025..=4096 => self.decide_in::<64>(budget, spent),
            slots => Found::Undecided(format!("{slots} operations are open at once")),
        }
    }

    fn decide_in<const N: usize>(&self, budget: Budget<'_>, spent: &mut u64) -> Found<M::State> {
        for width in WIDTHS {
            let mut run = Run::<M, N>::new(self, width, budget, spent);
            match run.pass() {
                Pass::Order(_) => return Found::Order,
                Pass::DeadEnd(dead_end) if !run.truncated => return Found::NoOrder(dead_end),
                Pass::DeadEnd(_) => {}
                Pass::GaveUp(reason) => return Found::Undecided(reason.to_owned()),
            }
        }
        unreachable!("the widest beam drops nothing")
    }

    /// The states in which the object can be after all events, if they can be told exactly at a
    /// moderate width; operations that are still open may or may not have taken effect.
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
        let mut run = Run::<M, N>::new(self, WIDTHS[2], budget, spent);
        match run.pass() {
            Pass::Order(states) if !run.truncated => Some(states),
            Pass::Order(_) | Pass::DeadEnd(_) | Pass::GaveUp(_) => None,
        }
    }
}

/// One pass over the events at one width.
struct Run<'r, 'a, M: Model, const N: usize> {
    search: &'r Search<'a, M>,
    tables: Tables<'a, M>,
    width: usize,
    budget: Budget<'r>,
    spent: &'r mut u64,
    truncated: bool,
    /// What had been spent when `Budget::stop` was last asked.
    asked_at: u64,
    /// Open calls by slot.
    live: Vec<Option<usize>>,
    overwrites: Slots<N>,
    /// (earlier entry, call placed); entry 0 is the beginning.
    trail: Vec<(u32, u32)>,
}

impl<'r, 'a, M: Model, const N: usize> Run<'r, 'a, M, N> {
    fn new(
        search: &'r Search<'a, M>,
        width: usize,
        budget: Budget<'r>,
        spent: &'r mut u64,
    ) -> Run<'r, 'a, M, N> {
        Run {
            search,
            tables: Tables::new(search.model, search.calls),
            width,
            budget,
            spent,
            truncated: false,
            asked_at: 0,
            live: vec![None; search.slots],
            overwrites: Slots::EMPTY,
            trail: vec![(0, 0)],
        }
    }

    fn pass(&mut self) -> Pass<M::State> {
        let mut configs: Vec<Config<N>> = Vec::new();
        for state in self.search.initial {
            let state = self.tables.intern(state.clone());
            configs.push(Config { state, can: Slots::EMPTY, done: Slots::EMPTY, trail: 0 });
        }
        for event in &self.search.events {
            match *event {
                Event::Invoke(call) => self.invoke(call, &mut configs),
                Event::Return(call) => match self.returns(call, configs) {
                    Ok(next) => configs = next,
                    Err(stopped) => return stopped,
                },
            }
        }
        let states: BTreeSet<M::State> =
            configs.iter().map(|config| self.tables.state(config.state).clone()).collect();
        Pass::Order(states.into_iter().collect())
    }

    fn invoke(&mut self, call: usize, configs: &mut [Config<N>]) {
        let slot = self.search.slot_of[call];
        self.live[slot] = Some(call);
        let effect = self.tables.effect(call);
        if effect == Effect::Overwrite {
            self.overwrites.insert(slot);
        }
        let owed = self.search.calls[call].complete.is_some();
        for config in configs {
            let satisfied = match effect {
                Effect::Read => self.tables.step(config.state, call).is_some(),
                Effect::Overwrite | Effect::Update => {
                    config.can.insert(slot);
                    false
                }
            };
            if satisfied || !owed {
                config.done.insert(slot);
            }
        }
    }

    fn returns(
        &mut self,
        call: usize,
        configs: Vec<Config<N>>,
    ) -> Result<Vec<Config<N>>, Pass<M::State>> {
        let slot = self.search.slot_of[call];
        let position = self.search.calls[call].complete.expect("only completed calls return");
        // A write that could be hidden needs no place, but this is its last chance to have one.
        let is_overwrite = self.tables.effect(call) == Effect::Overwrite;
        let last_chance = is_overwrite && self.tables.is_wanted_from(call, position);
        let mut next = Frontier::new();
        let mut seen = Frontier::new();
        let mut queue = VecDeque::new();
        for mut config in configs {
            *self.spent += 1;
            let is_done = config.done.has(slot);
            if is_done {
                next.insert(config.without(slot));
            }
            if !is_done || (last_chance && config.can.has(slot)) {
                config.done.remove(slot);
                if seen.insert(config) {
                    queue.push_back(config);
                }
            }
        }
        if !queue.is_empty() {
            let mut groups = Groups::of(self);
            let mut compared = 0;
            while let Some(config) = queue.pop_front() {
                if self.is_out_of_budget() {
                    return Err(Pass::GaveUp("the budget ran out before an order was found"));
                }
                if seen.len() > self.width.saturating_mul(EXPLORED_PER_WIDTH) {
                    self.truncated = true;
                    break;
                }
                self.expand(call, config, &mut groups, |mut after| {
                    if is_overwrite && after.can.has(slot) {
                        after.done.remove(slot);
                    }
                    if after.done.has(slot) {
                        next.insert(after.without(slot));
                    } else if seen.insert(after) {
                        queue.push_back(after);
                    }
                });
                compared += next.take_compared() + seen.take_compared();
                *self.spent += compared / COMPARED_PER_CONFIGURATION;
                compared %= COMPARED_PER_CONFIGURATION;
            }
        }
        if next.len() == 0 {
            return Err(Pass::DeadEnd(self.dead_end(call, &seen)));
        }
        self.truncated |= next.len() > self.width;
        self.live[slot] = None;
        self.overwrites.remove(slot);
        Ok(next.into_configs(self.width))
    }

    /// Every useful placing of one more open operation.
    fn expand(
        &mut self,
        returning: usize,
        config: Config<N>,
        groups: &mut Groups<N>,
        mut found: impl FnMut(Config<N>),
    ) {
        for index in 0..groups.writers.len() {
            for call in groups.first_of(index, &config, &self.search.slot_of) {
                *self.spent += 1;
                let slot = self.search.slot_of[call];
                let Some(state) = self.tables.step(config.state, call) else { continue };
                let effect = self.tables.effect(call);
                if effect == Effect::Update && state == config.state && config.done.has(slot) {
                    continue;
                }
                let mut after = Config { state, ..config };
                after.can.remove(slot);
                after.done.insert(slot);
                let satisfied = groups.satisfied(state, self);
                let wanted = !config.done.includes(&satisfied);
                after.done = after.done.union(&satisfied);
                let is_overwrite = effect == Effect::Overwrite;
                if is_overwrite && call != returning && !wanted && !groups.enables(&after, self) {
                    continue;
                }
                if is_overwrite {
                    after.done = after.done.union(&after.can.intersection(&self.overwrites));
                }
                self.trail.push((config.trail, call as u32));
                after.trail = (self.trail.len() - 1) as u32;
                found(after);
            }
        }
    }

    fn is_out_of_budget(&mut self) -> bool {
        const ASK_EVERY: u64 = 1024;
        if *self.spent > self.budget.configurations_max {
            return true;
        }
        let is_due = *self.spent >= self.asked_at + ASK_EVERY;
        if is_due {
            self.asked_at = *self.spent;
        }
        is_due && self.budget.stop.is_some_and(|stop| stop())
    }

    fn dead_end(&self, call: usize, seen: &Frontier<N>) -> DeadEnd<M::State> {
        let states: BTreeSet<M::State> =
            seen.iter().map(|config| self.tables.state(config.state).clone()).collect();
        let orders = seen.iter().map(|config| self.order(config.trail));
        let order = orders.max_by_key(Vec::len).unwrap_or_default();
        DeadEnd { call, states: states.into_iter().collect(), order }
    }

    fn order(&self, trail: u32) -> Vec<usize> {
        let mut order = Vec::new();
        let mut at = trail;
        while at != 0 {
            let (earlier, call) = self.trail[at as usize];
            order.push(call as usize);
            at = earlier;
        }
        order.reverse();
        order
    }
}

/// The open calls at one return, grouped for expansion.
struct Groups<const N: usize> {
    /// Open calls that change the state, by equal effect, the earliest to return first.
    writers: Vec<Vec<usize>>,
    /// Those that are updates.
    updates: Vec<usize>,
    reads: Vec<usize>,
    /// Which open reads each state satisfies, as far as asked.
    satisfied: rustc_hash::FxHashMap<u32, Slots<N>>,
}

impl<const N: usize> Groups<N> {
    fn of<M: Model>(run: &Run<'_, '_, M, N>) -> Groups<N> {
        let mut writers: Vec<(u32, u64, usize)> = Vec::new();
        let mut updates = Vec::new();
        let mut reads = Vec::new();
        for call in run.live.iter().flatten().copied() {
            let deadline = run.search.calls[call].complete.unwrap_or(u64::MAX);
            match run.tables.effect(call) {
                Effect::Read => reads.push(call),
                Effect::Overwrite => writers.push((run.tables.class(call), deadline, call)),
                Effect::Update => {
                    writers.push((run.tables.class(call), deadline, call));
                    updates.push(call);
                }
            }
        }
        writers.sort_unstable();
        let groups = writers.chunk_by(|a, b| a.0 == b.0);
        let writers = groups.map(|group| group.iter().map(|entry| entry.2).collect()).collect();
        Groups { writers, updates, reads, satisfied: rustc_hash::FxHashMap::default() }
    }

    /// The calls of a group worth placing: the first to return of those that are still owed a
    /// place, and of those that are not. Between these two no exchange argument holds, since one
    /// may have been hidden before the other was invoked.
    fn first_of(
        &self,
        group: usize,
        config: &Config<N>,
        slot_of: &[usize],
    ) -> impl Iterator<Item = usize> + use<N> {
        let calls = &self.writers[group];
        let first = |done: bool| {
            calls.iter().copied().find(|call| {
                let slot = slot_of[*call];
                config.can.has(slot) && config.done.has(slot) == done
            })
        };
        first(false).into_iter().chain(first(true))
    }

    /// The slots of the open reads that a state satisfies.
    fn satisfied<M: Model>(&mut self, state: u32, run: &mut Run<'_, '_, M, N>) -> Slots<N> {
        if let Some(known) = self.satisfied.get(&state) {
            return *known;
        }
        let mut slots = Slots::EMPTY;
        for call in &self.reads {
            if run.tables.step(state, *call).is_some() {
                slots.insert(run.search.slot_of[*call]);
            }
        }
        self.satisfied.insert(state, slots);
        slots
    }

    /// Whether an update that may still be placed does something in this state.
    fn enables<M: Model>(&self, config: &Config<N>, run: &mut Run<'_, '_, M, N>) -> bool {
        self.updates.iter().any(|call| {
            let slot = run.search.slot_of[*call];
            config.can.has(slot)
                && run
                    .tables
                    .step(config.state, *call)
                    .is_some_and(|after| after != config.state || !config.done.has(slot))
        })
    }
}
