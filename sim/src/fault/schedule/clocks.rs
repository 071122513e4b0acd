//! Faults of clocks.

use crate::HostId;
use crate::World;
use crate::clock::Clock;
use crate::fault::Fault;

/// How a clock is off.
#[derive(Debug)]
pub(super) enum Undo {
    /// A wall clock, by so many milliseconds.
    Offset(i64),
    Drift {
        clock: Clock,
        ppm: i64,
        since_ns: u64,
    },
    /// A wall clock that jumps: by how much it is off, and when it jumps again.
    Jumping {
        off_ms: i64,
        next_ms: u64,
    },
}

/// Begins a fault of a clock.
pub(super) fn begin<S: World>(fault: &Fault, host: HostId, world: &mut S) -> Undo {
    match fault {
        Fault::ClockOffset { offset_ms, .. } => {
            world.shift_clock(host, *offset_ms);
            Undo::Offset(*offset_ms)
        }
        Fault::ClockDrift { ppm, of, .. } => {
            world.drift_clock(host, *of, *ppm);
            Undo::Drift { clock: *of, ppm: *ppm, since_ns: world.elapsed_ns() }
        }
        _ => jump(fault, host, 0, world),
    }
}

/// The next jump of a wall clock that is off by `off_ms`: away from the right time or back to it.
pub(super) fn jump<S: World>(fault: &Fault, host: HostId, off_ms: i64, world: &mut S) -> Undo {
    let Fault::ClockJump { by_ms, every_ms, .. } = fault else {
        unreachable!("only a fault that jumps jumps again");
    };
    let off_after_ms = if off_ms == 0 { *by_ms } else { 0 };
    world.shift_clock(host, off_after_ms.saturating_sub(off_ms));
    // Two jumps in one moment would never let time pass.
    let next_ms =
        every_ms.map_or(u64::MAX, |every_ms| world.elapsed_ms().saturating_add(every_ms.max(1)));
    Undo::Jumping { off_ms: off_after_ms, next_ms }
}

impl Undo {
    /// Ends the fault.
    pub(super) fn end<S: World>(self, host: HostId, world: &mut S) {
        match self {
            Undo::Offset(off_ms) | Undo::Jumping { off_ms, .. } => {
                world.shift_clock(host, off_ms.saturating_neg());
            }
            Undo::Drift { clock, ppm, since_ns } => {
                world.end_clock_drift(host, clock, ppm, since_ns);
            }
        }
    }
}
