//! What the clients of each scenario ask for.
//!
//! There are few znodes, so that clients meet, and every value is written once, so that a read
//! tells which write it saw.

pub(crate) mod lock;
pub(crate) mod mixed;
pub(crate) mod multi;
pub(crate) mod register;
pub(crate) mod session;
pub(crate) mod watch;

use crate::action::Action;

use crate::generate::{Asks, shared};

/// A persistent znode.
fn create(path: &str, data: &str) -> Action {
    let (path, data) = (path.to_owned(), data.to_owned());
    Action::Create { path, data, ephemeral: false, sequential: false }
}

/// How many registers a seed has.
fn register_count(seed: u64) -> u64 {
    shared(seed, "register count", 1, 5)
}

/// The path of one of the seed's registers.
fn any_register(asks: &mut Asks) -> String {
    let count = register_count(asks.seed);
    format!("/r{}", asks.draws.range(1, count))
}

/// The seed's registers, all of them.
fn registers(seed: u64) -> Vec<Action> {
    (1..=register_count(seed)).map(|n| create(&format!("/r{n}"), "first")).collect()
}
