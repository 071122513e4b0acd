//! Faults of the kinds that a system declares: what its programs are told.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::HostId;

/// Which faults of a system's own kinds are in force, on every host. The world is single-threaded; the
/// lock is for the compiler.
#[derive(Clone, Debug, Default)]
pub struct OwnFaults(Arc<Mutex<BTreeMap<HostId, OfHost>>>);

#[derive(Debug, Default)]
struct OfHost {
    /// By the fault's place in the plan.
    in_force: BTreeMap<usize, (String, u64)>,
    /// Grows with each change.
    version: u64,
    waiting: Vec<Waker>,
}

impl OwnFaults {
    /// Those of one host.
    pub fn of(&self, host: HostId) -> HostOwnFaults {
        HostOwnFaults { all: self.clone(), host, seen: 0 }
    }

    pub(super) fn begin(&self, index: usize, host: HostId, name: &str, amount: u64) {
        self.change(host, |in_force| drop(in_force.insert(index, (name.to_owned(), amount))));
    }

    pub(super) fn end(&self, index: usize, host: HostId) {
        self.change(host, |in_force| drop(in_force.remove(&index)));
    }

    fn change(&self, host: HostId, change: impl FnOnce(&mut BTreeMap<usize, (String, u64)>)) {
        let waiting = {
            let mut all = self.locked();
            let of = all.entry(host).or_default();
            change(&mut of.in_force);
            of.version += 1;
            std::mem::take(&mut of.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<HostId, OfHost>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which faults of a system's own kinds are in force on one host, as its programs see it. They outlast a
/// program that is killed: the next one finds them in force.
#[derive(Clone, Debug)]
pub struct HostOwnFaults {
    all: OwnFaults,
    host: HostId,
    seen: u64,
}

impl HostOwnFaults {
    /// How much of that kind is in force now, the most if it is several times; none if it is not.
    pub fn amount(&self, name: &str) -> Option<u64> {
        let all = self.all.locked();
        let of_kind = all.get(&self.host)?.in_force.values().filter(|(other, _)| other == name);
        of_kind.map(|(_, amount)| *amount).max()
    }

    /// Waits until one has begun or ended that this handle has not yet told of; at once if some are in
    /// force already.
    pub async fn changed(&mut self) {
        poll_fn(|cx| {
            let mut all = self.all.locked();
            let of = all.entry(self.host).or_default();
            if of.version == self.seen {
                of.waiting.push(cx.waker().clone());
                return Poll::Pending;
            }
            self.seen = of.version;
            Poll::Ready(())
        })
        .await;
    }
}
