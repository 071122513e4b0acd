//! Planted bugs of the protocol between servers: election, synchronisation, broadcast, recovery.

use harness::plant::PlantedBug;

/// The list.
pub(super) const BUGS: &[PlantedBug] = &[
    PlantedBug {
        name: "ack-before-fsync",
        source: "a classic; DSN 2011, section IV, step 3.2: acknowledged is what is on disk",
        what: "a follower acknowledges proposals that it has not made durable: a loss of power \
               loses writes that clients were told of",
        scenario: "keeper/register",
        expected: &["acknowledged is durable"],
        consequence: Some("acknowledged writes survive"),
        budget_seeds: 200,
    },
    PlantedBug {
        name: "ZK-4646",
        source: "ZOOKEEPER-4646: NEWLEADER is acknowledged before its transactions are durable",
        what: "a learner acknowledges NEWLEADER while what it was sent is on the way to its disk: \
               the leader counts a history that a loss of power takes away",
        scenario: "keeper/mixed",
        expected: &["acknowledged is durable"],
        consequence: None,
        budget_seeds: 100,
    },
    PlantedBug {
        name: "ZK-4643",
        source: "ZOOKEEPER-4643: currentEpoch is written before the epoch's transactions",
        what: "a learner that gets a DIFF writes currentEpoch first: struck then, it claims an \
               epoch whose history it lacks, and can win an election with it",
        scenario: "keeper/mixed",
        expected: &["an epoch is joined with its history"],
        consequence: None,
        budget_seeds: 300,
    },
    PlantedBug {
        name: "ZK-3911",
        source: "ZOOKEEPER-3911: a DIFF's proposals are logged only after UPTODATE",
        what: "what a learner is sent before UPTODATE stays in memory though NEWLEADER is \
               acknowledged; here also behind TRUNC and SNAP",
        scenario: "keeper/mixed",
        expected: &["acknowledged is durable"],
        consequence: None,
        budget_seeds: 100,
    },
    PlantedBug {
        name: "ZK-2845",
        source: "ZOOKEEPER-2845: a database kept through an election disagrees with its log",
        what: "a server that leaves its role forgets the part of its log that it has not applied, \
               but the file keeps it: no leader cuts it, and the next start brings it back",
        scenario: "keeper/mixed",
        expected: &[
            "PrefixConsistency",
            "log contiguity",
            "replica digests",
            "damage is found where it was done",
            "no server gives up",
        ],
        consequence: None,
        budget_seeds: 200,
    },
    PlantedBug {
        name: "ZK-962",
        source: "ZOOKEEPER-962: what is committed while a follower receives a DIFF is lost to it",
        what: "the leader forwards nothing to a learner that has not acknowledged NEWLEADER yet; \
               there the learner went on with a hole, here it notices and begins again, for ever \
               if writes do not pause",
        scenario: "keeper/mixed",
        expected: &["ShouldNotBeTriggered"],
        consequence: None,
        budget_seeds: 200,
    },
    PlantedBug {
        name: "ZK-1489",
        source: "ZOOKEEPER-1489: the log stream is not reset after a truncation",
        what: "after TRUNC the log goes on at its old offset: behind a hole of zeros, where a \
               start takes it to end",
        scenario: "keeper/mixed",
        expected: &[
            "acknowledged is durable",
            "damage is found where it was done",
            "no server gives up",
        ],
        consequence: None,
        budget_seeds: 300,
    },
    PlantedBug {
        name: "ZK-3642",
        source: "ZOOKEEPER-3642: a leader's snapshot is applied and never saved",
        what: "after SNAP the tree is in memory only, and the log goes on where the tree stands; \
               there only if the leader died before NEWLEADER",
        scenario: "keeper/mixed",
        expected: &["PrefixConsistency", "damage is found where it was done", "no server gives up"],
        consequence: None,
        budget_seeds: 200,
    },
    PlantedBug {
        name: "ZK-4712",
        source: "ZOOKEEPER-4712, ZOOKEEPER-4502: the old role's log writer is not stopped",
        what: "what was on its way to the disk when a role ended is logged once more, behind the \
               cut of TRUNC; the next start takes it for history",
        scenario: "keeper/mixed",
        expected: &[
            "PrefixConsistency",
            "a leader delivers first",
            "damage is found where it was done",
            "no server gives up",
        ],
        consequence: None,
        budget_seeds: 300,
    },
    PlantedBug {
        name: "ZK-1653",
        source: "ZOOKEEPER-1653, 2307, 2354: a crash leaves epoch files that no server starts from",
        what: "acceptedEpoch and currentEpoch are written in place: a loss of power in between \
               leaves an empty file, and no server starts from one; there the two contradicted each \
               other, which is mended here at the start",
        scenario: "keeper/mixed",
        expected: &["no server gives up"],
        consequence: None,
        budget_seeds: 300,
    },
    PlantedBug {
        name: "ZK-335",
        source: "ZOOKEEPER-335: a new leader does not commit its own epoch to its log",
        what: "a leader writes neither acceptedEpoch nor currentEpoch: after a crash it believes in \
               an earlier epoch, and can lead the same one again",
        scenario: "keeper/mixed",
        expected: &["Leadership2", "epochs"],
        consequence: None,
        budget_seeds: 100,
    },
    PlantedBug {
        name: "ZK-3104",
        source: "ZOOKEEPER-3104: NEWLEADER is sent before the snapshot is taken",
        what: "the tree that a leader sends goes out under the zxid of its last proposal, which \
               it does not hold yet: what lies between is missing in the learner for ever. There \
               the learner gave its own snapshot that name",
        scenario: "keeper/mixed",
        expected: &["replica digests"],
        consequence: None,
        budget_seeds: 50,
    },
    PlantedBug {
        name: "ZK-2846",
        source: "ZOOKEEPER-2846: the log that is used for synchronisation holds what is not committed",
        what: "a leader that serves sends a learner all of its log as committed: the learner \
               delivers what no quorum holds",
        scenario: "keeper/mixed",
        expected: &["a leader delivers first"],
        consequence: None,
        budget_seeds: 50,
    },
    PlantedBug {
        name: "ZK-4925",
        source: "ZOOKEEPER-4925: what is committed while a server is synchronised never enters its committed log",
        what: "what a server received while it was synchronised is left out of what it sends as a \
               leader. There a learner went on with the hole; here it notices one inside of an \
               epoch, and goes on with one at its end",
        scenario: "keeper/mixed",
        expected: &[
            "an epoch is joined with its history",
            "ShouldNotBeTriggered",
            "PrefixConsistency",
        ],
        consequence: None,
        budget_seeds: 50,
    },
    PlantedBug {
        name: "ZK-4352",
        source: "ZOOKEEPER-4352: minCommittedLog of 0 is taken to cover everything",
        what: "a leader that has just started from its snapshot, and holds no committed \
               transaction beside it, takes a learner that is behind the snapshot to lack \
               nothing: DIFF instead of SNAP",
        scenario: "keeper/mixed",
        expected: &[
            "ShouldNotBeTriggered",
            "an epoch is joined with its history",
            "PrefixConsistency",
        ],
        consequence: None,
        budget_seeds: 50,
    },
    PlantedBug {
        name: "ZK-4394",
        source: "ZOOKEEPER-4394: a COMMIT between NEWLEADER and UPTODATE finds no pending proposal",
        what: "a learner forgets at NEWLEADER what was proposed before and is not committed: the \
               COMMIT that comes before UPTODATE ends the server, there by a null pointer",
        scenario: "keeper/mixed",
        expected: &["no server gives up"],
        consequence: None,
        budget_seeds: 50,
    },
    PlantedBug {
        name: "ZK-4685",
        source: "ZOOKEEPER-4685: a follower acknowledges a proposal before NEWLEADER",
        what: "a learner whose disk is slow acknowledges the proposals that are durable while \
               NEWLEADER waits: there the leader took the first for that of NEWLEADER and stepped \
               down, here it hangs up",
        scenario: "keeper/mixed",
        expected: &["ShouldNotBeTriggered"],
        consequence: None,
        budget_seeds: 200,
    },
    PlantedBug {
        name: "damage-is-torn",
        source: "Alagappan and others, FAST 2018, section 2; ours until issue 11: a damaged log was cut",
        what: "a log that is damaged in its middle is cut there, as if a crash had torn it: what was \
               acknowledged behind it is gone, and whoever elects with that server loses it for all",
        scenario: "keeper/mixed",
        expected: &["acknowledged writes survive"],
        consequence: None,
        budget_seeds: 300,
    },
    PlantedBug {
        name: "damaged-votes",
        source: "Alagappan and others, FAST 2018, section 3.4.1: a faulty copy takes no part in an election",
        what: "a server whose data were damaged votes and promises with nothing left: a majority that \
               has lost what is committed chooses a leader without it",
        scenario: "keeper/mixed",
        expected: &["acknowledged writes survive"],
        consequence: None,
        budget_seeds: 300,
    },
    PlantedBug {
        name: "ZK-1732",
        source: "ZOOKEEPER-1732: a server cannot join an ensemble that is established",
        what: "followers report the vote of the election, their leader the epoch that it leads: a \
               server that looks for them never hears a quorum say the same",
        scenario: "keeper/mixed",
        expected: &["healing"],
        consequence: None,
        budget_seeds: 50,
    },
    PlantedBug {
        name: "ZK-3023",
        source: "ZOOKEEPER-3023: a vote names a zxid that is out of date",
        what: "the vote names what is applied, not what is logged. A leader without the longest \
               log is refused by those who have it, and elected again",
        scenario: "keeper/mixed",
        expected: &["healing"],
        consequence: None,
        budget_seeds: 300,
    },
    PlantedBug {
        name: "ZK-4882",
        source: "ZOOKEEPER-4882: a commit is applied though the own log could not be written",
        what: "a server whose log could not be written goes on with what it has in memory, and \
               with its log behind a hole. There it first joined its leader again",
        scenario: "keeper/mixed",
        expected: &[
            "acknowledged is durable",
            "PrefixConsistency",
            "damage is found where it was done",
            "no server gives up",
        ],
        consequence: None,
        budget_seeds: 200,
    },
    PlantedBug {
        name: "ZK-2247",
        source: "ZOOKEEPER-2247: a leader that cannot write its log stays the leader",
        what: "a leader goes on without its disk: it can neither lead the next epoch nor join it",
        scenario: "keeper/mixed",
        expected: &["healing"],
        consequence: None,
        budget_seeds: 300,
    },
    PlantedBug {
        name: "ZK-3701",
        source: "ZOOKEEPER-3701: a cut of the log that failed counts as done",
        what: "a cut that the disk refuses is taken to be done: the next start brings the tail \
               back, and a quorum may hear of it",
        scenario: "keeper/mixed",
        expected: &[
            "acknowledged is durable",
            "PrefixConsistency",
            "a leader delivers first",
            "damage is found where it was done",
            "no server gives up",
        ],
        consequence: None,
        budget_seeds: 200,
    },
    PlantedBug {
        name: "ZK-1156",
        source: "ZOOKEEPER-1156: truncation cuts too much of the log",
        what: "a cut takes along the last transaction that it should keep; the next start finds \
               it missing, or goes on without it",
        scenario: "keeper/mixed",
        expected: &[
            "acknowledged is durable",
            "PrefixConsistency",
            "damage is found where it was done",
            "no server gives up",
        ],
        consequence: None,
        budget_seeds: 200,
    },
    PlantedBug {
        name: "commit-ld-zxid",
        source: "zookeeper-specifications, protocol-spec: COMMIT-LD carries the zxid of ACK-LD",
        what: "UPTODATE says how far the learner vouched, not what is committed: the learner \
               delivers a tail that no quorum holds",
        scenario: "keeper/mixed",
        expected: &["a leader delivers first"],
        consequence: None,
        budget_seeds: 300,
    },
];
