//! Transactions, quorum packets and election messages byte by byte, derived from `zookeeper.jute`
//! and from Apache's hand-written readers, not from our encoders.

use bytes::Bytes;
use keeper_core::error::Code;
use keeper_core::ids::{Epoch, ServerId, SessionId, Zxid};
use keeper_core::jute::{Decode, Encode, from_bytes, to_bytes};
use keeper_core::record::{Acl, Id};
use keeper_core::txn::{CreateTxn, Txn, TxnBody, TxnDigest, TxnHeader, decode_txn, encode_txn};
use keeper_core::wire::client::OpCode;
use keeper_core::wire::election::{InitialMessage, Notification, ServerState};
use keeper_core::wire::quorum::*;

use crate::hex;

const OPEN_ACL: &str = "00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65";

fn assert_txn(body: TxnBody, digest: Option<TxnDigest>, bytes: &str) {
    let header = TxnHeader {
        session: SessionId(0x1000_abcd),
        cxid: 7,
        zxid: Zxid(0x1_0000_000c),
        time_ms: 1_700_000_000_000,
    };
    let bytes =
        hex(&format!("000000001000abcd 00000007 000000010000000c 0000018bcfe56800 {bytes}"));
    let txn = Txn { header, body };
    let mut encoded = Vec::new();
    encode_txn(&txn, digest, &mut encoded);
    assert_eq!(encoded, bytes);
    assert_eq!(decode_txn(&bytes), Ok((txn, digest)));
}

fn assert_record<T>(record: T, bytes: &str)
where
    T: Encode + Decode + PartialEq + std::fmt::Debug,
{
    assert_eq!(to_bytes(&record), hex(bytes));
    assert_eq!(from_bytes(&hex(bytes)), Ok(record));
}

fn create(path: &str, data: Option<&'static [u8]>, ephemeral: bool, cversion: i32) -> CreateTxn {
    CreateTxn {
        path: path.into(),
        data: data.map(Bytes::from_static),
        acl: Acl::open(),
        ephemeral,
        parent_cversion: cversion,
    }
}

#[test]
fn create_with_a_digest() {
    let digest = TxnDigest { version: 2, tree_digest: 0x1122_3344_5566_7788 };
    let bytes = format!(
        "00000001 00000002 2f61 00000001 78 {OPEN_ACL} 01 00000009 00000002 1122334455667788"
    );
    assert_txn(TxnBody::Create(create("/a", Some(b"x"), true, 9)), Some(digest), &bytes);
}

#[test]
fn create_with_a_time_to_live() {
    let body = TxnBody::CreateTtl { create: create("/t", None, false, 1), ttl_ms: 5_000 };
    let bytes = format!("00000015 00000002 2f74 ffffffff {OPEN_ACL} 00000001 0000000000001388");
    assert_txn(body, None, &bytes);
}

#[test]
fn set_acl() {
    let body = TxnBody::SetAcl { path: "/a".into(), acl: Acl::open(), version: 2 };
    assert_txn(body, None, &format!("00000007 00000002 2f61 {OPEN_ACL} 00000002"));
}

#[test]
fn sessions() {
    assert_txn(TxnBody::CreateSession { timeout_ms: 30_000 }, None, "fffffff6 00007530");
    let paths = Some(vec!["/a".to_owned(), "/b".to_owned()]);
    let bytes = "fffffff5 00000002 00000002 2f61 00000002 2f62";
    assert_txn(TxnBody::CloseSession { paths }, None, bytes);
    assert_txn(TxnBody::CloseSession { paths: None }, None, "fffffff5");
}

#[test]
fn a_failed_multi_as_apache_logs_it() {
    let body = TxnBody::Multi(vec![
        TxnBody::SetData { path: "/a".into(), data: None, version: 1 },
        TxnBody::Error { code: Code::NodeExists },
    ]);
    let bytes = "0000000e 00000002 00000005 0000000e 00000002 2f61 ffffffff 00000001
                 ffffffff 00000004 ffffff92";
    assert_txn(body, None, bytes);
}

#[test]
fn proposal_has_null_identities_and_request_a_list() {
    let zxid = Zxid(0x1_0000_000c);
    let proposal = QuorumPacket::with_data(PacketKind::Proposal, zxid, vec![1, 2, 3]);
    assert_record(proposal, "00000002 000000010000000c 00000003 010203 ffffffff");
    let sync = ForwardedRequest {
        session: SessionId(0x1000_abcd),
        cxid: 7,
        op: OpCode::Sync,
        body: Bytes::from_static(b"\x00\x00\x00\x01/"),
    };
    let request = QuorumPacket {
        auth: vec![Id { scheme: "ip".into(), id: "10.0.0.1".into() }],
        ..QuorumPacket::with_data(PacketKind::Request, QuorumPacket::NO_ZXID, to_bytes(&sync))
    };
    let bytes = "00000001 ffffffffffffffff 00000015 000000001000abcd 00000007 00000009 00000001 2f
                 00000001 00000002 6970 00000008 31302e302e302e31";
    assert_record(request, bytes);
    let anonymous = QuorumPacket::bare(PacketKind::Request, Zxid(0));
    assert_record(anonymous, "00000001 0000000000000000 ffffffff 00000000");
}

#[test]
fn discovery() {
    let info = LearnerInfo {
        server: ServerId(2),
        protocol_version: 0x1_0000,
        config_version: Some(0x1_0000_0004),
        extra: Bytes::new(),
    };
    let zxid = Zxid::new(Epoch(3), 0);
    let packet = QuorumPacket::with_data(PacketKind::FollowerInfo, zxid, to_bytes(&info));
    let bytes = "0000000b 0000000300000000 00000014 0000000000000002 00010000 0000000100000004
                 ffffffff";
    assert_record(packet, bytes);
    let info = LeaderInfo { protocol_version: 0x1_0000, extra: Bytes::new() };
    assert_record(info, "00010000");
    let ack = to_bytes(&EpochAck(Some(Epoch(3))));
    let packet = QuorumPacket::with_data(PacketKind::AckEpoch, Zxid(0x2_0000_0005), ack);
    assert_record(packet, "00000012 0000000200000005 00000004 00000003 ffffffff");
    assert_record(EpochAck(None), "ffffffff");
}

#[test]
fn sessions_between_servers() {
    let session = SessionId(0x1000_abcd);
    let touches = SessionTouches(vec![(session, 10_000)]);
    let packet = QuorumPacket::with_data(PacketKind::Ping, Zxid(0x1_0000_000c), to_bytes(&touches));
    let bytes = "00000005 000000010000000c 0000000c 000000001000abcd 00002710 ffffffff";
    assert_record(packet, bytes);
    assert_record(Revalidate { session, timeout_ms: 10_000 }, "000000001000abcd 00002710");
    assert_record(Revalidated { session, valid: true }, "000000001000abcd 01");
}

#[test]
fn initial_messages() {
    let initial = |addresses: &[&str]| InitialMessage {
        server: ServerId(3),
        addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
    };
    let one = "ffffffffffff0000 0000000000000003 0000000d 31302e302e302e333a33383838";
    assert_record(initial(&["10.0.0.3:3888"]), one);
    let two = "ffffffffffff0001 0000000000000003 00000007 613a317c623a32";
    assert_record(initial(&["a:1", "b:2"]), two);
    assert_record(initial(&[]), "0000000000000003");
}

#[test]
fn notifications() {
    let notification = |state, config| Notification {
        state,
        leader: ServerId(3),
        zxid: Zxid(0x2_0000_0005),
        round: 7,
        peer_epoch: Epoch(2),
        config,
    };
    let looking = notification(ServerState::Looking, Some(Bytes::from_static(b"version=0")));
    let bytes = "00000000 0000000000000003 0000000200000005 0000000000000007 0000000000000002
                 00000002 00000009 76657273696f6e3d30";
    let mut framed = Vec::new();
    looking.encode_frame(&mut framed);
    assert_eq!(framed, hex(&format!("00000035 {bytes}")));
    assert_record(looking, bytes);
    let bytes = "00000002 0000000000000003 0000000200000005 0000000000000007 0000000000000002
                 00000001";
    assert_record(notification(ServerState::Leading, None), bytes);
}

#[test]
fn a_vote_without_an_epoch_reads_as_epoch_zero() {
    let observer =
        hex("00000003 8000000000000000 8000000000000000 0000000000000001 8000000000000000
         00000002 00000000");
    let read: Notification = from_bytes(&observer).unwrap();
    assert_eq!((read.leader, read.peer_epoch), (ServerId(1 << 63), Epoch(0)));
    assert_eq!(read.config, Some(Bytes::new()));
}

#[test]
fn forty_bytes_end_with_a_version_that_says_nothing() {
    let frame = "00000002 0000000000000003 0000000200000005 0000000000000007 0000000000000002";
    for version in ["00000001", "00000002"] {
        let read: Notification = from_bytes(&hex(&format!("{frame} {version}"))).unwrap();
        assert_eq!((read.peer_epoch, read.config), (Epoch(2), None));
    }
    let truncated = from_bytes::<Notification>(&hex(&format!("{frame} 00000002 0000")));
    assert!(truncated.is_err());
    let longer: Notification = from_bytes(&hex(&format!("{frame} 00000001 0000"))).unwrap();
    assert_eq!(longer.config, None);
}
