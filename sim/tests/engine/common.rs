//! Tiny programs, on the engine.

use sim::engine::EngineWorld;

pub(crate) use crate::programs::{Log, PORT, echo_server, errno, read_to_its_end};

/// An empty world.
pub(crate) fn world(seed: u64) -> EngineWorld {
    crate::programs::world(seed)
}

/// A world with an echo server and a pinger.
pub(crate) fn echo_world(seed: u64) -> (EngineWorld, Log) {
    crate::programs::echo_world(seed)
}
