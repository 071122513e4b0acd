//! The order of a hash map and the clock of foreign code, in two runs of a seed and one of another.
//!
//!     cargo run -p squall-intercept --example hash_order

#![expect(clippy::disallowed_methods, reason = "this is what foreign code does")]

use std::collections::HashMap;
use std::time::Instant;

use platform::Platform;
use sim::World as _;
use sim::engine::{EngineSettings, EngineWorld};

fn run(seed: u64) {
    squall_intercept::in_fresh_thread(seed, || {
        let mut world = EngineWorld::new(seed, EngineSettings::default());
        world.host("host", move |platform| async move {
            let start = Instant::now();
            platform.sleep_ms(60_000).await;
            let map: HashMap<u32, ()> = (0..10).map(|number| (number, ())).collect();
            let order: Vec<u32> = map.keys().copied().collect();
            println!("seed {seed}: {order:?} after {:?}", start.elapsed());
        });
        world.run_until_ms(100_000).expect("nothing panics");
    });
}

fn main() {
    [1, 1, 2].into_iter().for_each(run);
}
