//! Requests, transactions, trees and histories that micro-benchmarks measure with: of ordinary size,
//! and the same in every run.

use checker::history::Value;
use checker::linear::Call;
use checker::model::register::RegisterOp;
use keeper_core::ids::{SessionId, Zxid};
use keeper_core::record::Acl;
use keeper_core::tree::Tree;
use keeper_core::txn::{CreateTxn, Txn, TxnBody, TxnHeader};
use keeper_core::wire::client::{CreateRequest, Request};

/// Parents among which nodes are spread.
pub const DIRECTORIES: u64 = 100;
/// The size of a node's data, in bytes.
const DATA_BYTES: usize = 100;

/// The path of a node.
pub fn node_path(number: u64) -> String {
    format!("{}/node-{number:010}", directory(number % DIRECTORIES))
}

fn directory(number: u64) -> String {
    format!("/directory-{number:03}")
}

/// A create of a persistent node.
pub fn create_request(number: u64) -> Request {
    Request::Create(CreateRequest {
        path: node_path(number),
        data: Some(vec![b'x'; DATA_BYTES].into()),
        acl: Acl::open(),
        flags: 0,
        want_stat: true,
    })
}

/// A setData with any version.
pub fn set_request(number: u64) -> Request {
    let data = Some(vec![b'y'; DATA_BYTES].into());
    Request::SetData { path: node_path(number), data, version: -1 }
}

fn txn(zxid: u64, body: TxnBody) -> Txn {
    let header = TxnHeader {
        session: SessionId(0x1_0000),
        cxid: zxid as i32,
        zxid: Zxid(zxid),
        time_ms: 1_700_000_000_000 + zxid as i64,
    };
    Txn { header, body }
}

fn create_of(path: String, parent_cversion: i32) -> TxnBody {
    TxnBody::Create(CreateTxn {
        path,
        data: Some(vec![b'x'; DATA_BYTES].into()),
        acl: Acl::open(),
        ephemeral: false,
        parent_cversion,
    })
}

/// The transactions that make the parents; their zxids begin at 1.
pub fn directory_txns() -> Vec<Txn> {
    let create = |number: u64| txn(number + 1, create_of(directory(number), number as i32 + 1));
    (0..DIRECTORIES).map(create).collect()
}

/// Makes the node of that number, at that zxid.
pub fn create_txn(number: u64) -> Txn {
    txn(number, create_of(node_path(number), (number / DIRECTORIES) as i32 + 1))
}

/// Deletes a node.
pub fn delete_txn(zxid: u64, number: u64) -> Txn {
    txn(zxid, TxnBody::Delete { path: node_path(number) })
}

fn set_of(zxid: u64, number: u64) -> TxnBody {
    let data = Some(vec![b'y'; DATA_BYTES].into());
    TxnBody::SetData { path: node_path(number), data, version: zxid as i32 }
}

/// Sets a node's data.
pub fn set_txn(zxid: u64, number: u64) -> Txn {
    txn(zxid, set_of(zxid, number))
}

/// Sets the data of `parts` nodes of the first `nodes` at once.
pub fn multi_txn(zxid: u64, parts: u64, nodes: u64) -> Txn {
    let sets = (0..parts).map(|part| set_of(zxid, (zxid * 7_919 + part * 31) % nodes));
    txn(zxid, TxnBody::Multi(sets.collect()))
}

/// A tree with nodes from 0 to `nodes` - 1, whose last zxid is `DIRECTORIES + nodes`.
///
/// # Panics
/// If a transaction fails, which would be a bug of the tree.
pub fn tree_with(nodes: u64) -> Tree {
    let mut tree = Tree::new();
    let create = |number: u64| {
        let body = create_of(node_path(number), (number / DIRECTORIES) as i32 + 1);
        txn(DIRECTORIES + 1 + number, body)
    };
    for each in directory_txns().into_iter().chain((0..nodes).map(create)) {
        assert!(tree.apply(&each).result.code().is_ok(), "{each:?} fails");
    }
    tree
}

/// A linearizable history of a register, with about `clients` calls under way at a time.
pub fn register_calls(count: u64, clients: u64) -> Vec<Call<RegisterOp>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: u64| {
        // A linear congruential generator (Knuth, MMIX): the same numbers in every run.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (state >> 33) % below
    };
    let reach = 10 * clients / 2;
    let mut value = Value::Nil;
    let mut calls = Vec::new();
    for number in 0..count {
        // It takes effect here, and began and ended some time around.
        let at = 1_000 + number * 10;
        let op = if draw(2) == 0 {
            value = Value::Int(draw(5) as i64);
            RegisterOp::Write(value.clone())
        } else {
            RegisterOp::Read(value.clone())
        };
        calls.push(Call {
            op,
            client: format!("c{}", number % clients),
            invoke: at - draw(reach),
            complete: Some(at + draw(reach)),
            from_ns: None,
            to_ns: None,
        });
    }
    calls
}

#[cfg(test)]
mod tests {
    use checker::linear::{Budget, check_calls};
    use checker::model::register::{CasRegister, FailedCas};

    use super::*;

    #[test]
    fn trees_have_the_nodes_asked_for() {
        let mut tree = tree_with(250);
        let own = Tree::new().node_count() as u64;
        assert_eq!(tree.node_count() as u64, own + DIRECTORIES + 250);
        assert_eq!(tree.last_zxid(), Zxid(DIRECTORIES + 250));
        assert!(tree.apply(&set_txn(1_000, 249)).result.code().is_ok());
        assert!(tree.apply(&multi_txn(1_001, 10, 250)).result.code().is_ok());
        assert!(tree.apply(&delete_txn(1_002, 0)).result.code().is_ok());
        assert!(!tree.contains(&node_path(0)) && tree.contains(&node_path(249)));
    }

    #[test]
    fn histories_are_linearizable_and_overlap() {
        let calls = register_calls(200, 6);
        let model = CasRegister { failed_cas: FailedCas::FoundAnother };
        assert!(check_calls(&model, "x", &calls, Budget::default()).is_valid());
        let overlaps = calls.windows(2).filter(|pair| pair[0].complete > Some(pair[1].invoke));
        assert!(overlaps.count() > 100);
    }
}
