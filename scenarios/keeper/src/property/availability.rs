//! A majority that is well serves: while its members are up, their disks and clocks work, each of them
//! reaches each other and no fault of servers begins, one of them serves clients again after `syncLimit` and
//! four ticks at the latest. What goes on between it and the rest, or among the rest, is no excuse: a leader
//! outside that some of them still reach must not be elected again and again ("quorum loss" and "chained
//! elections": Ng and others, "Omni-Paxos", EuroSys 2023, section 2; etcd issue 8129).
//!
//! `syncLimit` is what it takes to notice that a leader is silent (ZooKeeper Administrator's Guide); the rest
//! is for the election, discovery and synchronisation, and in addition for what their messages and syncs take in
//! this run. What a leader said over a slow link still arrives when it is gone, and what waits before a narrow one
//! for as long as nobody can tell: such times are not judged. Who has forgotten or given up is left out: it comes back by other rules.

use std::collections::BTreeMap;

use harness::plan::Plan;
use keeper_core::observation::Observation;
use sim::fault::Fault;

use crate::gaps::{self, Gap};
use crate::record::RunRecord;
use crate::setup::KeeperSetup;

use super::{Property, PropertyVerdict, Story, of_every_run};

pub(super) const PROPERTY: Property = Property {
    has_subject: of_every_run,
    name: "availability",
    source: "Ng and others, Omni-Paxos, EuroSys 2023: a connected quorum makes progress",
    check,
};

/// Ticks after the time in which a silent leader is noticed.
const TICKS: u64 = 4;
/// So many messages and syncs follow each other from the last vote to the first answer.
const STEPS: u64 = 12;

fn check(plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let usual_ns = limit_ns(plan);
    let limit_ns = |gap: &Gap| usual_ns.saturating_add(late_ns(plan, record, gap, usual_ns));
    let too_long = gaps::of_all(record).into_iter().filter(|gap| {
        let length_ns = gap.length_ns();
        length_ns > usual_ns && length_ns > limit_ns(gap)
    });
    let Some(gap) = too_long.min_by_key(|gap| (gap.from_ns, gap.members.clone())) else {
        return PropertyVerdict::Holds;
    };
    let limit_ns = limit_ns(&gap);
    let names: Vec<String> = gap.members.iter().map(|server| format!("n{server}")).collect();
    let names = names.join(", ");
    let at_ns = gap.from_ns + limit_ns;
    let mut story = Story::new("a majority that is well does not serve")
        .line(&names, gap.from_ns, "up, in order, and each reaches each other from here on", "")
        .line(&names, gap.to_ns, "so they were until here, at least", "");
    for (server, (seen_ns, text)) in last_seen(record, &gap, at_ns) {
        story = story.line(format!("n{server}"), seen_ns, text, "");
    }
    let text = format!("none of them has served for {} ms", limit_ns / 1_000_000);
    story.line(names, at_ns, text, "a client could reach any of them").violated(at_ns)
}

/// How long a majority that is well may go without serving.
fn limit_ns(plan: &Plan) -> u64 {
    let (ensemble, conditions) = (KeeperSetup::of(plan).ensemble, &plan.conditions);
    let step_us = conditions.latency_max_ms * 1_000 + conditions.fsync_us;
    let ticks_ms = (ensemble.sync_limit + TICKS) * ensemble.tick_ms;
    ticks_ms * 1_000_000 + STEPS * step_us * 1_000
}

/// How much later than others' the words of a server come that a slow link has struck, in nanoseconds; of a narrow
/// one there is no telling.
fn late_ns(plan: &Plan, record: &RunRecord, gap: &Gap, usual_ns: u64) -> u64 {
    let mut late_ms = 0;
    for link in &record.link_faults {
        let lasts = link.from_ns < gap.to_ns
            && link.to_ns.is_none_or(|to_ns| to_ns + usual_ns > gap.from_ns);
        let fault = plan.faults.get(link.planned).map(|timed| &timed.fault);
        match fault {
            Some(Fault::SlowLink { extra_ms, .. }) if lasts => late_ms = late_ms.max(*extra_ms),
            Some(Fault::Bandwidth { .. }) if lasts => return u64::MAX,
            _ => {}
        }
    }
    u64::from(late_ms) * 1_000_000
}

/// The last thing that members did before a moment.
fn last_seen(record: &RunRecord, gap: &Gap, at_ns: u64) -> BTreeMap<u32, (u64, String)> {
    let mut seen = BTreeMap::new();
    for observed in record.observations.iter().filter(|observed| observed.at_ns <= at_ns) {
        let text = match &observed.observation {
            Observation::Looking => "looks for a leader".to_owned(),
            Observation::Following { leader } => format!("follows n{leader}"),
            Observation::Leading => "was elected".to_owned(),
            Observation::EpochEstablished { epoch, .. } => format!("may lead epoch {epoch}"),
            _ => continue,
        };
        if gap.members.contains(&observed.server) {
            seen.insert(observed.server, (observed.at_ns, text));
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use evidence::FaultWindow;

    use super::super::testing::{cut, plan, silent, two_epochs};
    use super::*;

    #[test]
    fn who_serves_is_right() {
        two_epochs().keeps(PROPERTY);
    }

    #[test]
    fn a_majority_that_does_not_serve_is_seen() {
        let verdict = check(&plan(), &silent(9_000));
        let violation = verdict.violation().expect("nobody serves for nine seconds");
        assert!(violation.headline.contains("does not serve"), "{violation:?}");
        assert_eq!(violation.at_ns, limit_ns(&plan()));
    }

    #[test]
    fn where_no_majority_is_well_nobody_has_to_serve() {
        let mut record = silent(9_000);
        let down = |server: &str| FaultWindow::new("crash", server, 0, None);
        record.faults = vec![down("n1"), down("n2"), down("n3")];
        assert_eq!(check(&plan(), &record), PropertyVerdict::Holds);
        record.faults.pop();
        assert!(check(&plan(), &record).violation().is_some(), "three are left");
    }

    #[test]
    fn a_leader_outside_that_some_still_reach_is_no_excuse() {
        let mut record = silent(9_000);
        record.link_faults = vec![cut(5, 1), cut(1, 5), cut(5, 2), cut(2, 5)];
        assert!(check(&plan(), &record).violation().is_some());
    }

    #[test]
    fn a_fault_that_begins_gives_new_time() {
        let mut record = silent(9_000);
        let limit_ns = limit_ns(&plan());
        let every = |n: u64| FaultWindow {
            planned: n as usize,
            ..FaultWindow::new("pause", "n5", n * limit_ns, Some(n * limit_ns + 1))
        };
        record.faults = (0..=record.end_ns / limit_ns).map(every).collect();
        assert_eq!(check(&plan(), &record), PropertyVerdict::Holds);
    }
}
