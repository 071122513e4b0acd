//! Faults between clients and servers: what makes a client wait, ask again, and not know what became of
//! what it asked. Where there is one server, these are all the trouble that a network has.
//!
//! They have streams of their own beside the faults of the servers, so that either can be changed without
//! the other.

use sim::fault::{Fault, Target, TimedFault};
use sim::seed::Draws;

use super::{FIRST_FAULT_MS, Ground, MARGIN_MS};

/// How many seeds of a hundred have such faults, where there are several servers.
const SEEDS_PERCENT: u64 = 60;
/// The fewest and the most episodes of a seed.
const EPISODES: (u64, u64) = (4, 14);
/// For how long the longest episode lasts, in milliseconds.
const LONGEST_MS: u64 = 4_000;

/// Faults between clients and servers for a seed, in any order; none where there are no clients. None of
/// them lasts beyond the margin at the end.
pub fn client_faults(seed: u64, ground: &Ground, chaos_ms: u64) -> Vec<TimedFault> {
    let mut draws = Draws::new(seed, "client links", 0);
    let is_on = draws.below(100) < SEEDS_PERCENT || ground.servers.len() == 1;
    if !is_on || ground.clients.is_empty() {
        return Vec::new();
    }
    let end_ms = chaos_ms - MARGIN_MS;
    let of_episode = |episode| {
        let mut draws = Draws::new(seed, "client link", episode);
        let at_ms = draws.range(FIRST_FAULT_MS, end_ms - 1_000);
        let (lasts_ms, fault) = fault(&mut draws, ground);
        TimedFault::new(at_ms, Some((at_ms + lasts_ms).min(end_ms)), fault)
    };
    (0..draws.range(EPISODES.0, EPISODES.1)).map(of_episode).collect()
}

/// A fault, and for how many milliseconds.
fn fault(draws: &mut Draws, ground: &Ground) -> (u64, Fault) {
    let client = draws.pick(&ground.clients).expect("there are clients").clone();
    let clients = vec![Target::named(client)];
    let mut servers: Vec<Target> =
        ground.servers.iter().map(|name| Target::named(name.clone())).collect();
    if draws.chance(0.5) {
        draws.shuffle(&mut servers);
        servers.truncate(draws.range(1, servers.len() as u64) as usize);
    }
    let lasts_ms = draws.log_uniform(20, LONGEST_MS);
    let reset_on_heal = if draws.chance(0.5) { 1.0 } else { 0.0 };
    let fault = match draws.below(6) {
        0 => Fault::Partition { sides: vec![clients, servers], reset_on_heal },
        // What is asked arrives, and what is answered does not.
        1 => Fault::OneWay { from: servers, to: clients, reset_on_heal },
        2 => Fault::OneWay { from: clients, to: servers, reset_on_heal },
        3 => {
            let extra_ms = draws.log_uniform(5, 1_000) as u32;
            Fault::SlowLink { from: servers, to: clients, extra_ms }
        }
        4 => {
            let loss = draws.log_uniform(20, 500) as f64 / 1_000.0;
            Fault::FlakyLink { from: servers, to: clients, loss }
        }
        _ => Fault::Reset { from: clients, to: servers },
    };
    (lasts_ms, fault)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::plan::Topology;
    use crate::testing::STORE;

    fn ground(servers: u32, clients: u32) -> Ground {
        let hosts = [("servers".to_owned(), servers), ("clients".to_owned(), clients)];
        Ground::of(&STORE, &Topology::from(hosts))
    }

    #[test]
    fn every_kind_strikes_a_client_of_one_server_and_ends_in_time() {
        let mut kinds = BTreeSet::new();
        for seed in 0..20 {
            let faults = client_faults(seed, &ground(1, 3), 30_000);
            assert!(faults.len() >= EPISODES.0 as usize, "{seed}: {faults:?}");
            for timed in &faults {
                timed.fault.check().expect("a fault that can be");
                assert!(timed.at_ms >= FIRST_FAULT_MS, "{timed:?}");
                assert!(timed.until_ms.is_some_and(|ms| ms <= 30_000 - MARGIN_MS), "{timed:?}");
                kinds.insert(timed.fault.kind().tag());
            }
        }
        let expected = ["flaky_link", "one_way", "partition", "reset", "slow_link"];
        assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn some_seeds_of_several_servers_leave_clients_alone() {
        let quiet = |seed: &u64| client_faults(*seed, &ground(3, 3), 30_000).is_empty();
        let count = (0..100).filter(quiet).count();
        assert!((20..60).contains(&count), "{count} of 100");
        assert!(client_faults(1, &ground(1, 0), 30_000).is_empty());
    }
}
