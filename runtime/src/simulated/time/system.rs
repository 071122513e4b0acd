//! The time of day.

use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::{self, Duration, SystemTimeError};

use platform::Platform;

use crate::simulated::here;

/// The beginning of Unix time.
pub const UNIX_EPOCH: SystemTime = SystemTime::UNIX_EPOCH;

/// A time of day, as the standard library's of that name; it turns into that and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SystemTime(time::SystemTime);

/// The time of day as the standard library names it: of the host's clock in a world, which may jump
/// and be wrong.
#[expect(clippy::disallowed_methods, reason = "outside of a world this is the clock")]
pub fn system_now() -> time::SystemTime {
    match here() {
        Some(here) => time::UNIX_EPOCH + Duration::from_nanos(here.wall_ns()),
        None => time::SystemTime::now(),
    }
}

impl SystemTime {
    /// The beginning of Unix time.
    pub const UNIX_EPOCH: SystemTime = SystemTime(time::UNIX_EPOCH);

    /// The present time, as [`system_now`].
    pub fn now() -> SystemTime {
        SystemTime(system_now())
    }

    /// The time since `earlier`.
    ///
    /// # Errors
    /// That is later; the error tells by how much.
    pub fn duration_since(&self, earlier: SystemTime) -> Result<Duration, SystemTimeError> {
        self.0.duration_since(earlier.0)
    }

    /// The time since then.
    ///
    /// # Errors
    /// It is still to come.
    pub fn elapsed(&self) -> Result<Duration, SystemTimeError> {
        SystemTime::now().duration_since(*self)
    }

    /// That much later, if it can be told.
    pub fn checked_add(&self, duration: Duration) -> Option<SystemTime> {
        self.0.checked_add(duration).map(SystemTime)
    }

    /// That much earlier, if it can be told.
    pub fn checked_sub(&self, duration: Duration) -> Option<SystemTime> {
        self.0.checked_sub(duration).map(SystemTime)
    }
}

impl From<time::SystemTime> for SystemTime {
    fn from(std: time::SystemTime) -> SystemTime {
        SystemTime(std)
    }
}

impl From<SystemTime> for time::SystemTime {
    fn from(system: SystemTime) -> time::SystemTime {
        system.0
    }
}

impl Add<Duration> for SystemTime {
    type Output = SystemTime;

    fn add(self, duration: Duration) -> SystemTime {
        SystemTime(self.0 + duration)
    }
}

impl AddAssign<Duration> for SystemTime {
    fn add_assign(&mut self, duration: Duration) {
        self.0 += duration;
    }
}

impl Sub<Duration> for SystemTime {
    type Output = SystemTime;

    fn sub(self, duration: Duration) -> SystemTime {
        SystemTime(self.0 - duration)
    }
}

impl SubAssign<Duration> for SystemTime {
    fn sub_assign(&mut self, duration: Duration) {
        self.0 -= duration;
    }
}
