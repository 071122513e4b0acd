//! The real time: for names of folders, for progress and for the seed of the moment. No run sees it.
#![allow(clippy::disallowed_methods, reason = "the program's shell may look at the clock")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// The time of day, in seconds since 1970.
pub fn unix_seconds() -> u64 {
    since_1970().as_secs()
}

/// A seed that is another one each time.
pub fn seed_of_the_moment() -> u64 {
    // Short enough to be typed: the low digits change fastest.
    since_1970().as_micros() as u64 % 10_000_000_000
}

fn since_1970() -> Duration {
    // A clock before 1970 is as good as one that stands still.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// How long something takes.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// A stopwatch that starts now.
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// How long it has run.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// The same, in milliseconds.
    pub fn elapsed_ms(&self) -> u64 {
        self.elapsed().as_millis() as u64
    }
}

/// How much CPU time this program takes, on all cores together: other programs that want the same cores
/// do not count.
#[derive(Clone, Copy, Debug)]
pub struct CpuStopwatch(Duration);

impl CpuStopwatch {
    /// A stopwatch that starts now.
    pub fn start() -> CpuStopwatch {
        CpuStopwatch(cpu_time())
    }

    /// How much it was since.
    pub fn elapsed(&self) -> Duration {
        cpu_time().saturating_sub(self.0)
    }
}

fn cpu_time() -> Duration {
    // The clock of a process never goes back and never was before its start.
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}
