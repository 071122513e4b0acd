//! Turning requests into transactions (ZooKeeper's `PrepRequestProcessor`).
//!
//! The leader decides in zxid order against the state that all proposals before will leave behind:
//! the tree plus the changes that are proposed but not applied. A multi is prepared aside and its
//! changes join the outstanding ones only if all of it succeeds, so a failed one leaves no trace
//! (ZOOKEEPER-1624).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::error::Code;
use crate::ids::{SessionId, Zxid};
use crate::limits::CLOSE_SESSION_LIST_BYTES_MAX;
use crate::path;
use crate::record::{Acl, StatPersisted};
use crate::tree::Tree;
use crate::txn::{CreateTxn, TxnBody, TxnHeader};
use crate::wire::client::{CreateMode, CreateRequest, MultiOp, Request};

/// A node as it will be after a proposal; `None` once deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    zxid: Zxid,
    node: Option<Future>,
}

/// What deciding needs to know of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Future {
    stat: StatPersisted,
    children: usize,
}

/// The changes of all proposals that are not applied yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outstanding {
    changes: BTreeMap<String, Change>,
    order: VecDeque<(Zxid, String)>,
}

impl Outstanding {
    /// The tree now holds everything up to `zxid`.
    pub fn applied(&mut self, zxid: Zxid) {
        while self.order.front().is_some_and(|(at, _)| *at <= zxid) {
            let (_, path) = self.order.pop_front().expect("looked at above");
            if self.changes.get(&path).is_some_and(|change| change.zxid <= zxid) {
                self.changes.remove(&path);
            }
        }
    }

    /// Whether one of these paths has a change under way.
    pub(crate) fn has_any(&self, paths: &[&str]) -> bool {
        paths.iter().any(|path| self.changes.contains_key(*path))
    }

    /// Forgets the changes of these paths that are under way. Only a planted bug does.
    pub(crate) fn forget(&mut self, paths: &[&str]) {
        for path in paths {
            self.changes.remove(*path);
        }
    }

    fn merge(&mut self, zxid: Zxid, staged: BTreeMap<String, Option<Future>>) {
        for (path, node) in staged {
            self.order.push_back((zxid, path.clone()));
            self.changes.insert(path, Change { zxid, node });
        }
    }
}

/// Decides a write request of a live session. Every request gets a transaction; one that fails gets
/// [`TxnBody::Error`], which keeps its place in the order.
pub fn prepare(
    tree: &Tree,
    outstanding: &mut Outstanding,
    header: &TxnHeader,
    request: &Request,
) -> TxnBody {
    let mut stage = Stage { tree, outstanding, header, staged: BTreeMap::new() };
    let body = match request {
        Request::Multi(ops) => stage.multi(ops),
        other => stage.single(other),
    };
    let staged = stage.staged;
    match body {
        Ok(body) => {
            outstanding.merge(header.zxid, staged);
            body
        }
        Err(body) => body,
    }
}

/// Decides the end of a session: its ephemerals, also those that proposals under way create.
pub fn prepare_close_session(
    tree: &Tree,
    outstanding: &mut Outstanding,
    header: &TxnHeader,
) -> TxnBody {
    let mut paths: BTreeSet<String> =
        tree.ephemerals(header.session).map(|path| path.to_owned()).collect();
    for (path, change) in &outstanding.changes {
        match &change.node {
            Some(node) if node.stat.ephemeral_owner == header.session.0 => {
                paths.insert(path.clone());
            }
            // Deleted, or deleted and created again by somebody else.
            Some(_) | None => drop(paths.remove(path)),
        }
    }
    let mut stage = Stage { tree, outstanding, header, staged: BTreeMap::new() };
    for path in &paths {
        stage.unlink(path);
    }
    let staged = stage.staged;
    outstanding.merge(header.zxid, staged);
    // A list that would not fit a packet is left to the tree, which finds the same nodes.
    let listed_bytes: usize = paths.iter().map(|path| path.len() + 4).sum();
    let fits = listed_bytes <= CLOSE_SESSION_LIST_BYTES_MAX;
    TxnBody::CloseSession { paths: fits.then(|| paths.into_iter().collect()) }
}

/// One transaction in the making.
struct Stage<'a> {
    tree: &'a Tree,
    outstanding: &'a Outstanding,
    header: &'a TxnHeader,
    staged: BTreeMap<String, Option<Future>>,
}

impl Stage<'_> {
    fn single(&mut self, request: &Request) -> Result<TxnBody, TxnBody> {
        self.decide(request).map_err(|code| TxnBody::Error { code })
    }

    /// All or nothing: after a failure the parts before it report success that was undone, the
    /// parts after it RuntimeInconsistency.
    fn multi(&mut self, ops: &[MultiOp]) -> Result<TxnBody, TxnBody> {
        let mut parts = Vec::with_capacity(ops.len());
        for (position, op) in ops.iter().enumerate() {
            match self.decide_part(op) {
                Ok(body) => parts.push(body),
                Err(code) => {
                    let failed = (0..ops.len()).map(|part| match part.cmp(&position) {
                        std::cmp::Ordering::Less => Code::Ok,
                        std::cmp::Ordering::Equal => code,
                        std::cmp::Ordering::Greater => Code::RuntimeInconsistency,
                    });
                    let parts = failed.map(|code| TxnBody::Error { code }).collect();
                    return Err(TxnBody::Multi(parts));
                }
            }
        }
        Ok(TxnBody::Multi(parts))
    }

    fn decide(&mut self, request: &Request) -> Result<TxnBody, Code> {
        match request {
            Request::Create(create) => self.create(create),
            Request::Delete { path, version } => self.delete(path, *version),
            Request::SetData { path, data, version } => self.set_data(path, data, *version),
            Request::SetAcl { path, acl, version } => self.set_acl(path, acl, *version),
            _ => Err(Code::Unimplemented),
        }
    }

    fn decide_part(&mut self, op: &MultiOp) -> Result<TxnBody, Code> {
        match op {
            MultiOp::Create(create) => self.create(create),
            MultiOp::Delete { path, version } => self.delete(path, *version),
            MultiOp::SetData { path, data, version } => self.set_data(path, data, *version),
            MultiOp::Check { path, version } => self.check(path, *version),
            MultiOp::CreateContainer(_) | MultiOp::CreateTtl { .. } => Err(Code::Unimplemented),
        }
    }

    fn create(&mut self, request: &CreateRequest) -> Result<TxnBody, Code> {
        let mode = CreateMode::from_flags(request.flags).ok_or(Code::BadArguments)?;
        if mode.is_container() || mode.is_ttl() {
            return Err(Code::Unimplemented);
        }
        if path::validate(&request.path, mode.is_sequential()).is_err() {
            return Err(Code::BadArguments);
        }
        let acl = checked_acl(&request.acl)?;
        let parent_path = path::parent(&request.path).ok_or(Code::BadArguments)?;
        let mut parent = self.look(parent_path).ok_or(Code::NoNode)?;
        let path = if mode.is_sequential() {
            format!("{}{:010}", request.path, parent.stat.cversion)
        } else {
            request.path.clone()
        };
        if path::validate(&path, false).is_err() {
            return Err(Code::BadArguments);
        }
        if self.look(&path).is_some() {
            return Err(Code::NodeExists);
        }
        if parent.stat.ephemeral_owner != 0 {
            return Err(Code::NoChildrenForEphemerals);
        }
        let parent_cversion = parent.stat.cversion.wrapping_add(1);
        parent.stat.cversion = parent_cversion;
        parent.stat.pzxid = self.header.zxid;
        parent.children += 1;
        self.staged.insert(parent_path.to_owned(), Some(parent));
        self.staged.insert(path.clone(), Some(self.newborn(mode.is_ephemeral())));
        Ok(TxnBody::Create(CreateTxn {
            path,
            data: request.data.clone(),
            acl,
            ephemeral: mode.is_ephemeral(),
            parent_cversion,
        }))
    }

    fn delete(&mut self, path: &str, version: i32) -> Result<TxnBody, Code> {
        if path == "/" || is_special(path) || path::validate(path, false).is_err() {
            return Err(Code::BadArguments);
        }
        let node = self.look(path).ok_or(Code::NoNode)?;
        check_version(node.stat.version, version)?;
        if node.children > 0 {
            return Err(Code::NotEmpty);
        }
        self.unlink(path);
        Ok(TxnBody::Delete { path: path.to_owned() })
    }

    fn set_data(
        &mut self,
        path: &str,
        data: &crate::record::Data,
        version: i32,
    ) -> Result<TxnBody, Code> {
        refuse_config(path)?;
        let mut node = self.existing(path)?;
        check_version(node.stat.version, version)?;
        node.stat.version = next_version(node.stat.version);
        node.stat.mzxid = self.header.zxid;
        node.stat.mtime_ms = self.header.time_ms;
        let version = node.stat.version;
        self.staged.insert(path.to_owned(), Some(node));
        Ok(TxnBody::SetData { path: path.to_owned(), data: data.clone(), version })
    }

    fn set_acl(&mut self, path: &str, acl: &[Acl], version: i32) -> Result<TxnBody, Code> {
        let acl = checked_acl(acl)?;
        refuse_config(path)?;
        let mut node = self.existing(path)?;
        check_version(node.stat.aversion, version)?;
        node.stat.aversion = next_version(node.stat.aversion);
        let version = node.stat.aversion;
        self.staged.insert(path.to_owned(), Some(node));
        Ok(TxnBody::SetAcl { path: path.to_owned(), acl, version })
    }

    fn check(&mut self, path: &str, version: i32) -> Result<TxnBody, Code> {
        let node = self.existing(path)?;
        check_version(node.stat.version, version)?;
        let version = next_version(node.stat.version);
        Ok(TxnBody::CheckVersion { path: path.to_owned(), version })
    }

    /// Stages the disappearance of a node that is there.
    fn unlink(&mut self, path: &str) {
        let parent_path = path::parent(path).expect("the root is never unlinked");
        if let Some(mut parent) = self.look(parent_path) {
            parent.children -= 1;
            parent.stat.pzxid = self.header.zxid;
            self.staged.insert(parent_path.to_owned(), Some(parent));
        }
        self.staged.insert(path.to_owned(), None);
    }

    fn existing(&self, path: &str) -> Result<Future, Code> {
        path::validate(path, false).map_err(|_| Code::BadArguments)?;
        self.look(path).ok_or(Code::NoNode)
    }

    fn look(&self, path: &str) -> Option<Future> {
        if let Some(node) = self.staged.get(path) {
            return *node;
        }
        if let Some(change) = self.outstanding.changes.get(path) {
            return change.node;
        }
        let node = self.tree.get(path)?;
        Some(Future { stat: *node.persisted(), children: node.child_count() })
    }

    fn newborn(&self, ephemeral: bool) -> Future {
        let TxnHeader { session, zxid, time_ms, .. } = *self.header;
        let SessionId(owner) = session;
        let stat = StatPersisted {
            czxid: zxid,
            mzxid: zxid,
            pzxid: zxid,
            ctime_ms: time_ms,
            mtime_ms: time_ms,
            ephemeral_owner: if ephemeral { owner } else { 0 },
            ..StatPersisted::default()
        };
        Future { stat, children: 0 }
    }
}

/// An ACL as it may be stored. `auth` stands for the client's authenticated identities, and nobody
/// has any until authentication is served.
fn checked_acl(acl: &[Acl]) -> Result<Vec<Acl>, Code> {
    let mut checked: Vec<Acl> = Vec::with_capacity(acl.len());
    for entry in acl {
        let known = match entry.id.scheme.as_str() {
            "world" => entry.id.id == "anyone",
            "digest" => entry.id.id.split(':').count() == 2,
            "ip" => !entry.id.id.is_empty(),
            _ => false,
        };
        if !known {
            return Err(Code::InvalidAcl);
        }
        if !checked.contains(entry) {
            checked.push(entry.clone());
        }
    }
    if checked.is_empty() { Err(Code::InvalidAcl) } else { Ok(checked) }
}

/// -1 asks for any version.
fn check_version(current: i32, expected: i32) -> Result<(), Code> {
    if expected == -1 || expected == current { Ok(()) } else { Err(Code::BadVersion) }
}

/// A version that wraps skips -1, which would mean "any" (ZOOKEEPER-4743).
fn next_version(current: i32) -> i32 {
    match current.wrapping_add(1) {
        -1 => 0,
        next => next,
    }
}

/// The configuration is each server's own and no client's to change.
fn refuse_config(path: &str) -> Result<(), Code> {
    if path == crate::tree::CONFIG { Err(Code::NoAuth) } else { Ok(()) }
}

/// The nodes that every tree has and keeps.
fn is_special(path: &str) -> bool {
    matches!(path, "/zookeeper" | "/zookeeper/quota" | "/zookeeper/config")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Epoch;

    fn header(counter: u32, session: i64) -> TxnHeader {
        TxnHeader {
            session: SessionId(session),
            cxid: 1,
            zxid: Zxid::new(Epoch(1), counter),
            time_ms: 1_000,
        }
    }

    fn create(path: &str, flags: i32) -> CreateRequest {
        CreateRequest { path: path.into(), data: None, acl: Acl::open(), flags, want_stat: false }
    }

    fn made(body: TxnBody) -> String {
        match body {
            TxnBody::Create(create) => create.path,
            other => panic!("not a create: {other:?}"),
        }
    }

    fn code(body: TxnBody) -> Code {
        match body {
            TxnBody::Error { code } => code,
            other => panic!("not an error: {other:?}"),
        }
    }

    #[test]
    fn later_requests_see_what_earlier_proposals_will_leave() {
        let (tree, mut outstanding) = (Tree::new(), Outstanding::default());
        let mut ask =
            |counter, request| prepare(&tree, &mut outstanding, &header(counter, 7), &request);
        assert_eq!(made(ask(1, Request::Create(create("/a", 0)))), "/a");
        assert_eq!(code(ask(2, Request::Create(create("/a", 0)))), Code::NodeExists);
        assert_eq!(made(ask(3, Request::Create(create("/a/s-", 2)))), "/a/s-0000000000");
        assert_eq!(made(ask(4, Request::Create(create("/a/s-", 2)))), "/a/s-0000000001");
        let delete = |path: &str, version| Request::Delete { path: path.into(), version };
        assert_eq!(code(ask(5, delete("/a", -1))), Code::NotEmpty);
        assert_eq!(code(ask(6, delete("/b", -1))), Code::NoNode);
        assert_eq!(code(ask(7, delete("/a/s-0000000000", 3))), Code::BadVersion);
        assert_eq!(code(ask(8, delete("/zookeeper/quota", -1))), Code::BadArguments);
        outstanding.applied(Zxid::new(Epoch(1), 3));
        assert!(!outstanding.changes.contains_key("/a/s-0000000000"));
        assert!(outstanding.changes.contains_key("/a"), "it changed again in transaction 4");
    }

    #[test]
    fn a_failed_multi_leaves_no_trace() {
        let (tree, mut outstanding) = (Tree::new(), Outstanding::default());
        prepare(&tree, &mut outstanding, &header(1, 7), &Request::Create(create("/a", 0)));
        let before = outstanding.clone();
        let ops = vec![
            MultiOp::Create(create("/a/x", 0)),
            MultiOp::Check { path: "/a".into(), version: 4 },
            MultiOp::Create(create("/a/y", 0)),
        ];
        let body = prepare(&tree, &mut outstanding, &header(2, 7), &Request::Multi(ops));
        let codes = [Code::Ok, Code::BadVersion, Code::RuntimeInconsistency];
        assert_eq!(body, TxnBody::Multi(codes.map(|code| TxnBody::Error { code }).to_vec()));
        assert_eq!(outstanding, before);
    }

    #[test]
    fn a_multi_sees_its_own_parts() {
        let (tree, mut outstanding) = (Tree::new(), Outstanding::default());
        let ops = vec![
            MultiOp::Create(create("/e", 1)),
            MultiOp::SetData { path: "/e".into(), data: None, version: 0 },
        ];
        let body = prepare(&tree, &mut outstanding, &header(1, 7), &Request::Multi(ops));
        let TxnBody::Multi(parts) = body else { panic!("not a multi") };
        assert_eq!(
            parts[1],
            TxnBody::SetData { path: "/e".into(), data: None, version: 1 },
            "Kafka's checkedEphemeralCreate relies on it"
        );
    }

    #[test]
    fn the_end_of_a_session_takes_the_ephemerals_under_way() {
        let (tree, mut outstanding) = (Tree::new(), Outstanding::default());
        for (counter, path, session) in [(1, "/mine", 7), (2, "/gone", 7), (3, "/other", 8)] {
            let request = Request::Create(create(path, 1));
            prepare(&tree, &mut outstanding, &header(counter, session), &request);
        }
        let delete = Request::Delete { path: "/gone".into(), version: -1 };
        prepare(&tree, &mut outstanding, &header(4, 7), &delete);
        let body = prepare_close_session(&tree, &mut outstanding, &header(5, 7));
        assert_eq!(body, TxnBody::CloseSession { paths: Some(vec!["/mine".into()]) });
        let child = Request::Create(create("/other/child", 0));
        let body = prepare(&tree, &mut outstanding, &header(6, 9), &child);
        assert_eq!(code(body), Code::NoChildrenForEphemerals);
    }

    #[test]
    fn the_end_of_a_session_spares_what_another_one_created_again() {
        let (mut tree, mut outstanding) = (Tree::new(), Outstanding::default());
        let first = header(1, 7);
        let body = prepare(&tree, &mut outstanding, &first, &Request::Create(create("/e", 1)));
        tree.apply(&crate::txn::Txn { header: first, body });
        outstanding.applied(first.zxid);
        let delete = Request::Delete { path: "/e".into(), version: -1 };
        prepare(&tree, &mut outstanding, &header(2, 8), &delete);
        prepare(&tree, &mut outstanding, &header(3, 8), &Request::Create(create("/e", 1)));
        let body = prepare_close_session(&tree, &mut outstanding, &header(4, 7));
        assert_eq!(body, TxnBody::CloseSession { paths: Some(Vec::new()) });
    }

    #[test]
    fn versions_skip_minus_one() {
        assert_eq!(next_version(i32::MAX), i32::MIN);
        assert_eq!(next_version(-2), 0);
    }
}
