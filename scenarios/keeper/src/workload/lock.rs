//! Locks and leader elections: clients hold one for a while, write what it protects, and now and
//! then end their session in the middle. Beside it they work on registers, so that a hold is not
//! all that a server does.

use crate::action::Action;

use super::{register, registers};
use crate::generate::{Asks, Workload, shared};

/// The shortest and the longest hold, in milliseconds.
const HOLD_MS: (u64, u64) = (5, 400);

/// Clients that lock.
pub(crate) struct Lock;

/// Clients that stand for elections.
pub(crate) struct Election;

impl Workload for Lock {
    type Operation = Action;

    fn setup(&self, seed: u64) -> Vec<Action> {
        registers(seed)
    }

    fn draw(&self, asks: &mut Asks) -> Action {
        draw(asks, "lock", |path, hold_ms| Action::Lock { path, hold_ms })
    }
}

impl Workload for Election {
    type Operation = Action;

    fn setup(&self, seed: u64) -> Vec<Action> {
        registers(seed)
    }

    fn draw(&self, asks: &mut Asks) -> Action {
        draw(asks, "leader", |path, hold_ms| Action::Lead { path, hold_ms })
    }
}

fn draw(asks: &mut Asks, name: &str, claim: fn(String, u64) -> Action) -> Action {
    let count = shared(asks.seed, "line count", 1, 3);
    let path = format!("/{name}{}", asks.draws.range(1, count));
    match asks.weighted(&[16, 10, 72, 2]) {
        0 => claim(path, asks.draws.log_uniform(HOLD_MS.0, HOLD_MS.1)),
        1 => Action::Children { path, watch: asks.draws.chance(0.3) },
        2 => register::Register.draw(asks),
        _ => leave(asks).unwrap_or_else(|| register::Register.draw(asks)),
    }
}

/// The session ends, and with it whatever it holds.
fn leave(asks: &mut Asks) -> Option<Action> {
    asks.departures_left = asks.departures_left.checked_sub(1)?;
    Some(Action::NewSession)
}
