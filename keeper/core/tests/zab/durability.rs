//! Nothing is promised that is not durable: acceptedEpoch before the epoch is promised, the history
//! and then currentEpoch before NEWLEADER is acknowledged.

use expect_test::expect;

use crate::client::create;
use crate::world::World;

#[test]
fn epochs_are_durable_before_they_are_promised_or_joined() {
    let mut world = World::new();
    for server in 1..=3 {
        world.hold_disk(server);
        world.start(server);
    }
    // The leader proposes no epoch that it could forget.
    world.run();
    expect![[r#"
        n1: looking for a leader: the server starts
        n2: looking for a leader: the server starts
        n3: looking for a leader: the server starts
        n2: following server 3
        n2 -> n3 connects
        n1: following server 3
        n1 -> n3 connects
        n3: leading: waiting for a quorum of followers
        n2 -> n3 FOLLOWERINFO accepted epoch 0
        n1 -> n3 FOLLOWERINFO accepted epoch 0
        n3 disk acceptedEpoch 1
    "#]]
    .assert_eq(&world.take());
    world.sync(3);
    expect![[r#"
        n3 disk durable
        n3 -> n2 LEADERINFO epoch 1
        n3 -> n1 LEADERINFO epoch 1
        n2 disk acceptedEpoch 1
        n1 disk acceptedEpoch 1
    "#]]
    .assert_eq(&world.take());
    // The followers promise once they cannot forget it either; one of them makes a quorum.
    world.sync(1);
    expect![[r#"
        n1 disk durable
        n1 -> n3 ACKEPOCH current epoch 0, log ends 0x0
        n3 disk currentEpoch 1
        n3: server 1 at 0x0 is synchronised by Diff from 0x0
        n3 -> n1 DIFF 0x0
        n3 -> n1 NEWLEADER 0x100000000
        n1 disk currentEpoch 1
    "#]]
    .assert_eq(&world.take());
    // NEWLEADER is acknowledged, and counted by the leader for itself, with currentEpoch durable.
    world.sync(1);
    expect![[r#"
        n1 disk durable
        n1 -> n3 ACK 0x100000000
    "#]]
    .assert_eq(&world.take());
    world.sync(3);
    expect![[r#"
        n3 disk durable
        n3: serving as the leader of epoch 1 from 0x0
        n3 -> n1 UPTODATE 0x0
        n1: serving as a follower in epoch 1 from 0x0
        n1 -> n3 ACK 0x100000000
    "#]]
    .assert_eq(&world.take());
}

/// Three operations of n3 become durable one by one: its promise, the proposal that it lacked, and
/// currentEpoch behind both. Only the last lets it acknowledge NEWLEADER.
#[test]
fn the_history_and_the_epoch_are_durable_before_newleader_is_acknowledged() {
    let mut world = World::serving();
    world.open(1, 2, None);
    world.crash(3);
    world.open(1, 2, Some(1));
    world.ask(1, &create("/missed"));
    world.take();
    world.hold_disk(3);
    world.start(3);
    world.run();
    expect![[r#"
        n3: looking for a leader: the server starts
        n3: following server 2
        n3 -> n2 connects
        n3 -> n2 FOLLOWERINFO accepted epoch 1
        n2 -> n3 LEADERINFO epoch 2
        n3 disk acceptedEpoch 2
    "#]]
    .assert_eq(&world.take());
    world.sync_ops(3, 1);
    expect![[r#"
        n3 disk durable
        n3 -> n2 ACKEPOCH current epoch 1, log ends 0x100000001
        n2: server 3 at 0x100000001 is synchronised by Diff from 0x100000001
        n2 -> n3 DIFF 0x200000001
        n2 -> n3 PROPOSAL 0x200000001 create /missed
        n2 -> n3 COMMIT 0x200000001
        n2 -> n3 NEWLEADER 0x200000000
        n3 disk append 0x200000001
        n3 disk currentEpoch 2
    "#]]
    .assert_eq(&world.take());
    world.sync_ops(3, 1);
    expect![[r#"
        n3 disk durable
    "#]]
    .assert_eq(&world.take());
    world.sync_ops(3, 1);
    expect![[r#"
        n3 disk durable
        n3 -> n2 ACK 0x200000000
        n2 -> n3 UPTODATE 0x200000001
        n3: serving as a follower in epoch 2 from 0x200000001
        n3 -> n2 ACK 0x200000000
        n3 shows 0x200000001
    "#]]
    .assert_eq(&world.take());
}
