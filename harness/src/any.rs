//! Systems without their types: the harness holds a list of them and asks each about its own plans.

use std::fmt;

use evidence::FigureDeclaration;
use probe::{MarkDeclaration, MarkId, PlantDeclaration};
use serde_json::{Map, Value};
use sim::EngineKind;
use sim::fault::{Settings, TimedFault};
use sim::seed::Draws;
use sim::trace::Event;

use crate::opaque::Opaque;
use crate::outcome::{Outcome, perform};
use crate::plan::{Contradiction, Plan, PlanError, load_plan};
use crate::plant::PlantedBug;
use crate::run::{RunOptions, Watch, run};
use crate::stored::StoredPlan;
use crate::system::{Format, Group, Limit, OwnFault, Role, Scenario, System, Weight};

/// Where in a piece of JSON something is wrong, and what was expected.
pub type Misfit = (String, String);

/// A [`System`] whose types nobody needs to know. Every system is one; nothing else is.
pub trait AnySystem: Send + Sync + 'static {
    /// See [`System::name`].
    fn name(&self) -> &'static str;
    /// See [`System::about`].
    fn about(&self) -> &'static str;
    /// See [`System::groups`].
    fn groups(&self) -> &'static [Group];
    /// See [`System::roles`].
    fn roles(&self) -> &'static [Role];
    /// See [`System::is_role`].
    fn is_role(&self, name: &str) -> bool;
    /// See [`System::scenarios`].
    fn scenarios(&self) -> &'static [Scenario];
    /// See [`System::checked_files`].
    fn checked_files(&self) -> &'static [&'static str];

    /// See [`System::tells_damage`].
    fn tells_damage(&self) -> bool;
    /// See [`System::upgrade`].
    fn upgrade(&self) -> Option<fn(&mut Draws) -> Settings>;
    /// See [`System::crash_points`].
    fn crash_points(&self) -> &'static [&'static str];
    /// See [`System::marks`].
    fn marks(&self) -> &'static [MarkDeclaration];
    /// See [`System::plants`].
    fn plants(&self) -> &'static [PlantDeclaration];
    /// See [`System::planted_bugs`].
    fn planted_bugs(&self) -> &'static [PlantedBug];
    /// See [`System::kinds`].
    fn kinds(&self) -> &'static [&'static str];
    /// See [`System::figure_declarations`].
    fn figure_declarations(&self) -> Vec<FigureDeclaration>;
    /// The names and sources of [`System::properties`].
    fn property_sources(&self) -> Vec<(&'static str, &'static str)>;
    /// See [`System::guarantee_names`].
    fn guarantee_names(&self) -> Vec<&'static str>;
    /// See [`System::formats`].
    fn formats(&self) -> &'static [Format];
    /// See [`System::build`].
    fn build(&self) -> &'static str;
    /// See [`System::corpus`].
    fn corpus(&self) -> &'static [(&'static str, &'static str)];
    /// See [`System::finds`].
    fn finds(&self) -> &'static [(&'static str, &'static str)];
    /// See [`System::canary`].
    fn canary(&self) -> Option<&'static str>;

    /// Runs a valid plan of the system and judges it.
    fn perform(&'static self, plan: &Plan, options: &RunOptions<'_>) -> Outcome;
    /// Runs a valid plan without judging it: the hash of its trace, and the events that are kept.
    fn trace(&'static self, plan: &Plan, options: &RunOptions<'_>) -> (u64, Vec<Event>);

    /// A setup from JSON.
    ///
    /// # Errors
    /// Where it is none, and why.
    fn read_setup(&self, json: &Value) -> Result<Opaque, Misfit>;
    /// An operation from JSON.
    ///
    /// # Errors
    /// As [`AnySystem::read_setup`].
    fn read_operation(&self, json: &Value) -> Result<Opaque, Misfit>;
    /// See [`System::check_setup`].
    ///
    /// # Errors
    /// The first value that cannot be.
    fn check_setup(&self, plan: &Plan) -> Result<(), Contradiction>;
    /// See [`System::check_operation`].
    ///
    /// # Errors
    /// The first value that cannot be.
    fn check_operation(&self, plan: &Plan, operation: &Opaque) -> Result<(), Contradiction>;
    /// See [`System::sends_datagrams`].
    fn sends_datagrams(&self) -> bool;
    /// See [`System::own_faults`].
    fn own_faults(&self) -> &'static [OwnFault];
    /// See [`System::check_fault`].
    ///
    /// # Errors
    /// The first value that cannot be.
    fn check_fault(&self, plan: &Plan, fault: &TimedFault) -> Result<(), Contradiction>;
    /// See [`System::modernise`].
    fn modernise(&self, format: u64, plan: &mut Map<String, Value>);
    /// See [`System::is_read`].
    fn is_read(&self, operation: &Opaque) -> bool;
    /// See [`System::objects`].
    fn objects(&self, operation: &Opaque) -> Vec<String>;
    /// See [`System::lasts`].
    fn lasts(&self, operation: &Opaque) -> bool;
    /// See [`System::limits`].
    fn limits(&self) -> &'static [Limit];
    /// See [`System::weight`].
    fn weight(&self) -> Option<&'static Weight>;
    /// See [`System::plainer`].
    fn plainer(&self, plan: &Plan) -> Vec<Plan>;
}

impl<S: System> AnySystem for S {
    fn name(&self) -> &'static str {
        System::name(self)
    }

    fn about(&self) -> &'static str {
        System::about(self)
    }

    fn groups(&self) -> &'static [Group] {
        System::groups(self)
    }

    fn roles(&self) -> &'static [Role] {
        System::roles(self)
    }

    fn is_role(&self, name: &str) -> bool {
        System::is_role(self, name)
    }

    fn scenarios(&self) -> &'static [Scenario] {
        System::scenarios(self)
    }

    fn checked_files(&self) -> &'static [&'static str] {
        System::checked_files(self)
    }

    fn tells_damage(&self) -> bool {
        System::tells_damage(self)
    }

    fn upgrade(&self) -> Option<fn(&mut Draws) -> Settings> {
        System::upgrade(self)
    }

    fn crash_points(&self) -> &'static [&'static str] {
        System::crash_points(self)
    }

    fn marks(&self) -> &'static [MarkDeclaration] {
        System::marks(self)
    }

    fn plants(&self) -> &'static [PlantDeclaration] {
        System::plants(self)
    }

    fn planted_bugs(&self) -> &'static [PlantedBug] {
        System::planted_bugs(self)
    }

    fn kinds(&self) -> &'static [&'static str] {
        System::kinds(self)
    }

    fn figure_declarations(&self) -> Vec<FigureDeclaration> {
        System::figure_declarations(self)
    }

    fn property_sources(&self) -> Vec<(&'static str, &'static str)> {
        self.properties().iter().map(|property| (property.name, property.source)).collect()
    }

    fn guarantee_names(&self) -> Vec<&'static str> {
        System::guarantee_names(self)
    }

    fn formats(&self) -> &'static [Format] {
        System::formats(self)
    }

    fn build(&self) -> &'static str {
        System::build(self)
    }

    fn corpus(&self) -> &'static [(&'static str, &'static str)] {
        System::corpus(self)
    }

    fn finds(&self) -> &'static [(&'static str, &'static str)] {
        System::finds(self)
    }

    fn canary(&self) -> Option<&'static str> {
        System::canary(self)
    }

    fn perform(&'static self, plan: &Plan, options: &RunOptions<'_>) -> Outcome {
        perform(self, plan, options)
    }

    fn trace(&'static self, plan: &Plan, options: &RunOptions<'_>) -> (u64, Vec<Event>) {
        let finished = run(self, plan, options);
        (finished.record.trace_hash, finished.trace)
    }

    fn read_setup(&self, json: &Value) -> Result<Opaque, Misfit> {
        let setup: Result<S::Setup, _> = serde_path_to_error::deserialize(json);
        setup.map(Opaque::new).map_err(|error| {
            let path = error.path().to_string();
            (if path == "." { String::new() } else { path }, error.inner().to_string())
        })
    }

    fn read_operation(&self, json: &Value) -> Result<Opaque, Misfit> {
        let operation: Result<S::Operation, _> = serde_json::from_value(json.clone());
        operation.map(Opaque::new).map_err(|error| (String::new(), error.to_string()))
    }

    fn check_setup(&self, plan: &Plan) -> Result<(), Contradiction> {
        System::check_setup(self, plan.setup())
    }

    fn check_operation(&self, plan: &Plan, operation: &Opaque) -> Result<(), Contradiction> {
        System::check_operation(self, plan, operation.get())
    }

    fn sends_datagrams(&self) -> bool {
        System::sends_datagrams(self)
    }

    fn own_faults(&self) -> &'static [OwnFault] {
        System::own_faults(self)
    }

    fn check_fault(&self, plan: &Plan, fault: &TimedFault) -> Result<(), Contradiction> {
        System::check_fault(self, plan, fault)
    }

    fn modernise(&self, format: u64, plan: &mut Map<String, Value>) {
        System::modernise(self, format, plan);
    }

    fn is_read(&self, operation: &Opaque) -> bool {
        System::is_read(self, operation.get())
    }

    fn objects(&self, operation: &Opaque) -> Vec<String> {
        System::objects(self, operation.get())
    }

    fn lasts(&self, operation: &Opaque) -> bool {
        System::lasts(self, operation.get())
    }

    fn limits(&self) -> &'static [Limit] {
        System::limits(self)
    }

    fn weight(&self) -> Option<&'static Weight> {
        System::weight(self)
    }

    fn plainer(&self, plan: &Plan) -> Vec<Plan> {
        System::plainer(self, plan)
    }
}

/// The systems that a program knows. A plan that names none is the first one's.
#[derive(Clone, Copy)]
pub struct Systems(pub &'static [&'static dyn AnySystem]);

impl PartialEq for Systems {
    fn eq(&self, other: &Systems) -> bool {
        self.all().map(AnySystem::name).eq(other.all().map(AnySystem::name))
    }
}

impl fmt::Debug for Systems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all().map(AnySystem::name)).finish()
    }
}

/// A scenario and the system that it is of.
#[derive(Clone, Copy)]
pub struct ScenarioOf {
    /// The system that the scenario is of.
    pub system: &'static dyn AnySystem,
    /// One of that system's scenarios.
    pub scenario: &'static Scenario,
}

impl ScenarioOf {
    /// The scenario's name, as the command line spells it: `keeper/register`.
    pub fn name(&self) -> &'static str {
        self.scenario.name
    }

    /// The plan of a seed for that engine, without the faults that it lacks.
    pub fn plan(&self, seed: u64, engine: EngineKind) -> Plan {
        let mut plan = Plan { engine, ..(self.scenario.plan)(seed) };
        plan.faults.retain(|timed| timed.fault.kind().engines().contains(&engine));
        plan
    }
}

impl Systems {
    /// Every system of the list, in its order.
    pub fn all(self) -> impl Iterator<Item = &'static dyn AnySystem> {
        self.0.iter().copied()
    }

    /// The system of that name.
    pub fn named(self, name: &str) -> Option<&'static dyn AnySystem> {
        self.all().find(|system| system.name() == name)
    }

    /// The system that a plan is of.
    ///
    /// # Panics
    /// If it is none of these: plans are checked when they are loaded.
    pub fn of(self, plan: &Plan) -> &'static dyn AnySystem {
        self.named(&plan.system).unwrap_or_else(|| {
            panic!("plans are checked when they are loaded: there is no system {}", plan.system)
        })
    }

    /// Every scenario, system by system.
    pub fn scenarios(self) -> impl Iterator<Item = ScenarioOf> {
        self.all().flat_map(|system| {
            system.scenarios().iter().map(move |scenario| ScenarioOf { system, scenario })
        })
    }

    /// The scenario of that name.
    pub fn scenario(self, name: &str) -> Option<ScenarioOf> {
        self.scenarios().find(|of| of.name() == name)
    }

    /// Runs a valid plan and judges it.
    pub fn perform(self, plan: &Plan, options: &RunOptions<'_>) -> Outcome {
        self.of(plan).perform(plan, options)
    }

    /// Reads a plan and checks that it makes sense. `path` is for messages only.
    ///
    /// # Errors
    /// When the bytes are no plan, or one that this build cannot run.
    pub fn load(self, bytes: &[u8], path: &str) -> Result<Plan, PlanError> {
        load_plan(self, bytes, path)
    }

    /// The plans of every corpus, in the order of systems and names.
    ///
    /// # Panics
    /// If one is no plan that this build can run.
    pub fn corpus(self) -> Vec<StoredPlan> {
        self.all().flat_map(|system| StoredPlan::load(self, system.corpus())).collect()
    }

    /// The stored finds of every system, as [`Systems::corpus`].
    ///
    /// # Panics
    /// If one is no plan that this build can run.
    pub fn finds(self) -> Vec<StoredPlan> {
        self.all().flat_map(|system| StoredPlan::load(self, system.finds())).collect()
    }

    /// The planted bugs of every system.
    pub fn planted_bugs(self) -> Vec<&'static PlantedBug> {
        self.all().flat_map(|system| system.planted_bugs()).collect()
    }

    /// The planted bug of that name.
    pub fn planted_bug(self, name: &str) -> Option<&'static PlantedBug> {
        self.planted_bugs().into_iter().find(|bug| bug.name == name)
    }

    /// The names of everything that runs are judged by, each once: properties first, then guarantees.
    pub fn property_names(self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = Vec::new();
        for system in self.all() {
            let own = system.property_sources().into_iter().map(|(name, _)| name);
            for name in own.chain(system.guarantee_names()) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// The name of a mark that a run of this scenario hit.
    pub fn mark_name(self, scenario: &str, mark: MarkId) -> &'static str {
        let of = self.scenario(scenario);
        let declared = of.and_then(|of| of.system.marks().get(mark.index()));
        declared.map_or("unknown", |declared| declared.name)
    }

    /// The build: that of the first system. One program is one build.
    pub fn build(self) -> &'static str {
        self.0.first().map_or_else(crate::build::of_this_program, |system| system.build())
    }
}

/// Performs a plan once more to see what the first time could not afford to keep: more of the trace
/// and what hosts said. `seen` is how the first time ended.
///
/// # Errors
/// The run ended with another trace: it is not deterministic. Both hashes, in words.
pub fn look_closer(
    systems: Systems,
    plan: &Plan,
    seen: &Outcome,
    watch: Watch,
) -> Result<Outcome, String> {
    // No more than the first time saw: that one may have been cut off.
    let events_max = Some(seen.stats.events);
    let options = RunOptions { watch: Some(watch), events_max, ..RunOptions::default() };
    let closer = systems.perform(plan, &options);
    if closer.trace_hash == seen.trace_hash {
        return Ok(closer);
    }
    let (first, second) = (seen.trace_hash, closer.trace_hash);
    Err(format!("a second run ended with trace {second:016x}, the first with {first:016x}"))
}
