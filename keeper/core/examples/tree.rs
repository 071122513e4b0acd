//! Two trees that apply the same transactions, one of them from bytes: they are equal, bit for bit.
//!
//!     cargo run -p squall-keeper-core --example tree

use bytes::Bytes;
use keeper_core::ids::{SessionId, Zxid};
use keeper_core::jute::DecodeError;
use keeper_core::record::Acl;
use keeper_core::tree::Tree;
use keeper_core::txn::{CreateTxn, Txn, TxnBody, TxnHeader, decode_txn, encode_txn};

fn main() -> Result<(), DecodeError> {
    let mut leader = Tree::new();
    let mut follower = Tree::new();
    let created = CreateTxn {
        path: "/motd".to_owned(),
        data: Some(Bytes::from_static(b"hello")),
        acl: Acl::open(),
        ephemeral: false,
        parent_cversion: 1,
    };
    let changed = TxnBody::SetData {
        path: "/motd".to_owned(),
        data: Some(Bytes::from_static(b"bye")),
        version: 1,
    };
    for (zxid, body) in [(1, TxnBody::Create(created)), (2, changed)] {
        let header =
            TxnHeader { session: SessionId(0x77), cxid: 1, zxid: Zxid(zxid), time_ms: 1_000 };
        let txn = Txn { header, body };
        let applied = leader.apply(&txn);
        let watches =
            applied.triggers.iter().map(|trigger| format!("{:?} {}", trigger.kind, trigger.path));
        println!("zxid {zxid}: fires {}", watches.collect::<Vec<String>>().join(", "));

        // As a proposal travels to a follower, or lies in the log.
        let mut bytes = Vec::new();
        encode_txn(&txn, None, &mut bytes);
        println!("  {} bytes on the wire", bytes.len());
        let (decoded, _digest) = decode_txn(&bytes)?;
        follower.apply(&decoded);
    }
    let node = follower.get("/motd").expect("it was created");
    println!("/motd is {:?} in version {}", node.data(), node.stat().version);
    println!("equal: {}, digest {:x}", leader == follower, follower.digest().tree_digest);
    Ok(())
}
