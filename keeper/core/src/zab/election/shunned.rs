//! Candidates that are voted for only where there is no other, for a time.

use std::collections::BTreeMap;

use crate::ids::ServerId;

/// Why a candidate is shunned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It did not lead as it should: it fell silent, or gave up itself.
    Failed,
    /// It could not be reached, and is not joined either.
    Unreached,
    /// It could not win, since so many stayed with another one.
    Hopeless,
}

/// Until when a candidate is shunned, by reason, in monotonic milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Until {
    failed_ms: u64,
    unreached_ms: u64,
    hopeless_ms: u64,
}

impl Until {
    fn last_ms(&self) -> u64 {
        self.failed_ms.max(self.unreached_ms).max(self.hopeless_ms)
    }
}

/// Who is shunned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shunned(BTreeMap<ServerId, Until>);

impl Shunned {
    pub(super) fn add(&mut self, candidate: ServerId, until_ms: u64, why: Why) {
        let until = self.0.entry(candidate).or_default();
        let by_reason = match why {
            Why::Failed => &mut until.failed_ms,
            Why::Unreached => &mut until.unreached_ms,
            Why::Hopeless => &mut until.hopeless_ms,
        };
        *by_reason = until_ms.max(*by_reason);
    }

    pub(super) fn forgive(&mut self, candidate: ServerId) {
        self.0.remove(&candidate);
    }

    /// Forgets those whose time is over.
    pub(super) fn expire(&mut self, now_ms: u64) {
        self.0.retain(|_, until| now_ms < until.last_ms());
    }

    /// When somebody's time is over next.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.0.values().map(Until::last_ms).min()
    }

    pub(super) fn contains(&self, now_ms: u64, candidate: ServerId) -> bool {
        self.0.get(&candidate).is_some_and(|until| now_ms < until.last_ms())
    }

    pub(super) fn is_unreached(&self, now_ms: u64, candidate: ServerId) -> bool {
        self.0.get(&candidate).is_some_and(|until| now_ms < until.unreached_ms)
    }

    /// Whether nothing speaks against it but that it could not win.
    pub(super) fn is_hopeless_only(&self, now_ms: u64, candidate: ServerId) -> bool {
        self.0.get(&candidate).is_some_and(|until| {
            now_ms < until.hopeless_ms && now_ms >= until.failed_ms.max(until.unreached_ms)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_time() {
        let mut shunned = Shunned::default();
        let one = ServerId(1);
        shunned.add(one, 300, Why::Hopeless);
        shunned.add(one, 100, Why::Unreached);
        shunned.add(one, 200, Why::Failed);
        shunned.add(one, 150, Why::Failed);
        let seen = |now_ms| {
            let is_unreached = shunned.is_unreached(now_ms, one);
            (shunned.contains(now_ms, one), is_unreached, shunned.is_hopeless_only(now_ms, one))
        };
        assert_eq!(seen(99), (true, true, false));
        assert_eq!(seen(199), (true, false, false));
        assert_eq!(seen(200), (true, false, true));
        assert_eq!(seen(300), (false, false, false));
        assert_eq!(shunned.next_ms(), Some(300));
        shunned.expire(299);
        assert_eq!(shunned.next_ms(), Some(300));
        shunned.expire(300);
        assert_eq!(shunned.next_ms(), None);
    }
}
