//! Whether a plan makes sense: everything that a run takes for granted.

use std::ops::RangeInclusive;

use keeper_core::instruments::Plant;
use keeper_core::log::purge::SNAPSHOTS_MIN;
use keeper_core::marks::Mark;
use sim::cluster::plan::{Action, PLAN_FORMAT, Part, Plan, PlannedOperation};
use sim::cluster::run::kind_of;
use sim::fault::{Fault, MarkTarget, Target, TimedFault, Whose};
use thiserror::Error;

use crate::registry::{SCENARIOS, scenario};

/// The most servers or clients of one plan.
const HOSTS_MAX: u32 = 99;
/// A multi of a few such values is still within `jute.maxbuffer`.
const VALUE_BYTES_MAX: u64 = 256 << 10;

/// How the names of files begin whose content has a checksum. Damage of the epoch files, which are
/// bare numbers, could not be told from another epoch, by ZooKeeper neither.
const CHECKED_FILES: [&str; 2] = ["log.", "snapshot."];

/// By how much a clock's rate may be off, in millionths: from a tenth of the true rate to ten times
/// that.
const DRIFT_PPM: RangeInclusive<i64> = -900_000..=9_000_000;

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
pub fn validate(plan: &Plan) -> Result<(), Contradiction> {
    if plan.format != PLAN_FORMAT {
        let message = format!("{}, but this build reads {PLAN_FORMAT}", plan.format);
        return wrong("format", message);
    }
    if scenario(&plan.scenario).is_none() {
        let known = SCENARIOS.map(|scenario| scenario.name).join(", ");
        return wrong("scenario", format!("there is no `{}`; there are {known}", plan.scenario));
    }
    if let Some(name) = &plan.plant
        && Plant::named(name).is_none()
    {
        let known = Plant::ALL.iter().map(|plant| plant.name()).collect::<Vec<_>>().join(", ");
        return wrong("plant", format!("there is no `{name}`; there are {known}"));
    }
    numbers(plan)?;
    for (index, operation) in plan.operations.iter().enumerate() {
        check_operation(plan, operation).map_err(|error| error.inside("operations", index))?;
    }
    for (index, fault) in plan.faults.iter().enumerate() {
        check_fault(plan, fault).map_err(|error| error.inside("faults", index))?;
    }
    Ok(())
}

impl Contradiction {
    fn inside(self, list: &str, index: usize) -> Contradiction {
        let field = format!("{list}[{index}].{}", self.field);
        Contradiction { field, message: self.message }
    }
}

fn wrong<T>(field: &str, message: impl Into<String>) -> Result<T, Contradiction> {
    Err(Contradiction { field: field.to_owned(), message: message.into() })
}

fn within(field: &str, value: u64, low: u64, high: u64) -> Result<(), Contradiction> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    wrong(field, format!("{value}, expected {low} to {high}"))
}

fn numbers(plan: &Plan) -> Result<(), Contradiction> {
    let (topology, ensemble, conditions) = (&plan.topology, &plan.ensemble, &plan.conditions);
    within("topology.servers", topology.servers.into(), 1, HOSTS_MAX.into())?;
    within("topology.clients", topology.clients.into(), 1, HOSTS_MAX.into())?;
    within("ensemble.tick_ms", ensemble.tick_ms, 1, 60_000)?;
    within("ensemble.init_limit", ensemble.init_limit, 1, 10_000)?;
    within("ensemble.sync_limit", ensemble.sync_limit, 1, 10_000)?;
    within("ensemble.snap_count", ensemble.snap_count, 1, u64::MAX)?;
    within("ensemble.session_timeout_ms", ensemble.session_timeout_ms, 1, i32::MAX as u64)?;
    let zxids = ensemble.epoch_transactions_max.unwrap_or(u32::MAX).into();
    within("ensemble.epoch_transactions_max", zxids, 1, u32::MAX.into())?;
    let retain = ensemble.purge_retain.unwrap_or(SNAPSHOTS_MIN);
    within("ensemble.purge_retain", retain.into(), SNAPSHOTS_MIN.into(), 1_000)?;
    within("conditions.latency_max_ms", conditions.latency_max_ms, 1, 60_000)?;
    within("conditions.latency_min_ms", conditions.latency_min_ms, 1, conditions.latency_max_ms)?;
    within("conditions.fsync_us", conditions.fsync_us, 0, 60_000_000)?;
    within("value_bytes", plan.value_bytes.into(), 0, VALUE_BYTES_MAX)?;
    within("chaos_ms", plan.chaos_ms, 1, 86_400_000)?;
    within("heal_ms", plan.heal_ms, 1, 86_400_000)
}

fn check_operation(plan: &Plan, operation: &PlannedOperation) -> Result<(), Contradiction> {
    let clients = plan.topology.clients;
    if !(1..=clients).contains(&operation.client) {
        return wrong("client", format!("client {} of {clients}", operation.client));
    }
    if operation.at_ms > plan.chaos_ms {
        let message = format!("{}, but chaos_ms is {}", operation.at_ms, plan.chaos_ms);
        return wrong("at_ms", message);
    }
    match &operation.action {
        Action::Create { path, .. }
        | Action::Delete { path }
        | Action::Set { path, .. }
        | Action::Cas { path, .. }
        | Action::Get { path, .. }
        | Action::SyncGet { path }
        | Action::Exists { path, .. }
        | Action::Children { path, .. } => check_path("path", path),
        Action::Multi { parts } if parts.is_empty() => wrong("parts", "a multi without parts"),
        Action::Multi { parts } => parts.iter().enumerate().try_for_each(|(index, part)| {
            let (Part::Create { path, .. }
            | Part::Delete { path }
            | Part::Set { path, .. }
            | Part::Check { path, .. }) = part;
            check_path("path", path).map_err(|error| error.inside("parts", index))
        }),
        Action::Lock { path, hold_ms } | Action::Lead { path, hold_ms } => {
            within("hold_ms", *hold_ms, 0, 600_000)?;
            check_line(path)
        }
        Action::NewSession | Action::Abandon { .. } => Ok(()),
    }
}

/// The path of a lock or an election: znodes are put under it.
fn check_line(path: &str) -> Result<(), Contradiction> {
    check_path("path", path)?;
    if path.ends_with('/') {
        return wrong("path", format!("`{path}`, expected a path that does not end with `/`"));
    }
    Ok(())
}

fn check_path(field: &str, path: &str) -> Result<(), Contradiction> {
    if path.starts_with('/') {
        return Ok(());
    }
    wrong(field, format!("`{path}`, expected a path that begins with `/`"))
}

fn check_fault(plan: &Plan, timed: &TimedFault) -> Result<(), Contradiction> {
    if timed.at_ms >= plan.chaos_ms {
        let message = format!("{}, but chaos_ms is {}", timed.at_ms, plan.chaos_ms);
        return wrong("at_ms", message);
    }
    if let Some(until_ms) = timed.until_ms
        && until_ms < timed.at_ms
    {
        return wrong("until_ms", format!("{until_ms} is before at_ms {}", timed.at_ms));
    }
    if !timed.fault.engines().contains(&plan.engine) {
        let kind = kind_of(&timed.fault);
        let have = timed.fault.engines().iter().map(ToString::to_string).collect::<Vec<_>>();
        let (have, engine) = (have.join(", "), plan.engine);
        return wrong(
            "kind",
            format!("{kind} is a fault of {have} alone, the plan's engine is {engine}"),
        );
    }
    if timed.fault.is_amnesia() {
        check_amnesia(timed)?;
    }
    if let Some(place) = &timed.when {
        check_mark(plan, "when", place)?;
        if let Some(Target::Mark(target)) = timed.fault.target() {
            let message = format!("{target}, but it waits for {place} already; expected here");
            return wrong("target", message);
        }
    }
    let lists = |lists: &[(&str, &[Target])]| {
        lists.iter().try_for_each(|(field, targets)| check_targets(plan, timed, field, targets))
    };
    match &timed.fault {
        Fault::Partition { sides, reset_on_heal } => {
            if sides.len() < 2 {
                return wrong("sides", format!("{} of them, expected two or more", sides.len()));
            }
            sides.iter().try_for_each(|side| check_targets(plan, timed, "sides", side))?;
            check_probability(*reset_on_heal)
        }
        Fault::OneWay { from, to, reset_on_heal } => {
            lists(&[("from", from), ("to", to)])?;
            check_probability(*reset_on_heal)
        }
        Fault::IsolateLeader { reset_on_heal } => check_probability(*reset_on_heal),
        Fault::FlakyLink { from, to, loss } => {
            lists(&[("from", from), ("to", to)])?;
            probability("loss", *loss)
        }
        Fault::Bandwidth { from, to, bytes_per_s } => {
            lists(&[("from", from), ("to", to)])?;
            within("bytes_per_s", *bytes_per_s, 1, u64::MAX)
        }
        Fault::SlowLink { from, to, .. }
        | Fault::ConnectHang { from, to }
        | Fault::HalfOpen { from, to, .. }
        | Fault::Reset { from, to } => lists(&[("from", from), ("to", to)]),
        Fault::Restart { targets, snap_count, .. } => {
            lists(&[("targets", targets)])?;
            within("snap_count", snap_count.unwrap_or(1), 1, u64::MAX)
        }
        Fault::Eio { nth: Some(0), .. }
        | Fault::LostWrite { nth: Some(0), .. }
        | Fault::MisdirectedWrite { nth: Some(0), .. } => wrong("nth", "0, expected 1 or more"),
        Fault::ClockDrift { ppm, .. } if !DRIFT_PPM.contains(ppm) => {
            let (low, high) = (DRIFT_PPM.start(), DRIFT_PPM.end());
            wrong("ppm", format!("{ppm}, expected {low} to {high}"))
        }
        Fault::ClockJump { every_ms: Some(0), .. } => wrong("every_ms", "0, expected 1 or more"),
        Fault::Crash { target }
        | Fault::PowerLoss { target }
        | Fault::Pause { target }
        | Fault::SlowDisk { target, .. }
        | Fault::Eio { target, .. }
        | Fault::Enospc { target }
        | Fault::FsyncFail { target }
        | Fault::LostWrite { target, .. }
        | Fault::MisdirectedWrite { target, .. }
        | Fault::Rot { target, .. }
        | Fault::Wipe { target }
        | Fault::Restore { target, .. }
        | Fault::ClockOffset { target, .. }
        | Fault::ClockDrift { target, .. }
        | Fault::ClockJump { target, .. } => check_target(plan, timed, "target", target),
    }
}

/// What makes a server forget strikes a follower, and damages only files whose damage can be told.
fn check_amnesia(timed: &TimedFault) -> Result<(), Contradiction> {
    let fault = &timed.fault;
    if let Some(target @ (Target::Leader | Target::Learner(_))) = fault.target() {
        let message =
            format!("{target}, but only a follower may forget; expected n1 or follower:0");
        return wrong("target", message);
    }
    if let Some(Target::Host(name)) = fault.target()
        && name.starts_with('c')
    {
        return wrong("target", format!("{name} is a client, expected a server"));
    }
    let checked = |field: &str, part: &str| {
        if CHECKED_FILES.iter().any(|file| part.starts_with(file)) {
            return Ok(());
        }
        let expected = CHECKED_FILES.join("` or `");
        wrong(field, format!("`{part}`, expected a part that begins with `{expected}`"))
    };
    match fault {
        Fault::Restore { taken_ms, .. } if *taken_ms > timed.at_ms => {
            wrong("taken_ms", format!("{taken_ms} is after at_ms {}", timed.at_ms))
        }
        Fault::Rot { sectors: 0, .. } => wrong("sectors", "0, expected 1 or more"),
        Fault::Rot { file, .. } => checked("file", file),
        Fault::MisdirectedWrite { onto, .. } => checked("onto", onto),
        _ => Ok(()),
    }
}

fn check_targets(
    plan: &Plan,
    timed: &TimedFault,
    field: &str,
    targets: &[Target],
) -> Result<(), Contradiction> {
    if targets.is_empty() {
        return wrong(field, "nobody, expected at least one host");
    }
    if let Some(mark) = targets.iter().find(|target| matches!(target, Target::Mark(_))) {
        let message = format!("`{mark}`, expected here, and the mark as the fault's `when`");
        return wrong(field, message);
    }
    targets.iter().try_for_each(|target| check_target(plan, timed, field, target))
}

fn check_target(
    plan: &Plan,
    timed: &TimedFault,
    field: &str,
    target: &Target,
) -> Result<(), Contradiction> {
    let name = match target {
        Target::Host(name) => name,
        Target::Mark(target) => return check_mark(plan, field, target),
        Target::Here if timed.when.is_none() => {
            let message =
                "nothing, but the fault strikes `here`: expected mark:log-unsynced#3@leader";
            return wrong("when", message);
        }
        Target::Leader | Target::RandomFollower(_) | Target::Learner(_) | Target::Here => {
            return Ok(());
        }
    };
    let numbered = |prefix: &str, count: u32| (1..=count).any(|n| *name == format!("{prefix}{n}"));
    let (servers, clients) = (plan.topology.servers, plan.topology.clients);
    if numbered("n", servers) || numbered("c", clients) {
        return Ok(());
    }
    let expected = format!(
        "n1 to n{servers}, c1 to c{clients}, leader, follower:0, \
                            learner+30 or mark:log-unsynced#3@leader+250us"
    );
    wrong(field, format!("there is no host `{name}`, expected {expected}"))
}

fn check_mark(plan: &Plan, field: &str, target: &MarkTarget) -> Result<(), Contradiction> {
    if Mark::named(&target.mark).is_none() {
        let message = format!("there is no mark `{}`; squall list marks has them", target.mark);
        return wrong(field, message);
    }
    let Whose::Host(name) = &target.of else { return Ok(()) };
    let servers = plan.topology.servers;
    if (1..=servers).any(|number| *name == format!("n{number}")) {
        return Ok(());
    }
    wrong(field, format!("`{target}`: `{name}` is no server, expected n1 to n{servers}"))
}

fn check_probability(reset_on_heal: f64) -> Result<(), Contradiction> {
    probability("reset_on_heal", reset_on_heal)
}

fn probability(field: &str, value: f64) -> Result<(), Contradiction> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    wrong(field, format!("{value}, expected a probability from 0 to 1"))
}

#[cfg(test)]
mod tests {
    use sim::clock::Clock;
    use sim::simulation::EngineKind;

    use super::*;
    use crate::property::testing::plan;

    fn complaint(change: impl FnOnce(&mut Plan)) -> String {
        let mut plan = plan();
        change(&mut plan);
        validate(&plan).unwrap_err().to_string()
    }

    fn with_fault(at_ms: u64, until_ms: Option<u64>, fault: Fault) -> String {
        complaint(|plan| plan.faults = vec![TimedFault::new(at_ms, until_ms, fault)])
    }

    #[test]
    fn a_generated_plan_makes_sense() {
        assert_eq!(validate(&plan()), Ok(()));
    }

    #[test]
    fn names_that_do_not_exist_are_named() {
        let scenario = complaint(|plan| plan.scenario = "keeper/chess".to_owned());
        assert!(scenario.starts_with("scenario: there is no `keeper/chess`; there are keeper/"));
        let plant = complaint(|plan| plan.plant = Some("tulip".to_owned()));
        assert!(
            plant.starts_with("plant: there is no `tulip`; there are ack-before-fsync"),
            "{plant}"
        );
        assert!(complaint(|plan| plan.format = 9).starts_with("format: 9"));
    }

    #[test]
    fn operations_that_do_not_fit_are_named() {
        let client = complaint(|plan| plan.operations[3].client = 9);
        assert_eq!(client, "operations[3].client: client 9 of 5");
        let late = complaint(|plan| plan.operations[0].at_ms = plan.chaos_ms + 1);
        assert!(late.starts_with("operations[0].at_ms: "), "{late}");
        let path = complaint(|plan| {
            let parts = vec![Part::Delete { path: "x".to_owned() }];
            plan.operations[1].action = Action::Multi { parts };
        });
        assert!(path.starts_with("operations[1].parts[0].path: `x`"), "{path}");
        let empty =
            complaint(|plan| plan.operations[1].action = Action::Multi { parts: Vec::new() });
        assert!(empty.contains("a multi without parts"));
        let lock = |path: &str, hold_ms| Action::Lock { path: path.to_owned(), hold_ms };
        let root = complaint(|plan| plan.operations[1].action = lock("/", 5));
        assert!(root.starts_with("operations[1].path: `/`, expected"), "{root}");
        let long = complaint(|plan| plan.operations[1].action = lock("/l", 600_001));
        assert!(long.starts_with("operations[1].hold_ms: 600001"), "{long}");
    }

    #[test]
    fn faults_that_do_not_fit_are_named() {
        let host = |name: &str| Target::Host(name.to_owned());
        let crash = |name| Fault::Crash { target: host(name) };
        let nobody = with_fault(1, None, crash("n9"));
        assert!(nobody.starts_with("faults[0].target: there is no host `n9`"), "{nobody}");
        let unknown = with_fault(1, None, crash("mark:tea-time"));
        assert!(unknown.starts_with("faults[0].target: there is no host `mark:tea-time`"));
        let at = |text: &str| Fault::Crash { target: Target::from(text.to_owned()) };
        let unknown = with_fault(1, None, at("mark:tea-time#2"));
        assert!(unknown.starts_with("faults[0].target: there is no mark `tea-time`"), "{unknown}");
        let stranger = with_fault(1, None, at("mark:log-synced@n7"));
        assert!(stranger.ends_with("`n7` is no server, expected n1 to n5"), "{stranger}");
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
        let isolated = || Fault::IsolateLeader { reset_on_heal: 0.0 };
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
        let certain = with_fault(1, None, Fault::IsolateLeader { reset_on_heal: 2.0 });
        assert!(certain.contains("a probability"), "{certain}");
        let (from, to) = (Vec::new(), vec![host("n1")]);
        let from_nobody = with_fault(1, None, Fault::SlowLink { from, to, extra_ms: 1 });
        assert!(from_nobody.starts_with("faults[0].from: nobody"), "{from_nobody}");
    }

    #[test]
    fn faults_that_the_engine_lacks_and_amnesia_of_whom_it_may_not_strike_are_named() {
        let host = |name: &str| Target::Host(name.to_owned());
        let (from, to) = (vec![host("n1")], vec![host("n2")]);
        let flaky = |loss| Fault::FlakyLink { from: from.clone(), to: to.clone(), loss };
        let much = with_fault(1, None, flaky(1.5));
        assert!(much.starts_with("faults[0].loss: 1.5, expected a probability"), "{much}");
        let lacking = complaint(|plan| {
            plan.engine = EngineKind::Turmoil;
            plan.faults = vec![TimedFault::new(1, None, flaky(0.5))];
        });
        let expected =
            "faults[0].kind: flaky_link is a fault of engine alone, the plan's engine is turmoil";
        assert_eq!(lacking, expected);
        let wipe = |target| with_fault(1, None, Fault::Wipe { target });
        assert!(wipe(Target::Leader).starts_with("faults[0].target: leader, but only a follower"));
        assert_eq!(wipe(host("c1")), "faults[0].target: c1 is a client, expected a server");
        let rot = |file: &str, sectors| {
            with_fault(1, None, Fault::Rot { target: host("n1"), file: file.to_owned(), sectors })
        };
        assert!(rot("currentEpoch", 1).starts_with("faults[0].file: `currentEpoch`, expected"));
        assert_eq!(rot("log.", 0), "faults[0].sectors: 0, expected 1 or more");
        let restore = Fault::Restore { target: host("n1"), taken_ms: 9 };
        assert_eq!(with_fault(5, None, restore), "faults[0].taken_ms: 9 is after at_ms 5");
        let narrow = Fault::Bandwidth { from, to, bytes_per_s: 0 };
        assert!(with_fault(5, None, narrow).starts_with("faults[0].bytes_per_s: 0, expected 1"));
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        assert!(complaint(|plan| plan.topology.servers = 0).starts_with("topology.servers: 0"));
        let few = complaint(|plan| plan.ensemble.purge_retain = Some(2));
        assert_eq!(few, "ensemble.purge_retain: 2, expected 3 to 1000");
        assert!(complaint(|plan| plan.ensemble.tick_ms = 0).starts_with("ensemble.tick_ms"));
        assert!(complaint(|plan| plan.chaos_ms = 0).starts_with("chaos_ms"));
        let values = complaint(|plan| plan.value_bytes = 1 << 20);
        assert_eq!(values, "value_bytes: 1048576, expected 0 to 262144");
        let latency = complaint(|plan| plan.conditions.latency_min_ms = 99);
        assert!(latency.starts_with("conditions.latency_min_ms: 99, expected 1 to"), "{latency}");
    }
}
