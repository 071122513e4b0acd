//! `sync` as a barrier: answered once a quorum has echoed a ping that the leader sent after it.

use expect_test::expect;

use crate::client::{create, list, sync};
use crate::world::{Lane, World};

/// A leader with a client, and echoes that arrive when the script says so.
fn with_client_of_the_leader() -> World {
    let mut world = World::serving();
    world.open(1, 3, None);
    world.shows_pings = true;
    world.hold(Lane::Packets, 1, 3);
    world.hold(Lane::Packets, 2, 3);
    world.take();
    world
}

#[test]
fn an_echo_of_an_earlier_ping_does_not_answer_a_sync() {
    let mut world = with_client_of_the_leader();
    world.advance(1_000);
    expect![[r#"
        n3 -> n2 PING
        n3 -> n1 PING
        n2 -> n3 PING
        n1 -> n3 PING
    "#]]
    .assert_eq(&world.take());
    world.ask(1, &sync());
    expect![[r#"
        c1 -> n3 #1 sync
        n3 -> n2 PING
        n3 -> n1 PING
        n2 -> n3 PING
        n1 -> n3 PING
    "#]]
    .assert_eq(&world.take());
    // This echo was under way before the sync: it proves nothing about now.
    world.deliver_one(2, 3);
    world.deliver_one(1, 3);
    expect![[r#""#]].assert_eq(&world.take());
    world.deliver_one(2, 3);
    expect![[r#"
        n3 -> c1 #1 / at 0x100000001
    "#]]
    .assert_eq(&world.take());
}

/// The write would be seen by the read before it if it overtook the sync.
#[test]
fn a_write_behind_a_sync_is_held_back() {
    let mut world = with_client_of_the_leader();
    world.ask(1, &sync());
    world.ask(1, &list());
    world.ask(1, &create("/behind"));
    expect![[r#"
        c1 -> n3 #1 sync
        n3 -> n2 PING
        n3 -> n1 PING
        n2 -> n3 PING
        n1 -> n3 PING
        c1 -> n3 #2 getChildren /
        c1 -> n3 #3 create /behind
    "#]]
    .assert_eq(&world.take());
    world.deliver_one(2, 3);
    expect![[r#"
        n3 -> c1 #1 / at 0x100000001
        n3 -> c1 #2 ["zookeeper"] at 0x100000001
        n3 disk append 0x100000002
        n3 -> n2 PROPOSAL 0x100000002 create /behind
        n3 -> n1 PROPOSAL 0x100000002 create /behind
        n3 disk durable
        n2 disk append 0x100000002
        n1 disk append 0x100000002
        n2 disk durable
        n2 -> n3 ACK 0x100000002
        n1 disk durable
        n1 -> n3 ACK 0x100000002
    "#]]
    .assert_eq(&world.take());
    world.release(Lane::Packets, 2, 3);
    expect![[r#"
        n3 -> n2 COMMIT 0x100000002
        n3 -> n1 COMMIT 0x100000002
        n3 -> c1 #3 /behind at 0x100000002
        n3 shows 0x100000002
        n2 shows 0x100000002
        n1 shows 0x100000002
    "#]]
    .assert_eq(&world.take());
}

#[test]
fn a_followers_sync_goes_to_the_leader_and_comes_back_behind_the_commits() {
    let mut world = World::serving();
    world.shows_pings = true;
    world.open(1, 1, None);
    world.open(2, 2, None);
    // n1 lags behind: what n3 tells it is late.
    world.hold(Lane::Packets, 3, 1);
    world.ask(2, &create("/before"));
    world.take();
    world.ask(1, &sync());
    world.ask(1, &list());
    expect![[r#"
        c1 -> n1 #1 sync
        n1 -> n3 REQUEST sync of s1
        n3 -> n2 PING
        n3 -> n1 PING
        n2 -> n3 PING s2
        n3 -> n1 SYNC
        c1 -> n1 #2 getChildren /
    "#]]
    .assert_eq(&world.take());
    world.release(Lane::Packets, 3, 1);
    expect![[r#"
        n1 disk append 0x100000003
        n1 shows 0x100000003
        n1 -> n3 PING s1
        n1 -> c1 #1 / at 0x100000003
        n1 -> c1 #2 ["before", "zookeeper"] at 0x100000003
        n1 disk durable
        n1 -> n3 ACK 0x100000003
    "#]]
    .assert_eq(&world.take());
}

/// A client whose write was not answered asks on another connection whether it took effect: an answer
/// that came before the write's fate is decided would be worth nothing (`Leader.processSync`).
#[test]
fn a_sync_waits_for_what_was_proposed_before_it() {
    let mut world = World::serving();
    world.open(1, 3, None);
    world.open(2, 1, None);
    for server in 1..=3 {
        world.hold_disk(server);
    }
    world.ask(1, &create("/undecided"));
    world.take();
    world.ask(2, &sync());
    world.ask(2, &list());
    let early = world.take();
    assert!(!early.contains("-> c2"), "{early}");
    world.release_disk(3);
    assert!(!world.take().contains("-> c2"), "one server is no quorum");
    world.release_disk(2);
    let late = world.take();
    let synced = late.find("n1 -> c2 #1 /").expect("the sync is answered");
    assert!(late.contains("n1 -> c2 #2 [\"undecided\", \"zookeeper\"]"), "{late}");
    assert!(late.find("COMMIT").is_some_and(|commit| commit < synced), "{late}");
}
