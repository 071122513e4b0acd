//! When which fault strikes: episodes with pauses between them, over the whole time of chaos.

use sim::fault::{FaultFamily, TimedFault};
use sim::seed::Draws;

use super::amnesia::AMNESIAS;
use super::atlas::Atlas;
use super::disasters::DISASTERS;
use super::faults::{Kind, SINGLE, Site};
use super::links::LINKS;
use super::{FIRST_FAULT_MS, Ground, MARGIN_MS};

/// The faults of a seed on a ground, in order of time. None of them lasts beyond the margin at the end.
pub fn faults(seed: u64, ground: &Ground, chaos_ms: u64) -> Vec<TimedFault> {
    let mut draws = Draws::new(seed, "fault timeline", 0);
    let menu = menu(seed, ground);
    // The longest pause between episodes: some seeds rest, others hardly let the ensemble elect.
    let calm_max_ms = draws.log_uniform(400, 3_000);
    let end_ms = chaos_ms - MARGIN_MS;
    let mut atlas = Atlas::new(ground);
    let mut faults: Vec<TimedFault> = Vec::new();
    let mut at_ms = FIRST_FAULT_MS + draws.below(1_000);
    let mut episode = 0;
    while at_ms < end_ms - 1_000 {
        let kind = kind_of_episode(&mut draws, &menu, episode);
        let mut own = Draws::new(seed, kind.name, episode);
        let mut site = Site { draws: &mut own, ground, at_ms, end_ms };
        let drawn = (kind.draw)(&mut site);
        let until_ms = drawn.iter().filter_map(|fault| fault.until_ms).max().unwrap_or(at_ms);
        faults.extend(drawn.into_iter().filter(|fault| atlas.admit(fault)));
        // An episode in four runs into the next one.
        let overlaps = draws.chance(0.25);
        let from_ms = if overlaps { at_ms } else { until_ms };
        at_ms = from_ms + draws.log_uniform(200, calm_max_ms);
        episode += 1;
    }
    faults.sort_by_key(|fault| fault.at_ms);
    faults
}

/// Every kind of fault. New ones come last.
fn every_kind() -> impl Iterator<Item = Kind> {
    SINGLE.into_iter().chain(DISASTERS).chain(LINKS).chain(AMNESIAS)
}

/// The kinds that are on for this seed: of at least two families.
fn menu(seed: u64, ground: &Ground) -> Vec<Kind> {
    let mut draws = Draws::new(seed, "swarm", 0);
    let mut families =
        [FaultFamily::Network, FaultFamily::Process, FaultFamily::Disk, FaultFamily::Clock];
    draws.shuffle(&mut families);
    let (mut menu, mut index) = (Vec::new(), 0);
    for family in families {
        // Each kind draws even if its family is off: what is on elsewhere does not depend on it.
        let is_on = draws.chance(0.55) || index < 2;
        let of_family: Vec<Kind> =
            every_kind().filter(|kind| kind.family == family && kind.fits(ground)).collect();
        // One server has no links to others.
        index += usize::from(!of_family.is_empty());
        let mut chosen: Vec<Kind> =
            of_family.iter().filter(|_| draws.chance(0.55)).copied().collect();
        if chosen.is_empty() {
            chosen.extend(draws.pick(&of_family));
        }
        if is_on {
            menu.extend(chosen);
        }
    }
    menu
}

/// The first two episodes are of different families, neither of them one that the atlas may turn
/// down when it stands alone.
fn kind_of_episode(draws: &mut Draws, menu: &[Kind], episode: u64) -> Kind {
    let first = menu.first().expect("a menu has kinds of two families").family;
    let allowed: Vec<Kind> = menu
        .iter()
        .filter(|kind| match episode {
            0 => kind.family == first,
            1 => kind.family != first,
            _ => true,
        })
        .copied()
        .collect();
    *draws.pick(&allowed).expect("a menu has kinds of two families")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::plan::Topology;
    use crate::testing::STORE;

    #[test]
    fn faults_are_of_two_families_and_leave_time_to_end_whoever_there_is() {
        for seed in 0..40 {
            for servers in [1, 2, 3, 5] {
                let topology = Topology::from([
                    ("servers".to_owned(), servers),
                    ("clients".to_owned(), 1 + seed as u32 % 3),
                ]);
                let ground = Ground::of(&STORE, &topology);
                let faults = faults(seed, &ground, 30_000);
                let families: BTreeSet<FaultFamily> =
                    faults.iter().map(|timed| timed.fault.kind().family()).collect();
                assert!(families.len() > 1, "{seed}, {servers} servers: {faults:?}");
                assert!(faults.is_sorted_by_key(|timed| timed.at_ms));
                assert!(faults.iter().all(|timed| timed.fault.check().is_ok()), "{faults:?}");
                assert!(faults.iter().all(|timed| timed.at_ms >= FIRST_FAULT_MS));
                let end_ms = 30_000 - MARGIN_MS;
                assert!(faults.iter().all(|timed| timed.until_ms.is_none_or(|ms| ms <= end_ms)));
            }
        }
    }
}
