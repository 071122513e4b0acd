//! States and operations as small numbers, and the model's steps remembered.

use rustc_hash::FxHashMap;

use crate::linear::Call;
use crate::model::{Effect, Model};

/// "This operation is impossible in this state."
const IMPOSSIBLE: u32 = u32::MAX;

/// Every state from which no read that is left can come: they need not be told apart. Only where updates
/// only add.
pub(super) const LOST: u32 = u32::MAX - 1;

/// Numbers for the states met and the distinct operations of a search.
pub(super) struct Tables<'a, M: Model> {
    model: &'a M,
    states: Vec<M::State>,
    number_of: FxHashMap<M::State, u32>,
    class_of: Vec<u32>,
    classes: Vec<(&'a M::Op, Effect)>,
    steps: FxHashMap<(u32, u32), u32>,
    /// Which reads may still become possible from which states.
    leads: FxHashMap<(u32, u32), bool>,
    /// The last return of a read that may still become possible from a state.
    leads_until: FxHashMap<u32, u64>,
    /// Bytes that the states hold outside of themselves.
    held_by_states: usize,
    /// For each class, the latest return of a call of it; without end if one never returns.
    last_return: Vec<u64>,
    /// The same over the calls that do return; 0 if none does.
    last_owed: Vec<u64>,
    /// For each overwriting class, until when some call may want its state; filled when asked.
    wanted_until: FxHashMap<u32, u64>,
}

/// Pairs of distinct operations up to which it is worth asking who wants which state.
const WANTED_PAIRS_MAX: usize = 4_000_000;

impl<'a, M: Model> Tables<'a, M> {
    pub(super) fn new(model: &'a M, calls: &'a [Call<M::Op>]) -> Tables<'a, M> {
        let mut classes = Vec::new();
        let mut known: FxHashMap<&M::Op, u32> = FxHashMap::default();
        let mut class_of = Vec::with_capacity(calls.len());
        let mut last_return: Vec<u64> = Vec::new();
        let mut last_owed: Vec<u64> = Vec::new();
        for call in calls {
            let class = *known.entry(&call.op).or_insert_with(|| {
                classes.push((&call.op, model.effect(&call.op)));
                (classes.len() - 1) as u32
            });
            class_of.push(class);
            if last_return.len() < classes.len() {
                last_return.push(0);
                last_owed.push(0);
            }
            let (latest, owed) = (&mut last_return[class as usize], &mut last_owed[class as usize]);
            *latest = call.complete.unwrap_or(u64::MAX).max(*latest);
            *owed = call.complete.unwrap_or(0).max(*owed);
        }
        Tables {
            model,
            states: Vec::new(),
            number_of: FxHashMap::default(),
            class_of,
            classes,
            steps: FxHashMap::default(),
            leads: FxHashMap::default(),
            leads_until: FxHashMap::default(),
            held_by_states: 0,
            last_return,
            last_owed,
            wanted_until: FxHashMap::default(),
        }
    }

    /// `None` for lost ones.
    pub(super) fn state(&self, number: u32) -> Option<&M::State> {
        self.states.get(number as usize)
    }

    /// Calls of one class have equal operations.
    pub(super) fn class(&self, call: usize) -> u32 {
        self.class_of[call]
    }

    pub(super) fn effect(&self, call: usize) -> Effect {
        self.classes[self.class_of[call] as usize].1
    }

    pub(super) fn intern(&mut self, state: M::State) -> u32 {
        if let Some(number) = self.number_of.get(&state) {
            return *number;
        }
        let number = self.states.len() as u32;
        assert!(number < LOST, "more states than numbers");
        self.held_by_states += 2 * self.model.held_by(&state);
        self.number_of.insert(state.clone(), number);
        self.states.push(state);
        number
    }

    /// Forgets all other states, and gives these new numbers.
    pub(super) fn keep_only<'n>(&mut self, numbers: impl Iterator<Item = &'n mut u32>) {
        let states = std::mem::take(&mut self.states);
        let mut states: Vec<Option<M::State>> = states.into_iter().map(Some).collect();
        self.number_of = FxHashMap::default();
        self.steps = FxHashMap::default();
        self.leads = FxHashMap::default();
        self.leads_until = FxHashMap::default();
        self.held_by_states = 0;
        let mut renumbered: FxHashMap<u32, u32> = FxHashMap::default();
        for number in numbers.filter(|number| **number != LOST) {
            let new = match renumbered.get(number) {
                Some(new) => *new,
                None => {
                    let state = states[*number as usize].take().expect("it has its first turn");
                    let new = self.intern(state);
                    renumbered.insert(*number, new);
                    new
                }
            };
            *number = new;
        }
    }

    /// About how many bytes are held by states and steps.
    pub(super) fn held(&self) -> usize {
        // A table of hashes keeps a byte for each entry, and is half full on average.
        let table = |capacity: usize, entry: usize| capacity * (entry + 1) * 8 / 7;
        let state = size_of::<M::State>();
        self.held_by_states
            + self.states.capacity() * state
            + table(self.number_of.capacity(), state + size_of::<u32>())
            + table(self.steps.capacity(), 3 * size_of::<u32>())
            + table(self.leads.capacity(), 3 * size_of::<u32>())
    }

    /// The state after a call, or `None` if the call is impossible in the state.
    pub(super) fn step(&mut self, state: u32, call: usize) -> Option<u32> {
        if state == LOST {
            return match self.effect(call) {
                Effect::Read => None,
                Effect::Update => Some(LOST),
                Effect::Overwrite => self.overwritten(call),
            };
        }
        let class = self.class_of[call];
        let after = match self.steps.get(&(state, class)) {
            Some(after) => *after,
            None => {
                let op = self.classes[class as usize].0;
                let after = match self.model.step(&self.states[state as usize], op) {
                    Some(after) => self.intern(after),
                    None => IMPOSSIBLE,
                };
                self.steps.insert((state, class), after);
                after
            }
        };
        (after != IMPOSSIBLE).then_some(after)
    }

    /// Whether a read may become possible by updates of a state.
    pub(super) fn may_lead_to(&mut self, state: u32, read: usize) -> bool {
        if state == LOST {
            return false;
        }
        let class = self.class_of[read];
        let (model, op) = (self.model, self.classes[class as usize].0);
        let state_itself = &self.states[state as usize];
        *self.leads.entry((state, class)).or_insert_with(|| model.may_lead_to(state_itself, op))
    }

    /// The same, from what an overwrite leaves.
    pub(super) fn overwrite_leads_to(&mut self, overwrite: usize, read: usize) -> bool {
        self.overwritten(overwrite).is_none_or(|state| self.may_lead_to(state, read))
    }

    /// What an overwrite leaves, whatever was before.
    fn overwritten(&mut self, overwrite: usize) -> Option<u32> {
        let any = match self.states.is_empty() {
            true => self.intern(self.model.initial()),
            false => 0,
        };
        self.step(any, overwrite)
    }

    /// Whether a read that returns at a position or later may become possible by updates of a state.
    pub(super) fn leads_beyond(&mut self, state: u32, position: u64) -> bool {
        if state == LOST {
            return false;
        }
        let until = match self.leads_until.get(&state) {
            Some(until) => *until,
            None => {
                let from = &self.states[state as usize];
                let reads = self.classes.iter().zip(&self.last_owed);
                let led = reads.filter(|((op, effect), _)| {
                    *effect == Effect::Read && self.model.may_lead_to(from, op)
                });
                let until = led.map(|(_, last)| *last).max().unwrap_or(0);
                self.leads_until.insert(state, until);
                until
            }
        };
        until >= position
    }

    /// Whether a call that returns no earlier than this position can use the state that an
    /// overwriting call leaves. If none can, a place of its own gains the write nothing over
    /// being hidden.
    pub(super) fn is_wanted_from(&mut self, call: usize, position: u64) -> bool {
        if self.classes.len() * self.classes.len() > WANTED_PAIRS_MAX {
            return true;
        }
        let class = self.class_of[call];
        let until = match self.wanted_until.get(&class) {
            Some(until) => *until,
            None => {
                let until = self.wanted_until(class);
                self.wanted_until.insert(class, until);
                until
            }
        };
        // At equal positions the other may still be to return.
        until >= position
    }

    fn wanted_until(&self, class: u32) -> u64 {
        // An overwrite leaves the same state whatever was before.
        let op = self.classes[class as usize].0;
        let Some(state) = self.model.step(&self.model.initial(), op) else { return u64::MAX };
        let mut until = 0;
        for (index, (other, effect)) in self.classes.iter().enumerate() {
            let after = match effect {
                Effect::Overwrite => None,
                Effect::Read | Effect::Update => self.model.step(&state, other),
            };
            // An unanswered update that changes nothing here is of no use to anyone.
            let last = match after {
                None => 0,
                Some(after) if after == state => self.last_owed[index],
                Some(_) => self.last_return[index],
            };
            until = until.max(last);
        }
        until
    }
}
