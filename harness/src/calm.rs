//! When a majority of the servers was well: all of it up, its disks and clocks in order, and each of its
//! members reaching each other. A system that needs a majority owes its service then, whatever goes on
//! elsewhere ("quorum loss" and "chained" partitions: Ng and others, "Omni-Paxos", EuroSys 2023).
//!
//! A fault that begins anywhere among the servers ends a calm: what it upsets may take time to settle.

use std::collections::{BTreeMap, BTreeSet};

use sim::HostId;

use crate::record::Record;
use crate::system::System;

/// A majority, and a time in which it was well and no fault of servers began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calm {
    /// The servers of the majority, by number from 1.
    pub members: BTreeSet<u32>,
    /// The beginning, in world nanoseconds since the start of the run.
    pub from_ns: u64,
    /// The end.
    pub to_ns: u64,
}

/// A time in which something was not well; without an end, to the end of the run.
#[derive(Clone, Copy, Debug)]
struct Window {
    from_ns: u64,
    to_ns: Option<u64>,
}

impl Window {
    /// Whether it covers all of a time that no window begins or ends in.
    fn covers(&self, from_ns: u64) -> bool {
        self.from_ns <= from_ns && self.to_ns.is_none_or(|to_ns| to_ns > from_ns)
    }
}

/// What was not well, and with whom.
#[derive(Debug, Default)]
struct Troubles {
    servers: BTreeMap<u32, Vec<Window>>,
    /// Of two servers, the smaller number first.
    pairs: BTreeMap<(u32, u32), Vec<Window>>,
}

/// Every calm of every smallest majority, as long as it lasted, in the order of its members, then of time.
pub fn calms<S: System>(record: &Record<S>) -> Vec<Calm> {
    let servers: BTreeMap<HostId, u32> = record
        .hosts
        .iter()
        .filter(|host| !host.is_client)
        .map(|host| (host.host, host.number))
        .collect();
    let troubles = Troubles::of(record, &servers);
    let (moments, starts) = (troubles.moments(record.end_ns), troubles.starts());
    let all: Vec<u32> = servers.into_values().collect::<BTreeSet<u32>>().into_iter().collect();
    let mut calms = Vec::new();
    for members in subsets(&all, all.len() / 2 + 1) {
        let mut open: Option<u64> = None;
        for pair in moments.windows(2) {
            let (from_ns, to_ns) = (pair[0], pair[1]);
            let is_well = troubles.are_well(&members, from_ns);
            let goes_on = is_well && !starts.contains(&from_ns);
            if let Some(from_ns) = open.take_if(|_| !goes_on) {
                calms.push(Calm { members: members.clone(), from_ns, to_ns: pair[0] });
            }
            if is_well {
                open.get_or_insert(from_ns);
            }
            if let Some(from_ns) = open.take_if(|_| to_ns == record.end_ns) {
                calms.push(Calm { members: members.clone(), from_ns, to_ns });
            }
        }
    }
    calms
}

impl Troubles {
    fn of<S: System>(record: &Record<S>, servers: &BTreeMap<HostId, u32>) -> Troubles {
        let mut troubles = Troubles::default();
        let mut of_links = BTreeSet::new();
        for link in &record.link_faults {
            of_links.insert(link.planned);
            if let (Some(&one), Some(&other)) = (servers.get(&link.from), servers.get(&link.to)) {
                let window = Window { from_ns: link.from_ns, to_ns: link.to_ns };
                let pair = (one.min(other), one.max(other));
                troubles.pairs.entry(pair).or_default().push(window);
            }
        }
        let named = |name: &str| record.hosts.iter().find(|host| host.name == name);
        for fault in record.faults.iter().filter(|fault| !of_links.contains(&fault.planned)) {
            let window = Window { from_ns: fault.from_ns, to_ns: fault.to_ns };
            let struck = fault.what.split(' ').filter_map(named).filter(|host| !host.is_client);
            struck.for_each(|host| troubles.server(host.number, window));
        }
        // Who has forgotten, or has given up, is not counted on any more.
        let forgot = record.amnesias.iter().map(|amnesia| (amnesia.server, amnesia.at_ns));
        let gave_up = record.fatal.iter().map(|refusal| (refusal.server, refusal.at_ns));
        for (server, from_ns) in forgot.chain(gave_up) {
            troubles.server(server, Window { from_ns, to_ns: None });
        }
        troubles
    }

    fn server(&mut self, server: u32, window: Window) {
        self.servers.entry(server).or_default().push(window);
    }

    fn windows(&self) -> impl Iterator<Item = &Window> {
        self.servers.values().chain(self.pairs.values()).flatten()
    }

    /// When anything changed, from the start of the run to its end.
    fn moments(&self, end_ns: u64) -> Vec<u64> {
        let ends = |window: &Window| [Some(window.from_ns), window.to_ns];
        let mut moments: BTreeSet<u64> = self.windows().flat_map(ends).flatten().collect();
        moments.retain(|at_ns| *at_ns < end_ns);
        moments.extend([0, end_ns]);
        moments.into_iter().collect()
    }

    fn starts(&self) -> BTreeSet<u64> {
        self.windows().map(|window| window.from_ns).collect()
    }

    /// Whether all of them are well, and reach each other, from this moment until the next.
    fn are_well(&self, members: &BTreeSet<u32>, from_ns: u64) -> bool {
        let is_covered = |windows: Option<&Vec<Window>>| {
            windows.into_iter().flatten().any(|window| window.covers(from_ns))
        };
        let is_ill = members.iter().any(|server| is_covered(self.servers.get(server)));
        !is_ill
            && members.iter().all(|one| {
                let others = members.range(one + 1..);
                !others.into_iter().any(|other| is_covered(self.pairs.get(&(*one, *other))))
            })
    }
}

/// All sets of so many of them, in their order.
fn subsets(all: &[u32], count: usize) -> Vec<BTreeSet<u32>> {
    if count == 0 {
        return vec![BTreeSet::new()];
    }
    let Some((first, rest)) = all.split_first() else { return Vec::new() };
    let with_first = subsets(rest, count - 1).into_iter().map(|mut set| {
        set.insert(*first);
        set
    });
    with_first.chain(subsets(rest, count)).collect()
}

#[cfg(test)]
mod tests {
    use evidence::FaultWindow;

    use super::*;
    use crate::record::{HostName, LinkFault};
    use crate::testing::Store;

    fn record(servers: u32) -> Record<Store> {
        let host = |number: u32| HostName {
            host: HostId(number - 1),
            name: format!("n{number}"),
            number,
            is_client: false,
        };
        let hosts = (1..=servers).map(host).collect();
        Record { hosts, end_ns: 100, ..Record::default() }
    }

    fn cut(record: &mut Record<Store>, planned: usize, one: u32, other: u32, window: (u64, u64)) {
        record.link_faults.push(LinkFault {
            planned,
            from: HostId(one - 1),
            to: HostId(other - 1),
            is_cut: true,
            from_ns: window.0,
            to_ns: Some(window.1),
        });
    }

    fn told(record: &Record<Store>) -> Vec<(Vec<u32>, u64, u64)> {
        let told = |calm: Calm| (calm.members.into_iter().collect(), calm.from_ns, calm.to_ns);
        calms(record).into_iter().map(told).collect()
    }

    #[test]
    fn without_faults_every_majority_is_well_all_the_time() {
        let all = told(&record(3));
        assert_eq!(all, [(vec![1, 2], 0, 100), (vec![1, 3], 0, 100), (vec![2, 3], 0, 100)]);
        assert_eq!(told(&record(1)), [(vec![1], 0, 100)]);
        assert_eq!(calms(&record(9)).len(), 126);
    }

    #[test]
    fn a_cut_link_leaves_the_majority_without_it() {
        let mut four = record(4);
        cut(&mut four, 0, 4, 1, (20, 60));
        cut(&mut four, 0, 2, 4, (20, 60));
        let all = told(&four);
        // What begins elsewhere begins a new time for those who are well, too; what ends does not.
        assert!(all.contains(&(vec![1, 2, 3], 0, 20)), "{all:?}");
        assert!(all.contains(&(vec![1, 2, 3], 20, 100)), "{all:?}");
        assert!(all.contains(&(vec![2, 3, 4], 60, 100)), "{all:?}");
        assert!(!all.contains(&(vec![2, 3, 4], 20, 100)), "{all:?}");
    }

    #[test]
    fn who_is_down_or_has_forgotten_is_not_counted_on() {
        let mut three = record(3);
        three.faults.push(FaultWindow::new("crash", "n2", 30, Some(40)));
        let all = told(&three);
        assert!(all.contains(&(vec![1, 2], 40, 100)), "{all:?}");
        assert!(all.contains(&(vec![1, 3], 30, 100)), "{all:?}");
        let server = 3;
        let how = sim::fault::Forgot::Damaged;
        three.amnesias.push(crate::record::Amnesia { server, at_ns: 50, how });
        let all = told(&three);
        assert!(all.contains(&(vec![1, 3], 30, 50)), "{all:?}");
        assert!(!all.iter().any(|(members, from_ns, _)| members.contains(&3) && *from_ns >= 50));
    }
}
