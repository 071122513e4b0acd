//! Faults that come together, each to bring about a state in which ZooKeeper's own bugs lay.

use sim::disk::OpKind;
use sim::fault::{Fault, FaultFamily, MarkTarget, Settings, Target, TimedFault};

use super::faults::{Kind, Need, Site};
use crate::system::Part;

/// Every kind of disaster.
pub(super) const DISASTERS: [Kind; 16] = [
    Kind {
        name: "leader among clients",
        family: FaultFamily::Network,
        needs: &[Need::Several, Need::Leader],
        draw: leader_among_clients,
    },
    Kind {
        name: "power loss of most",
        family: FaultFamily::Process,
        needs: &[],
        draw: power_loss_of_most,
    },
    Kind {
        name: "power loss of all",
        family: FaultFamily::Process,
        needs: &[],
        draw: power_loss_of_all,
    },
    Kind {
        name: "power loss at slow disks",
        family: FaultFamily::Disk,
        needs: &[],
        draw: power_loss_at_slow_disks,
    },
    Kind { name: "straggler", family: FaultFamily::Process, needs: &[], draw: straggler },
    Kind {
        name: "crash in synchronisation",
        family: FaultFamily::Process,
        needs: &[],
        draw: crash_in_sync,
    },
    Kind {
        name: "struck while it learns",
        family: FaultFamily::Process,
        needs: &[Need::Several, Need::Leader, Need::Learner],
        draw: struck_while_it_learns,
    },
    Kind {
        name: "most disks stand still",
        family: FaultFamily::Disk,
        needs: &[Need::Several],
        draw: most_disks_stand_still,
    },
    Kind {
        name: "leader after leader",
        family: FaultFamily::Process,
        needs: &[Need::Several, Need::Leader],
        draw: leader_after_leader,
    },
    Kind {
        name: "deposed with a slow disk",
        family: FaultFamily::Disk,
        needs: &[Need::Several, Need::Leader],
        draw: deposed_with_slow_disk,
    },
    Kind {
        name: "rolling restart",
        family: FaultFamily::Process,
        needs: &[],
        draw: rolling_restart,
    },
    Kind {
        name: "struck at a mark",
        family: FaultFamily::Process,
        needs: &[Need::Marks],
        draw: struck_at_a_mark,
    },
    Kind {
        name: "struck after a cut",
        family: FaultFamily::Disk,
        needs: &[Need::Several, Need::Leader],
        draw: struck_after_a_cut,
    },
    Kind {
        name: "others struck at a mark",
        family: FaultFamily::Process,
        needs: &[Need::Several, Need::Leader, Need::Marks],
        draw: others_struck_at_a_mark,
    },
    Kind {
        name: "parted at a mark",
        family: FaultFamily::Network,
        needs: &[Need::Several, Need::Leader, Need::Marks],
        draw: parted_at_a_mark,
    },
    Kind {
        name: "rolling upgrade",
        family: FaultFamily::Process,
        needs: &[Need::Upgrade],
        draw: rolling_upgrade,
    },
];

/// The leader is cut off from the servers, but clients still write to it: it logs proposals that
/// nobody else has, and must cut them off its log when it comes back (TRUNC; ZOOKEEPER-2845,
/// ZOOKEEPER-1154). That takes at least as long as the rest needs to give it up and elect another.
/// It may lose power meanwhile.
fn leader_among_clients(site: &mut Site<'_>) -> Vec<TimedFault> {
    let all = site.shuffled();
    let reset_on_heal = site.reset_on_heal();
    let sides = vec![vec![site.leader()], all];
    let cut = site.for_ms(1_500, 6_000, Fault::Partition { sides, reset_on_heal });
    let mut faults = vec![cut];
    if site.draws.chance(0.3) {
        let at_ms = site.at_ms + site.draws.log_uniform(50, 500);
        let until_ms = at_ms + site.draws.log_uniform(50, 5_000);
        let target = site.leader();
        faults.push(site.between(at_ms, until_ms, Fault::PowerLoss { target }));
    }
    faults
}

/// A majority loses power at once: only what was synced is left of what it acknowledged.
fn power_loss_of_most(site: &mut Site<'_>) -> Vec<TimedFault> {
    let most = site.servers() as usize / 2 + 1;
    let hosts = site.shuffled().into_iter().take(most).collect();
    power_losses(site, hosts)
}

/// Everyone loses power at once and comes back in any order.
fn power_loss_of_all(site: &mut Site<'_>) -> Vec<TimedFault> {
    let hosts = site.shuffled();
    power_losses(site, hosts)
}

fn power_losses(site: &mut Site<'_>, hosts: Vec<Target>) -> Vec<TimedFault> {
    let common_ms = site.draws.log_uniform(50, 1_500);
    let mut faults = Vec::new();
    for target in hosts {
        let own_ms = if site.draws.chance(0.5) { site.draws.log_uniform(1, 2_000) } else { 0 };
        let until_ms = site.at_ms + common_ms + own_ms;
        faults.push(site.until(until_ms, Fault::PowerLoss { target }));
    }
    faults
}

/// All disks are slow, so that much is not yet synced when the power goes: what is acknowledged
/// nevertheless is lost (ZOOKEEPER-4646).
fn power_loss_at_slow_disks(site: &mut Site<'_>) -> Vec<TimedFault> {
    let factor = site.draws.log_uniform(20, 300);
    let lost_ms = site.at_ms + site.draws.log_uniform(200, 1_500);
    let hosts = site.shuffled();
    let slow = |target: &Target| Fault::SlowDisk { target: target.clone(), factor };
    let mut faults: Vec<TimedFault> =
        hosts.iter().map(|target| site.until(lost_ms, slow(target))).collect();
    let most = site.draws.range(site.servers() / 2 + 1, site.servers());
    for target in hosts.into_iter().take(most as usize) {
        let until_ms = lost_ms + site.draws.log_uniform(50, 1_500);
        faults.push(site.between(lost_ms, until_ms, Fault::PowerLoss { target }));
    }
    faults
}

/// A server is away for so long that it needs much of the history, or a snapshot, when it is back.
fn straggler(site: &mut Site<'_>) -> Vec<TimedFault> {
    let target = site.any_host();
    let is_kill = site.draws.chance(0.5);
    let fault = if is_kill { Fault::Crash { target } } else { Fault::PowerLoss { target } };
    vec![site.for_ms(3_000, 9_000, fault)]
}

/// A server comes back with a slow disk, so that it is long in receiving the history, and is struck
/// again meanwhile (ZOOKEEPER-3911, 4643, 4646, 4785, 5094).
fn crash_in_sync(site: &mut Site<'_>) -> Vec<TimedFault> {
    let server = site.draws.range(1, site.servers());
    let factor = site.draws.log_uniform(10, 300);
    let mut at_ms = site.at_ms;
    let mut faults = Vec::new();
    for round in 0..site.draws.range(2, 4) {
        let away_ms = if round == 0 { site.draws.log_uniform(200, 3_000) } else { 60 };
        let is_kill = site.draws.chance(0.3);
        let target = site.host(server);
        let fault = if is_kill { Fault::Crash { target } } else { Fault::PowerLoss { target } };
        faults.push(site.between(at_ms, at_ms + away_ms, fault));
        at_ms += away_ms + site.draws.log_uniform(30, 1_000);
    }
    let slow = Fault::SlowDisk { target: site.host(server), factor };
    faults.insert(0, site.until(at_ms + 500, slow));
    faults
}

/// Whoever is brought up to a leader's history next is struck in the middle of it, and perhaps its
/// leader soon after (ZOOKEEPER-3911, 4643, 4646, 4785, 5094, 3642). Something is away before, so
/// that there is somebody to bring up, and disks are slow, so that it takes a while.
fn struck_while_it_learns(site: &mut Site<'_>) -> Vec<TimedFault> {
    let away_ms = site.draws.log_uniform(100, 3_000);
    let back_ms = site.at_ms + away_ms;
    let target = site.any_target();
    let is_kill = site.draws.chance(0.5);
    let away = if is_kill { Fault::Crash { target } } else { Fault::PowerLoss { target } };
    let mut faults = vec![site.until(back_ms, away)];
    let until_ms = back_ms + site.draws.log_uniform(500, 2_000);
    let factor = site.draws.log_uniform(5, 100);
    for target in site.shuffled() {
        let slow = Fault::SlowDisk { target, factor };
        faults.push(site.between(back_ms.saturating_sub(50), until_ms, slow));
    }
    let learner = site.ground.role(Part::Learns).expect("the kind needs a learner");
    for _ in 0..site.draws.range(1, 2) {
        let target = Target::Since(learner.to_owned(), site.draws.log_uniform(1, 100));
        let is_kill = site.draws.chance(0.3);
        let fault = if is_kill { Fault::Crash { target } } else { Fault::PowerLoss { target } };
        faults.push(site.between(back_ms, until_ms, fault));
    }
    if site.draws.chance(0.4) {
        let at_ms = back_ms + site.draws.log_uniform(50, 1_000);
        let is_kill = site.draws.chance(0.5);
        let target = site.leader();
        let fault = if is_kill { Fault::Crash { target } } else { Fault::PowerLoss { target } };
        let lasts_ms = site.draws.log_uniform(100, 3_000);
        faults.push(site.between(at_ms, at_ms + lasts_ms, fault));
    }
    faults
}

/// The disks of a majority stand still, so that nothing can be committed, while the others log what
/// is proposed, go away for a moment, and come back to the same leader with more than is committed.
fn most_disks_stand_still(site: &mut Site<'_>) -> Vec<TimedFault> {
    let until_ms = site.at_ms + site.draws.log_uniform(500, 3_000);
    let mut hosts = site.shuffled();
    let others = hosts.split_off(site.servers() as usize / 2 + 1);
    let still = |target: Target| site.until(until_ms, Fault::SlowDisk { target, factor: 0 });
    let mut faults: Vec<TimedFault> = hosts.into_iter().map(still).collect();
    for target in others {
        let at_ms = site.at_ms + site.draws.log_uniform(50, 1_000);
        let back_ms = at_ms + site.draws.log_uniform(10, 100);
        faults.push(site.between(at_ms, back_ms, Fault::Crash { target }));
    }
    faults
}

/// One leader after the other is killed, each as soon as it may just have been elected
/// (ZOOKEEPER-335, 790, 3023).
fn leader_after_leader(site: &mut Site<'_>) -> Vec<TimedFault> {
    let mut at_ms = site.at_ms;
    let mut faults = Vec::new();
    for _ in 0..site.draws.range(2, 4) {
        let until_ms = at_ms + site.draws.log_uniform(100, 2_000);
        let target = site.leader();
        let is_kill = site.draws.chance(0.5);
        let fault = if is_kill { Fault::Crash { target } } else { Fault::PowerLoss { target } };
        faults.push(site.between(at_ms, until_ms, fault));
        at_ms += site.draws.log_uniform(200, 2_500);
    }
    faults
}

/// The leader's disk stands still while the rest elects another; what it still has to write comes
/// late (ZOOKEEPER-4712; etcd 15247). Where its clients still reach it, it has the more to write, of
/// which the rest knows nothing. It may be struck soon after it is back.
fn deposed_with_slow_disk(site: &mut Site<'_>) -> Vec<TimedFault> {
    let target = site.leader();
    let at_ms = site.at_ms + site.draws.log_uniform(5, 300);
    let reset_on_heal = site.reset_on_heal();
    let has_clients = site.draws.chance(0.6);
    let cut = match has_clients {
        true => {
            Fault::Partition { sides: vec![vec![site.leader()], site.shuffled()], reset_on_heal }
        }
        false => Fault::Isolate { who: site.leader(), reset_on_heal },
    };
    let cut_until_ms = at_ms + site.draws.log_uniform(1_500, 5_000);
    let stalled_until_ms = match has_clients {
        true => cut_until_ms + site.draws.log_uniform(1, 500),
        false => site.at_ms + site.draws.log_uniform(500, 4_000),
    };
    let stall = site.until(stalled_until_ms, Fault::SlowDisk { target, factor: 0 });
    let mut faults = vec![stall, site.between(at_ms, cut_until_ms, cut)];
    if site.draws.chance(0.5) {
        let at_ms = stalled_until_ms + site.draws.log_uniform(100, 2_000);
        let until_ms = at_ms + site.draws.log_uniform(50, 1_000);
        let targets = site.shuffled();
        let strike = |target| site.between(at_ms, until_ms, Fault::PowerLoss { target });
        faults.extend(targets.into_iter().map(strike));
    }
    faults
}

fn rolling_restart(site: &mut Site<'_>) -> Vec<TimedFault> {
    one_after_the_other(site, Settings::new())
}

/// Each server comes back with other settings, so that for a while they differ.
fn rolling_upgrade(site: &mut Site<'_>) -> Vec<TimedFault> {
    let upgrade = site.ground.upgrade.expect("the kind needs an upgrade");
    let settings = upgrade(site.draws);
    one_after_the_other(site, settings)
}

fn one_after_the_other(site: &mut Site<'_>, settings: Settings) -> Vec<TimedFault> {
    let targets = site.shuffled();
    let down_ms = site.draws.log_uniform(50, 800);
    let gap_ms = site.draws.log_uniform(50, 1_500);
    let all_ms = (down_ms + gap_ms) * targets.len() as u64;
    let fault = Fault::Restart { targets, down_ms, gap_ms, settings };
    vec![site.until(site.at_ms + all_ms + 1, fault)]
}

/// Servers are killed, lose power or stand still at a place in their code, or soon after it: between
/// a write and its fsync, before an answer leaves, in the middle of a snapshot. Timers seldom meet
/// such a moment.
fn struck_at_a_mark(site: &mut Site<'_>) -> Vec<TimedFault> {
    let mut at_ms = site.at_ms;
    let mut faults = Vec::new();
    for _ in 0..site.draws.range(1, 4) {
        let target = Target::Mark(any_place(site));
        let fault = match site.draws.below(8) {
            0 => Fault::Pause { target },
            1..=3 => Fault::Crash { target },
            _ => Fault::PowerLoss { target },
        };
        let until_ms = at_ms + site.draws.log_uniform(300, 4_000);
        faults.push(site.between(at_ms, until_ms, fault));
        at_ms += site.draws.log_uniform(50, 2_000);
    }
    faults
}

fn any_place(site: &mut Site<'_>) -> MarkTarget {
    let (points, marks) = (site.ground.crash_points, site.ground.marks());
    let is_at_a_point = !points.is_empty() && site.draws.chance(1.0 / 3.0);
    let point = is_at_a_point.then(|| site.draws.pick(points).copied()).flatten();
    let any = || site.draws.pick(marks).expect("the kind needs marks").name;
    let mark = point.unwrap_or_else(any).to_owned();
    let nth = site.draws.log_uniform(1, 16) as u32;
    let part = match site.draws.below(4) {
        0 => Some(Part::Leads),
        1 => Some(Part::Follows),
        _ => None,
    };
    let of = part.and_then(|part| site.ground.role(part)).map(str::to_owned);
    let is_exact = site.draws.chance(0.6);
    let after_us = if is_exact { 0 } else { site.draws.log_uniform(1, 5_000) };
    MarkTarget { mark, nth, of, after_us }
}

/// One server is at a place in its code, and others are struck: the leader while a learner takes in
/// what it was sent, a follower before the leader counts its acknowledgement.
fn others_struck_at_a_mark(site: &mut Site<'_>) -> Vec<TimedFault> {
    let target = match site.draws.below(3) {
        0 => site.follower(),
        _ => site.leader(),
    };
    let fault = match site.draws.below(6) {
        0 => Fault::Pause { target },
        1 => Fault::SlowDisk { target, factor: 0 },
        2 | 3 => Fault::Crash { target },
        _ => Fault::PowerLoss { target },
    };
    vec![at_a_mark(site, fault)]
}

/// The network parts, or drops connections, while a server is at a place in its code.
fn parted_at_a_mark(site: &mut Site<'_>) -> Vec<TimedFault> {
    let (here, others) = (vec![Target::Here], site.shuffled());
    let reset_on_heal = site.reset_on_heal();
    let fault = match site.draws.below(6) {
        0 => Fault::Isolate { who: site.leader(), reset_on_heal },
        1 => Fault::Reset { from: here, to: others },
        2 => Fault::OneWay { from: here, to: others, reset_on_heal },
        3 => Fault::OneWay { from: others, to: here, reset_on_heal },
        _ => Fault::Partition { sides: vec![here, others], reset_on_heal },
    };
    vec![at_a_mark(site, fault)]
}

fn at_a_mark(site: &mut Site<'_>, fault: Fault) -> TimedFault {
    let when = Some(any_place(site));
    TimedFault { when, ..site.for_ms(300, 4_000, fault) }
}

/// The leader is cut off among its clients, so that its log must be cut when it is back. Its disk may
/// refuse that, and soon after everyone loses power and starts from what is there (ZOOKEEPER-1154,
/// 1156, 1489, 3701).
fn struck_after_a_cut(site: &mut Site<'_>) -> Vec<TimedFault> {
    let sides = vec![vec![site.leader()], site.shuffled()];
    let reset_on_heal = site.reset_on_heal();
    let back_ms = site.at_ms + site.draws.log_uniform(1_000, 4_000);
    let mut faults = vec![site.until(back_ms, Fault::Partition { sides, reset_on_heal })];
    if site.draws.chance(0.7) {
        // Nothing else cuts files: the error waits for the leader of now to be back.
        let (target, op, nth) = (site.leader(), OpKind::Truncate, Some(1));
        faults.push(site.until(back_ms + 2_000, Fault::Eio { target, op, nth }));
    }
    let lost_ms = back_ms + site.draws.log_uniform(300, 3_000);
    for target in site.shuffled() {
        let until_ms = lost_ms + site.draws.log_uniform(50, 1_000);
        faults.push(site.between(lost_ms, until_ms, Fault::PowerLoss { target }));
    }
    faults
}
