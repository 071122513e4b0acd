//! What a record says of clocks: how far wall clocks were off, and which monotonic clocks ran at a
//! wrong rate.

use sim::World;
use sim::clock::WallOffset;
use sim::fault::{Applied, Fault};

use crate::record::{ClockPoint, MonotonicDrift};

/// Notes that a fault struck or ended, if it concerns a monotonic clock.
pub(super) fn note(
    drifts: &mut Vec<MonotonicDrift>,
    fault: &Fault,
    applied: &Applied,
    names: &[String],
) {
    let Fault::ClockDrift { ppm, of, .. } = fault else { return };
    if !of.is_monotonic() {
        return;
    }
    let at_ns = applied.at_ns;
    let planned = applied.index;
    if applied.began {
        drifts.extend(names.iter().map(|host| MonotonicDrift {
            planned,
            host: host.clone(),
            ppm: *ppm,
            from_ns: at_ns,
            to_ns: None,
        }));
        return;
    }
    let ended = drifts.iter_mut().filter(|drift| drift.planned == planned);
    ended.for_each(|drift| drift.to_ns = Some(at_ns));
}

/// How far wall clocks were off during a run.
pub(super) fn points(world: &impl World) -> Vec<ClockPoint> {
    let point = |offset: WallOffset| ClockPoint {
        host: world.name(offset.host),
        at_ns: offset.at_ns,
        offset_us: offset.offset_us,
    };
    world.wall_offsets().into_iter().map(point).collect()
}
