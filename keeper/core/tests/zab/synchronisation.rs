//! How a follower comes to the leader's history: DIFF, TRUNC or SNAP.

use expect_test::expect;
use keeper_core::ids::{Epoch, SessionId, Zxid};
use keeper_core::record::Data;
use keeper_core::txn::{CreateTxn, Txn, TxnBody, TxnHeader};
use keeper_core::zab::ensemble::Settings;

use crate::client::create;
use crate::disk::Disk;
use crate::world::{Lane, World};

#[test]
fn a_follower_that_lacks_proposals_gets_them_by_diff() {
    let mut world = World::serving();
    world.open(1, 2, None);
    world.ask(1, &create("/had"));
    world.crash(1);
    world.ask(1, &create("/missed"));
    world.take();
    world.start(1);
    world.run();
    expect![[r#"
        n1: looking for a leader: the server starts
        n1: following server 3
        n1 -> n3 connects
        n1 -> n3 FOLLOWERINFO accepted epoch 1
        n3 -> n1 LEADERINFO epoch 1
        n1 -> n3 ACKEPOCH promised before, log ends 0x100000002
        n3: server 1 at 0x100000002 is synchronised by Diff from 0x100000002
        n3 -> n1 DIFF 0x100000003
        n3 -> n1 PROPOSAL 0x100000003 create /missed
        n3 -> n1 COMMIT 0x100000003
        n3 -> n1 NEWLEADER 0x100000000
        n1 disk append 0x100000003
        n1 disk currentEpoch 1
        n1 disk durable
        n1 -> n3 ACK 0x100000000
        n3 -> n1 UPTODATE 0x100000003
        n1: serving as a follower in epoch 1 from 0x100000003
        n1 -> n3 ACK 0x100000000
        n1 shows 0x100000003
    "#]]
    .assert_eq(&world.take());
    assert!(world.shows(1, "/had") && world.shows(1, "/missed"));
}

/// A start shows nothing of the log: only the leader knows what of it is committed. n1 lacks
/// nothing, so no COMMIT is sent; UPTODATE says it.
#[test]
fn what_was_in_the_log_is_shown_after_uptodate() {
    let mut world = World::serving();
    world.open(1, 2, None);
    world.ask(1, &create("/had"));
    world.crash(1);
    world.take();
    world.hold(Lane::Packets, 3, 1);
    world.start(1);
    world.run();
    assert!(!world.shows(1, "/had"));
    world.release(Lane::Packets, 3, 1);
    expect![[r#"
        n1: looking for a leader: the server starts
        n1: following server 3
        n1 -> n3 connects
        n1 -> n3 FOLLOWERINFO accepted epoch 1
        n3 -> n1 LEADERINFO epoch 1
        n1 -> n3 ACKEPOCH promised before, log ends 0x100000002
        n3: server 1 at 0x100000002 is synchronised by Diff from 0x100000002
        n3 -> n1 DIFF 0x100000002
        n3 -> n1 NEWLEADER 0x100000000
        n1 disk currentEpoch 1
        n1 disk durable
        n1 -> n3 ACK 0x100000000
        n3 -> n1 UPTODATE 0x100000002
        n1: serving as a follower in epoch 1 from 0x100000002
        n1 -> n3 ACK 0x100000000
        n1 shows 0x100000002
    "#]]
    .assert_eq(&world.take());
    assert!(world.shows(1, "/had"));
}

/// n3 logs a write that nobody else hears of, and is deposed. What it logged was acknowledged to
/// nobody, and the new epoch went on without it.
#[test]
fn a_deposed_leaders_own_proposal_is_cut_off() {
    let mut world = World::serving();
    world.open(1, 3, None);
    world.open(2, 2, None);
    world.take();
    world.hold(Lane::Packets, 3, 1);
    world.hold(Lane::Packets, 3, 2);
    world.ask(1, &create("/lost"));
    world.cut(3, 1);
    world.cut(3, 2);
    world.release(Lane::Packets, 3, 1);
    world.release(Lane::Packets, 3, 2);
    expect![[r#"
        c1 -> n3 #1 create /lost
        n3 disk append 0x100000003
        n3 -> n2 PROPOSAL 0x100000003 create /lost
        n3 -> n1 PROPOSAL 0x100000003 create /lost
        n3 disk durable
        n3: looking for a leader: no quorum of followers is connected any more
        n3 -> c1 closes
        n1: looking for a leader: the connection to the leader ended
        n2: looking for a leader: the connection to the leader ended
        n2 -> c2 closes
        n1: following server 2
        n1 -> n2 connects
        n2: leading: waiting for a quorum of followers
        n1 -> n2 FOLLOWERINFO accepted epoch 1
        n2 disk acceptedEpoch 2
        n2 disk durable
        n2 -> n1 LEADERINFO epoch 2
        n1 disk acceptedEpoch 2
        n1 disk durable
        n1 -> n2 ACKEPOCH current epoch 1, log ends 0x100000002
        n2 disk currentEpoch 2
        n2: server 1 at 0x100000002 is synchronised by Diff from 0x100000002
        n2 -> n1 DIFF 0x100000002
        n2 -> n1 NEWLEADER 0x200000000
        n2 disk durable
        n1 disk currentEpoch 2
        n1 disk durable
        n1 -> n2 ACK 0x200000000
        n2: serving as the leader of epoch 2 from 0x100000002
        n2 -> n1 UPTODATE 0x100000002
        n1: serving as a follower in epoch 2 from 0x100000002
        n1 -> n2 ACK 0x200000000
    "#]]
    .assert_eq(&world.take());
    world.open(2, 2, Some(2));
    world.ask(2, &create("/kept"));
    world.take();
    world.mend(3, 1);
    world.mend(3, 2);
    expect![[r#"
        n3: following server 2
        n3 -> n2 connects
        n3 -> n2 FOLLOWERINFO accepted epoch 1
        n2 -> n3 LEADERINFO epoch 2
        n3 disk acceptedEpoch 2
        n3 disk durable
        n3 -> n2 ACKEPOCH current epoch 1, log ends 0x100000003
        n2: server 3 at 0x100000003 is synchronised by Trunc from 0x100000002
        n2 -> n3 TRUNC 0x100000002
        n2 -> n3 PROPOSAL 0x200000001 create /kept
        n2 -> n3 COMMIT 0x200000001
        n2 -> n3 NEWLEADER 0x200000000
        n3 disk truncate 0x100000002
        n3 disk append 0x200000001
        n3 disk currentEpoch 2
        n3 disk durable
        n3 -> n2 ACK 0x200000000
        n2 -> n3 UPTODATE 0x200000001
        n3: serving as a follower in epoch 2 from 0x200000001
        n3 -> n2 ACK 0x200000000
        n3 shows 0x200000001
    "#]]
    .assert_eq(&world.take());
    assert!(world.shows(3, "/kept") && !world.shows(3, "/lost"));
}

/// The leader remembers one transaction; n1 is further behind than that.
#[test]
fn a_follower_behind_the_history_gets_the_tree_and_keeps_it_before_it_acknowledges() {
    let mut world = World::with(Settings { commit_log_count: 1, ..Settings::default() }).served();
    world.open(1, 2, None);
    world.crash(1);
    world.ask(1, &create("/a"));
    world.ask(1, &create("/b"));
    world.take();
    world.hold_disk(1);
    world.start(1);
    world.run();
    expect![[r#"
        n1: looking for a leader: the server starts
        n1: following server 3
        n1 -> n3 connects
        n1 -> n3 FOLLOWERINFO accepted epoch 1
        n3 -> n1 LEADERINFO epoch 1
        n1 -> n3 ACKEPOCH promised before, log ends 0x100000001
        n3: server 1 at 0x100000001 is synchronised by Snap from 0x100000003
        n3 -> n1 SNAP 0x100000003
        n3 -> n1 the tree at 0x100000003
        n3 -> n1 NEWLEADER 0x100000000
        n1 disk roll
        n1 disk snapshot 0x100000003 begin
        n1 disk snapshot chunk
        n1 disk snapshot 0x100000003 end
        n1 disk currentEpoch 1
        n1 shows 0x100000003
    "#]]
    .assert_eq(&world.take());
    // A write meanwhile is logged behind the snapshot.
    world.ask(1, &create("/c"));
    expect![[r#"
        c1 -> n2 #3 create /c
        n2 -> n3 REQUEST create /c of s1
        n3 disk append 0x100000004
        n3 -> n2 PROPOSAL 0x100000004 create /c
        n3 -> n1 PROPOSAL 0x100000004 create /c
        n3 disk durable
        n2 disk append 0x100000004
        n1 disk append 0x100000004
        n2 disk durable
        n2 -> n3 ACK 0x100000004
        n3 -> n2 COMMIT 0x100000004
        n3 -> n1 COMMIT 0x100000004
        n3 shows 0x100000004
        n2 -> c1 #3 /c at 0x100000004
        n2 shows 0x100000004
    "#]]
    .assert_eq(&world.take());
    // Without the snapshot's end NEWLEADER is not acknowledged, nor without currentEpoch.
    world.sync_ops(1, 4);
    expect![[r#"
        n1 disk durable
    "#]]
    .assert_eq(&world.take());
    world.sync_ops(1, 1);
    expect![[r#"
        n1 disk durable
        n1 -> n3 ACK 0x100000000
        n3 -> n1 UPTODATE 0x100000004
        n1: serving as a follower in epoch 1 from 0x100000004
        n1 -> n3 ACK 0x100000000
        n1 shows 0x100000004
    "#]]
    .assert_eq(&world.take());
    world.sync(1);
    expect![[r#"
        n1 disk durable
        n1 -> n3 ACK 0x100000004
    "#]]
    .assert_eq(&world.take());
    // A start has the snapshot; what stands behind it in the log is for the leader to confirm.
    world.crash(1);
    world.release_disk(1);
    world.take();
    world.start(1);
    assert!(world.shows(1, "/a") && world.shows(1, "/b") && !world.shows(1, "/c"));
}

/// The crash comes before the snapshot is whole, then before the epoch is: n1 starts from what it
/// had before, then from the snapshot, and is synchronised as far as that lacks anything.
#[test]
fn a_crash_while_the_tree_is_written_leaves_the_old_state_or_the_new() {
    let mut world = World::with(Settings { commit_log_count: 1, ..Settings::default() }).served();
    world.open(1, 2, None);
    world.crash(1);
    world.ask(1, &create("/a"));
    world.ask(1, &create("/b"));
    world.hold_disk(1);
    world.start(1);
    world.run();
    world.sync_ops(1, 3);
    world.crash(1);
    world.take();
    world.start(1);
    world.run();
    expect![[r#"
        n1: looking for a leader: the server starts
        n1: following server 3
        n1 -> n3 connects
        n1 -> n3 FOLLOWERINFO accepted epoch 1
        n3 -> n1 LEADERINFO epoch 1
        n1 -> n3 ACKEPOCH promised before, log ends 0x100000001
        n3: server 1 at 0x100000001 is synchronised by Snap from 0x100000003
        n3 -> n1 SNAP 0x100000003
        n3 -> n1 the tree at 0x100000003
        n3 -> n1 NEWLEADER 0x100000000
        n1 disk roll
        n1 disk snapshot 0x100000003 begin
        n1 disk snapshot chunk
        n1 disk snapshot 0x100000003 end
        n1 disk currentEpoch 1
        n1 shows 0x100000003
    "#]]
    .assert_eq(&world.take());
    world.sync_ops(1, 4);
    world.crash(1);
    world.take();
    world.start(1);
    world.run();
    world.sync(1);
    expect![[r#"
        n1: looking for a leader: the server starts
        n1: following server 3
        n1 -> n3 connects
        n1 -> n3 FOLLOWERINFO accepted epoch 1
        n3 -> n1 LEADERINFO epoch 1
        n1 -> n3 ACKEPOCH promised before, log ends 0x100000003
        n3: server 1 at 0x100000003 is synchronised by Diff from 0x100000003
        n3 -> n1 DIFF 0x100000003
        n3 -> n1 NEWLEADER 0x100000000
        n1 disk currentEpoch 1
        n1 disk durable
        n1 -> n3 ACK 0x100000000
        n3 -> n1 UPTODATE 0x100000003
        n1: serving as a follower in epoch 1 from 0x100000003
        n1 -> n3 ACK 0x100000000
    "#]]
    .assert_eq(&world.take());
    assert!(world.shows(1, "/a") && world.shows(1, "/b"));
}

fn created(counter: u32, path: &str) -> Txn {
    let zxid = Zxid::new(Epoch(1), counter);
    let header = TxnHeader { session: SessionId(1), cxid: 0, zxid, time_ms: 0 };
    let create = CreateTxn {
        path: path.to_owned(),
        data: Data::default(),
        acl: Vec::new(),
        ephemeral: false,
        parent_cversion: counter as i32,
    };
    Txn { header, body: TxnBody::Create(create) }
}

/// n2 and n3 go on from Apache's snapshots, which show what the log has behind them. n1 has nothing, and gets the tree
/// before its leader serves.
#[test]
fn a_tree_that_is_ahead_of_its_zxid_is_brought_up_by_what_follows() {
    let mut world = World::new();
    for server in [2, 3] {
        let txns = [created(1, "/a"), created(2, "/b"), created(3, "/c")];
        world.set_disk(server, Disk::ahead(&txns));
    }
    world.start(1);
    world.start(3);
    world.run();
    let trace = world.take();
    for sent in ["SNAP 0x100000001", "PROPOSAL 0x100000003", "UPTODATE 0x100000003"] {
        assert!(trace.contains(&format!("n3 -> n1 {sent}")), "{trace}");
    }
    assert!(["/a", "/b", "/c"].iter().all(|path| world.shows(1, path) && world.shows(3, path)));
    // What n1 wrote is no more exact than what it got.
    for server in [1, 3] {
        world.crash(server);
    }
    world.take();
    world.start(2);
    world.start(1);
    world.run();
    assert!(world.take().contains("n1: serving as the leader of epoch 3 from 0x100000003"));
    world.open(1, 1, None);
    world.ask(1, &create("/d"));
    assert!(["/b", "/c", "/d"].iter().all(|path| world.shows(1, path) && world.shows(2, path)));
}
