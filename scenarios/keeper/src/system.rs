//! The coordination server as a system under test.

use std::collections::BTreeMap;

use evidence::{Arrow, FigureDeclaration, History, Moment, OutcomeClass, Tone};
use harness::judge::Guarantee;
use harness::plan::{Contradiction, Plan};
use harness::plant::PlantedBug;
use harness::record::Observed;
use harness::system::{Asked, Figures, Format, Group, Limit, Role, Scenario, Seen, Weight};
use harness::{Property, Record, Stage, System};
use keeper_core::marks::Mark;
use keeper_core::observation::Observation;
use keeper_core::plants::Plant;
use probe::{MarkDeclaration, PlantDeclaration};
use serde_json::{Map, Value};
use sim::HostId;
use sim::World;
use sim::fault::{Settings, Standing, TimedFault};
use sim::seed::Draws;
use sim::tap::Tapped;

use crate::action::Action;
use crate::convert;
use crate::property::PROPERTIES;
use crate::record::{ClientOutcome, KeeperHistory};
use crate::registry::SCENARIOS;
use crate::roles::{self, LEADER_OF, ROLES};
use crate::setup::{KeeperSetup, clients, servers};
use crate::state::KeeperState;
use crate::subject::has_subject;
use crate::znode::{Claims, ZHistory, check_all};
use crate::{check, ensemble, figures, generate, history, limits, modernise, plant, story};

/// The property that is judged without zxids, by search.
const SECOND_OPINION: &str = "linearizability";

/// How a history of ours begins, as JSON lines.
const HEAD: &[u8] = b"{\"line\":\"head\"";

/// A ZooKeeper-compatible ensemble with its clients.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keeper;

/// The one there is: it has no state.
pub static KEEPER: Keeper = Keeper;

static CORPUS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/corpus.rs"));
static FINDS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/finds.rs"));

impl System for Keeper {
    type Setup = KeeperSetup;
    type Operation = Action;
    type Observation = Observation;
    type History = KeeperHistory;
    type State = KeeperState;

    fn name(&self) -> &'static str {
        "keeper"
    }

    fn about(&self) -> &'static str {
        "a ZooKeeper-compatible coordination server, its client and its recipes"
    }

    fn groups(&self) -> &'static [Group] {
        const GROUPS: [Group; 2] = [Group::servers("servers", "n", "server"), Group::CLIENTS];
        &GROUPS
    }

    fn roles(&self) -> &'static [Role] {
        &ROLES
    }

    fn is_role(&self, name: &str) -> bool {
        let of_epoch = name.strip_prefix(LEADER_OF);
        of_epoch.is_some_and(|epoch| epoch.parse::<u32>().is_ok())
            || ROLES.iter().any(|role| role.name == name)
    }

    fn scenarios(&self) -> &'static [Scenario] {
        &SCENARIOS
    }

    fn stage<W: World>(&self, plan: &Plan, stage: &mut Stage<'_, W, Keeper>) {
        ensemble::stage(plan, stage);
    }

    fn follow(
        &self,
        state: &mut KeeperState,
        server: u32,
        at_ns: u64,
        seen: Seen<'_, Observation>,
    ) -> Option<u64> {
        state.follow(server, at_ns, seen)
    }

    fn standing(&self, state: &KeeperState, servers: &[HostId], now_ns: u64) -> Standing {
        roles::standing(state, servers, now_ns)
    }

    fn plays(&self, state: &KeeperState, server: u32, role: &str) -> bool {
        roles::plays(state, server, role)
    }

    fn missing(
        &self,
        plan: &Plan,
        _history: &KeeperHistory,
        state: &KeeperState,
    ) -> Option<String> {
        state.missing(servers(plan), clients(plan) + 1)
    }

    fn finish(&self, state: &KeeperState, history: &mut KeeperHistory) {
        history.finals = state.finals();
    }

    fn checked_files(&self) -> &'static [&'static str] {
        // The epoch files have no checksum, but the witness tells what is in them.
        &["log.", "log.", "snapshot.", "Epoch"]
    }

    fn tells_damage(&self) -> bool {
        true
    }

    fn crash_points(&self) -> &'static [&'static str] {
        // What is durable of a history, of the epoch that was joined with it, and of a cut.
        &[
            "epoch-unwritten",
            "epoch-written",
            "log-unsynced",
            "log-synced",
            "cut-shortens-log",
            "cut-removes-log",
            "snapshot-unnamed",
            "recovery-repairs",
        ]
    }

    fn upgrade(&self) -> Option<fn(&mut Draws) -> Settings> {
        Some(generate::upgrade)
    }

    fn marks(&self) -> &'static [MarkDeclaration] {
        Mark::DECLARATIONS
    }

    fn plants(&self) -> &'static [PlantDeclaration] {
        Plant::DECLARATIONS
    }

    fn planted_bugs(&self) -> &'static [PlantedBug] {
        &plant::PLANTED_BUGS
    }

    fn properties(&self) -> &'static [Property<Keeper>] {
        &PROPERTIES
    }

    fn guarantees(&self, _plan: &Plan, record: &Record<Keeper>) -> Vec<Guarantee> {
        let history = convert::history(record);
        let judged = check_all(&history).into_iter().map(|(name, verdict)| Guarantee {
            name: name.0,
            verdict,
            has_subject: has_subject(name.0, &history),
            // The search knows no zxids.
            is_second_opinion: name.0 == SECOND_OPINION,
        });
        judged.collect()
    }

    fn guarantee_names(&self) -> Vec<&'static str> {
        let claims = Claims { sync_is_barrier: true, ..Claims::default() };
        let all = check_all(&ZHistory { claims, ..ZHistory::default() });
        all.into_iter().map(|(name, _)| name.0).collect()
    }

    fn formats(&self) -> &'static [Format] {
        const FORMATS: [Format; 1] = [Format {
            name: "znode",
            about: "all of ZooKeeper's guarantees, over a history.jsonl or history.edn of ours",
            is_of: |bytes| bytes.starts_with(HEAD) || history::is_ours(bytes),
            judge: |bytes| {
                let history = match bytes.starts_with(HEAD) {
                    true => {
                        let text = String::from_utf8_lossy(bytes);
                        ZHistory::from_json_lines(&text).map_err(|error| error.to_string())?
                    }
                    false => history::from_edn(bytes)?,
                };
                let verdicts = check_all(&history).into_iter();
                Ok(verdicts.map(|(property, verdict)| (property.0, verdict)).collect())
            },
        }];
        &FORMATS
    }

    fn asked(&self, _plan: &Plan, record: &Record<Keeper>) -> Vec<Asked> {
        let asked = record.history.operations.iter().map(|operation| Asked {
            planned: Some(operation.planned),
            invoke_ns: operation.invoke_ns,
            complete_ns: operation.complete_ns,
            outcome: match operation.outcome {
                ClientOutcome::Ok { .. } => OutcomeClass::Ok,
                ClientOutcome::Error { .. } => OutcomeClass::Refused,
                ClientOutcome::Unknown => OutcomeClass::Unknown,
                ClientOutcome::NotSent => OutcomeClass::NotSent,
            },
            is_change: convert::is_write(&operation.request),
        });
        asked.collect()
    }

    fn told(&self, _plan: &Plan, record: &Record<Keeper>) -> History {
        history::evidence(&convert::history(record), &record.faults)
    }

    fn kinds(&self) -> &'static [&'static str] {
        &history::KINDS
    }

    fn figure_declarations(&self) -> Vec<FigureDeclaration> {
        figures::declared()
    }

    fn figures(&self, _plan: &Plan, record: &Record<Keeper>) -> Figures {
        figures::figures(record)
    }

    fn turns(&self, record: &Record<Keeper>) -> Vec<Moment> {
        story::leaders(record)
    }

    fn step(&self, observation: &Observation) -> (String, bool) {
        story::words(observation)
    }

    fn role_after(
        &self,
        observed: &[Observed<Observation>],
        index: usize,
    ) -> Option<(Tone, String)> {
        story::role_after(observed, index)
    }

    fn durable_after(&self, observation: &Observation) -> Option<String> {
        story::durable(observation)
    }

    fn tones(&self) -> BTreeMap<Tone, String> {
        story::tones()
    }

    fn arrows(&self, heard: &Tapped) -> Vec<Arrow> {
        story::arrows(heard)
    }

    fn is_read(&self, operation: &Action) -> bool {
        matches!(
            operation,
            Action::Get { .. }
                | Action::SyncGet { .. }
                | Action::Exists { .. }
                | Action::Children { .. }
        )
    }

    fn objects(&self, operation: &Action) -> Vec<String> {
        operation.paths().into_iter().map(str::to_owned).collect()
    }

    fn lasts(&self, operation: &Action) -> bool {
        matches!(operation, Action::Create { ephemeral: false, sequential: false, .. })
    }

    fn limits(&self) -> &'static [Limit] {
        &limits::LIMITS
    }

    fn weight(&self) -> Option<&'static Weight> {
        Some(&limits::WEIGHT)
    }

    fn check_setup(&self, setup: &KeeperSetup) -> Result<(), Contradiction> {
        check::setup(setup)
    }

    fn check_operation(&self, plan: &Plan, operation: &Action) -> Result<(), Contradiction> {
        check::operation(plan, operation)
    }

    fn check_fault(&self, _plan: &Plan, fault: &TimedFault) -> Result<(), Contradiction> {
        check::fault(fault)
    }

    fn modernise(&self, format: u64, plan: &mut Map<String, Value>) {
        if format == 1 {
            modernise::from_1(plan);
        }
    }

    fn corpus(&self) -> &'static [(&'static str, &'static str)] {
        CORPUS
    }

    fn finds(&self) -> &'static [(&'static str, &'static str)] {
        FINDS
    }

    fn canary(&self) -> Option<&'static str> {
        Some(include_str!("../canary/ack-before-fsync.json"))
    }

    fn build(&self) -> &'static str {
        crate::build_id()
    }
}

#[cfg(test)]
mod tests {
    use harness::judge::{Failure, Judged, Verdict, judge};
    use harness::shrink::Size;
    use harness::stored::StoredPlan;
    use keeper_core::ids::ServerId;

    use super::*;
    use crate::property::testing::{SYSTEMS, Script, honest_run, plan, two_epochs, zxid};

    fn judged(plan: &Plan, record: &Record<Keeper>) -> Judged {
        judge(&KEEPER, plan, record, &KEEPER.asked(plan, record))
    }

    fn failures(record: &Record<Keeper>) -> Vec<Failure> {
        match judged(&plan(), record).verdict {
            Verdict::Fail(failures) => failures,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_honest_run_passes() {
        let (plan, record) = honest_run();
        let judged = judged(&plan, &record);
        assert_eq!(judged.verdict, Verdict::Pass);
        assert!(judged.checked.len() > 20);
        assert!(judged.gave_up.is_empty() && judged.checked.contains(&PROPERTIES[0].name));
        assert!(!judged.checked.contains(&"one-shot watches"), "{:?}", judged.checked);
        assert!(judged.checked.iter().all(|name| SYSTEMS.property_names().contains(name)));
        let told = KEEPER.told(&plan, &record);
        assert_eq!(told.operations.len(), record.history.operations.len());
    }

    #[test]
    fn a_run_that_answered_nobody_is_undecided() {
        let (plan, mut record) = honest_run();
        record.history.operations.clear();
        let judged = judged(&plan, &record);
        assert_eq!(judged.verdict, Verdict::Undecided("nothing was checked".to_owned()));
    }

    #[test]
    fn a_run_that_was_cut_off_is_undecided_unless_it_failed() {
        let mut record = two_epochs().record();
        record.cut_off = Some("too long".to_owned());
        assert!(matches!(judged(&plan(), &record).verdict, Verdict::Undecided(_)));
        record.panic = Some("boom".to_owned());
        assert_eq!(failures(&record)[0].property, "no panic");
    }

    #[test]
    fn fingerprints_depend_on_the_kind_alone() {
        let early = |counter| {
            let (zxid, durable) = (zxid(2, counter), zxid(2, 1));
            let script = two_epochs().see(3, Observation::Acknowledged { zxid, durable });
            failures(&script.record())[0].clone()
        };
        assert_eq!(early(2).fingerprint, early(7).fingerprint);
        assert_ne!(early(2).lines, early(7).lines);
        let other = failures(&two_epochs().deliver(1, zxid(2, 2)).record());
        assert_ne!(other[0].fingerprint, early(2).fingerprint);
        assert_eq!(other[0].fingerprint.len(), 16);
        let elsewhere = Plan { scenario: "keeper/multi".to_owned(), ..plan() };
        let record = two_epochs().deliver(1, zxid(2, 2)).record();
        let Verdict::Fail(there) = judged(&elsewhere, &record).verdict else { panic!() };
        assert_ne!(there[0].fingerprint, other[0].fingerprint);
    }

    #[test]
    fn the_earliest_contradiction_comes_first() {
        let script = Script::new().deliver(1, zxid(1, 1)).deliver(2, zxid(1, 2));
        let failures = failures(&script.record());
        assert!(failures.len() > 1);
        assert!(failures.is_sorted_by_key(|failure| failure.at_ns));
        assert!(failures[0].explanation().to_string().contains(&failures[0].headline));
    }

    #[test]
    fn every_plan_of_the_corpus_loads() {
        let entries = SYSTEMS.corpus();
        assert!(entries.iter().any(|entry| entry.name == "keeper/kill-leader.json"));
        assert!(entries.is_sorted_by_key(|entry| entry.name));
    }

    #[test]
    fn there_is_a_find_for_every_planted_bug() {
        let stored = SYSTEMS.finds();
        for bug in SYSTEMS.planted_bugs() {
            let is_of = |find: &&StoredPlan| find.plan.plant.as_deref() == Some(bug.name);
            assert_eq!(stored.iter().filter(is_of).count(), 1, "{}", bug.name);
        }
    }

    #[test]
    fn every_stored_find_is_small_and_of_the_bug_that_names_its_file() {
        for StoredPlan { name, plan } in SYSTEMS.finds() {
            let bug = SYSTEMS.planted_bug(plan.plant.as_deref().unwrap()).unwrap();
            assert_eq!(name, format!("{}.json", bug.name));
            assert_eq!(plan.scenario, bug.scenario);
            let size = Size::of(SYSTEMS, &plan);
            assert!(size.is_small(), "{name}: {size}");
        }
    }

    #[test]
    fn the_canary_is_found_and_only_with_its_bug() {
        let plan = harness::canary::plan(SYSTEMS, &KEEPER).unwrap();
        let found = SYSTEMS.perform(&plan, &Default::default());
        assert_eq!(found.failures()[0].property, "acknowledged is durable");
        let healthy = SYSTEMS.perform(&Plan { plant: None, ..plan }, &Default::default());
        assert_eq!(healthy.verdict, Verdict::Pass);
    }

    #[test]
    fn the_role_of_a_leader_has_its_epoch_to_its_name() {
        assert!(
            ["leader", "follower", "learner", "leader-of-epoch-3"]
                .map(|n| KEEPER.is_role(n))
                .iter()
                .all(|is| *is)
        );
        assert!(!["leader-of-epoch-x", "n1", ""].map(|n| KEEPER.is_role(n)).iter().any(|is| *is));
        let mut state = KeeperState::default();
        let mut see = |server, observation: Observation| {
            state.follow(server, 1, Seen::Observes(&observation));
        };
        see(1, Observation::Leading);
        see(1, Observation::Serving { epoch: keeper_core::ids::Epoch(3) });
        see(2, Observation::Following { leader: ServerId(1) });
        let plays = |server, role| KEEPER.plays(&state, server, role);
        assert!(plays(1, "leader") && plays(1, "leader-of-epoch-3") && plays(2, "follower"));
        assert!(!plays(1, "follower") && !plays(1, "leader-of-epoch-2"));
        assert!(!plays(2, "leader") && !plays(2, "leader-of-epoch-3"));
    }

    #[test]
    fn every_crash_point_is_a_mark() {
        let is_mark = |name: &str| Keeper.marks().iter().any(|mark| mark.name == name);
        for name in Keeper.crash_points() {
            assert!(is_mark(name), "{name}");
        }
    }
}
