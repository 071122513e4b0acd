//! Watches: readers leave data, exists and child watches, writers set them off, and faults make the
//! sessions move from server to server in between.

use crate::action::Action;

use super::{any_register, create, registers};
use crate::generate::{Asks, Workload, shared};

/// Where znodes come and go.
const PARENT: &str = "/w";

/// See the module.
pub(crate) struct Watch;

impl Workload for Watch {
    type Operation = Action;

    fn setup(&self, seed: u64) -> Vec<Action> {
        let mut actions = registers(seed);
        actions.push(create(PARENT, ""));
        actions
    }

    fn draw(&self, asks: &mut Asks) -> Action {
        let watch = asks.draws.chance(0.7);
        match asks.weighted(&[18, 14, 12, 22, 18, 14, 2]) {
            0 => Action::Get { path: any_register(asks), watch },
            1 => Action::Exists { path: child(asks), watch },
            2 => Action::Children { path: PARENT.to_owned(), watch },
            3 => Action::Set { path: any_register(asks), data: asks.value() },
            4 => create_child(asks),
            5 => Action::Delete { path: child(asks) },
            _ => super::session::depart(asks).unwrap_or_else(|| create_child(asks)),
        }
    }
}

fn child(asks: &mut Asks) -> String {
    let count = shared(asks.seed, "child count", 1, 4);
    format!("{PARENT}/x{}", asks.draws.range(1, count))
}

fn create_child(asks: &mut Asks) -> Action {
    let (path, data) = (child(asks), asks.value());
    let ephemeral = asks.draws.chance(0.3);
    Action::Create { path, data, ephemeral, sequential: false }
}
