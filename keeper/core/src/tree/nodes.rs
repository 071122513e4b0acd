//! The nodes by path, and what must keep in step with every change to them: the digest, the sizes
//! and the pre-images of the freezes. There is no way to change a node past these.

use std::collections::{BTreeMap, btree_map};
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use crate::record::{Data, Stat, StatPersisted};

use super::ROOT;
use super::acl::AclId;
use super::digest;
use super::freeze::{Freezes, Image};
use super::owner::Owner;

/// One znode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) data: Data,
    pub(super) acl: AclId,
    pub(super) stat: StatPersisted,
    /// How many nodes are right below it.
    pub(super) child_count: u32,
    /// The node's share of the tree's digest as it was added to the sum.
    digest: u32,
}

impl Node {
    /// A node without children.
    pub(super) fn new(data: Data, acl: AclId, stat: StatPersisted) -> Node {
        Node { data, acl, stat, child_count: 0, digest: 0 }
    }

    /// `DataNode.copyStat`: each child created counts twice, each one living once less, so that
    /// creations and deletions both count. Java's integers wrap, and so do these.
    pub(super) fn stat(&self) -> Stat {
        let living = self.child_count as i32;
        Stat {
            czxid: self.stat.czxid,
            mzxid: self.stat.mzxid,
            ctime_ms: self.stat.ctime_ms,
            mtime_ms: self.stat.mtime_ms,
            version: self.stat.version,
            cversion: self.stat.cversion.wrapping_mul(2).wrapping_sub(living),
            aversion: self.stat.aversion,
            ephemeral_owner: Owner::of(self.stat.ephemeral_owner).to_client(),
            data_length: self.data_len() as i32,
            num_children: living,
            pzxid: self.stat.pzxid,
        }
    }

    /// What a snapshot says of the node.
    pub(super) fn image(&self) -> Image {
        Image { data: self.data.clone(), acl: self.acl, stat: self.stat }
    }

    fn data_len(&self) -> usize {
        self.data.as_ref().map_or(0, |data| data.len())
    }
}

/// All nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Nodes {
    /// Boxed, so that there is less to move where one is put in between.
    map: BTreeMap<Arc<str>, Box<Node>>,
    digest: u64,
    data_bytes: u64,
    pub(super) freezes: Freezes,
}

impl Nodes {
    pub(super) fn get(&self, path: &str) -> Option<&Node> {
        self.map.get(path).map(Box::as_ref)
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    pub(super) fn digest(&self) -> u64 {
        self.digest
    }

    pub(super) fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    /// In order of paths: a parent's path is a prefix of its children's and comes before them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Node)> {
        self.map.iter().map(|(path, node)| (path, &**node))
    }

    /// A part of [`Nodes::iter`].
    pub(super) fn range(
        &self,
        paths: impl RangeBounds<String>,
    ) -> impl Iterator<Item = (&Arc<str>, &Node)> {
        let bounds =
            (paths.start_bound().map(String::as_str), paths.end_bound().map(String::as_str));
        self.map.range::<str, _>(bounds).map(|(path, node)| (path, &**node))
    }

    /// Adds a node where none is.
    pub(super) fn insert(&mut self, path: Arc<str>, node: Node) {
        assert!(self.try_insert(path, node), "a node was inserted over another");
    }

    /// Adds a node, unless there is one.
    pub(super) fn try_insert(&mut self, path: Arc<str>, mut node: Node) -> bool {
        let btree_map::Entry::Vacant(place) = self.map.entry(path) else { return false };
        let path = place.key();
        self.freezes.before_change(path, None);
        node.digest = digest::of_node(path, &node.data, &node.stat);
        self.digest = self.digest.wrapping_add(u64::from(node.digest));
        self.data_bytes += (path.len() + node.data_len()) as u64;
        place.insert(Box::new(node));
        true
    }

    /// Takes a node away, its children's nodes not included.
    pub(super) fn remove(&mut self, path: &str) -> Option<Node> {
        let (path, node) = self.map.remove_entry(path)?;
        self.freezes.before_change(&path, Some(&node));
        self.digest = self.digest.wrapping_sub(u64::from(node.digest));
        self.data_bytes -= (path.len() + node.data_len()) as u64;
        Some(*node)
    }

    /// The names of the nodes right below a path, in order. What is below one of them is leapt over.
    pub(super) fn children(&self, path: &str) -> impl Iterator<Item = &str> {
        let prefix = if path == ROOT { ROOT.to_owned() } else { format!("{path}/") };
        let from = |first: Bound<&str>| self.map.range::<str, _>((first, Bound::Unbounded));
        let mut paths = from(Bound::Excluded(&prefix));
        std::iter::from_fn(move || {
            loop {
                let (path, _) = paths.next()?;
                let name = path.strip_prefix(&*prefix)?;
                let Some((child, _)) = name.split_once('/') else { return Some(name) };
                // `0` is the character after `/`.
                paths = from(Bound::Included(&format!("{prefix}{child}0")));
            }
        })
    }

    /// Counts a child, which neither the digest nor a snapshot of the node shows.
    pub(super) fn add_child(&mut self, path: &str) {
        let node = self.map.get_mut(path).expect("the caller has seen the node");
        node.child_count += 1;
    }

    /// Changes a node that is there.
    pub(super) fn update(&mut self, path: &str, change: impl FnOnce(&mut Node)) {
        assert!(self.try_update(path, change), "the caller has seen the node");
    }

    /// Changes a node, if it is there.
    pub(super) fn try_update(&mut self, path: &str, change: impl FnOnce(&mut Node)) -> bool {
        let Some(node) = self.map.get_mut(path) else { return false };
        if self.freezes.any() {
            self.freezes.before_change(&Arc::from(path), Some(node));
        }
        let bytes_before = node.data_len() as u64;
        change(node);
        let digest = digest::of_node(path, &node.data, &node.stat);
        let grown = self.digest.wrapping_add(u64::from(digest));
        self.digest = grown.wrapping_sub(u64::from(node.digest));
        self.data_bytes = self.data_bytes - bytes_before + node.data_len() as u64;
        node.digest = digest;
        true
    }
}
