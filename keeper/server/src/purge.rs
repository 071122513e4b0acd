//! Removing old snapshots and logs, beside a running server or without one.
//!
//! Only snapshots that look whole are counted among those that stay, as Apache's PurgeTxnLog does: a
//! torn one is nothing to recover from. Should there be fewer than are to stay, nothing goes.

use std::io;

use keeper_core::ids::Zxid;
use keeper_core::log::FileName;
use keeper_core::log::purge::{SNAPSHOT_END, purgeable};
use platform::Files;

use crate::disk::{Directories, join};

/// Removes all but the newest `snapshots` whole snapshots, and of the logs begun at or before the
/// oldest that stays all but the last `held_back`. Returns what is gone, durably.
///
/// # Errors
/// When a directory cannot be read or a file not be removed; what is needed is there then.
pub async fn purge<F: Files>(
    files: &F,
    directories: &Directories,
    snapshots: u32,
    held_back: u32,
) -> io::Result<Vec<FileName>> {
    let of_data = names(files, &directories.data).await?;
    let mut all = names(files, &directories.log).await?;
    all.retain(|name| matches!(name, FileName::Log(_)));
    all.extend(of_data.into_iter().filter(|name| matches!(name, FileName::Snapshot(_))));
    let Some(oldest) = oldest_to_stay(files, &directories.data, &all, snapshots).await? else {
        return Ok(Vec::new());
    };
    let gone = purgeable(all, oldest, held_back);
    // The directory is synced between snapshots and logs: logs must not vanish first.
    let (old_snapshots, old_logs): (Vec<FileName>, Vec<FileName>) =
        gone.iter().partition(|name| matches!(name, FileName::Snapshot(_)));
    remove(files, &directories.data, &old_snapshots).await?;
    remove(files, &directories.log, &old_logs).await?;
    Ok(gone)
}

async fn names<F: Files>(files: &F, directory: &str) -> io::Result<Vec<FileName>> {
    let names = files.list(directory).await?;
    Ok(names.iter().filter_map(|name| FileName::parse(name)).collect())
}

async fn oldest_to_stay<F: Files>(
    files: &F,
    directory: &str,
    all: &[FileName],
    snapshots: u32,
) -> io::Result<Option<Zxid>> {
    let mut newest_first: Vec<FileName> =
        all.iter().copied().filter(|name| matches!(name, FileName::Snapshot(_))).collect();
    newest_first.sort_unstable_by(|a, b| b.cmp(a));
    let mut whole = 0;
    for name in newest_first {
        let path = join(directory, &name.to_string());
        let len = files.len(&path).await?;
        let end = SNAPSHOT_END.len();
        let from = len.saturating_sub(end as u64);
        if files.read_at(&path, from, end).await? == SNAPSHOT_END {
            whole += 1;
        }
        if whole == snapshots.max(1) {
            return Ok(Some(name.zxid()));
        }
    }
    Ok(None)
}

async fn remove<F: Files>(files: &F, directory: &str, names: &[FileName]) -> io::Result<()> {
    for name in names {
        files.remove(&join(directory, &name.to_string())).await?;
    }
    if names.is_empty() { Ok(()) } else { files.sync_dir(directory).await }
}
