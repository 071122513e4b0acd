//! A tree from the records of a snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;

use crate::ids::Zxid;
use crate::path;
use crate::record::{Acl, Data, StatPersisted};

use super::acl::AclTable;
use super::nodes::{Node, Nodes};
use super::{ROOT, Tree};

/// Why records do not form a tree.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BuildError {
    /// A node came before its parent, or without.
    #[error("node {path:?} has no parent")]
    NoParent {
        /// The node.
        path: String,
    },
    /// Two records for one node.
    #[error("node {path:?} occurs twice")]
    Twice {
        /// The node.
        path: String,
    },
    /// No node can have this path.
    #[error("{path:?} is not a node's path")]
    BadPath {
        /// What stood for the path.
        path: String,
    },
    /// An access control list has an impossible number, or one that another has.
    #[error("access control list number {id}")]
    BadAclId {
        /// The number.
        id: i64,
    },
    /// There is no root.
    #[error("there is no root node")]
    NoRoot,
}

/// Lists are numbered from 1; a server that counted this far wrote something else.
const ACL_ID_MAX: i64 = 1 << 62;

/// Takes access control lists first, then nodes, parents before their children.
#[derive(Clone, Debug)]
pub struct TreeBuilder {
    tree: Tree,
    unknown_acls: usize,
}

impl Default for TreeBuilder {
    fn default() -> Self {
        TreeBuilder::new()
    }
}

impl TreeBuilder {
    /// Nothing yet.
    pub fn new() -> TreeBuilder {
        let tree = Tree {
            nodes: Nodes::default(),
            acls: AclTable::new(),
            ephemerals: BTreeMap::new(),
            last_zxid: Zxid::ZERO,
        };
        TreeBuilder { tree, unknown_acls: 0 }
    }

    /// The list that nodes will refer to by `id`.
    ///
    /// # Errors
    ///
    /// [`BuildError::BadAclId`]; the builder is as before.
    pub fn define_acl(&mut self, id: i64, list: Vec<Acl>) -> Result<(), BuildError> {
        if !(0..ACL_ID_MAX).contains(&id) || self.tree.acls.is_defined(id) {
            return Err(BuildError::BadAclId { id });
        }
        self.tree.acls.define(id, Arc::from(list));
        Ok(())
    }

    /// A node; the root's path is `/`.
    ///
    /// # Errors
    ///
    /// [`BuildError::NoParent`], [`BuildError::Twice`] or [`BuildError::BadPath`]; the builder is as
    /// before.
    pub fn insert(
        &mut self,
        path: &str,
        data: Data,
        acl: i64,
        stat: StatPersisted,
    ) -> Result<(), BuildError> {
        if !path.starts_with('/') || (path != ROOT && path::name(path).is_empty()) {
            return Err(BuildError::BadPath { path: path.into() });
        }
        if self.tree.contains(path) {
            return Err(BuildError::Twice { path: path.into() });
        }
        if let Some(parent) = path::parent(path) {
            if !self.tree.contains(parent) {
                return Err(BuildError::NoParent { path: path.into() });
            }
            self.tree.nodes.add_child(parent);
        }
        let (acl, known) = self.tree.acls.adopt(acl);
        self.unknown_acls += usize::from(!known);
        self.tree.put(&path.into(), Node::new(data, acl, stat));
        Ok(())
    }

    /// How many nodes referred to a list that was never defined. They grant nothing to anybody.
    pub fn unknown_acls(&self) -> usize {
        self.unknown_acls
    }

    /// The tree as of `last_zxid`.
    ///
    /// # Errors
    ///
    /// [`BuildError::NoRoot`] if no node was inserted.
    pub fn finish(mut self, last_zxid: Zxid) -> Result<Tree, BuildError> {
        if !self.tree.contains(ROOT) {
            return Err(BuildError::NoRoot);
        }
        self.tree.acls.purge_unused();
        self.tree.last_zxid = last_zxid;
        Ok(self.tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(builder: &mut TreeBuilder, path: &str) -> Result<(), BuildError> {
        builder.insert(path, None, -1, StatPersisted::default())
    }

    #[test]
    fn nodes_that_form_no_tree_are_refused() {
        let mut builder = TreeBuilder::new();
        assert_eq!(builder.clone().finish(Zxid(1)), Err(BuildError::NoRoot));
        assert_eq!(insert(&mut builder, "/a"), Err(BuildError::NoParent { path: "/a".into() }));
        insert(&mut builder, "/").unwrap();
        insert(&mut builder, "/a").unwrap();
        assert_eq!(insert(&mut builder, "/a"), Err(BuildError::Twice { path: "/a".into() }));
        builder.define_acl(3, Acl::read()).unwrap();
        for id in [3, -1, i64::MAX] {
            assert_eq!(builder.define_acl(id, Acl::open()), Err(BuildError::BadAclId { id }));
        }
        for path in ["", "a", "/a/"] {
            let bad = BuildError::BadPath { path: path.into() };
            assert_eq!(insert(&mut builder, path), Err(bad));
        }
        let tree = builder.finish(Zxid(1)).unwrap();
        assert_eq!(tree.paths().collect::<Vec<_>>(), ["/", "/a"]);
    }
}
