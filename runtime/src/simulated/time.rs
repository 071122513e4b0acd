//! Alarms and clocks. In a world they are the host's: its monotonic clock may drift, its clock of the
//! time of day may be wrong.

mod instant;
mod interval;
mod sleep;
mod system;
mod timeout;

pub use std::time::Duration;

pub use instant::Instant;
pub use interval::{Interval, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use std::time::SystemTimeError;
pub use system::{SystemTime, UNIX_EPOCH, system_now};
pub use timeout::{Timeout, timeout, timeout_at};
pub use tokio::time::MissedTickBehavior;

/// What a passed time limit is called.
pub mod error {
    pub use super::timeout::Elapsed;
}
