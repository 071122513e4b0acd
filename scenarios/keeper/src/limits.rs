//! What happens in an ensemble only after so many transactions, or because values are large: shrinking
//! lowers the one and raises the other, so that few operations do.

use harness::plan::Plan;
use harness::system::{Limit, Weight};

use crate::setup::KeeperSetup;

/// A `snapCount` that no run reaches.
const SNAP_COUNT_NEVER: u64 = 100_000;
/// A `commitLogCount` that holds a run.
const COMMIT_LOG_COUNT_PLAIN: u64 = 500;
/// A value that fills several segments.
const LARGE_VALUE_BYTES: u64 = 16 << 10;

fn change(plan: &mut Plan, change: impl FnOnce(&mut KeeperSetup)) {
    plan.change_setup(change);
}

/// What has a limit.
pub(crate) const LIMITS: [Limit; 3] = [
    Limit {
        read: |plan| KeeperSetup::of(plan).ensemble.snap_count,
        write: |plan, value| change(plan, |setup| setup.ensemble.snap_count = value),
        plain: SNAP_COUNT_NEVER,
    },
    Limit {
        read: |plan| KeeperSetup::of(plan).ensemble.commit_log_count as u64,
        write: |plan, value| {
            change(plan, |setup| setup.ensemble.commit_log_count = value as usize);
        },
        plain: COMMIT_LOG_COUNT_PLAIN,
    },
    Limit {
        read: |plan| {
            KeeperSetup::of(plan).ensemble.epoch_transactions_max.unwrap_or(u32::MAX).into()
        },
        write: |plan, value| {
            let max = u32::try_from(value).ok().filter(|max| *max < u32::MAX);
            change(plan, |setup| setup.ensemble.epoch_transactions_max = max);
        },
        plain: u32::MAX as u64,
    },
];

/// The size of values.
pub(crate) const WEIGHT: Weight = Weight {
    read: |plan| KeeperSetup::of(plan).value_bytes.into(),
    write: |plan, bytes| change(plan, |setup| setup.value_bytes = bytes as u32),
    large: LARGE_VALUE_BYTES,
};
