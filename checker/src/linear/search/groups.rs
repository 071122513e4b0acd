//! The open calls at one return, in the groups that expansion takes together.

use rustc_hash::FxHashMap;

use super::run::Run;
use crate::linear::config::{Config, Slots};
use crate::model::{Effect, Model};

/// The open calls at one return, grouped for expansion.
pub(super) struct Groups<const N: usize> {
    /// Open calls that change the state, by equal effect, the earliest to return first.
    pub(super) writers: Vec<Vec<usize>>,
    /// Those that are updates.
    updates: Vec<usize>,
    reads: Vec<usize>,
    /// Answered reads that every state must lead to, each with the open overwrites that do.
    pub(super) ahead: Vec<(usize, Slots<N>)>,
    /// Which open reads each state satisfies, as far as asked.
    satisfied: FxHashMap<u32, Slots<N>>,
}

impl<const N: usize> Groups<N> {
    pub(super) fn of<M: Model>(run: &mut Run<'_, '_, M, N>, position: u64) -> Groups<N> {
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
        let ahead = reads_ahead(run, position);
        Groups { writers, updates, reads, ahead, satisfied: FxHashMap::default() }
    }

    /// The calls of a group worth placing: the first to return of those that are still owed a
    /// place, and of those that are not. Between these two no exchange argument holds, since one
    /// may have been hidden before the other was invoked.
    pub(super) fn first_of(
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
    pub(super) fn satisfied<M: Model>(
        &mut self,
        state: u32,
        run: &mut Run<'_, '_, M, N>,
    ) -> Slots<N> {
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
    pub(super) fn enables<M: Model>(
        &self,
        config: &Config<N>,
        run: &mut Run<'_, '_, M, N>,
    ) -> bool {
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

/// Reads that must be possible before long, at a return. Not those before which an overwrite will begin
/// that leads to them.
fn reads_ahead<M: Model, const N: usize>(
    run: &mut Run<'_, '_, M, N>,
    position: u64,
) -> Vec<(usize, Slots<N>)> {
    let search = run.search;
    let Some(ahead) = &search.ahead else { return Vec::new() };
    let mut reads = Vec::new();
    for read in ahead.reads_from(search.calls, position) {
        // At an equal position another may have returned already.
        let is_later = search.calls[read].invoke > position;
        if !is_later && run.live[search.slot_of[read]] != Some(read) {
            continue;
        }
        let until = search.calls[read].complete.unwrap_or(u64::MAX);
        let Some(later) = ahead.overwrites_between(position, until) else { continue };
        if later.iter().any(|(_, overwrite)| run.tables.overwrite_leads_to(*overwrite, read)) {
            continue;
        }
        let mut leading = Slots::EMPTY;
        for (slot, live) in run.live.iter().enumerate() {
            let overwrite = live.filter(|call| run.tables.effect(*call) == Effect::Overwrite);
            if overwrite.is_some_and(|call| run.tables.overwrite_leads_to(call, read)) {
                leading.insert(slot);
            }
        }
        reads.push((read, leading));
    }
    reads
}
