//! Registers and compare-and-set: the smallest workload that shows a lost or a repeated write.

use crate::action::Action;

use super::{any_register, registers};
use crate::generate::{Asks, Workload};

/// See the module.
pub(crate) struct Register;

impl Workload for Register {
    type Operation = Action;

    fn setup(&self, seed: u64) -> Vec<Action> {
        registers(seed)
    }

    fn draw(&self, asks: &mut Asks) -> Action {
        let path = any_register(asks);
        match asks.weighted(&[30, 25, 20, 20, 5]) {
            0 => Action::Set { path, data: asks.value() },
            1 => Action::Cas { path, data: asks.value() },
            2 => Action::Get { path, watch: false },
            3 => Action::SyncGet { path },
            _ => Action::Exists { path, watch: false },
        }
    }
}
