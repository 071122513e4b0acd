//! Rounds of elections between scripted peers.

use super::*;

const TICK_MS: u64 = 100;

fn ensemble(me: u64, voters: u64) -> Ensemble {
    Ensemble {
        me: ServerId(me),
        voters: (1..=voters).map(ServerId).collect(),
        config_text: String::new(),
        config_version: 0,
    }
}

fn vote(leader: u64, epoch: u32, zxid: u64) -> Vote {
    Vote { peer_epoch: Epoch(epoch), zxid: Zxid(zxid), leader: ServerId(leader) }
}

fn notification(state: ServerState, round: u64, vote: Vote) -> Notification {
    Notification {
        state,
        leader: vote.leader,
        zxid: vote.zxid,
        round,
        peer_epoch: vote.peer_epoch,
        config: None,
    }
}

fn at(mono_ms: u64) -> Now {
    Now { mono_ms, wall_ms: 0 }
}

fn looking(voters: u64, reachable: &[u64]) -> (Election, Ensemble) {
    let ensemble = ensemble(1, voters);
    let mut election = Election::new(TICK_MS);
    for peer in 2..=voters {
        let up = reachable.contains(&peer);
        election.peer(at(0), &ensemble, ServerId(peer), up);
    }
    let out = election.start(at(0), &ensemble, vote(1, 1, 5));
    assert_eq!(out.send_to.len(), voters as usize - 1);
    assert_eq!(out.elected.is_some(), voters == 1);
    (election, ensemble)
}

#[test]
fn a_server_alone_elects_itself() {
    looking(1, &[]);
}

#[test]
fn the_better_vote_is_taken_over_and_passed_on() {
    let (mut election, ensemble) = looking(3, &[2, 3]);
    let message = notification(ServerState::Looking, 1, vote(3, 1, 9));
    let out = election.receive(at(1), &ensemble, ServerId(3), &message);
    assert_eq!(election.proposal(), vote(3, 1, 9));
    assert_eq!(out.send_to.len(), 2);
    assert_eq!(out.elected, None, "server 2 can be reached and has not agreed");
    let out = election.tick(at(201), &ensemble);
    assert_eq!(out.elected.map(|elected| elected.vote.leader), Some(ServerId(3)));
}

#[test]
fn the_round_ends_at_once_where_all_in_reach_agree() {
    let (mut election, ensemble) = looking(3, &[3]);
    let message = notification(ServerState::Looking, 1, vote(3, 1, 9));
    let out = election.receive(at(1), &ensemble, ServerId(3), &message);
    assert_eq!(out.elected.map(|elected| elected.vote.leader), Some(ServerId(3)));
}

#[test]
fn an_older_round_is_answered_and_not_counted() {
    let (mut election, ensemble) = looking(3, &[2]);
    election.start(at(5), &ensemble, vote(1, 1, 5));
    let message = notification(ServerState::Looking, 1, vote(2, 9, 9));
    let out = election.receive(at(6), &ensemble, ServerId(2), &message);
    assert_eq!(out.send_to, BTreeSet::from([ServerId(2)]));
    assert_eq!((election.proposal(), out.elected), (vote(1, 1, 5), None));
}

#[test]
fn a_newer_round_is_joined_with_the_better_of_both_votes() {
    let (mut election, ensemble) = looking(5, &[2]);
    let message = notification(ServerState::Looking, 7, vote(2, 1, 3));
    election.receive(at(6), &ensemble, ServerId(2), &message);
    assert_eq!((election.round(), election.proposal()), (7, vote(1, 1, 5)));
}

#[test]
fn an_established_ensemble_is_joined_only_if_its_leader_leads() {
    let (mut election, ensemble) = looking(5, &[2, 3, 4, 5]);
    let led = vote(5, 4, 1);
    for follower in [2, 3, 4] {
        let message = notification(ServerState::Following, 3, led);
        let out = election.receive(at(1), &ensemble, ServerId(follower), &message);
        assert_eq!(out.elected, None, "the leader itself was not heard");
    }
    let message = notification(ServerState::Leading, 3, led);
    let out = election.receive(at(2), &ensemble, ServerId(5), &message);
    assert_eq!(out.elected, Some(Elected { vote: led, round: 3 }));
}

/// Server 3 of four hears 4, which has the newest history; 1 and 2, which do not, stay with 2.
#[test]
fn a_candidate_that_cannot_win_is_given_up() {
    let ensemble = Ensemble { me: ServerId(3), ..ensemble(3, 4) };
    let mut election = Election::new(TICK_MS);
    for peer in [1, 2, 4] {
        election.peer(at(0), &ensemble, ServerId(peer), true);
    }
    election.start(at(0), &ensemble, vote(3, 1, 5));
    let cast = |leader| notification(ServerState::Looking, 1, vote(leader, 1, 5 + leader / 4));
    for (from, leader) in [(4, 4), (1, 2), (2, 2)] {
        let out = election.receive(at(from), &ensemble, ServerId(from), &cast(leader));
        assert_eq!(out.elected, None);
    }
    assert_eq!(election.proposal(), vote(4, 1, 6), "the best vote of all");
    assert_eq!(election.tick(at(50), &ensemble), Output::default());
    // 1 and 2 had time to take it over, and with both of them away it can have no quorum.
    let out = election.tick(at(104), &ensemble);
    assert_eq!((election.proposal(), out.elected), (vote(3, 1, 5), None));
    assert_eq!(out.send_to.len(), 3, "the others hear of it");
    let agree = |election: &mut Election, from| {
        let cast = notification(ServerState::Looking, 1, vote(3, 1, 5));
        election.receive(at(110), &ensemble, ServerId(from), &cast).elected
    };
    assert_eq!(agree(&mut election, 1), None);
    let elected = agree(&mut election, 2).map(|elected| elected.vote.leader);
    assert_eq!(elected, Some(ServerId(3)), "4 has said all it could");
}

#[test]
fn who_has_no_voice_is_neither_waited_for_nor_counted_on() {
    let nobody = notification(ServerState::Looking, 1, Vote { leader: NOBODY, ..vote(2, 1, 5) });
    // Of five, 4 is voted for by 1 and itself, and 3 and 5 stay with 3; 2 has no voice.
    let (mut election, ensemble) = looking(5, &[2, 3, 4, 5]);
    for (from, leader) in [(4, 4), (3, 3), (5, 3)] {
        let message = notification(ServerState::Looking, 1, vote(leader, 1, 5 + leader));
        election.receive(at(1), &ensemble, ServerId(from), &message);
    }
    election.receive(at(1), &ensemble, ServerId(2), &nobody);
    assert_eq!(election.proposal(), vote(4, 1, 9));
    election.tick(at(101), &ensemble);
    assert_eq!(election.proposal(), vote(3, 1, 8), "with 2 it had three");
    // All others agree: 2 has nothing to say.
    let (mut election, ensemble) = looking(3, &[2, 3]);
    election.receive(at(1), &ensemble, ServerId(2), &nobody);
    let message = notification(ServerState::Looking, 1, vote(3, 1, 9));
    let out = election.receive(at(2), &ensemble, ServerId(3), &message);
    assert_eq!(out.elected.map(|elected| elected.vote.leader), Some(ServerId(3)));
}

/// Of five, 2 reaches 1, 3 and 5; 1 votes for 4, which 2 and 3 do not hear.
fn behind_a_candidate_that_follows_another() -> (Election, Ensemble) {
    let ensemble = ensemble(2, 5);
    let mut election = Election::new(TICK_MS);
    for peer in [1, 3, 5] {
        election.peer(at(0), &ensemble, ServerId(peer), true);
    }
    election.start(at(0), &ensemble, vote(2, 1, 7));
    for (from, vote) in
        [(1, vote(1, 1, 8)), (1, vote(4, 1, 8)), (3, vote(1, 1, 8)), (5, vote(2, 1, 7))]
    {
        let message = notification(ServerState::Looking, 1, vote);
        election.receive(at(4), &ensemble, ServerId(from), &message);
    }
    assert_eq!(election.proposal(), vote(1, 1, 8), "4 is not heard");
    (election, ensemble)
}

#[test]
fn a_candidate_that_follows_another_has_time_to_give_that_one_up() {
    let (mut election, ensemble) = behind_a_candidate_that_follows_another();
    election.tick(at(104), &ensemble);
    assert_eq!(election.proposal(), vote(1, 1, 8));
    election.tick(at(204), &ensemble);
    assert_ne!(election.proposal(), vote(1, 1, 8));
}

#[test]
fn a_candidate_that_was_given_up_too_soon_wins_with_the_vote_that_it_lacks() {
    let (mut election, ensemble) = behind_a_candidate_that_follows_another();
    election.tick(at(104), &ensemble);
    election.tick(at(204), &ensemble);
    let late = notification(ServerState::Looking, 1, vote(1, 1, 8));
    let out = election.receive(at(210), &ensemble, ServerId(1), &late);
    assert_eq!(election.proposal(), vote(1, 1, 8));
    assert_eq!(out.send_to.len(), 4);
    election.tick(at(310), &ensemble);
    assert!(!election.looking, "with 1, 2 and 3 it has won");
}

#[test]
fn better_who_is_shunned_wins_than_nobody() {
    // 3 stands aside, and of five only 4 votes for 4: 1 and 2 do not hear it, and take 3 over, which is newer.
    let ensemble = ensemble(3, 5);
    let mut election = Election::new(TICK_MS);
    for peer in [1, 2, 4] {
        election.peer(at(0), &ensemble, ServerId(peer), true);
    }
    election.shun(at(0), ServerId(3), 1_000);
    election.start(at(0), &ensemble, vote(3, 1, 8));
    for (from, vote) in [(4, vote(4, 1, 8)), (1, vote(2, 1, 5)), (2, vote(2, 1, 5))] {
        let message = notification(ServerState::Looking, 1, vote);
        election.receive(at(4), &ensemble, ServerId(from), &message);
    }
    election.tick(at(104), &ensemble);
    assert_eq!(election.proposal(), vote(4, 1, 8), "it does not stand if it need not");
    election.tick(at(204), &ensemble);
    assert_eq!(election.proposal(), vote(3, 1, 8));
}

#[test]
fn who_was_not_reached_is_not_joined_either() {
    let (mut election, ensemble) = looking(3, &[2, 3]);
    election.not_reached(at(0), ServerId(3), 300);
    let says = |election: &mut Election, at_ms, from, state| {
        let message = notification(state, 1, vote(3, 2, 9));
        election.receive(at(at_ms), &ensemble, ServerId(from), &message).elected.is_some()
    };
    let leads = |election: &mut Election, at_ms| {
        says(election, at_ms, 2, ServerState::Following);
        says(election, at_ms, 3, ServerState::Leading)
    };
    assert!(!leads(&mut election, 299));
    assert!(leads(&mut election, 300));
}

#[test]
fn who_is_shunned_is_voted_for_only_where_there_is_no_other() {
    let (mut election, ensemble) = looking(5, &[2, 3]);
    election.shun(at(0), ServerId(3), 300);
    let best = notification(ServerState::Looking, 1, vote(3, 2, 9));
    election.receive(at(1), &ensemble, ServerId(3), &best);
    assert_eq!(election.proposal(), vote(1, 1, 5));
    let other = notification(ServerState::Looking, 1, vote(2, 1, 5));
    election.receive(at(2), &ensemble, ServerId(2), &other);
    assert_eq!(election.proposal(), vote(2, 1, 5), "the better of the others");
    election.tick(at(299), &ensemble);
    assert_eq!(election.proposal(), vote(2, 1, 5));
    election.hear(at(299), ServerId(2));
    election.hear(at(299), ServerId(3));
    election.tick(at(300), &ensemble);
    assert_eq!(election.proposal(), vote(3, 2, 9), "the time is over");
}

#[test]
fn nobody_votes_for_a_candidate_whose_history_is_older_than_its_own() {
    let (mut election, ensemble) = looking(5, &[2, 3]);
    election.shun(at(0), ServerId(1), 300);
    let older = notification(ServerState::Looking, 1, vote(3, 1, 4));
    election.receive(at(1), &ensemble, ServerId(3), &older);
    assert_eq!(election.proposal(), vote(1, 1, 5), "although it stands aside");
    let as_new = notification(ServerState::Looking, 1, vote(2, 1, 5));
    election.receive(at(2), &ensemble, ServerId(2), &as_new);
    assert_eq!(election.proposal(), vote(2, 1, 5));
}

/// 3 has voted for 4 by now; 1 hears 3, and not 4.
#[test]
fn who_stood_in_this_round_may_be_voted_for() {
    let (mut election, ensemble) = looking(5, &[2, 3]);
    for stands in [vote(3, 1, 6), vote(4, 1, 7)] {
        let message = notification(ServerState::Looking, 1, stands);
        election.receive(at(1), &ensemble, ServerId(3), &message);
    }
    assert_eq!(election.proposal(), vote(3, 1, 6));
}

#[test]
fn hearsay_counts_less_than_what_is_heard() {
    let (mut election, ensemble) = looking(3, &[2, 3]);
    let best = notification(ServerState::Looking, 1, vote(3, 1, 9));
    election.receive(at(1), &ensemble, ServerId(2), &best);
    assert_eq!(election.proposal(), vote(1, 1, 5), "only 2 hears 3");
    election.receive(at(2), &ensemble, ServerId(3), &best);
    assert_eq!(election.proposal(), vote(3, 1, 9));
}

#[test]
fn who_has_fallen_silent_is_voted_for_no_longer() {
    let (mut election, ensemble) = looking(5, &[2, 3, 4, 5]);
    let best = notification(ServerState::Looking, 1, vote(3, 1, 9));
    election.receive(at(1), &ensemble, ServerId(3), &best);
    let silent_ms = 1 + HEARD_PAUSES * RESEND_FIRST_MS;
    election.tick(at(silent_ms), &ensemble);
    assert_eq!(election.proposal(), vote(3, 1, 9));
    election.tick(at(silent_ms + 1), &ensemble);
    assert_eq!(election.proposal(), vote(1, 1, 5));
}

#[test]
fn who_stands_aside_does_not_begin() {
    let (mut election, ensemble) = looking(3, &[2, 3]);
    election.shun(at(0), ServerId(1), 300);
    assert_eq!(election.start(at(0), &ensemble, vote(1, 1, 5)), Output::default());
    let other = notification(ServerState::Looking, 2, vote(2, 1, 5));
    let out = election.receive(at(1), &ensemble, ServerId(2), &other);
    assert_eq!((election.proposal(), out.send_to.len()), (vote(2, 1, 5), 2));
    // Where nobody else stands, it does.
    election.start(at(10), &ensemble, vote(1, 1, 5));
    assert_eq!(election.tick(at(210), &ensemble).send_to.len(), 2);
    assert_eq!(election.proposal(), vote(1, 1, 5));
}

#[test]
fn a_candidate_that_can_win_is_waited_for() {
    let (mut election, ensemble) = looking(5, &[2, 3, 4, 5]);
    let best = notification(ServerState::Looking, 1, vote(5, 1, 9));
    election.receive(at(1), &ensemble, ServerId(5), &best);
    let own = notification(ServerState::Looking, 1, vote(2, 1, 5));
    election.receive(at(2), &ensemble, ServerId(2), &own);
    for peer in [3, 4] {
        election.hear(at(3), ServerId(peer));
    }
    election.tick(at(199), &ensemble);
    assert_eq!(election.proposal(), vote(5, 1, 9), "3 and 4 may vote for it");
}

#[test]
fn a_vote_that_is_sent_again_does_not_put_the_end_off() {
    let (mut election, ensemble) = looking(3, &[2, 3]);
    let message = notification(ServerState::Looking, 1, vote(3, 1, 9));
    election.hear(at(1), ServerId(2));
    for at_ms in [1, 50, 99] {
        let out = election.receive(at(at_ms), &ensemble, ServerId(3), &message);
        assert_eq!(out.elected, None, "{at_ms}");
    }
    let out = election.receive(at(101), &ensemble, ServerId(3), &message);
    assert_eq!(out.elected.map(|elected| elected.vote.leader), Some(ServerId(3)));
}

#[test]
fn who_says_nothing_is_waited_for_half_a_tick() {
    let (mut election, ensemble) = looking(3, &[2, 3]);
    let message = notification(ServerState::Looking, 1, vote(3, 1, 9));
    assert_eq!(election.receive(at(1), &ensemble, ServerId(3), &message).elected, None);
    assert_eq!(election.tick(at(49), &ensemble).elected, None);
    let elected = election.tick(at(50), &ensemble).elected;
    assert_eq!(elected.map(|elected| elected.vote.leader), Some(ServerId(3)), "2 is silent");
}

#[test]
fn votes_are_sent_again_after_a_pause_that_grows_up_to_a_tick() {
    let ensemble = ensemble(1, 3);
    let mut election = Election::new(500);
    election.start(at(0), &ensemble, vote(1, 1, 5));
    for (at_ms, votes) in [(200, 2), (599, 0), (600, 2), (1_099, 0), (1_100, 2), (1_600, 2)] {
        assert_eq!(election.tick(at(at_ms), &ensemble).send_to.len(), votes, "{at_ms}");
    }
    assert_eq!(election.deadline_ms(), Some(2_100));
}
