//! Planted bugs that stand around a server, where the server's own rules keep them out: what the real
//! clock and real threads do to a run that reads them, and a panic.

use std::sync::atomic::{AtomicBool, Ordering};

use keeper_core::instruments::Plant;

use super::recording::Recording;
use crate::simulation::SimHandle;

/// A server starts later by so much less than this, in milliseconds.
const DELAY_MS: u64 = 50;

/// Delays a server by what no run should depend on, if the plan says so.
pub(crate) async fn before_start(
    platform: &impl SimHandle,
    recording: &Recording,
    server: u32,
    plant: Option<Plant>,
) {
    let (site, chance) = match plant {
        Some(Plant::WallClock) => ("WallClock at sim/src/cluster/plants.rs", real_ticks()),
        Some(Plant::Thread) => ("Thread at sim/src/cluster/plants.rs", race()),
        _ => return,
    };
    recording.reach_plant(platform, server, site);
    platform.sleep_ms(chance % DELAY_MS).await;
}

#[allow(clippy::disallowed_methods, reason = "the bug that is planted is to read the real clock")]
fn real_ticks() -> u64 {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // The lowest digits of some clocks are always 0.
    since_1970.map_or(0, |time| time.as_nanos() as u64 / 100)
}

/// How often this thread comes round until another one has run.
fn race() -> u64 {
    let has_run = AtomicBool::new(false);
    let mut rounds = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| has_run.store(true, Ordering::Release));
        while !has_run.load(Ordering::Acquire) {
            rounds += 1;
            std::hint::spin_loop();
        }
    });
    rounds
}
