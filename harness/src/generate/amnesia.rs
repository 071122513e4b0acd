//! Faults that make a server forget what it had acknowledged. When they strike is the business of
//! the schedule, which lets a server forget only when nothing is lost by it, so that they are drawn
//! with time to wait.

use sim::fault::{Fault, FaultFamily, Target, TimedFault};

use super::FIRST_FAULT_MS;
use super::faults::{Kind, Need, Site};

/// Every kind of amnesia.
pub(super) const AMNESIAS: [Kind; 5] = [
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

fn wipe(site: &mut Site<'_>) -> Vec<TimedFault> {
    let target = follower(site);
    vec![site.for_ms(500, 5_000, Fault::Wipe { target })]
}

fn restore(site: &mut Site<'_>) -> Vec<TimedFault> {
    let target = follower(site);
    let taken_ms = site.draws.range(FIRST_FAULT_MS / 2, site.at_ms.min(site.end_ms - 1));
    vec![site.for_ms(500, 5_000, Fault::Restore { target, taken_ms })]
}
