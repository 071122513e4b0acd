//! Transactions: pairs that are only ever written together, transactions that fail in the middle,
//! and znodes that appear and disappear together.

use crate::action::{Action, Part};

use crate::generate::{Asks, Workload, shared};
use crate::property::PAIR_PREFIX;

/// See the module.
pub(crate) struct Multi;

impl Workload for Multi {
    type Operation = Action;

    fn setup(&self, seed: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        for pair in 1..=pair_count(seed) {
            let [left, right] = halves(pair);
            let parent = format!("{PAIR_PREFIX}{pair}");
            let parts = [parent, left, right].map(|path| part_create(path, "first".to_owned()));
            actions.push(Action::Multi { parts: parts.into() });
        }
        actions
    }

    fn draw(&self, asks: &mut Asks) -> Action {
        let count = pair_count(asks.seed);
        let [left, right] = halves(asks.draws.range(1, count));
        match asks.weighted(&[30, 10, 8, 6, 6, 25, 15]) {
            0 => write_both(left, right, asks.value()),
            1 => compare_and_write(left, right, asks.value()),
            2 => fail_at_the_end(left, right, asks.value()),
            3 => appear(asks),
            4 => disappear(asks),
            5 => Action::Get { path: either(asks, left, right), watch: false },
            _ => Action::SyncGet { path: either(asks, left, right) },
        }
    }
}

fn pair_count(seed: u64) -> u64 {
    shared(seed, "pair count", 1, 3)
}

fn halves(pair: u64) -> [String; 2] {
    ["left", "right"].map(|side| format!("{PAIR_PREFIX}{pair}/{side}"))
}

fn either(asks: &mut Asks, left: String, right: String) -> String {
    if asks.draws.chance(0.5) { left } else { right }
}

fn part_create(path: String, data: String) -> Part {
    Part::Create { path, data, ephemeral: false, sequential: false }
}

fn write_both(left: String, right: String, data: String) -> Action {
    let parts = [left, right].map(|path| Part::Set { path, data: data.clone() });
    Action::Multi { parts: parts.into() }
}

/// Only if nobody wrote since this client looked.
fn compare_and_write(left: String, right: String, data: String) -> Action {
    let check = Part::Check { path: left.clone(), version: None };
    let [first, second] = [left, right].map(|path| Part::Set { path, data: data.clone() });
    Action::Multi { parts: vec![check, first, second] }
}

/// The last part cannot succeed: nothing of it may ever be seen.
fn fail_at_the_end(left: String, right: String, data: String) -> Action {
    let create = part_create(left.clone(), data.clone());
    let [first, second] = [left, right].map(|path| Part::Set { path, data: data.clone() });
    Action::Multi { parts: vec![first, second, create] }
}

/// Two znodes of this client's own, which are there together or not at all.
fn appear(asks: &mut Asks) -> Action {
    let (client, data) = (asks.client, asks.value());
    let parts = ["a", "b"].map(|name| part_create(format!("/own{client}{name}"), data.clone()));
    Action::Multi { parts: parts.into() }
}

fn disappear(asks: &mut Asks) -> Action {
    let client = asks.draws.range(1, u64::from(asks.client));
    let parts = ["a", "b"].map(|name| Part::Delete { path: format!("/own{client}{name}") });
    Action::Multi { parts: parts.into() }
}
