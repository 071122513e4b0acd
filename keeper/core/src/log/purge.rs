//! Which old files may go (ZooKeeper Administrator's Guide, "Ongoing Data Directory Cleanup"): all
//! but the newest snapshots, and the logs that no snapshot that stays needs.
//!
//! A log that begins at or before a snapshot's zxid may hold transactions behind it: a snapshot
//! covers what is committed, and proposals are logged before. So of these logs the last one stays.
//! Forgetting that lost logs that a rolled log still needed (ZOOKEEPER-1797).

use crate::ids::Zxid;

use super::names::FileName;

/// The least snapshots that stay: `autopurge.snapRetainCount` is never less.
pub const SNAPSHOTS_MIN: u32 = 3;

/// Logs begun at or before the oldest snapshot that stays, which stay with it.
pub const LOGS_HELD_BACK: u32 = 1;

/// The last bytes of a file that may be a whole snapshot: the path `/` that ends every seal.
pub const SNAPSHOT_END: [u8; 5] = [0, 0, 0, 1, b'/'];

/// Files that may be removed when `oldest` is the oldest snapshot that stays, in the order in which
/// to do so. Snapshots come before logs, so that a crash in between leaves no snapshot whose logs
/// are gone; the oldest come first. `held_back` is [`LOGS_HELD_BACK`] for a purge that loses nothing.
pub fn purgeable(
    names: impl IntoIterator<Item = FileName>,
    oldest: Zxid,
    held_back: u32,
) -> Vec<FileName> {
    let (mut snapshots, mut logs) = (Vec::new(), Vec::new());
    for name in names {
        match name {
            FileName::Snapshot(zxid) if zxid < oldest => snapshots.push(name),
            FileName::Log(zxid) if zxid <= oldest => logs.push(name),
            FileName::Snapshot(_) | FileName::Log(_) => {}
        }
    }
    snapshots.sort_unstable();
    logs.sort_unstable();
    logs.truncate(logs.len().saturating_sub(held_back as usize));
    snapshots.extend(logs);
    snapshots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::logs_needed;

    fn names(names: &[&str]) -> Vec<FileName> {
        names.iter().map(|name| FileName::parse(name).unwrap()).collect()
    }

    fn purged(all: &[&str], oldest: u64, held_back: u32) -> Vec<String> {
        let purged = purgeable(names(all), Zxid(oldest), held_back);
        purged.iter().map(FileName::to_string).collect()
    }

    #[test]
    fn older_snapshots_go_and_the_logs_before_the_one_with_the_oldest() {
        let all = [
            "log.1",
            "log.30",
            "snapshot.20",
            "log.11",
            "snapshot.0",
            "log.21",
            "snapshot.10",
            "snapshot.30",
        ];
        // snapshot.20 stays, and log.11 may hold what is behind it.
        assert_eq!(purged(&all, 0x20, 1), ["snapshot.0", "snapshot.10", "log.1"]);
        assert_eq!(purged(&all, 0x30, 1)[3..], ["log.1", "log.11", "log.21"]);
        assert_eq!(purged(&all, 0, 1), [""; 0]);
        assert_eq!(purged(&all, 0x10, 0), ["snapshot.0", "log.1"], "one too many");
        assert_eq!(purged(&[], 5, 1), [""; 0]);
    }

    #[test]
    fn what_recovery_reads_stays_whatever_the_files_are() {
        let all: Vec<u64> = (0..12).collect();
        for bits in 0..1u32 << 12 {
            let logs = all.iter().copied().filter(|i| bits >> i & 1 == 1).map(Zxid);
            let logs: Vec<Zxid> = logs.collect();
            for snapshot in [0, 3, 7, 11].map(Zxid) {
                let names = logs.iter().map(|zxid| FileName::Log(*zxid));
                let gone = purgeable(names, snapshot, LOGS_HELD_BACK);
                for needed in logs_needed(logs.iter().copied(), snapshot) {
                    assert!(!gone.contains(&FileName::Log(needed)), "{logs:?} {snapshot} {gone:?}");
                }
            }
        }
    }
}
