//! A host's clocks: the wall clock may be set wrong, the monotonic clock is the world's time.

/// A wall clock with an error.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    epoch_ns: u64,
    offset_ms: i64,
}

impl WallClock {
    /// A right clock in a world that begins at `epoch_ms` milliseconds since the Unix epoch.
    pub fn new(epoch_ms: u64) -> WallClock {
        WallClock { epoch_ns: epoch_ms.saturating_mul(1_000_000), offset_ms: 0 }
    }

    /// Moves the clock by `offset_ms` against where it stands now.
    pub fn shift_ms(&mut self, offset_ms: i64) {
        self.offset_ms = self.offset_ms.saturating_add(offset_ms);
    }

    /// How far the clock is ahead of the world, in milliseconds.
    pub fn offset_ms(&self) -> i64 {
        self.offset_ms
    }

    /// Nanoseconds since the Unix epoch as this clock shows them; it stops at the epoch.
    pub fn read_ns(&self, world_ns: u64) -> u64 {
        let offset_ns = self.offset_ms.saturating_mul(1_000_000);
        self.epoch_ns.saturating_add(world_ns).saturating_add_signed(offset_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_add_up_and_undo_each_other() {
        let mut clock = WallClock::new(1_000);
        assert_eq!(clock.read_ns(5), 1_000_000_005);
        clock.shift_ms(250);
        clock.shift_ms(-300);
        assert_eq!((clock.read_ns(5), clock.offset_ms()), (950_000_005, -50));
        clock.shift_ms(50);
        assert_eq!(clock.read_ns(5), 1_000_000_005);
        clock.shift_ms(i64::MIN);
        assert_eq!(clock.read_ns(5), 0);
    }
}
