//! Moments of a monotonic clock.

use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

use platform::{Mono, Platform};

use crate::simulated::{here, mixed};

/// Further ahead than this nobody waits.
const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// A moment of a host's monotonic clock, or of the real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Moment);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Moment {
    /// In nanoseconds; a program may reckon with moments before the world began.
    Simulated(i64),
    Real(tokio::time::Instant),
}

impl Instant {
    /// The present moment.
    pub fn now() -> Instant {
        Instant(match here() {
            Some(here) => Moment::Simulated(i64::try_from(here.now().0).unwrap_or(i64::MAX)),
            None => Moment::Real(tokio::time::Instant::now()),
        })
    }

    /// A moment of the real clock.
    pub fn from_std(std: std::time::Instant) -> Instant {
        Instant(Moment::Real(tokio::time::Instant::from_std(std)))
    }

    /// The same moment as the standard library names it.
    ///
    /// # Panics
    /// If it is a moment of a simulated host, which the standard library does not know.
    pub fn into_std(self) -> std::time::Instant {
        match self.0 {
            Moment::Real(real) => real.into_std(),
            Moment::Simulated(_) => {
                panic!("a simulated moment is no std::time::Instant: keep squall_runtime's Instant")
            }
        }
    }

    pub(super) fn moment(self) -> Moment {
        self.0
    }

    /// `duration` from now, or so far ahead that nobody waits for it.
    pub(super) fn after(duration: Duration) -> Instant {
        let now = Instant::now();
        now.checked_add(duration).unwrap_or_else(|| now + FOREVER)
    }

    /// The time since `earlier`; zero if that is later.
    pub fn duration_since(&self, earlier: Instant) -> Duration {
        self.saturating_duration_since(earlier)
    }

    /// The time since `earlier`; none if that is later.
    pub fn checked_duration_since(&self, earlier: Instant) -> Option<Duration> {
        match (self.0, earlier.0) {
            (Moment::Simulated(late), Moment::Simulated(early)) => {
                u64::try_from(i128::from(late) - i128::from(early)).ok().map(Duration::from_nanos)
            }
            (Moment::Real(late), Moment::Real(early)) => late.checked_duration_since(early),
            _ => mixed("moments"),
        }
    }

    /// The time since `earlier`; zero if that is later.
    pub fn saturating_duration_since(&self, earlier: Instant) -> Duration {
        self.checked_duration_since(earlier).unwrap_or_default()
    }

    /// The time since this moment; zero if it is still to come.
    pub fn elapsed(&self) -> Duration {
        Instant::now().saturating_duration_since(*self)
    }

    /// The moment that much later, if it can be told.
    pub fn checked_add(&self, duration: Duration) -> Option<Instant> {
        Some(Instant(match self.0 {
            Moment::Simulated(ns) => {
                Moment::Simulated(ns.checked_add(i64::try_from(duration.as_nanos()).ok()?)?)
            }
            Moment::Real(real) => Moment::Real(real.checked_add(duration)?),
        }))
    }

    /// The moment that much earlier, if it can be told.
    pub fn checked_sub(&self, duration: Duration) -> Option<Instant> {
        Some(Instant(match self.0 {
            Moment::Simulated(ns) => {
                Moment::Simulated(ns.checked_sub(i64::try_from(duration.as_nanos()).ok()?)?)
            }
            Moment::Real(real) => Moment::Real(real.checked_sub(duration)?),
        }))
    }
}

/// A simulated moment for the platform's alarms: one before the world began has passed.
pub(super) fn mono(ns: i64) -> Mono {
    Mono(u64::try_from(ns).unwrap_or(0))
}

impl From<std::time::Instant> for Instant {
    fn from(std: std::time::Instant) -> Instant {
        Instant::from_std(std)
    }
}

impl From<Instant> for std::time::Instant {
    fn from(instant: Instant) -> std::time::Instant {
        instant.into_std()
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        self.checked_add(duration).expect("the moment can be told")
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    fn sub(self, duration: Duration) -> Instant {
        self.checked_sub(duration).expect("the moment can be told")
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.saturating_duration_since(earlier)
    }
}
