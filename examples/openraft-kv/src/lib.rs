//! A key-value store on openraft 0.9: somebody else's Raft, unchanged, on our files and our streams.
//!
//! openraft is given what it asks of an application: a runtime ([`runtime`]), a log and a state machine
//! ([`log`], [`machine`], on [`disk`]) and a network ([`network`]). [`server`] serves clients, [`client`]
//! asks, and [`system`] is what squall needs to know. Seven bugs can be planted, all of them in our part;
//! the last four are uses of openraft that its interface allows and that campaigns found to go wrong
//! (`FINDINGS.md`).
//!
//! Left out: segments of the log, which is one file that is written anew when it is cut at either end.

pub mod client;
pub mod disk;
pub mod log;
pub mod machine;
pub mod model;
pub mod network;
pub mod properties;
pub mod runtime;
pub mod server;
pub mod standing;
pub mod step;
pub mod system;
pub mod types;

use squall::SystemList;

pub use system::Store;

/// What this program tests.
pub static SYSTEMS: &SystemList = &[&Store];

squall::probe::plants! {
    /// A vote is answered before the name of its file is synced.
    VoteNotSynced = "vote-not-synced",
    /// The log is cut at its end, and goes on before the name of its new file is synced.
    TruncateNotSynced = "truncate-not-synced",
    /// A leader answers a read without asking whether it still leads.
    StaleRead = "stale-read",
    /// A server does not keep how far its log is committed, which openraft calls optional.
    CommittedNotSaved = "committed-not-saved",
    /// The log is rid of what a snapshot holds before that snapshot is durable.
    PurgeBeforeSnapshot = "purge-before-snapshot",
    /// A leader takes itself out of the membership.
    LeaderRemovesItself = "leader-removes-itself",
    /// All servers draw their election time-out, which they keep, from the same range.
    TimeoutsAlike = "timeouts-alike",
}

squall::probe::marks! {
    /// A vote is written and not yet synced.
    Reachable VoteUnsynced = "vote-unsynced",
    /// A vote is durable and not yet answered.
    Reachable VoteSaved = "vote-saved",
    /// Entries are in the log and not yet synced.
    Reachable LogUnsynced = "log-unsynced",
    /// Entries are known to be committed, and a loss of power would make the server forget that.
    Reachable CommittedUnsynced = "committed-unsynced",
    /// Entries of another leader are cut off, and the log is not yet durable.
    Reachable LogTruncating = "log-truncating",
    /// Entries that a snapshot holds are dropped, and the log is not yet durable.
    Reachable LogPurging = "log-purging",
    /// A snapshot is built and not yet durable.
    Reachable SnapshotUnsynced = "snapshot-unsynced",
    /// A snapshot of another server is durable, and the log is not yet rid of what it holds.
    Reachable SnapshotInstalled = "snapshot-installed",
}
