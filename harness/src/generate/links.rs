//! Faults between servers that cut nothing, and the ring.

use sim::fault::{Fault, FaultFamily, Target, TimedFault};

use super::faults::{Kind, Need, Site};

/// Every such kind that either world has, and those of our own engine.
pub(super) const LINKS: [Kind; 8] = [
    Kind { name: "ring", family: FaultFamily::Network, needs: &[Need::Minority], draw: ring },
    Kind {
        name: "flaky link",
        family: FaultFamily::Network,
        needs: &[Need::Several],
        draw: flaky_link,
    },
    Kind {
        name: "bandwidth",
        family: FaultFamily::Network,
        needs: &[Need::Several],
        draw: bandwidth,
    },
    Kind {
        name: "connect hang",
        family: FaultFamily::Network,
        needs: &[Need::Several],
        draw: connect_hang,
    },
    Kind {
        name: "half open",
        family: FaultFamily::Network,
        needs: &[Need::Several],
        draw: half_open,
    },
    Kind { name: "reset", family: FaultFamily::Network, needs: &[Need::Several], draw: reset },
    Kind {
        name: "half heard leader",
        family: FaultFamily::Network,
        needs: &[Need::Minority, Need::Leader],
        draw: half_heard_leader,
    },
    Kind {
        name: "datagrams",
        family: FaultFamily::Network,
        needs: &[Need::Several, Need::Datagrams],
        draw: datagrams,
    },
];

/// Every server hears a majority, no two of them the same (Jepsen's majorities ring).
fn ring(site: &mut Site<'_>) -> Vec<TimedFault> {
    let servers = site.shuffled();
    let (count, majority) = (servers.len(), servers.len() / 2 + 1);
    let lasts_ms = site.draws.log_uniform(300, 6_000);
    let reset_on_heal = site.reset_on_heal();
    // Of five each hears the one before it and the one behind it, of three the one behind it.
    let first = (majority - 1) / 2;
    (0..count)
        .filter_map(|own| {
            let heard: Vec<usize> =
                (0..majority).map(|n| (own + count + n - first) % count).collect();
            let unheard = (0..count).filter(|other| !heard.contains(other));
            let from: Vec<Target> = unheard.map(|other| servers[other].clone()).collect();
            // Of two servers each hears all, and there is no ring.
            if from.is_empty() {
                return None;
            }
            let fault = Fault::OneWay { from, to: vec![servers[own].clone()], reset_on_heal };
            Some(site.until(site.at_ms + lasts_ms, fault))
        })
        .collect()
}

/// Who leads reaches one of the others alone, or some of them but no majority, and they all reach each other:
/// on the word of those who hear it, it may be elected again and again (Ng and others, "Omni-Paxos", EuroSys
/// 2023: quorum loss).
fn half_heard_leader(site: &mut Site<'_>) -> Vec<TimedFault> {
    let mut others = site.shuffled();
    let minority = (others.len() as u64 - 1) / 2;
    let heard_by = site.draws.range(1, minority) as usize;
    let unheard = others.split_off(heard_by);
    let leader = vec![site.leader()];
    let reset_on_heal = site.reset_on_heal();
    let lasts_ms = site.draws.log_uniform(1_000, 12_000);
    if site.draws.chance(0.3) {
        // One direction is enough to stop it.
        let says_nothing = site.draws.chance(0.5);
        let (from, to) = if says_nothing { (leader, unheard) } else { (unheard, leader) };
        return vec![site.until(site.at_ms + lasts_ms, Fault::OneWay { from, to, reset_on_heal })];
    }
    let fault = Fault::Partition { sides: vec![leader, unheard], reset_on_heal };
    vec![site.until(site.at_ms + lasts_ms, fault)]
}

fn ends(site: &mut Site<'_>) -> (Vec<Target>, Vec<Target>) {
    (vec![site.any_target()], site.shuffled())
}

fn flaky_link(site: &mut Site<'_>) -> Vec<TimedFault> {
    let (from, to) = ends(site);
    let loss = site.draws.log_uniform(5, 400) as f64 / 1_000.0;
    vec![site.for_ms(500, 6_000, Fault::FlakyLink { from, to, loss })]
}

fn bandwidth(site: &mut Site<'_>) -> Vec<TimedFault> {
    let (from, to) = ends(site);
    let bytes_per_s = site.draws.log_uniform(1_000, 1_000_000);
    vec![site.for_ms(500, 6_000, Fault::Bandwidth { from, to, bytes_per_s })]
}

fn datagrams(site: &mut Site<'_>) -> Vec<TimedFault> {
    let (from, to) = ends(site);
    let mut probability = || match site.draws.chance(0.6) {
        true => site.draws.log_uniform(5, 500) as f64 / 1_000.0,
        false => 0.0,
    };
    let (loss, duplicate, reorder) = (probability(), probability(), probability());
    // Something is always wrong.
    let loss = if loss + duplicate + reorder > 0.0 { loss } else { 0.1 };
    vec![site.for_ms(500, 6_000, Fault::Datagrams { from, to, loss, duplicate, reorder })]
}

fn connect_hang(site: &mut Site<'_>) -> Vec<TimedFault> {
    let (one, others) = ends(site);
    let (from, to) = if site.draws.chance(0.5) { (one, others) } else { (others, one) };
    vec![site.for_ms(500, 6_000, Fault::ConnectHang { from, to })]
}

fn half_open(site: &mut Site<'_>) -> Vec<TimedFault> {
    let (from, to) = ends(site);
    let silent = site.draws.chance(0.5);
    vec![site.for_ms(1, 100, Fault::HalfOpen { from, to, silent })]
}

fn reset(site: &mut Site<'_>) -> Vec<TimedFault> {
    let (from, to) = ends(site);
    vec![site.for_ms(1, 100, Fault::Reset { from, to })]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sim::seed::Draws;

    use super::super::Ground;
    use super::*;
    use crate::plan::Topology;
    use crate::testing::STORE;

    #[test]
    fn every_server_of_a_ring_hears_a_majority_and_no_two_the_same() {
        for servers in [3, 5] {
            let draws = &mut Draws::new(1, "ring", 0);
            let topology = Topology::from([("servers".to_owned(), servers)]);
            let ground = &Ground::of(&STORE, &topology);
            let faults = ring(&mut Site { draws, ground, at_ms: 5_000, end_ms: 30_000 });
            let mut seen = BTreeSet::new();
            for timed in &faults {
                let Fault::OneWay { from, to, .. } = &timed.fault else { panic!("{timed:?}") };
                let unheard: BTreeSet<&Target> = from.iter().collect();
                assert_eq!(unheard.len(), servers as usize / 2, "{timed:?}");
                assert!(!unheard.contains(&to[0]), "it hears itself");
                assert!(seen.insert(unheard), "{timed:?}");
            }
            assert_eq!(faults.len(), servers as usize);
        }
    }
}
