//! Sessions: one closeSession ends a session and its ephemerals, and a session has one server.

use expect_test::expect;

use crate::client::{create, ephemeral, sync};
use crate::world::{Lane, World};

#[test]
fn an_expired_session_takes_its_ephemerals_along_in_one_transaction() {
    let mut world = World::serving();
    world.open(1, 1, None);
    world.ask(1, &ephemeral("/e1"));
    world.ask(1, &ephemeral("/e2"));
    world.ask(1, &create("/stays"));
    world.take();
    // The client was heard from up to now; 4000 ms and the rest of the tick later it is given up.
    world.advance(4_000);
    expect![[r#""#]].assert_eq(&world.take());
    world.advance(2_000);
    expect![[r#"
        n3: a session expired (0x100000f42400000)
        n3 disk append 0x100000005
        n3 -> n2 PROPOSAL 0x100000005 closeSession s1 with ["/e1", "/e2"]
        n3 -> n1 PROPOSAL 0x100000005 closeSession s1 with ["/e1", "/e2"]
        n3 disk durable
        n2 disk append 0x100000005
        n1 disk append 0x100000005
        n2 disk durable
        n2 -> n3 ACK 0x100000005
        n1 disk durable
        n1 -> n3 ACK 0x100000005
        n3 -> n2 COMMIT 0x100000005
        n3 -> n1 COMMIT 0x100000005
        n3 shows 0x100000005
        n2 shows 0x100000005
        n1 -> c1 closes
        n1 shows 0x100000005
    "#]]
    .assert_eq(&world.take());
    for server in 1..=3 {
        assert!(!world.shows(server, "/e1") && !world.shows(server, "/e2"));
        assert!(world.shows(server, "/stays"));
    }
    // Its client hears it when it comes back.
    world.open(2, 2, Some(1));
    expect![[r#"
        c2 -> n2 resumes its session
        n2 -> n3 REVALIDATE s1?
        n3 -> n2 REVALIDATE s1: no more
        n2 -> c2 the session is no more
        n2 -> c2 closes
    "#]]
    .assert_eq(&world.take());
}

/// c1's session goes on at n2 (as c2 here) while a write of its old connection is under way.
#[test]
fn a_write_through_the_former_server_of_a_session_is_refused() {
    let mut world = World::serving();
    world.open(1, 1, None);
    world.hold(Lane::Packets, 1, 3);
    world.ask(1, &create("/late"));
    world.open(2, 2, Some(1));
    expect![[r#"
        c1 -> n1 connects
        n1 -> n3 REQUEST createSession of s1
        n3 disk append 0x100000001
        n3 -> n2 PROPOSAL 0x100000001 createSession s1
        n3 -> n1 PROPOSAL 0x100000001 createSession s1
        n3 disk durable
        n2 disk append 0x100000001
        n1 disk append 0x100000001
        n2 disk durable
        n2 -> n3 ACK 0x100000001
        n1 disk durable
        n1 -> n3 ACK 0x100000001
        n3 -> n2 COMMIT 0x100000001
        n3 -> n1 COMMIT 0x100000001
        n3 shows 0x100000001
        n2 shows 0x100000001
        n1 -> c1 session s1 of 4000 ms
        n1 shows 0x100000001
        c1 -> n1 #1 create /late
        n1 -> n3 REQUEST create /late of s1
        c2 -> n2 resumes its session
        n2 -> n3 REVALIDATE s1?
        n3 -> n2 REVALIDATE s1: alive
        n2 -> c2 session s1 of 4000 ms
    "#]]
    .assert_eq(&world.take());
    world.release(Lane::Packets, 1, 3);
    expect![[r#"
        n3 disk append 0x100000002
        n3 -> n2 PROPOSAL 0x100000002 error SessionMoved
        n3 -> n1 PROPOSAL 0x100000002 error SessionMoved
        n3 disk durable
        n2 disk append 0x100000002
        n1 disk append 0x100000002
        n2 disk durable
        n2 -> n3 ACK 0x100000002
        n1 disk durable
        n1 -> n3 ACK 0x100000002
        n3 -> n2 COMMIT 0x100000002
        n3 -> n1 COMMIT 0x100000002
        n3 shows 0x100000002
        n2 shows 0x100000002
        n1 -> c1 closes
        n1 shows 0x100000002
    "#]]
    .assert_eq(&world.take());
    world.ask(2, &create("/here"));
    expect![[r#"
        c2 -> n2 #1 create /here
        n2 -> n3 REQUEST create /here of s1
        n3 disk append 0x100000003
        n3 -> n2 PROPOSAL 0x100000003 create /here
        n3 -> n1 PROPOSAL 0x100000003 create /here
        n3 disk durable
        n2 disk append 0x100000003
        n1 disk append 0x100000003
        n2 disk durable
        n2 -> n3 ACK 0x100000003
        n1 disk durable
        n1 -> n3 ACK 0x100000003
        n3 -> n2 COMMIT 0x100000003
        n3 -> n1 COMMIT 0x100000003
        n3 shows 0x100000003
        n2 -> c2 #1 /here at 0x100000003
        n2 shows 0x100000003
        n1 shows 0x100000003
    "#]]
    .assert_eq(&world.take());
}

/// The end is decided, and is long in becoming durable; the client must not think that it lives.
#[test]
fn a_sync_of_a_session_whose_end_is_decided_is_refused() {
    for server in [1, 3] {
        let mut world = World::serving();
        world.open(1, server, None);
        for disk in 1..=3 {
            world.hold_disk(disk);
        }
        world.advance(6_000);
        world.take();
        world.ask(1, &sync());
        // Its answer waits for all that was proposed before it, the end of its session included.
        let waiting = world.take();
        for disk in 1..=3 {
            world.release_disk(disk);
        }
        let heard = world.take();
        if server == 1 {
            expect![[r#"
                c1 -> n1 #1 sync
                n1 -> n3 REQUEST sync of s1
            "#]]
            .assert_eq(&waiting);
            expect![[r#"
                n1 disk durable
                n1 -> n3 ACK 0x100000002
                n2 disk durable
                n2 -> n3 ACK 0x100000002
                n3 -> n2 COMMIT 0x100000002
                n3 -> n1 COMMIT 0x100000002
                n3 -> n1 SYNC refused
                n3 shows 0x100000002
                n2 shows 0x100000002
                n1 -> c1 closes
                n1 shows 0x100000002
                n3 disk durable
            "#]]
            .assert_eq(&heard);
        } else {
            expect![[r#"
                c1 -> n3 #1 sync
            "#]]
            .assert_eq(&waiting);
            expect![[r#"
                n1 disk durable
                n1 -> n3 ACK 0x100000002
                n2 disk durable
                n2 -> n3 ACK 0x100000002
                n3 -> n2 COMMIT 0x100000002
                n3 -> n1 COMMIT 0x100000002
                n3 -> c1 closes
                n3 shows 0x100000002
                n2 shows 0x100000002
                n1 shows 0x100000002
                n3 disk durable
            "#]]
            .assert_eq(&heard);
        }
    }
}
