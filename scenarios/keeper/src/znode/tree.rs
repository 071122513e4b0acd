//! A sequential model of the znode tree: what a transaction does, and what its client must see.
//!
//! After ZooKeeper's programmer's guide ("Data model", "The ZooKeeper stat structure") and the
//! server's observable rules: a sequential name carries the number of creations under its parent,
//! and the wire's `cversion` counts creations and deletions of children. Where it is not known
//! whether something happened, the paths it touches are in doubt, and nothing is said of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Data, ErrorCode, MultiOp, MultiResult, SessionId, Stat, WatchEventKind, Zxid};

/// The tree after some transaction.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    nodes: BTreeMap<String, Znode>,
    doubt: Doubt,
    /// Pre-images of a multi in progress.
    journal: Vec<(String, Option<Znode>)>,
    changes: Vec<Change>,
}

/// One znode.
#[derive(Debug, Clone, Default)]
pub(super) struct Znode {
    pub(super) data: Data,
    pub(super) children: BTreeSet<String>,
    czxid: Zxid,
    mzxid: Zxid,
    pzxid: Zxid,
    version: i32,
    /// Children ever created: the counter of sequential names.
    creations: i32,
    ephemeral_owner: i64,
}

/// A change that watches speak of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) zxid: Zxid,
    pub(super) path: String,
    pub(super) kind: WatchEventKind,
}

/// What may have happened unseen.
#[derive(Debug, Clone, Default)]
struct Doubt {
    nodes: BTreeSet<String>,
    children_of: BTreeSet<String>,
    /// Beginnings of names that a sequential creation may have used.
    sequential: BTreeSet<String>,
    /// Sessions that may be over.
    sessions: BTreeSet<SessionId>,
}

impl Tree {
    /// The tree of a new ensemble. What is under `/zookeeper` is the servers' own business.
    pub(super) fn new() -> Tree {
        let mut root = Znode::default();
        root.children.insert("zookeeper".to_owned());
        let mut doubt = Doubt::default();
        doubt.nodes.insert("/zookeeper".to_owned());
        let nodes = BTreeMap::from([("/".to_owned(), root)]);
        Tree { nodes, doubt, journal: Vec::new(), changes: Vec::new() }
    }

    /// A znode that exists.
    pub(super) fn get(&self, path: &str) -> Option<&Znode> {
        self.nodes.get(path)
    }

    /// Takes the changes since the last call.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Applies the parts of a write in one transaction, or none of them: then the error of each
    /// part is returned as a failed multi reports it.
    pub(super) fn apply(
        &mut self,
        parts: &[MultiOp],
        session: SessionId,
        zxid: Zxid,
    ) -> Result<Vec<MultiResult>, Vec<ErrorCode>> {
        self.journal.clear();
        let changes = self.changes.len();
        let mut results = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            match self.apply_part(part, session, zxid) {
                Ok(result) => results.push(result),
                Err(error) => {
                    self.roll_back(changes);
                    let mut errors = vec![ErrorCode::RUNTIME_INCONSISTENCY; parts.len()];
                    errors[..index].fill(ErrorCode::OK);
                    errors[index] = error;
                    return Err(errors);
                }
            }
        }
        Ok(results)
    }

    fn roll_back(&mut self, changes: usize) {
        while let Some((path, before)) = self.journal.pop() {
            match before {
                Some(znode) => self.nodes.insert(path, znode),
                None => self.nodes.remove(&path),
            };
        }
        self.changes.truncate(changes);
    }

    /// Whether and how the parts would fail; the tree stays as it is.
    pub(super) fn would_fail(
        &mut self,
        parts: &[MultiOp],
        session: SessionId,
    ) -> Option<Vec<ErrorCode>> {
        let changes = self.changes.len();
        match self.apply(parts, session, Zxid(0)) {
            Ok(_) => {
                self.roll_back(changes);
                None
            }
            Err(errors) => Some(errors),
        }
    }

    fn apply_part(
        &mut self,
        part: &MultiOp,
        session: SessionId,
        zxid: Zxid,
    ) -> Result<MultiResult, ErrorCode> {
        match part {
            MultiOp::Create { path, data, mode } => {
                let parent = self.nodes.get(parent_of(path)).ok_or(ErrorCode::NO_NODE)?;
                let path = match mode.is_sequential() {
                    true => format!("{path}{:010}", parent.creations),
                    false => path.clone(),
                };
                if self.nodes.contains_key(&path) {
                    return Err(ErrorCode::NODE_EXISTS);
                }
                if parent.ephemeral_owner != 0 {
                    return Err(ErrorCode::NO_CHILDREN_FOR_EPHEMERALS);
                }
                let owner = if mode.is_ephemeral() { session.0 } else { 0 };
                self.create(&path, data, owner, zxid);
                let stat = self.stat(&path);
                Ok(MultiResult::Created { path, stat })
            }
            MultiOp::Delete { path, version } => {
                self.nodes.get(parent_of(path)).ok_or(ErrorCode::NO_NODE)?;
                let znode = self.at_version(path, *version)?;
                if !znode.children.is_empty() {
                    return Err(ErrorCode::NOT_EMPTY);
                }
                self.delete(path, zxid);
                Ok(MultiResult::Deleted)
            }
            MultiOp::SetData { path, data, version } => {
                self.at_version(path, *version)?;
                self.remember(path);
                let znode = self.nodes.get_mut(path).expect("it was there a moment ago");
                znode.data = data.clone();
                znode.version = znode.version.wrapping_add(1);
                znode.mzxid = zxid;
                self.change(zxid, path, WatchEventKind::NodeDataChanged);
                let stat = self.stat(path).expect("it was there a moment ago");
                Ok(MultiResult::Set { stat })
            }
            MultiOp::Check { path, version } => {
                self.at_version(path, *version)?;
                Ok(MultiResult::Checked)
            }
        }
    }

    fn at_version(&self, path: &str, version: i32) -> Result<&Znode, ErrorCode> {
        let znode = self.nodes.get(path).ok_or(ErrorCode::NO_NODE)?;
        if version != -1 && version != znode.version {
            return Err(ErrorCode::BAD_VERSION);
        }
        Ok(znode)
    }

    fn create(&mut self, path: &str, data: &Data, owner: i64, zxid: Zxid) {
        let parent = parent_of(path);
        self.remember(parent);
        self.remember(path);
        if let Some(parent) = self.nodes.get_mut(parent) {
            parent.children.insert(name_of(path).to_owned());
            parent.creations = parent.creations.wrapping_add(1);
            parent.pzxid = zxid;
        }
        let znode = Znode {
            data: data.clone(),
            czxid: zxid,
            mzxid: zxid,
            pzxid: zxid,
            ephemeral_owner: owner,
            ..Znode::default()
        };
        self.nodes.insert(path.to_owned(), znode);
        if self.doubt.sessions.contains(&SessionId(owner)) {
            self.doubt.children_of.insert(parent.to_owned());
            self.doubt.nodes.insert(path.to_owned());
        }
        self.change(zxid, path, WatchEventKind::NodeCreated);
        self.change(zxid, parent, WatchEventKind::NodeChildrenChanged);
    }

    fn delete(&mut self, path: &str, zxid: Zxid) {
        let parent = parent_of(path);
        self.remember(parent);
        self.remember(path);
        if let Some(parent) = self.nodes.get_mut(parent) {
            parent.children.remove(name_of(path));
            parent.pzxid = zxid;
        }
        self.nodes.remove(path);
        self.change(zxid, path, WatchEventKind::NodeDeleted);
        self.change(zxid, parent, WatchEventKind::NodeChildrenChanged);
    }

    fn remember(&mut self, path: &str) {
        self.journal.push((path.to_owned(), self.nodes.get(path).cloned()));
    }

    fn change(&mut self, zxid: Zxid, path: &str, kind: WatchEventKind) {
        if !self.is_in_doubt(path) {
            self.changes.push(Change { zxid, path: path.to_owned(), kind });
        }
    }

    /// Ends a session: its ephemerals go in this transaction. Returns their paths.
    pub(super) fn close(&mut self, session: SessionId, zxid: Zxid) -> Vec<String> {
        let owned = self.owned_by(session);
        owned.iter().for_each(|path| self.delete(path, zxid));
        owned
    }

    fn owned_by(&self, session: SessionId) -> Vec<String> {
        let owned = self.nodes.iter().filter(|(_, znode)| znode.ephemeral_owner == session.0);
        owned.filter(|_| session.0 != 0).map(|(path, _)| path.clone()).collect()
    }

    /// Makes the tree what a reply says, where the model is in doubt or disagrees.
    pub(super) fn force(
        &mut self,
        part: &MultiOp,
        result: &MultiResult,
        session: SessionId,
        zxid: Zxid,
    ) {
        match (part, result) {
            (MultiOp::Create { data, mode, .. }, MultiResult::Created { path, .. }) => {
                let owner = if mode.is_ephemeral() { session.0 } else { 0 };
                self.create(path, data, owner, zxid);
            }
            (MultiOp::Delete { path, .. }, MultiResult::Deleted) => self.delete(path, zxid),
            (MultiOp::SetData { path, data, .. }, MultiResult::Set { stat }) => {
                let znode = self.nodes.entry(path.clone()).or_default();
                znode.data = data.clone();
                znode.version = stat.version;
                znode.czxid = stat.czxid;
                znode.mzxid = zxid;
                znode.ephemeral_owner = stat.ephemeral_owner;
                self.change(zxid, path, WatchEventKind::NodeDataChanged);
            }
            // A result of another kind is a disagreement that leaves nothing to adopt.
            (MultiOp::Create { .. } | MultiOp::Delete { .. } | MultiOp::SetData { .. }, _)
            | (MultiOp::Check { .. }, _) => {}
        }
    }

    /// The stat of a znode, with times left at 0: the model has no clock.
    pub(super) fn stat(&self, path: &str) -> Option<Stat> {
        let znode = self.nodes.get(path)?;
        let children = znode.children.len() as i32;
        Some(Stat {
            czxid: znode.czxid,
            mzxid: znode.mzxid,
            ctime_ms: 0,
            mtime_ms: 0,
            version: znode.version,
            cversion: znode.creations.wrapping_mul(2).wrapping_sub(children),
            aversion: 0,
            ephemeral_owner: znode.ephemeral_owner,
            data_length: znode.data.0.len() as i32,
            num_children: children,
            pzxid: znode.pzxid,
        })
    }

    /// From here on these parts may take effect at any time, or never.
    pub(super) fn doubt_parts(&mut self, parts: &[MultiOp]) {
        for part in parts {
            match part {
                MultiOp::Create { path, mode, .. } => {
                    if mode.is_sequential() {
                        self.doubt.sequential.insert(path.clone());
                    } else {
                        self.doubt.nodes.insert(path.clone());
                    }
                    self.doubt.children_of.insert(parent_of(path).to_owned());
                }
                MultiOp::Delete { path, .. } => {
                    self.doubt.nodes.insert(path.clone());
                    self.doubt.children_of.insert(parent_of(path).to_owned());
                }
                MultiOp::SetData { path, .. } => {
                    self.doubt.nodes.insert(path.clone());
                }
                MultiOp::Check { .. } => {}
            }
        }
    }

    /// From here on this session may end at any time: its ephemerals may be gone.
    pub(super) fn doubt_session(&mut self, session: SessionId) {
        self.doubt.sessions.insert(session);
        for path in self.owned_by(session) {
            self.doubt.children_of.insert(parent_of(&path).to_owned());
            self.doubt.nodes.insert(path);
        }
    }

    /// Whether the znode, or one above it, may be otherwise than it seems.
    pub(super) fn is_in_doubt(&self, path: &str) -> bool {
        let mut at = path;
        loop {
            if self.doubt.nodes.contains(at) {
                return true;
            }
            if at.len() <= 1 {
                break;
            }
            at = parent_of(at);
        }
        self.doubt.sequential.iter().any(|start| path.starts_with(start.as_str()))
    }

    /// Whether children of the znode may have come or gone unseen.
    pub(super) fn are_children_in_doubt(&self, path: &str) -> bool {
        self.doubt.children_of.contains(path)
    }

    /// Whether the result of any of the parts hangs on something in doubt.
    pub(super) fn are_parts_in_doubt(&self, parts: &[MultiOp]) -> bool {
        parts.iter().any(|part| {
            let path = part.path();
            let of_children = match part {
                MultiOp::Create { mode, .. } => {
                    mode.is_sequential() && self.are_children_in_doubt(parent_of(path))
                }
                MultiOp::Delete { .. } => self.are_children_in_doubt(path),
                MultiOp::SetData { .. } | MultiOp::Check { .. } => false,
            };
            of_children || self.is_in_doubt(path) || self.is_in_doubt(parent_of(path))
        })
    }
}

/// The path of the znode above; the root's is itself.
pub(super) fn parent_of(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(at) => &path[..at],
    }
}

/// The last part of a path.
pub(super) fn name_of(path: &str) -> &str {
    path.rfind('/').map_or(path, |at| &path[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::znode::CreateMode;

    fn create(path: &str, mode: CreateMode) -> MultiOp {
        MultiOp::Create { path: path.to_owned(), data: Data::text("x"), mode }
    }

    fn delete(path: &str) -> MultiOp {
        MultiOp::Delete { path: path.to_owned(), version: -1 }
    }

    #[test]
    fn stats_count_as_on_the_wire() {
        let mut tree = Tree::new();
        let session = SessionId(7);
        assert_eq!(tree.stat("/").unwrap().cversion, -1);
        tree.apply(&[create("/a", CreateMode::Persistent)], session, Zxid(1)).unwrap();
        let child = create("/a/n-", CreateMode::EphemeralSequential);
        for zxid in 2..=4 {
            tree.apply(std::slice::from_ref(&child), session, Zxid(zxid)).unwrap();
        }
        tree.apply(&[delete("/a/n-0000000001")], session, Zxid(5)).unwrap();
        let stat = tree.stat("/a").unwrap();
        assert_eq!((stat.cversion, stat.num_children, stat.pzxid), (4, 2, Zxid(5)));
        assert_eq!(tree.close(session, Zxid(9)), ["/a/n-0000000000", "/a/n-0000000002"]);
        let stat = tree.stat("/a").unwrap();
        assert_eq!((stat.cversion, stat.num_children, stat.pzxid), (6, 0, Zxid(9)));
    }

    #[test]
    fn a_failed_multi_leaves_nothing_behind() {
        let mut tree = Tree::new();
        let parts = [
            create("/a", CreateMode::Persistent),
            create("/a/b", CreateMode::Persistent),
            delete("/a"),
            delete("/a/b"),
        ];
        let errors = tree.apply(&parts, SessionId(1), Zxid(1)).unwrap_err();
        let rolled_back = ErrorCode::RUNTIME_INCONSISTENCY;
        assert_eq!(errors, [ErrorCode::OK, ErrorCode::OK, ErrorCode::NOT_EMPTY, rolled_back]);
        assert!(tree.get("/a").is_none() && tree.take_changes().is_empty());
        assert_eq!(tree.stat("/").unwrap().cversion, -1);
    }
}
