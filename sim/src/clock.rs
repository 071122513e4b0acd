//! A host's clocks: the wall clock may be set wrong, jump and drift, the monotonic clock may only
//! run at a wrong rate; it never goes back (clock_gettime(2): CLOCK_REALTIME is settable,
//! CLOCK_MONOTONIC is not affected by jumps). Both follow the world's time while nothing is wrong.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::HostId;

/// Parts in a million.
const MILLION: i128 = 1_000_000;
/// The slowest rate of a monotonic clock, in millionths of the true one: however many drifts add
/// up, it goes on, so that every alarm comes in the end.
const RATE_MIN: i128 = 1_000;

/// Which of a host's clocks a drift concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// Both, as when the machine's oscillator is off.
    #[default]
    Both,
    /// The time of day alone, as when a time service slews it wrongly.
    Wall,
    /// The clock of alarms and time-outs alone.
    Monotonic,
}

impl Clock {
    /// Whether the wall clock is concerned.
    pub fn is_wall(self) -> bool {
        self != Clock::Monotonic
    }

    /// Whether the monotonic clock is concerned.
    pub fn is_monotonic(self) -> bool {
        self != Clock::Wall
    }
}

/// How far a clock is ahead of the world because of its rate, exactly.
#[derive(Clone, Copy, Debug, Default)]
struct Drift {
    /// In millionths of a nanosecond, at `since_ns`.
    lead: i128,
    since_ns: u64,
    ppm: i128,
}

impl Drift {
    fn lead(&self, world_ns: u64) -> i128 {
        self.lead + i128::from(world_ns.saturating_sub(self.since_ns)) * self.ppm
    }

    /// Whether the clock is right and stays so, which spares wide arithmetic.
    fn is_none(&self) -> bool {
        self.ppm == 0 && self.lead == 0
    }

    fn set(&mut self, world_ns: u64, ppm: i128) {
        *self = Drift { lead: self.lead(world_ns), since_ns: world_ns, ppm };
    }
}

/// The clocks of one host.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    epoch_ns: u64,
    offset_ms: i64,
    wall: Drift,
    monotonic: Drift,
    /// What drifts of the monotonic clock add up to, before [`RATE_MIN`] bounds them.
    monotonic_ppm: i128,
}

impl Clocks {
    /// Right clocks in a world that begins at `epoch_ms` milliseconds since the Unix epoch.
    pub fn new(epoch_ms: u64) -> Clocks {
        Clocks {
            epoch_ns: epoch_ms.saturating_mul(1_000_000),
            offset_ms: 0,
            wall: Drift::default(),
            monotonic: Drift::default(),
            monotonic_ppm: 0,
        }
    }

    /// Moves the wall clock by `offset_ms` against where it stands now.
    pub fn shift_ms(&mut self, offset_ms: i64) {
        self.offset_ms = self.offset_ms.saturating_add(offset_ms);
    }

    /// From `world_ns` on, `clock` runs faster by `ppm` millionths of the true rate, slower if it is
    /// negative. Drifts add up.
    pub fn drift(&mut self, world_ns: u64, clock: Clock, ppm: i64) {
        if clock.is_wall() {
            self.wall.set(world_ns, self.wall.ppm + i128::from(ppm));
        }
        if clock.is_monotonic() {
            self.monotonic_ppm += i128::from(ppm);
            self.monotonic.set(world_ns, self.monotonic_ppm.max(RATE_MIN - MILLION));
        }
    }

    /// Takes back a drift that began at `since_ns`. The wall clock is set right, as far as this
    /// drift made it wrong; the monotonic clock keeps what it has gained or lost.
    pub fn end_drift(&mut self, world_ns: u64, clock: Clock, ppm: i64, since_ns: u64) {
        self.drift(world_ns, clock, ppm.saturating_neg());
        if clock.is_wall() {
            self.wall.lead -= i128::from(world_ns.saturating_sub(since_ns)) * i128::from(ppm);
        }
    }

    /// How far the wall clock is ahead of the world, in microseconds.
    pub fn wall_offset_us(&self, world_ns: u64) -> i64 {
        let drifted_us = self.wall.lead(world_ns).div_euclid(MILLION * 1_000);
        let offset_us = i128::from(self.offset_ms) * 1_000 + drifted_us;
        offset_us.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// Nanoseconds since the Unix epoch as the wall clock shows them; it stops at the epoch.
    pub fn wall_ns(&self, world_ns: u64) -> u64 {
        let drifted_ns = self.wall.lead(world_ns).div_euclid(MILLION);
        let right_ns = i128::from(self.epoch_ns) + i128::from(world_ns);
        let shown_ns = right_ns + i128::from(self.offset_ms) * 1_000_000 + drifted_ns;
        shown_ns.clamp(0, u64::MAX.into()) as u64
    }

    /// The monotonic clock, in nanoseconds; it begins with the world.
    pub fn monotonic_ns(&self, world_ns: u64) -> u64 {
        if self.monotonic.is_none() {
            return world_ns;
        }
        let shown = i128::from(world_ns) * MILLION + self.monotonic.lead(world_ns);
        shown.div_euclid(MILLION).clamp(0, u64::MAX.into()) as u64
    }

    /// When the monotonic clock will show `at_ns` if its rate stays as it is, in world time; a
    /// moment in the past if it has shown it already.
    pub fn world_ns_at(&self, at_ns: u64) -> u64 {
        if self.monotonic.is_none() {
            return at_ns;
        }
        let Drift { lead, since_ns, ppm } = self.monotonic;
        let target = i128::from(at_ns) * MILLION - lead + i128::from(since_ns) * ppm;
        let rate = MILLION + ppm;
        (target + rate - 1).div_euclid(rate).clamp(0, u64::MAX.into()) as u64
    }
}

/// How far a host's wall clock was ahead of the world. Between two points of one host the error
/// changes evenly; before its first point there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallOffset {
    /// The host whose wall clock it is.
    pub host: HostId,
    /// When, in nanoseconds since the start of the run.
    pub at_ns: u64,
    /// By how much, in microseconds; negative is behind.
    pub offset_us: i64,
}

/// How far wall clocks were off whenever one was changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct WallHistory(Vec<WallOffset>);

impl WallHistory {
    /// Changes the clocks of a host, and keeps how far its wall clock is off before and after.
    pub(crate) fn change(
        &mut self,
        host: HostId,
        clocks: &mut Clocks,
        now_ns: u64,
        change: impl FnOnce(&mut Clocks, u64),
    ) {
        let before = clocks.wall_offset_us(now_ns);
        change(clocks, now_ns);
        let after = clocks.wall_offset_us(now_ns);
        let point = |offset_us| WallOffset { host, at_ns: now_ns, offset_us };
        self.0.extend([before, after].map(point));
    }

    /// How far wall clocks were off: before and after each change of one, in order of time, and now
    /// for those that ever changed, in order of hosts.
    pub(crate) fn until<'a>(
        &self,
        now_ns: u64,
        clocks: impl Fn(HostId) -> &'a Clocks,
    ) -> Vec<WallOffset> {
        let changed: BTreeSet<HostId> = self.0.iter().map(|point| point.host).collect();
        let now = changed.into_iter().map(|host| WallOffset {
            host,
            at_ns: now_ns,
            offset_us: clocks(host).wall_offset_us(now_ns),
        });
        self.0.iter().copied().chain(now).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn shifts_add_up_and_undo_each_other() {
        let mut clock = Clocks::new(1_000);
        assert_eq!(clock.wall_ns(5), 1_000_000_005);
        clock.shift_ms(250);
        clock.shift_ms(-300);
        assert_eq!((clock.wall_ns(5), clock.wall_offset_us(5)), (950_000_005, -50_000));
        clock.shift_ms(50);
        assert_eq!(clock.wall_ns(5), 1_000_000_005);
        clock.shift_ms(i64::MIN);
        assert_eq!(clock.wall_ns(5), 0);
        assert_eq!(clock.monotonic_ns(5), 5, "nobody sets the monotonic clock");
    }

    #[test]
    fn a_drift_moves_both_clocks_and_its_end_sets_the_wall_clock_right_alone() {
        let mut clock = Clocks::new(0);
        clock.drift(SECOND, Clock::Both, 100_000);
        assert_eq!(clock.wall_ns(2 * SECOND), 2_100_000_000);
        assert_eq!(clock.monotonic_ns(2 * SECOND), 2_100_000_000);
        clock.end_drift(3 * SECOND, Clock::Both, 100_000, SECOND);
        assert_eq!(clock.wall_ns(4 * SECOND), 4 * SECOND);
        assert_eq!(clock.monotonic_ns(4 * SECOND), 4_200_000_000);
    }

    #[test]
    fn drifts_of_one_clock_leave_the_other_alone() {
        let mut clock = Clocks::new(0);
        clock.drift(0, Clock::Wall, -500_000);
        assert_eq!((clock.wall_ns(SECOND), clock.monotonic_ns(SECOND)), (SECOND / 2, SECOND));
        clock.drift(0, Clock::Monotonic, 500_000);
        assert_eq!(clock.monotonic_ns(SECOND), 1_500_000_000);
        assert_eq!(clock.wall_offset_us(SECOND), -500_000);
    }

    #[test]
    fn overlapping_drifts_leave_nothing_behind_on_the_wall() {
        let mut clock = Clocks::new(7);
        clock.drift(10, Clock::Both, 333_333);
        clock.drift(SECOND + 1, Clock::Wall, -77_777);
        clock.end_drift(2 * SECOND + 3, Clock::Both, 333_333, 10);
        clock.end_drift(3 * SECOND + 7, Clock::Wall, -77_777, SECOND + 1);
        assert_eq!(clock.wall_ns(5 * SECOND), 7_000_000 + 5 * SECOND);
    }

    #[test]
    fn the_monotonic_clock_never_goes_back_and_its_alarms_are_found() {
        let mut clock = Clocks::new(0);
        let mut shown_ns = 0;
        for (turn, ppm) in [-900_000, -900_000, 2_000_000, 7, -13, -450_000].into_iter().enumerate()
        {
            clock.drift(turn as u64 * 1_003, Clock::Monotonic, ppm);
            for world_ns in turn as u64 * 1_003..(turn as u64 + 1) * 1_003 {
                let now_ns = clock.monotonic_ns(world_ns);
                assert!(now_ns >= shown_ns);
                shown_ns = now_ns;
                let at_ns = now_ns + 17;
                let when_ns = clock.world_ns_at(at_ns);
                assert!(clock.monotonic_ns(when_ns) >= at_ns);
                assert!(clock.monotonic_ns(when_ns - 1) < at_ns);
            }
        }
    }
}
