//! What the servers of a script are marked by. What must hold must hold in every script.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use keeper_core::instruments::{Instruments, Observation, Plant};
use keeper_core::marks::{Mark, MarkKind};

use super::World;

/// The marks hit since they were last taken, by all servers together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marking {
    pub(crate) marks: Arc<Mutex<BTreeSet<Mark>>>,
    /// The bug that the servers carry.
    pub(crate) plant: Option<Plant>,
}

impl Instruments for Marking {
    const ANY: bool = true;

    fn has(&self, plant: Plant, _site: &'static str) -> bool {
        self.plant == Some(plant)
    }

    fn observe(&mut self, _observation: Observation) {}

    fn mark(&self, mark: Mark, _site: &'static str) {
        self.marks.lock().unwrap().insert(mark);
    }

    fn broken(&self, mark: Mark, message: String) {
        assert!(self.plant.is_some(), "{} does not hold: {message}", mark.name());
    }
}

impl World {
    /// The names of what was reached since the last time, a line for each, in the order in which
    /// they are declared; without what must hold every time.
    pub(crate) fn take_marks(&mut self) -> String {
        let marks = std::mem::take(&mut *self.marking.marks.lock().unwrap());
        let seen = marks.iter().filter(|mark| mark.kind() != MarkKind::Always);
        seen.map(|mark| format!("{}\n", mark.name())).collect()
    }
}
