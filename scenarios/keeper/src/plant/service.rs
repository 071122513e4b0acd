//! Planted bugs of what a server does for its clients: requests, trees, sessions, watches, files.

use harness::plant::PlantedBug;

/// The list.
pub(super) const BUGS: &[PlantedBug] = &[
    PlantedBug {
        name: "ZK-1277",
        source: "ZOOKEEPER-1277: the low half of the zxid rolls over into the epoch",
        what: "when an epoch's zxids are used up the leader goes on in the next epoch instead of stepping \
               down for one that a quorum promises it. The plan makes the counter narrower than the 32 \
               bits over which it really ran",
        scenario: "keeper/register",
        expected: &["zxids of the epoch"],
        consequence: None,
        budget_seeds: 200,
    },
    PlantedBug {
        name: "ZK-1046",
        source: "ZOOKEEPER-1046: a wrong cversion gives sequential znodes names that exist",
        what: "a server that replays its log does not count the creations under their parent: as the \
               leader it gives out numbers again. Apache lost the count when it replayed over a fuzzy \
               snapshot; ours are exact, so any replay loses it",
        scenario: "keeper/mixed",
        expected: &["replica digests"],
        consequence: Some("write linearizability"),
        budget_seeds: 200,
    },
    PlantedBug {
        name: "ZK-1624",
        source: "ZOOKEEPER-1624: an aborted multi rolls back other requests' outstanding changes",
        what: "a multi that fails takes back the changes under way for its paths, whosesoever they are: \
               later requests are decided against a state that is past",
        scenario: "keeper/multi",
        expected: &["write linearizability", "linearizability"],
        consequence: None,
        budget_seeds: 200,
    },
    PlantedBug {
        name: "ZK-1412",
        source: "ZOOKEEPER-1412: watches fire wrongly after a reconnection (relativeZxid)",
        what: "a client that returns and names its watches is taken to have seen everything already: it is \
               not told of changes of data and children that came while it was away",
        scenario: "keeper/watch",
        expected: &["watch completeness"],
        consequence: None,
        budget_seeds: 200,
    },
    PlantedBug {
        name: "ZK-2355",
        source: "ZOOKEEPER-2355: a follower that failed on a closeSession never deletes its ephemerals",
        what: "a follower that learns of a session's end from a later leader, instead of by the proposal \
               and commit of its own, keeps the ephemerals",
        scenario: "keeper/session",
        expected: &["ephemerals go with their session", "replica digests"],
        consequence: None,
        budget_seeds: 200,
    },
    PlantedBug {
        name: "ZK-1496",
        source: "ZOOKEEPER-1496: an ephemeral znode is not cleared after its client has gone",
        what: "the leader takes a session whose end it has proposed to be alive when it reconnects, and \
               lets it create ephemerals, which come after the end that should take them along",
        scenario: "keeper/session",
        expected: &["ephemerals go with their session"],
        consequence: Some("ephemerals"),
        budget_seeds: 300,
    },
    PlantedBug {
        name: "ZK-4541",
        source: "ZOOKEEPER-4541: the ephemeral of a closed session stays on one server",
        what: "a server that restarts and replays the end of a session from its log keeps the ephemerals",
        scenario: "keeper/session",
        expected: &["ephemerals go with their session", "replica digests"],
        consequence: None,
        budget_seeds: 200,
    },
    PlantedBug {
        name: "ZK-1382",
        source: "ZOOKEEPER-1382: the watches of dead sessions are held for ever",
        what: "a connection that ends leaves its watches behind. No client sees it; the server's memory \
               fills",
        scenario: "keeper/watch",
        expected: &["watches go with their connection"],
        consequence: None,
        budget_seeds: 50,
    },
    PlantedBug {
        name: "ZK-3644",
        source: "ZOOKEEPER-3644, ZOOKEEPER-2325: without a snapshot a server starts with an empty tree",
        what: "a server that finds no snapshot does not read its log either, and starts with nothing; a \
               quorum of such servers loses every write",
        scenario: "keeper/register",
        expected: &["acknowledged is durable"],
        consequence: None,
        budget_seeds: 200,
    },
    PlantedBug {
        name: "ZK-3144",
        source: "ZOOKEEPER-3144: a snapshot holds ephemerals and lacks their sessions",
        what: "the table of sessions in a snapshot file is not of the moment of its tree: a server that \
               starts from it has ephemerals of sessions that it does not know",
        scenario: "keeper/session",
        expected: &["ephemerals go with their session"],
        consequence: Some("ephemerals"),
        budget_seeds: 200,
    },
    PlantedBug {
        name: "ZK-3306",
        source: "ZOOKEEPER-3306: access control lists are counted wrongly after SNAP",
        what: "the access control lists of a tree that a leader sent are counted once each, not \
               for each znode: the first deletion of such a znode takes the list from all others. \
               There they could not be read any more, here the server stops",
        scenario: "keeper/mixed",
        expected: &["no panic"],
        consequence: None,
        budget_seeds: 50,
    },
    PlantedBug {
        name: "ZK-3145",
        source: "ZOOKEEPER-3145: a watch is missed after closeSession was replayed",
        what: "a server that replays the end of a session from its log leaves pzxid of the \
               ephemerals' parents as it was; by it a returning client is told what it has missed",
        scenario: "keeper/session",
        expected: &["replica digests"],
        consequence: None,
        budget_seeds: 50,
    },
    PlantedBug {
        name: "stale-reconnect",
        source: "ZooKeeper Programmer's Guide, Consistency Guarantees, single system image",
        what: "a server lets in a client that has seen more than the server has applied, and does not \
               ask the leader, whose answer would come behind what it lacks: the client goes \
               back in time",
        scenario: "keeper/register",
        expected: &["single system image"],
        consequence: None,
        budget_seeds: 200,
    },
    PlantedBug {
        name: "purge-log-in-use",
        source: "ZOOKEEPER-1797",
        what: "after a snapshot every log begun before it is removed, also the one that holds proposals \
           behind it: a restart loses them",
        scenario: "keeper/register",
        expected: &["PrefixConsistency", "damage is found where it was done", "no server gives up"],
        consequence: None,
        budget_seeds: 200,
    },
];
