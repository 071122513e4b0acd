//! The fault atlas: keeps a plan fair, so that every failure is a real one.
//!
//! What was made durable survives a kill and a loss of power, so those may strike any number of
//! servers at once. A disk that answers with errors takes its server out of the quorum's reckoning
//! instead: at any moment only [`disks_in_trouble_max`] of them have one. What makes a server forget
//! strikes when the schedule finds that nothing is lost by it (`sim/src/fault/schedule/amnesia.rs`).

use std::collections::BTreeSet;

use sim::fault::{Fault, Target, TimedFault, disks_in_trouble_max};

use super::Ground;

/// The disks in trouble so far.
pub(super) struct Atlas<'a> {
    ground: &'a Ground,
    troubled: Vec<Trouble>,
}

#[derive(Debug)]
struct Trouble {
    target: Target,
    from_ms: u64,
    until_ms: u64,
}

impl Atlas<'_> {
    pub(super) fn new(ground: &Ground) -> Atlas<'_> {
        Atlas { ground, troubled: Vec::new() }
    }

    /// Whether a fault leaves the plan fair; one that does is taken into account.
    pub(super) fn admit(&mut self, fault: &TimedFault) -> bool {
        let target = match &fault.fault {
            Fault::Eio { target, .. } | Fault::Enospc { target } | Fault::FsyncFail { target } => {
                target
            }
            _ => return true,
        };
        let trouble = Trouble {
            target: target.clone(),
            from_ms: fault.at_ms,
            until_ms: fault.until_ms.unwrap_or(u64::MAX),
        };
        // Who the leader or a follower is turns out during the run: each such target counts as a
        // server of its own.
        let is_named = |target: &Target| self.ground.is_host(target);
        let at_the_time = || {
            let is_near = |other: &&Trouble| {
                other.from_ms < trouble.until_ms && trouble.from_ms < other.until_ms
            };
            self.troubled.iter().filter(is_near).map(|other| &other.target)
        };
        let named: BTreeSet<&Target> =
            at_the_time().filter(|other| is_named(other) && **other != trouble.target).collect();
        let unnamed = at_the_time().filter(|other| !is_named(other)).count();
        let is_fair = named.len() + unnamed < disks_in_trouble_max(self.ground.servers.len());
        if is_fair {
            self.troubled.push(trouble);
        }
        is_fair
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Topology;
    use crate::testing::STORE;

    fn ground(servers: u32) -> Ground {
        Ground::of(&STORE, &Topology::from([("servers".to_owned(), servers)]))
    }

    fn full_disk(host: &str, from_ms: u64, until_ms: u64) -> TimedFault {
        let fault = Fault::Enospc { target: Target::from(host.to_owned()) };
        TimedFault::new(from_ms, Some(until_ms), fault)
    }

    #[test]
    fn disk_errors_strike_a_minority_at_a_time() {
        let ground = ground(5);
        let mut atlas = Atlas::new(&ground);
        assert!(atlas.admit(&full_disk("n1", 0, 100)));
        assert!(atlas.admit(&full_disk("n2", 50, 150)));
        assert!(!atlas.admit(&full_disk("n3", 90, 200)));
        assert!(atlas.admit(&full_disk("n1", 60, 80)), "its disk is in trouble already");
        assert!(atlas.admit(&full_disk("n3", 100, 200)), "the first trouble is over");
    }

    #[test]
    fn a_target_of_the_moment_counts_as_another_server() {
        let ground = ground(3);
        let mut atlas = Atlas::new(&ground);
        assert!(atlas.admit(&full_disk("leader", 0, 100)));
        assert!(!atlas.admit(&full_disk("n1", 50, 60)));
    }

    #[test]
    fn one_of_two_servers_and_a_lonely_one_have_disk_errors_too() {
        for servers in [1, 2] {
            let ground = ground(servers);
            let mut atlas = Atlas::new(&ground);
            assert!(atlas.admit(&full_disk("n1", 0, 100)), "{servers} servers");
            assert!(!atlas.admit(&full_disk("n2", 50, 60)), "{servers} servers");
        }
    }

    #[test]
    fn losses_of_power_may_strike_all() {
        let ground = ground(3);
        let mut atlas = Atlas::new(&ground);
        for host in ["n1", "n2", "n3"] {
            let fault = Fault::PowerLoss { target: Target::named(host) };
            assert!(atlas.admit(&TimedFault::new(5, Some(9), fault)));
        }
    }
}
