//! What a committed transaction does to the tree (Apache's `DataTree.processTxn`).
//!
//! Everything that could fail was checked by the leader, so over this server's own exact history a
//! transaction that does not fit means that two servers differ, and [`Tree::apply`] stops. Over a
//! snapshot that Apache wrote while it went on applying, transactions meet a tree that may be ahead
//! of them in part; [`Tree::apply_tolerant`] then brings each node to where the history has it at
//! the end (ZooKeeper Internals, "Snapshots": transactions are idempotent).

use std::sync::Arc;

use bytes::Bytes;

use crate::error::Code;
use crate::ids::{SessionId, Zxid};
use crate::path;
use crate::record::{Acl, Data, Stat, StatPersisted};
use crate::txn::{CreateTxn, Txn, TxnBody, TxnHeader};
use crate::wire::client::EventType;

use super::acl::AclId;
use super::nodes::Node;
use super::watch::Trigger;
use super::{Owner, Tree};

/// What one transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The transaction's position.
    pub zxid: Zxid,
    /// What its author is told.
    pub result: TxnResult,
    /// The changes that watches wait for, in the order in which ZooKeeper fires them.
    pub triggers: Vec<Trigger>,
}

/// What the author of a transaction is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxnResult {
    /// A node was created.
    Created {
        /// Its path, the sequence number included.
        path: Arc<str>,
        /// Its stat.
        stat: Stat,
    },
    /// A node was deleted.
    Deleted,
    /// Data was replaced.
    DataSet(Stat),
    /// The ACL was replaced.
    AclSet(Stat),
    /// A version was checked.
    Checked,
    /// A session began.
    SessionCreated {
        /// Its negotiated time-out.
        timeout_ms: i32,
    },
    /// A session ended, and these nodes with it.
    SessionClosed {
        /// Their paths, in the order of deletion.
        deleted: Vec<String>,
    },
    /// Nothing was done. Inside a multi [`Code::Ok`] stands for an operation before the failing one,
    /// and [`Code::RuntimeInconsistency`] for one behind it.
    Error(Code),
    /// One result for each operation.
    Multi(Vec<TxnResult>),
}

impl TxnResult {
    /// The reply header's code: of a multi, the first operation's that is not [`Code::Ok`].
    pub fn code(&self) -> Code {
        match self {
            TxnResult::Error(code) => *code,
            TxnResult::Multi(parts) => {
                parts.iter().map(TxnResult::code).find(|code| *code != Code::Ok).unwrap_or(Code::Ok)
            }
            _ => Code::Ok,
        }
    }
}

impl Tree {
    /// Applies the next transaction of the history that made this tree.
    ///
    /// # Panics
    ///
    /// If the transaction is not after the last one, or does not fit the tree: the histories of two
    /// servers differ, and going on would spread it.
    pub fn apply(&mut self, txn: &Txn) -> Applied {
        assert!(
            txn.header.zxid > self.last_zxid,
            "transaction {} follows {}",
            txn.header.zxid,
            self.last_zxid
        );
        self.run(txn, true)
    }

    /// Applies a transaction of which parts of the tree may have been ahead when Apache wrote them.
    /// Operations on what is not there yet or any more report the error that Apache ignores too.
    pub fn apply_tolerant(&mut self, txn: &Txn) -> Applied {
        self.run(txn, false)
    }

    fn run(&mut self, txn: &Txn, strict: bool) -> Applied {
        let header = txn.header;
        let mut step = Step { tree: self, header, strict, triggers: Vec::with_capacity(2) };
        let result = step.body(&txn.body);
        let triggers = step.triggers;
        self.last_zxid = self.last_zxid.max(header.zxid);
        Applied { zxid: header.zxid, result, triggers }
    }
}

/// One transaction under way.
struct Step<'a> {
    tree: &'a mut Tree,
    header: TxnHeader,
    strict: bool,
    triggers: Vec<Trigger>,
}

impl Step<'_> {
    fn body(&mut self, body: &TxnBody) -> TxnResult {
        match body {
            TxnBody::Create(create) if create.ephemeral => {
                self.create(create, Owner::Session(self.header.session))
            }
            TxnBody::Create(create) => self.create(create, Owner::None),
            TxnBody::CreateContainer(create) => self.create(create, Owner::Container),
            TxnBody::CreateTtl { create, ttl_ms } => self.create(create, Owner::Ttl(*ttl_ms)),
            TxnBody::Delete { path } => self.delete(path),
            TxnBody::SetData { path, data, version } => self.set_data(path, data, *version),
            TxnBody::SetAcl { path, acl, version } => self.set_acl(path, acl, *version),
            TxnBody::CheckVersion { .. } => TxnResult::Checked,
            TxnBody::CreateSession { timeout_ms } => {
                TxnResult::SessionCreated { timeout_ms: *timeout_ms }
            }
            TxnBody::CloseSession { paths } => self.close_session(paths.as_deref()),
            TxnBody::Error { code } => TxnResult::Error(*code),
            TxnBody::Multi(parts) => self.multi(parts),
        }
    }

    /// A multi with an error among its parts does nothing at all. The leader logs the parts before
    /// the failing one as what they would have been.
    fn multi(&mut self, parts: &[TxnBody]) -> TxnResult {
        let failed = parts.iter().position(|part| matches!(part, TxnBody::Error { .. }));
        let results = parts.iter().enumerate().map(|(at, part)| match (failed, part) {
            (None, part) => self.body(part),
            (Some(_), TxnBody::Error { code }) => TxnResult::Error(*code),
            (Some(first), _) if at < first => TxnResult::Error(Code::Ok),
            (Some(_), _) => TxnResult::Error(Code::RuntimeInconsistency),
        });
        TxnResult::Multi(results.collect())
    }

    fn create(&mut self, txn: &CreateTxn, owner: Owner) -> TxnResult {
        let path = txn.path.as_str();
        let Some(parent) = path::parent(path) else {
            return self.misfit(Code::NoNode, "create", path);
        };
        // Looking for a node costs most of a create: where it must fit, that is seen on the way.
        if !self.strict && !self.tree.contains(parent) {
            return self.misfit(Code::NoNode, "create", path);
        }
        if !self.strict && self.tree.contains(path) {
            return self.create_again(txn, parent);
        }
        let acl = self.tree.acls.intern(&txn.acl);
        let stat = StatPersisted {
            czxid: self.header.zxid,
            mzxid: self.header.zxid,
            pzxid: self.header.zxid,
            ctime_ms: self.header.time_ms,
            mtime_ms: self.header.time_ms,
            ephemeral_owner: owner.to_wire(),
            ..StatPersisted::default()
        };
        let Some(parent_acl) = self.count_child(parent, txn.parent_cversion, true) else {
            return self.misfit(Code::NoNode, "create", path);
        };
        let node = Node::new(copied(&txn.data), acl, stat);
        let (path, stat) = (Arc::<str>::from(path), node.stat());
        if !self.tree.put(&path, node) {
            return self.misfit(Code::NodeExists, "create", &path);
        }
        let (acl, parent_acl) = (self.tree.acls.get(acl), self.tree.acls.get(parent_acl));
        self.trigger(EventType::NodeCreated, Arc::clone(&path), acl);
        self.trigger(EventType::NodeChildrenChanged, parent, parent_acl);
        TxnResult::Created { path, stat }
    }

    /// The node is in the snapshot already, or a later one of that path is. The list of the first
    /// may be unknown to the snapshot; the parent's counts may be from before (ZOOKEEPER-1046,
    /// 3306).
    fn create_again(&mut self, txn: &CreateTxn, parent: &str) -> TxnResult {
        let aversion = self.tree.get(&txn.path).map_or(0, |node| node.persisted().aversion);
        let refused = TxnResult::Error(Code::NodeExists);
        self.tree.replace_acl(&txn.path, &txn.acl, aversion);
        self.count_child(parent, txn.parent_cversion, false);
        refused
    }

    /// The parent's side of a create. Never backwards: the snapshot may know of later children. The
    /// oldest transactions do not say the count, and count once more unless the parent has seen them
    /// already; they are older than multis, so that a zxid has one of them. The parent's ACL, if there is a parent.
    fn count_child(&mut self, parent: &str, parent_cversion: i32, is_new: bool) -> Option<AclId> {
        let (zxid, strict) = (self.header.zxid, self.strict);
        let mut acl = None;
        self.tree.nodes.try_update(parent, |node| {
            acl = Some(node.acl);
            let created = match parent_cversion {
                -1 if !strict && node.stat.pzxid >= zxid => node.stat.cversion,
                -1 => node.stat.cversion.wrapping_add(1),
                given => given,
            };
            if created > node.stat.cversion {
                node.stat.cversion = created;
                node.stat.pzxid = node.stat.pzxid.max(zxid);
            }
            node.child_count += u32::from(is_new);
        });
        acl
    }

    fn delete(&mut self, path: &str) -> TxnResult {
        let Some(parent) = path::parent(path).filter(|parent| self.tree.contains(parent)) else {
            return self.misfit(Code::NoNode, "delete", path);
        };
        let (zxid, is_there) = (self.header.zxid, self.tree.contains(path));
        self.tree.nodes.update(parent, |node| {
            node.child_count -= u32::from(is_there);
            node.stat.pzxid = node.stat.pzxid.max(zxid);
        });
        if !is_there {
            return self.misfit(Code::NoNode, "delete", path);
        }
        let acl = self.acl(path);
        self.take_subtree(path);
        self.trigger(EventType::NodeDeleted, path, acl);
        let parent_acl = self.acl(parent);
        self.trigger(EventType::NodeChildrenChanged, parent, parent_acl);
        TxnResult::Deleted
    }

    /// The history deletes childless nodes only. Children that a snapshot shows under a node about
    /// to be deleted are from after its next creation, so the replay will create them again.
    fn take_subtree(&mut self, path: &str) {
        let node = self.tree.take(path).expect("the caller has seen the node");
        assert!(!self.strict || node.child_count == 0, "{} deletes {path}", self.header.zxid);
        if node.child_count > 0 {
            for below in self.tree.paths_below(path) {
                self.tree.take(&below);
            }
        }
    }

    fn set_data(&mut self, path: &str, data: &Data, version: i32) -> TxnResult {
        let Some(acl) = self.tree.acl(path) else {
            return self.misfit(Code::NoNode, "setData", path);
        };
        let TxnHeader { zxid, time_ms, .. } = self.header;
        self.tree.nodes.update(path, |node| {
            node.data = copied(data);
            node.stat.version = version;
            node.stat.mzxid = zxid;
            node.stat.mtime_ms = time_ms;
        });
        self.trigger(EventType::NodeDataChanged, path, acl);
        TxnResult::DataSet(self.stat(path))
    }

    fn set_acl(&mut self, path: &str, acl: &[Acl], version: i32) -> TxnResult {
        if !self.tree.contains(path) {
            return self.misfit(Code::NoNode, "setACL", path);
        }
        self.tree.replace_acl(path, acl, version);
        TxnResult::AclSet(self.stat(path))
    }

    /// All ephemerals end under this one zxid: those that the leader listed, in its order, then
    /// whatever else the tree knows of the session.
    fn close_session(&mut self, listed: Option<&[String]>) -> TxnResult {
        let session = self.header.session;
        let mut deleted = Vec::new();
        for path in listed.unwrap_or_default() {
            self.expect_owned(path, session);
            if self.delete(path) == TxnResult::Deleted {
                deleted.push(path.clone());
            }
        }
        let unlisted: Vec<String> = self.tree.ephemerals(session).map(str::to_owned).collect();
        for path in unlisted {
            self.delete(&path);
            deleted.push(path);
        }
        TxnResult::SessionClosed { deleted }
    }

    fn expect_owned(&self, path: &str, session: SessionId) {
        let owner = self.tree.get(path).map(|node| node.owner());
        assert!(
            !self.strict || owner == Some(Owner::Session(session)),
            "{} closes {session} and lists {path}, whose owner is {owner:?}",
            self.header.zxid
        );
    }

    /// The transaction does not fit the tree: a bug, unless the tree may be ahead of it.
    fn misfit(&self, code: Code, what: &str, path: &str) -> TxnResult {
        assert!(!self.strict, "{} {what} {path}: {code}", self.header.zxid);
        TxnResult::Error(code)
    }

    fn trigger(&mut self, kind: EventType, path: impl Into<Arc<str>>, acl: Arc<[Acl]>) {
        self.triggers.push(Trigger { kind, path: path.into(), zxid: self.header.zxid, acl });
    }

    fn acl(&self, path: &str) -> Arc<[Acl]> {
        self.tree.acl(path).expect("the caller has seen the node")
    }

    fn stat(&self, path: &str) -> Stat {
        self.tree.get(path).expect("the caller has seen the node").stat()
    }
}

/// A node's data are its own: those of a transaction may be a part of a whole log.
fn copied(data: &Data) -> Data {
    data.as_deref().map(Bytes::copy_from_slice)
}
