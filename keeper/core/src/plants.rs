//! The bugs that a harness can plant into a server, its clients, or what its clients protect.
//!
//! What each means, where it comes from and what must catch it is the harness's side's knowledge.

/// Whether a planted bug takes effect here. Gone where the probe is [`probe::Off`]; `I` is the probe's
/// type, the first argument the machine or shell whose field `probe` it is. Ask it last:
/// `condition && planted!(self, Zk1234)`, so that being asked is being reached.
#[macro_export]
macro_rules! planted {
    ($machine:expr, $plant:ident) => {
        ::probe::planted!(I, $machine.probe, $crate::plants::Plant::$plant)
    };
}

probe::plants! {
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
    /// A damaged log is cut off where it is damaged, as if a crash had torn it.
    DamageIsTorn = "damage-is-torn",
    /// A server whose data were damaged votes, and its promises count.
    DamagedVotes = "damaged-votes",
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
