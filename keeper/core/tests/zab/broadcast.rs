//! Broadcast: a transaction is logged by a quorum, then committed, then shown and answered.

use expect_test::expect;

use crate::client::{create, list};
use crate::world::World;

fn with_client_of_n1() -> World {
    let mut world = World::serving();
    world.open(1, 1, None);
    for server in 1..=3 {
        world.hold_disk(server);
    }
    world.take();
    world
}

#[test]
fn a_write_is_acknowledged_when_durable_and_committed_by_a_quorum() {
    let mut world = with_client_of_n1();
    world.ask(1, &create("/a"));
    expect![[r#"
        c1 -> n1 #1 create /a
        n1 -> n3 REQUEST create /a of s1
        n3 disk append 0x100000002
        n3 -> n2 PROPOSAL 0x100000002 create /a
        n3 -> n1 PROPOSAL 0x100000002 create /a
        n2 disk append 0x100000002
        n1 disk append 0x100000002
    "#]]
    .assert_eq(&world.take());
    // A follower acknowledges; with the leader's own copy still volatile that is one of three.
    world.sync(1);
    expect![[r#"
        n1 disk durable
        n1 -> n3 ACK 0x100000002
    "#]]
    .assert_eq(&world.take());
    world.sync(3);
    expect![[r#"
        n3 disk durable
        n3 -> n2 COMMIT 0x100000002
        n3 -> n1 COMMIT 0x100000002
        n3 shows 0x100000002
        n2 shows 0x100000002
        n1 -> c1 #1 /a at 0x100000002
        n1 shows 0x100000002
    "#]]
    .assert_eq(&world.take());
    // The third has been told already, and shows it; its acknowledgement changes nothing.
    world.sync(2);
    expect![[r#"
        n2 disk durable
        n2 -> n3 ACK 0x100000002
    "#]]
    .assert_eq(&world.take());
}

#[test]
fn followers_alone_are_a_quorum_while_the_leaders_disk_is_slow() {
    let mut world = with_client_of_n1();
    world.ask(1, &create("/a"));
    world.take();
    world.sync(1);
    world.sync(2);
    expect![[r#"
        n1 disk durable
        n1 -> n3 ACK 0x100000002
        n2 disk durable
        n2 -> n3 ACK 0x100000002
        n3 -> n2 COMMIT 0x100000002
        n3 -> n1 COMMIT 0x100000002
        n3 shows 0x100000002
        n2 shows 0x100000002
        n1 -> c1 #1 /a at 0x100000002
        n1 shows 0x100000002
    "#]]
    .assert_eq(&world.take());
}

/// Two writes in flight, and a read between them that waits for the first alone.
#[test]
fn commits_and_answers_keep_the_order_of_the_proposals() {
    let mut world = with_client_of_n1();
    world.ask(1, &create("/a"));
    world.ask(1, &list());
    world.ask(1, &create("/b"));
    expect![[r#"
        c1 -> n1 #1 create /a
        n1 -> n3 REQUEST create /a of s1
        n3 disk append 0x100000002
        n3 -> n2 PROPOSAL 0x100000002 create /a
        n3 -> n1 PROPOSAL 0x100000002 create /a
        n2 disk append 0x100000002
        n1 disk append 0x100000002
        c1 -> n1 #2 getChildren /
        c1 -> n1 #3 create /b
        n1 -> n3 REQUEST create /b of s1
        n3 disk append 0x100000003
        n3 -> n2 PROPOSAL 0x100000003 create /b
        n3 -> n1 PROPOSAL 0x100000003 create /b
        n2 disk append 0x100000003
        n1 disk append 0x100000003
    "#]]
    .assert_eq(&world.take());
    world.sync_ops(3, 1);
    world.sync(2);
    expect![[r#"
        n3 disk durable
        n2 disk durable
        n2 -> n3 ACK 0x100000002
        n2 -> n3 ACK 0x100000003
        n3 -> n2 COMMIT 0x100000002
        n3 -> n1 COMMIT 0x100000002
        n3 shows 0x100000002
        n2 shows 0x100000002
        n1 -> c1 #1 /a at 0x100000002
        n1 -> c1 #2 ["a", "zookeeper"] at 0x100000002
        n1 shows 0x100000002
    "#]]
    .assert_eq(&world.take());
    world.sync(3);
    expect![[r#"
        n3 disk durable
        n3 -> n2 COMMIT 0x100000003
        n3 -> n1 COMMIT 0x100000003
        n3 shows 0x100000003
        n2 shows 0x100000003
        n1 -> c1 #3 /b at 0x100000003
        n1 shows 0x100000003
    "#]]
    .assert_eq(&world.take());
}
