//! Faults of a disk that last for a while: errors, slowness, stalls, and writes that go wrong
//! without a word.

use std::collections::{BTreeMap, BTreeSet};

use super::{Errno, OpKind};

/// Names an active fault of one disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskFaultId(pub(super) u64);

/// A fault, active until it is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// Operations of these kinds fail with this errno: each of them, or only the n-th from now
    /// (counted from 1). A failing sync of a file marks what it was to write clean, unwritten.
    Error {
        /// The kinds of operations that fail; others are well.
        kinds: Vec<OpKind>,
        /// The errno that they fail with, as Linux numbers it.
        errno: Errno,
        /// Which one; none for all.
        nth: Option<u64>,
    },
    /// Every latency is multiplied.
    Slow {
        /// By how much; 1 changes nothing.
        factor: u64,
    },
    /// Nothing completes until the fault is removed.
    Stall,
    /// Appends go wrong and are acknowledged all the same, by their syncs too: each, or only the
    /// n-th from now. Reads see what was written for as long as the machine has power; see
    /// [`super::Disk::make_good`] and [`Gone`].
    BadWrite {
        /// Where the bytes are instead.
        gone: Gone,
        /// Which append; none for all.
        nth: Option<u64>,
    },
}

/// Where the bytes of a write are that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gone {
    /// Nowhere (a lost or phantom write): the sectors hold what they held before.
    Lost,
    /// Elsewhere (a misdirected write): their own sectors hold what they held before, and each took
    /// the place of another sector of the disk, in the same file or another.
    Misdirected {
        /// A part of the path of the file.
        onto: String,
    },
}

/// Counts operations up to the one that a fault means.
#[derive(Debug)]
struct Turn {
    nth: Option<u64>,
    seen: u64,
}

impl Turn {
    fn new(nth: Option<u64>) -> Turn {
        Turn { nth, seen: 0 }
    }

    /// Whether the next operation is meant.
    fn next(&mut self) -> bool {
        self.seen += 1;
        self.nth.is_none_or(|nth| nth == self.seen)
    }
}

#[derive(Debug)]
struct ErrorRule {
    kinds: Vec<OpKind>,
    errno: Errno,
    turn: Turn,
}

/// The active faults of one disk.
#[derive(Debug, Default)]
pub(super) struct Faults {
    errors: BTreeMap<DiskFaultId, ErrorRule>,
    bad_writes: BTreeMap<DiskFaultId, (Gone, Turn)>,
    slow: BTreeMap<DiskFaultId, u64>,
    stalls: BTreeSet<DiskFaultId>,
}

/// What ends with a fault.
pub(super) struct Ended {
    /// The slowness that ended.
    pub(super) factor: Option<u64>,
    /// Whether nothing stalls the disk any more.
    pub(super) goes_on: bool,
}

impl Faults {
    pub(super) fn begin(&mut self, id: DiskFaultId, fault: DiskFault) {
        match fault {
            DiskFault::Error { kinds, errno, nth } => {
                self.errors.insert(id, ErrorRule { kinds, errno, turn: Turn::new(nth) });
            }
            DiskFault::Slow { factor } => {
                self.slow.insert(id, factor);
            }
            DiskFault::Stall => {
                self.stalls.insert(id);
            }
            DiskFault::BadWrite { gone, nth } => {
                self.bad_writes.insert(id, (gone, Turn::new(nth)));
            }
        }
    }

    pub(super) fn end(&mut self, id: DiskFaultId) -> Ended {
        self.errors.remove(&id);
        self.bad_writes.remove(&id);
        let goes_on = self.stalls.remove(&id) && self.stalls.is_empty();
        Ended { factor: self.slow.remove(&id), goes_on }
    }

    /// Whether nothing completes.
    pub(super) fn is_stalled(&self) -> bool {
        !self.stalls.is_empty()
    }

    /// By what latencies are multiplied.
    pub(super) fn slowness(&self) -> u64 {
        self.slow.values().fold(1, |product, &factor| product.saturating_mul(factor))
    }

    /// The error that a fault demands of the next operation of `kind`.
    pub(super) fn injected_error(&mut self, kind: OpKind) -> Option<Errno> {
        let mut injected = None;
        for rule in self.errors.values_mut().filter(|rule| rule.kinds.contains(&kind)) {
            if rule.turn.next() {
                injected = injected.or(Some(rule.errno));
            }
        }
        injected
    }

    /// Where the bytes of the next append will be, if it goes wrong.
    pub(super) fn next_write_is(&mut self) -> Option<Gone> {
        let mut gone = None;
        for (how, turn) in self.bad_writes.values_mut() {
            if turn.next() {
                gone = gone.or_else(|| Some(how.clone()));
            }
        }
        gone
    }
}
