//! Answers that clients have not read: how many bytes each leaves, and all together.
//!
//! A bound for each connection alone bounds nothing in all: clients are many. A bound for all alone would let
//! one large answer end its connection. So answers count towards one budget of the server's, and when it is
//! exceeded those go whose reading made no progress for longest; a reader that is alone in being behind stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What an answer takes beside its bytes until it is written.
const EACH_BYTES: usize = 64;

/// All unread answers of a server.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    bytes: AtomicUsize,
    /// How often anything has moved: the order of progress, without a clock.
    turns: AtomicU64,
}

impl Unread {
    /// How much it is.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn next_turn(&self) -> u64 {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }
}

/// The unread answers of one connection.
#[derive(Debug)]
pub(crate) struct Account {
    bytes: AtomicUsize,
    /// When something was read last, or when there was something to read again.
    moved: AtomicU64,
    all: Arc<Unread>,
}

impl Account {
    pub(crate) fn new(all: Arc<Unread>) -> Account {
        Account { bytes: AtomicUsize::new(0), moved: AtomicU64::new(0), all }
    }

    /// How much it is.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The turn of its last progress.
    pub(crate) fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    fn moves(&self) {
        self.moved.store(self.all.next_turn(), Ordering::Relaxed);
    }

    fn less(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.all.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// An answer's part of the account, for as long as it takes memory.
#[derive(Debug)]
pub(crate) struct Share {
    account: Arc<Account>,
    bytes: usize,
}

impl Share {
    /// The part of an answer of so many bytes.
    pub(crate) fn of(account: &Arc<Account>, len: usize) -> Share {
        let bytes = len + EACH_BYTES;
        account.all.bytes.fetch_add(bytes, Ordering::Relaxed);
        if account.bytes.fetch_add(bytes, Ordering::Relaxed) == 0 {
            account.moves();
        }
        Share { account: account.clone(), bytes }
    }

    /// Takes over another part of the same account.
    pub(crate) fn join(&mut self, mut other: Share) {
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// So many bytes have been taken.
    pub(crate) fn taken(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.account.less(bytes);
        self.account.moves();
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.account.less(self.bytes);
    }
}

/// Who goes when all together leave more unread than `bytes_max`: those whose reading made no progress for
/// longest, until the rest fits or one is left. `connections` are those that may go.
pub(crate) fn slowest<'a, K: Copy + Ord + 'a>(
    bytes_max: usize,
    connections: impl Iterator<Item = (K, &'a Account)>,
) -> Vec<K> {
    let of = |(key, account): (K, &'a Account)| (account.moved(), key, account.bytes());
    let mut behind: Vec<(u64, K, usize)> = connections.map(of).filter(|each| each.2 > 0).collect();
    behind.sort_unstable();
    let mut bytes: usize = behind.iter().map(|(_, _, bytes)| bytes).sum();
    let mut gone = Vec::new();
    for (_, key, own) in &behind[..behind.len().saturating_sub(1)] {
        if bytes <= bytes_max {
            break;
        }
        bytes -= own;
        gone.push(*key);
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(count: usize) -> (Arc<Unread>, Vec<Arc<Account>>) {
        let all = Arc::new(Unread::default());
        let each = || Arc::new(Account::new(all.clone()));
        (all.clone(), (0..count).map(|_| each()).collect())
    }

    fn gone(bytes_max: usize, accounts: &[Arc<Account>]) -> Vec<usize> {
        slowest(bytes_max, accounts.iter().map(|account| &**account).enumerate())
    }

    #[test]
    fn what_is_read_or_dropped_counts_no_more() {
        let (all, accounts) = accounts(1);
        let mut first = Share::of(&accounts[0], 100);
        first.join(Share::of(&accounts[0], 50));
        assert_eq!(
            (all.bytes(), accounts[0].bytes()),
            (150 + 2 * EACH_BYTES, 150 + 2 * EACH_BYTES)
        );
        first.taken(120);
        assert_eq!(all.bytes(), 30 + 2 * EACH_BYTES);
        first.taken(usize::MAX);
        assert_eq!(all.bytes(), 0);
        drop(Share::of(&accounts[0], 7));
        drop(first);
        assert_eq!((all.bytes(), accounts[0].bytes()), (0, 0));
    }

    #[test]
    fn the_slowest_go_first_and_no_more_than_needed() {
        let (_, accounts) = accounts(4);
        let mut shares: Vec<Share> = accounts[..3].iter().map(|a| Share::of(a, 1_000)).collect();
        // The first has read a little since, the second and the third nothing, the last has nothing to read.
        shares[0].taken(10);
        assert_eq!(gone(2_500, &accounts), [1]);
        assert_eq!(gone(1_500, &accounts), [1, 2]);
        assert_eq!(gone(10_000, &accounts), Vec::<usize>::new());
    }

    #[test]
    fn a_large_answer_that_is_alone_passes() {
        let (_, accounts) = accounts(2);
        let _large = Share::of(&accounts[0], 1 << 30);
        assert_eq!(gone(1 << 20, &accounts), Vec::<usize>::new());
        let _small = Share::of(&accounts[1], 10);
        assert_eq!(gone(1 << 20, &accounts), [0], "it was there first and has not moved");
    }

    #[test]
    fn a_large_answer_outlives_those_who_do_not_read() {
        let (_, accounts) = accounts(3);
        let _silent = [Share::of(&accounts[0], 1 << 19), Share::of(&accounts[1], 1 << 19)];
        let _large = Share::of(&accounts[2], 1 << 21);
        assert_eq!(gone(1 << 20, &accounts), [0, 1]);
    }
}
