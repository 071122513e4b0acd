//! What a verification harness may see of a machine and, for proving itself, break in it.
//!
//! Machines take `I: Instruments = Off`. [`Off`] is zero-sized and says `ANY = false`, so every
//! observation, every mark and every planted bug is compiled out of production binaries.

use crate::ids::{Epoch, ServerId, SessionId, Zxid};
use crate::marks::Mark;

/// The harness's access to one server's machine.
pub trait Instruments: Clone + Send + 'static {
    /// Whether there is anything at all; `false` removes all instrumented code.
    const ANY: bool;

    /// Whether this server carries the bug. Asked by [`planted!`](crate::planted) alone, last of all
    /// conditions: true means that the server now leaves the right path, at `site`.
    fn has(&self, plant: Plant, site: &'static str) -> bool;

    /// Something that invariants are judged by has happened.
    fn observe(&mut self, observation: Observation);

    /// A mark was hit at `site`: told by the macros of [`crate::marks`] alone, in the midst of the
    /// step whose effects have not left yet.
    fn mark(&self, _mark: Mark, _site: &'static str) {}

    /// What an `Always` mark claims does not hold.
    fn broken(&self, _mark: Mark, _message: String) {}
}

/// No instruments: production.
#[derive(Clone, Copy, Debug, Default)]
pub struct Off;

impl Instruments for Off {
    const ANY: bool = false;

    fn has(&self, _plant: Plant, _site: &'static str) -> bool {
        false
    }

    fn observe(&mut self, _observation: Observation) {}
}

/// What the text of every planted site begins with. No production binary contains it.
pub const PLANT_MARK: &str = "squall plant ";

/// Whether a planted bug takes effect here. Expands to nothing where `I::ANY` is false; `I` is the
/// machine's instruments, the first argument the machine or shell whose field `instruments` they
/// are. Ask it last: `condition && planted!(self, Zk1234)`, so that being asked is being reached.
#[macro_export]
macro_rules! planted {
    ($machine:expr, $plant:ident) => {
        I::ANY
            && $crate::instruments::Instruments::has(
                &$machine.instruments,
                $crate::instruments::Plant::$plant,
                concat!("squall plant ", stringify!($plant), " at ", file!(), ":", line!()),
            )
    };
}

/// Declares the planted bugs with their names, once.
macro_rules! plants {
    ($($(#[$meta:meta])* $variant:ident = $name:literal,)*) => {
        /// A bug that a harness can plant to prove that it would be found. What each means, and
        /// which property must catch it, is the harness's knowledge.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Plant {
            $($(#[$meta])* $variant,)*
        }

        impl Plant {
            /// Every one.
            pub const ALL: &[Plant] = &[$(Plant::$variant,)*];

            /// Its name, as plans and the command line spell it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Plant::$variant => $name,)*
                }
            }

            /// The plant of that name.
            pub fn named(name: &str) -> Option<Plant> {
                Plant::ALL.iter().copied().find(|plant| plant.name() == name)
            }
        }
    };
}

plants! {
    /// A follower acknowledges proposals that it has not yet made durable.
    AckBeforeFsync = "ack-before-fsync",
    /// NEWLEADER is acknowledged before what synchronisation sent is durable.
    Zk4646 = "ZK-4646",
    /// currentEpoch is written before the transactions that the epoch begins with.
    Zk4643 = "ZK-4643",
    /// What synchronisation sends is logged only after UPTODATE.
    Zk3911 = "ZK-3911",
    /// The log's tail is forgotten at an election, but stays in the file.
    Zk2845 = "ZK-2845",
    /// What is proposed and committed while a learner is synchronised is not forwarded to it.
    Zk962 = "ZK-962",
    /// After a cut the log goes on at its old offset.
    Zk1489 = "ZK-1489",
    /// A leader's snapshot is applied in memory and never saved.
    Zk3642 = "ZK-3642",
    /// Writes of a role that is over reach the log after it was cut.
    Zk4712 = "ZK-4712",
    /// The epoch files are written in place.
    Zk1653 = "ZK-1653",
    /// A new leader does not log its own epoch.
    Zk335 = "ZK-335",
    /// UPTODATE names what the learner vouched for, not what is committed.
    CommitLdZxid = "commit-ld-zxid",
    /// The leader serves its learners in the order of a hash map, which differs between two runs: a
    /// bug of determinism, not of the protocol.
    HashOrder = "hash-order",
    /// A leader's tree goes out under the name of a transaction that it does not hold yet.
    Zk3104 = "ZK-3104",
    /// What is logged and not committed is sent to a learner as committed.
    Zk2846 = "ZK-2846",
    /// What a server received while it was synchronised is missing in what it sends as a leader.
    Zk4925 = "ZK-4925",
    /// A leader that holds no committed transaction in memory takes a learner to lack none.
    Zk4352 = "ZK-4352",
    /// A commit of what came before NEWLEADER finds nothing to commit after it.
    Zk4394 = "ZK-4394",
    /// Proposals are acknowledged before NEWLEADER is.
    Zk4685 = "ZK-4685",
    /// Followers report the epoch in which their leader was elected, not the one that it leads.
    Zk1732 = "ZK-1732",
    /// The vote names what was applied, not what is logged.
    Zk3023 = "ZK-3023",
    /// A server whose log could not be written goes on with what it has in memory.
    Zk4882 = "ZK-4882",
    /// A leader whose log could not be written stays the leader.
    Zk2247 = "ZK-2247",
    /// A cut of the log that failed is taken to be done.
    Zk3701 = "ZK-3701",
    /// A cut takes along the last transaction that it should keep.
    Zk1156 = "ZK-1156",
    /// When a server starts depends on the machine's clock: a bug of determinism, planted by the
    /// simulator around the server.
    WallClock = "wall-clock",
    /// When a server starts depends on a race of real threads: the same.
    Thread = "thread",
    /// A server panics when it begins to lead: no bug of the protocol, but of any program.
    Panic = "panic",
    /// The harness panics when it judges the run.
    HarnessPanic = "harness-panic",
    /// The counter of an epoch that is used up runs over into the epoch.
    Zk1277 = "ZK-1277",
    /// Replaying the log does not count creations under their parent.
    Zk1046 = "ZK-1046",
    /// An aborted multi takes back what other requests have under way.
    Zk1624 = "ZK-1624",
    /// A returning client is not told what its watches have missed.
    Zk1412 = "ZK-1412",
    /// A follower that was away does not delete the ephemerals of a session that ended meanwhile.
    Zk2355 = "ZK-2355",
    /// A session whose end is under way may still create ephemerals.
    Zk1496 = "ZK-1496",
    /// Replaying the end of a session from the log does not delete its ephemerals.
    Zk4541 = "ZK-4541",
    /// Watches stay when their connection ends.
    Zk1382 = "ZK-1382",
    /// Without a snapshot the log is not replayed.
    Zk3644 = "ZK-3644",
    /// A snapshot's table of sessions is incomplete.
    Zk3144 = "ZK-3144",
    /// After a snapshot's arrival each access control list counts as used once.
    Zk3306 = "ZK-3306",
    /// Replaying the end of a session leaves its ephemerals' parents as they were.
    Zk3145 = "ZK-3145",
    /// A client is served by a server that is behind what it has seen.
    StaleReconnect = "stale-reconnect",
    /// A purge removes the log that was written when the newest snapshot was taken.
    PurgeLogInUse = "purge-log-in-use",
    /// A client believes that it holds a lock as soon as its znode stands in line. Clients of the
    /// harness carry it, not servers.
    LockWithoutOrder = "lock-without-order",
    /// What a lock protects takes writes with any fencing token. The harness's resource carries it,
    /// not a server.
    ResourceIgnoresTokens = "resource-ignores-tokens",
}

/// Which way a learner was brought up to the leader's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncKind {
    /// The missing proposals.
    Diff,
    /// A cut of the learner's log, then the missing proposals.
    Trunc,
    /// The whole tree.
    Snap,
}

/// A step of the protocol, told at the moment it takes effect on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// The server looks for a leader.
    Looking,
    /// The server follows `leader`.
    Following {
        /// Whom.
        leader: ServerId,
    },
    /// The server was elected and begins discovery.
    Leading,
    /// A quorum acknowledged `epoch`: this server is its only leader.
    EpochEstablished {
        /// The new epoch.
        epoch: Epoch,
        /// The last transaction of the history that the epoch begins with.
        history: Zxid,
    },
    /// A quorum holds the initial history: broadcast begins.
    Serving {
        /// The leader's epoch.
        epoch: Epoch,
    },
    /// The leader chose how to synchronise a learner.
    SyncChosen {
        /// The learner.
        learner: ServerId,
        /// The way.
        kind: SyncKind,
    },
    /// This learner began to receive the leader's history, in this way.
    SyncBegun {
        /// The way.
        kind: SyncKind,
    },
    /// This learner may serve clients.
    SyncEnded,
    /// The leader decided a transaction.
    Proposed {
        /// Its position.
        zxid: Zxid,
        /// A hash of its encoded form.
        hash: u64,
        /// The newest transaction that this server had applied.
        applied: Zxid,
    },
    /// The server promised that it holds everything up to here durably.
    Acknowledged {
        /// The last transaction covered.
        zxid: Zxid,
        /// The last transaction that was durable here.
        durable: Zxid,
    },
    /// A committed transaction changed the tree.
    Delivered {
        /// Its position.
        zxid: Zxid,
        /// A hash of its encoded form.
        hash: u64,
        /// The tree's digest afterwards.
        digest: u64,
        /// Whether it changes anything; a refused request does not. The digest cannot tell: it is a
        /// sum of checksums, which two changes may leave as it was.
        is_change: bool,
        /// The session that asked for it.
        session: SessionId,
        /// The request within the session.
        cxid: i32,
    },
    /// The tree was replaced by a leader's snapshot.
    Replaced {
        /// The snapshot's last transaction.
        zxid: Zxid,
        /// The tree's digest.
        digest: u64,
    },
    /// The log was cut after `zxid`.
    Truncated {
        /// The last transaction kept.
        zxid: Zxid,
    },
    /// A transaction was queued for the log.
    Logged {
        /// Its position.
        zxid: Zxid,
        /// A hash of its encoded form.
        hash: u64,
    },
    /// What a start found on disk.
    Recovered {
        /// The snapshot's last transaction.
        snapshot: Zxid,
        /// The log's last transaction.
        last: Zxid,
        /// The tree's digest at the snapshot.
        digest: u64,
    },
    /// The epoch numbers as the server now believes them; both are durable.
    Epochs {
        /// The last epoch promised to.
        accepted: Epoch,
        /// The last epoch joined.
        current: Epoch,
        /// The newest transaction in the log.
        last_logged: Zxid,
    },
    /// Another server sent what the protocol rules out over an ordered connection. The connection is
    /// given up.
    Unexpected {
        /// What came instead of what.
        what: String,
    },
    /// A session's ephemerals and the session itself after its end was applied.
    SessionClosed {
        /// Which.
        session: SessionId,
        /// Ephemerals that are still there: always 0.
        ephemerals_left: usize,
    },
    /// The tree holds ephemerals of a session that the server does not know: never.
    Orphaned {
        /// Whose.
        session: SessionId,
        /// How many.
        ephemerals: usize,
    },
    /// A client's connection is gone from the server's tables.
    ConnectionEnded {
        /// Watches of it that are still there: always 0.
        watches_left: usize,
    },
}

/// A stable 64-bit hash (FNV-1a) for comparing encoded transactions between servers.
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plants_are_found_by_their_names() {
        for plant in Plant::ALL {
            assert_eq!(Plant::named(plant.name()), Some(*plant));
        }
        assert_eq!(Plant::named("none"), None);
    }
}
