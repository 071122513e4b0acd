//! Plans that a program carries along: corpora and stored finds. They are embedded, so that it has them
//! wherever it runs.

use crate::any::Systems;
use crate::plan::Plan;

/// A plan that this program carries.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPlan {
    /// Its path within its folder, `system/lost-write.json`.
    pub name: &'static str,
    /// The plan, as it was read from the embedded text.
    pub plan: Plan,
}

impl StoredPlan {
    /// The plans of embedded files, in the files' order.
    ///
    /// # Panics
    /// If one is no plan that this build can run; a system's tests load every one.
    pub fn load(systems: Systems, files: &[(&'static str, &'static str)]) -> Vec<StoredPlan> {
        let stored = |&(name, text): &(&'static str, &'static str)| StoredPlan {
            name,
            plan: systems
                .load(text.as_bytes(), name)
                .unwrap_or_else(|error| panic!("a test loads every stored plan: {error}")),
        };
        files.iter().map(stored).collect()
    }
}

/// Plans of a folder of the crate that says it, for [`System::corpus`](crate::System::corpus) and
/// [`System::finds`](crate::System::finds): the program carries the files along.
///
/// `stored_plans!("corpus": "mine/lost-write.json", "mine/stale-read.json")` names the folder, from the crate's own,
/// and each file in it. A file that is not there is an error of the compiler.
#[macro_export]
macro_rules! stored_plans {
    ($folder:literal: $($name:literal),* $(,)?) => {
        &[$((
            $name,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $folder, "/", $name)),
        )),*]
    };
}
