//! Whether what a plan says of the coordination server makes sense.

use harness::plan::{Contradiction, Plan, within, wrong};
use keeper_core::log::purge::SNAPSHOTS_MIN;
use sim::fault::{Fault, TimedFault};

use crate::action::Action;
use crate::ensemble::{COMMIT_LOG_COUNT, SNAP_COUNT};
use crate::setup::KeeperSetup;

/// A multi of a few such values is still within `jute.maxbuffer`.
const VALUE_BYTES_MAX: u64 = 256 << 10;
/// A count that no run reaches.
const COUNT_MAX: u64 = 1_000_000_000;
/// The fewest transactions of an epoch with which clients get anywhere. With one or two, most runs spend
/// their time on elections and never heal; with three they do, and this leaves some room.
const EPOCH_TRANSACTIONS_MIN: u64 = 4;
/// How long a client may do nothing, in milliseconds: longer than any session lasts.
const IDLE_MS_MAX: u64 = 600_000;
/// How the parts of names begin of files whose damage a server can tell: they have checksums, or, as the epoch
/// files, stand in the witness once more.
const CHECKED_FILES: [&str; 6] =
    ["log.", "snapshot.", "Epoch", "acceptedEpoch", "currentEpoch", "synced"];

/// Checks a setup.
pub(crate) fn setup(setup: &KeeperSetup) -> Result<(), Contradiction> {
    let ensemble = &setup.ensemble;
    within("ensemble.tick_ms", ensemble.tick_ms, 1, 60_000)?;
    within("ensemble.init_limit", ensemble.init_limit, 1, 10_000)?;
    within("ensemble.sync_limit", ensemble.sync_limit, 1, 10_000)?;
    within("ensemble.snap_count", ensemble.snap_count, 1, COUNT_MAX)?;
    within("ensemble.commit_log_count", ensemble.commit_log_count as u64, 0, COUNT_MAX)?;
    within("ensemble.session_timeout_ms", ensemble.session_timeout_ms, 1, i32::MAX as u64)?;
    let zxids = ensemble.epoch_transactions_max.unwrap_or(u32::MAX).into();
    within("ensemble.epoch_transactions_max", zxids, 1, u32::MAX.into())?;
    let retain = ensemble.purge_retain.unwrap_or(SNAPSHOTS_MIN);
    within("ensemble.purge_retain", retain.into(), SNAPSHOTS_MIN.into(), 1_000)?;
    within("ensemble.apply_max", ensemble.apply_max.unwrap_or(1).into(), 1, COUNT_MAX)?;
    within("value_bytes", setup.value_bytes.into(), 0, VALUE_BYTES_MAX)
}

/// Checks an operation.
pub(crate) fn operation(plan: &Plan, action: &Action) -> Result<(), Contradiction> {
    let room = KeeperSetup::of(plan).ensemble.epoch_transactions_max.unwrap_or(u32::MAX);
    if u64::from(room) < EPOCH_TRANSACTIONS_MIN {
        let message = format!(
            "with setup.ensemble.epoch_transactions_max {room} clients get nowhere, expected \
             {EPOCH_TRANSACTIONS_MIN} or more in a plan with operations"
        );
        return wrong("do", message);
    }
    match action {
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
            check_path("path", part.path()).map_err(|error| error.inside("parts", index))
        }),
        Action::Lock { path, hold_ms } | Action::Lead { path, hold_ms } => {
            within("hold_ms", *hold_ms, 0, IDLE_MS_MAX)?;
            check_line(path)
        }
        Action::Abandon { silent_ms } => within("silent_ms", *silent_ms, 0, IDLE_MS_MAX),
        Action::NewSession => Ok(()),
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

/// Checks what a fault says of servers.
pub(crate) fn fault(timed: &TimedFault) -> Result<(), Contradiction> {
    let checked = |field: &str, part: &str| {
        if CHECKED_FILES.iter().any(|file| part.starts_with(file)) {
            return Ok(());
        }
        let expected = CHECKED_FILES.join("` or `");
        wrong(field, format!("`{part}`, expected a part that begins with `{expected}`"))
    };
    match &timed.fault {
        Fault::Rot { file, .. } => checked("file", file),
        Fault::MisdirectedWrite { onto, .. } => checked("onto", onto),
        Fault::Restart { settings, .. } => {
            let known = [SNAP_COUNT, COMMIT_LOG_COUNT];
            if let Some(name) = settings.keys().find(|name| !known.contains(&name.as_str())) {
                let known = known.join(", ");
                return wrong(name, format!("unknown field `{name}`, expected {known}"));
            }
            let of = |name: &str, otherwise| settings.get(name).copied().unwrap_or(otherwise);
            within(SNAP_COUNT, of(SNAP_COUNT, 1), 1, COUNT_MAX)?;
            within(COMMIT_LOG_COUNT, of(COMMIT_LOG_COUNT, 1), 0, COUNT_MAX)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use harness::plan::{Plan, PlannedOperation, validate};
    use serde_json::Value;
    use sim::fault::Target;

    use super::*;
    use crate::action::Part;
    use crate::property::testing::{SYSTEMS, plan};

    fn complaint(change: impl FnOnce(&mut Plan)) -> String {
        let mut plan = plan();
        change(&mut plan);
        validate(SYSTEMS, &plan).unwrap_err().to_string()
    }

    fn with_fault(at_ms: u64, fault: Fault) -> String {
        complaint(|plan| plan.faults = vec![TimedFault::new(at_ms, None, fault)])
    }

    fn with_action(action: Action) -> String {
        complaint(|plan| plan.operations[1] = PlannedOperation::new(1, 1, action))
    }

    #[test]
    fn a_generated_plan_makes_sense() {
        assert_eq!(validate(SYSTEMS, &plan()), Ok(()));
    }

    #[test]
    fn names_that_do_not_exist_are_named() {
        let scenario = complaint(|plan| plan.scenario = "keeper/chess".to_owned());
        assert!(scenario.starts_with("scenario: there is no `keeper/chess`; there are keeper/"));
        let plant = complaint(|plan| plan.plant = Some("tulip".to_owned()));
        let expected = "plant: there is no `tulip`; there are ack-before-fsync";
        assert!(plant.starts_with(expected), "{plant}");
        assert!(plant.ends_with("harness-panic, spin"), "{plant}");
    }

    #[test]
    fn operations_that_do_not_fit_are_named() {
        let parts = vec![Part::Delete { path: "x".to_owned() }];
        let path = with_action(Action::Multi { parts });
        assert!(path.starts_with("operations[1].parts[0].path: `x`"), "{path}");
        let empty = with_action(Action::Multi { parts: Vec::new() });
        assert!(empty.contains("a multi without parts"));
        let lock = |path: &str, hold_ms| Action::Lock { path: path.to_owned(), hold_ms };
        let root = with_action(lock("/", 5));
        assert!(root.starts_with("operations[1].path: `/`, expected"), "{root}");
        let long = with_action(lock("/l", 600_001));
        assert!(long.starts_with("operations[1].hold_ms: 600001"), "{long}");
    }

    #[test]
    fn faults_that_do_not_fit_are_named() {
        let at = |text: &str| Fault::Crash { target: Target::from(text.to_owned()) };
        let servers = crate::setup::servers(&plan());
        let nobody = with_fault(1, at("n9"));
        let expected = format!(
            "faults[0].target: there is no host `n9`, expected n1 to n{servers}, c1 to c5, leader"
        );
        assert!(nobody.starts_with(&expected), "{nobody}");
        let stranger = with_fault(1, at("mark:log-synced@n7"));
        let expected = format!("`n7` is no server, expected n1 to n{servers}, leader");
        assert!(stranger.contains(&expected), "{stranger}");
        let epochless = with_fault(1, at("mark:log-synced@leader-of-epoch-x"));
        assert!(epochless.contains("`leader-of-epoch-x` is no server"), "{epochless}");
        let mut of_epoch = plan();
        of_epoch.faults = vec![TimedFault::new(1, None, at("mark:log-synced@leader-of-epoch-3"))];
        assert_eq!(validate(SYSTEMS, &of_epoch), Ok(()));
        let wipe = |target| with_fault(1, Fault::Wipe { target });
        let expected = "faults[0].target: leader, but only who could be replaced may forget; \
                        expected n1 or follower:0";
        assert_eq!(wipe(Target::named("leader")), expected);
        let rot = |file: &str| {
            let target = Target::named("n1");
            with_fault(1, Fault::Rot { target, file: file.to_owned(), sectors: 1 })
        };
        let expected = "faults[0].file: `myid`, expected a part that begins with `log.` or `snapshot.` \
                        or `Epoch` or `acceptedEpoch` or `currentEpoch` or `synced`";
        assert_eq!(rot("myid"), expected);
        let settings = [("snap_cuont".to_owned(), 5)].into();
        let targets = vec![Target::named("n1")];
        let restart = Fault::Restart { targets, down_ms: 1, gap_ms: 1, settings };
        let expected = "faults[0].snap_cuont: unknown field `snap_cuont`, expected snap_count, \
                        commit_log_count";
        assert_eq!(with_fault(1, restart), expected);
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let few = |change: fn(&mut KeeperSetup)| complaint(|plan| plan.change_setup(change));
        assert_eq!(
            few(|setup| setup.ensemble.purge_retain = Some(2)),
            "setup.ensemble.purge_retain: 2, expected 3 to 1000"
        );
        assert!(few(|setup| setup.ensemble.tick_ms = 0).starts_with("setup.ensemble.tick_ms"));
        assert_eq!(
            few(|setup| setup.ensemble.snap_count = 1 << 63),
            "setup.ensemble.snap_count: 9223372036854775808, expected 1 to 1000000000"
        );
        let log = few(|setup| setup.ensemble.commit_log_count = usize::MAX);
        assert!(log.starts_with("setup.ensemble.commit_log_count: 18446744073709551615"), "{log}");
        let narrow = few(|setup| setup.ensemble.epoch_transactions_max = Some(1));
        let expected =
            "operations[0].do: with setup.ensemble.epoch_transactions_max 1 clients get nowhere";
        assert!(narrow.starts_with(expected), "{narrow}");
        let mut quiet = plan();
        quiet.operations.clear();
        quiet.change_setup(|setup: &mut KeeperSetup| {
            setup.ensemble.epoch_transactions_max = Some(1)
        });
        assert_eq!(validate(SYSTEMS, &quiet), Ok(()), "nobody asks for more");
        let silent = with_action(Action::Abandon { silent_ms: 31_536_000_000 });
        assert_eq!(silent, "operations[1].silent_ms: 31536000000, expected 0 to 600000");
        let upgrade = |name: &str, value| {
            let settings = [(name.to_owned(), value)].into();
            let targets = vec![Target::named("n1")];
            with_fault(1, Fault::Restart { targets, down_ms: 1, gap_ms: 1, settings })
        };
        let snaps = upgrade(SNAP_COUNT, 0);
        assert_eq!(snaps, "faults[0].snap_count: 0, expected 1 to 1000000000");
        let log = upgrade(COMMIT_LOG_COUNT, u64::MAX);
        assert!(log.starts_with("faults[0].commit_log_count: 18446744073709551615"), "{log}");
        assert_eq!(
            few(|setup| setup.value_bytes = 1 << 20),
            "setup.value_bytes: 1048576, expected 0 to 262144"
        );
    }

    #[test]
    fn the_element_that_is_wrong_is_named() {
        let complaint = |change: fn(&mut Value)| {
            let mut json = serde_json::to_value(plan()).unwrap();
            change(&mut json);
            SYSTEMS.load(json.to_string().as_bytes(), "p.json").unwrap_err().to_string()
        };
        let action = complaint(|plan| plan["operations"][2]["do"] = "dance".into());
        assert!(action.starts_with("p.json: operations[2]: unknown variant `dance`"), "{action}");
        let part = complaint(|plan| {
            let multi = r#"{"at_ms":1,"client":1,"do":"multi","parts":[{"part":"delete","path":"/a","vers":1}]}"#;
            plan["operations"][0] = serde_json::from_str(multi).unwrap();
        });
        assert_eq!(part, "p.json: operations[0]: unknown field `vers`");
        let negative = complaint(|plan| plan["setup"]["value_bytes"] = (-3).into());
        let expected = "p.json: setup.value_bytes: invalid value: integer";
        assert!(negative.starts_with(expected), "{negative}");
        let tick = complaint(|plan| plan["setup"]["ensemble"]["tick_ms"] = "long".into());
        let expected = "p.json: setup.ensemble.tick_ms: invalid type: string";
        assert!(tick.starts_with(expected), "{tick}");
        let client = complaint(|plan| plan["operations"][2]["client"] = 9.into());
        assert_eq!(client, "p.json: operations[2].client: client 9 of 5");
    }
}
