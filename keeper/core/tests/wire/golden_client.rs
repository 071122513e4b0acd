//! The client protocol byte by byte, derived from `zookeeper.jute` and not from our encoders.

use bytes::Bytes;
use keeper_core::error::Code;
use keeper_core::ids::{SessionId, Zxid};
use keeper_core::jute::{Encode, Reader, from_bytes};
use keeper_core::record::{Acl, Stat};
use keeper_core::wire::client::*;

use crate::hex;

const STAT: &str = "0000000100000001 0000000100000002 0000018bcfe56800 0000018bcfe56801
     00000001 00000002 00000003 000000001000abcd 00000004 00000005 0000000100000003";

fn stat() -> Stat {
    Stat {
        czxid: Zxid(0x1_0000_0001),
        mzxid: Zxid(0x1_0000_0002),
        ctime_ms: 1_700_000_000_000,
        mtime_ms: 1_700_000_000_001,
        version: 1,
        cversion: 2,
        aversion: 3,
        ephemeral_owner: 0x1000_abcd,
        data_length: 4,
        num_children: 5,
        pzxid: Zxid(0x1_0000_0003),
    }
}

fn create(path: &str, data: Option<&'static [u8]>, flags: i32) -> CreateRequest {
    CreateRequest {
        path: path.into(),
        data: data.map(Bytes::from_static),
        acl: Acl::open(),
        flags,
        want_stat: false,
    }
}

fn assert_request(xid: i32, request: &Request, bytes: &str) {
    let bytes = hex(bytes);
    let mut encoded = Vec::new();
    encode_request(xid, request, &mut encoded);
    assert_eq!(encoded, bytes);
    let header: RequestHeader = from_bytes(&bytes[4..12]).unwrap();
    assert_eq!((header.xid, header.op), (xid, request.op()));
    let decoded = Request::decode_body(header.op, &mut Reader::new(&bytes[12..]));
    assert_eq!(decoded.as_ref(), Ok(request));
}

fn assert_reply(op: OpCode, zxid: u64, response: &Response, bytes: &str) {
    let bytes = hex(bytes);
    let header = ReplyHeader { xid: 4, zxid: Zxid(zxid), code: Code::Ok };
    let mut encoded = Vec::new();
    encode_reply(&header, response, &mut encoded);
    assert_eq!(encoded, bytes);
    assert_eq!(from_bytes(&bytes[4..20]), Ok(header));
    assert_eq!(Response::decode(op, &mut Reader::new(&bytes[20..])).as_ref(), Ok(response));
}

#[test]
fn connect_with_and_without_read_only() {
    let new = "00000000 0000000000000005 00002710 0000000000000000
               00000010 00000000000000000000000000000000 00";
    let old = &new[..new.len() - 3];
    for (bytes, read_only, len) in [(new, Some(false), 45), (old, None, 44)] {
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: Zxid(5),
            timeout_ms: 10_000,
            session: SessionId(0),
            password: vec![0; 16],
            read_only,
        };
        let bytes = hex(bytes);
        assert_eq!(bytes.len(), len);
        assert_eq!(keeper_core::jute::to_bytes(&request), bytes);
        assert_eq!(from_bytes(&bytes), Ok(request));
    }
    let response = ConnectResponse {
        protocol_version: 0,
        timeout_ms: 10_000,
        session: SessionId(0x0010_0000_a1b2_c3d4),
        password: (0..16).collect(),
        read_only: Some(false),
    };
    let bytes = hex("00000025 00000000 00002710 00100000a1b2c3d4
                     00000010 000102030405060708090a0b0c0d0e0f 00");
    assert_eq!(frame(|out| response.encode(out)), bytes);
    assert_eq!(from_bytes(&bytes[4..]), Ok(response));
}

#[test]
fn create_ephemeral_sequential() {
    let bytes = "00000033 00000001 00000001 00000002 2f61 00000002 7879
                 00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00000003";
    assert_request(1, &Request::Create(create("/a", Some(b"xy"), 3)), bytes);
}

#[test]
fn create2_without_data_and_acl() {
    let request = CreateRequest { acl: Vec::new(), want_stat: true, ..create("/a", None, 0) };
    let bytes = "0000001a 00000002 0000000f 00000002 2f61 ffffffff 00000000 00000000";
    assert_request(2, &Request::Create(request), bytes);
}

#[test]
fn get_data_with_a_watch() {
    let request = Request::GetData { path: "/a".into(), watch: true };
    assert_request(3, &request, "0000000f 00000003 00000004 00000002 2f61 01");
}

#[test]
fn ping_and_set_watches_have_their_own_xids() {
    assert_request(PING_XID, &Request::Ping, "00000008 fffffffe 0000000b");
    let request = Request::SetWatches {
        relative_zxid: Zxid(0x2_0000_0007),
        data: vec!["/d".into()],
        exist: Vec::new(),
        child: vec!["/c".into(), "/e".into()],
    };
    let bytes = "0000002e fffffff8 00000065 0000000200000007 00000001 00000002 2f64
                 00000000 00000002 00000002 2f63 00000002 2f65";
    assert_request(SET_WATCHES_XID, &request, bytes);
}

#[test]
fn multi_of_every_common_kind() {
    let create = CreateRequest { want_stat: true, ..create("/m", Some(b""), 1) };
    let request = Request::Multi(vec![
        MultiOp::Create(create),
        MultiOp::SetData { path: "/m".into(), data: Some(Bytes::from_static(b"z")), version: 0 },
        MultiOp::Check { path: "/v".into(), version: 6 },
        MultiOp::Delete { path: "/x".into(), version: -1 },
    ]);
    let bytes = "00000081 00000004 0000000e
        0000000f 00 ffffffff 00000002 2f6d 00000000
            00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00000001
        00000005 00 ffffffff 00000002 2f6d 00000001 7a 00000000
        0000000d 00 ffffffff 00000002 2f76 00000006
        00000002 00 ffffffff 00000002 2f78 ffffffff
        ffffffff 01 ffffffff";
    assert_request(4, &request, bytes);
}

#[test]
fn answers_to_multi() {
    let results = vec![
        MultiResult::Create { path: "/m".into() },
        MultiResult::SetData { stat: stat() },
        MultiResult::Check,
        MultiResult::Delete,
    ];
    let bytes = format!(
        "00000087 00000004 000000010000000b 00000000 00000001 00 00000000 00000002 2f6d
         00000005 00 00000000 {STAT} 0000000d 00 00000000 00000002 00 00000000
         ffffffff 01 ffffffff"
    );
    assert_reply(OpCode::Multi, 0x1_0000_000b, &Response::Multi(results), &bytes);

    let results = [Code::Ok, Code::BadVersion, Code::RuntimeInconsistency];
    let results = results.map(MultiResult::Error).to_vec();
    let bytes = "00000040 00000004 000000010000000b 00000000
        ffffffff 00 00000000 00000000 ffffffff 00 ffffff99 ffffff99
        ffffffff 00 fffffffe fffffffe ffffffff 01 ffffffff";
    assert_reply(OpCode::Multi, 0x1_0000_000b, &Response::Multi(results), bytes);
}

#[test]
fn answer_to_get_data() {
    let response = Response::DataStat { data: Some(Bytes::from_static(b"v")), stat: stat() };
    let bytes = format!("00000059 00000004 0000000100000009 00000000 00000001 76 {STAT}");
    assert_reply(OpCode::GetData, 0x1_0000_0009, &response, &bytes);
}

#[test]
fn a_failure_has_no_body() {
    let header = ReplyHeader { xid: 3, zxid: Zxid(0x1_0000_0009), code: Code::NoNode };
    let mut encoded = Vec::new();
    encode_reply(&header, &Response::Stat(stat()), &mut encoded);
    assert_eq!(encoded, hex("00000010 00000003 0000000100000009 ffffff9b"));
}

#[test]
fn watch_event() {
    let event = WatcherEvent::new(EventType::NodeDataChanged, "/a");
    let mut encoded = Vec::new();
    encode_event(Zxid(0x1_0000_000a), &event, &mut encoded);
    let bytes = hex("0000001e ffffffff 000000010000000a 00000000 00000003 00000003 00000002 2f61");
    assert_eq!(encoded, bytes);
    assert_eq!(from_bytes(&bytes[20..]), Ok(event));
}
