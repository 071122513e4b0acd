//! What planted bugs change: one script with the bug and without it, and the lines that only one of
//! the two traces has, `-` without the bug and `+` with it.

use std::collections::BTreeSet;

use expect_test::{Expect, expect};
use keeper_core::ids::{Epoch, Zxid};
use keeper_core::plants::Plant;
use keeper_core::zab::ensemble::Settings;

use crate::client::create;
use crate::disk::Disk;
use crate::stepping_down::tree_at;
use crate::world::{Lane, World};

/// Performs a script twice. It is to end by taking the trace.
fn changes(plant: Plant, settings: &Settings, script: fn(World) -> String, diff: Expect) {
    let run = |plant| script(World::planted(settings.clone(), plant));
    let (without, with) = (run(None), run(Some(plant)));
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<String>>();
    let only = |mark: &str, text: &str, other: &str| -> String {
        let known = lines(other);
        let new = text.lines().filter(|line| !known.contains(*line));
        new.map(|line| format!("{mark} {line}\n")).collect()
    };
    let told = only("-", &without, &with) + &only("+", &with, &without);
    diff.assert_eq(&told);
}

/// n3 has proposed /c to n2, which does not answer, when n1 comes with a disk that waits.
fn joins_with_a_proposal_under_way(world: World) -> World {
    let mut world = world.served();
    world.open(1, 3, None);
    world.crash(1);
    world.ask(1, &create("/a"));
    world.ask(1, &create("/b"));
    world.hold(Lane::Packets, 2, 3);
    world.ask(1, &create("/c"));
    world.hold_disk(1);
    world.take();
    world.start(1);
    world.run();
    world
}

#[test]
fn a_tree_goes_out_under_a_later_name() {
    let settings = Settings { commit_log_count: 1, ..Settings::default() };
    let script = |world| joins_with_a_proposal_under_way(world).take();
    changes(
        Plant::Zk3104,
        &settings,
        script,
        expect![[r#"
        - n3: server 1 at 0x100000001 is synchronised by Snap from 0x100000003
        - n3 -> n1 SNAP 0x100000003
        - n3 -> n1 the tree at 0x100000003
        - n3 -> n1 PROPOSAL 0x100000004 create /c
        - n1 disk snapshot 0x100000003 begin
        - n1 disk snapshot 0x100000003 end
        - n1 disk append 0x100000004
        - n1 shows 0x100000003
        + n3: server 1 at 0x100000001 is synchronised by Snap from 0x100000004
        + n3 -> n1 SNAP 0x100000004
        + n3 -> n1 the tree at 0x100000004
        + n1 disk snapshot 0x100000004 begin
        + n1 disk snapshot 0x100000004 end
        + n1 shows 0x100000004
    "#]],
    );
}

#[test]
fn the_whole_log_is_sent_as_committed() {
    let script = |world| {
        let mut world = joins_with_a_proposal_under_way(world);
        world.release_disk(1);
        world.take()
    };
    changes(
        Plant::Zk2846,
        &Settings::default(),
        script,
        expect![[r#"
        - n3 -> n1 DIFF 0x100000003
        - n1 -> n3 ACK 0x100000004
        - n1: serving as a follower in epoch 1 from 0x100000003
        - n1 shows 0x100000003
        + n3 -> n1 DIFF 0x100000004
        + n1: serving as a follower in epoch 1 from 0x100000004
    "#]],
    );
}

/// n2 acknowledges /c while n1 makes durable what it was sent.
#[test]
fn a_commit_behind_newleader_finds_nothing() {
    let script = |world| {
        let mut world = joins_with_a_proposal_under_way(world);
        world.release(Lane::Packets, 2, 3);
        world.take()
    };
    changes(
        Plant::Zk4394,
        &Settings::default(),
        script,
        expect![[r#"
        + n1 FATAL: the leader committed 0x100000004, of which nothing is known here
        + n1: looking for a leader: the leader committed 0x100000004, of which nothing is known here
        + n1 -> n3 closes
        + n1 -> n3 ACKEPOCH promised before, log ends 0x100000004
        + n3: server 1 at 0x100000004 is synchronised by Diff from 0x100000004
        + n3 -> n1 DIFF 0x100000004
    "#]],
    );
}

/// Of three proposals and currentEpoch one is durable.
#[test]
fn proposals_are_acknowledged_before_newleader() {
    let script = |world| {
        let mut world = joins_with_a_proposal_under_way(world);
        world.sync_ops(1, 1);
        world.take()
    };
    changes(
        Plant::Zk4685,
        &Settings::default(),
        script,
        expect![[r#"
        + n1 -> n3 ACK 0x100000002
        + n3: closing a learner's connection: acknowledged 0x100000002 before NEWLEADER
        + n3 -> n1 closes
        + n1: looking for a leader: the connection to the leader ended
        + n1 -> n3 ACKEPOCH promised before, log ends 0x100000004
        + n3: server 1 at 0x100000004 is synchronised by Diff from 0x100000004
    "#]],
    );
}

/// n1 gets a proposal of n3 by DIFF, and then leads n2, which never had it.
#[test]
fn what_synchronisation_brought_is_not_passed_on() {
    let script = |world: World| {
        let mut world = world.served();
        world.open(1, 3, None);
        world.hold(Lane::Packets, 3, 1);
        world.hold(Lane::Packets, 3, 2);
        world.ask(1, &create("/a"));
        world.crash(1);
        world.crash(2);
        world.release(Lane::Packets, 3, 1);
        world.release(Lane::Packets, 3, 2);
        world.start(1);
        world.run();
        world.crash(3);
        world.take();
        world.start(2);
        world.run();
        world.take()
    };
    changes(
        Plant::Zk4925,
        &Settings::default(),
        script,
        expect![[r#"
        - n1 -> n2 PROPOSAL 0x100000002 create /a
        - n1 -> n2 COMMIT 0x100000002
        - n2 disk append 0x100000002
        - n2: serving as a follower in epoch 3 from 0x100000002
        - n2 shows 0x100000002
        + n2: serving as a follower in epoch 3 from 0x100000001
        + n2 shows 0x100000001
    "#]],
    );
}

/// n3 and n2 start from snapshots, and n1 from nothing.
#[test]
fn a_leader_that_holds_no_transaction_takes_none_to_be_missing() {
    let script = |mut world: World| {
        for server in [2, 3] {
            let tree = tree_at(Zxid::new(Epoch(1), 7));
            world.set_disk(server, Disk::with_snapshot(tree));
            world.start(server);
        }
        world.run();
        world.take();
        world.start(1);
        world.run();
        world.take()
    };
    changes(
        Plant::Zk4352,
        &Settings::default(),
        script,
        expect![[r#"
        - n3: server 1 at 0x0 is synchronised by Snap from 0x100000007
        - n3 -> n1 SNAP 0x100000007
        - n3 -> n1 the tree at 0x100000007
        - n1 disk roll
        - n1 disk snapshot 0x100000007 begin
        - n1 disk snapshot chunk
        - n1 disk snapshot 0x100000007 end
        - n1 shows 0x100000007
        - n1: serving as a follower in epoch 1 from 0x100000007
        + n3: server 1 at 0x0 is synchronised by Diff from 0x0
        + n3 -> n1 DIFF 0x100000007
        + n1: serving as a follower in epoch 1 from 0x0
    "#]],
    );
}

#[test]
fn a_newcomer_hears_no_quorum_say_the_same() {
    let script = |world: World| {
        let mut world = world.served();
        world.crash(1);
        world.take();
        world.start(1);
        world.run();
        world.take_all()
    };
    changes(
        Plant::Zk1732,
        &Settings::default(),
        script,
        expect![[r#"
        - n2 -> n1 following: vote n3 (epoch 1, 0x0) in round 1
        - n2 -> n1 following: vote n3 (epoch 1, 0x0) in round 1
        - n1: following server 3
        - n1 -> n3 connects
        - n1 -> n2 following: vote n3 (epoch 1, 0x0) in round 1
        - n1 -> n3 following: vote n3 (epoch 1, 0x0) in round 1
        - n1 -> n3 FOLLOWERINFO accepted epoch 1
        - n3 -> n1 LEADERINFO epoch 1
        - n1 -> n3 ACKEPOCH promised before, log ends 0x0
        - n3: server 1 at 0x0 is synchronised by Diff from 0x0
        - n3 -> n1 DIFF 0x0
        - n3 -> n1 NEWLEADER 0x100000000
        - n1 disk currentEpoch 1
        - n1 disk durable
        - n1 -> n3 ACK 0x100000000
        - n3 -> n1 UPTODATE 0x0
        - n1: serving as a follower in epoch 1 from 0x0
        - n1 -> n3 ACK 0x100000000
        + n2 -> n1 following: vote n3 (epoch 0, 0x0) in round 1
        + n2 -> n1 following: vote n3 (epoch 0, 0x0) in round 1
    "#]],
    );
}

#[test]
fn a_vote_names_what_is_applied() {
    let script = |world: World| {
        let mut world = world.served();
        world.open(1, 3, None);
        world.crash(1);
        world.take();
        world.start(1);
        world.take_all()
    };
    changes(
        Plant::Zk3023,
        &Settings::default(),
        script,
        expect![[r#"
        - n1 -> n2 looking: vote n1 (epoch 1, 0x100000001) in round 1
        - n1 -> n3 looking: vote n1 (epoch 1, 0x100000001) in round 1
        - n1 -> n2 looking: vote n1 (epoch 1, 0x100000001) in round 1
        - n1 -> n3 looking: vote n1 (epoch 1, 0x100000001) in round 1
        + n1 -> n2 looking: vote n1 (epoch 1, 0x0) in round 1
        + n1 -> n3 looking: vote n1 (epoch 1, 0x0) in round 1
        + n1 -> n2 looking: vote n1 (epoch 1, 0x0) in round 1
        + n1 -> n3 looking: vote n1 (epoch 1, 0x0) in round 1
    "#]],
    );
}
