//! Sessions that are closed, abandoned and expire, and their ephemeral znodes, for whose names
//! clients compete.

use crate::action::Action;

use super::create;
use crate::generate::{Asks, Workload, shared};

/// Where the ephemerals are.
const PARENT: &str = "/live";

/// See the module.
pub(crate) struct Session;

impl Workload for Session {
    type Operation = Action;

    fn setup(&self, _seed: u64) -> Vec<Action> {
        vec![create(PARENT, "")]
    }

    fn draw(&self, asks: &mut Asks) -> Action {
        match asks.weighted(&[28, 12, 8, 8, 20, 10, 8, 3]) {
            0 => ephemeral(asks),
            1 => Action::Delete { path: member(asks) },
            2 => Action::Exists { path: member(asks), watch: false },
            3 => Action::Get { path: member(asks), watch: false },
            4 => Action::Children { path: PARENT.to_owned(), watch: false },
            5 => Action::SyncGet { path: member(asks) },
            6 => Action::SyncGet { path: PARENT.to_owned() },
            _ => depart(asks).unwrap_or_else(|| ephemeral(asks)),
        }
    }
}

fn member(asks: &mut Asks) -> String {
    let count = shared(asks.seed, "member count", 2, 6);
    format!("{PARENT}/m{}", asks.draws.range(1, count))
}

fn ephemeral(asks: &mut Asks) -> Action {
    let (path, data) = (member(asks), asks.value());
    Action::Create { path, data, ephemeral: true, sequential: false }
}

/// The session ends, or its client falls silent, for so long that it may or may not expire.
pub(super) fn depart(asks: &mut Asks) -> Option<Action> {
    asks.departures_left = asks.departures_left.checked_sub(1)?;
    Some(match asks.draws.chance(0.5) {
        true => Action::NewSession,
        false => Action::Abandon { silent_ms: asks.draws.log_uniform(200, 4_000) },
    })
}
