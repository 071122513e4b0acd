//! The figures that the keeper names: what its servers went through, and what its recipes granted.

use std::collections::BTreeMap;

use evidence::FigureDeclaration;
use harness::system::Figures;
use keeper_core::observation::{Observation, SyncKind};

use crate::claims::{ClaimEnd, GuardedWrite};
use crate::gaps::gaps_ms;
use crate::record::RunRecord;

/// How long majorities that were well stood still.
const GAPS: &str = "availability-gaps";

const NS_PER_MS: u64 = 1_000_000;

/// Every figure, in the order in which to tell them.
pub fn declared() -> Vec<FigureDeclaration> {
    let count = FigureDeclaration::count;
    vec![
        count("leader-changes", "leader changes").required(),
        count("diff-synchronisations", "DIFF synchronisations").required(),
        count("trunc-synchronisations", "TRUNC synchronisations").required(),
        count("snap-synchronisations", "SNAP synchronisations").required(),
        count("crashes-during-synchronisation", "crashes during synchronisation").required(),
        count("elections", "elections"),
        count("restarts", "restarts"),
        count("grants", "locks and leaderships granted"),
        count("grants-lost", "locks and leaderships lost"),
        count("writes-fenced", "writes that only the token stopped"),
        FigureDeclaration::samples_ms(
            "failovers",
            "failovers",
            "from the end of a leader to the next one that serves",
        ),
        FigureDeclaration::samples_ms(
            GAPS,
            "gaps in the service of a majority that was well",
            "up, in order and reaching each other: from then, or from the last service, to the next",
        ),
    ]
}

/// The figures of one run.
pub fn figures(record: &RunRecord) -> Figures {
    let mut counts = BTreeMap::new();
    count_claims(record, &mut counts);
    count_steps(record, &mut counts);
    counts.retain(|_, count| *count > 0);
    let mut samples = BTreeMap::from([("failovers", failovers(record)), (GAPS, gaps_ms(record))]);
    samples.retain(|_, samples| !samples.is_empty());
    Figures { counts, samples }
}

fn count_claims(record: &RunRecord, counts: &mut BTreeMap<&'static str, u64>) {
    let history = &record.history;
    let granted = || history.claims.iter().filter(|claim| claim.grant.is_some());
    let lost = granted()
        .filter(|claim| claim.end.as_ref().is_some_and(|(end, _)| *end != ClaimEnd::Released));
    counts.insert("grants", granted().count() as u64);
    counts.insert("grants-lost", lost.count() as u64);
    // Their clients still believed to hold, and a newer holder had written already.
    let is_stale = |write: &&GuardedWrite| write.token < write.newest;
    let stale = history.guarded_writes.iter().filter(is_stale);
    counts.insert("writes-fenced", stale.count() as u64);
}

fn count_steps(record: &RunRecord, counts: &mut BTreeMap<&'static str, u64>) {
    let mut synchronising: BTreeMap<u32, bool> = BTreeMap::new();
    let mut leaders = 0u64;
    let mut count = |id| *counts.entry(id).or_default() += 1;
    for observed in &record.observations {
        let in_sync = synchronising.entry(observed.server).or_default();
        match observed.observation {
            Observation::Recovered { .. } => {
                if observed.incarnation > 1 {
                    count("restarts");
                }
                if std::mem::take(in_sync) {
                    count("crashes-during-synchronisation");
                }
            }
            Observation::Looking | Observation::SyncEnded => *in_sync = false,
            Observation::SyncBegun { kind } => {
                *in_sync = true;
                count(match kind {
                    SyncKind::Diff => "diff-synchronisations",
                    SyncKind::Trunc => "trunc-synchronisations",
                    SyncKind::Snap => "snap-synchronisations",
                });
            }
            Observation::Leading => count("elections"),
            Observation::Serving { .. } => leaders += 1,
            _ => {}
        }
    }
    counts.insert("leader-changes", leaders.saturating_sub(1));
}

fn failovers(record: &RunRecord) -> Vec<u64> {
    let mut failovers = Vec::new();
    // The last leader, since when it serves, and when it was seen to have stopped.
    let mut last: Option<(u32, u64, Option<u64>)> = None;
    for observed in &record.observations {
        match (&observed.observation, &mut last) {
            (Observation::Serving { .. }, _) => {
                if let Some((leader, from_ns, ended_ns)) = last {
                    let killed_ns = killed(record, leader, from_ns, observed.at_ns);
                    let down_ns = killed_ns.into_iter().chain(ended_ns).min();
                    let gap_ns = down_ns.map_or(0, |down_ns| observed.at_ns - down_ns);
                    failovers.push(gap_ns / NS_PER_MS);
                }
                last = Some((observed.server, observed.at_ns, None));
            }
            (Observation::Looking | Observation::Recovered { .. }, Some((leader, _, ended_ns)))
                if *leader == observed.server =>
            {
                ended_ns.get_or_insert(observed.at_ns);
            }
            _ => {}
        }
    }
    failovers
}

/// When a fault killed a server within a span of time.
fn killed(record: &RunRecord, server: u32, from_ns: u64, until_ns: u64) -> Option<u64> {
    let name = format!("n{server}");
    let is_kill = |kind: &str| matches!(kind, "crash" | "power_loss" | "restart");
    record
        .faults
        .iter()
        .filter(|window| is_kill(&window.kind) && window.what == name)
        .map(|window| window.from_ns)
        .find(|at_ns| (from_ns..until_ns).contains(at_ns))
}

#[cfg(test)]
mod tests {
    use harness::record::FaultWindow;
    use harness::stats::{Stats, stats as count};
    use harness::{AnySystem, System};

    use super::*;
    use crate::claims::{Claim, Grant, Recipe};
    use crate::property::testing::{plan, two_epochs, zxid};
    use crate::record::Observed;
    use crate::system::KEEPER;

    fn stats(record: &RunRecord) -> Stats {
        count(&KEEPER, &plan(), record, &KEEPER.asked(&plan(), record))
    }

    fn counts<const N: usize>(record: &RunRecord, ids: [&str; N]) -> [u64; N] {
        let figures = stats(record).figures;
        ids.map(|id| figures.counts.get(id).copied().unwrap_or(0))
    }

    #[test]
    fn what_is_counted_is_declared() {
        let declared = AnySystem::figure_declarations(&KEEPER);
        let required = declared.iter().filter(|figure| figure.is_required);
        let required: Vec<&str> = required.map(|figure| figure.id.as_str()).collect();
        assert_eq!(
            required,
            [
                "leader-changes",
                "diff-synchronisations",
                "trunc-synchronisations",
                "snap-synchronisations",
                "crashes-during-synchronisation"
            ]
        );
        let figures = figures(&two_epochs().record());
        let is_declared = |id: &&str| declared.iter().any(|figure| figure.id == *id);
        assert_eq!(figures.counts.keys().find(|id| !is_declared(id)), None);
        assert_eq!(figures.samples.keys().find(|id| !is_declared(id)), None);
    }

    #[test]
    fn steps_are_counted() {
        let record = two_epochs()
            .see(3, Observation::SyncBegun { kind: SyncKind::Snap })
            .recover(3, keeper_core::ids::Zxid::ZERO, zxid(2, 1))
            .record();
        let ways = ["diff", "trunc", "snap"].map(|way| format!("{way}-synchronisations"));
        assert_eq!(counts(&record, ways.each_ref().map(String::as_str)), [4, 0, 1]);
        assert_eq!(counts(&record, ["leader-changes", "elections"]), [1, 2]);
        assert_eq!(counts(&record, ["crashes-during-synchronisation", "restarts"]), [1, 2]);
        let stats = stats(&record);
        assert_eq!((stats.operations, stats.acknowledged), (2, 2));
    }

    #[test]
    fn a_failover_lasts_from_the_kill_to_the_next_leader() {
        let mut record = two_epochs().record();
        let is_serving = |o: &&Observed| matches!(o.observation, Observation::Serving { .. });
        let served: Vec<u64> =
            record.observations.iter().filter(is_serving).map(|o| o.at_ns).collect();
        let looked =
            record.observations.iter().find(|o| o.server == 1 && o.incarnation == 2).unwrap().at_ns;
        assert_eq!(stats(&record).figures.samples["failovers"], [(served[1] - looked) / NS_PER_MS]);
        let expected = (served[1] - served[0]) / NS_PER_MS - 1;
        for kind in ["crash", "power_loss", "restart"] {
            record.faults = vec![FaultWindow {
                planned: 0,
                kind: kind.to_owned(),
                what: "n1".to_owned(),
                from_ns: served[0] + NS_PER_MS,
                to_ns: None,
            }];
            assert_eq!(stats(&record).figures.samples["failovers"], [expected], "{kind}");
        }
    }

    #[test]
    fn a_majority_that_is_well_and_does_not_serve_leaves_one_gap() {
        let mut record = two_epochs().record();
        record.observations.clear();
        record.end_ns = 700 * NS_PER_MS;
        // Of three majorities that stood still until the end.
        assert_eq!(stats(&record).figures.samples["availability-gaps"], [700]);
        let down = |server: &str| FaultWindow::new("crash", server, 200 * NS_PER_MS, None);
        record.faults = vec![down("n1")];
        assert_eq!(stats(&record).figures.samples["availability-gaps"], [200, 500]);
        record.faults.extend([down("n2"), down("n3")]);
        assert_eq!(
            stats(&record).figures.samples["availability-gaps"],
            [200],
            "two of five are left"
        );
    }

    #[test]
    fn grants_losses_and_stale_writes_are_counted() {
        let mut record = two_epochs().record();
        let grant = Grant {
            at_ns: 5,
            node: "/l/n".to_owned(),
            session: keeper_core::ids::SessionId(1),
            token: zxid(1, 1),
            seen: zxid(1, 2),
        };
        for (grant, end) in [
            (Some(grant.clone()), ClaimEnd::Released),
            (Some(grant), ClaimEnd::SessionExpired),
            (None, ClaimEnd::SessionExpired),
        ] {
            let (recipe, path, end) = (Recipe::Lock, "/l".to_owned(), Some((end, 9)));
            let claim = Claim { client: 1, planned: 1, recipe, path, asked_ns: 1, grant, end };
            record.history.claims.push(claim);
        }
        for (token, newest) in [(1, 1), (1, 2), (2, 1)] {
            record.history.guarded_writes.push(GuardedWrite {
                client: 1,
                planned: 1,
                path: "/l".to_owned(),
                token: zxid(1, token),
                newest: zxid(1, newest),
                accepted: token >= newest,
                at_ns: 7,
            });
        }
        assert_eq!(counts(&record, ["grants", "grants-lost", "writes-fenced"]), [2, 1, 1]);
    }

    #[test]
    fn a_long_silence_is_unavailability() {
        let mut record = two_epochs().record();
        let begin_ms = plan().operations[0].at_ms;
        record.history.operations[0].complete_ns = Some((begin_ms + 400) * NS_PER_MS);
        record.history.operations[1].complete_ns = Some((begin_ms + 1_000) * NS_PER_MS);
        let spans = stats(&record).unavailable_ms;
        assert_eq!(spans, [(begin_ms + 400, 600)]);
    }
}
