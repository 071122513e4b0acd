//! Whims of the engine's streams belong to the seed, too.

use sim::Settings;
use sim::engine::{EngineSettings, EngineWorld};

use crate::programs::busy;

fn hash(seed: u64, one_in: u64) -> u64 {
    let settings = EngineSettings {
        common: Settings { keep_trace: true, ..Settings::default() },
        spurious_one_in: one_in,
        ..EngineSettings::default()
    };
    busy::run(EngineWorld::new(seed, settings), true, |_| {}).hash
}

#[test]
fn spurious_waits_and_short_reads_change_the_run_and_not_its_determinism() {
    for one_in in [2, 8, 64] {
        assert_eq!(hash(3, one_in), hash(3, one_in));
        assert_ne!(hash(3, one_in), hash(3, 0));
    }
}
