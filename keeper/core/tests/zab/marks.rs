//! What the marks in the code say of short scripts: each line stands where it should, and is silent
//! where it should be.

use expect_test::expect;
use keeper_core::zab::ensemble::Settings;

use crate::client::{create, ephemeral, sync};
use crate::world::{Lane, World};

#[test]
fn a_write_that_all_goes_well_with() {
    let mut world = World::serving();
    world.open(1, 2, None);
    world.take_marks();
    world.ask(1, &create("/a"));
    expect![[r#"
        leader-proposes
        leader-logged
        commit-by-bare-quorum
        follower-logs
    "#]]
    .assert_eq(&world.take_marks());
}

#[test]
fn a_leader_whose_disk_is_slow_commits_what_its_followers_hold() {
    let mut world = World::serving();
    world.open(1, 2, None);
    world.hold_disk(3);
    world.take_marks();
    world.ask(1, &create("/a"));
    expect![[r#"
        leader-proposes
        commit-by-bare-quorum
        commit-before-own-write
        follower-logs
    "#]]
    .assert_eq(&world.take_marks());
    world.release_disk(3);
    expect![[r#"
        leader-logged
    "#]]
    .assert_eq(&world.take_marks());
}

/// As in `synchronisation`: n3 has logged what nobody else heard of.
#[test]
fn a_deposed_leader_is_cut_back() {
    let mut world = World::serving();
    world.open(1, 3, None);
    world.open(2, 2, None);
    world.hold(Lane::Packets, 3, 1);
    world.hold(Lane::Packets, 3, 2);
    world.ask(1, &create("/lost"));
    world.take_marks();
    world.cut(3, 1);
    world.cut(3, 2);
    world.release(Lane::Packets, 3, 1);
    world.release(Lane::Packets, 3, 2);
    expect![[r#"
        election-begins
        vote-changed
        role-left-with-tail
        leader-deserted
        epoch-proposed
        leader-has-promised
        epoch-established
        sync-by-diff
        leader-serves
        serves-with-bare-quorum
        leader-lost
        follower-has-promised
        learner-receives
        newleader-answered
        follower-serves
        election-peer-lost
    "#]]
    .assert_eq(&world.take_marks());
    world.open(2, 2, Some(2));
    world.ask(2, &create("/kept"));
    world.take_marks();
    world.mend(3, 1);
    world.mend(3, 2);
    expect![[r#"
        newcomer-joins
        sync-by-trunc
        sync-during-broadcast
        follower-has-promised
        learner-receives
        learner-truncates
        newleader-waits-for-disk
        newleader-answered
        follower-serves
        follower-logs
    "#]]
    .assert_eq(&world.take_marks());
}

/// n1 loses its leader while what it was sent is not yet durable.
#[test]
fn a_synchronisation_ends_in_the_middle() {
    let mut world = World::with(Settings { commit_log_count: 1, ..Settings::default() }).served();
    world.open(1, 2, None);
    world.crash(1);
    world.ask(1, &create("/a"));
    world.ask(1, &create("/b"));
    world.hold_disk(1);
    world.take_marks();
    world.start(1);
    world.run();
    expect![[r#"
        election-begins
        newcomer-joins
        sync-by-snap
        sync-during-broadcast
        epoch-promised-before
        learner-receives-snapshot
        snapshot-installed
        newleader-waits-for-disk
    "#]]
    .assert_eq(&world.take_marks());
    world.ask(1, &create("/c"));
    expect![[r#"
        sent-before-synced
        leader-proposes
        leader-logged
        commit-by-bare-quorum
        follower-logs
        proposal-before-uptodate
        commit-before-uptodate
    "#]]
    .assert_eq(&world.take_marks());
    world.cut(1, 3);
    expect![[r#"
        election-begins
        role-left-with-tail
        learner-lost-in-sync
        leader-lost
        sync-interrupted
        joining-interrupted
        election-peer-lost
    "#]]
    .assert_eq(&world.take_marks());
}

#[test]
fn a_session_moves_and_ends() {
    let mut world = World::serving();
    world.open(1, 1, None);
    world.ask(1, &ephemeral("/e"));
    world.hold(Lane::Packets, 1, 3);
    world.ask(1, &create("/late"));
    world.take_marks();
    world.open(2, 2, Some(1));
    expect![[r#"
        session-moves
    "#]]
    .assert_eq(&world.take_marks());
    world.release(Lane::Packets, 1, 3);
    expect![[r#"
        leader-proposes
        leader-logged
        commit-by-bare-quorum
        follower-logs
        moved-session-refused
        answer-of-former-connection
    "#]]
    .assert_eq(&world.take_marks());
    world.advance(6_000);
    expect![[r#"
        leader-proposes
        leader-logged
        commit-by-bare-quorum
        follower-logs
        session-expires
        ephemerals-go
    "#]]
    .assert_eq(&world.take_marks());
}

#[test]
fn a_write_waits_behind_a_sync() {
    let mut world = World::serving();
    world.open(1, 2, None);
    world.hold(Lane::Packets, 2, 3);
    world.ask(1, &sync());
    world.take_marks();
    world.ask(1, &create("/a"));
    expect![[r#"
        write-behind-sync
    "#]]
    .assert_eq(&world.take_marks());
    world.release(Lane::Packets, 2, 3);
    expect![[r#"
        leader-proposes
        leader-logged
        commit-by-bare-quorum
        sync-barrier-waits
        follower-logs
    "#]]
    .assert_eq(&world.take_marks());
}
