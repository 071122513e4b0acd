//! Plans that a build carries along: the corpus and the stored finds. They are embedded, so that a
//! binary has them wherever it runs.

use sim::cluster::plan::Plan;

use crate::replay::load_plan;

/// A plan that this build carries.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPlan {
    /// Its path within its folder, `keeper/kill-leader.json`.
    pub name: &'static str,
    /// The plan.
    pub plan: Plan,
}

/// The plans of embedded files, in the files' order.
///
/// # Panics
/// If one is no plan that this build can run; tests load every one.
pub(crate) fn load(files: &[(&'static str, &'static str)]) -> Vec<StoredPlan> {
    let stored = |&(name, text): &(&'static str, &'static str)| StoredPlan {
        name,
        plan: load_plan(text.as_bytes(), name)
            .unwrap_or_else(|error| panic!("a test loads every stored plan: {error}")),
    };
    files.iter().map(stored).collect()
}
