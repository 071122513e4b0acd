//! Faults between servers that cut nothing, and the ring.

use sim::fault::{Fault, FaultFamily, Target, TimedFault};

use super::faults::{Kind, Site};

/// Every such kind that either world has, and those of our own engine.
pub(super) const LINKS: [Kind; 6] = [
    Kind { name: "ring", family: FaultFamily::Network, draw: ring },
    Kind { name: "flaky link", family: FaultFamily::Network, draw: flaky_link },
    Kind { name: "bandwidth", family: FaultFamily::Network, draw: bandwidth },
    Kind { name: "connect hang", family: FaultFamily::Network, draw: connect_hang },
    Kind { name: "half open", family: FaultFamily::Network, draw: half_open },
    Kind { name: "reset", family: FaultFamily::Network, draw: reset },
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
        .map(|own| {
            let heard: Vec<usize> =
                (0..majority).map(|n| (own + count + n - first) % count).collect();
            let unheard = (0..count).filter(|other| !heard.contains(other));
            let from: Vec<Target> = unheard.map(|other| servers[other].clone()).collect();
            let fault = Fault::OneWay { from, to: vec![servers[own].clone()], reset_on_heal };
            site.until(site.at_ms + lasts_ms, fault)
        })
        .collect()
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

    use super::*;

    #[test]
    fn every_server_of_a_ring_hears_a_majority_and_no_two_the_same() {
        for servers in [3, 5] {
            let draws = &mut Draws::new(1, "ring", 0);
            let faults = ring(&mut Site { draws, servers, at_ms: 5_000, end_ms: 30_000 });
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
