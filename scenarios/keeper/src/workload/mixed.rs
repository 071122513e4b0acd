//! Everything at once, and sequential znodes as queues and locks use them.

use crate::action::Action;

use super::{create, multi, register, session, watch};
use crate::generate::{Asks, Workload};

/// Where sequential znodes are.
const QUEUE: &str = "/q";
/// Numbers that deletions guess; a queue seldom grows beyond.
const NUMBERS: u64 = 60;

/// See the module.
pub(crate) struct Mixed;

impl Workload for Mixed {
    type Operation = Action;

    fn setup(&self, seed: u64) -> Vec<Action> {
        // The watch workload's znodes contain the register workload's.
        let mut actions = watch::Watch.setup(seed);
        actions.extend(multi::Multi.setup(seed));
        actions.extend(session::Session.setup(seed));
        actions.push(create(QUEUE, ""));
        actions
    }

    fn draw(&self, asks: &mut Asks) -> Action {
        match asks.weighted(&[25, 20, 15, 20, 20]) {
            0 => register::Register.draw(asks),
            1 => multi::Multi.draw(asks),
            2 => session::Session.draw(asks),
            3 => watch::Watch.draw(asks),
            _ => queue(asks),
        }
    }
}

fn queue(asks: &mut Asks) -> Action {
    match asks.weighted(&[60, 25, 15]) {
        0 => {
            let (path, data) = (format!("{QUEUE}/n-"), asks.value());
            let ephemeral = asks.draws.chance(0.5);
            Action::Create { path, data, ephemeral, sequential: true }
        }
        1 => Action::Delete { path: format!("{QUEUE}/n-{:010}", asks.draws.below(NUMBERS)) },
        _ => Action::Children { path: QUEUE.to_owned(), watch: asks.draws.chance(0.3) },
    }
}
