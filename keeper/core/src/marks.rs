//! The marks in the server's code: what must hold, what must be seen, and what must be reached at least
//! once by a harness that claims to have tested this server.
//!
//! After Antithesis' and FoundationDB's macros of the same purpose (`TEST`, `CODE_PROBE`, "sometimes
//! assertions"): a campaign that never saw a cut of the log under a crash has tested nothing of it,
//! and should say so. A mark stands where something interesting takes effect, so it is also a good
//! moment to strike: "kill the server exactly here".
//!
//! Like observations and plants they are gone from the program where the probe is [`probe::Off`].
//! `cli/tests/production.rs` searches `keeperd` for [`probe::SITE_PREFIX`].

pub use probe::{MarkKind, SITE_PREFIX};

/// This line was executed. The first argument is the machine or shell whose field `probe` is the
/// harness's; `I` is its type.
#[macro_export]
macro_rules! reachable {
    ($machine:expr, $mark:ident) => {
        ::probe::reachable!(I, $machine.probe, $crate::marks::Mark::$mark)
    };
}

/// The condition was true here. It is evaluated for harnesses only.
#[macro_export]
macro_rules! sometimes {
    ($machine:expr, $mark:ident, $condition:expr $(,)?) => {
        ::probe::sometimes!(I, $machine.probe, $crate::marks::Mark::$mark, $condition)
    };
}

/// The condition is true here, always. A false one is a violation that the run reports; the server
/// goes on, for what follows is worth seeing. It is evaluated for harnesses only.
#[macro_export]
macro_rules! always {
    ($machine:expr, $mark:ident, $condition:expr, $($message:tt)+) => {
        ::probe::always!(I, $machine.probe, $crate::marks::Mark::$mark, $condition, $($message)+)
    };
}

probe::marks! {
    // Election.

    /// A server begins to look for a leader.
    Reachable ElectionBegins = "election-begins",
    /// A vote of a later round makes a server jump to that round.
    Sometimes ElectionRoundJump = "election-round-jump",
    /// A better vote of the same round changes a server's own.
    Sometimes VoteChanged = "vote-changed",
    /// A vote of an earlier round is answered with the present one.
    Sometimes StaleVoteAnswered = "stale-vote-answered",
    /// Votes are sent again because nothing was decided.
    Sometimes VotesSentAgain = "votes-sent-again",
    /// A newcomer is told of an established leader, and joins.
    Sometimes NewcomerJoins = "newcomer-joins",
    /// A follower connects before the winner knows that it has won.
    Reachable LearnerComesEarly = "learner-comes-early",
    /// Learners wait for a leadership that does not come.
    Sometimes EarlyLearnerSentAway = "early-learner-sent-away",
    /// A server leaves its role with a tail that it does not know to be committed.
    Sometimes RoleLeftWithTail = "role-left-with-tail",

    // A leader gives up: why.

    /// Too few followers are connected.
    Reachable LeaderDeserted = "leader-deserted",
    /// A quorum has been silent for syncLimit.
    Reachable LeaderUnheard = "leader-unheard",
    /// No quorum came within initLimit.
    Reachable LeaderUnfollowed = "leader-unfollowed",
    /// A voter has promised a later epoch to a leader that never came to be.
    Reachable LeaderOutpromised = "leader-outpromised",
    /// A voter has promised this very epoch to another, so that no quorum is left.
    Reachable LeaderEpochTaken = "leader-epoch-taken",
    /// A follower's history is more recent than the leader's.
    Reachable LeaderBehindFollower = "leader-behind-follower",
    /// A leader's own disk does not hold the new epoch in time.
    Reachable LeaderDiskSlow = "leader-disk-slow",
    /// A leader gives way to a follower whose history is more recent.
    Reachable LeaderGivesWay = "leader-gives-way",
    /// The epoch's transactions are used up.
    Reachable EpochUsedUp = "epoch-used-up",

    // Discovery and synchronisation, at the leader.

    /// The leader proposes its epoch, which is not durable yet.
    Reachable EpochProposed = "epoch-proposed",
    /// The leader's acceptedEpoch is durable, LEADERINFO has not left.
    Reachable LeaderHasPromised = "leader-has-promised",
    /// A quorum has promised the epoch.
    Reachable EpochEstablished = "epoch-established",
    /// The leader chooses DIFF.
    Sometimes SyncByDiff = "sync-by-diff",
    /// The leader chooses TRUNC.
    Sometimes SyncByTrunc = "sync-by-trunc",
    /// The leader chooses SNAP.
    Sometimes SyncBySnap = "sync-by-snap",
    /// A learner is synchronised while the leader broadcasts.
    Sometimes SyncDuringBroadcast = "sync-during-broadcast",
    /// A learner is sent proposals that are not committed yet.
    Sometimes SyncSendsUncommitted = "sync-sends-uncommitted",
    /// A history that a learner lacks is more than is sent at once.
    Reachable HistorySentInParts = "history-sent-in-parts",
    /// A proposal waits behind a snapshot that is being sent.
    Reachable HeldBackBehindSnapshot = "held-back-behind-snapshot",
    /// A proposal or commit goes to a learner that has not acknowledged NEWLEADER.
    Sometimes SentBeforeSynced = "sent-before-synced",
    /// A learner's connection ends before it has acknowledged NEWLEADER.
    Sometimes LearnerLostInSync = "learner-lost-in-sync",
    /// A learner was silent too long and is hung up on.
    Reachable LearnerSilent = "learner-silent",
    /// A leader begins to serve.
    Reachable LeaderServes = "leader-serves",
    /// What a server begins to serve with is more than is applied in one step.
    Reachable AppliesInSlices = "applies-in-slices",
    /// It begins with no more than a bare majority.
    Sometimes ServesWithBareQuorum = "serves-with-bare-quorum",

    // Broadcast, at the leader.

    /// The leader has decided a transaction; it is neither logged nor sent.
    Reachable LeaderProposes = "leader-proposes",
    /// A proposal of the leader has become durable at the leader itself.
    Sometimes LeaderLogged = "leader-logged",
    /// The acknowledgements of exactly a majority commit.
    Sometimes CommitByBareQuorum = "commit-by-bare-quorum",
    /// The followers' acknowledgements commit what the leader itself has not made durable.
    Sometimes CommitBeforeOwnWrite = "commit-before-own-write",
    /// Several proposals are committed at once.
    Sometimes CommitsSeveral = "commits-several",
    /// A sync waits for its barrier.
    Sometimes SyncBarrierWaits = "sync-barrier-waits",
    /// A barrier answers several syncs.
    Sometimes SyncBarrierShared = "sync-barrier-shared",
    /// A sync of a session whose end is decided is refused.
    Sometimes SyncOfEndedSession = "sync-of-ended-session",

    // Following.

    /// An elected leader cannot be reached; it is tried again.
    Reachable LeaderUnreachable = "leader-unreachable",
    /// A server gives up to connect to an elected leader.
    Sometimes LeaderNeverReached = "leader-never-reached",
    /// The connection to a leader that is followed ends.
    Sometimes LeaderLost = "leader-lost",
    /// A leader is given up because it is silent.
    Reachable LeaderSilent = "leader-silent",
    /// A leader's epoch is refused: a later one has been promised.
    Reachable EpochRefused = "epoch-refused",
    /// An epoch has been promised before, so the promise does not count.
    Reachable EpochPromisedBefore = "epoch-promised-before",
    /// A follower's promise is durable, ACKEPOCH has not left.
    Reachable FollowerHasPromised = "follower-has-promised",
    /// A learner begins to receive what it lacks.
    Reachable LearnerReceives = "learner-receives",
    /// A learner cuts its log.
    Reachable LearnerTruncates = "learner-truncates",
    /// A learner cuts off what its disk has not even written.
    Sometimes TruncatesUnwritten = "truncates-unwritten",
    /// A learner begins to receive a leader's tree.
    Reachable LearnerReceivesSnapshot = "learner-receives-snapshot",
    /// A leader's tree is taken over.
    Reachable SnapshotInstalled = "snapshot-installed",
    /// The tree that is taken over replaces a tail of the log.
    Sometimes SnapshotReplacesTail = "snapshot-replaces-tail",
    /// Synchronisation ends before UPTODATE.
    Sometimes SyncInterrupted = "sync-interrupted",
    /// It ends while a tree is arriving.
    Sometimes SnapshotInterrupted = "snapshot-interrupted",
    /// It ends while the history and the epoch are being made durable.
    Sometimes JoiningInterrupted = "joining-interrupted",
    /// NEWLEADER comes before the history that it concludes is durable.
    Sometimes NewLeaderWaitsForDisk = "newleader-waits-for-disk",
    /// History and epoch are durable, the acknowledgement of NEWLEADER has not left.
    Reachable NewLeaderAnswered = "newleader-answered",
    /// UPTODATE commits more than was committed by name.
    Sometimes UpToDateCommits = "uptodate-commits",
    /// A follower begins to serve.
    Reachable FollowerServes = "follower-serves",
    /// A follower logs a proposal.
    Reachable FollowerLogs = "follower-logs",
    /// A new proposal comes while a learner waits for UPTODATE.
    Sometimes ProposalBeforeUpToDate = "proposal-before-uptodate",
    /// A commit comes while a learner waits for UPTODATE.
    Sometimes CommitBeforeUpToDate = "commit-before-uptodate",
    /// A follower applies what its own disk has not yet made durable.
    Sometimes AppliedBeforeOwnWrite = "applied-before-own-write",
    /// Several proposals are acknowledged at once.
    Sometimes AcknowledgesSeveral = "acknowledges-several",

    // Sessions and clients.

    /// A client is refused because it has seen more than this server.
    Reachable ClientSeenMore = "client-seen-more",
    /// A session's new connection replaces an old one at the same server.
    Reachable ConnectionReplaced = "connection-replaced",
    /// A session moves to another server.
    Sometimes SessionMoves = "session-moves",
    /// A write of a session that has moved is refused.
    Sometimes MovedSessionRefused = "moved-session-refused",
    /// A session expires.
    Reachable SessionExpires = "session-expires",
    /// A client learns that its session is no more.
    Sometimes SessionRefused = "session-refused",
    /// A client returns to a session whose end is under way.
    Sometimes ReturnsToClosing = "returns-to-closing",
    /// A write meets its session's end, which is under way.
    Sometimes WriteMeetsClosing = "write-meets-closing",
    /// A session is closed that is no more.
    Reachable ClosedTwice = "closed-twice",
    /// A session's end deletes ephemerals.
    Sometimes EphemeralsGo = "ephemerals-go",
    /// Watches are set off.
    Sometimes WatchFires = "watch-fires",
    /// One change sets off the watches of several clients.
    Sometimes WatchFiresForSeveral = "watch-fires-for-several",
    /// A returning client is told what its watches have missed.
    Sometimes WatchMissed = "watch-missed",
    /// A multi fails and leaves nothing.
    Sometimes MultiRolledBack = "multi-rolled-back",
    /// A write waits behind a sync of its client.
    Sometimes WriteBehindSync = "write-behind-sync",
    /// A read waits for writes of its client.
    Sometimes ReadWaits = "read-waits",
    /// A write of a session's former connection is applied, and the new one is not told.
    Sometimes AnswerOfFormerConnection = "answer-of-former-connection",

    // Snapshots, logs and epochs, at the machine and at the disk.

    /// A snapshot is begun.
    Reachable SnapshotBegun = "snapshot-begun",
    /// A snapshot is begun with transactions behind it that are logged and not applied.
    Sometimes SnapshotWithTail = "snapshot-with-tail",
    /// A part of a snapshot is written, not synced, and not under its name.
    Reachable SnapshotHalfWritten = "snapshot-half-written",
    /// A snapshot is durable, but does not have its name yet.
    Reachable SnapshotUnnamed = "snapshot-unnamed",
    /// A snapshot is durable under its name.
    Reachable SnapshotFinished = "snapshot-finished",
    /// A snapshot is abandoned because a leader's tree replaces what it was taken of.
    Reachable SnapshotAbandoned = "snapshot-abandoned",
    /// Old snapshots or logs are removed.
    Sometimes PurgeRemoves = "purge-removes",
    /// A log segment is begun.
    Reachable LogBegun = "log-begun",
    /// A log segment is ended for another one.
    Sometimes LogRolled = "log-rolled",
    /// Transactions are in the log's file, and no fsync has begun.
    Reachable LogUnsynced = "log-unsynced",
    /// An fsync of the log has succeeded, and nobody knows yet.
    Reachable LogSynced = "log-synced",
    /// One fsync covers several transactions.
    Sometimes GroupCommit = "group-commit",
    /// A cut removes a whole segment.
    Reachable CutRemovesLog = "cut-removes-log",
    /// A cut shortens a segment.
    Reachable CutShortensLog = "cut-shortens-log",
    /// An epoch file is about to be replaced; the log before it is durable.
    Reachable EpochUnwritten = "epoch-unwritten",
    /// An epoch file is replaced, and nobody knows yet.
    Reachable EpochWritten = "epoch-written",

    // Recovery and the shell.

    /// A start finds a log behind its snapshot.
    Sometimes RecoversTail = "recovers-tail",
    /// A start cuts off a torn end of the log.
    Sometimes TornTailCut = "torn-tail-cut",
    /// A start removes a log in which nothing is whole.
    Sometimes TornLogRemoved = "torn-log-removed",
    /// A start passes over a newer snapshot and uses an older one.
    Sometimes OlderSnapshotUsed = "older-snapshot-used",
    /// A start finds damage, and sets the files aside.
    Reachable DamageSetAside = "damage-set-aside",
    /// A server without a voice hears of a leader that others follow.
    Reachable VoicelessFollows = "voiceless-follows",
    /// A server without a voice has a leader's history, and its voice again.
    Reachable VoiceRegained = "voice-regained",
    /// A leader leaves a learner without a voice out of a count.
    Reachable VoicelessNotCounted = "voiceless-not-counted",
    /// A start removes a file that was never finished.
    Reachable UnfinishedFileRemoved = "unfinished-file-removed",
    /// A start has read its files, and writes out anew what it will rely on.
    Reachable RecoveryRepairs = "recovery-repairs",
    /// A start finds acceptedEpoch behind currentEpoch.
    Sometimes AcceptedEpochBehind = "accepted-epoch-behind",
    /// A start cannot read its files, and tries again.
    Reachable RecoveryFails = "recovery-fails",
    /// A failing disk restarts the machine.
    Reachable DiskRestartsMachine = "disk-restarts-machine",
    /// A connection to a leader cannot be made in time.
    Sometimes DialFails = "dial-fails",
    /// An election connection ends or cannot be made.
    Sometimes ElectionPeerLost = "election-peer-lost",

    // What must hold.

    /// acceptedEpoch is not before currentEpoch.
    Always AcceptedNotBehind = "accepted-not-behind",
    /// The disk reports in the order in which it was asked.
    Always DiskReportsInOrder = "disk-reports-in-order",
    /// What the tree holds is logged.
    Always AppliedIsLogged = "applied-is-logged",
    /// What a leader commits is logged there.
    Always CommittedIsLogged = "committed-is-logged",
    /// A leader's log ends with its last proposal.
    Always LogEndsWithProposal = "log-ends-with-proposal",
    /// A leader proposes in the epoch that it established.
    Always ProposalInOwnEpoch = "proposal-in-own-epoch",
    /// A leader that serves has made its own epoch durable.
    Always ServesDurableEpoch = "serves-durable-epoch",
    /// A follower serves in the epoch that it joined.
    Always ServesInJoinedEpoch = "serves-in-joined-epoch",
    /// A learner acknowledges nothing that was not proposed.
    Always AcknowledgedWasProposed = "acknowledged-was-proposed",
    /// A follower acknowledges nothing that it has not logged.
    Always AcknowledgedIsLogged = "acknowledged-is-logged",
    /// A learner is never brought to a position beyond the leader's log.
    Always SyncWithinLog = "sync-within-log",
    /// A session whose end is applied is not tracked any more.
    Always ClosedIsUntracked = "closed-is-untracked",
    /// An answer tells of nothing that is not applied.
    Always AnswerIsApplied = "answer-is-applied",
    /// A snapshot is the tree that is applied.
    Always SnapshotIsApplied = "snapshot-is-applied",
    /// Transactions come to a log's file in their order.
    Always LogInOrder = "log-in-order",
    /// No snapshot is begun while another is being written.
    Always OneSnapshotAtATime = "one-snapshot-at-a-time",
}
