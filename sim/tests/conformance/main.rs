//! What holds in every world, through tiny programs: each test is written once, and runs on the
//! engine and, with feature `turmoil`, on turmoil.
//!
//! Where worlds may differ, the test says why and asks [`sim::World::has`] or [`sim::World::KIND`].
#![allow(clippy::unwrap_used, reason = "these are tests")]

/// Makes a test of each function for each world that is built in.
macro_rules! in_every_world {
    ($($name:ident),+ $(,)?) => {
        mod on_engine {
            $(#[test]
            fn $name() {
                super::$name::<sim::engine::EngineWorld>();
            })+
        }

        #[cfg(feature = "turmoil")]
        mod on_turmoil {
            $(#[test]
            fn $name() {
                super::$name::<sim::turmoil::TurmoilWorld>();
            })+
        }
    };
}

mod clocks;
mod determinism;
mod faults;
mod hosts;
mod network;
#[path = "../programs/mod.rs"]
mod programs;
mod schedule;
mod trouble;
