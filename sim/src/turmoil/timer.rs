//! Alarms of a simulated host: they follow its monotonic clock, whatever its rate becomes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use platform::{Mono, Timer};
use tokio::time::{Instant, Sleep};

use super::shared::Shared;
use crate::host::HostId;
use crate::trace::Kind;

/// No alarm is armed further ahead than this: the timer wheel has a horizon. It is armed anew.
const FURTHEST_ALARM: Duration = Duration::from_secs(365 * 24 * 3600);

/// An alarm of a host, in whole milliseconds of world time, rounded up.
pub struct TurmoilTimer {
    shared: Arc<Shared>,
    host: HostId,
    /// Its number among the host's alarms.
    number: u64,
    armed: Option<Mono>,
    sleep: Option<Pin<Box<Sleep>>>,
    changes: Arc<AtomicU32>,
    /// How many changes of the clock's rate there had been when it was armed.
    armed_after: u32,
    /// Who is to be woken by a change of the rate; the host's table has the same.
    waiting: Option<Waker>,
}

impl TurmoilTimer {
    pub(super) fn new(shared: Arc<Shared>, host: HostId) -> TurmoilTimer {
        let (number, changes) = shared.with(|state| {
            let host_state = state.host_mut(host);
            host_state.last_alarm += 1;
            (host_state.last_alarm, Arc::clone(&host_state.clock_changes))
        });
        let (armed, sleep, waiting) = (None, None, None);
        TurmoilTimer { shared, host, number, armed, sleep, changes, armed_after: 0, waiting }
    }

    fn arm(&mut self, at: Mono) {
        self.armed_after = self.changes.load(Ordering::Relaxed);
        let due_ns = self.shared.with(|state| state.host(self.host).clock.world_ns_at(at.0));
        let ahead_ns = due_ns.saturating_sub(self.shared.now_ns());
        let deadline = Instant::now() + Duration::from_nanos(ahead_ns).min(FURTHEST_ALARM);
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(deadline),
            None => self.sleep = Some(Box::pin(tokio::time::sleep_until(deadline))),
        }
    }

    fn has_come(&self, at: Mono) -> bool {
        let world_ns = self.shared.now_ns();
        self.shared.with(|state| state.host(self.host).clock.monotonic_ns(world_ns)) >= at.0
    }

    /// Enters the task into the host's table, unless it is there.
    fn wait(&mut self, waker: &Waker) {
        if self.waiting.as_ref().is_some_and(|known| known.will_wake(waker)) {
            return;
        }
        self.waiting = Some(waker.clone());
        let entry = waker.clone();
        let previous =
            self.shared.with(|state| state.host_mut(self.host).alarms.insert(self.number, entry));
        // A waker may own a task, whose end may ask for the state.
        drop(previous);
    }
}

impl Timer for TurmoilTimer {
    fn set(&mut self, at: Option<Mono>) {
        if at == self.armed {
            return;
        }
        self.armed = at;
        if let Some(at) = at {
            self.arm(at);
        }
    }

    fn poll_fired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.armed else { return Poll::Pending };
        loop {
            if self.armed_after != self.changes.load(Ordering::Relaxed) {
                self.arm(at);
            }
            let sleep = self.sleep.as_mut().expect("an armed alarm has its entry");
            if sleep.as_mut().poll(cx).is_pending() {
                self.wait(cx.waker());
                return Poll::Pending;
            }
            if self.has_come(at) {
                self.armed = None;
                self.shared.with(|state| state.record(Some(self.host), Kind::TimerFired, b""));
                return Poll::Ready(());
            }
            self.arm(at);
        }
    }
}

impl Drop for TurmoilTimer {
    fn drop(&mut self) {
        if self.waiting.is_some() {
            let entry =
                self.shared.with(|state| state.host_mut(self.host).alarms.remove(&self.number));
            drop(entry);
        }
    }
}
