//! When a leader stops: without a quorum of connections at once, and when its zxids are used up.

use expect_test::expect;
use keeper_core::error::Code;
use keeper_core::ids::{Epoch, SessionId, Zxid};
use keeper_core::tree::Tree;
use keeper_core::txn::{Txn, TxnBody, TxnHeader};

use crate::client::create;
use crate::disk::Disk;
use crate::world::{Lane, World};

#[test]
fn a_leader_without_a_quorum_of_connections_steps_down_at_once() {
    let mut world = World::serving();
    world.open(1, 3, None);
    world.take();
    // With one follower left it goes on.
    world.crash(1);
    expect![[r#""#]].assert_eq(&world.take());
    world.crash(2);
    expect![[r#"
        n3: looking for a leader: no quorum of followers is connected any more
        n3 -> c1 closes
    "#]]
    .assert_eq(&world.take());
}

/// The connections stand, but nothing comes over them any more: syncLimit (5 ticks) ends it.
#[test]
fn a_leader_that_hears_no_quorum_steps_down_after_the_limit() {
    let mut world = World::serving();
    world.hold(Lane::Packets, 1, 3);
    world.hold(Lane::Packets, 2, 3);
    world.advance(10_000);
    expect![[r#""#]].assert_eq(&world.take());
    world.advance(1_000);
    expect![[r#"
        n3: looking for a leader: a quorum has been silent for syncLimit
        n3 -> n2 closes
        n3 -> n1 closes
        n2: looking for a leader: the connection to the leader ended
        n1: looking for a leader: the connection to the leader ended
        n1: following server 2
        n1 -> n2 connects
        n2: leading: waiting for a quorum of followers
        n3: following server 2
        n3 -> n2 connects
        n1 -> n2 FOLLOWERINFO accepted epoch 1
        n3 -> n2 FOLLOWERINFO accepted epoch 1
        n2 disk acceptedEpoch 2
        n2 disk durable
        n2 -> n1 LEADERINFO epoch 2
        n2 -> n3 LEADERINFO epoch 2
        n1 disk acceptedEpoch 2
        n1 disk durable
        n1 -> n2 ACKEPOCH current epoch 1, log ends 0x0
        n2 disk currentEpoch 2
        n2: server 1 at 0x0 is synchronised by Diff from 0x0
        n2 -> n1 DIFF 0x0
        n2 -> n1 NEWLEADER 0x200000000
        n2 disk durable
        n1 disk currentEpoch 2
        n1 disk durable
        n1 -> n2 ACK 0x200000000
        n2: serving as the leader of epoch 2 from 0x0
        n2 -> n1 UPTODATE 0x0
        n1: serving as a follower in epoch 2 from 0x0
        n1 -> n2 ACK 0x200000000
    "#]]
    .assert_eq(&world.take());
}

/// Its followers hear nothing of it, while it still hears what they have to say, though not that they leave.
#[test]
fn a_leader_that_nobody_hears_steps_down_after_the_limit_although_it_hears_them() {
    let mut world = World::serving();
    world.open(1, 1, None);
    world.open(2, 2, None);
    world.hold(Lane::Packets, 3, 1);
    world.hold(Lane::Packets, 3, 2);
    world.advance(8_000);
    world.ask(1, &create("/heard"));
    world.ask(2, &create("/heard-too"));
    assert!(world.take().contains("n1 -> n3 REQUEST"));
    world.hold(Lane::Packets, 1, 3);
    world.hold(Lane::Packets, 2, 3);
    world.advance(4_000);
    let told = "n3: looking for a leader: a quorum has been silent for syncLimit";
    assert!(world.take().contains(told));
}

/// initLimit is for what they do themselves: a leader that has died is not waited for so long.
#[test]
fn who_waits_for_a_leader_that_says_nothing_leaves_it_after_sync_limit() {
    let mut world = World::serving();
    for server in 1..=3 {
        world.crash(server);
    }
    world.take_all();
    world.hold(Lane::Packets, 3, 1);
    world.hold(Lane::Packets, 3, 2);
    for server in 1..=3 {
        world.start(server);
    }
    world.advance(9_500);
    let trace = world.take();
    assert!(trace.contains("n1 -> n3 FOLLOWERINFO"), "{trace}");
    assert!(!trace.contains("the leader is silent"), "{trace}");
    world.advance(1_500);
    let trace = world.take();
    for server in ["n1", "n2"] {
        let told = format!("{server}: looking for a leader: the leader is silent");
        assert!(trace.contains(&told), "{trace}");
    }
}

/// The leader hears nobody and gives up, and that it closes its connections is not heard of; its votes are.
#[test]
fn who_hears_that_its_leader_looks_for_one_leaves_it_at_once() {
    let mut world = World::serving();
    world.hold(Lane::Packets, 1, 3);
    world.hold(Lane::Packets, 2, 3);
    world.advance(10_000);
    world.hold(Lane::Packets, 3, 1);
    world.hold(Lane::Packets, 3, 2);
    world.take();
    world.advance(1_500);
    let trace = world.take();
    assert!(trace.contains("n3: looking for a leader: a quorum has been silent for syncLimit"));
    for server in ["n1", "n2"] {
        let told = format!("{server}: looking for a leader: the leader looks for one itself");
        assert!(trace.contains(&told), "{trace}");
    }
    assert!(trace.contains("n2: serving as the leader of epoch 2"), "{trace}");
}

/// Epoch 1 has one zxid left, which the client's session takes.
#[test]
fn a_leader_whose_zxids_are_used_up_makes_way_for_a_new_epoch() {
    let mut world = World::new();
    for server in 1..=3 {
        world.set_disk(server, Disk::with_snapshot(tree_at(Zxid::new(Epoch(1), 0xffff_fffe))));
    }
    let mut world = world.served();
    world.open(1, 2, None);
    expect![[r#"
        c1 -> n2 connects
        n2 -> n3 REQUEST createSession of s1
        n3 disk append 0x1ffffffff
        n3 -> n2 PROPOSAL 0x1ffffffff createSession s1
        n3 -> n1 PROPOSAL 0x1ffffffff createSession s1
        n3 disk durable
        n2 disk append 0x1ffffffff
        n1 disk append 0x1ffffffff
        n2 disk durable
        n2 -> n3 ACK 0x1ffffffff
        n1 disk durable
        n1 -> n3 ACK 0x1ffffffff
        n3 -> n2 COMMIT 0x1ffffffff
        n3 -> n1 COMMIT 0x1ffffffff
        n3 shows 0x1ffffffff
        n2 -> c1 session s1 of 4000 ms
        n2 shows 0x1ffffffff
        n1 shows 0x1ffffffff
    "#]]
    .assert_eq(&world.take());
    world.ask(1, &create("/a"));
    expect![[r#"
        c1 -> n2 #1 create /a
        n2 -> n3 REQUEST create /a of s1
        n3: looking for a leader: the epoch's transactions are used up
        n3 -> n2 closes
        n3 -> n1 closes
        n2: looking for a leader: the connection to the leader ended
        n2 -> c1 closes
        n1: looking for a leader: the connection to the leader ended
        n1: following server 2
        n1 -> n2 connects
        n2: leading: waiting for a quorum of followers
        n1 -> n2 FOLLOWERINFO accepted epoch 1
        n3: following server 2
        n3 -> n2 connects
        n2 disk acceptedEpoch 2
        n3 -> n2 FOLLOWERINFO accepted epoch 1
        n2 disk durable
        n2 -> n1 LEADERINFO epoch 2
        n2 -> n3 LEADERINFO epoch 2
        n1 disk acceptedEpoch 2
        n3 disk acceptedEpoch 2
        n1 disk durable
        n1 -> n2 ACKEPOCH current epoch 1, log ends 0x1ffffffff
        n3 disk durable
        n3 -> n2 ACKEPOCH current epoch 1, log ends 0x1ffffffff
        n2 disk currentEpoch 2
        n2: server 1 at 0x1ffffffff is synchronised by Diff from 0x1ffffffff
        n2 -> n1 DIFF 0x1ffffffff
        n2 -> n1 NEWLEADER 0x200000000
        n2: server 3 at 0x1ffffffff is synchronised by Diff from 0x1ffffffff
        n2 -> n3 DIFF 0x1ffffffff
        n2 -> n3 NEWLEADER 0x200000000
        n2 disk durable
        n1 disk currentEpoch 2
        n3 disk currentEpoch 2
        n1 disk durable
        n1 -> n2 ACK 0x200000000
        n3 disk durable
        n3 -> n2 ACK 0x200000000
        n2: serving as the leader of epoch 2 from 0x1ffffffff
        n2 -> n1 UPTODATE 0x1ffffffff
        n2 -> n3 UPTODATE 0x1ffffffff
        n1: serving as a follower in epoch 2 from 0x1ffffffff
        n1 -> n2 ACK 0x200000000
        n3: serving as a follower in epoch 2 from 0x1ffffffff
        n3 -> n2 ACK 0x200000000
    "#]]
    .assert_eq(&world.take());
    world.open(1, 2, Some(1));
    world.ask(1, &create("/a"));
    expect![[r#"
        c1 -> n2 resumes its session
        n2 -> c1 session s1 of 4000 ms
        c1 -> n2 #1 create /a
        n2 disk append 0x200000001
        n2 -> n1 PROPOSAL 0x200000001 create /a
        n2 -> n3 PROPOSAL 0x200000001 create /a
        n2 disk durable
        n1 disk append 0x200000001
        n3 disk append 0x200000001
        n1 disk durable
        n1 -> n2 ACK 0x200000001
        n3 disk durable
        n3 -> n2 ACK 0x200000001
        n2 -> n1 COMMIT 0x200000001
        n2 -> n3 COMMIT 0x200000001
        n2 -> c1 #1 /a at 0x200000001
        n2 shows 0x200000001
        n1 shows 0x200000001
        n3 shows 0x200000001
    "#]]
    .assert_eq(&world.take());
}

/// An empty tree whose last transaction, which changed nothing, was `zxid`.
pub(crate) fn tree_at(zxid: Zxid) -> Tree {
    let mut tree = Tree::new();
    let header = TxnHeader { session: SessionId(1), cxid: 0, zxid, time_ms: 0 };
    tree.apply(&Txn { header, body: TxnBody::Error { code: Code::NoNode } });
    tree
}
