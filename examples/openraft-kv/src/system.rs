//! What squall needs to know of the store.

use std::collections::BTreeMap;

use squall::calls::{self, Calls};
use squall::evidence::{FigureDeclaration, Moment, Tone};
use squall::generate::{self, Asks, SomeRegisters, Workload};
use squall::harness::record::Observed;
use squall::harness::system::{Figures, Role, Seen};
use squall::model::RegisterOperation;
use squall::prelude::*;
use squall::sim::HostId;
use squall::sim::fault::Standing;

use crate::client::Caller;
use crate::model::{Change, Members, Operation};
use crate::server::{FIRST_VOTERS, name, server};
use crate::standing::{ROLES, State};
use crate::step::{Being, Step};
use crate::{Mark, Plant, properties};

/// The system under test.
pub struct Store;

const KV: &str = "openraft-kv/kv";
const MEMBERS: &str = "openraft-kv/members";

/// Two registers.
struct Kv;

impl Workload for Kv {
    type Operation = Operation;

    fn draw(&self, asks: &mut Asks) -> Operation {
        Operation::Register(SomeRegisters(&["x", "y"]).draw(asks))
    }
}

/// Two registers, and now and then another membership of five servers.
struct Changing;

/// One of so many operations changes the membership.
const CHANGE_ONE_OF: u64 = 40;

impl Workload for Changing {
    type Operation = Operation;

    fn draw(&self, asks: &mut Asks) -> Operation {
        if asks.draws.below(CHANGE_ONE_OF) > 0 {
            return Kv.draw(asks);
        }
        let server = asks.draws.range(1, 5);
        Operation::Change(match asks.weighted(&[1, 1]) {
            0 => Change::AddVoter { server },
            _ => Change::RemoveVoter { server },
        })
    }
}

impl System for Store {
    type Setup = NoSetup;
    type Operation = Operation;
    type Observation = Step;
    type History = Calls<Members>;
    type State = State;

    fn name(&self) -> &'static str {
        "openraft-kv"
    }

    fn about(&self) -> &'static str {
        "a key-value store on openraft"
    }

    fn groups(&self) -> &'static [Group] {
        // The first voters are named before anybody knows who there is.
        const SERVERS: Group =
            Group::servers("servers", "n", "server").at_least(FIRST_VOTERS as u32);
        const GROUPS: &[Group] = &[SERVERS, Group::CLIENTS];
        GROUPS
    }

    fn roles(&self) -> &'static [Role] {
        ROLES
    }

    fn marks(&self) -> &'static [squall::probe::MarkDeclaration] {
        Mark::DECLARATIONS
    }

    fn plants(&self) -> &'static [squall::probe::PlantDeclaration] {
        Plant::DECLARATIONS
    }

    fn scenarios(&self) -> &'static [Scenario] {
        const ALL: &[Scenario] = &[
            Scenario {
                name: KV,
                description: "get, set and compare-and-set of two keys on three servers",
                promises: &[
                    Mark::VoteSaved.id(),
                    Mark::LogUnsynced.id(),
                    Mark::LogTruncating.id(),
                    Mark::SnapshotInstalled.id(),
                ],
                plan: |seed| {
                    let hosts = [("servers", 3), ("clients", 3)];
                    generate::plan(&Store, KV, seed, &hosts, NoSetup {}, &Kv)
                },
            },
            Scenario {
                name: MEMBERS,
                description: "the same while voters come and go: three to five of five servers",
                promises: &[Mark::VoteSaved.id(), Mark::SnapshotInstalled.id()],
                plan: |seed| {
                    let hosts = [("servers", 5), ("clients", 3)];
                    generate::plan(&Store, MEMBERS, seed, &hosts, NoSetup {}, &Changing)
                },
            },
        ];
        ALL
    }

    fn stage<W: World>(&self, plan: &Plan, stage: &mut Stage<'_, W, Store>) {
        let servers = u64::from(plan.count("servers"));
        for number in 1..=servers {
            stage.server(&name(number), server);
        }
        let probe = Operation::Register(RegisterOperation::Get { key: "x".to_owned() });
        let stay = plan.scenario == KV;
        calls::clients(plan, stage, probe, move |host, number| {
            Caller::new(host, servers, number, stay)
        });
    }

    fn follow(
        &self,
        state: &mut State,
        server: u32,
        at_ns: u64,
        seen: Seen<'_, Step>,
    ) -> Option<u64> {
        state.follow(server, at_ns, &seen);
        None
    }

    fn standing(&self, state: &State, servers: &[HostId], now_ns: u64) -> Standing {
        state.standing(servers, now_ns)
    }

    fn plays(&self, state: &State, server: u32, role: &str) -> bool {
        state.plays(server, role)
    }

    fn missing(&self, plan: &Plan, history: &Calls<Members>, state: &State) -> Option<String> {
        history.missing(plan).or_else(|| state.missing())
    }

    fn properties(&self) -> &'static [Property<Store>] {
        properties::ALL
    }

    fn guarantees(
        &self,
        _plan: &Plan,
        record: &Record<Store>,
    ) -> Vec<squall::harness::judge::Guarantee> {
        vec![record.history.linearizability()]
    }

    fn guarantee_names(&self) -> Vec<&'static str> {
        vec![calls::LINEARIZABILITY]
    }

    fn asked(&self, _plan: &Plan, record: &Record<Store>) -> Vec<squall::harness::system::Asked> {
        record.history.asked()
    }

    fn told(&self, _plan: &Plan, record: &Record<Store>) -> squall::evidence::History {
        record.history.told(&record.faults)
    }

    fn kinds(&self) -> &'static [&'static str] {
        squall::model::Model::kinds(&Members)
    }

    fn is_read(&self, operation: &Operation) -> bool {
        squall::model::Model::is_read(&Members, operation)
    }

    fn objects(&self, operation: &Operation) -> Vec<String> {
        vec![squall::model::Model::key(&Members, operation)]
    }

    fn figure_declarations(&self) -> Vec<FigureDeclaration> {
        vec![
            FigureDeclaration::count("leader-changes", "leader changes"),
            FigureDeclaration::count("snapshots-installed", "snapshots installed"),
            FigureDeclaration::count("truncations", "logs truncated"),
            FigureDeclaration::count("memberships", "memberships"),
        ]
    }

    fn figures(&self, _plan: &Plan, record: &Record<Store>) -> Figures {
        let count = |is_it: fn(&Step) -> bool| {
            let steps = record.observations.iter().map(|observed| &observed.observation);
            steps.filter(|step| is_it(step)).count() as u64
        };
        let mut memberships: Vec<u64> = record
            .observations
            .iter()
            .filter_map(|observed| match observed.observation {
                Step::Members { index, .. } => Some(index),
                _ => None,
            })
            .collect();
        memberships.sort_unstable();
        memberships.dedup();
        let counts = BTreeMap::from([
            ("leader-changes", self.turns(record).len().saturating_sub(1) as u64),
            ("snapshots-installed", count(|step| matches!(step, Step::SnapshotInstalled { .. }))),
            ("truncations", count(|step| matches!(step, Step::Truncates(_)))),
            ("memberships", memberships.len() as u64),
        ]);
        Figures { counts, ..Figures::default() }
    }

    fn turns(&self, record: &Record<Store>) -> Vec<Moment> {
        let leads = |observed: &Observed<Step>| match observed.observation {
            Step::Is(Being::Leader, term) => Some(Moment {
                at_ns: observed.at_ns,
                what: format!("{} leads in term {term}", record.server_name(observed.server)),
            }),
            _ => None,
        };
        record.observations.iter().filter_map(leads).collect()
    }

    fn step(&self, step: &Step) -> (String, bool) {
        let text = match step {
            Step::Recovered { vote, purged, log } => {
                let last = log.last().or(purged.as_ref());
                format!("starts with vote {vote:?} and last entry {last:?}")
            }
            other => format!("{other:?}"),
        };
        let is_turn = matches!(step, Step::Recovered { .. } | Step::Is(..) | Step::Ended);
        (text, is_turn)
    }

    fn role_after(&self, observed: &[Observed<Step>], index: usize) -> Option<(Tone, String)> {
        match observed[index].observation {
            Step::Recovered { .. } | Step::Ended => Some((Tone::Unsettled, "starting".to_owned())),
            Step::Is(being, term) => Some(match being {
                Being::Leader => (Tone::Primary, format!("leading in term {term}")),
                Being::Follower => (Tone::Secondary, format!("following in term {term}")),
                Being::Candidate => (Tone::Unsettled, format!("asking for votes in term {term}")),
                Being::Learner => (Tone::Unsettled, "no voter".to_owned()),
            }),
            _ => None,
        }
    }

    fn tones(&self) -> BTreeMap<Tone, String> {
        let words = [
            (Tone::Primary, "leading"),
            (Tone::Secondary, "following"),
            (Tone::Unsettled, "no voter, or asking for votes"),
        ];
        words.into_iter().map(|(tone, word)| (tone, word.to_owned())).collect()
    }

    fn planted_bugs(&self) -> &'static [PlantedBug] {
        const ALL: &[PlantedBug] = &[
            PlantedBug {
                name: "vote-not-synced",
                source: "Raft, figure 2: votedFor is updated on stable storage before a response",
                what: "a vote is answered before the name of its file is synced",
                scenario: KV,
                expected: &["a server finds what it saved"],
                consequence: None,
                budget_seeds: 30,
            },
            PlantedBug {
                name: "truncate-not-synced",
                source: "Raft, section 5.3: entries are durable before they are acknowledged",
                what: "the log goes on in a file whose name is not synced since it was truncated",
                scenario: KV,
                expected: &["a server finds what it saved"],
                consequence: None,
                budget_seeds: 100,
            },
            PlantedBug {
                name: "stale-read",
                source: "Raft, section 8: a leader asks a quorum before it answers a read",
                what: "a leader answers a read without asking whether it still leads",
                scenario: KV,
                expected: &[calls::LINEARIZABILITY],
                consequence: None,
                budget_seeds: 100,
            },
            PlantedBug {
                name: "committed-not-saved",
                source: "openraft 0.9: RaftLogStorage::save_committed is optional",
                what: "a leader that starts again answers reads from what its last snapshot holds",
                scenario: KV,
                expected: &[calls::LINEARIZABILITY],
                consequence: None,
                budget_seeds: 100,
            },
            PlantedBug {
                name: "purge-before-snapshot",
                source: "openraft 0.9: Command::PurgeLog waits for no Command::StateMachine",
                what: "a log is purged while the snapshot that replaces it is still being written",
                scenario: KV,
                expected: &["healing"],
                consequence: None,
                budget_seeds: 300,
            },
            PlantedBug {
                name: "leader-removes-itself",
                source: "openraft 0.9: RaftCore steps down with the tick after the commit",
                what: "a leader that is no member any more accepts another change of the membership",
                scenario: MEMBERS,
                expected: &["no panic"],
                consequence: None,
                budget_seeds: 200,
            },
            PlantedBug {
                name: "timeouts-alike",
                source: "openraft 0.9: EngineConfig::new; mended in 0.10 by databendlabs/openraft#1838",
                what: "servers that drew like election time-outs ask for votes at one moment for ever",
                scenario: KV,
                expected: &["healing"],
                consequence: None,
                budget_seeds: 4_000,
            },
        ];
        ALL
    }
}
