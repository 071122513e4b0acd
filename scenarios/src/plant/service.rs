//! Planted bugs of what a server does for its clients: requests, trees, sessions, watches, files.

use super::PlantedBug;

/// The list.
pub(super) const BUGS: &[PlantedBug] = &[];
