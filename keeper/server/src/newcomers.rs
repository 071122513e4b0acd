//! Connections that have said nothing yet: anybody can make them, so they are few and not for long.

use std::collections::VecDeque;

/// So many there are at most on a port. A server says who it is as soon as it is connected, so that one that
/// comes while strangers hold all places has spoken before it is the oldest.
pub(crate) const NEWCOMERS_MAX: usize = 64;

/// They, the oldest first, each with when it came in monotonic milliseconds.
#[derive(Debug)]
pub(crate) struct Newcomers<K> {
    silent: VecDeque<(K, u64)>,
}

impl<K: Copy + PartialEq> Newcomers<K> {
    pub(crate) fn new() -> Newcomers<K> {
        Newcomers { silent: VecDeque::new() }
    }

    /// One more; the oldest must go if there are too many.
    pub(crate) fn add(&mut self, key: K, now_ms: u64) -> Option<K> {
        self.silent.push_back((key, now_ms));
        if self.silent.len() <= NEWCOMERS_MAX {
            return None;
        }
        self.silent.pop_front().map(|(oldest, _)| oldest)
    }

    /// It has spoken, or is gone.
    pub(crate) fn remove(&mut self, key: K) {
        self.silent.retain(|(other, _)| *other != key);
    }

    /// One that has been silent for longer than that.
    pub(crate) fn overdue(&mut self, now_ms: u64, limit_ms: u64) -> Option<K> {
        let (_, since_ms) = self.silent.front()?;
        let is_over = now_ms > since_ms.saturating_add(limit_ms);
        is_over.then(|| self.silent.pop_front().expect("it was looked at").0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_for_one_too_many_and_who_spoke_stays() {
        let mut newcomers = Newcomers::new();
        let all = NEWCOMERS_MAX as u64;
        for key in 0..all {
            assert_eq!(newcomers.add(key, key), None);
        }
        newcomers.remove(0);
        assert_eq!(newcomers.add(all, all), None);
        assert_eq!(newcomers.add(all + 1, all), Some(1));
    }

    #[test]
    fn who_is_silent_for_too_long_goes() {
        let mut newcomers = Newcomers::new();
        newcomers.add('a', 1_000);
        newcomers.add('b', 1_500);
        assert_eq!(newcomers.overdue(2_000, 1_000), None);
        assert_eq!(newcomers.overdue(2_001, 1_000), Some('a'));
        assert_eq!(newcomers.overdue(2_001, 1_000), None);
        newcomers.remove('b');
        assert_eq!(newcomers.overdue(u64::MAX, 0), None);
    }
}
