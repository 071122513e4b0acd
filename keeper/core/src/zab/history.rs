//! The part of the transaction log that is held in memory: what DIFF synchronisation sends, and the
//! tail that is logged but not known to be committed.
//!
//! The tree holds committed transactions only. A server that restarts or loses its leader keeps its
//! tail unapplied until a leader's history says what becomes of it, so cutting the log (TRUNC) never
//! touches the tree, and nothing uncommitted is ever shown (ZOOKEEPER-2845, ZOOKEEPER-4541).

use std::collections::VecDeque;

use bytes::Bytes;

use crate::event::DiskToken;
use crate::ids::Zxid;

/// One logged transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its position.
    pub zxid: Zxid,
    /// Its encoded form: what a proposal carries and the log stores.
    pub txn: Bytes,
    /// The disk operation that logs it; zero if it was on disk at the start.
    pub token: DiskToken,
}

/// A contiguous run of transactions that ends with the log's last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The position just before the first entry.
    base: Zxid,
    /// The disk operation that makes the base durable.
    base_token: DiskToken,
    entries: VecDeque<Entry>,
    /// The last position that the tree holds.
    applied: Zxid,
    /// How many of the entries the tree holds: as many as are at or before `applied`.
    applied_count: usize,
}

impl History {
    /// A history whose tree stands at `applied` and whose log goes on with `tail`.
    ///
    /// # Panics
    /// As [`History::push`].
    pub fn new(applied: Zxid, tail: impl IntoIterator<Item = Entry>) -> History {
        let (base_token, entries) = (DiskToken(0), VecDeque::new());
        let mut history = History { base: applied, base_token, entries, applied, applied_count: 0 };
        tail.into_iter().for_each(|entry| history.push(entry));
        history
    }

    /// The last logged position.
    pub fn last(&self) -> Zxid {
        self.entries.back().map_or(self.base, |entry| entry.zxid)
    }

    /// The last position that the tree holds.
    pub fn applied(&self) -> Zxid {
        self.applied
    }

    /// The position before the oldest entry held.
    pub fn base(&self) -> Zxid {
        self.base
    }

    /// Adds the next transaction.
    ///
    /// # Panics
    /// If its position does not follow: a gap in the log would lose a transaction.
    pub fn push(&mut self, entry: Entry) {
        assert!(
            follows(self.last(), entry.zxid),
            "{} does not follow {} in the log",
            entry.zxid,
            self.last()
        );
        self.entries.push_back(entry);
    }

    /// The next entry to apply if it is at or before `upto`.
    pub fn next_to_apply(&self, upto: Zxid) -> Option<&Entry> {
        self.entries.get(self.applied_count).filter(|entry| entry.zxid <= upto)
    }

    /// The tree now holds the next entry.
    pub fn mark_applied(&mut self, zxid: Zxid) {
        let next = self.next_to_apply(Zxid(u64::MAX)).map(|entry| entry.zxid);
        assert_eq!(next, Some(zxid), "transactions are applied in the order of the log");
        self.applied = zxid;
        self.applied_count += 1;
    }

    /// Entries after `zxid`, oldest first.
    pub fn after(&self, zxid: Zxid) -> impl Iterator<Item = &Entry> {
        self.entries.range(self.index_after(zxid)..)
    }

    /// Whether `zxid` is the base or one of the entries.
    pub fn contains(&self, zxid: Zxid) -> bool {
        zxid == self.base || self.get(zxid).is_some()
    }

    /// The entry at exactly `zxid`.
    pub fn get(&self, zxid: Zxid) -> Option<&Entry> {
        let at = self.entries.partition_point(|entry| entry.zxid < zxid);
        self.entries.get(at).filter(|entry| entry.zxid == zxid)
    }

    /// The newest position at or before `zxid` that is held, if any.
    pub fn floor(&self, zxid: Zxid) -> Option<Zxid> {
        match self.index_after(zxid).checked_sub(1) {
            Some(at) => Some(self.entries[at].zxid),
            None => (self.base <= zxid).then_some(self.base),
        }
    }

    /// Drops everything after `zxid`.
    ///
    /// # Panics
    /// If that would drop an applied transaction: the caller checks first.
    pub fn truncate(&mut self, zxid: Zxid) {
        assert!(zxid >= self.applied, "{zxid} is before the applied {}", self.applied);
        self.entries.truncate(self.index_after(zxid));
    }

    /// Takes back the last entries as far as they have no disk operation ([`DiskToken::NEVER`]),
    /// oldest first.
    pub fn take_unlogged(&mut self) -> Vec<Entry> {
        let logged = self.entries.partition_point(|entry| entry.token < DiskToken::NEVER);
        self.entries.split_off(logged).into()
    }

    /// Replaces everything by a snapshot's position, which `token` makes durable.
    pub fn reset(&mut self, zxid: Zxid, token: DiskToken) {
        *self = History { base_token: token, ..History::new(zxid, Vec::new()) };
    }

    /// Forgets old applied entries beyond `keep` entries, but none that is not durable yet: a
    /// follower with a slow disk applies what a quorum of others holds before it holds it itself.
    pub fn trim(&mut self, keep: usize, persisted: DiskToken) {
        for _ in keep..self.applied_count {
            let Some(entry) = self.entries.pop_front_if(|entry| entry.token <= persisted) else {
                return;
            };
            self.applied_count -= 1;
            self.base = entry.zxid;
            self.base_token = entry.token;
        }
    }

    /// How many entries wait to be applied.
    pub fn unapplied(&self) -> usize {
        self.entries.len() - self.applied_count
    }

    /// Copies what was read at the start, so that it does not keep the file's bytes in memory.
    pub fn detach(&mut self) {
        let is_read = |entry: &&mut Entry| entry.token == DiskToken(0);
        for entry in self.entries.iter_mut().take_while(is_read) {
            entry.txn = Bytes::copy_from_slice(&entry.txn);
        }
    }

    /// The last position whose disk operation is at or before `token`; zero if not even the base is.
    pub fn durable(&self, token: DiskToken) -> Zxid {
        match self.entries.partition_point(|entry| entry.token <= token) {
            0 if self.base_token > token => Zxid::ZERO,
            0 => self.base,
            count => self.entries[count - 1].zxid,
        }
    }

    fn index_after(&self, zxid: Zxid) -> usize {
        self.entries.partition_point(|entry| entry.zxid <= zxid)
    }
}

/// Whether `next` may stand right after `last`: the next counter, or the first of a later epoch.
pub fn follows(last: Zxid, next: Zxid) -> bool {
    if next.epoch() == last.epoch() {
        last.next() == Some(next)
    } else {
        next.epoch() > last.epoch() && next.counter() == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Epoch;

    fn zxid(epoch: u32, counter: u32) -> Zxid {
        Zxid::new(Epoch(epoch), counter)
    }

    fn entry(epoch: u32, counter: u32, token: u64) -> Entry {
        Entry { zxid: zxid(epoch, counter), txn: Bytes::new(), token: DiskToken(token) }
    }

    fn sample() -> History {
        let mut history = History::new(zxid(1, 3), Vec::new());
        for item in [entry(1, 4, 10), entry(1, 5, 11), entry(3, 1, 12), entry(3, 2, 13)] {
            history.push(item);
        }
        history
    }

    #[test]
    fn positions_are_found_across_epochs() {
        let history = sample();
        assert_eq!(history.last(), zxid(3, 2));
        assert!(history.contains(zxid(1, 3)) && history.contains(zxid(3, 1)));
        assert!(!history.contains(zxid(2, 1)) && !history.contains(zxid(1, 2)));
        assert_eq!(history.floor(zxid(2, 9)), Some(zxid(1, 5)));
        assert_eq!(history.floor(zxid(1, 3)), Some(zxid(1, 3)));
        assert_eq!(history.floor(zxid(1, 2)), None);
        assert_eq!(history.after(zxid(1, 5)).count(), 2);
        assert_eq!(history.durable(DiskToken(11)), zxid(1, 5));
        assert_eq!(history.durable(DiskToken(9)), zxid(1, 3));
    }

    #[test]
    fn applying_trimming_and_cutting() {
        let mut history = sample();
        assert!(history.next_to_apply(zxid(1, 3)).is_none());
        history.mark_applied(zxid(1, 4));
        history.mark_applied(zxid(1, 5));
        history.trim(1, DiskToken(20));
        assert_eq!(history.base(), zxid(1, 4));
        history.truncate(zxid(3, 1));
        assert_eq!((history.last(), history.unapplied()), (zxid(3, 1), 1));
    }

    #[test]
    fn what_is_applied_but_not_durable_is_neither_forgotten_nor_vouched_for() {
        let mut history = sample();
        for position in [zxid(1, 4), zxid(1, 5), zxid(3, 1)] {
            history.mark_applied(position);
        }
        history.trim(0, DiskToken(10));
        assert_eq!((history.base(), history.durable(DiskToken(10))), (zxid(1, 4), zxid(1, 4)));
        history.reset(zxid(4, 9), DiskToken(30));
        assert_eq!(history.durable(DiskToken(29)), Zxid::ZERO);
        assert_eq!(history.durable(DiskToken(30)), zxid(4, 9));
    }

    #[test]
    #[should_panic(expected = "does not follow")]
    fn a_gap_is_refused() {
        sample().push(entry(3, 4, 1));
    }

    #[test]
    #[should_panic(expected = "before the applied")]
    fn applied_transactions_are_never_cut() {
        let mut history = sample();
        history.mark_applied(zxid(1, 4));
        history.truncate(zxid(1, 3));
    }
}
