//! Configurations of the search, and sets of them pruned by dominance.
//!
//! Every operation that is open at some moment has a slot, reused after its return, so that the
//! bit sets are as wide as the concurrency and not as the history. Two bits describe a slot:
//! `can` (the operation may still be given a place of its own) and `done` (nothing more is owed
//! to it). A write that has not returned but can be hidden just before another has both.

use rustc_hash::FxHashMap;

/// A set of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slots<const N: usize>([u64; N]);

impl<const N: usize> Slots<N> {
    pub(super) const EMPTY: Slots<N> = Slots([0; N]);

    pub(super) fn has(&self, slot: usize) -> bool {
        self.0[slot / 64] >> (slot % 64) & 1 == 1
    }

    pub(super) fn insert(&mut self, slot: usize) {
        self.0[slot / 64] |= 1 << (slot % 64);
    }

    pub(super) fn remove(&mut self, slot: usize) {
        self.0[slot / 64] &= !(1 << (slot % 64));
    }

    pub(super) fn union(mut self, other: &Slots<N>) -> Slots<N> {
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine |= theirs);
        self
    }

    pub(super) fn intersection(mut self, other: &Slots<N>) -> Slots<N> {
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine &= theirs);
        self
    }

    pub(super) fn includes(&self, other: &Slots<N>) -> bool {
        self.0.iter().zip(&other.0).all(|(mine, theirs)| theirs & !mine == 0)
    }
}

/// One way in which things may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Config<const N: usize> {
    /// Number of the state.
    pub(super) state: u32,
    /// Open operations that may still be given a place.
    pub(super) can: Slots<N>,
    /// Open operations to which nothing more is owed.
    pub(super) done: Slots<N>,
    /// How the configuration came about: an index into the search's trail.
    pub(super) trail: u32,
}

impl<const N: usize> Config<N> {
    /// Whether everything that can follow `other` can also follow this.
    fn dominates(&self, other: &Config<N>) -> bool {
        self.state == other.state
            && self.can.includes(&other.can)
            && self.done.includes(&other.done)
    }

    /// The configuration without the bits of a slot that is about to be reused.
    pub(super) fn without(mut self, slot: usize) -> Config<N> {
        self.can.remove(slot);
        self.done.remove(slot);
        self
    }
}

/// Configurations none of which dominates another, in the order in which they were found.
#[derive(Debug)]
pub(super) struct Frontier<const N: usize> {
    configs: Vec<Option<Config<N>>>,
    of_state: FxHashMap<u32, Vec<u32>>,
    len: usize,
    /// How often two configurations were compared, since somebody asked.
    compared: u64,
}

impl<const N: usize> Frontier<N> {
    pub(super) fn new() -> Frontier<N> {
        Frontier { configs: Vec::new(), of_state: FxHashMap::default(), len: 0, compared: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many comparisons there were since the last call, at most two for each that is counted.
    pub(super) fn take_compared(&mut self) -> u64 {
        std::mem::take(&mut self.compared)
    }

    /// Adds a configuration, unless one that is there dominates it.
    pub(super) fn insert(&mut self, config: Config<N>) -> bool {
        let same_state = self.of_state.entry(config.state).or_default();
        let configs = &mut self.configs;
        self.compared += same_state.len() as u64;
        let dominated = same_state.iter().any(|index| {
            configs[*index as usize].as_ref().is_some_and(|there| there.dominates(&config))
        });
        if dominated {
            return false;
        }
        same_state.retain(|index| {
            let there = &mut configs[*index as usize];
            let keep = there.as_ref().is_some_and(|there| !config.dominates(there));
            if !keep {
                *there = None;
                self.len -= 1;
            }
            keep
        });
        same_state.push(configs.len() as u32);
        configs.push(Some(config));
        self.len += 1;
        true
    }

    /// The first `width` configurations.
    pub(super) fn into_configs(self, width: usize) -> Vec<Config<N>> {
        self.configs.into_iter().flatten().take(width).collect()
    }

    /// Every configuration that was ever inserted and is still undominated.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Config<N>> {
        self.configs.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(state: u32, can: &[usize], done: &[usize]) -> Config<2> {
        let slots = |list: &[usize]| {
            let mut slots = Slots::EMPTY;
            list.iter().for_each(|slot| slots.insert(*slot));
            slots
        };
        Config { state, can: slots(can), done: slots(done), trail: 0 }
    }

    #[test]
    fn comparing_is_counted_since_it_is_what_takes_the_time() {
        let mut frontier = Frontier::new();
        for slot in 0..10 {
            assert!(frontier.insert(config(7, &[slot], &[])), "nothing dominates it");
        }
        assert_eq!(frontier.take_compared(), (0..10).sum::<u64>());
        assert_eq!(frontier.take_compared(), 0);
        frontier.insert(config(8, &[], &[]));
        assert_eq!(frontier.take_compared(), 0, "there was none of that state");
    }

    #[test]
    fn a_frontier_keeps_only_what_nothing_dominates() {
        let mut frontier = Frontier::new();
        assert!(frontier.insert(config(1, &[0], &[])));
        assert!(!frontier.insert(config(1, &[], &[])), "fewer options");
        assert!(frontier.insert(config(1, &[], &[100])), "other options");
        assert!(frontier.insert(config(2, &[], &[])), "another state");
        assert!(frontier.insert(config(1, &[0], &[100])), "dominates two");
        assert_eq!(frontier.len(), 2);
        let left = frontier.into_configs(9);
        assert_eq!(left, [config(2, &[], &[]), config(1, &[0], &[100])]);
    }
}
