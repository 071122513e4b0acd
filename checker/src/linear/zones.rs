//! Registers in which every value is written once, decided without a search.
//!
//! After Gibbons and Korach, "Testing shared memories" (SIAM Journal on Computing 26(4), 1997,
//! section 4.2): the write of a value and the reads of it are a cluster. With `f` the earliest end
//! and `s` the latest beginning of its operations, its zone reaches from one to the other; it is
//! forward if `f` comes before `s`. The history is linearizable if no read ends before its write
//! begins, no two forward zones overlap, and no backward zone lies within a forward one. That takes
//! a sort, where a search may try many orders of concurrent writes.
//!
//! Writes that were never answered belong to a cluster if somebody read them; if nobody did, they
//! need not have happened. The first state is a cluster whose write ended before everything.

use std::collections::BTreeMap;

use super::Call;
use crate::model::{Effect, Model, Touch};

/// What the zones tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Zones {
    /// There is an order.
    Order,
    /// There is none, not even of these calls.
    Conflict(Vec<usize>),
}

/// The write of a value and the reads of it.
#[derive(Debug, Clone, Copy, Default)]
struct Cluster {
    write: Option<usize>,
    is_read: bool,
    /// The earliest end, and whose: none for the first state, which was there before everything.
    end: Option<(u64, usize)>,
    /// The latest beginning, and whose.
    begin: Option<(u64, usize)>,
}

impl Cluster {
    fn add<Op>(&mut self, index: usize, call: &Call<Op>, is_first_state: bool) {
        let end = call.complete.unwrap_or(u64::MAX);
        let earlier = self.end.is_none_or(|(earliest, _)| end < earliest);
        if earlier && !is_first_state {
            self.end = Some((end, index));
        }
        if self.begin.is_none_or(|(latest, _)| call.invoke > latest) {
            self.begin = Some((call.invoke, index));
        }
    }

    fn is_forward(&self) -> bool {
        self.ends_before(self)
    }

    /// Whether one of its operations ends before one of the other begins.
    fn ends_before(&self, other: &Cluster) -> bool {
        match (self.end, other.begin) {
            (None, _) => true,
            (Some((end, _)), Some((begin, _))) => end < begin,
            (Some(_), None) => false,
        }
    }

    /// Whether each would have to come before the other.
    fn conflicts_with(&self, other: &Cluster) -> bool {
        self.ends_before(other) && other.ends_before(self)
    }

    fn calls(&self) -> impl Iterator<Item = usize> {
        let ends = [self.end, self.begin].into_iter().flatten().map(|(_, index)| index);
        self.write.into_iter().chain(ends)
    }
}

/// Decides a history of reads and of writes of which no two store the same; `None` for any other.
pub(super) fn decide<M: Model>(
    model: &M,
    calls: &[Call<M::Op>],
    touches: &[Touch<M::State>],
) -> Option<Zones> {
    let initial = model.initial();
    let mut clusters: BTreeMap<&M::State, Cluster> = BTreeMap::new();
    for (index, (call, touch)) in calls.iter().zip(touches).enumerate() {
        match (&touch.finds, &touch.stores) {
            (None, Some(state)) if model.effect(&call.op) == Effect::Overwrite => {
                let cluster = clusters.entry(state).or_default();
                if *state == initial || cluster.write.is_some() {
                    return None;
                }
                cluster.write = Some(index);
                cluster.add(index, call, false);
            }
            (Some(_), None) if call.complete.is_none() => {}
            (Some(state), None) => {
                let cluster = clusters.entry(state).or_default();
                cluster.is_read = true;
                cluster.add(index, call, *state == initial);
            }
            (None, None) | (None, Some(_)) | (Some(_), Some(_)) => return None,
        }
    }
    for (state, cluster) in &clusters {
        if **state != initial && !is_written_in_time(cluster, calls) {
            return None;
        }
    }
    let has_happened = |cluster: &Cluster| {
        cluster.is_read || cluster.write.is_some_and(|write| calls[write].complete.is_some())
    };
    let zones: Vec<Cluster> = clusters.into_values().filter(has_happened).collect();
    Some(match conflict(zones) {
        None => Zones::Order,
        Some((a, b)) => {
            let mut calls: Vec<usize> = a.calls().chain(b.calls()).collect();
            calls.sort_unstable();
            calls.dedup();
            Zones::Conflict(calls)
        }
    })
}

/// Whether the value was written at all, and no read ended before. Others tell what is not.
fn is_written_in_time<Op>(cluster: &Cluster, calls: &[Call<Op>]) -> bool {
    let (Some(write), Some((end, _))) = (cluster.write, cluster.end) else { return false };
    calls[write].invoke <= end
}

/// Two zones of which each would have to come before the other.
fn conflict(zones: Vec<Cluster>) -> Option<(Cluster, Cluster)> {
    let (mut forward, backward): (Vec<Cluster>, Vec<Cluster>) =
        zones.into_iter().partition(Cluster::is_forward);
    forward.sort_by_key(|zone| zone.end);
    // Sorted by their left ends, forward zones that overlap have neighbours that do.
    if let Some(pair) = forward.windows(2).find(|pair| pair[0].conflicts_with(&pair[1])) {
        return Some((pair[0], pair[1]));
    }
    // As they are disjoint, only the last that begins before a backward zone can hold it.
    backward.into_iter().find_map(|inner| {
        let after = forward.partition_point(|zone| zone.ends_before(&inner));
        let outer = forward[..after].last()?;
        outer.conflicts_with(&inner).then_some((*outer, inner))
    })
}
