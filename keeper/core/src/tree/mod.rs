//! The znode tree that every server holds in memory (Apache's `DataTree`).
//!
//! The tree changes by applying committed transactions and in no other way, except for the local
//! node `/zookeeper/config`. Equal transactions give equal trees, bit for bit: nothing here depends
//! on the order of a hash table. Sessions are not part of the tree; which ephemeral nodes belong to
//! which session is.
//!
//! Paths are keyed as clients write them, the root as `/`. Snapshots name the root by the empty
//! string; that is the serialisation's business alone.

mod acl;
mod apply;
mod build;
mod digest;
mod freeze;
mod nodes;
mod owner;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::ids::{SessionId, Zxid};
use crate::path;
use crate::record::{Acl, Data, Stat, StatPersisted};
use crate::txn::TxnDigest;

use acl::{AclTable, OPEN};
use nodes::{Node, Nodes};

pub use apply::{Applied, TxnResult};
pub use build::{BuildError, TreeBuilder};
pub use freeze::FreezeId;
pub use owner::Owner;
pub use watch::{Missed, Trigger, WatchKind, WatchTable, WatchedPaths};

/// The root.
pub const ROOT: &str = "/";
/// Where ZooKeeper keeps its own nodes. The digest ignores what is below it.
pub const ZOOKEEPER: &str = "/zookeeper";
/// Quota limits and statistics.
pub const QUOTA: &str = "/zookeeper/quota";
/// The ensemble's configuration.
pub const CONFIG: &str = "/zookeeper/config";

/// All znodes, and the last transaction that made them so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    nodes: Nodes,
    acls: AclTable,
    ephemerals: BTreeMap<SessionId, BTreeSet<Arc<str>>>,
    last_zxid: Zxid,
}

/// One node as a reader sees it.
#[derive(Clone, Copy, Debug)]
pub struct NodeView<'a> {
    node: &'a Node,
}

impl<'a> NodeView<'a> {
    /// The data; `None` is jute's null buffer.
    pub fn data(&self) -> &'a Data {
        &self.node.data
    }

    /// What a client is told about the node.
    pub fn stat(&self) -> Stat {
        self.node.stat()
    }

    /// What snapshots hold about the node. Its `cversion`, the number of children ever created,
    /// numbers the next sequential child.
    pub fn persisted(&self) -> &'a StatPersisted {
        &self.node.stat
    }

    /// Whether the node ends with a session, or is a container or TTL node.
    pub fn owner(&self) -> Owner {
        Owner::of(self.node.stat.ephemeral_owner)
    }

    /// How many children it has.
    pub fn child_count(&self) -> usize {
        self.node.child_count as usize
    }
}

impl Default for Tree {
    fn default() -> Self {
        Tree::new()
    }
}

impl Tree {
    /// The tree of an ensemble that has never committed anything.
    pub fn new() -> Tree {
        let mut builder = TreeBuilder::new();
        for path in [ROOT, ZOOKEEPER, QUOTA, CONFIG] {
            builder
                .insert(path, Some(Bytes::new()), OPEN, StatPersisted::default())
                .expect("parents come before their children");
        }
        let mut tree = builder.finish(Zxid::ZERO).expect("the root is there");
        tree.protect_config();
        tree
    }

    /// The node at `path`.
    pub fn get(&self, path: &str) -> Option<NodeView<'_>> {
        self.nodes.get(path).map(|node| NodeView { node })
    }

    /// Whether there is a node at `path`.
    pub fn contains(&self, path: &str) -> bool {
        self.nodes.get(path).is_some()
    }

    /// The names of the children, in order; `None` if there is no such node.
    pub fn children(&self, path: &str) -> Option<impl Iterator<Item = &str>> {
        self.contains(path).then(|| self.nodes.children(path))
    }

    /// Who may do what with the node.
    pub fn acl(&self, path: &str) -> Option<Arc<[Acl]>> {
        Some(self.acls.get(self.nodes.get(path)?.acl))
    }

    /// The ephemeral nodes of a session, in order.
    pub fn ephemerals(&self, session: SessionId) -> impl Iterator<Item = &str> {
        self.ephemerals.get(&session).into_iter().flatten().map(AsRef::as_ref)
    }

    /// The sessions that own ephemeral nodes, each with how many.
    pub fn ephemeral_owners(&self) -> impl Iterator<Item = (SessionId, usize)> {
        self.ephemerals.iter().map(|(session, paths)| (*session, paths.len()))
    }

    /// Every path, parents before their children.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|(path, _)| path.as_ref())
    }

    /// How many nodes are below `path`, at any depth; 0 if there is no such node.
    pub fn descendants(&self, path: &str) -> usize {
        match path {
            ROOT => self.nodes.len() - 1,
            path => self.nodes.range(below(path)).count(),
        }
    }

    /// The last transaction applied.
    pub fn last_zxid(&self) -> Zxid {
        self.last_zxid
    }

    /// The digest over all nodes, ready to go with a transaction.
    pub fn digest(&self) -> TxnDigest {
        TxnDigest { version: TxnDigest::VERSION, tree_digest: self.nodes.digest() as i64 }
    }

    /// The digest computed afresh from every node; differs from [`Tree::digest`] only by a bug.
    pub fn recompute_digest(&self) -> TxnDigest {
        let fresh = self.nodes.iter().fold(0_u64, |sum, (path, node)| {
            sum.wrapping_add(u64::from(digest::of_node(path, &node.data, &node.stat)))
        });
        TxnDigest { version: TxnDigest::VERSION, tree_digest: fresh as i64 }
    }

    /// Nodes, the root and ZooKeeper's own among them. Apache counts its root twice and says one
    /// more.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The bytes of all paths and data, approximately what a snapshot's nodes hold.
    pub fn data_bytes(&self) -> u64 {
        self.nodes.data_bytes()
    }

    /// Ephemeral nodes of all sessions.
    pub fn ephemeral_count(&self) -> usize {
        self.ephemerals.values().map(BTreeSet::len).sum()
    }

    /// Writes the ensemble's configuration into [`CONFIG`], creating the node if a snapshot older
    /// than 3.5 left it out. Every server does so for itself when it starts (ZOOKEEPER-2819), which
    /// is why the digest ignores the node. `version` is the configuration's own.
    pub fn set_config(&mut self, data: Bytes, version: Zxid, time_ms: i64) {
        if !self.contains(CONFIG) {
            self.create_config();
        }
        self.nodes.update(CONFIG, |node| {
            node.data = Some(data);
            node.stat.version = -1;
            node.stat.mzxid = version;
            node.stat.mtime_ms = time_ms;
        });
    }

    fn create_config(&mut self) {
        for path in [ZOOKEEPER, CONFIG] {
            if !self.contains(path) {
                let parent = path::parent(path).expect("not the root");
                self.nodes.add_child(parent);
                let node = Node::new(Some(Bytes::new()), OPEN, StatPersisted::default());
                self.nodes.insert(path.into(), node);
            }
        }
        self.protect_config();
    }

    /// The configuration is readable by everybody and writable by nobody (ZOOKEEPER-2014); setting
    /// that at version -1 is how Apache's constructor does it.
    fn protect_config(&mut self) {
        self.replace_acl(CONFIG, &Acl::read(), -1);
    }

    /// Whether an access control list is that of more than one node.
    pub(crate) fn shares_lists(&self) -> bool {
        self.acls.has_shared()
    }

    /// For a planted bug: each access control list counts as that of one node.
    pub(crate) fn count_lists_once(&mut self) {
        self.acls.count_once();
    }

    /// For a planted bug: when a node's children last changed.
    pub(crate) fn set_pzxid(&mut self, path: &str, zxid: Zxid) {
        if self.contains(path) {
            self.nodes.update(path, |node| node.stat.pzxid = zxid);
        }
    }

    fn replace_acl(&mut self, path: &str, acl: &[Acl], version: i32) {
        let acl = self.acls.intern(acl);
        let mut old = acl;
        self.nodes.update(path, |node| {
            old = std::mem::replace(&mut node.acl, acl);
            node.stat.aversion = version;
        });
        self.acls.release(old);
    }

    fn paths_below(&self, path: &str) -> Vec<Arc<str>> {
        self.nodes.range(below(path)).map(|(path, _)| Arc::clone(path)).collect()
    }

    /// A bare node out of all tables; its children are the caller's concern.
    fn take(&mut self, path: &str) -> Option<Node> {
        let node = self.nodes.remove(path)?;
        self.acls.release(node.acl);
        if let Owner::Session(session) = Owner::of(node.stat.ephemeral_owner)
            && let Some(paths) = self.ephemerals.get_mut(&session)
        {
            paths.remove(path);
            if paths.is_empty() {
                self.ephemerals.remove(&session);
            }
        }
        Some(node)
    }

    /// A bare node into all tables, except its parent's children, unless there is one. `node.acl` is already counted.
    fn put(&mut self, path: &Arc<str>, node: Node) -> bool {
        let owner = Owner::of(node.stat.ephemeral_owner);
        let is_new = self.nodes.try_insert(Arc::clone(path), node);
        if let Owner::Session(session) = owner
            && is_new
        {
            self.ephemerals.entry(session).or_default().insert(Arc::clone(path));
        }
        is_new
    }
}

/// The range of all paths below one other than the root: `0` is the character after `/`.
fn below(path: &str) -> (Bound<String>, Bound<String>) {
    (Bound::Excluded(format!("{path}/")), Bound::Excluded(format!("{path}0")))
}

#[cfg(test)]
pub(crate) mod history;
#[cfg(test)]
mod tests;
