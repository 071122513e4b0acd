//! Where a server's memory has a gap, because a fault made it forget. Properties that bind one life
//! of a server to the next do not bind across it, and bind as ever on either side.

use crate::record::RunRecord;

/// Whether a fault made the server forget between two moments.
pub(super) fn forgot_between(record: &RunRecord, server: u32, from_ns: u64, to_ns: u64) -> bool {
    let between = from_ns..=to_ns;
    record.amnesias.iter().any(|each| each.server == server && between.contains(&each.at_ns))
}
