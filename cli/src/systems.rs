//! The systems that this program knows: set once when it starts.

use std::sync::OnceLock;

use harness::Systems;

static SYSTEMS: OnceLock<Systems> = OnceLock::new();

/// Says which systems there are. Only the first call counts: a program has one list.
pub(crate) fn set(systems: Systems) {
    SYSTEMS.get_or_init(|| systems);
}

/// The systems.
pub(crate) fn systems() -> Systems {
    *SYSTEMS.get_or_init(of_tests)
}

#[cfg(not(test))]
fn of_tests() -> Systems {
    Systems(&[])
}

/// Unit tests have no program that says which systems there are.
#[cfg(test)]
fn of_tests() -> Systems {
    const ALL: Systems = Systems(&[&scenarios::KEEPER]);
    ALL
}
