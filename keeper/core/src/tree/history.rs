//! Random histories that a leader could have decided: each transaction fits the tree before it.

use bytes::Bytes;
use proptest::prelude::*;

use crate::error::Code;
use crate::ids::{SessionId, Zxid};
use crate::path;
use crate::record::{Acl, Id};
use crate::txn::{CreateTxn, Txn, TxnBody, TxnHeader};

use super::{Owner, ROOT, Tree, ZOOKEEPER};

/// What a transaction is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    kind: u8,
    node: u16,
    detail: u8,
}

impl Draw {
    /// The same, but a closeSession in it lists its paths. Without the list a fuzzy snapshot that
    /// has lost an ephemeral already cannot tell its parent's pzxid (ZOOKEEPER-3145).
    pub(crate) fn listing(self) -> Draw {
        Draw { node: if self.kind % 16 == 13 { self.node | 1 } else { self.node }, ..self }
    }
}

pub(crate) fn draw() -> impl Strategy<Value = Draw> {
    (any::<u8>(), any::<u16>(), any::<u8>()).prop_map(|(kind, node, detail)| Draw {
        kind,
        node,
        detail,
    })
}

pub(crate) fn draws(
    len: impl Into<prop::collection::SizeRange>,
) -> impl Strategy<Value = Vec<Draw>> {
    prop::collection::vec(draw(), len)
}

/// The transaction that `draw` makes of this tree, at the next zxid.
pub(crate) fn next_txn(tree: &Tree, draw: Draw) -> Txn {
    let zxid = Zxid(tree.last_zxid().0 + 1);
    let session = SessionId(i64::from(draw.detail % 3) + 1);
    let time_ms = 1_700_000_000_000 + zxid.0 as i64;
    let header = TxnHeader { session, cxid: i32::from(draw.detail), zxid, time_ms };
    Txn { header, body: body(tree, draw, session) }
}

/// Makes and applies one transaction after another.
pub(crate) fn grow(tree: &mut Tree, draws: &[Draw]) -> Vec<Txn> {
    let mut txns = Vec::new();
    for draw in draws {
        let txn = next_txn(tree, *draw);
        tree.apply(&txn);
        txns.push(txn);
    }
    txns
}

fn body(tree: &Tree, draw: Draw, session: SessionId) -> TxnBody {
    let path = pick(tree, draw.node);
    match draw.kind % 16 {
        0..=6 => create(tree, draw, &path),
        7 | 8 => set_data(tree, draw, &path),
        9 => TxnBody::SetAcl {
            version: tree.get(&path).unwrap().persisted().aversion + 1,
            path,
            acl: acl(draw.detail),
        },
        10..=12 => delete(tree, path),
        13 => close_session(tree, draw, session),
        14 => TxnBody::Multi(vec![
            set_data(tree, draw, ROOT),
            create(tree, draw, &path),
            TxnBody::CheckVersion { path, version: -1 },
        ]),
        _ => TxnBody::Multi(vec![
            set_data(tree, draw, &path),
            TxnBody::Error { code: Code::NodeExists },
            TxnBody::Error { code: Code::RuntimeInconsistency },
        ]),
    }
}

fn pick(tree: &Tree, node: u16) -> String {
    let own: Vec<&str> = tree.paths().filter(|path| !path.starts_with(ZOOKEEPER)).collect();
    own[usize::from(node) % own.len()].to_owned()
}

/// A child of `path`, from few names, so that nodes return after their deletion.
fn create(tree: &Tree, draw: Draw, path: &str) -> TxnBody {
    let parent = match tree.get(path).unwrap().owner() {
        Owner::Session(_) => ROOT,
        _ => path,
    };
    let path = path::join(parent, ["a", "b", "a-b", "a0"][usize::from(draw.detail >> 2) % 4]);
    if tree.contains(&path) {
        return set_data(tree, draw, &path);
    }
    let parent_cversion = tree.get(parent).unwrap().persisted().cversion + 1;
    let ephemeral = draw.kind.is_multiple_of(3);
    let (data, acl) = (data(draw), acl(draw.detail));
    let create = CreateTxn { path, data, acl, ephemeral, parent_cversion };
    match draw.node % 20 {
        0 if !ephemeral => TxnBody::CreateContainer(create),
        1 if !ephemeral => TxnBody::CreateTtl { create, ttl_ms: 5000 },
        2 if draw.kind % 16 < 14 => TxnBody::Create(CreateTxn { parent_cversion: -1, ..create }),
        _ => TxnBody::Create(create),
    }
}

fn set_data(tree: &Tree, draw: Draw, path: &str) -> TxnBody {
    let version = tree.get(path).unwrap().persisted().version + 1;
    TxnBody::SetData { path: path.to_owned(), data: data(draw), version }
}

fn delete(tree: &Tree, path: String) -> TxnBody {
    if path == ROOT || tree.get(&path).unwrap().child_count() > 0 {
        return TxnBody::Error { code: Code::NotEmpty };
    }
    TxnBody::Delete { path }
}

fn close_session(tree: &Tree, draw: Draw, session: SessionId) -> TxnBody {
    let paths = (!draw.node.is_multiple_of(4))
        .then(|| tree.ephemerals(session).map(str::to_owned).collect());
    TxnBody::CloseSession { paths }
}

fn data(draw: Draw) -> Option<Bytes> {
    match draw.node % 7 {
        0 => None,
        1 => Some(Bytes::new()),
        len => Some(Bytes::from(vec![draw.detail; usize::from(len) * 9])),
    }
}

fn acl(detail: u8) -> Vec<Acl> {
    match detail % 5 {
        0 => Acl::open(),
        1 => Acl::read(),
        user => {
            let id = Id { scheme: "digest".into(), id: format!("user{user}:x") };
            vec![Acl { perms: Acl::ALL, id }]
        }
    }
}
