//! A server whose data were damaged counts for nothing until a leader has brought it up to its history (FAST 2018,
//! "Protocol-Aware Recovery for Consensus-Based Storage").

use expect_test::expect;
use keeper_core::plants::Plant;
use keeper_core::zab::ensemble::Settings;

use crate::world::{Lane, World};

/// n1 and n3 have written, n2 was away; then n3, the leader, is away, n1 is damaged, and n2 is back.
fn without_a_copy(plant: Option<Plant>) -> World {
    let mut world = World::planted(Settings::default(), plant).served();
    world.crash(1);
    world.crash(2);
    world.crash(3);
    world.damage(1);
    world.take_all();
    world.start(1);
    world.start(2);
    world.run();
    world
}

#[test]
fn no_leader_is_chosen_while_too_few_have_a_voice() {
    let mut world = without_a_copy(None);
    world.advance(60_000);
    let trace = world.take_all();
    for words in ["leading", "following", "FOLLOWERINFO"] {
        assert!(!trace.contains(words), "{trace}");
    }
    assert!(trace.contains("n1 -> n2 looking: vote n9223372036854775808"), "for nobody: {trace}");
    world.start(3);
    world.advance(1_000);
    let trace = world.take();
    assert!(trace.contains("n3: serving as the leader of epoch 2"), "{trace}");
    assert!(trace.contains("n1: serving as a follower in epoch 2"), "{trace}");
}

#[test]
fn planted_it_votes_as_if_nothing_had_happened() {
    let mut world = without_a_copy(Some(Plant::DamagedVotes));
    world.advance(1_000);
    assert!(world.take_all().contains("serving as the leader"));
}

#[test]
fn it_joins_an_established_leader_and_has_its_voice_again_with_the_history() {
    let mut world = World::serving();
    world.crash(1);
    world.damage(1);
    world.take_all();
    world.start(1);
    world.run();
    expect![[r#"
        n1: looking for a leader: the server starts
        n1: following server 3
        n1 -> n3 connects
        n1 -> n3 FOLLOWERINFO accepted epoch 0
        n3 -> n1 LEADERINFO epoch 1
        n1 disk acceptedEpoch 1
        n1 disk durable
        n1 -> n3 ACKEPOCH current epoch 0, log ends 0x0
        n3: server 1 at 0x0 is synchronised by Diff from 0x0
        n3 -> n1 DIFF 0x0
        n3 -> n1 NEWLEADER 0x100000000
        n1 disk currentEpoch 1
        n1 disk clear damage
        n1 disk durable
        n1: the data are whole again: this server has a voice
        n1 -> n3 ACK 0x100000000
        n3 -> n1 UPTODATE 0x0
        n1: serving as a follower in epoch 1 from 0x0
        n1 -> n3 ACK 0x100000000
    "#]]
    .assert_eq(&world.take());
    world.crash(3);
    world.advance(1_000);
    let trace = world.take();
    assert!(trace.contains("n2: serving as the leader of epoch 2"), "n1 votes: {trace}");
}

#[test]
fn a_learner_without_a_voice_is_synchronised_by_a_new_leader_but_makes_no_majority() {
    let mut world = World::serving();
    for server in 1..=3 {
        world.crash(server);
    }
    world.damage(1);
    world.take_all();
    // Election and promises are n2's and n3's; with n1 alone n3 has no majority.
    world.hold(Lane::Packets, 2, 3);
    for server in 1..=3 {
        world.start(server);
    }
    world.advance(1_000);
    let trace = world.take();
    assert!(trace.contains("n1 -> n3 FOLLOWERINFO"), "{trace}");
    assert!(!trace.contains("n3 disk acceptedEpoch"), "{trace}");
    world.release(Lane::Packets, 2, 3);
    world.advance(1_000);
    // n1 is brought up with the others.
    let trace = world.take();
    let at = |words: &str| trace.find(words).unwrap_or_else(|| panic!("{words}: {trace}"));
    assert!(at("n2 -> n3 ACKEPOCH") < at("n3 disk currentEpoch 2"), "{trace}");
    assert!(at("n1 disk clear damage") < at("n1 -> n3 ACK 0x200000000"), "{trace}");
}
