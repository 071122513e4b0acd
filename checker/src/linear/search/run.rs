//! One pass over the events of a history at one width of the beam.

use std::collections::{BTreeSet, VecDeque};

use super::groups::Groups;
use super::tables::{LOST, Tables};
use super::{DeadEnd, Event, GaveUp, Search};
use crate::linear::Budget;
use crate::linear::config::{Config, Frontier, Slots};
use crate::model::{Effect, Model};

/// Configurations explored at one return for each that may be kept.
const EXPLORED_PER_WIDTH: usize = 16;

/// So many comparisons of configurations take about as long as finding one more.
const COMPARED_PER_CONFIGURATION: u64 = 64;

/// Bytes below which nothing is forgotten.
const TIDY_AT_MIN: usize = 16_000_000;

/// What one pass at one width found.
pub(super) enum Pass<S> {
    Order(Vec<S>),
    DeadEnd(DeadEnd<S>),
    GaveUp(GaveUp),
}

/// One pass over the events at one width.
pub(super) struct Run<'r, 'a, M: Model, const N: usize> {
    pub(super) search: &'r Search<'a, M>,
    pub(super) tables: Tables<'a, M>,
    width: usize,
    budget: Budget<'r>,
    spent: &'r mut u64,
    pub(super) truncated: bool,
    /// The last to return of the reads that states were left for.
    foreseen: Option<(u64, usize)>,
    /// What had been spent when `Budget::stop` was last asked.
    asked_at: u64,
    /// Open calls by slot.
    pub(super) live: Vec<Option<usize>>,
    /// Open calls that are possible in every state: just before an overwrite nobody sees them.
    hideable: Slots<N>,
    /// (earlier entry, call placed); entry 0 is the beginning.
    trail: Vec<(u32, u32)>,
    /// Bytes of trail and tables at which it is time to forget what no configuration needs.
    tidy_at: usize,
}

impl<'r, 'a, M: Model, const N: usize> Run<'r, 'a, M, N> {
    pub(super) fn new(
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
            foreseen: None,
            asked_at: 0,
            live: vec![None; search.slots],
            hideable: Slots::EMPTY,
            trail: vec![(0, 0)],
            tidy_at: TIDY_AT_MIN,
        }
    }

    pub(super) fn pass(&mut self) -> Pass<M::State> {
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
            configs.iter().filter_map(|config| self.tables.state(config.state).cloned()).collect();
        Pass::Order(states.into_iter().collect())
    }

    fn invoke(&mut self, call: usize, configs: &mut [Config<N>]) {
        let slot = self.search.slot_of[call];
        self.live[slot] = Some(call);
        let effect = self.tables.effect(call);
        if self.is_hideable(effect) {
            self.hideable.insert(slot);
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
        let effect = self.tables.effect(call);
        let is_hideable = self.is_hideable(effect);
        let is_wanted = effect == Effect::Update || self.tables.is_wanted_from(call, position);
        let last_chance = is_hideable && is_wanted;
        let mut next = Frontier::new();
        let mut seen = Frontier::new();
        let mut queue = VecDeque::new();
        for mut config in configs {
            *self.spent += 1;
            if self.is_lost(config.state, position) {
                config.state = LOST;
            }
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
            let mut groups = Groups::of(self, position);
            let mut compared = 0;
            while let Some(config) = queue.pop_front() {
                let held = (seen.len() + next.len() + queue.len()) * size_of::<Config<N>>() * 2;
                if let Some(reason) = self.gives_up(held) {
                    return Err(Pass::GaveUp(reason));
                }
                if seen.len() > self.width.saturating_mul(EXPLORED_PER_WIDTH) {
                    self.truncated = true;
                    break;
                }
                self.expand((call, position), config, &mut groups, |mut after| {
                    if is_hideable && after.can.has(slot) {
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
        self.hideable.remove(slot);
        let mut configs = next.into_configs(self.width);
        if self.held() > self.tidy_at {
            self.tidy(&mut configs);
        }
        Ok(configs)
    }

    /// Bytes of trail and tables.
    fn held(&self) -> usize {
        self.tables.held() + self.trail.capacity() * size_of::<(u32, u32)>()
    }

    /// Forgets ways and states that none of the configurations comes from or has.
    fn tidy(&mut self, configs: &mut [Config<N>]) {
        let mut is_kept = vec![false; self.trail.len()];
        is_kept[0] = true;
        for config in configs.iter() {
            let mut at = config.trail as usize;
            while !is_kept[at] {
                is_kept[at] = true;
                at = self.trail[at].0 as usize;
            }
        }
        let mut place = vec![0; self.trail.len()];
        let mut trail = Vec::new();
        for (index, (earlier, call)) in self.trail.iter().enumerate() {
            if is_kept[index] {
                place[index] = trail.len() as u32;
                trail.push((place[*earlier as usize], *call));
            }
        }
        configs.iter_mut().for_each(|config| config.trail = place[config.trail as usize]);
        self.trail = trail;
        self.tables.keep_only(configs.iter_mut().map(|config| &mut config.state));
        self.tidy_at = (2 * self.held()).max(TIDY_AT_MIN);
    }

    /// Where updates only add, they are possible in every state, as overwrites always are.
    fn is_hideable(&self, effect: Effect) -> bool {
        match effect {
            Effect::Overwrite => true,
            Effect::Update => self.search.ahead.is_some(),
            Effect::Read => false,
        }
    }

    /// Whether no read that is left can come from a state.
    fn is_lost(&mut self, state: u32, position: u64) -> bool {
        self.search.ahead.is_some() && !self.tables.leads_beyond(state, position)
    }

    /// Every useful placing of one more open operation.
    fn expand(
        &mut self,
        (returning, position): (usize, u64),
        config: Config<N>,
        groups: &mut Groups<N>,
        mut found: impl FnMut(Config<N>),
    ) {
        for index in 0..groups.writers.len() {
            for call in groups.first_of(index, &config, &self.search.slot_of) {
                *self.spent += 1;
                let slot = self.search.slot_of[call];
                let effect = self.tables.effect(call);
                // What is lost stays so, until an overwrite that can hide this as well.
                if config.state == LOST && effect == Effect::Update && call != returning {
                    continue;
                }
                let Some(mut state) = self.tables.step(config.state, call) else { continue };
                if self.is_lost(state, position) {
                    state = LOST;
                }
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
                    after.done = after.done.union(&after.can.intersection(&self.hideable));
                }
                if !self.leads_on(&after, groups) {
                    continue;
                }
                self.trail.push((config.trail, call as u32));
                after.trail = (self.trail.len() - 1) as u32;
                found(after);
            }
        }
    }

    /// Whether every read that must come soon still can.
    fn leads_on(&mut self, after: &Config<N>, groups: &Groups<N>) -> bool {
        for (read, leading) in &groups.ahead {
            // An open overwrite may come first.
            if after.can.intersection(leading) != Slots::EMPTY {
                continue;
            }
            let slot = self.search.slot_of[*read];
            let is_done = self.live[slot] == Some(*read) && after.done.has(slot);
            if !is_done && !self.tables.may_lead_to(after.state, *read) {
                let complete = self.search.calls[*read].complete.unwrap_or(u64::MAX);
                self.foreseen = self.foreseen.max(Some((complete, *read)));
                return false;
            }
        }
        true
    }

    /// Whether no more may be spent, with so many bytes of configurations held.
    fn gives_up(&mut self, held: usize) -> Option<GaveUp> {
        const ASK_EVERY: u64 = 1024;
        if *self.spent > self.budget.configurations_max {
            return Some(GaveUp::Budget);
        }
        if *self.spent < self.asked_at + ASK_EVERY {
            return None;
        }
        self.asked_at = *self.spent;
        let held = (self.held() + held) as u64;
        if held > self.budget.memory_max {
            return Some(GaveUp::Memory(held));
        }
        self.budget.stop.is_some_and(|stop| stop()).then_some(GaveUp::Stopped)
    }

    fn dead_end(&self, call: usize, seen: &Frontier<N>) -> DeadEnd<M::State> {
        let states: BTreeSet<M::State> =
            seen.iter().filter_map(|config| self.tables.state(config.state).cloned()).collect();
        let is_lost = seen.iter().any(|config| config.state == LOST);
        let orders = seen.iter().map(|config| self.order(config.trail));
        let order = orders.max_by_key(Vec::len).unwrap_or_default();
        // States that were left for a read are no dead ends without it.
        let complete = self.search.calls[call].complete.unwrap_or(u64::MAX);
        let foreseen = self.foreseen.filter(|(later, _)| *later > complete);
        DeadEnd {
            call: foreseen.map_or(call, |(_, read)| read),
            is_foreseen: is_lost || foreseen.is_some(),
            states: states.into_iter().collect(),
            order,
        }
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
