//! Faults that strike where the code is, in the place of faults that strike at a time.
//!
//! A fault at a moment hits what matters by luck: whatever else is left out moves what the servers
//! are at by then, and the luck is gone. So a fault is tied to what its server did last before it was
//! struck ([`MarkTarget`]), as far behind that as it was, and something is left out together with it.

use probe::MarkDeclaration;
use sim::fault::{MarkTarget, Target, TimedFault};
use sim::seed::Draws;

use super::{Search, edit};
use crate::mark_notes::MarkHit;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::record::FaultWindow;

const NS_PER_MS: u64 = 1_000_000;
/// What a server did longer ago has little to do with what it was at when it was struck.
const BEHIND_MAX_NS: u64 = 50_000_000;
/// To so many different marks a fault is tied at most, the last ones.
const MARKS_MAX: usize = 5;
/// So many candidates leave out some of the operations, for each mark.
const THINNED_EACH: u64 = 4;

/// Ties one fault at a time, as long as that lets something else go.
pub(super) fn run(search: &mut Search<'_>, name: &'static str) {
    loop {
        let Some(seen) = search.watch_best() else { return };
        let (plan, system) = (search.best(), search.system());
        let seen = Watched::of(&seen, system.marks());
        let positions = 0..plan.faults.len();
        let tied = positions.flat_map(|position| {
            let ties = ties(&plan.faults[position], position, &seen);
            ties.into_iter().map(move |fault| (position, fault))
        });
        let candidates: Vec<Plan> =
            tied.flat_map(|(position, fault)| lighter(plan, position, fault)).collect();
        if candidates.is_empty() || search.try_all(name, candidates).is_none() {
            return;
        }
    }
}

/// The plan with a fault in the place of another, and each time with something else left out.
fn lighter(plan: &Plan, position: usize, fault: TimedFault) -> Vec<Plan> {
    let mut tied = plan.clone();
    tied.faults[position] = fault;
    let others = (0..plan.faults.len()).filter(|other| *other != position);
    let without = others.map(|other| edit::without_faults(&tied, |index| index == other));
    let thinned = |n: u64| {
        let mut draws = Draws::new(plan.seed, "shrink anchors", n);
        let gone: Vec<bool> = plan.operations.iter().map(|_| draws.chance(0.5)).collect();
        edit::without_operations(&tied, |index| gone[index])
    };
    let thinned = (0..THINNED_EACH).filter(|_| plan.operations.len() > 1).map(thinned);
    let mut plans: Vec<Plan> = without.chain(thinned).collect();
    for plan in &mut plans {
        plan.faults.sort_by_key(|fault| fault.at_ms);
    }
    plans
}

/// What was seen of a run.
struct Watched<'a> {
    faults: &'a [FaultWindow],
    hits: &'a [MarkHit],
    marks: &'static [MarkDeclaration],
    /// The servers' names, by number from 1.
    servers: Vec<String>,
}

impl<'a> Watched<'a> {
    fn of(outcome: &'a Outcome, marks: &'static [MarkDeclaration]) -> Watched<'a> {
        let hits = outcome.marks.hits.as_deref().unwrap_or_default();
        let servers = outcome.servers.clone();
        Watched { faults: &outcome.sketch.faults, hits, marks, servers }
    }
}

/// The fault as it strikes behind each of the last marks that were hit before: by its server, if it
/// struck one alone. None if it is tied already, or struck nobody.
fn ties(timed: &TimedFault, position: usize, seen: &Watched<'_>) -> Vec<TimedFault> {
    let struck = seen.faults.iter().find(|window| window.planned == position);
    let (Some(struck), None) = (struck, timed.mark()) else { return Vec::new() };
    let server = seen.servers.iter().position(|name| *name == struck.what);
    let server: Option<u32> = server.map(|index| index as u32 + 1);
    let counts = |hit: &&MarkHit| server.is_none_or(|server| hit.server == server);
    let hits: Vec<&MarkHit> = seen.hits.iter().filter(counts).collect();
    let since_ns = struck.from_ns.saturating_sub(BEHIND_MAX_NS);
    let mut last: Vec<&MarkHit> = Vec::new();
    for hit in hits.iter().rev().filter(|hit| (since_ns..=struck.from_ns).contains(&hit.at_ns)) {
        if last.len() < MARKS_MAX && last.iter().all(|other| other.mark != hit.mark) {
            last.push(hit);
        }
    }
    let tie = |hit: &&MarkHit| {
        let at_ms = hit.at_ns / NS_PER_MS;
        let counted = at_ms * NS_PER_MS..=hit.at_ns;
        let is_same = |other: &MarkHit| (other.mark, other.server) == (hit.mark, hit.server);
        let nth = hits.iter().filter(|h| is_same(h) && counted.contains(&h.at_ns)).count();
        let place = MarkTarget {
            mark: seen.marks[hit.mark.index()].name.to_owned(),
            nth: nth as u32,
            of: seen.servers.get(hit.server as usize - 1).cloned(),
            after_us: (struck.from_ns - hit.at_ns) / 1_000,
        };
        let timed = TimedFault { at_ms, ..timed.clone() };
        // A client hits no mark: what strikes one waits for another's.
        let at_place = server.and_then(|_| timed.fault.with_target(&Target::Mark(place.clone())));
        match at_place {
            Some(fault) => TimedFault { fault, ..timed },
            None => TimedFault { when: Some(place), ..timed },
        }
    };
    last.iter().map(tie).collect()
}

#[cfg(test)]
mod tests {
    use sim::fault::Fault;

    use super::*;
    use crate::record::Record;
    use crate::testing::{Mark, Store, hosts, judged, plan, plan_of};

    const STRUCK_NS: u64 = 20_250_000;

    fn record(what: &str, hits: &[(Mark, u32, u64)]) -> Record<Store> {
        let hit = |(mark, server, at_ns): (Mark, u32, u64)| {
            let mark = mark.id();
            MarkHit { mark, server, at_ns }
        };
        let hits = Some(hits.iter().copied().map(hit).collect());
        let window = FaultWindow {
            planned: 0,
            kind: "power_loss".to_owned(),
            what: what.to_owned(),
            from_ns: STRUCK_NS,
            to_ns: None,
        };
        let mut record = Record { faults: vec![window], hosts: hosts(), ..Record::default() };
        record.marks.hits = hits;
        record
    }

    fn timed() -> TimedFault {
        let fault = Fault::PowerLoss { target: Target::named("leader") };
        TimedFault::new(20, Some(30), fault)
    }

    fn tied(timed: &TimedFault, record: Record<Store>) -> Vec<TimedFault> {
        ties(timed, 0, &Watched::of(&judged(&plan(), record), Mark::DECLARATIONS))
    }

    fn spelt(record: Record<Store>) -> Vec<(u64, String)> {
        let ties = tied(&timed(), record);
        ties.iter().map(|tie| (tie.at_ms, tie.mark().unwrap().to_string())).collect()
    }

    #[test]
    fn a_fault_is_tied_to_what_its_server_did_last() {
        let record = record(
            "n2",
            &[
                (Mark::LogSynced, 2, 19_100_000),
                (Mark::LogSynced, 2, 19_200_000),
                (Mark::LogUnsynced, 2, 20_250_000),
                (Mark::TailCut, 1, 20_000_000),
                (Mark::Copies, 2, 20_250_001),
            ],
        );
        let expected = [
            (20, "mark:log-unsynced@n2".to_owned()),
            (19, "mark:log-synced#2@n2+1050us".to_owned()),
        ];
        assert_eq!(spelt(record), expected);
    }

    #[test]
    fn a_fault_of_several_is_tied_to_what_anybody_did_last() {
        let hits =
            [(Mark::LogSynced, 1, STRUCK_NS - 2_000), (Mark::LogSynced, 2, STRUCK_NS - 1_000)];
        let who = Target::named("leader");
        let isolated = TimedFault { fault: Fault::Isolate { who, reset_on_heal: 0.0 }, ..timed() };
        let ties = tied(&isolated, record("n1 n2 n3", &hits));
        let spelt: Vec<String> = ties.iter().map(|t| t.mark().unwrap().to_string()).collect();
        assert_eq!(spelt, ["mark:log-synced@n2+1us"]);
        assert_eq!(ties[0].fault, isolated.fault);
    }

    #[test]
    fn something_else_goes_with_every_tie() {
        let plan = Plan { faults: vec![timed(), timed(), timed()], ..plan_of(3) };
        let tied = tied(&timed(), record("n1", &[(Mark::LogSynced, 1, STRUCK_NS)])).remove(0);
        let lighter = lighter(&plan, 1, tied.clone());
        assert_eq!(lighter.len(), 2 + THINNED_EACH as usize);
        for smaller in &lighter {
            let fewer_faults = smaller.faults.len() < plan.faults.len();
            let fewer_operations = smaller.operations.len() < plan.operations.len();
            assert!(fewer_faults != fewer_operations && smaller.faults.contains(&tied));
        }
    }

    #[test]
    fn what_was_long_ago_or_elsewhere_ties_nothing() {
        let hits = [(Mark::LogSynced, 1, 100)];
        assert_eq!(spelt(record("n1", &hits)).len(), 1);
        assert_eq!(spelt(record("n2", &hits)), [], "another's mark");
        let mut late = record("n1", &hits);
        late.faults[0].from_ns = 100 + BEHIND_MAX_NS + 1;
        assert_eq!(spelt(late), []);
    }
}
