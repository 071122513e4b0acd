//! Single znodes are linearizable objects: the black-box second opinion.
//!
//! This property does not look at zxids at all; a list of commits, if there is one, only tells which
//! unanswered writes never happened. For each path, the operations that clients saw
//! are searched for an order (see [`checker::linear`]) in which a znode with data and version
//! explains them. Writes and the parts of a multi take part; reads only where the history claims
//! that `sync` is a barrier, as one operation from the sync's invocation to the read's answer.
//! Paths with ephemerals are left out: sessions end without an operation of theirs.

use std::collections::{BTreeMap, BTreeSet};

use checker::Verdict;
use checker::history::{Operation, Value};
use checker::linear::{Budget, Call, check_calls};
use checker::model::{Effect, Model, ModelError};

use super::render::nothing;
use super::replay::results;
use super::session_zxid::by_session;
use super::{
    Data, ErrorCode, MultiOp, MultiResult, Outcome, Request, Response, ZHistory, ZOperation,
};

/// Configurations that one path may cost.
const CONFIGURATIONS_MAX: u64 = 2_000_000;

/// Checks every path by search.
pub fn check(history: &ZHistory) -> Verdict {
    if let Some(nothing) = nothing(history) {
        return nothing;
    }
    let mut undecided = None;
    for (path, calls) in calls(history) {
        let budget = Budget { configurations_max: CONFIGURATIONS_MAX, ..Budget::default() };
        match check_calls(&Znode, &path, &calls, budget) {
            Verdict::Valid => {}
            invalid @ Verdict::Invalid(_) => return invalid,
            unknown @ Verdict::Unknown { .. } => undecided = Some(unknown),
        }
    }
    undecided.unwrap_or(Verdict::Valid)
}

/// The model of one znode: absent, or present with data and version.
struct Znode;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum ZnodeOp {
    Create(Data),
    /// Deleted it, at this version or any.
    Delete(i32),
    /// Set the data, which gave this version.
    Set(Data, i32),
    /// Read the data and version, or that it is absent.
    Read(Option<(Data, i32)>),
    /// Found it present, at this version if not -1.
    Found(i32),
    /// Found it present, at another version.
    FoundOther(i32),
    /// Found it absent.
    FoundNone,
    /// An unanswered write: does what it can where it can.
    Unanswered(Box<MultiOp>),
}

impl Model for Znode {
    type Op = ZnodeOp;
    type State = Option<(Data, i32)>;

    fn name(&self) -> &'static str {
        "znode"
    }

    fn initial(&self) -> Self::State {
        None
    }

    fn step(&self, state: &Self::State, op: &ZnodeOp) -> Option<Self::State> {
        let same = |holds: bool| holds.then(|| state.clone());
        let version = state.as_ref().map(|(_, version)| *version);
        let fits = |wanted: i32| version.is_some_and(|own| wanted == -1 || own == wanted);
        match op {
            ZnodeOp::Create(data) => version.is_none().then(|| Some((data.clone(), 0))),
            ZnodeOp::Delete(wanted) => fits(*wanted).then_some(None),
            ZnodeOp::Set(data, gave) => {
                fits(gave.wrapping_sub(1)).then(|| Some((data.clone(), *gave)))
            }
            ZnodeOp::Read(seen) => same(seen == state),
            ZnodeOp::Found(wanted) => same(fits(*wanted)),
            ZnodeOp::FoundOther(wanted) => same(version.is_some_and(|own| own != *wanted)),
            ZnodeOp::FoundNone => same(version.is_none()),
            ZnodeOp::Unanswered(part) => Some(match (&**part, state) {
                (MultiOp::Create { data, .. }, None) => Some((data.clone(), 0)),
                (MultiOp::Delete { version, .. }, Some(_)) if fits(*version) => None,
                (MultiOp::SetData { data, version, .. }, Some((_, own))) if fits(*version) => {
                    Some((data.clone(), own.wrapping_add(1)))
                }
                (_, state) => state.clone(),
            }),
        }
    }

    fn effect(&self, op: &ZnodeOp) -> Effect {
        match op {
            ZnodeOp::Read(_) | ZnodeOp::Found(_) | ZnodeOp::FoundOther(_) | ZnodeOp::FoundNone => {
                Effect::Read
            }
            ZnodeOp::Create(_) | ZnodeOp::Delete(_) | ZnodeOp::Set(..) | ZnodeOp::Unanswered(_) => {
                Effect::Update
            }
        }
    }

    fn is_irrelevant(&self, op: &ZnodeOp, _rest: &[&ZnodeOp]) -> bool {
        // Versions chain the writes together, so only reads can be left out.
        self.effect(op) == Effect::Read
    }

    fn read(&self, operation: &Operation) -> Result<Option<(Value, ZnodeOp)>, ModelError> {
        Err(ModelError {
            line: operation.line,
            model: self.name(),
            expected: "a ZooKeeper history".to_owned(),
            found: operation.f.clone(),
        })
    }

    fn describe_op(&self, op: &ZnodeOp) -> String {
        match op {
            ZnodeOp::Create(data) => format!("create {data} → ok"),
            ZnodeOp::Delete(-1) => "delete → ok".to_owned(),
            ZnodeOp::Delete(version) => format!("delete if version {version} → ok"),
            ZnodeOp::Set(data, gave) => format!("set {data} → version {gave}"),
            ZnodeOp::Read(state) => format!("sync, get → {}", self.describe_state(state)),
            ZnodeOp::Found(-1) => "found it".to_owned(),
            ZnodeOp::Found(version) => format!("found version {version}"),
            ZnodeOp::FoundOther(version) => format!("found another version than {version}"),
            ZnodeOp::FoundNone => "found no znode".to_owned(),
            ZnodeOp::Unanswered(part) => format!("{part} → unknown"),
        }
    }

    fn describe_state(&self, state: &Self::State) -> String {
        match state {
            Some((data, version)) => format!("{data} version {version}"),
            None => "no znode".to_owned(),
        }
    }
}

/// What happened to each path, as far as this model can speak of it.
fn calls(history: &ZHistory) -> BTreeMap<String, Vec<Call<ZnodeOp>>> {
    let mut calls: BTreeMap<String, Vec<Call<ZnodeOp>>> = BTreeMap::new();
    let mut left_out: Vec<String> = vec!["/".to_owned(), "/zookeeper".to_owned()];
    let mut left_out_starts: Vec<String> = vec!["/zookeeper/".to_owned()];
    let committed: Option<BTreeSet<_>> = history
        .commits
        .as_ref()
        .map(|commits| commits.iter().map(|commit| (commit.session, commit.cxid)).collect());
    for operation in &history.operations {
        // Where it is known what was committed, an unanswered write that was not has no part.
        if !operation.is_known()
            && committed
                .as_ref()
                .is_some_and(|all| !all.contains(&(operation.session, operation.cxid)))
        {
            continue;
        }
        let parts = operation.request.parts();
        for part in &parts {
            if let MultiOp::Create { path, mode, .. } = part {
                match (mode.is_sequential(), mode.is_ephemeral() || !operation.is_known()) {
                    (false, _) if mode.is_ephemeral() => left_out.push(path.clone()),
                    (true, true) => left_out_starts.push(path.clone()),
                    (false | true, _) => {}
                }
            }
        }
        // Two parts of one multi on one path are one step of two, which this model has not.
        for (index, part) in parts.iter().enumerate() {
            if parts[..index].iter().any(|other| other.path() == part.path()) {
                left_out.push(part.path().to_owned());
            }
        }
        for (path, op) in write_ops(operation) {
            calls.entry(path).or_default().push(call(operation, operation, op));
        }
    }
    if history.claims.sync_is_barrier {
        synced_reads(history, &mut calls);
    }
    calls.retain(|path, _| {
        !left_out.contains(path) && !left_out_starts.iter().any(|start| path.starts_with(start))
    });
    calls
}

fn write_ops(operation: &ZOperation) -> Vec<(String, ZnodeOp)> {
    let parts = operation.request.parts();
    match &operation.outcome {
        Outcome::Unknown => {
            let parts = parts.into_iter().filter(|part| !matches!(part, MultiOp::Check { .. }));
            parts.map(|p| (p.path().to_owned(), ZnodeOp::Unanswered(Box::new(p)))).collect()
        }
        Outcome::Error(error) => parts.iter().filter_map(|part| failed_op(part, *error)).collect(),
        Outcome::Ok(_) if operation.committed_zxid().is_none() => Vec::new(),
        Outcome::Ok(_) => {
            let reported = results(operation);
            parts.iter().zip(reported).filter_map(|(p, result)| done_op(p, result)).collect()
        }
    }
}

fn done_op(part: &MultiOp, result: MultiResult) -> Option<(String, ZnodeOp)> {
    let path = part.path().to_owned();
    match (part, result) {
        (MultiOp::Create { data, .. }, MultiResult::Created { path, .. }) => {
            Some((path, ZnodeOp::Create(data.clone())))
        }
        (MultiOp::Delete { version, .. }, _) => Some((path, ZnodeOp::Delete(*version))),
        (MultiOp::SetData { data, .. }, MultiResult::Set { stat }) => {
            Some((path, ZnodeOp::Set(data.clone(), stat.version)))
        }
        (MultiOp::Check { version, .. }, _) => Some((path, ZnodeOp::Found(*version))),
        (MultiOp::Create { .. } | MultiOp::SetData { .. }, _) => None,
    }
}

fn failed_op(part: &MultiOp, error: ErrorCode) -> Option<(String, ZnodeOp)> {
    let path = part.path().to_owned();
    let op = match (part, error) {
        (MultiOp::Create { mode, .. }, ErrorCode::NODE_EXISTS) if !mode.is_sequential() => {
            ZnodeOp::Found(-1)
        }
        (
            MultiOp::Delete { version, .. } | MultiOp::SetData { version, .. },
            ErrorCode::BAD_VERSION,
        ) => ZnodeOp::FoundOther(*version),
        (MultiOp::Delete { .. } | MultiOp::SetData { .. }, ErrorCode::NO_NODE) => {
            ZnodeOp::FoundNone
        }
        (MultiOp::Delete { version, .. }, ErrorCode::NOT_EMPTY) => ZnodeOp::Found(*version),
        (_, _) => return None,
    };
    Some((path, op))
}

/// Reads whose session had a `sync` answered right before, each with the latest such `sync`.
fn synced_reads(history: &ZHistory, calls: &mut BTreeMap<String, Vec<Call<ZnodeOp>>>) {
    for (_, mut operations) in by_session(history) {
        operations.sort_by_key(|op| op.cxid);
        let mut sync: Option<&ZOperation> = None;
        for operation in operations {
            if matches!(operation.outcome, Outcome::Ok(Response::Synced)) {
                sync = Some(operation);
            }
            let (Some(sync), Request::GetData { path }) = (sync, &operation.request) else {
                continue;
            };
            let seen = match &operation.outcome {
                Outcome::Ok(Response::Data { data, stat }) => Some((data.clone(), stat.version)),
                Outcome::Error(ErrorCode::NO_NODE) => None,
                Outcome::Ok(_) | Outcome::Error(_) | Outcome::Unknown => continue,
            };
            let read = call(sync, operation, ZnodeOp::Read(seen));
            calls.entry(path.clone()).or_default().push(read);
        }
    }
}

/// One operation from the invocation of the first to the answer of the second.
fn call(first: &ZOperation, last: &ZOperation, op: ZnodeOp) -> Call<ZnodeOp> {
    let is_open = matches!(op, ZnodeOp::Unanswered(_));
    Call {
        op,
        client: first.client.to_string(),
        invoke: first.invoke_ns,
        complete: last.complete_ns.filter(|_| !is_open),
        from_ns: Some(first.invoke_ns),
        to_ns: last.complete_ns,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::znode::CreateMode;
    use crate::znode::testing::Ensemble;

    fn sample() -> (ZHistory, usize) {
        let mut ensemble = Ensemble::new();
        let (a, b) = (ensemble.session(1), ensemble.session(2));
        ensemble.create(a, "/k", "a", CreateMode::Persistent);
        ensemble.set(a, "/k", "b", 0);
        ensemble.set(b, "/k", "x", 0);
        ensemble.sync(b, "/k");
        let read = ensemble.get(b, "/k");
        ensemble.delete(a, "/k", 1);
        let mut history = ensemble.into_history();
        history.claims.sync_is_barrier = true;
        (history, read)
    }

    fn make_stale(history: &mut ZHistory, read: usize) {
        let Outcome::Ok(Response::Data { data, stat }) = &mut history.operations[read].outcome
        else {
            panic!("a get")
        };
        *data = Data::text("a");
        stat.version = 0;
    }

    #[test]
    fn a_stale_read_after_sync_is_seen_without_any_zxid() {
        let (mut history, read) = sample();
        assert_eq!(check(&history), Verdict::Valid);
        make_stale(&mut history, read);
        let text = check(&history).explanation().unwrap().to_string();
        assert!(text.contains("/k: no order explains these operations"), "{text}");
        assert!(text.contains("sync, get → \"a\" version 0"), "{text}");
        history.claims.sync_is_barrier = false;
        assert_eq!(check(&history), Verdict::Valid, "plain reads may be stale");
    }

    /// Whether some order of all answered and any of the open calls is legal, by trying them all.
    fn brute_force(
        calls: &[Call<ZnodeOp>],
        placed: &mut [bool],
        state: &<Znode as Model>::State,
    ) -> bool {
        let left = |index: &usize| !placed[*index];
        let ends = (0..calls.len()).filter(left).filter_map(|index| calls[index].complete);
        let Some(horizon) = ends.min() else { return true };
        for index in 0..calls.len() {
            if placed[index] || calls[index].invoke > horizon {
                continue;
            }
            let Some(after) = Znode.step(state, &calls[index].op) else { continue };
            placed[index] = true;
            let is_legal = brute_force(calls, placed, &after);
            placed[index] = false;
            if is_legal {
                return true;
            }
        }
        false
    }

    fn any_op() -> impl Strategy<Value = ZnodeOp> {
        let data = || "[ab]".prop_map(|text| Data::text(&text));
        let version = || -1..3i32;
        let path = || "/k".to_owned();
        let unanswered = prop_oneof![
            data().prop_map(move |data| {
                let mode = CreateMode::Persistent;
                MultiOp::Create { path: path(), data, mode }
            }),
            version().prop_map(move |version| MultiOp::Delete { path: path(), version }),
            (data(), version()).prop_map(move |(data, version)| MultiOp::SetData {
                path: path(),
                data,
                version
            }),
        ];
        prop_oneof![
            3 => data().prop_map(ZnodeOp::Create),
            1 => version().prop_map(ZnodeOp::Delete),
            3 => (data(), 1..3i32).prop_map(|(data, gave)| ZnodeOp::Set(data, gave)),
            3 => prop::option::of((data(), 0..3i32)).prop_map(ZnodeOp::Read),
            1 => version().prop_map(ZnodeOp::Found),
            1 => (0..3i32).prop_map(ZnodeOp::FoundOther),
            1 => Just(ZnodeOp::FoundNone),
            2 => unanswered.prop_map(|part| ZnodeOp::Unanswered(Box::new(part))),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

        #[test]
        fn the_search_agrees_with_trying_every_order(
            drawn in prop::collection::vec((any_op(), 0u64..20, 1u64..9), 1..8),
        ) {
            let calls = drawn.into_iter().map(|(op, invoke, length)| {
                let is_open = matches!(op, ZnodeOp::Unanswered(_));
                let complete = Some(invoke + length).filter(|_| !is_open);
                let client = "c1".to_owned();
                Call { op, client, invoke, complete, from_ns: None, to_ns: None }
            });
            let calls: Vec<Call<ZnodeOp>> = calls.collect();
            let legal = brute_force(&calls, &mut vec![false; calls.len()], &None);
            let verdict = check_calls(&Znode, "/k", &calls, Budget::default());
            prop_assert_eq!(legal, verdict.is_valid(), "{} {:?}", &verdict, &calls);
            prop_assert_eq!(!legal, verdict.explanation().is_some());
        }
    }

    #[test]
    fn two_successful_sets_of_one_version_are_seen() {
        let (mut history, _) = sample();
        history.operations[2].outcome = history.operations[1].outcome.clone();
        assert!(check(&history).explanation().is_some());
    }

    #[test]
    fn an_unanswered_write_may_explain_what_was_seen() {
        let (mut history, _) = sample();
        history.operations[1].outcome = Outcome::Unknown;
        history.operations[1].zxid = None;
        assert_eq!(check(&history), Verdict::Valid);
    }
}
