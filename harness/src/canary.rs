//! Canaries: runs with a planted bug that is seen at once. Every campaign runs the one of each of its
//! systems first, and a campaign that does not find it would find nothing else either (after the fuzzer
//! that must fail in TigerBeetle's CFO). It is a stored plan, so that it does not change with the
//! generator.

use crate::any::{AnySystem, Systems};
use crate::plan::Plan;

/// The plan of a system's canary, if it has one.
///
/// # Panics
/// If it is no plan that this build can run; a system's tests load it.
pub fn plan(systems: Systems, system: &dyn AnySystem) -> Option<Plan> {
    let text = system.canary()?;
    let plan = systems.load(text.as_bytes(), "the canary");
    Some(plan.unwrap_or_else(|error| panic!("a test loads the canary: {error}")))
}
