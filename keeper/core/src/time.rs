//! Time as it reaches a machine: an argument, never a reading.

/// One instant on both of a host's clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Monotonic, for every time-out. Milliseconds from an arbitrary origin.
    pub mono_ms: u64,
    /// Wall clock, for what is recorded (`ctime`, `mtime`). Milliseconds since the Unix epoch.
    pub wall_ms: i64,
}
