//! The seam: what a system under test says of itself, so that everything else comes by itself.
//!
//! A [`System`] has plans (how many hosts, how they are configured, what clients ask for), programs that
//! run on the hosts of a world, and properties. The harness makes runs of it, breaks the world under
//! it, judges, shrinks, stores and reports. It knows no system; a system that is one of a list is known
//! to it as [`AnySystem`](crate::AnySystem).

use std::collections::BTreeMap;
use std::fmt::Debug;

use evidence::{Arrow, FigureDeclaration, History, Moment, OutcomeClass, Tone};
use probe::{MarkDeclaration, MarkId, PlantDeclaration};
use sim::HostId;
use sim::World;
use sim::fault::{Settings, Standing, TimedFault};
use sim::seed::Draws;
use sim::tap::Tapped;

use crate::judge::Guarantee;
use crate::opaque::Data;
use crate::plan::{Contradiction, Plan};
use crate::plant::PlantedBug;
use crate::property::Property;
use crate::record::{Observed, Record};
use crate::stage::Stage;

/// A system under test.
pub trait System: Send + Sync + Sized + 'static {
    /// How its programs are configured.
    type Setup: Data;
    /// What a client is asked to do.
    type Operation: Data;
    /// A step of its servers' protocol. The `Debug` text is part of a run's trace and its hash.
    type Observation: Clone + Debug + Send + Sync + 'static;
    /// What its clients and whoever else takes part write down.
    type History: Clone + Default + Send + Sync + 'static;
    /// What is known of its servers at a moment.
    type State: Default + Send + 'static;

    /// Its name: the first part of its scenarios' names, and the `system` of its plans.
    fn name(&self) -> &'static str;

    /// What it is, in one line.
    fn about(&self) -> &'static str;

    /// The groups of its hosts, in the order in which they are added to the world: servers first.
    fn groups(&self) -> &'static [Group];

    /// The roles that its servers can play.
    fn roles(&self) -> &'static [Role] {
        &[]
    }

    /// What can be run.
    fn scenarios(&self) -> &'static [Scenario];

    /// Adds its hosts to a world, servers first, and starts their programs.
    fn stage<W: World>(&self, plan: &Plan, stage: &mut Stage<'_, W, Self>);

    /// Follows what happens to a server, so that [`System::standing`] and [`System::missing`] can tell
    /// how things are. Returns a hash of the abstract state of the whole system if that has changed:
    /// campaigns that explore look for states that no run has shown.
    fn follow(
        &self,
        state: &mut Self::State,
        server: u32,
        at_ns: u64,
        seen: Seen<'_, Self::Observation>,
    ) -> Option<u64> {
        let _ = (state, server, at_ns, seen);
        None
    }

    /// Who is who at a moment. `servers` are the hosts of the servers, by number from 1.
    ///
    /// What may be lost is said here, too: the schedule makes a server forget only while it is both
    /// replaceable and expendable. By default nobody ever is.
    fn standing(&self, state: &Self::State, servers: &[HostId], now_ns: u64) -> Standing {
        let _ = (state, now_ns);
        Standing { servers: servers.to_vec(), ..Standing::default() }
    }

    /// Whether a server plays a role at this moment: asked when it hits a mark.
    fn plays(&self, state: &Self::State, server: u32, role: &str) -> bool {
        let _ = (state, server, role);
        false
    }

    /// Whether plans may name a role that has more to its name than [`System::roles`] says, such as the
    /// leader of a certain epoch.
    fn is_role(&self, name: &str) -> bool {
        self.roles().iter().any(|role| role.name == name)
    }

    /// What is still missing until the system has healed after the faults; none if nothing. What it must
    /// do is its own: elect, serve a new write, let all replicas be equal.
    fn missing(&self, plan: &Plan, history: &Self::History, state: &Self::State) -> Option<String>;

    /// The run is over: what is known of the servers goes into the history.
    fn finish(&self, state: &Self::State, history: &mut Self::History) {
        let _ = (state, history);
    }

    /// Parts of the names of files whose damage a server can notice, because they have checksums: only
    /// those are made to rot. One that is there twice is drawn twice as often; none for none.
    fn checked_files(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether a server that finds damage in one of those files knows it for what it is, and nothing is lost by it:
    /// [`Standing::copies`] then says who holds what.
    fn tells_damage(&self) -> bool {
        false
    }

    /// Whether its servers send datagrams: only then are they made to get lost, to arrive twice or out of order.
    fn sends_datagrams(&self) -> bool {
        false
    }

    /// Draws the settings with which servers come back from a rolling upgrade; none if it changes none.
    fn upgrade(&self) -> Option<fn(&mut Draws) -> Settings> {
        None
    }

    /// Kinds of faults of its own, beside those of the world: what may befall its programs that no network,
    /// disk or clock does, as an operator's mistake or an antagonist that its hosts simulate. The programs
    /// are told of it by [`Server::own_faults`](crate::stage::Server::own_faults).
    fn own_faults(&self) -> &'static [OwnFault] {
        &[]
    }

    /// Names of marks at which a crash tells most: between steps that are one only if both are durable. Of the
    /// faults at marks every third is at one of these; none for no preference.
    fn crash_points(&self) -> &'static [&'static str] {
        &[]
    }

    /// The marks in its code.
    fn marks(&self) -> &'static [MarkDeclaration] {
        &[]
    }

    /// The bugs that its code can carry.
    fn plants(&self) -> &'static [PlantDeclaration] {
        &[]
    }

    /// What the planted bugs are, and what must catch them.
    fn planted_bugs(&self) -> &'static [PlantedBug] {
        &[]
    }

    /// Properties of what its servers did, in the order in which to read their failures: a cause before
    /// what follows of it.
    fn properties(&self) -> &'static [Property<Self>];

    /// What is guaranteed of what its clients saw, judged.
    fn guarantees(&self, plan: &Plan, record: &Record<Self>) -> Vec<Guarantee> {
        let _ = (plan, record);
        Vec::new()
    }

    /// The names of [`System::guarantees`], for lists.
    fn guarantee_names(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Forms of recorded histories that `squall check` reads for this system, with what they are judged
    /// by.
    fn formats(&self) -> &'static [Format] {
        &[]
    }

    /// What clients asked, and when they were answered: the basis of counts, latencies and outages.
    fn asked(&self, plan: &Plan, record: &Record<Self>) -> Vec<Asked>;

    /// The same with texts, for whoever reads the run.
    fn told(&self, plan: &Plan, record: &Record<Self>) -> History;

    /// The kinds of its operations, in the order of legends; those that are not named come behind.
    fn kinds(&self) -> &'static [&'static str] {
        &[]
    }

    /// Figures of its own that campaigns add up.
    fn figure_declarations(&self) -> Vec<FigureDeclaration> {
        Vec::new()
    }

    /// The figures of a run.
    fn figures(&self, plan: &Plan, record: &Record<Self>) -> Figures {
        let _ = (plan, record);
        Figures::default()
    }

    /// When servers took roles worth drawing, and what to call that.
    fn turns(&self, record: &Record<Self>) -> Vec<Moment> {
        let _ = record;
        Vec::new()
    }

    /// An observation in a few words, and whether it changes what its server is; otherwise it is one of
    /// many about operations.
    fn step(&self, observation: &Self::Observation) -> (String, bool) {
        (format!("{observation:?}"), false)
    }

    /// What a server is from an observation on, and how to draw it; none of an observation that changes
    /// nothing. `observed` are all of the run.
    fn role_after(
        &self,
        observed: &[Observed<Self::Observation>],
        index: usize,
    ) -> Option<(Tone, String)> {
        let _ = (observed, index);
        None
    }

    /// How far what a server holds would survive a loss of power, if an observation tells; empty if it tells
    /// that nobody knows from there on. Diagrams show it beside what the server was.
    fn durable_after(&self, observation: &Self::Observation) -> Option<String> {
        let _ = observation;
        None
    }

    /// What the tones of [`System::role_after`] are called in the legend of its diagrams.
    fn tones(&self) -> BTreeMap<Tone, String> {
        BTreeMap::new()
    }

    /// What hosts said to each other, decoded; without it diagrams show steps alone.
    fn arrows(&self, heard: &Tapped) -> Vec<Arrow> {
        let _ = heard;
        Vec::new()
    }

    /// Whether an operation of a plan changes nothing: shrinking thinks twice before it leaves out one
    /// that changes something.
    fn is_read(&self, operation: &Self::Operation) -> bool {
        let _ = operation;
        false
    }

    /// The objects that an operation is about, such as its key: shrinking leaves out what is about others
    /// together. None for an operation that is about none, or about all.
    fn objects(&self, operation: &Self::Operation) -> Vec<String> {
        let _ = operation;
        Vec::new()
    }

    /// Whether what an operation does is needed by those after it, so that it stays when the time around
    /// it goes.
    fn lasts(&self, operation: &Self::Operation) -> bool {
        let _ = operation;
        false
    }

    /// Settings that make something happen only after so many changes, such as a snapshot: shrinking
    /// raises them out of reach, or lowers them so that few operations do.
    fn limits(&self) -> &'static [Limit] {
        &[]
    }

    /// How large the values of operations are, if a setting says so: shrinking lets a handful of large
    /// ones stand for a hundred small ones.
    fn weight(&self) -> Option<&'static Weight> {
        None
    }

    /// Plainer plans in other respects, each by one thing: shrinking tries them at the end of a round.
    fn plainer(&self, plan: &Plan) -> Vec<Plan> {
        let _ = plan;
        Vec::new()
    }

    /// Checks a setup by itself.
    ///
    /// # Errors
    /// The first value that cannot be, by its field.
    fn check_setup(&self, setup: &Self::Setup) -> Result<(), Contradiction> {
        let _ = setup;
        Ok(())
    }

    /// Checks an operation of a plan.
    ///
    /// # Errors
    /// As [`System::check_setup`].
    fn check_operation(
        &self,
        plan: &Plan,
        operation: &Self::Operation,
    ) -> Result<(), Contradiction> {
        let _ = (plan, operation);
        Ok(())
    }

    /// Checks what a fault says of the system: names of files, of settings.
    ///
    /// # Errors
    /// As [`System::check_setup`].
    fn check_fault(&self, plan: &Plan, fault: &TimedFault) -> Result<(), Contradiction> {
        let _ = (plan, fault);
        Ok(())
    }

    /// Brings a plan of an older format up to this one, as JSON. The envelope is done already.
    fn modernise(&self, format: u64, plan: &mut serde_json::Map<String, serde_json::Value>) {
        let _ = (format, plan);
    }

    /// Plans that failed once, by name: every campaign runs them first.
    fn corpus(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Small plans that each show a planted bug, by name.
    fn finds(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// A plan with a planted bug that every campaign must find first; none has no canary.
    fn canary(&self) -> Option<&'static str> {
        None
    }

    /// Names the build: the same build must end a plan with the same trace. Unless a system says
    /// otherwise it is made of the running program.
    fn build(&self) -> &'static str {
        crate::build::of_this_program()
    }
}

/// A group of hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name, as a plan's topology spells it: `servers`.
    pub name: &'static str,
    /// What its hosts' names begin with, before their number from 1: `n`.
    pub prefix: &'static str,
    /// What one of them is called in texts: `server`.
    pub one: &'static str,
    /// Whether they are clients, which make the plan's operations; there is one such group.
    pub is_client: bool,
    /// With fewer hosts of the group nothing can be expected of the system: no plan has fewer, and shrinking
    /// leaves so many. 1 unless [`Group::at_least`] says more.
    pub hosts_min: u32,
}

impl Group {
    /// A group of servers.
    pub const fn servers(name: &'static str, prefix: &'static str, one: &'static str) -> Group {
        Group { name, prefix, one, is_client: false, hosts_min: 1 }
    }

    /// The same group, of which there are always so many hosts: those that a first membership names, say.
    #[must_use]
    pub const fn at_least(self, hosts_min: u32) -> Group {
        Group { hosts_min, ..self }
    }

    /// The group of clients, named `c1`, `c2`, ...
    pub const CLIENTS: Group =
        Group { name: "clients", prefix: "c", one: "client", is_client: true, hosts_min: 1 };

    /// The name of one of its hosts.
    pub fn host(&self, number: u32) -> String {
        format!("{}{number}", self.prefix)
    }

    /// The number of the host of that name, if it is one of the group's.
    pub fn number(&self, name: &str) -> Option<u32> {
        let digits = name.strip_prefix(self.prefix)?;
        let is_plain = digits.bytes().all(|digit| digit.is_ascii_digit());
        digits.parse().ok().filter(|_| is_plain && !digits.starts_with('0'))
    }
}

/// A form of recorded histories of one system.
#[derive(Clone, Copy)]
pub struct Format {
    /// Its name, as `--model` takes it.
    pub name: &'static str,
    /// What it is and what it is judged by, in one line.
    pub about: &'static str,
    /// Whether these bytes are of this form.
    pub is_of: fn(&[u8]) -> bool,
    /// Judges a history: each guarantee by its name. An error says what is wrong with the bytes.
    pub judge: fn(&[u8]) -> Result<Vec<JudgedGuarantee>, String>,
}

/// A guarantee by its name, and what came of it.
pub type JudgedGuarantee = (&'static str, evidence::Verdict);

/// What a client asked, and what is known of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its position among the plan's operations; none if it belongs to none of them.
    pub planned: Option<usize>,
    /// When it was asked.
    pub invoke_ns: u64,
    /// When its end was known; none if the run ended first.
    pub complete_ns: Option<u64>,
    /// How it ended, as far as its client knows.
    pub outcome: OutcomeClass,
    /// Whether it was to change something.
    pub is_change: bool,
}

/// The figures of one run, by the identifiers of their declarations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Of those that add up or of which the largest counts.
    pub counts: BTreeMap<&'static str, u64>,
    /// Of those that are kept one by one.
    pub samples: BTreeMap<&'static str, Vec<u64>>,
}

/// A role that servers can play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name, as faults spell it: `leader`.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Whether one who plays it may be made to forget.
    pub may_forget: bool,
    /// Which part of a system that replicates it is, if it is one: generated faults aim at it.
    pub part: Part,
}

/// The parts that there are in systems that replicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Decides for the others: a leader, a primary.
    Leads,
    /// Does as it is told and serves: a follower, a backup.
    Follows,
    /// Is being brought up to what the others have.
    Learns,
    /// None of these.
    Other,
}

/// Clients that ask for something, and faults that disturb them.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name, as plans and the command line spell it: the system's, `/`, its own.
    pub name: &'static str,
    /// What it is about, in one line.
    pub description: &'static str,
    /// The marks that enough of its runs must hit ([`crate::promise::PROMISE_RUNS_MIN`]).
    pub promises: &'static [MarkId],
    /// The plan of a seed: a function of the seed alone.
    pub plan: fn(u64) -> Plan,
}

/// A kind of fault that a system declares. Plans spell it `{"kind":"own","name":NAME,"target":HOST,"amount":N}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnFault {
    /// Its name, as plans and reports spell it.
    pub name: &'static str,
    /// What it is and what its amount means, in a line.
    pub about: &'static str,
    /// The group of hosts whose programs know it.
    pub group: &'static str,
    /// A role of these hosts at which half of those that are drawn are aimed; none for any host.
    pub role: Option<&'static str>,
    /// The shortest and the longest that is drawn, in milliseconds.
    pub lasts_ms: (u64, u64),
    /// The least and the most that is drawn; no plan has more.
    pub amount: (u64, u64),
}

/// Something that was seen of a server.
#[derive(Debug)]
pub enum Seen<'a, O> {
    /// Its program starts.
    Starts,
    /// It told of a step.
    Observes(&'a O),
    /// A fault took it down: whatever it was is no more.
    GoesDown,
    /// Its program gave up.
    GivesUp,
}

/// Something that happens only after so many changes.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The limit of a plan; `plain` or more if it has none.
    pub read: fn(&Plan) -> u64,
    /// Gives a plan this limit.
    pub write: fn(&mut Plan, u64),
    /// A value that no run reaches.
    pub plain: u64,
}

/// How large the values of operations are.
#[derive(Clone, Copy, Debug)]
pub struct Weight {
    /// In bytes; 0 as they are.
    pub read: fn(&Plan) -> u64,
    /// Gives a plan values of this size.
    pub write: fn(&mut Plan, u64),
    /// A size that fills several segments of a connection and sectors of a disk.
    pub large: u64,
}
