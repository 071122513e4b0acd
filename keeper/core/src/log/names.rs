//! The names of log and snapshot files: `log.<zxid>` for the first transaction that it holds,
//! `snapshot.<zxid>` for the last one that it covers, the zxid in hexadecimal.

use std::fmt;

use crate::ids::Zxid;

/// A file of the data directory that holds transactions.
///
/// Snapshots sort before logs, each by zxid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileName {
    /// Covers every transaction up to this one.
    Snapshot(Zxid),
    /// Begins with this transaction.
    Log(Zxid),
}

impl FileName {
    /// Recognises a name exactly as it would be written; `None` for every other file.
    pub fn parse(name: &str) -> Option<FileName> {
        let (kind, digits) = name.split_once('.')?;
        let zxid = Zxid(u64::from_str_radix(digits, 16).ok()?);
        let parsed = match kind {
            "log" => FileName::Log(zxid),
            "snapshot" => FileName::Snapshot(zxid),
            _ => return None,
        };
        (parsed.to_string() == name).then_some(parsed)
    }

    /// The zxid in the name.
    pub fn zxid(self) -> Zxid {
        match self {
            FileName::Snapshot(zxid) | FileName::Log(zxid) => zxid,
        }
    }

    /// Whether this is the name of a snapshot in one of Apache's compressed forms
    /// (`zookeeper.snapshot.compression.method`), which only Apache reads.
    pub fn is_compressed_snapshot(name: &str) -> bool {
        name.strip_suffix(".gz")
            .or_else(|| name.strip_suffix(".snappy"))
            .is_some_and(|plain| matches!(FileName::parse(plain), Some(FileName::Snapshot(_))))
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileName::Snapshot(zxid) => write!(f, "snapshot.{:x}", zxid.0),
            FileName::Log(zxid) => write!(f, "log.{:x}", zxid.0),
        }
    }
}

/// Of the logs named by their first transactions, in any order, those that may hold transactions
/// after `snapshot`, in order: the last one that begins at or before the transaction wanted next,
/// and all behind it.
pub fn logs_needed(logs: impl IntoIterator<Item = Zxid>, snapshot: Zxid) -> Vec<Zxid> {
    let mut logs: Vec<Zxid> = logs.into_iter().collect();
    logs.sort_unstable();
    let wanted = Zxid(snapshot.0.saturating_add(1));
    let first = logs.partition_point(|log| *log <= wanted).saturating_sub(1);
    logs.split_off(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let log = FileName::Log(Zxid(0x1_0000_0001));
        assert_eq!(log.to_string(), "log.100000001");
        assert_eq!(FileName::parse("log.100000001"), Some(log));
        assert_eq!(FileName::parse("snapshot.0"), Some(FileName::Snapshot(Zxid(0))));
        let last = FileName::Snapshot(Zxid(u64::MAX));
        assert_eq!(FileName::parse(&last.to_string()), Some(last));
    }

    #[test]
    fn other_files_are_nobodys() {
        for name in [
            "log.",
            "log",
            "log.0A",
            "log.01",
            "log.+1",
            "log.1.tmp",
            "snap.1",
            "myid",
            "log.g",
            "",
        ] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
        assert!(FileName::is_compressed_snapshot("snapshot.1f.gz"));
        assert!(FileName::is_compressed_snapshot("snapshot.1f.snappy"));
        assert!(!FileName::is_compressed_snapshot("snapshot.1f"));
        assert!(!FileName::is_compressed_snapshot("log.1f.gz"));
    }

    #[test]
    fn the_log_with_the_next_transaction_is_needed_and_all_after_it() {
        let needed = |snapshot| {
            let logs = [30, 1, 10, 20].map(Zxid);
            logs_needed(logs, Zxid(snapshot)).iter().map(|zxid| zxid.0).collect::<Vec<_>>()
        };
        assert_eq!(needed(0), [1, 10, 20, 30]);
        assert_eq!(needed(8), [1, 10, 20, 30]);
        assert_eq!(needed(9), [10, 20, 30]);
        assert_eq!(needed(15), [10, 20, 30]);
        assert_eq!(needed(99), [30]);
        assert_eq!(logs_needed([Zxid(5)], Zxid(2)), [Zxid(5)]);
        assert_eq!(logs_needed([], Zxid(2)), []);
        assert_eq!(logs_needed([Zxid(5)], Zxid(u64::MAX)), [Zxid(5)]);
    }
}
