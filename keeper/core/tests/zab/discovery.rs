//! Election and discovery: a quorum agrees on a leader, promises it a new epoch and takes over its
//! history.

use expect_test::expect;

use crate::client::create;
use crate::world::{Lane, World};

#[test]
fn three_new_servers_elect_one_and_serve() {
    let mut world = World::new();
    for server in 1..=3 {
        world.start(server);
    }
    world.run();
    expect![[r#"
        n1: looking for a leader: the server starts
        n1 -> n2 looking: vote n1 (epoch 0, 0x0) in round 1
        n1 -> n3 looking: vote n1 (epoch 0, 0x0) in round 1
        n2: looking for a leader: the server starts
        n2 -> n1 looking: vote n2 (epoch 0, 0x0) in round 1
        n2 -> n3 looking: vote n2 (epoch 0, 0x0) in round 1
        n2 -> n1 looking: vote n2 (epoch 0, 0x0) in round 1
        n1 -> n2 looking: vote n1 (epoch 0, 0x0) in round 1
        n3: looking for a leader: the server starts
        n3 -> n1 looking: vote n3 (epoch 0, 0x0) in round 1
        n3 -> n2 looking: vote n3 (epoch 0, 0x0) in round 1
        n3 -> n1 looking: vote n3 (epoch 0, 0x0) in round 1
        n1 -> n3 looking: vote n1 (epoch 0, 0x0) in round 1
        n3 -> n2 looking: vote n3 (epoch 0, 0x0) in round 1
        n2 -> n3 looking: vote n2 (epoch 0, 0x0) in round 1
        n2 -> n1 looking: vote n2 (epoch 0, 0x0) in round 1
        n3 -> n1 looking: vote n3 (epoch 0, 0x0) in round 1
        n1 -> n2 looking: vote n2 (epoch 0, 0x0) in round 1
        n1 -> n3 looking: vote n2 (epoch 0, 0x0) in round 1
        n3 -> n2 looking: vote n3 (epoch 0, 0x0) in round 1
        n1 -> n2 looking: vote n3 (epoch 0, 0x0) in round 1
        n1 -> n3 looking: vote n3 (epoch 0, 0x0) in round 1
        n2 -> n1 looking: vote n3 (epoch 0, 0x0) in round 1
        n2 -> n3 looking: vote n3 (epoch 0, 0x0) in round 1
        n2 -> n1 looking: vote n3 (epoch 0, 0x0) in round 1
        n3 -> n1 looking: vote n3 (epoch 0, 0x0) in round 1
        n2: following server 3
        n2 -> n3 connects
        n2 -> n1 following: vote n3 (epoch 0, 0x0) in round 1
        n2 -> n3 following: vote n3 (epoch 0, 0x0) in round 1
        n1: following server 3
        n1 -> n3 connects
        n1 -> n2 following: vote n3 (epoch 0, 0x0) in round 1
        n1 -> n3 following: vote n3 (epoch 0, 0x0) in round 1
        n3: leading: waiting for a quorum of followers
        n3 -> n1 leading: vote n3 (epoch 0, 0x0) in round 1
        n3 -> n2 leading: vote n3 (epoch 0, 0x0) in round 1
        n1 -> n2 following: vote n3 (epoch 0, 0x0) in round 1
        n1 -> n3 following: vote n3 (epoch 0, 0x0) in round 1
        n2 -> n3 FOLLOWERINFO accepted epoch 0
        n1 -> n3 FOLLOWERINFO accepted epoch 0
        n3 disk acceptedEpoch 1
        n3 disk durable
        n3 -> n2 LEADERINFO epoch 1
        n3 -> n1 LEADERINFO epoch 1
        n2 disk acceptedEpoch 1
        n1 disk acceptedEpoch 1
        n2 disk durable
        n2 -> n3 ACKEPOCH current epoch 0, log ends 0x0
        n1 disk durable
        n1 -> n3 ACKEPOCH current epoch 0, log ends 0x0
        n3 disk currentEpoch 1
        n3: server 2 at 0x0 is synchronised by Diff from 0x0
        n3 -> n2 DIFF 0x0
        n3 -> n2 NEWLEADER 0x100000000
        n3: server 1 at 0x0 is synchronised by Diff from 0x0
        n3 -> n1 DIFF 0x0
        n3 -> n1 NEWLEADER 0x100000000
        n3 disk durable
        n2 disk currentEpoch 1
        n1 disk currentEpoch 1
        n2 disk durable
        n2 -> n3 ACK 0x100000000
        n1 disk durable
        n1 -> n3 ACK 0x100000000
        n3: serving as the leader of epoch 1 from 0x0
        n3 -> n2 UPTODATE 0x0
        n3 -> n1 UPTODATE 0x0
        n2: serving as a follower in epoch 1 from 0x0
        n2 -> n3 ACK 0x100000000
        n1: serving as a follower in epoch 1 from 0x0
        n1 -> n3 ACK 0x100000000
    "#]]
    .assert_eq(&world.take_all());
}

/// n3 has won, but the votes that would tell it so are late. Its followers are kept waiting.
#[test]
fn a_follower_that_knows_before_the_winner_is_kept_waiting_and_then_served() {
    let mut world = World::new();
    for server in [1, 2] {
        world.hold(Lane::Votes, server, 3);
    }
    for server in 1..=3 {
        world.start(server);
    }
    world.run();
    expect![[r#"
        n1: looking for a leader: the server starts
        n2: looking for a leader: the server starts
        n3: looking for a leader: the server starts
        n2: following server 3
        n2 -> n3 connects
        n1: following server 3
        n1 -> n3 connects
        n2 -> n3 FOLLOWERINFO accepted epoch 0
        n1 -> n3 FOLLOWERINFO accepted epoch 0
    "#]]
    .assert_eq(&world.take());

    world.release(Lane::Votes, 1, 3);
    world.release(Lane::Votes, 2, 3);
    expect![[r#"
        n3: leading: waiting for a quorum of followers
        n3 disk acceptedEpoch 1
        n3 disk durable
        n3 -> n2 LEADERINFO epoch 1
        n3 -> n1 LEADERINFO epoch 1
        n2 disk acceptedEpoch 1
        n1 disk acceptedEpoch 1
        n2 disk durable
        n2 -> n3 ACKEPOCH current epoch 0, log ends 0x0
        n1 disk durable
        n1 -> n3 ACKEPOCH current epoch 0, log ends 0x0
        n3 disk currentEpoch 1
        n3: server 2 at 0x0 is synchronised by Diff from 0x0
        n3 -> n2 DIFF 0x0
        n3 -> n2 NEWLEADER 0x100000000
        n3: server 1 at 0x0 is synchronised by Diff from 0x0
        n3 -> n1 DIFF 0x0
        n3 -> n1 NEWLEADER 0x100000000
        n3 disk durable
        n2 disk currentEpoch 1
        n1 disk currentEpoch 1
        n2 disk durable
        n2 -> n3 ACK 0x100000000
        n1 disk durable
        n1 -> n3 ACK 0x100000000
        n3: serving as the leader of epoch 1 from 0x0
        n3 -> n2 UPTODATE 0x0
        n3 -> n1 UPTODATE 0x0
        n2: serving as a follower in epoch 1 from 0x0
        n2 -> n3 ACK 0x100000000
        n1: serving as a follower in epoch 1 from 0x0
        n1 -> n3 ACK 0x100000000
    "#]]
    .assert_eq(&world.take());
}

/// The rest of the ensemble has agreed and serves; the newcomer joins without another election.
#[test]
fn a_newcomer_joins_the_established_leader() {
    let mut world = World::new();
    world.start(1);
    world.start(2);
    world.run();
    world.take();
    world.start(3);
    world.run();
    expect![[r#"
        n3: looking for a leader: the server starts
        n3 -> n1 looking: vote n3 (epoch 0, 0x0) in round 1
        n3 -> n2 looking: vote n3 (epoch 0, 0x0) in round 1
        n3 -> n1 looking: vote n3 (epoch 0, 0x0) in round 1
        n3 -> n2 looking: vote n3 (epoch 0, 0x0) in round 1
        n1 -> n3 following: vote n2 (epoch 1, 0x0) in round 1
        n2 -> n3 leading: vote n2 (epoch 1, 0x0) in round 1
        n1 -> n3 following: vote n2 (epoch 1, 0x0) in round 1
        n2 -> n3 leading: vote n2 (epoch 1, 0x0) in round 1
        n3: following server 2
        n3 -> n2 connects
        n3 -> n1 following: vote n2 (epoch 1, 0x0) in round 1
        n3 -> n2 following: vote n2 (epoch 1, 0x0) in round 1
        n3 -> n2 FOLLOWERINFO accepted epoch 0
        n2 -> n3 LEADERINFO epoch 1
        n3 disk acceptedEpoch 1
        n3 disk durable
        n3 -> n2 ACKEPOCH current epoch 0, log ends 0x0
        n2: server 3 at 0x0 is synchronised by Diff from 0x0
        n2 -> n3 DIFF 0x0
        n2 -> n3 NEWLEADER 0x100000000
        n3 disk currentEpoch 1
        n3 disk durable
        n3 -> n2 ACK 0x100000000
        n2 -> n3 UPTODATE 0x0
        n3: serving as a follower in epoch 1 from 0x0
        n3 -> n2 ACK 0x100000000
    "#]]
    .assert_eq(&world.take_all());
}

/// n3 leads again without the last proposal, which n1 alone has logged; n1 is with it, and n2's words are late.
fn one_follower_is_newer() -> World {
    let mut world = World::serving();
    world.open(1, 3, None);
    world.hold_disk(3);
    world.hold(Lane::Packets, 3, 2);
    world.ask(1, &create("/a"));
    for other in [2, 3] {
        world.hold(Lane::Votes, 1, other);
    }
    for server in [2, 3] {
        world.crash(server);
    }
    world.release_disk(3);
    world.release(Lane::Packets, 3, 2);
    world.hold(Lane::Packets, 2, 3);
    world.start(2);
    world.start(3);
    // They wait for the vote of n1 for so long.
    world.advance(200);
    world
}

/// The others are a quorum, so that nobody can have committed what n1 alone has.
#[test]
fn a_leader_does_without_a_follower_that_is_newer_where_a_quorum_is_not() {
    let mut world = one_follower_is_newer();
    world.take();
    world.release(Lane::Packets, 2, 3);
    expect![[r#"
        n2 -> n3 FOLLOWERINFO accepted epoch 1
        n3 -> n2 LEADERINFO epoch 2
        n2 disk acceptedEpoch 2
        n2 disk durable
        n2 -> n3 ACKEPOCH current epoch 1, log ends 0x100000001
        n3 disk currentEpoch 2
        n3: server 1 at 0x100000002 is synchronised by Trunc from 0x100000001
        n3 -> n1 TRUNC 0x100000001
        n3 -> n1 NEWLEADER 0x200000000
        n3: server 2 at 0x100000001 is synchronised by Diff from 0x100000001
        n3 -> n2 DIFF 0x100000001
        n3 -> n2 NEWLEADER 0x200000000
        n3 disk durable
        n1 disk truncate 0x100000001
        n1 disk currentEpoch 2
        n2 disk currentEpoch 2
        n1 disk durable
        n1 -> n3 ACK 0x200000000
        n2 disk durable
        n2 -> n3 ACK 0x200000000
        n3: serving as the leader of epoch 2 from 0x100000001
        n3 -> n1 UPTODATE 0x100000001
        n3 shows 0x100000001
        n3 -> n2 UPTODATE 0x100000001
        n1: serving as a follower in epoch 2 from 0x100000001
        n1 -> n3 ACK 0x200000000
        n2: serving as a follower in epoch 2 from 0x100000001
        n2 -> n3 ACK 0x200000000
        n2 shows 0x100000001
    "#]]
    .assert_eq(&world.take());
    assert!(!world.shows(1, "/a"));
}

/// Without n2 it could have been committed.
#[test]
fn a_leader_gives_way_to_a_follower_that_is_newer_where_no_quorum_comes_without_it() {
    let mut world = one_follower_is_newer();
    world.take();
    world.advance(2_000);
    world.release(Lane::Packets, 2, 3);
    for other in [2, 3] {
        world.release(Lane::Votes, 1, other);
    }
    world.advance(400);
    expect![[r#"
        n3: looking for a leader: a follower's history is more recent
        n3 -> n1 closes
        n1: looking for a leader: the connection to the leader ended
        n2 -> n3 FOLLOWERINFO accepted epoch 1
        n3 -> n2 closes
        n2: looking for a leader: the leader looks for one itself
        n2 -> n3 closes
        n2: following server 1
        n2 -> n1 connects
        n1: leading: waiting for a quorum of followers
        n3: following server 1
        n3 -> n1 connects
        n2 -> n1 FOLLOWERINFO accepted epoch 1
        n3 -> n1 FOLLOWERINFO accepted epoch 2
        n1 disk acceptedEpoch 3
        n1 disk durable
        n1 -> n2 LEADERINFO epoch 3
        n1 -> n3 LEADERINFO epoch 3
        n2 disk acceptedEpoch 3
        n3 disk acceptedEpoch 3
        n2 disk durable
        n2 -> n1 ACKEPOCH current epoch 1, log ends 0x100000001
        n3 disk durable
        n3 -> n1 ACKEPOCH current epoch 1, log ends 0x100000001
        n1 disk currentEpoch 3
        n1: server 2 at 0x100000001 is synchronised by Diff from 0x100000001
        n1 -> n2 DIFF 0x100000002
        n1 -> n2 PROPOSAL 0x100000002 create /a
        n1 -> n2 COMMIT 0x100000002
        n1 -> n2 NEWLEADER 0x300000000
        n1: server 3 at 0x100000001 is synchronised by Diff from 0x100000001
        n1 -> n3 DIFF 0x100000002
        n1 -> n3 PROPOSAL 0x100000002 create /a
        n1 -> n3 COMMIT 0x100000002
        n1 -> n3 NEWLEADER 0x300000000
        n1 disk durable
        n2 disk append 0x100000002
        n2 disk currentEpoch 3
        n3 disk append 0x100000002
        n3 disk currentEpoch 3
        n2 disk durable
        n2 -> n1 ACK 0x300000000
        n3 disk durable
        n3 -> n1 ACK 0x300000000
        n1: serving as the leader of epoch 3 from 0x100000002
        n1 -> n2 UPTODATE 0x100000002
        n1 shows 0x100000002
        n1 -> n3 UPTODATE 0x100000002
        n2: serving as a follower in epoch 3 from 0x100000002
        n2 -> n1 ACK 0x300000000
        n2 shows 0x100000002
        n3: serving as a follower in epoch 3 from 0x100000002
        n3 -> n1 ACK 0x300000000
        n3 shows 0x100000002
    "#]]
    .assert_eq(&world.take());
    assert!(world.shows(2, "/a"));
}
