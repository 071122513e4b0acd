//! Servers that begin to serve with a long history: it is applied in slices, and votes, pings and proposals are
//! answered in between.

use expect_test::expect;
use keeper_core::ids::{Epoch, SessionId, Zxid};
use keeper_core::limits::APPLY_MAX;
use keeper_core::record::Acl;
use keeper_core::txn::{CreateTxn, Txn, TxnBody, TxnHeader};
use keeper_core::zab::ensemble::Settings;

use crate::client::create;
use crate::disk::Disk;
use crate::world::{Lane, World};

/// A log that is applied in three steps.
fn long_log() -> Disk {
    let created = |number: u32| {
        let zxid = Zxid::new(Epoch(1), number);
        let header = TxnHeader { session: SessionId(7), cxid: 1, zxid, time_ms: 1 };
        let create = CreateTxn {
            path: format!("/{number}"),
            data: None,
            acl: Acl::open(),
            ephemeral: false,
            parent_cversion: number as i32,
        };
        Txn { header, body: TxnBody::Create(create) }
    };
    let last = 2 * APPLY_MAX as u32 + 500;
    Disk::with_log(Epoch(1), (1..=last).map(created))
}

/// Three servers that have elected n3 and hold its epoch durably; n3 has begun to apply.
fn catching_up() -> World {
    let mut world = World::new();
    for server in 1..=3 {
        world.set_disk(server, long_log());
        world.start(server);
    }
    world.run();
    world.shows_pings = true;
    world
}

#[test]
fn a_leader_pings_and_answers_votes_while_it_catches_up() {
    let mut world = catching_up();
    let so_far = world.take();
    let at = so_far.find("n3: applying").unwrap();
    expect![[r#"
        n3: applying 2500 transactions before clients are served
        n3 shows 0x1000003e8
    "#]]
    .assert_eq(&so_far[at..]);
    // Its followers wait for UPTODATE, and for as long as it takes they hear of it. It goes on meanwhile.
    world.wait(1_000);
    world.tick(3);
    expect![[r#"
        n3 -> n2 PING
        n3 -> n1 PING
        n3 shows 0x1000007d0
    "#]]
    .assert_eq(&world.take());
    // Who looks for a leader is told of it, and brought to its history; but not that it may serve.
    world.crash(1);
    world.take_all();
    world.start(1);
    world.run();
    let votes = world.take_all();
    assert!(votes.contains("n3 -> n1 leading: vote n3 (epoch 1,"), "{votes}");
    assert!(votes.contains("n1 -> n3 ACK 0x200000000") && !votes.contains("UPTODATE"), "{votes}");
    assert!(!world.serves(3) && !world.shows(3, "/2500"));
    // Behind the last slice it serves, and so may those who wait.
    world.tick(3);
    let rest = world.take();
    assert!(rest.starts_with("n3: serving as the leader of epoch 2 from 0x1000009c4\n"), "{rest}");
    assert!(world.serves(3) && world.shows(3, "/2500"));
}

#[test]
fn a_follower_acknowledges_while_it_catches_up_and_then_serves() {
    let mut world = catching_up();
    world.hold(Lane::Packets, 3, 1);
    world.tick(3);
    world.tick(3);
    assert!(world.serves(3));
    world.take();
    world.release(Lane::Packets, 3, 1);
    // Both have applied a slice. A client of the leader's is served by their acknowledgements.
    world.open(1, 3, None);
    world.ask(1, &create("/new"));
    assert!(world.shows(3, "/new") && !world.shows(1, "/2500"));
    world.open(2, 1, None);
    world.wait(1_000);
    world.tick(3);
    let all = world.take();
    let of_n1: Vec<&str> = all.lines().filter(|line| line.contains("n1")).collect();
    expect![[r#"
        n1: applying 2500 transactions before clients are served
        n1 -> n3 ACK 0x200000000
        n1 shows 0x1000003e8
        n3 -> n1 PROPOSAL 0x200000001 createSession s1
        n1 disk append 0x200000001
        n1 disk durable
        n1 -> n3 ACK 0x200000001
        n3 -> n1 COMMIT 0x200000001
        n3 -> n1 PROPOSAL 0x200000002 create /new
        n1 disk append 0x200000002
        n1 disk durable
        n1 -> n3 ACK 0x200000002
        n3 -> n1 COMMIT 0x200000002
        c2 -> n1 connects
        n1 -> c2 closes
        n3 -> n1 PING
        n1 -> n3 PING"#]]
    .assert_eq(&of_n1.join("\n"));
    // What was committed meanwhile is applied before it serves.
    world.tick(1);
    assert!(!world.serves(1));
    world.tick(1);
    expect![[r#"
        n1 shows 0x1000007d0
        n1: serving as a follower in epoch 2 from 0x200000002
        n1 shows 0x200000002
    "#]]
    .assert_eq(&world.take());
    assert!(world.serves(1) && world.shows(1, "/new"));
}

#[test]
fn no_step_applies_more_than_a_slice() {
    let mut world = catching_up();
    world.advance(100);
    assert!((1..=3).all(|server| world.serves(server) && world.shows(server, "/2500")));
    assert_eq!(world.applied_at_once, APPLY_MAX);
}

/// A leader that loses its quorum looks for another at once, and the election counts what it has logged.
#[test]
fn who_is_deposed_while_it_catches_up_votes_with_its_whole_log() {
    let mut world = catching_up();
    world.take();
    world.cut(3, 1);
    world.cut(3, 2);
    let all = world.take_all();
    assert!(all.contains("n3: looking for a leader: no quorum"), "{all}");
    assert!(all.contains("n2: leading"), "{all}");
    world.mend(3, 1);
    world.mend(3, 2);
    let votes = world.take_all();
    assert!(votes.contains("n3 -> n2 looking: vote n3 (epoch 2, 0x1000009c4)"), "{votes}");
    world.advance(3_000);
    assert!((1..=3).all(|server| world.serves(server) && world.shows(server, "/2500")));
}

/// n1 has nothing, and the leader holds everything in memory: it is sent a part at a time.
#[test]
fn a_long_history_is_sent_in_parts() {
    let mut world = World::with(Settings { commit_log_count: 10_000, ..Settings::default() });
    for server in [2, 3] {
        world.set_disk(server, long_log());
        world.start(server);
    }
    world.advance(100);
    world.open(1, 3, None);
    world.take();
    // What n3 tells itself waits: that the first part has left, and that its disk holds a proposal.
    world.hold(Lane::Packets, 3, 3);
    world.start(1);
    world.run();
    world.ask(1, &create("/new"));
    let so_far = world.take();
    assert!(
        so_far.contains("n3 -> n1 DIFF 0x200000001\nn3 -> n1 PROPOSAL 0x100000001 create /1\n")
    );
    assert!(!so_far.contains("n3 -> n1 NEWLEADER") && !so_far.contains("n3 -> n1 PROPOSAL 0x2"));
    // What was decided meanwhile comes behind the rest.
    world.release(Lane::Packets, 3, 3);
    let rest = world.take();
    let mut to_n1 = rest.lines().filter(|line| line.starts_with("n3 -> n1 "));
    assert!(to_n1.any(|line| line == "n3 -> n1 COMMIT 0x200000001"));
    let behind: Vec<&str> = to_n1.take(2).collect();
    expect![[r#"
        n3 -> n1 NEWLEADER 0x200000000
        n3 -> n1 PROPOSAL 0x200000002 create /new"#]]
    .assert_eq(&behind.join("\n"));
    world.advance(100);
    assert!(world.serves(1) && world.shows(1, "/2500") && world.shows(1, "/new"));
}
