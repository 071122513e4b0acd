//! When which fault strikes: episodes with pauses between them, over the whole time of chaos.

use sim::fault::{FaultFamily, TimedFault};
use sim::seed::Draws;

use super::amnesia::AMNESIAS;
use super::atlas::Atlas;
use super::disasters::DISASTERS;
use super::faults::{Kind, SINGLE, Site};
use super::links::LINKS;
use super::{FIRST_FAULT_MS, MARGIN_MS};

/// The faults of a seed, in order of time.
pub(super) fn faults(seed: u64, servers: u32, chaos_ms: u64) -> Vec<TimedFault> {
    let mut draws = Draws::new(seed, "fault timeline", 0);
    let menu = menu(seed);
    // The longest pause between episodes: some seeds rest, others hardly let the ensemble elect.
    let calm_max_ms = draws.log_uniform(400, 3_000);
    let end_ms = chaos_ms - MARGIN_MS;
    let mut atlas = Atlas::new(servers);
    let mut faults: Vec<TimedFault> = Vec::new();
    let mut at_ms = FIRST_FAULT_MS + draws.below(1_000);
    let mut episode = 0;
    while at_ms < end_ms - 1_000 {
        let kind = kind_of_episode(&mut draws, &menu, episode);
        let mut own = Draws::new(seed, kind.name, episode);
        let mut site = Site { draws: &mut own, servers, at_ms, end_ms };
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
fn menu(seed: u64) -> Vec<Kind> {
    let mut draws = Draws::new(seed, "swarm", 0);
    let mut families =
        [FaultFamily::Network, FaultFamily::Process, FaultFamily::Disk, FaultFamily::Clock];
    draws.shuffle(&mut families);
    let mut menu = Vec::new();
    for (index, family) in families.into_iter().enumerate() {
        // Each kind draws even if its family is off: what is on elsewhere does not depend on it.
        let is_on = draws.chance(0.55) || index < 2;
        let of_family: Vec<Kind> = every_kind().filter(|kind| kind.family == family).collect();
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
