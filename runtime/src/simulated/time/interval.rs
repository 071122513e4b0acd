//! Ticks.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::instant::Instant;
use super::sleep::{Sleep, sleep_until};

/// A tick that comes no later than this after its time was not missed, as tokio has it.
const LATENESS: Duration = Duration::from_millis(5);

/// Ticks at a period: see [`interval`].
#[derive(Debug)]
pub struct Interval {
    delay: Sleep,
    period: Duration,
    behaviour: MissedTickBehavior,
}

/// Ticks now and then every `period`.
///
/// # Panics
/// If the period is zero.
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks at `start` and then every `period`.
///
/// # Panics
/// If the period is zero.
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "`period` must be non-zero.");
    Interval { delay: sleep_until(start), period, behaviour: MissedTickBehavior::default() }
}

impl Interval {
    /// Ends at the next tick, and says when that was due. Cancel safe.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// [`Interval::tick`] as a poll.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.delay).poll(cx));
        let (due, now) = (self.delay.deadline(), Instant::now());
        let next = match now > due + LATENESS {
            true => self.after_a_missed(due, now),
            false => due + self.period,
        };
        self.reset_at(next);
        Poll::Ready(due)
    }

    /// When the tick after a missed one comes.
    fn after_a_missed(&self, due: Instant, now: Instant) -> Instant {
        match self.behaviour {
            MissedTickBehavior::Burst => due + self.period,
            MissedTickBehavior::Delay => now + self.period,
            MissedTickBehavior::Skip => {
                let late_ns = (now - due).as_nanos() % self.period.as_nanos();
                let late_ns = u64::try_from(late_ns).expect("ticks come within centuries");
                now + self.period - Duration::from_nanos(late_ns)
            }
        }
    }

    /// The next tick comes one period from now.
    pub fn reset(&mut self) {
        self.reset_at(Instant::now() + self.period);
    }

    /// The next tick comes at once.
    pub fn reset_immediately(&mut self) {
        self.reset_at(Instant::now());
    }

    /// The next tick comes after `after`.
    pub fn reset_after(&mut self, after: Duration) {
        self.reset_at(Instant::now() + after);
    }

    /// The next tick comes at `deadline`.
    pub fn reset_at(&mut self, deadline: Instant) {
        Pin::new(&mut self.delay).reset(deadline);
    }

    /// What happens after ticks that were missed.
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.behaviour
    }

    /// Says what is to happen after ticks that were missed.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.behaviour = behavior;
    }

    /// The time between two ticks.
    pub fn period(&self) -> Duration {
        self.period
    }
}
