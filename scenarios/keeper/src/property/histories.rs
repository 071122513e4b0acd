//! What each server has delivered since the beginning of time, over all its starts.
//!
//! A server's state is a node of a tree whose root is the empty state and whose edges are delivered
//! transactions. A snapshot, own or the leader's, puts a server on the node that the snapshot was
//! taken at. Histories are prefixes of one another exactly as long as the tree is a path.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::{Observed, RunRecord};
use keeper_core::ids::Zxid;
use keeper_core::observation::Observation;

/// A state, by its position among all that were reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct State(usize);

/// What an observation did to its server's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// One more transaction.
    Delivered {
        /// Which.
        zxid: Zxid,
        /// Whether another server took another transaction at the same state, and the first one
        /// that did.
        fork: Option<State>,
    },
    /// A snapshot of a state that some server had reached.
    Restored {
        /// The snapshot's last transaction.
        zxid: Zxid,
    },
    /// A snapshot of a state that no server had reached.
    RestoredNowhere {
        /// The snapshot's last transaction.
        zxid: Zxid,
    },
}

#[derive(Debug)]
struct Node {
    zxid: Zxid,
    parent: State,
    first_child: Option<State>,
    /// The observation that reached it first, by its index in the record.
    seen: usize,
}

/// The states reached so far.
#[derive(Debug)]
pub(super) struct Histories {
    nodes: Vec<Node>,
    children: BTreeMap<(State, Zxid, u64), State>,
    by_zxid: BTreeMap<Zxid, State>,
    servers: BTreeMap<u32, State>,
}

impl Histories {
    pub(super) fn new() -> Histories {
        let root = Node { zxid: Zxid::ZERO, parent: State(0), first_child: None, seen: 0 };
        Histories {
            nodes: vec![root],
            children: BTreeMap::new(),
            by_zxid: BTreeMap::from([(Zxid::ZERO, State(0))]),
            servers: BTreeMap::new(),
        }
    }

    /// Everything that the record says.
    pub(super) fn of(record: &RunRecord) -> Histories {
        let mut histories = Histories::new();
        for (index, observed) in record.observations.iter().enumerate() {
            histories.advance(index, observed);
        }
        histories
    }

    /// Follows one observation; none if it moves no history.
    pub(super) fn advance(&mut self, index: usize, observed: &Observed) -> Option<Move> {
        match observed.observation {
            Observation::Delivered { zxid, hash, .. } => {
                Some(self.deliver(index, observed.server, zxid, hash))
            }
            Observation::Replaced { zxid, .. } => Some(self.restore(observed.server, zxid)),
            Observation::Recovered { snapshot, .. } => {
                Some(self.restore(observed.server, snapshot))
            }
            _ => None,
        }
    }

    fn deliver(&mut self, seen: usize, server: u32, zxid: Zxid, hash: u64) -> Move {
        let at = self.state(server);
        if let Some(child) = self.children.get(&(at, zxid, hash)) {
            self.servers.insert(server, *child);
            return Move::Delivered { zxid, fork: None };
        }
        let child = State(self.nodes.len());
        self.nodes.push(Node { zxid, parent: at, first_child: None, seen });
        self.children.insert((at, zxid, hash), child);
        self.by_zxid.entry(zxid).or_insert(child);
        self.servers.insert(server, child);
        let fork = self.nodes[at.0].first_child;
        self.nodes[at.0].first_child.get_or_insert(child);
        Move::Delivered { zxid, fork }
    }

    fn restore(&mut self, server: u32, zxid: Zxid) -> Move {
        match self.by_zxid.get(&zxid) {
            Some(state) => {
                self.servers.insert(server, *state);
                Move::Restored { zxid }
            }
            None => Move::RestoredNowhere { zxid },
        }
    }

    fn state(&self, server: u32) -> State {
        self.servers.get(&server).copied().unwrap_or(State(0))
    }

    /// The last transaction of a server's history.
    pub(super) fn position(&self, server: u32) -> Zxid {
        self.nodes[self.state(server).0].zxid
    }

    /// The last transaction that led to a state, and the observation that did so first.
    pub(super) fn reached_by(&self, state: State) -> (Zxid, usize) {
        (self.nodes[state.0].zxid, self.nodes[state.0].seen)
    }

    /// Everything in a server's history.
    pub(super) fn delivered(&self, server: u32) -> BTreeSet<Zxid> {
        let mut all = BTreeSet::new();
        let mut state = self.state(server);
        while state != State(0) {
            all.insert(self.nodes[state.0].zxid);
            state = self.nodes[state.0].parent;
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{two_epochs, zxid};
    use super::*;

    #[test]
    fn a_snapshot_brings_the_history_that_it_was_taken_of() {
        let record = two_epochs()
            .see(4, Observation::Replaced { zxid: zxid(1, 2), digest: 0 })
            .deliver(4, zxid(2, 1))
            .record();
        let histories = Histories::of(&record);
        assert_eq!(histories.position(4), zxid(2, 1));
        assert_eq!(histories.delivered(4), [zxid(1, 1), zxid(1, 2), zxid(2, 1)].into());
        assert!(histories.delivered(5).is_empty());
    }
}
