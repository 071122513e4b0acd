//! Where in the order of commits every change belongs.
//!
//! A reply carries its zxid. An operation without a reply is placed by the list of commits, if
//! there is one; else by evidence: a stat that names a czxid or mzxid of no known write can only
//! come from an unanswered one, and if only one fits, that is it. What cannot be placed puts the
//! paths it touches in doubt from the moment it was asked. Ends of sessions go the same way.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Commit, CommitKind, Cxid, MultiOp, MultiResult, Response, SessionEventKind, SessionId, Stat,
    ZHistory, ZOperation, Zxid,
};

/// Something that happens to the tree, at a zxid. The order of variants is the order at one zxid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// An answered write that changed the tree.
    Write(usize),
    /// An unanswered write that is known to have been committed here.
    Unanswered(usize),
    /// The end of a session.
    Close(SessionId),
    /// An answered write that failed: it saw the tree as it is here.
    Failed(usize),
    /// From here on, an unanswered write may take effect.
    Doubt(usize),
    /// From here on, a session may be over.
    DoubtSession(SessionId),
}

/// Every step of a history, in order.
pub(super) fn steps(history: &ZHistory) -> Vec<(Zxid, Step)> {
    let mut steps = Vec::new();
    let placed = unanswered(history);
    for (index, operation) in history.operations.iter().enumerate() {
        if !operation.request.is_write() {
            continue;
        }
        let step = match (operation.committed_zxid(), operation.zxid) {
            (Some(zxid), _) => (zxid, Step::Write(index)),
            (None, Some(zxid)) if operation.is_known() => (zxid, Step::Failed(index)),
            _ => match placed.get(&index) {
                Some(zxid) => (*zxid, Step::Unanswered(index)),
                None if history.commits.is_some() => continue,
                None => (asked_after(history, operation), Step::Doubt(index)),
            },
        };
        steps.push(step);
    }
    steps.extend(ends_of_sessions(history));
    steps.sort_unstable();
    steps
}

/// The largest zxid that anyone had seen before an operation was asked.
fn asked_after(history: &ZHistory, operation: &ZOperation) -> Zxid {
    let before = history.operations.iter().filter(|other| other.returned_before(operation));
    before.filter_map(|other| other.zxid).max().unwrap_or_default()
}

/// The zxids of unanswered writes, as far as they can be told.
fn unanswered(history: &ZHistory) -> BTreeMap<usize, Zxid> {
    let unknown = || {
        let all = history.operations.iter().enumerate();
        all.filter(|(_, op)| op.request.is_write() && !op.is_known())
    };
    if let Some(commits) = &history.commits {
        let is_operation = |commit: &&Commit| commit.kind == CommitKind::Operation;
        let at: BTreeMap<(SessionId, Cxid), Zxid> = commits
            .iter()
            .filter(is_operation)
            .map(|commit| ((commit.session, commit.cxid), commit.zxid))
            .collect();
        return unknown()
            .filter_map(|(index, op)| Some((index, *at.get(&(op.session, op.cxid))?)))
            .collect();
    }
    let known: BTreeSet<Zxid> =
        history.operations.iter().filter_map(ZOperation::committed_zxid).collect();
    let mut placed = BTreeMap::new();
    let candidates: Vec<(usize, Vec<MultiOp>)> =
        unknown().map(|(index, op)| (index, op.request.parts())).collect();
    for (path, stat) in candidates.iter().take(1).flat_map(|_| observed(history)) {
        for (zxid, is_creation) in [(stat.czxid, true), (stat.mzxid, stat.mzxid == stat.czxid)] {
            if known.contains(&zxid) || zxid == Zxid(0) {
                continue;
            }
            let fits = |parts: &[MultiOp]| parts.iter().any(|p| fits(p, &path, is_creation));
            let mut fitting = candidates.iter().filter(|(_, parts)| fits(parts));
            if let (Some((index, _)), None) = (fitting.next(), fitting.next()) {
                placed.insert(*index, zxid);
            }
        }
    }
    placed
}

fn fits(part: &MultiOp, path: &str, is_creation: bool) -> bool {
    match part {
        MultiOp::Create { path: asked, mode, .. } if mode.is_sequential() => {
            is_creation && path.strip_prefix(asked.as_str()).is_some_and(|rest| rest.len() >= 10)
        }
        MultiOp::Create { path: asked, .. } => is_creation && path == asked,
        MultiOp::SetData { path: asked, .. } => !is_creation && path == asked,
        MultiOp::Delete { .. } | MultiOp::Check { .. } => false,
    }
}

/// Every stat that a client saw, with its path.
pub(super) fn observed(history: &ZHistory) -> Vec<(String, Stat)> {
    let mut seen = Vec::new();
    for operation in &history.operations {
        let path = operation.request.path().unwrap_or("");
        match operation.response() {
            Some(
                Response::Exists { stat }
                | Response::Data { stat, .. }
                | Response::Set { stat }
                | Response::Children { stat, .. },
            ) => seen.push((path.to_owned(), *stat)),
            Some(Response::Created { path, stat }) => {
                seen.extend(stat.map(|stat| (path.clone(), stat)));
            }
            Some(Response::Multi { results }) => {
                for (part, result) in operation.request.parts().iter().zip(results) {
                    match result {
                        MultiResult::Set { stat } => seen.push((part.path().to_owned(), *stat)),
                        MultiResult::Created { path, stat } => {
                            seen.extend(stat.map(|stat| (path.clone(), stat)));
                        }
                        MultiResult::Deleted | MultiResult::Checked | MultiResult::Error(_) => {}
                    }
                }
            }
            Some(Response::Deleted | Response::Synced) | None => {}
        }
    }
    seen
}

/// The zxids at which sessions ended, as far as they are known. A session that expires while its
/// client closes it is closed by two transactions, of which the second changes nothing.
pub(super) fn closes(history: &ZHistory) -> BTreeMap<SessionId, Zxid> {
    let told = history.sessions.iter().filter_map(|event| match event.kind {
        SessionEventKind::Closed { zxid } => Some((event.session, zxid?)),
        _ => None,
    });
    let commits = history.commits.iter().flatten();
    let committed = commits.filter(|commit| commit.kind == CommitKind::CloseSession);
    let mut closes: BTreeMap<SessionId, Zxid> = BTreeMap::new();
    for (session, zxid) in told.chain(committed.map(|commit| (commit.session, commit.zxid))) {
        closes.entry(session).and_modify(|first| *first = zxid.min(*first)).or_insert(zxid);
    }
    closes
}

fn ends_of_sessions(history: &ZHistory) -> Vec<(Zxid, Step)> {
    let closes = closes(history);
    let mut steps: Vec<(Zxid, Step)> =
        closes.iter().map(|(session, zxid)| (*zxid, Step::Close(*session))).collect();
    if history.commits.is_none() {
        // A session lives at least as long as its answers go; it may end unseen after that.
        let mut alive_at: BTreeMap<SessionId, Zxid> = BTreeMap::new();
        for operation in &history.operations {
            let at = alive_at.entry(operation.session).or_default();
            *at = operation.zxid.unwrap_or_default().max(*at);
        }
        alive_at.retain(|session, _| !closes.contains_key(session));
        steps.extend(alive_at.into_iter().map(|(session, at)| (at, Step::DoubtSession(session))));
    }
    steps
}
