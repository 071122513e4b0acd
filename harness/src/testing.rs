//! A small system for the tests of the harness: a store of registers. One server leads, keeps a log and
//! answers clients; the others copy what it holds. It has what systems have: a setup, roles, marks, two
//! planted bugs, figures, an older format of plans, a corpus.

mod programs;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use evidence::{AddsUp, FigureDeclaration, History, Moment, OutcomeClass, Tone, Unit};
use probe::{MarkDeclaration, PlantDeclaration, hash_bytes};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sim::fault::{Casting, Fault, Settings, Standing, TimedFault};
use sim::seed::Draws;
use sim::{HostId, World};

use crate::calls::{self, Call, Calls, LINEARIZABILITY};
use crate::generate::{self, Asks, Workload};
use crate::judge::Guarantee;
use crate::model::{Model, RegisterAnswer, RegisterOperation, Registers};
use crate::plan::{Contradiction, Plan, within, wrong};
use crate::plant::PlantedBug;
use crate::property::{Property, always, fatal, healing, no_panic};
use crate::record::{HostName, Observed, Record};
use crate::stage::Stage;
use crate::system::{
    Asked, Figures, Group, Limit, OwnFault, Part, Role, Scenario, Seen, System, Weight,
};
use crate::{AnySystem, Outcome, Systems, outcome};

/// The system.
pub(crate) struct Store;

/// It, and the list of which it is the only one.
pub(crate) static STORE: Store = Store;
pub(crate) const SYSTEMS: Systems = Systems(&[&STORE]);

probe::plants! {
    /// A write is acknowledged before it is on the disk.
    AcksBeforeSync = "acks-before-sync",
    /// A read is answered by what was there before the last write.
    ReadsOld = "reads-old",
}

probe::marks! {
    /// A write is in the log and not yet on the disk.
    Reachable LogUnsynced = "log-unsynced",
    /// A write is on the disk.
    Reachable LogSynced = "log-synced",
    /// A log ends with what was never written as a whole.
    Sometimes TailCut = "tail-cut",
    /// A follower has a copy.
    Reachable Copies = "copies",
    /// Writes have their places in the log one after the other.
    Always LogInOrder = "log-in-order",
}

/// How its programs are configured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoreSetup {
    /// How long a follower rests between two copies.
    pub(crate) copy_ms: u64,
    /// After so many writes the log begins anew.
    pub(crate) compact_count: u64,
    /// Records of the log are at least as long as this.
    pub(crate) value_bytes: u64,
}

/// A step of a server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// It has read its log.
    Recovered { position: u64 },
    /// It leads, and answers clients.
    Leads,
    /// A write is on its disk.
    Logged { position: u64 },
    /// It has what the leader held.
    Copied { position: u64 },
}

/// What is known of a server.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Notes {
    starts_ns: u64,
    serves: bool,
    position: u64,
    refuses: bool,
}

/// What is known of all.
pub(crate) type State = BTreeMap<u32, Notes>;

pub(crate) const LEADER: u32 = 1;
const SERVERS: Group = Group::servers("servers", "n", "server");

impl System for Store {
    type Setup = StoreSetup;
    type Operation = RegisterOperation;
    type Observation = Step;
    type History = Calls<Registers>;
    type State = State;

    fn name(&self) -> &'static str {
        "store"
    }

    fn about(&self) -> &'static str {
        "registers that one server holds and others copy"
    }

    fn groups(&self) -> &'static [Group] {
        &[SERVERS, Group::CLIENTS]
    }

    fn roles(&self) -> &'static [Role] {
        const LEADER: Role =
            Role { name: "leader", about: "answers", may_forget: false, part: Part::Leads };
        &[
            LEADER,
            Role { name: "follower", about: "has a copy", may_forget: true, part: Part::Follows },
            Role { name: "learner", about: "has none", may_forget: false, part: Part::Learns },
        ]
    }

    fn scenarios(&self) -> &'static [Scenario] {
        &SCENARIOS
    }

    fn stage<W: World>(&self, plan: &Plan, stage: &mut Stage<'_, W, Store>) {
        for number in 1..=plan.count(SERVERS.name) {
            let setup = plan.setup::<StoreSetup>().clone();
            stage.server(&SERVERS.host(number), move |server| {
                programs::server(server, setup.clone())
            });
        }
        let probe = RegisterOperation::Get { key: key(0) };
        calls::clients(plan, stage, probe, |host, _| programs::Caller::new(host));
    }

    fn follow(
        &self,
        state: &mut State,
        server: u32,
        at_ns: u64,
        seen: Seen<'_, Step>,
    ) -> Option<u64> {
        let notes = state.entry(server).or_default();
        match seen {
            Seen::Starts => *notes = Notes { starts_ns: at_ns, ..Notes::default() },
            Seen::Observes(Step::Recovered { position } | Step::Logged { position }) => {
                notes.position = *position;
            }
            Seen::Observes(Step::Leads) => notes.serves = true,
            Seen::Observes(Step::Copied { position }) => {
                (notes.serves, notes.position) = (true, *position);
            }
            Seen::GoesDown => drop(state.remove(&server)),
            Seen::GivesUp => *notes = Notes { refuses: true, ..Notes::default() },
        }
        let who_serves: Vec<u8> =
            state.iter().flat_map(|(server, notes)| [*server as u8, notes.serves.into()]).collect();
        Some(hash_bytes(&who_serves))
    }

    fn standing(&self, state: &State, servers: &[HostId], now_ns: u64) -> Standing {
        let those = |is_wanted: &dyn Fn(u32, &Notes) -> bool| -> Vec<(HostId, u64)> {
            let wanted = state.iter().filter(|(server, notes)| is_wanted(**server, notes));
            let player = |(server, notes): (&u32, &Notes)| {
                (servers[*server as usize - 1], (now_ns - notes.starts_ns) / 1_000_000)
            };
            wanted.map(player).collect()
        };
        let hosts = |players: &[(HostId, u64)]| players.iter().map(|(host, _)| *host).collect();
        let leaders = those(&|server, notes| notes.serves && server == LEADER);
        let followers = those(&|server, notes| notes.serves && server != LEADER);
        Standing {
            copies: None,
            servers: servers.to_vec(),
            serving: leaders.iter().chain(&followers).map(|(host, _)| *host).collect(),
            // All that a follower has is a copy.
            replaceable: hosts(&followers),
            expendable: hosts(&followers),
            refusing: hosts(&those(&|_, notes| notes.refuses)),
            castings: vec![
                Casting { role: "leader", players: leaders },
                Casting { role: "follower", players: followers },
                Casting {
                    role: "learner",
                    players: those(&|server, notes| !notes.serves && server != LEADER),
                },
            ],
        }
    }

    fn plays(&self, state: &State, server: u32, role: &str) -> bool {
        let serves = state.get(&server).is_some_and(|notes| notes.serves);
        match role {
            "leader" => server == LEADER,
            "follower" => server != LEADER && serves,
            _ => server != LEADER && !serves,
        }
    }

    fn missing(&self, plan: &Plan, history: &Calls<Registers>, state: &State) -> Option<String> {
        history.missing(plan).or_else(|| {
            let serves = |server: &u32| state.get(server).is_some_and(|notes| notes.serves);
            let idle = (1..=plan.count(SERVERS.name)).find(|server| !serves(server))?;
            Some(format!("n{idle} does not serve"))
        })
    }

    fn checked_files(&self) -> &'static [&'static str] {
        &["log"]
    }

    fn upgrade(&self) -> Option<fn(&mut Draws) -> Settings> {
        Some(|draws| Settings::from([("compact_count".to_owned(), draws.range(5, 500))]))
    }

    fn own_faults(&self) -> &'static [OwnFault] {
        &OWN_FAULTS
    }

    fn marks(&self) -> &'static [MarkDeclaration] {
        Mark::DECLARATIONS
    }

    fn plants(&self) -> &'static [PlantDeclaration] {
        Plant::DECLARATIONS
    }

    fn planted_bugs(&self) -> &'static [PlantedBug] {
        &PLANTED_BUGS
    }

    fn properties(&self) -> &'static [Property<Store>] {
        const PROPERTIES: [Property<Store>; 4] =
            [no_panic(), always(), fatal("the store's own"), healing("the store's own")];
        &PROPERTIES
    }

    fn guarantees(&self, _plan: &Plan, record: &Record<Store>) -> Vec<Guarantee> {
        vec![record.history.linearizability()]
    }

    fn guarantee_names(&self) -> Vec<&'static str> {
        vec![LINEARIZABILITY]
    }

    fn asked(&self, _plan: &Plan, record: &Record<Store>) -> Vec<Asked> {
        record.history.asked()
    }

    fn told(&self, _plan: &Plan, record: &Record<Store>) -> History {
        record.history.told(&record.faults)
    }

    fn kinds(&self) -> &'static [&'static str] {
        Registers.kinds()
    }

    fn figure_declarations(&self) -> Vec<FigureDeclaration> {
        let longest = FigureDeclaration {
            unit: Unit::Count,
            adds_up: AddsUp::Max,
            ..FigureDeclaration::count("longest-log", "the longest log")
        };
        vec![
            FigureDeclaration::count("copies", "copies").required(),
            FigureDeclaration::count("recoveries", "recoveries").required(),
            longest,
            FigureDeclaration::samples_ms("recovered-ms", "recoveries", "when logs were read"),
        ]
    }

    fn figures(&self, _plan: &Plan, record: &Record<Store>) -> Figures {
        let mut figures = Figures::default();
        for Observed { at_ns, observation, .. } in &record.observations {
            let mut add = |id| *figures.counts.entry(id).or_default() += 1;
            match observation {
                Step::Copied { .. } => add("copies"),
                Step::Recovered { .. } => {
                    add("recoveries");
                    figures.samples.entry("recovered-ms").or_default().push(at_ns / 1_000_000);
                }
                Step::Logged { position } => {
                    let longest = figures.counts.entry("longest-log").or_default();
                    *longest = (*longest).max(*position);
                }
                Step::Leads => {}
            }
        }
        figures
    }

    fn turns(&self, record: &Record<Store>) -> Vec<Moment> {
        let leads = record.observations.iter().filter(|seen| seen.observation == Step::Leads);
        let turn = |seen: &Observed<Step>| Moment {
            at_ns: seen.at_ns,
            what: format!("leader {}", record.server_name(seen.server)),
        };
        leads.map(turn).collect()
    }

    fn step(&self, observation: &Step) -> (String, bool) {
        (format!("{observation:?}"), matches!(observation, Step::Leads))
    }

    fn role_after(&self, observed: &[Observed<Step>], index: usize) -> Option<(Tone, String)> {
        match observed[index].observation {
            Step::Recovered { .. } => Some((Tone::Unsettled, "recovered".to_owned())),
            Step::Leads => Some((Tone::Primary, "leads".to_owned())),
            Step::Copied { .. } => Some((Tone::Secondary, "follows".to_owned())),
            Step::Logged { .. } => None,
        }
    }

    fn is_read(&self, operation: &RegisterOperation) -> bool {
        Registers.is_read(operation)
    }

    fn objects(&self, operation: &RegisterOperation) -> Vec<String> {
        vec![Model::key(&Registers, operation)]
    }

    fn lasts(&self, operation: &RegisterOperation) -> bool {
        matches!(operation, RegisterOperation::Set { value, .. } if value == FIRST_VALUE)
    }

    fn limits(&self) -> &'static [Limit] {
        &[Limit {
            read: |plan| plan.setup::<StoreSetup>().compact_count,
            write: |plan, count| {
                plan.change_setup(|setup: &mut StoreSetup| setup.compact_count = count);
            },
            plain: 100_000,
        }]
    }

    fn weight(&self) -> Option<&'static Weight> {
        Some(&Weight {
            read: |plan| plan.setup::<StoreSetup>().value_bytes,
            write: |plan, bytes| {
                plan.change_setup(|setup: &mut StoreSetup| setup.value_bytes = bytes);
            },
            large: 16 << 10,
        })
    }

    fn plainer(&self, plan: &Plan) -> Vec<Plan> {
        let mut plainer = plan.clone();
        plainer.change_setup(|setup: &mut StoreSetup| setup.copy_ms = COPY_MS);
        if plainer == *plan { Vec::new() } else { vec![plainer] }
    }

    fn check_setup(&self, setup: &StoreSetup) -> Result<(), Contradiction> {
        within("copy_ms", setup.copy_ms, 1, 60_000)?;
        within("compact_count", setup.compact_count, 1, 1_000_000)?;
        within("value_bytes", setup.value_bytes, 0, 1 << 18)
    }

    fn check_operation(
        &self,
        _plan: &Plan,
        operation: &RegisterOperation,
    ) -> Result<(), Contradiction> {
        if operation.key().is_empty() { wrong("key", "nothing, expected a name") } else { Ok(()) }
    }

    fn check_fault(&self, _plan: &Plan, fault: &TimedFault) -> Result<(), Contradiction> {
        match &fault.fault {
            Fault::Rot { file, .. } if file != "log" => {
                wrong("file", format!("`{file}`, expected log"))
            }
            Fault::Restart { settings, .. } => {
                let unknown = settings.keys().find(|name| *name != "compact_count");
                unknown.map_or(Ok(()), |name| wrong(name, "unknown field"))
            }
            _ => Ok(()),
        }
    }

    fn modernise(&self, _format: u64, plan: &mut Map<String, Value>) {
        if let Some(setup) = plan.remove("store") {
            plan.insert("setup".to_owned(), setup);
        }
    }

    fn corpus(&self) -> &'static [(&'static str, &'static str)] {
        &CORPUS
    }

    fn finds(&self) -> &'static [(&'static str, &'static str)] {
        &FINDS
    }

    fn canary(&self) -> Option<&'static str> {
        Some(FINDS[1].1)
    }
}

static SCENARIOS: [Scenario; 3] = [
    Scenario {
        name: "store/register",
        description: "Three servers; reads and writes.",
        promises: &[Mark::LogUnsynced.id(), Mark::LogSynced.id(), Mark::Copies.id()],
        plan: |seed| generated("store/register", seed, 3, 2),
    },
    Scenario {
        name: "store/reads",
        description: "Five servers; mostly reads.",
        promises: &[Mark::Copies.id()],
        plan: |seed| generated("store/reads", seed, 5, 8),
    },
    Scenario {
        name: "store/alone",
        description: "One server.",
        promises: &[Mark::LogSynced.id()],
        plan: |seed| generated("store/alone", seed, 1, 2),
    },
];

/// What may befall the store alone.
pub(crate) static OWN_FAULTS: [OwnFault; 1] = [OwnFault {
    name: SLOW_ANSWERS,
    about: "a server answers late, by so many milliseconds",
    group: SERVERS.name,
    role: Some("leader"),
    lasts_ms: (200, 2_000),
    amount: (5, 100),
}];
const SLOW_ANSWERS: &str = "slow-answers";

static PLANTED_BUGS: [PlantedBug; 2] = [
    PlantedBug {
        name: "acks-before-sync",
        source: "the protocols' classics",
        what: "what was acknowledged is gone after a loss of power",
        scenario: "store/register",
        expected: &[LINEARIZABILITY],
        consequence: None,
        budget_seeds: 20,
    },
    PlantedBug {
        name: "reads-old",
        source: "the protocols' classics",
        what: "a read does not see the last write",
        scenario: "store/register",
        expected: &[LINEARIZABILITY],
        consequence: None,
        budget_seeds: 2,
    },
];

/// Plans as files hold them.
static CORPUS: LazyLock<Vec<(&'static str, &'static str)>> =
    LazyLock::new(|| vec![stored("store/alone.json", None), stored("store/other.json", None)]);
static FINDS: LazyLock<Vec<(&'static str, &'static str)>> = LazyLock::new(|| {
    vec![
        stored("acks-before-sync.json", Some("acks-before-sync")),
        stored("reads-old.json", Some("reads-old")),
    ]
});

fn stored(name: &'static str, plant: Option<&str>) -> (&'static str, &'static str) {
    let plan = Plan { plant: plant.map(str::to_owned), ..short_plan(name.len() as u64) };
    (name, plan.to_text().leak())
}

const FIRST_VALUE: &str = "0";
const COPY_MS: u64 = 200;
const KEYS: u64 = 6;

fn key(number: u64) -> String {
    format!("k{number}")
}

/// What clients ask for.
struct Asking {
    reads: u64,
}

impl Workload for Asking {
    type Operation = RegisterOperation;

    fn setup(&self, _seed: u64) -> Vec<RegisterOperation> {
        let set = |number| RegisterOperation::Set { key: key(number), value: FIRST_VALUE.into() };
        (0..KEYS).map(set).collect()
    }

    fn draw(&self, asks: &mut Asks) -> RegisterOperation {
        let key = key(asks.draws.below(KEYS));
        match asks.weighted(&[self.reads, 3, 1]) {
            0 => RegisterOperation::Get { key },
            1 => RegisterOperation::Set { key, value: asks.value() },
            _ => RegisterOperation::Cas { key, old: FIRST_VALUE.to_owned(), new: asks.value() },
        }
    }
}

fn generated(scenario: &str, seed: u64, servers: u32, reads: u64) -> Plan {
    let mut draws = Draws::new(seed, "store", 0);
    let setup = StoreSetup {
        copy_ms: draws.range(50, 500),
        compact_count: draws.range(10, 200),
        value_bytes: 0,
    };
    let hosts = [("servers", servers), ("clients", 3)];
    generate::plan(&STORE, scenario, seed, &hosts, setup, &Asking { reads })
}

/// A plan as seeds have them.
pub(crate) fn plan() -> Plan {
    plan_of(1)
}

/// The plan of a seed.
pub(crate) fn plan_of(seed: u64) -> Plan {
    (SCENARIOS[0].plan)(seed)
}

/// The plan of a seed and of the scenario of that place, counted round.
pub(crate) fn plan_in(scenario: u64, seed: u64) -> Plan {
    (SCENARIOS[scenario as usize % SCENARIOS.len()].plan)(seed)
}

/// A plan of a few seconds.
pub(crate) fn short_plan(seed: u64) -> Plan {
    let mut plan = plan_of(seed);
    plan.chaos_ms = 6_000;
    plan.operations.retain(|operation| operation.at_ms < 6_000);
    plan.faults.retain(|fault| fault.at_ms < 5_000);
    plan
}

/// The hosts of three servers and three clients.
pub(crate) fn hosts() -> Vec<HostName> {
    let name = |prefix: &str, first: u32, number: u32, is_client| HostName {
        host: HostId(first + number - 1),
        name: format!("{prefix}{number}"),
        number,
        is_client,
    };
    let servers = (1..=3).map(|number| name("n", 0, number, false));
    servers.chain((1..=3).map(|number| name("c", 3, number, true))).collect()
}

/// A call that wrote, and was answered.
pub(crate) fn written(client: u32, invoke_ns: u64) -> Call<Registers> {
    let operation = RegisterOperation::Set { key: key(0), value: format!("{client}") };
    let end = Some((invoke_ns + 1_000, calls::Outcome::Answered(RegisterAnswer::Written)));
    Call { client, planned: 0, operation, invoke_ns, end }
}

/// A record that nothing is wrong with.
pub(crate) fn honest_record() -> Record<Store> {
    let history = Calls { calls: vec![written(1, 5)], clients_done: 3, serves_again: true };
    let seen = |at_ns, server, observation| Observed { at_ns, server, incarnation: 1, observation };
    Record {
        observations: vec![
            seen(1, 1, Step::Recovered { position: 0 }),
            seen(2, 1, Step::Leads),
            seen(3, 1, Step::Logged { position: 1 }),
            seen(4, 2, Step::Copied { position: 1 }),
        ],
        history,
        hosts: hosts(),
        healed_after_ms: Some(10),
        end_ns: 10_000_000,
        ..Record::default()
    }
}

/// What comes of a record.
pub(crate) fn judged(plan: &Plan, record: Record<Store>) -> Outcome {
    outcome::judged(&STORE, plan, record, Vec::new(), false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim::fault::Target;

    use crate::RunOptions;
    use crate::judge::Verdict;

    #[test]
    fn the_store_is_right_whatever_befalls_it() {
        for seed in 0..6 {
            let plan = plan_in(seed, seed);
            assert_eq!(crate::plan::validate(SYSTEMS, &plan), Ok(()), "{seed}");
            let outcome = SYSTEMS.perform(&plan, &RunOptions::default());
            assert_eq!(outcome.verdict, Verdict::Pass, "{seed}");
            assert!(outcome.stats.acknowledged > 300, "{seed}: {:?}", outcome.stats);
            let answered = outcome.history().operations;
            let answered = answered.iter().filter(|asked| asked.outcome == OutcomeClass::Ok);
            assert_eq!(answered.count() as u64, outcome.stats.acknowledged);
        }
    }

    /// Calls that take longer than any latency of the plan.
    fn slow_calls(faults: Vec<TimedFault>, engine: sim::EngineKind) -> usize {
        let plan = Plan { faults, engine, ..short_plan(5) };
        assert_eq!(crate::plan::validate(SYSTEMS, &plan), Ok(()));
        let outcome = SYSTEMS.perform(&plan, &RunOptions::default());
        assert_eq!(outcome.verdict, Verdict::Pass);
        let windows = &outcome.sketch.faults;
        assert_eq!(windows.len(), plan.faults.len());
        assert!(windows.iter().all(|window| window.kind == SLOW_ANSWERS), "{windows:?}");
        let operations = outcome.history().operations;
        let lasted = |asked: &evidence::Operation| asked.complete_ns.unwrap_or(0) - asked.invoke_ns;
        operations.iter().filter(|asked| lasted(asked) > 90_000_000).count()
    }

    #[test]
    fn programs_are_told_of_faults_of_the_systems_own_kinds_while_they_last() {
        let slow = |from_ms, until_ms, amount| {
            let (name, target) = (SLOW_ANSWERS.to_owned(), Target::named("leader"));
            TimedFault::new(from_ms, Some(until_ms), Fault::Own { name, target, amount })
        };
        for engine in sim::EngineKind::ALL.into_iter().filter(|engine| engine.is_built_in()) {
            assert_eq!(slow_calls(Vec::new(), engine), 0, "{engine}");
            let some = slow_calls(vec![slow(2_000, 3_000, 95)], engine);
            let more = slow_calls(vec![slow(2_000, 5_000, 95)], engine);
            assert!(0 < some && some < more, "{engine}: {some} and {more} slow calls");
        }
    }

    #[test]
    fn a_fault_that_the_system_does_not_declare_is_turned_down() {
        let complaint = |name: &str, target: &str, amount| {
            let target = Target::from(target.to_owned());
            let fault = Fault::Own { name: name.to_owned(), target, amount };
            let faults = vec![TimedFault::new(1, None, fault)];
            crate::plan::validate(SYSTEMS, &Plan { faults, ..short_plan(5) })
                .expect_err("nobody knows it")
                .to_string()
        };
        let unknown = complaint("slow-thoughts", "n1", 5);
        assert!(unknown.contains("`slow-thoughts`, expected slow-answers"), "{unknown}");
        let much = complaint(SLOW_ANSWERS, "n1", 101);
        assert!(much.contains("101, expected at most 100"), "{much}");
        let nobody = complaint(SLOW_ANSWERS, "c1", 5);
        assert!(nobody.contains("c1, expected one of the servers"), "{nobody}");
    }

    #[test]
    fn what_it_carries_along_can_be_run() {
        assert_eq!(SYSTEMS.corpus().len(), 2);
        assert_eq!(SYSTEMS.finds().len(), SYSTEMS.planted_bugs().len());
        assert!(crate::canary::plan(SYSTEMS, &STORE as &dyn AnySystem).is_some());
    }
}
