//! Whether a plan makes sense: everything that a run takes for granted.

use sim::fault::{Fault, MarkTarget, Target, TimedFault};
use thiserror::Error;

use super::{PLAN_FORMAT, Plan, PlannedOperation};
use crate::any::{AnySystem, Systems};
use crate::sabotage::Sabotage;
use crate::system::Group;

/// The most hosts of one group.
const HOSTS_MAX: u32 = 99;

/// A value that does not fit the rest of its plan.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field}: {message}")]
pub struct Contradiction {
    /// Where, as in `faults[2].until_ms`.
    pub field: String,
    /// What is wrong, and what was expected.
    pub message: String,
}

/// Checks a plan.
///
/// # Errors
/// The first value that does not fit the rest.
pub fn validate(systems: Systems, plan: &Plan) -> Result<(), Contradiction> {
    if plan.format != PLAN_FORMAT {
        let message = format!("{}, but this build reads {PLAN_FORMAT}", plan.format);
        return wrong("format", message);
    }
    let Some(system) = systems.named(&plan.system) else {
        let known = systems.all().map(AnySystem::name).collect::<Vec<_>>().join(", ");
        return wrong("system", format!("there is no `{}`; there are {known}", plan.system));
    };
    if !system.scenarios().iter().any(|scenario| scenario.name == plan.scenario) {
        let known = system.scenarios().iter().map(|scenario| scenario.name);
        let known = known.collect::<Vec<_>>().join(", ");
        return wrong("scenario", format!("there is no `{}`; there are {known}", plan.scenario));
    }
    if let Some(name) = &plan.plant
        && !system.plants().iter().any(|plant| plant.name == name)
        && Sabotage::named(name).is_none()
    {
        let own = system.plants().iter().map(|plant| plant.name);
        let known = own.chain(Sabotage::ALL.map(Sabotage::name)).collect::<Vec<_>>().join(", ");
        return wrong("plant", format!("there is no `{name}`; there are {known}"));
    }
    if !plan.engine.is_built_in() {
        return wrong("engine", format!("{}, which this build does not have", plan.engine));
    }
    hosts(system, plan)?;
    numbers(plan)?;
    system.check_setup(plan).map_err(|error| error.within_field("setup"))?;
    for (index, operation) in plan.operations.iter().enumerate() {
        check_operation(system, plan, operation)
            .map_err(|error| error.inside("operations", index))?;
    }
    let check = FaultCheck { system, plan };
    for (index, fault) in plan.faults.iter().enumerate() {
        check.check(fault).map_err(|error| error.inside("faults", index))?;
    }
    Ok(())
}

impl Contradiction {
    /// The same within an element of a list.
    #[must_use]
    pub fn inside(self, list: &str, index: usize) -> Contradiction {
        self.within_field(&format!("{list}[{index}]"))
    }

    /// The same within a field.
    #[must_use]
    pub fn within_field(self, outer: &str) -> Contradiction {
        Contradiction { field: format!("{outer}.{}", self.field), message: self.message }
    }
}

/// A field that cannot be so.
///
/// # Errors
/// Always.
pub fn wrong<T>(field: &str, message: impl Into<String>) -> Result<T, Contradiction> {
    Err(Contradiction { field: field.to_owned(), message: message.into() })
}

/// Checks that a number lies between two others, both included.
///
/// # Errors
/// It does not.
pub fn within(field: &str, value: u64, low: u64, high: u64) -> Result<(), Contradiction> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    wrong(field, format!("{value}, expected {low} to {high}"))
}

/// Each group of the system, and no other, has as many hosts as it needs.
fn hosts(system: &dyn AnySystem, plan: &Plan) -> Result<(), Contradiction> {
    for group in system.groups() {
        let field = format!("topology.{}", group.name);
        let count = plan.count(group.name);
        within(&field, count.into(), group.hosts_min.into(), HOSTS_MAX.into())?;
    }
    let is_known = |name: &String| system.groups().iter().any(|group| group.name == name);
    match plan.topology.keys().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => {
            let known = system.groups().iter().map(|group| group.name).collect::<Vec<_>>();
            let known = known.join(", ");
            wrong(&format!("topology.{name}"), format!("unknown field, expected {known}"))
        }
    }
}

fn numbers(plan: &Plan) -> Result<(), Contradiction> {
    let conditions = &plan.conditions;
    within("conditions.latency_max_ms", conditions.latency_max_ms, 1, 60_000)?;
    within("conditions.latency_min_ms", conditions.latency_min_ms, 1, conditions.latency_max_ms)?;
    within("conditions.fsync_us", conditions.fsync_us, 0, 60_000_000)?;
    within("chaos_ms", plan.chaos_ms, 1, 86_400_000)?;
    within("heal_ms", plan.heal_ms, 1, 86_400_000)
}

fn check_operation(
    system: &dyn AnySystem,
    plan: &Plan,
    operation: &PlannedOperation,
) -> Result<(), Contradiction> {
    let mut groups = system.groups().iter();
    let clients = groups.find(|group| group.is_client).map_or(0, |group| plan.count(group.name));
    if !(1..=clients).contains(&operation.client) {
        return wrong("client", format!("client {} of {clients}", operation.client));
    }
    if operation.at_ms > plan.chaos_ms {
        let message = format!("{}, but chaos_ms is {}", operation.at_ms, plan.chaos_ms);
        return wrong("at_ms", message);
    }
    system.check_operation(plan, &operation.action)
}

/// What faults are checked against.
struct FaultCheck<'a> {
    system: &'static dyn AnySystem,
    plan: &'a Plan,
}

impl FaultCheck<'_> {
    fn check(&self, timed: &TimedFault) -> Result<(), Contradiction> {
        let plan = self.plan;
        if timed.at_ms >= plan.chaos_ms {
            let message = format!("{}, but chaos_ms is {}", timed.at_ms, plan.chaos_ms);
            return wrong("at_ms", message);
        }
        if let Some(until_ms) = timed.until_ms
            && until_ms < timed.at_ms
        {
            return wrong("until_ms", format!("{until_ms} is before at_ms {}", timed.at_ms));
        }
        let engines = timed.fault.kind().engines();
        if !engines.contains(&plan.engine) {
            let kind = timed.fault.kind().tag();
            let have = engines.iter().map(ToString::to_string).collect::<Vec<_>>();
            let (have, engine) = (have.join(", "), plan.engine);
            return wrong(
                "kind",
                format!("{kind} is a fault of {have} alone, the plan's engine is {engine}"),
            );
        }
        if timed.fault.is_amnesia() {
            self.amnesia(timed)?;
        }
        if let Some(place) = &timed.when {
            self.mark("when", place)?;
            if let Some(Target::Mark(target)) = timed.fault.target() {
                let message = format!("{target}, but it waits for {place} already; expected here");
                return wrong("target", message);
            }
        }
        timed.check().or_else(|(field, message)| wrong(field, message))?;
        let mut checked = Ok(());
        timed.fault.for_targets(&mut |field, target| {
            if checked.is_ok() {
                checked = self.target(timed, field, target);
            }
        });
        checked?;
        self.own(&timed.fault)?;
        self.system.check_fault(plan, timed)
    }

    /// A fault of a system's own kind is one that it declares, of a host that knows it.
    fn own(&self, fault: &Fault) -> Result<(), Contradiction> {
        let Fault::Own { name, target, amount } = fault else { return Ok(()) };
        let declared = self.system.own_faults();
        let Some(of) = declared.iter().find(|of| of.name == name) else {
            let names: Vec<&str> = declared.iter().map(|of| of.name).collect();
            let expected = match names[..] {
                [] => format!("but system {} declares no kinds of its own", self.system.name()),
                _ => format!("expected {}", names.join(" or ")),
            };
            return wrong("name", format!("`{name}`, {expected}"));
        };
        if *amount > of.amount.1 {
            return wrong("amount", format!("{amount}, expected at most {}", of.amount.1));
        }
        let knows = |host: &str| {
            let mut groups = self.system.groups().iter();
            groups.any(|group| group.name == of.group && group.number(host).is_some())
        };
        match target {
            Target::Named(host) if !knows(host) && !self.system.is_role(host) => {
                wrong("target", format!("{host}, expected one of the {}", of.group))
            }
            _ => Ok(()),
        }
    }

    /// What makes a server forget strikes a server that could be replaced.
    fn amnesia(&self, timed: &TimedFault) -> Result<(), Contradiction> {
        let fault = &timed.fault;
        let roles = self.system.roles();
        let named = fault.target().and_then(|target| match target {
            Target::Named(name) => Some((target, name.as_str())),
            other => Some((other, other.role()?)),
        });
        if let Some((target, role)) = named
            && roles.iter().any(|other| other.name == role && !other.may_forget)
        {
            let allowed = roles.iter().filter(|role| role.may_forget);
            let allowed: Vec<String> = allowed.map(|role| format!("{}:0", role.name)).collect();
            let message = format!(
                "{target}, but only who could be replaced may forget; expected {}",
                [self.first_server()].into_iter().chain(allowed).collect::<Vec<_>>().join(" or ")
            );
            return wrong("target", message);
        }
        if let Some(Target::Named(name)) = fault.target()
            && self.groups().any(|group| group.is_client && group.number(name).is_some())
        {
            return wrong("target", format!("{name} is a client, expected a server"));
        }
        match fault {
            Fault::Restore { taken_ms, .. } if *taken_ms > timed.at_ms => {
                wrong("taken_ms", format!("{taken_ms} is after at_ms {}", timed.at_ms))
            }
            _ => Ok(()),
        }
    }

    fn target(
        &self,
        timed: &TimedFault,
        field: &str,
        target: &Target,
    ) -> Result<(), Contradiction> {
        let name = match target {
            Target::Named(name) => name,
            Target::Mark(target) => return self.mark(field, target),
            Target::Here if timed.when.is_none() => {
                let message =
                    "nothing, but the fault strikes `here`: expected mark:log-unsynced#3@leader";
                return wrong("when", message);
            }
            Target::Here => return Ok(()),
            Target::Nth(role, _) | Target::Since(role, _) => {
                let is_role = self.system.roles().iter().any(|other| other.name == role);
                return match is_role {
                    true => Ok(()),
                    false => wrong(field, format!("there is no role `{role}`{}", self.expected())),
                };
            }
        };
        let is_host = self.groups().any(|group| self.has(group, name));
        let is_role = self.system.roles().iter().any(|role| role.name == name);
        if is_host || is_role {
            return Ok(());
        }
        wrong(field, format!("there is no host `{name}`{}", self.expected()))
    }

    fn mark(&self, field: &str, target: &MarkTarget) -> Result<(), Contradiction> {
        let name = &target.mark;
        if !self.system.marks().iter().any(|mark| mark.name == name) {
            let message = format!("there is no mark `{name}`; squall list marks has them");
            return wrong(field, message);
        }
        let Some(of) = &target.of else { return Ok(()) };
        let is_server = self.servers().any(|group| self.has(group, of));
        if is_server || self.system.is_role(of) {
            return Ok(());
        }
        let servers = self.servers().map(|group| self.all_of(group)).chain(self.roles());
        let servers = servers.collect::<Vec<_>>().join(", ");
        wrong(field, format!("`{target}`: `{of}` is no server, expected {servers}"))
    }

    fn groups(&self) -> impl Iterator<Item = &'static Group> {
        self.system.groups().iter()
    }

    fn servers(&self) -> impl Iterator<Item = &'static Group> {
        self.groups().filter(|group| !group.is_client)
    }

    fn has(&self, group: &Group, name: &str) -> bool {
        let count = self.plan.count(group.name);
        group.number(name).is_some_and(|number| (1..=count).contains(&number))
    }

    fn first_server(&self) -> String {
        self.servers().next().map_or_else(String::new, |group| group.host(1))
    }

    /// `n1 to n3`.
    fn all_of(&self, group: &Group) -> String {
        let last = group.host(self.plan.count(group.name));
        format!("{} to {last}", group.host(1))
    }

    fn roles(&self) -> impl Iterator<Item = String> {
        self.system.roles().iter().map(|role| role.name.to_owned())
    }

    /// `, expected n1 to n3, c1 to c5, leader, follower; a role also as leader:1 or leader+30, or
    /// mark:NAME`.
    fn expected(&self) -> String {
        let hosts = self.groups().map(|group| self.all_of(group));
        let all: Vec<String> = hosts.chain(self.roles()).collect();
        let by_role = self.system.roles().first().map_or_else(String::new, |role| {
            format!("; a role also as {0}:1 or {0}+30", role.name)
        });
        format!(", expected {}{by_role}, or mark:NAME", all.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use sim::EngineKind;
    use sim::clock::Clock;

    use super::*;
    use crate::model::RegisterOperation;
    use crate::testing::{SYSTEMS, StoreSetup, plan, plan_in};

    fn complaint(change: impl FnOnce(&mut Plan)) -> String {
        let mut plan = plan();
        change(&mut plan);
        validate(SYSTEMS, &plan).unwrap_err().to_string()
    }

    fn with_fault(at_ms: u64, until_ms: Option<u64>, fault: Fault) -> String {
        complaint(|plan| plan.faults = vec![TimedFault::new(at_ms, until_ms, fault)])
    }

    fn host(name: &str) -> Target {
        Target::named(name)
    }

    #[test]
    fn a_generated_plan_makes_sense() {
        for seed in 0..30 {
            assert_eq!(validate(SYSTEMS, &plan_in(seed, seed)), Ok(()), "{seed}");
        }
    }

    #[test]
    fn names_that_do_not_exist_are_named() {
        let scenario = complaint(|plan| plan.scenario = "store/chess".to_owned());
        assert!(scenario.starts_with("scenario: there is no `store/chess`; there are store/"));
        let system = complaint(|plan| plan.system = "shop".to_owned());
        assert_eq!(system, "system: there is no `shop`; there are store");
        let plant = complaint(|plan| plan.plant = Some("tulip".to_owned()));
        let expected = "plant: there is no `tulip`; there are acks-before-sync, reads-old, \
                        wall-clock, thread, panic, harness-panic, spin";
        assert_eq!(plant, expected);
        assert!(complaint(|plan| plan.format = 9).starts_with("format: 9"));
    }

    #[test]
    fn operations_that_do_not_fit_are_named() {
        let client = complaint(|plan| plan.operations[3].client = 9);
        assert_eq!(client, "operations[3].client: client 9 of 3");
        let late = complaint(|plan| plan.operations[0].at_ms = plan.chaos_ms + 1);
        assert!(late.starts_with("operations[0].at_ms: "), "{late}");
        let nothing = complaint(|plan| {
            let get = RegisterOperation::Get { key: String::new() };
            plan.operations[1] = PlannedOperation::new(1, 1, get);
        });
        assert_eq!(nothing, "operations[1].key: nothing, expected a name");
    }

    #[test]
    fn faults_that_do_not_fit_are_named() {
        let crash = |name| Fault::Crash { target: host(name) };
        let nobody = with_fault(1, None, crash("n9"));
        let expected = "faults[0].target: there is no host `n9`, expected n1 to n3, c1 to c3, \
                        leader, follower, learner; a role also as leader:1 or leader+30, or \
                        mark:NAME";
        assert_eq!(nobody, expected);
        let unknown = with_fault(1, None, crash("mark:tea-time"));
        assert!(unknown.starts_with("faults[0].target: there is no host `mark:tea-time`"));
        let at = |text: &str| Fault::Crash { target: Target::from(text.to_owned()) };
        let unknown = with_fault(1, None, at("chief:2"));
        assert!(unknown.starts_with("faults[0].target: there is no role `chief`"), "{unknown}");
        let unknown = with_fault(1, None, at("mark:tea-time#2"));
        assert!(unknown.starts_with("faults[0].target: there is no mark `tea-time`"), "{unknown}");
        let stranger = with_fault(1, None, at("mark:log-synced@n7"));
        let expected = "`n7` is no server, expected n1 to n3, leader, follower, learner";
        assert!(stranger.ends_with(expected), "{stranger}");
        let client = with_fault(1, None, at("mark:log-synced@c1"));
        assert!(client.contains("`c1` is no server"), "{client}");
        let uncounted = with_fault(1, None, at("mark:log-synced#0"));
        assert!(uncounted.contains("there is no host `mark:log-synced#0`"), "{uncounted}");
        let sides = vec![vec![Target::from("mark:log-synced".to_owned())], vec![host("n1")]];
        let listed = with_fault(1, None, Fault::Partition { sides, reset_on_heal: 0.0 });
        assert!(listed.contains("expected here, and the mark as the fault's `when`"), "{listed}");
        let triggered = |when: &str, fault| {
            let when = MarkTarget::parse(when);
            let timed = TimedFault { when, ..TimedFault::new(1, None, fault) };
            complaint(|plan| plan.faults = vec![timed])
        };
        let isolated = || Fault::Isolate { who: host("leader"), reset_on_heal: 0.0 };
        let unknown = triggered("mark:tea-time", isolated());
        assert!(unknown.starts_with("faults[0].when: there is no mark `tea-time`"), "{unknown}");
        let twice = triggered("mark:log-synced", at("mark:log-synced@n1"));
        assert!(twice.starts_with("faults[0].target: mark:log-synced@n1, but"), "{twice}");
        let sides = vec![vec![Target::Here], vec![host("n1")]];
        let nowhere = with_fault(1, None, Fault::Partition { sides, reset_on_heal: 0.0 });
        assert!(nowhere.starts_with("faults[0].when: nothing, but the fault strikes"), "{nowhere}");
        let before = with_fault(9, Some(3), crash("n1"));
        assert_eq!(before, "faults[0].until_ms: 3 is before at_ms 9");
        let late = with_fault(90_000, None, crash("n1"));
        assert!(late.starts_with("faults[0].at_ms: 90000"), "{late}");
        let (target, of) = (host("n1"), Clock::Both);
        let backward = with_fault(1, None, Fault::ClockDrift { target, ppm: -1_000_000, of });
        assert!(backward.starts_with("faults[0].ppm: -1000000, expected -900000"), "{backward}");
        let (target, every_ms) = (host("n1"), Some(0));
        let still = with_fault(1, None, Fault::ClockJump { target, by_ms: 1, every_ms });
        assert!(still.starts_with("faults[0].every_ms: 0"), "{still}");
        let sides = vec![vec![host("n1")]];
        let lonely = with_fault(1, None, Fault::Partition { sides, reset_on_heal: 0.0 });
        assert!(lonely.contains("expected two or more"), "{lonely}");
        let who = host("leader");
        let certain = with_fault(1, None, Fault::Isolate { who, reset_on_heal: 2.0 });
        assert!(certain.contains("a probability"), "{certain}");
        let whom = with_fault(1, None, Fault::Isolate { who: host("n8"), reset_on_heal: 0.0 });
        assert!(whom.starts_with("faults[0].who: there is no host `n8`"), "{whom}");
        let (from, to) = (Vec::new(), vec![host("n1")]);
        let from_nobody = with_fault(1, None, Fault::SlowLink { from, to, extra_ms: 1 });
        assert!(from_nobody.starts_with("faults[0].from: nobody"), "{from_nobody}");
        let settings = [("colour".to_owned(), 1)].into();
        let restart = Fault::Restart { targets: vec![host("n1")], down_ms: 1, gap_ms: 1, settings };
        assert_eq!(with_fault(1, None, restart), "faults[0].colour: unknown field");
    }

    #[test]
    fn faults_that_the_engine_lacks_and_amnesia_of_whom_it_may_not_strike_are_named() {
        let (from, to) = (vec![host("n1")], vec![host("n2")]);
        let flaky = |loss| Fault::FlakyLink { from: from.clone(), to: to.clone(), loss };
        let much = with_fault(1, None, flaky(1.5));
        assert!(much.starts_with("faults[0].loss: 1.5, expected a probability"), "{much}");
        if EngineKind::Turmoil.is_built_in() {
            let lacking = complaint(|plan| {
                plan.engine = EngineKind::Turmoil;
                plan.faults = vec![TimedFault::new(1, None, flaky(0.5))];
            });
            let expected = "faults[0].kind: flaky_link is a fault of engine alone, the plan's \
                            engine is turmoil";
            assert_eq!(lacking, expected);
        }
        let wipe = |target| with_fault(1, None, Fault::Wipe { target });
        let expected = "faults[0].target: leader, but only who could be replaced may forget; \
                        expected n1 or follower:0";
        assert_eq!(wipe(host("leader")), expected);
        let learner = Target::Since("learner".to_owned(), 5);
        assert!(wipe(learner).starts_with("faults[0].target: learner+5, but only"));
        assert_eq!(wipe(host("c1")), "faults[0].target: c1 is a client, expected a server");
        let rot = |file: &str, sectors| {
            with_fault(1, None, Fault::Rot { target: host("n1"), file: file.to_owned(), sectors })
        };
        assert!(rot("currentEpoch", 1).starts_with("faults[0].file: `currentEpoch`, expected"));
        assert_eq!(rot("log", 0), "faults[0].sectors: 0, expected 1 to 1000000");
        let restore = Fault::Restore { target: host("n1"), taken_ms: 9 };
        assert_eq!(with_fault(5, None, restore), "faults[0].taken_ms: 9 is after at_ms 5");
        let narrow = Fault::Bandwidth { from, to, bytes_per_s: 0 };
        assert!(with_fault(5, None, narrow).starts_with("faults[0].bytes_per_s: 0, expected 1"));
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let hosts = |group: &str, count| {
            complaint(|plan| plan.topology.extend([(group.to_owned(), count)]))
        };
        assert!(hosts("servers", 0).starts_with("topology.servers: 0"));
        let gone = complaint(|plan| plan.topology.retain(|group, _| group == "servers"));
        assert_eq!(gone, "topology.clients: 0, expected 1 to 99");
        let unknown = hosts("observers", 3);
        assert_eq!(unknown, "topology.observers: unknown field, expected servers, clients");
        assert!(complaint(|plan| plan.chaos_ms = 0).starts_with("chaos_ms"));
        assert!(complaint(|plan| plan.heal_ms = 0).starts_with("heal_ms"));
        let values = complaint(|plan| {
            plan.change_setup(|setup: &mut StoreSetup| setup.value_bytes = 1 << 20);
        });
        assert_eq!(values, "setup.value_bytes: 1048576, expected 0 to 262144");
        let latency = complaint(|plan| plan.conditions.latency_min_ms = 99);
        assert!(latency.starts_with("conditions.latency_min_ms: 99, expected 1 to"), "{latency}");
    }
}
