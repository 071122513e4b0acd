//! The history replayed in the order of zxids on the sequential tree.
//!
//! [`Replay::advance`] brings the tree to a zxid and compares what each answered write reported
//! with what the tree says. Where they differ, the report is adopted, so that one difference does
//! not breed others.

use std::collections::BTreeMap;

use super::placement::{Step, steps};
use super::tree::{Change, Tree};
use super::{
    ErrorCode, MultiOp, MultiResult, Outcome, Request, Response, Stat, ZHistory, ZOperation, Zxid,
};

/// A replay in progress.
pub(super) struct Replay<'a> {
    history: &'a ZHistory,
    steps: std::iter::Peekable<std::vec::IntoIter<(Zxid, Step)>>,
    /// The tree at the zxid reached.
    pub(super) tree: Tree,
    times: Times,
}

/// An operation whose report differs from the tree, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) operation: usize,
    pub(super) what: String,
}

/// The leader's clock at each transaction, learned from the first stat that shows it.
#[derive(Debug, Default)]
struct Times(BTreeMap<Zxid, i64>);

impl<'a> Replay<'a> {
    pub(super) fn new(history: &'a ZHistory) -> Replay<'a> {
        let steps = steps(history).into_iter().peekable();
        Replay { history, steps, tree: Tree::new(), times: Times::default() }
    }

    /// Applies every step up to and with this zxid; the differences found on the way.
    pub(super) fn advance(&mut self, to: Zxid) -> Vec<Difference> {
        let mut differences = Vec::new();
        while let Some((zxid, step)) = self.steps.next_if(|(zxid, _)| *zxid <= to) {
            match step {
                Step::Write(index) => differences.extend(self.write(index, zxid)),
                Step::Failed(index) => differences.extend(self.failed(index)),
                Step::Unanswered(index) => {
                    let operation = &self.history.operations[index];
                    let parts = operation.request.parts();
                    if self.tree.are_parts_in_doubt(&parts) {
                        // What it did, such as which number a sequential znode got, cannot be told.
                        self.tree.doubt_parts(&parts);
                        continue;
                    }
                    // It may have been committed as an error; then it changed nothing.
                    let _ = self.tree.apply(&parts, operation.session, zxid);
                }
                Step::Close(session) => {
                    self.tree.close(session, zxid);
                }
                Step::Doubt(index) => {
                    self.tree.doubt_parts(&self.history.operations[index].request.parts());
                }
                Step::DoubtSession(session) => self.tree.doubt_session(session),
            }
        }
        differences
    }

    /// Every change of the whole history that is beyond doubt.
    pub(super) fn changes(mut self) -> Vec<Change> {
        self.advance(Zxid(u64::MAX));
        self.tree.take_changes()
    }

    fn write(&mut self, index: usize, zxid: Zxid) -> Option<Difference> {
        let operation = &self.history.operations[index];
        let parts = operation.request.parts();
        let reported = results(operation);
        let adopt = |tree: &mut Tree| {
            for (part, result) in parts.iter().zip(&reported) {
                tree.force(part, result, operation.session, zxid);
            }
        };
        if self.tree.are_parts_in_doubt(&parts) {
            adopt(&mut self.tree);
            return None;
        }
        let what = match self.tree.apply(&parts, operation.session, zxid) {
            Ok(expected) => self.compare(&parts, &expected, &reported),
            Err(errors) => {
                let error = errors.iter().find(|e| **e != ErrorCode::OK).copied();
                Some(format!("it must fail with {}", error.unwrap_or(ErrorCode::OK)))
            }
        };
        if what.is_some() {
            adopt(&mut self.tree);
        }
        what.map(|what| Difference { operation: index, what })
    }

    fn compare(
        &mut self,
        parts: &[MultiOp],
        expected: &[MultiResult],
        reported: &[MultiResult],
    ) -> Option<String> {
        if reported.len() != expected.len() {
            return Some(format!("it must have {} results", expected.len()));
        }
        for ((part, expected), reported) in parts.iter().zip(expected).zip(reported) {
            let what = match (expected, reported) {
                (
                    MultiResult::Created { path, stat },
                    MultiResult::Created { path: reported_path, stat: reported_stat },
                ) => {
                    if path != reported_path {
                        return Some(format!("the path must be {path}"));
                    }
                    let (stat, reported) = (stat.as_ref(), reported_stat.as_ref());
                    let partial = self.tree.are_children_in_doubt(path);
                    stat.zip(reported).and_then(|(s, r)| self.times.differ(s, r, partial))
                }
                (MultiResult::Set { stat }, MultiResult::Set { stat: reported }) => {
                    let partial = self.tree.are_children_in_doubt(part.path());
                    self.times.differ(stat, reported, partial)
                }
                (expected, reported) if expected == reported => None,
                (_, _) => Some("the result must be of another kind".to_owned()),
            };
            if what.is_some() {
                return what;
            }
        }
        None
    }

    fn failed(&mut self, index: usize) -> Option<Difference> {
        let operation = &self.history.operations[index];
        let parts = operation.request.parts();
        let reported = errors(operation);
        let decisive = reported
            .iter()
            .find(|error| !matches!(**error, ErrorCode::OK | ErrorCode::RUNTIME_INCONSISTENCY))?;
        if !decisive.depends_on_tree() || self.tree.are_parts_in_doubt(&parts) {
            return None;
        }
        let what = match self.tree.would_fail(&parts, operation.session) {
            Some(expected) if expected == reported => return None,
            Some(expected) => {
                let list: Vec<String> = expected.iter().map(ErrorCode::to_string).collect();
                format!("it must fail with {}", list.join(", "))
            }
            None => "it must succeed".to_owned(),
        };
        Some(Difference { operation: index, what })
    }

    /// How the answer of a read differs from the tree at the zxid reached.
    pub(super) fn read(&mut self, operation: &ZOperation) -> Option<String> {
        let path = operation.request.path().filter(|path| !self.tree.is_in_doubt(path))?;
        let there = self.tree.get(path);
        let response = match &operation.outcome {
            Outcome::Ok(response) => response,
            Outcome::Error(ErrorCode::NO_NODE) => {
                let owner = self.tree.stat(path)?.ephemeral_owner;
                let kind = if owner == 0 { "znode" } else { "ephemeral znode" };
                return Some(format!("the {kind} exists"));
            }
            Outcome::Error(_) | Outcome::Unknown => return None,
        };
        let Some(znode) = there else { return Some("the znode does not exist".to_owned()) };
        let children_in_doubt = self.tree.are_children_in_doubt(path);
        let stat = match (&operation.request, response) {
            (Request::Exists { .. }, Response::Exists { stat }) => stat,
            (Request::GetData { .. }, Response::Data { data, stat }) => {
                if *data != znode.data {
                    return Some(format!("the data is {}", znode.data));
                }
                stat
            }
            (Request::GetChildren2 { .. }, Response::Children { children, stat }) => {
                let mut children: Vec<&String> = children.iter().collect();
                children.sort_unstable();
                if !children_in_doubt && !children.into_iter().eq(&znode.children) {
                    let list: Vec<&str> = znode.children.iter().map(String::as_str).collect();
                    return Some(format!("the children are [{}]", list.join(" ")));
                }
                stat
            }
            (_, _) => return Some("the answer is of another kind".to_owned()),
        };
        let expected = self.tree.stat(path)?;
        self.times.differ(&expected, stat, children_in_doubt)
    }
}

impl Times {
    /// The first field in which a stat differs. With `partial`, the fields that count children
    /// are passed over.
    fn differ(&mut self, expected: &Stat, reported: &Stat, partial: bool) -> Option<String> {
        let zxid =
            |name, expected: Zxid, reported: Zxid| (name, expected.0 as i64, reported.0 as i64);
        let number =
            |name, expected: i32, reported: i32| (name, i64::from(expected), i64::from(reported));
        let mut fields = vec![
            number("version", expected.version, reported.version),
            zxid("czxid", expected.czxid, reported.czxid),
            zxid("mzxid", expected.mzxid, reported.mzxid),
            ("ephemeralOwner", expected.ephemeral_owner, reported.ephemeral_owner),
            number("dataLength", expected.data_length, reported.data_length),
            number("aversion", expected.aversion, reported.aversion),
        ];
        if !partial {
            fields.push(number("numChildren", expected.num_children, reported.num_children));
            fields.push(number("cversion", expected.cversion, reported.cversion));
            fields.push(zxid("pzxid", expected.pzxid, reported.pzxid));
        }
        for (name, expected, reported) in fields {
            if expected != reported {
                return Some(match name.ends_with("zxid") {
                    true => format!("{name} is {expected:#x}, not {reported:#x}"),
                    false => format!("{name} is {expected}, not {reported}"),
                });
            }
        }
        let times = [("ctime", reported.czxid, reported.ctime_ms)];
        for (name, zxid, time) in
            times.into_iter().chain([("mtime", reported.mzxid, reported.mtime_ms)])
        {
            let known = *self.0.entry(zxid).or_insert(time);
            if known != time {
                return Some(format!("{name} is {known}, not {time}"));
            }
        }
        None
    }
}

/// The results of an answered write, part by part.
pub(super) fn results(operation: &ZOperation) -> Vec<MultiResult> {
    match operation.response() {
        Some(Response::Created { path, stat }) => {
            vec![MultiResult::Created { path: path.clone(), stat: *stat }]
        }
        Some(Response::Deleted) => vec![MultiResult::Deleted],
        Some(Response::Set { stat }) => vec![MultiResult::Set { stat: *stat }],
        Some(Response::Multi { results }) => results.clone(),
        Some(
            Response::Exists { .. }
            | Response::Data { .. }
            | Response::Children { .. }
            | Response::Synced,
        )
        | None => Vec::new(),
    }
}

/// The errors of a failed write, part by part.
fn errors(operation: &ZOperation) -> Vec<ErrorCode> {
    match &operation.outcome {
        Outcome::Error(error) => vec![*error],
        Outcome::Ok(Response::Multi { results }) => {
            let codes = results.iter().map(|result| match result {
                MultiResult::Error(error) => *error,
                MultiResult::Created { .. }
                | MultiResult::Deleted
                | MultiResult::Set { .. }
                | MultiResult::Checked => ErrorCode::OK,
            });
            codes.collect()
        }
        Outcome::Ok(_) | Outcome::Unknown => Vec::new(),
    }
}
