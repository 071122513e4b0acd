//! Gaps in the service of a majority that was well: its members up, their disks and clocks in order, and each of
//! them reaching each other. What goes on between it and the rest, or among the rest, is no excuse: a leader
//! outside that some of them still reach must not be elected again and again ("quorum loss" and "chained
//! elections": Ng and others, "Omni-Paxos", EuroSys 2023, section 2; etcd issue 8129).
//!
//! Who has forgotten or given up is left out: it comes back by other rules.

use std::collections::{BTreeMap, BTreeSet};

use evidence::FaultWindow;
use harness::calm::{Calm, calms};
use harness::record::HostName;
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) members: BTreeSet<u32>,
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
}

impl Gap {
    pub(crate) fn length_ns(&self) -> u64 {
        self.to_ns - self.from_ns
    }
}

/// Every time in which nobody of a majority served that was well, the longest of each.
pub(crate) fn of_all(record: &RunRecord) -> Vec<Gap> {
    let service = Service::of(record);
    let gap = |calm: Calm| service.longest_gap(calm);
    calms(record).into_iter().filter_map(gap).collect()
}

/// Something that may have begun or ended a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// A server takes part under a leader, which may be itself.
    Joins(u32, u32),
    /// It serves clients.
    Serves(u32),
    /// It has no leader any more.
    Leaves(u32),
    /// One more fault cuts the link of two servers (the smaller number first), or one less.
    Link((u32, u32), i32),
    /// One more fault makes a server stand still, or one less.
    Still(u32, i32),
}

/// Under whom a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Role {
    leader: u32,
    is_serving: bool,
}

/// Which servers serve and are served, each from a moment to the next one's.
struct Service(Vec<(u64, BTreeSet<u32>)>);

/// Faults that end a server's program.
const ENDS_PROGRAMS: [&str; 6] = ["crash", "power_loss", "restart", "wipe", "restore", "rot"];

fn ends_program(fault: &FaultWindow) -> bool {
    ENDS_PROGRAMS.contains(&&*fault.kind)
}

/// Everything that may have begun or ended a service, in the order of time.
fn changes(record: &RunRecord) -> Vec<(u64, Change)> {
    let servers = record.hosts.iter().filter(|host| !host.is_client);
    let number = |is_it: &dyn Fn(&HostName) -> bool| {
        servers.clone().find(|host| is_it(host)).map(|host| host.number)
    };
    let mut changes = Vec::new();
    for observed in &record.observations {
        let server = observed.server;
        let change = match observed.observation {
            Observation::Following { leader } => Change::Joins(server, leader.0 as u32),
            Observation::Leading => Change::Joins(server, server),
            Observation::Serving { .. } | Observation::SyncEnded => Change::Serves(server),
            Observation::Looking | Observation::Recovered { .. } => Change::Leaves(server),
            _ => continue,
        };
        changes.push((observed.at_ns, change));
    }
    for fault in &record.faults {
        let Some(server) = number(&|host| host.name == fault.what) else { continue };
        if ends_program(fault) {
            // It cannot tell that it serves nobody.
            changes.push((fault.from_ns, Change::Leaves(server)));
        } else if fault.kind == "pause" {
            // What is started anew does not stand still.
            let ends = record.faults.iter().filter(|other| {
                other.what == fault.what && ends_program(other) && other.from_ns >= fault.from_ns
            });
            let to_ns = ends.map(|end| end.from_ns).chain(fault.to_ns).min();
            changes.push((fault.from_ns, Change::Still(server, 1)));
            changes.extend(to_ns.map(|to_ns| (to_ns, Change::Still(server, -1))));
        }
    }
    for link in record.link_faults.iter().filter(|link| link.is_cut) {
        let ends = [link.from, link.to].map(|end| number(&|host| host.host == end));
        let [Some(one), Some(other)] = ends else { continue };
        let pair = (one.min(other), one.max(other));
        changes.push((link.from_ns, Change::Link(pair, 1)));
        changes.extend(link.to_ns.map(|to_ns| (to_ns, Change::Link(pair, -1))));
    }
    changes.sort_by_key(|(at_ns, _)| *at_ns);
    changes
}

impl Service {
    fn of(record: &RunRecord) -> Service {
        let servers = record.hosts.iter().filter(|host| !host.is_client).count();
        let mut moment = Moment { servers, ..Moment::default() };
        let mut served = vec![(0, BTreeSet::new())];
        let changes = changes(record);
        for together in changes.chunk_by(|(one_ns, _), (other_ns, _)| one_ns == other_ns) {
            together.iter().for_each(|(_, change)| moment.change(*change));
            served.push((together[0].0, moment.served()));
        }
        served.dedup_by(|next, before| next.1 == before.1);
        Service(served)
    }

    /// The longest time within a calm in which none of its members served; none if one always did.
    fn longest_gap(&self, calm: Calm) -> Option<Gap> {
        let Calm { members, from_ns, to_ns } = calm;
        let first = self.0.partition_point(|(at_ns, _)| *at_ns <= from_ns).saturating_sub(1);
        let mut longest: Option<(u64, u64)> = None;
        let mut since_ns = None;
        let all =
            self.0[first..].iter().map(|(at_ns, served)| (*at_ns, members.is_disjoint(served)));
        let within = all.take_while(|(at_ns, _)| *at_ns < to_ns).chain([(to_ns, false)]);
        for (at_ns, is_gap) in within {
            if is_gap {
                since_ns.get_or_insert(at_ns.max(from_ns));
            } else if let Some(since_ns) = since_ns.take() {
                let length = |(from_ns, to_ns): (u64, u64)| to_ns - from_ns;
                let gap = (since_ns, at_ns);
                longest = longest.filter(|longest| length(*longest) >= length(gap)).or(Some(gap));
            }
        }
        longest.map(|(from_ns, to_ns)| Gap { members, from_ns, to_ns })
    }
}

/// Who serves whom at a moment.
#[derive(Default)]
struct Moment {
    servers: usize,
    roles: BTreeMap<u32, Role>,
    cuts: BTreeMap<(u32, u32), i32>,
    still: BTreeMap<u32, i32>,
}

impl Moment {
    fn change(&mut self, change: Change) {
        match change {
            Change::Joins(server, leader) => {
                self.roles.insert(server, Role { leader, is_serving: false });
            }
            Change::Serves(server) => {
                self.roles.entry(server).and_modify(|role| role.is_serving = true);
            }
            Change::Leaves(server) => _ = self.roles.remove(&server),
            Change::Link(pair, more) => *self.cuts.entry(pair).or_default() += more,
            Change::Still(server, more) => *self.still.entry(server).or_default() += more,
        }
    }

    /// Who serves and is served: it takes itself for one that serves, and its leader has a quorum of those that
    /// follow it, each reaching it, and none standing still. Whoever only believes to serve answers nobody.
    fn served(&self) -> BTreeSet<u32> {
        let mut under: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for server in self.roles.keys() {
            if let Some(leader) = self.served_by(*server) {
                under.entry(leader).or_default().insert(*server);
            }
        }
        under.into_values().filter(|served| served.len() > self.servers / 2).flatten().collect()
    }

    /// The leader of a server that serves; itself, if it leads.
    fn served_by(&self, server: u32) -> Option<u32> {
        let role = self.roles.get(&server).filter(|role| role.is_serving)?;
        let pair = (server.min(role.leader), server.max(role.leader));
        let of_leader = self.roles.get(&role.leader)?;
        let is_served = of_leader.is_serving
            && of_leader.leader == role.leader
            && !Moment::is_struck(&self.cuts, &pair)
            && ![server, role.leader].iter().any(|server| Moment::is_struck(&self.still, server));
        is_served.then_some(role.leader)
    }

    fn is_struck<K: Ord>(by: &BTreeMap<K, i32>, who: &K) -> bool {
        by.get(who).is_some_and(|times| *times > 0)
    }
}

#[cfg(test)]
mod tests {
    use harness::record::LinkFault;
    use keeper_core::ids::ServerId;

    use super::*;
    use crate::property::testing::{Script, cut, silent};

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

    /// Of five, n5 leads and n1 to n4 follow it, all of them serving from before 100 ms on.
    fn led_by_5() -> RunRecord {
        let mut script = Script::new().see(5, Observation::Leading).serve(5, 1);
        for server in 1..=4 {
            script = script.see(server, Observation::Following { leader: ServerId(5) });
            script = script.see(server, Observation::SyncEnded);
        }
        let mut record = script.record();
        record.end_ns = 1_000 * NS_PER_MS;
        for observed in &mut record.observations {
            observed.at_ns = observed.at_ns.min(99 * NS_PER_MS);
        }
        record
    }

    fn cut_between(servers: &[(u32, u32)], from_ms: u64, to_ms: u64) -> Vec<LinkFault> {
        let (from_ns, to_ns) = (from_ms * NS_PER_MS, Some(to_ms * NS_PER_MS));
        let between = |&(from, to): &(u32, u32)| LinkFault { from_ns, to_ns, ..cut(from, to) };
        servers.iter().map(between).collect()
    }

    fn longest_ms(record: &RunRecord) -> u64 {
        gaps_ms(record).into_iter().max().unwrap_or(0)
    }

    #[test]
    fn a_leader_that_is_heard_by_too_few_serves_nobody_whatever_it_takes_itself_for() {
        assert!(longest_ms(&led_by_5()) <= 99);
        let mut record = led_by_5();
        // One way is enough, and with n4 it is not a quorum.
        record.link_faults = cut_between(&[(5, 1), (5, 2), (5, 3)], 200, 800);
        assert_eq!(longest_ms(&record), 600);
        // n1 and n2 are served with n3 and n4.
        record.link_faults = cut_between(&[(5, 1), (5, 2)], 200, 800);
        assert!(longest_ms(&record) <= 99);
        // A link that is merely slow serves.
        record.link_faults = cut_between(&[(5, 1), (5, 2), (5, 3)], 200, 800);
        record.link_faults.iter_mut().for_each(|link| link.is_cut = false);
        assert!(longest_ms(&record) <= 99);
    }

    #[test]
    fn a_leader_that_stands_still_serves_nobody() {
        let mut record = led_by_5();
        let (from_ns, to_ns) = (300 * NS_PER_MS, Some(700 * NS_PER_MS));
        record.faults = vec![FaultWindow::new("pause", "n5", from_ns, to_ns)];
        assert_eq!(longest_ms(&record), 400);
        record.faults = vec![FaultWindow::new("clock_jump", "n5", from_ns, to_ns)];
        assert!(longest_ms(&record) <= 99);
        // Killed and started again while it stood still, it moves.
        let pause = FaultWindow::new("pause", "n4", from_ns, to_ns);
        let kill = FaultWindow::new("crash", "n4", 400 * NS_PER_MS, Some(401 * NS_PER_MS));
        record.faults = vec![pause, kill];
        let goes_on = (400 * NS_PER_MS, Change::Still(4, -1));
        assert!(changes(&record).contains(&goes_on), "{:?}", changes(&record));
    }
}
