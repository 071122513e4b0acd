//! What the servers of a script are marked by. What must hold must hold in every script.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use keeper_core::marks::{Mark, MarkKind};
use keeper_core::observation::Observation;
use keeper_core::plants::Plant;
use probe::{MarkId, PlantId, Probe};

use super::World;

/// The marks hit since they were last taken, by all servers together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marking {
    pub(crate) marks: Arc<Mutex<BTreeSet<Mark>>>,
    /// The bug that the servers carry.
    pub(crate) plant: Option<Plant>,
}

impl Probe<Observation> for Marking {
    const PLANTS: bool = true;
    const EVENTS: bool = true;

    fn has(&self, plant: PlantId, _site: &'static str) -> bool {
        self.plant.map(Plant::id) == Some(plant)
    }

    fn mark(&self, mark: MarkId, _site: &'static str) {
        self.marks.lock().unwrap().insert(Mark::of(mark));
    }

    fn broken(&self, mark: MarkId, message: String) {
        assert!(self.plant.is_some(), "{} does not hold: {message}", Mark::of(mark).name());
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
