//! What is new in a run, and plans that are worth being changed a little.
//!
//! A run is described by features: how often (to a power of two) it hit each mark in the servers'
//! code, during which families of faults, and which abstract states the system went through. A plan
//! whose run has a feature that no run before it had enters the pool. From the pool plans are drawn
//! by how rare their features have stayed (as the corpus entries of an entropic fuzzer; Böhme, Manès,
//! Cha: "Boosting fuzzer efficiency: an information theoretic perspective", FSE 2020), and changed by
//! [`mutate`].
//!
//! Everything here is a function of the runs in the order in which they are learned from, so that
//! who learns in the order of positions explores the same way every time.

mod mutate;

use std::collections::{BTreeMap, BTreeSet};

use probe::{MarkId, hash_bytes};
use sim::fault::FaultFamily;
use sim::seed::Draws;

use crate::any::Systems;
use crate::mark_notes::MarkNotes;
use crate::plan::Plan;

pub use mutate::mutate;

/// Plans that the pool holds; beyond it the one whose features are the most common goes.
const POOL_MAX: usize = 128;
/// What a feature that only one run had is worth.
const RAREST: u64 = 1_000_000;

/// Something by which runs differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// A mark was hit so often: the power of two at or below it.
    Often(MarkId, u32),
    /// A mark was hit during such faults; without any, if none.
    During(MarkId, Option<FaultFamily>),
    /// The system was in this state.
    State(u64),
}

/// The features of a run.
pub fn features(marks: &MarkNotes, states: &BTreeSet<u64>) -> BTreeSet<Feature> {
    let mut features: BTreeSet<Feature> =
        states.iter().map(|state| Feature::State(*state)).collect();
    for (mark, seen) in marks.reached() {
        features.insert(Feature::Often(mark, seen.hits.ilog2()));
        for family in FaultFamily::ALL.into_iter().filter(|family| seen.families.contains(*family))
        {
            features.insert(Feature::During(mark, Some(family)));
        }
        if seen.families.is_calm() {
            features.insert(Feature::During(mark, None));
        }
    }
    features
}

/// The name of a changed plan, which its scenario and seed do not tell: a hash of all that is in it.
pub fn mutant_name(plan: &Plan) -> String {
    let bare = Plan { found: None, plant: None, ..plan.clone() };
    let text = serde_json::to_vec(&bare).expect("a plan is plain data with text keys");
    format!("{:016x}", hash_bytes(&text))
}

/// What runs have shown so far, and the plans that showed something first.
#[derive(Clone)]
pub struct Pool {
    systems: Systems,
    /// In how many runs each feature was seen.
    counts: BTreeMap<Feature, u64>,
    entries: Vec<Entry>,
}

/// A plan that brought something new.
#[derive(Clone, Debug)]
struct Entry {
    plan: Plan,
    features: BTreeSet<Feature>,
    /// How often it was drawn.
    drawn: u64,
}

/// Distinct things that runs have shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Pairs of a mark and a family of faults, or none.
    pub pairs: u64,
    /// Pairs of a mark and a power of two.
    pub buckets: u64,
    /// Abstract states of the whole system, as [`crate::System::follow`] hashes them.
    pub states: u64,
}

impl Pool {
    /// A pool that has learned nothing yet, of plans of these systems.
    pub fn new(systems: Systems) -> Pool {
        Pool { systems, counts: BTreeMap::new(), entries: Vec::new() }
    }

    /// Learns from a run. True if it showed something new; its plan is then in the pool.
    pub fn learn(&mut self, plan: &Plan, features: BTreeSet<Feature>) -> bool {
        let is_new = features.iter().any(|feature| !self.counts.contains_key(feature));
        for feature in &features {
            *self.counts.entry(*feature).or_default() += 1;
        }
        if is_new {
            let plan = Plan { found: None, ..plan.clone() };
            self.entries.push(Entry { plan, features, drawn: 0 });
            self.shrink();
        }
        is_new
    }

    /// Whether there is nothing to draw from.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What runs have shown.
    pub fn reached(&self) -> Reached {
        let mut reached = Reached::default();
        for feature in self.counts.keys() {
            match feature {
                Feature::Often(..) => reached.buckets += 1,
                Feature::During(..) => reached.pairs += 1,
                Feature::State(_) => reached.states += 1,
            }
        }
        reached
    }

    /// A plan of the pool, changed. None if the pool is empty.
    pub fn draw(&mut self, draws: &mut Draws) -> Option<Plan> {
        let chosen = self.choose(draws)?;
        self.entries[chosen].drawn += 1;
        let plan = &self.entries[chosen].plan;
        // Faults of a larger topology would strike hosts that are not there.
        let fits = |other: &&Entry| mutate::has_hosts_of(plan, &other.plan);
        let others: Vec<&Entry> = self.entries.iter().filter(fits).collect();
        let other = draws.pick(&others).map_or(plan, |other| &other.plan);
        Some(mutate(self.systems, plan, other, draws))
    }

    fn choose(&self, draws: &mut Draws) -> Option<usize> {
        let weights: Vec<u64> =
            self.entries.iter().map(|entry| self.weight(entry).max(1)).collect();
        let sum = weights.iter().sum::<u64>();
        if sum == 0 {
            return None;
        }
        let mut left = draws.below(sum);
        weights.iter().position(|weight| match left.checked_sub(*weight) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        })
    }

    /// The rarer its features have stayed, and the less often it was drawn, the more.
    fn weight(&self, entry: &Entry) -> u64 {
        self.rarity(entry) / (1 + entry.drawn)
    }

    fn rarity(&self, entry: &Entry) -> u64 {
        let worth = |feature| {
            let count = self.counts.get(feature).copied().unwrap_or(1);
            // Squared, so that a thousand common features do not outweigh a rare one.
            RAREST / (count * count)
        };
        entry.features.iter().map(worth).sum()
    }

    fn shrink(&mut self) {
        if self.entries.len() <= POOL_MAX {
            return;
        }
        let worst = (0..self.entries.len()).min_by_key(|index| self.rarity(&self.entries[*index]));
        if let Some(worst) = worst {
            self.entries.remove(worst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::validate;
    use crate::testing::{Mark, SYSTEMS, plan_in};

    fn plan(seed: u64) -> Plan {
        plan_in(seed, seed)
    }

    fn states(all: &[u64]) -> BTreeSet<Feature> {
        all.iter().map(|state| Feature::State(*state)).collect()
    }

    #[test]
    fn a_run_is_known_by_powers_of_two_faults_and_states() {
        let mut marks = MarkNotes::default();
        (0..5).for_each(|at_ns| marks.hit(Mark::TailCut.id(), "here", 1, at_ns));
        let features = features(&marks, &[7].into());
        assert_eq!(features.len(), 3);
        assert!(features.contains(&Feature::Often(Mark::TailCut.id(), 2)));
        assert!(features.contains(&Feature::During(Mark::TailCut.id(), None)));
    }

    #[test]
    fn what_was_seen_before_enters_no_pool() {
        let mut pool = Pool::new(SYSTEMS);
        assert!(pool.learn(&plan(1), states(&[1, 2])));
        assert!(!pool.learn(&plan(2), states(&[2])));
        assert!(pool.learn(&plan(3), states(&[2, 3])));
        assert_eq!((pool.entries.len(), pool.reached().states), (2, 3));
    }

    #[test]
    fn plans_with_rare_features_are_drawn_more_often() {
        let mut pool = Pool::new(SYSTEMS);
        pool.learn(&plan(1), states(&[1]));
        (0..20).for_each(|_| assert!(!pool.learn(&plan(1), states(&[1]))));
        pool.learn(&plan(2), states(&[2]));
        let mut draws = Draws::new(1, "test", 0);
        let rare = (0..100).filter(|_| pool.choose(&mut draws) == Some(1)).count();
        assert!(rare > 90, "{rare}");
        pool.entries[1].drawn = 1_000_000;
        let rare = (0..100).filter(|_| pool.choose(&mut draws) == Some(1)).count();
        assert!(rare < 50, "it was drawn often: {rare}");
    }

    #[test]
    fn a_pool_stays_small_and_keeps_what_is_rare() {
        let mut pool = Pool::new(SYSTEMS);
        for n in 0..POOL_MAX as u64 + 10 {
            pool.learn(&plan(n), states(&[n]));
            // The first state becomes common.
            pool.learn(&plan(n), states(&[0]));
        }
        assert_eq!(pool.entries.len(), POOL_MAX);
        assert!(pool.entries.iter().all(|entry| !entry.features.contains(&Feature::State(0))));
    }

    #[test]
    fn what_is_drawn_is_a_function_of_what_was_learned() {
        let drawn = || {
            let mut pool = Pool::new(SYSTEMS);
            assert_eq!(pool.draw(&mut Draws::new(1, "test", 0)), None);
            (0..9).for_each(|n| assert!(pool.learn(&plan(n), states(&[n]))));
            (0..30).map(|n| pool.draw(&mut Draws::new(1, "test", n)).unwrap()).collect::<Vec<_>>()
        };
        let plans = drawn();
        assert_eq!(plans, drawn());
        assert!(plans.iter().all(|plan| validate(SYSTEMS, plan) == Ok(())));
    }
}
