//! What an engine's world is like, besides its seed.

use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// The settings that turmoil's world has too, and those that only this engine has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EngineSettings {
    /// What both engines have: epoch, latencies, window, segments, trace, disk.
    pub common: Settings,
    /// Latencies of a link in nanoseconds, least and most; none: those of [`Settings`], which are
    /// whole milliseconds.
    pub latency_ns: Option<(u64, u64)>,
    /// How long bytes are under way from a host to itself, in nanoseconds.
    pub loopback_ns: u64,
    /// Bytes per second that each direction of each link carries; 0 is without limit.
    pub bandwidth_bytes_per_s: u64,
    /// How many connections may wait at a port to be accepted: the rest is not answered.
    pub backlog_max: usize,
    /// How long a connection may wait for an acknowledgement, in milliseconds. Linux gives up after
    /// about 15 minutes (`tcp_retries2`).
    pub give_up_ms: u64,
    /// One in so many reads and writes of a stream is made to wait or is cut short; 0 is none.
    pub spurious_one_in: u64,
    /// So many polls at one instant are a livelock, which fails the run.
    pub polls_per_instant_max: u64,
}

impl Default for EngineSettings {
    fn default() -> EngineSettings {
        EngineSettings {
            common: Settings::default(),
            latency_ns: None,
            loopback_ns: 20_000,
            bandwidth_bytes_per_s: 0,
            backlog_max: 1_024,
            give_up_ms: 100_000,
            spurious_one_in: 0,
            polls_per_instant_max: 1_000_000,
        }
    }
}

impl From<Settings> for EngineSettings {
    fn from(common: Settings) -> EngineSettings {
        EngineSettings { common, ..EngineSettings::default() }
    }
}

impl EngineSettings {
    /// The least and the most time that bytes are under way on a link without faults, nanoseconds.
    pub fn latency_range_ns(&self) -> (u64, u64) {
        let of_milliseconds =
            (self.common.latency_min_ms * 1_000_000, self.common.latency_max_ms * 1_000_000);
        self.latency_ns.unwrap_or(of_milliseconds)
    }
}
