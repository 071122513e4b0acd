//! Faults that make a server forget what it had acknowledged. When they strike is the business of
//! the schedule, which lets a server forget only when nothing is lost by it, so that they are drawn
//! with time to wait.

use sim::fault::{Fault, FaultFamily, Target, TimedFault};

use super::FIRST_FAULT_MS;
use super::faults::{Kind, Need, Site};

/// Every kind of amnesia.
pub(super) const AMNESIAS: [Kind; 6] = [
    Kind {
        name: "lost write",
        family: FaultFamily::Disk,
        needs: &[Need::Several, Need::Amnesia],
        draw: lost_write,
    },
    Kind {
        name: "misdirected write",
        family: FaultFamily::Disk,
        needs: &[Need::Several, Need::Amnesia],
        draw: misdirected_write,
    },
    Kind {
        name: "rot",
        family: FaultFamily::Disk,
        needs: &[Need::Several, Need::Amnesia],
        draw: rot,
    },
    Kind {
        name: "wipe",
        family: FaultFamily::Process,
        needs: &[Need::Several, Need::Amnesia],
        draw: wipe,
    },
    Kind {
        name: "restore",
        family: FaultFamily::Process,
        needs: &[Need::Several, Need::Amnesia],
        draw: restore,
    },
    Kind {
        name: "rot where few are left",
        family: FaultFamily::Disk,
        needs: &[Need::Minority, Need::ToldDamage],
        draw: rot_where_few_are_left,
    },
];

/// A follower, or the server of that name once it follows.
fn follower(site: &mut Site<'_>) -> Target {
    match site.draws.chance(0.5) {
        true => site.follower(),
        false => site.any_host(),
    }
}

fn file(site: &mut Site<'_>) -> String {
    let files = site.ground.files;
    files[site.draws.below(files.len() as u64) as usize].to_owned()
}

/// All writes from a moment on, or one of them.
fn nth(site: &mut Site<'_>) -> Option<u64> {
    site.draws.chance(0.4).then(|| site.draws.log_uniform(1, 64))
}

fn lost_write(site: &mut Site<'_>) -> Vec<TimedFault> {
    let (target, nth) = (follower(site), nth(site));
    let down_ms = site.draws.log_uniform(20, 2_000);
    vec![site.for_ms(100, 3_000, Fault::LostWrite { target, nth, down_ms })]
}

fn misdirected_write(site: &mut Site<'_>) -> Vec<TimedFault> {
    let (target, nth, onto) = (follower(site), nth(site), file(site));
    let down_ms = site.draws.log_uniform(20, 2_000);
    vec![site.for_ms(100, 3_000, Fault::MisdirectedWrite { target, nth, onto, down_ms })]
}

fn rot(site: &mut Site<'_>) -> Vec<TimedFault> {
    let (target, file) = (follower(site), file(site));
    let sectors = site.draws.log_uniform(1, 8);
    vec![site.for_ms(500, 5_000, Fault::Rot { target, file, sectors })]
}

/// A minority is away while the others write. Then the others are away, but for so few that they make a majority only
/// with those who come back; and just those have rotted. Whoever takes their damage for the end of their logs
/// loses what was written, though others hold it still (FAST 2018, section 2).
fn rot_where_few_are_left(site: &mut Site<'_>) -> Vec<TimedFault> {
    let mut rotten = site.shuffled();
    let minority = rotten.len() - (rotten.len() / 2 + 1);
    let stale = rotten.split_off(rotten.len() - minority);
    let away = rotten.split_off(rotten.len() - minority);
    let away_ms = site.at_ms + site.draws.log_uniform(800, 5_000);
    let back_ms = away_ms + site.draws.log_uniform(50, 1_000);
    let end_ms = back_ms + site.draws.log_uniform(1_000, 5_000);
    let crash = |target: Target| Fault::Crash { target };
    let mut faults: Vec<TimedFault> =
        stale.into_iter().map(|target| site.until(back_ms, crash(target))).collect();
    faults.extend(away.into_iter().map(|target| site.between(away_ms, end_ms, crash(target))));
    for target in rotten {
        let (file, sectors) = (file(site), site.draws.log_uniform(1, 4));
        faults.push(site.between(away_ms, back_ms, Fault::Rot { target, file, sectors }));
    }
    faults
}

fn wipe(site: &mut Site<'_>) -> Vec<TimedFault> {
    let target = follower(site);
    vec![site.for_ms(500, 5_000, Fault::Wipe { target })]
}

fn restore(site: &mut Site<'_>) -> Vec<TimedFault> {
    let target = follower(site);
    let taken_ms = site.draws.range(FIRST_FAULT_MS / 2, site.at_ms.min(site.end_ms - 1));
    vec![site.for_ms(500, 5_000, Fault::Restore { target, taken_ms })]
}
