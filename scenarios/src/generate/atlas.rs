//! The fault atlas: keeps a plan fair, so that every failure is a real one.
//!
//! What was made durable survives a kill and a loss of power, so those may strike any number of
//! servers at once. A disk that answers with errors takes its server out of the quorum's reckoning
//! instead: at any moment only a minority of the servers has one. What makes a server forget strikes
//! when the schedule finds that nothing is lost by it (`sim/src/fault/schedule/amnesia.rs`).

use std::collections::BTreeSet;

use sim::fault::{Fault, Target, TimedFault};

/// The disks in trouble so far.
#[derive(Debug)]
pub(super) struct Atlas {
    minority: usize,
    troubled: Vec<Trouble>,
}

#[derive(Debug)]
struct Trouble {
    target: Target,
    from_ms: u64,
    until_ms: u64,
}

impl Atlas {
    pub(super) fn new(servers: u32) -> Atlas {
        Atlas { minority: (servers as usize - 1) / 2, troubled: Vec::new() }
    }

    /// Whether a fault leaves the plan fair; one that does is taken into account.
    pub(super) fn admit(&mut self, fault: &TimedFault) -> bool {
        let target = match &fault.fault {
            Fault::Eio { target, .. } | Fault::Enospc { target } | Fault::FsyncFail { target } => {
                target
            }
            Fault::Partition { .. }
            | Fault::OneWay { .. }
            | Fault::IsolateLeader { .. }
            | Fault::Crash { .. }
            | Fault::PowerLoss { .. }
            | Fault::Pause { .. }
            | Fault::Restart { .. }
            | Fault::SlowDisk { .. }
            | Fault::SlowLink { .. }
            | Fault::FlakyLink { .. }
            | Fault::Bandwidth { .. }
            | Fault::ConnectHang { .. }
            | Fault::HalfOpen { .. }
            | Fault::Reset { .. }
            | Fault::LostWrite { .. }
            | Fault::MisdirectedWrite { .. }
            | Fault::Rot { .. }
            | Fault::Wipe { .. }
            | Fault::Restore { .. }
            | Fault::ClockOffset { .. }
            | Fault::ClockDrift { .. }
            | Fault::ClockJump { .. } => return true,
        };
        let trouble = Trouble {
            target: target.clone(),
            from_ms: fault.at_ms,
            until_ms: fault.until_ms.unwrap_or(u64::MAX),
        };
        // Who the leader or a follower is turns out during the run: each such target counts as a
        // server of its own.
        let is_named = |target: &Target| matches!(target, Target::Host(_));
        let at_the_time = || {
            let is_near = |other: &&Trouble| {
                other.from_ms < trouble.until_ms && trouble.from_ms < other.until_ms
            };
            self.troubled.iter().filter(is_near).map(|other| &other.target)
        };
        let named: BTreeSet<&Target> =
            at_the_time().filter(|other| is_named(other) && **other != trouble.target).collect();
        let unnamed = at_the_time().filter(|other| !is_named(other)).count();
        let is_fair = named.len() + unnamed < self.minority;
        if is_fair {
            self.troubled.push(trouble);
        }
        is_fair
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full_disk(host: &str, from_ms: u64, until_ms: u64) -> TimedFault {
        let fault = Fault::Enospc { target: Target::from(host.to_owned()) };
        TimedFault::new(from_ms, Some(until_ms), fault)
    }

    #[test]
    fn disk_errors_strike_a_minority_at_a_time() {
        let mut atlas = Atlas::new(5);
        assert!(atlas.admit(&full_disk("n1", 0, 100)));
        assert!(atlas.admit(&full_disk("n2", 50, 150)));
        assert!(!atlas.admit(&full_disk("n3", 90, 200)));
        assert!(atlas.admit(&full_disk("n1", 60, 80)), "its disk is in trouble already");
        assert!(atlas.admit(&full_disk("n3", 100, 200)), "the first trouble is over");
    }

    #[test]
    fn a_target_of_the_moment_counts_as_another_server() {
        let mut atlas = Atlas::new(3);
        assert!(atlas.admit(&full_disk("leader", 0, 100)));
        assert!(!atlas.admit(&full_disk("n1", 50, 60)));
    }

    #[test]
    fn losses_of_power_may_strike_all() {
        let mut atlas = Atlas::new(3);
        for host in ["n1", "n2", "n3"] {
            let fault = Fault::PowerLoss { target: Target::Host(host.to_owned()) };
            assert!(atlas.admit(&TimedFault::new(5, Some(9), fault)));
        }
    }
}
