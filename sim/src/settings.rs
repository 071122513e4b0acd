//! What every world is like, besides its seed.

use serde::{Deserialize, Serialize};

use crate::disk::DiskSettings;

/// What a world is like, besides its seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The wall clocks' time at the start, in milliseconds since the Unix epoch.
    pub epoch_ms: u64,
    /// The shortest time that bytes are under way between two hosts, in milliseconds, at least 1.
    pub latency_min_ms: u64,
    /// The longest such time on a link that is not slow.
    pub latency_max_ms: u64,
    /// Whether hosts take their turns within a step in random order.
    pub random_order: bool,
    /// How many bytes may be under way or unread in one direction of a connection.
    pub window_bytes: u64,
    /// The most bytes that one write takes.
    pub segment_bytes: u64,
    /// How many of the last events of the trace are kept.
    pub trace_ring: usize,
    /// After this moment no event is kept any more, in nanoseconds since the start of the run.
    pub trace_until_ns: u64,
    /// Whether all events of the trace are kept.
    pub keep_trace: bool,
    /// Whether what hosts write to each other is overheard.
    pub tap: bool,
    /// How long disk operations take.
    pub disk: DiskSettings,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            epoch_ms: 1_700_000_000_000,
            latency_min_ms: 1,
            latency_max_ms: 2,
            random_order: true,
            window_bytes: 256 * 1024,
            segment_bytes: 64 * 1024,
            trace_ring: 256,
            trace_until_ns: u64::MAX,
            keep_trace: false,
            tap: false,
            disk: DiskSettings::default(),
        }
    }
}
