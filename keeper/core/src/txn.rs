//! Transactions: what the leader decides, the log stores and every server applies
//! (`zookeeper.jute`, module txn).

mod codec;

pub use codec::{
    AskedAs, TxnDigest, decode_txn, decode_txn_shared, encode_txn, encode_txn_asked,
    peek_txn_header, txn_type,
};

use crate::error::Code;
use crate::ids::{SessionId, Zxid};
use crate::record::{Acl, Data};

/// A transaction with its header, as one proposal carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Txn {
    /// Where it stands in the order and who asked for it.
    pub header: TxnHeader,
    /// What it does.
    pub body: TxnBody,
}

/// `TxnHeader`; its `type` follows from the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxnHeader {
    /// The session that asked.
    pub session: SessionId,
    /// The request's xid within that session.
    pub cxid: i32,
    /// The position.
    pub zxid: Zxid,
    /// The leader's wall clock, milliseconds since the Unix epoch.
    pub time_ms: i64,
}

/// The effect of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxnBody {
    /// A znode appears. `ephemeral` nodes belong to the header's session.
    Create(CreateTxn),
    /// A container znode appears (kind kept so that Apache's files and proposals can be read).
    CreateContainer(CreateTxn),
    /// A znode with a time to live appears.
    CreateTtl {
        /// As for a plain node.
        create: CreateTxn,
        /// Milliseconds.
        ttl_ms: i64,
    },
    /// A znode disappears.
    Delete {
        /// Which.
        path: String,
    },
    /// Data is replaced.
    SetData {
        /// Of which node.
        path: String,
        /// By what.
        data: Data,
        /// The node's version afterwards.
        version: i32,
    },
    /// The ACL is replaced.
    SetAcl {
        /// Of which node.
        path: String,
        /// By what.
        acl: Vec<Acl>,
        /// The node's aversion afterwards.
        version: i32,
    },
    /// A version was checked inside a multi; changes nothing.
    CheckVersion {
        /// Of which node.
        path: String,
        /// The version asked for.
        version: i32,
    },
    /// A session begins.
    CreateSession {
        /// Its negotiated time-out.
        timeout_ms: i32,
    },
    /// A session ends; these are the ephemerals that end with it (ZOOKEEPER-3145). `None`: an
    /// older server's form, which leaves the list to the tree.
    CloseSession {
        /// Paths to delete.
        paths: Option<Vec<String>>,
    },
    /// A request failed at the leader; it holds its place in the order and changes nothing.
    Error {
        /// Why.
        code: Code,
    },
    /// All or nothing: every part carries this transaction's zxid.
    Multi(Vec<TxnBody>),
}

impl TxnBody {
    /// Whether it changes anything: a request that was refused, and one that only checks, keep their
    /// place in the order and change nothing.
    pub fn is_change(&self) -> bool {
        match self {
            TxnBody::Error { .. } | TxnBody::CheckVersion { .. } => false,
            TxnBody::Multi(parts) => !self.is_aborted() && parts.iter().any(TxnBody::is_change),
            _ => true,
        }
    }

    /// Whether it is a multi that failed, and so changes nothing.
    pub fn is_aborted(&self) -> bool {
        let TxnBody::Multi(parts) = self else { return false };
        parts.iter().any(|part| matches!(part, TxnBody::Error { .. }))
    }
}

/// The common part of the create transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTxn {
    /// The node's full path, its sequence number included.
    pub path: String,
    /// Its data.
    pub data: Data,
    /// Its ACL.
    pub acl: Vec<Acl>,
    /// Whether it ends with the header's session. Not encoded for containers and TTL nodes.
    pub ephemeral: bool,
    /// The parent's `cversion` (children ever created) afterwards; -1 in the oldest format.
    pub parent_cversion: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_or_only_checks_changes_nothing() {
        let set = || TxnBody::SetData { path: "/a".into(), data: None, version: 1 };
        let check = || TxnBody::CheckVersion { path: "/a".into(), version: 1 };
        let error = || TxnBody::Error { code: Code::BadVersion };
        assert!(set().is_change() && !check().is_change() && !error().is_change());
        assert!(TxnBody::Multi(vec![check(), set()]).is_change());
        assert!(!TxnBody::Multi(vec![check(), check()]).is_change());
        assert!(!TxnBody::Multi(vec![set(), error()]).is_change());
    }
}
