//! The lines of locks and elections as the tree had them: which znode stood from which transaction
//! to which. Lost answers are looked up among the servers' transactions.

use std::collections::{BTreeMap, BTreeSet};

use crate::claims::{Claim, Grant};
use crate::record::{ClientOperation, ClientOutcome, RunRecord};
use crate::znode::{Commit, CommitKind};
use keeper_core::ids::{SessionId, Zxid};
use keeper_core::wire::client::Request;

use super::Story;
use crate::convert::known_commits;

/// A znode in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// What its name begins with: the path that was asked for, which no other znode has.
    prefix: String,
    /// Whose claim it stands for.
    pub(super) claim: (u32, usize),
    /// The session that it goes with.
    pub(super) session: SessionId,
    /// The transaction that created it.
    pub(super) born: Zxid,
    /// The transaction that deleted it, or ended its session.
    pub(super) died: Option<Zxid>,
}

/// Every line of a run by its path, each in the order of creation, which is the order of its
/// numbers.
pub(super) struct Lines(BTreeMap<String, Vec<Standing>>);

impl Lines {
    /// None if nobody knows what became of some writes: then nothing can be said of the lines.
    pub(super) fn of(record: &RunRecord) -> Option<Lines> {
        if record.history.claims.is_empty() {
            return Some(Lines(BTreeMap::new()));
        }
        let committed = Committed::new(&known_commits(record)?);
        let paths: BTreeSet<&str> =
            record.history.claims.iter().map(|claim| claim.path.as_str()).collect();
        let mut lines: BTreeMap<String, Vec<Standing>> = BTreeMap::new();
        for operation in &record.history.operations {
            let Request::Create(create) = &operation.request else { continue };
            let Some(line) = parent(&create.path).filter(|line| paths.contains(line)) else {
                continue;
            };
            let Some(born) = committed.position(operation) else { continue };
            let session = operation.session;
            lines.entry(line.to_owned()).or_default().push(Standing {
                prefix: create.path.clone(),
                claim: (operation.client, operation.planned),
                session,
                born,
                died: committed.ends.get(&session).copied(),
            });
        }
        for operation in &record.history.operations {
            let Request::Delete { path, .. } = &operation.request else { continue };
            let line = parent(path).and_then(|line| lines.get_mut(line));
            if let (Some(line), Some(died)) = (line, committed.position(operation)) {
                let deleted = line.iter_mut().filter(|node| path.starts_with(&node.prefix));
                // A session's end that comes later finds nothing to delete.
                deleted.for_each(|node| node.died = Some(node.died.map_or(died, |d| d.min(died))));
            }
        }
        lines.values_mut().for_each(|line| line.sort_by_key(|node| node.born));
        Some(Lines(lines))
    }

    /// A path's line.
    pub(super) fn line(&self, path: &str) -> &[Standing] {
        self.0.get(path).map_or(&[], Vec::as_slice)
    }

    /// Every znode that stood in any line.
    pub(super) fn all(&self) -> impl Iterator<Item = &Standing> {
        self.0.values().flatten()
    }

    /// The znode that a claim was granted for.
    pub(super) fn granted(&self, claim: &Claim, grant: &Grant) -> Option<&Standing> {
        self.line(&claim.path).iter().find(|node| grant.node.starts_with(&node.prefix))
    }
}

impl Standing {
    /// Whether it stood in a state of the tree.
    pub(super) fn stood_at(&self, state: Zxid) -> bool {
        self.born <= state && self.died.is_none_or(|died| died > state)
    }

    /// What it is called where its number is not known.
    pub(super) fn name(&self) -> String {
        format!("{}..", self.prefix)
    }
}

/// Where transactions are in the order of all.
struct Committed {
    requests: BTreeMap<(u64, i32), Zxid>,
    ends: BTreeMap<SessionId, Zxid>,
}

impl Committed {
    fn new(commits: &[Commit]) -> Committed {
        let (mut requests, mut ends) = (BTreeMap::new(), BTreeMap::new());
        for commit in commits {
            let zxid = Zxid(commit.zxid.0);
            match commit.kind {
                CommitKind::Operation => {
                    requests.insert((commit.session.0 as u64, commit.cxid.0), zxid);
                }
                CommitKind::CloseSession => {
                    // A session may be closed twice; the second time changes nothing.
                    ends.entry(SessionId(commit.session.0)).or_insert(zxid);
                }
                CommitKind::CreateSession => {}
            }
        }
        Committed { requests, ends }
    }

    /// Where a write took effect, if it did.
    fn position(&self, operation: &ClientOperation) -> Option<Zxid> {
        match operation.outcome {
            ClientOutcome::Ok { zxid, .. } => Some(zxid),
            ClientOutcome::Unknown => {
                self.requests.get(&(operation.session.0 as u64, operation.xid)).copied()
            }
            ClientOutcome::Error { .. } | ClientOutcome::NotSent => None,
        }
    }
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent)
}

/// Lines of a contradiction about claims.
pub(super) trait Granted: Sized {
    /// A claim's grant.
    fn granted(self, claim: &Claim, grant: &Grant, note: impl Into<String>) -> Self;
}

impl Granted for Story {
    fn granted(self, claim: &Claim, grant: &Grant, note: impl Into<String>) -> Story {
        let Grant { token, seen, node, .. } = grant;
        let text = format!("granted {} by {node} with token {token}, seen at {seen}", claim.path);
        self.line(format!("c{}", claim.client), grant.at_ns, text, note)
    }
}
