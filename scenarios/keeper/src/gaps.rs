//! Gaps in the service of a majority that was well: its members up, their disks and clocks in order, and each of
//! them reaching each other. What goes on between it and the rest, or among the rest, is no excuse: a leader
//! outside that some of them still reach must not be elected again and again ("quorum loss" and "chained
//! elections": Ng and others, "Omni-Paxos", EuroSys 2023, section 2; etcd issue 8129).
//!
//! Who has forgotten or given up is left out: it comes back by other rules.

use std::collections::{BTreeMap, BTreeSet};

use harness::calm::{Calm, calms};
use keeper_core::observation::Observation;

use crate::record::RunRecord;

const NS_PER_MS: u64 = 1_000_000;

/// How long majorities that were well stood still, in milliseconds: what ends at one moment is one gap, of
/// however many majorities.
pub(crate) fn gaps_ms(record: &RunRecord) -> Vec<u64> {
    let mut longest: BTreeMap<u64, u64> = BTreeMap::new();
    for gap in of_all(record) {
        let length_ms = longest.entry(gap.to_ns).or_default();
        *length_ms = (*length_ms).max(gap.length_ns() / NS_PER_MS);
    }
    longest.into_values().collect()
}

/// A time in which nobody of a majority served that was well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    from_ns: u64,
    to_ns: u64,
}

impl Gap {
    fn length_ns(&self) -> u64 {
        self.to_ns - self.from_ns
    }
}

/// Every time in which nobody of a majority served that was well, the longest of each.
fn of_all(record: &RunRecord) -> Vec<Gap> {
    let serving = Serving::of(record);
    let gap = |calm: Calm| serving.longest_gap(calm);
    calms(record).into_iter().filter_map(gap).collect()
}

/// When servers began and ceased to serve clients.
struct Serving(Vec<(u64, u32, bool)>);

impl Serving {
    fn of(record: &RunRecord) -> Serving {
        let mut changes: Vec<(u64, u32, bool)> = Vec::new();
        for observed in &record.observations {
            let serves = match observed.observation {
                Observation::Serving { .. } | Observation::SyncEnded => true,
                Observation::Looking | Observation::Recovered { .. } => false,
                _ => continue,
            };
            changes.push((observed.at_ns, observed.server, serves));
        }
        // Whose program a fault ended serves nobody, and cannot tell.
        for fault in record.faults.iter().filter(|fault| ENDS_PROGRAMS.contains(&&*fault.kind)) {
            let is_it = |host: &&harness::record::HostName| host.name == fault.what;
            if let Some(host) = record.hosts.iter().find(is_it).filter(|host| !host.is_client) {
                changes.push((fault.from_ns, host.number, false));
            }
        }
        changes.sort_by_key(|(at_ns, ..)| *at_ns);
        Serving(changes)
    }

    /// The longest time within a calm in which none of its members served; none if one always did.
    fn longest_gap(&self, calm: Calm) -> Option<Gap> {
        let Calm { members, from_ns, to_ns } = calm;
        let mut serving = BTreeSet::new();
        let mut since_ns = Some(from_ns);
        let mut longest: Option<(u64, u64)> = None;
        let mut ends = |since_ns: u64, end_ns: u64| {
            let length = |(from_ns, to_ns): (u64, u64)| to_ns - from_ns;
            if end_ns > since_ns && longest.is_none_or(|gap| length(gap) < end_ns - since_ns) {
                longest = Some((since_ns, end_ns));
            }
        };
        for &(at_ns, server, serves) in self.0.iter().filter(|change| members.contains(&change.1)) {
            if at_ns > to_ns {
                break;
            }
            match serves {
                true => serving.insert(server),
                false => serving.remove(&server),
            };
            if serving.is_empty() {
                since_ns.get_or_insert(at_ns.max(from_ns));
            } else if let Some(since_ns) = since_ns.take() {
                ends(since_ns, at_ns);
            }
        }
        if let Some(since_ns) = since_ns {
            ends(since_ns, to_ns);
        }
        longest.map(|(from_ns, to_ns)| Gap { from_ns, to_ns })
    }
}

/// Faults that end a server's program.
const ENDS_PROGRAMS: [&str; 6] = ["crash", "power_loss", "restart", "wipe", "restore", "rot"];

#[cfg(test)]
mod tests {
    use evidence::FaultWindow;
    use harness::record::LinkFault;
    use sim::HostId;

    use super::*;
    use crate::property::testing::{Script, zxid};

    /// Five servers of which nobody serves; time passes.
    fn silent(ms: u64) -> RunRecord {
        let mut record = Script::new().recover(1, zxid(1, 0), zxid(1, 0)).record();
        record.end_ns = ms * NS_PER_MS;
        record
    }

    #[test]
    fn a_majority_that_does_not_serve_is_one_gap() {
        assert_eq!(gaps_ms(&silent(900)), [900]);
    }

    #[test]
    fn where_no_majority_is_well_nobody_has_to_serve() {
        let mut record = silent(900);
        let down = |server: &str| FaultWindow::new("crash", server, 0, None);
        record.faults = vec![down("n1"), down("n2"), down("n3")];
        assert_eq!(gaps_ms(&record), [0; 0]);
        record.faults.pop();
        assert_eq!(gaps_ms(&record), [900], "three are left");
    }

    #[test]
    fn a_leader_outside_that_some_still_reach_is_no_excuse() {
        let mut record = silent(900);
        let cut = |from: u32, to: u32| LinkFault {
            planned: 0,
            from: HostId(from - 1),
            to: HostId(to - 1),
            from_ns: 0,
            to_ns: None,
        };
        record.link_faults = vec![cut(5, 1), cut(1, 5), cut(5, 2), cut(2, 5)];
        assert_eq!(gaps_ms(&record), [900]);
    }

    #[test]
    fn a_fault_that_begins_begins_another_gap() {
        let mut record = silent(900);
        let window = FaultWindow::new("pause", "n5", 300 * NS_PER_MS, Some(400 * NS_PER_MS));
        record.faults = vec![window];
        assert_eq!(gaps_ms(&record), [300, 600]);
    }
}
