//! Waiting for a moment.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use platform::{Platform, Timer};
use sim::engine::platform::EngineTimer;

use super::instant::{Instant, Moment, mono};
use crate::simulated::{here, mixed};

/// Ends when a moment has come: see [`sleep`] and [`sleep_until`].
pub struct Sleep {
    deadline: Instant,
    alarm: Alarm,
}

enum Alarm {
    Simulated { timer: EngineTimer, has_fired: bool },
    Real(Pin<Box<tokio::time::Sleep>>),
}

/// Ends after `duration`.
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(Instant::after(duration))
}

/// Ends at `deadline`, at once if it has passed.
///
/// # Panics
/// If the deadline is of another clock than the program's: of a simulated host outside of its world,
/// or of the real machine in a world.
pub fn sleep_until(deadline: Instant) -> Sleep {
    let alarm = match (here(), deadline.moment()) {
        (Some(here), Moment::Simulated(ns)) => {
            let mut timer = here.timer();
            timer.set(Some(mono(ns)));
            Alarm::Simulated { timer, has_fired: false }
        }
        (None, Moment::Real(real)) => Alarm::Real(Box::pin(tokio::time::sleep_until(real))),
        _ => mixed("clocks"),
    };
    Sleep { deadline, alarm }
}

impl Sleep {
    /// When it ends.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether it has ended.
    pub fn is_elapsed(&self) -> bool {
        match &self.alarm {
            Alarm::Simulated { has_fired, .. } => *has_fired,
            Alarm::Real(sleep) => sleep.is_elapsed(),
        }
    }

    /// Lets it end at another moment, even if it has ended.
    ///
    /// # Panics
    /// If the moment is of another clock.
    pub fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.deadline = deadline;
        match (&mut self.alarm, deadline.moment()) {
            (Alarm::Simulated { timer, has_fired }, Moment::Simulated(ns)) => {
                timer.set(Some(mono(ns)));
                *has_fired = false;
            }
            (Alarm::Real(sleep), Moment::Real(real)) => sleep.as_mut().reset(real),
            _ => mixed("clocks"),
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.alarm {
            Alarm::Simulated { has_fired: true, .. } => Poll::Ready(()),
            Alarm::Simulated { timer, has_fired } => {
                let polled = timer.poll_fired(cx);
                *has_fired = polled.is_ready();
                polled
            }
            Alarm::Real(sleep) => sleep.as_mut().poll(cx),
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
