//! Records of the client protocol, there and back.

use keeper_core::error::Code;
use keeper_core::jute::{Reader, from_bytes, to_bytes};
use keeper_core::record::{Acl, Id, Stat, StatPersisted};
use keeper_core::wire::client::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::strategies::*;
use crate::{reads_what_it_writes, survives, survives_by_length};

fn request_from(op: OpCode, bytes: &[u8]) -> Option<Request> {
    Request::decode_body(op, &mut Reader::new(bytes)).ok()
}

fn response_from(op: OpCode, bytes: &[u8]) -> Option<Response> {
    Response::decode(op, &mut Reader::new(bytes)).ok()
}

proptest! {
    #[test]
    fn shared_records(id in id(), acl in acl(), stat in stat(), persisted in stat_persisted()) {
        survives(&id)?;
        survives(&acl)?;
        survives(&stat)?;
        survives(&persisted)?;
    }

    #[test]
    fn connect_request(
        protocol_version: i32,
        last_zxid_seen in zxid(),
        timeout_ms: i32,
        session in session(),
        password: Vec<u8>,
        read_only: Option<bool>,
    ) {
        survives_by_length(&ConnectRequest {
            protocol_version, last_zxid_seen, timeout_ms, session, password, read_only,
        })?;
    }

    #[test]
    fn connect_response(
        protocol_version: i32,
        timeout_ms: i32,
        session in session(),
        password: Vec<u8>,
        read_only: Option<bool>,
    ) {
        survives_by_length(&ConnectResponse {
            protocol_version, timeout_ms, session, password, read_only,
        })?;
    }

    #[test]
    fn headers(xid: i32, op in op(), zxid in zxid(), code in code()) {
        survives(&RequestHeader { xid, op })?;
        survives(&ReplyHeader { xid, zxid, code })?;
    }

    #[test]
    fn watcher_event(kind in -1..=7, state in -1..=7, path in path()) {
        if let (Some(kind), Some(state)) =
            (EventType::from_wire(kind), KeeperState::from_wire(state))
        {
            survives(&WatcherEvent { kind, state, path })?;
        }
        survives(&WatcherEvent {
            kind: EventType::None,
            state: KeeperState::Expired,
            path: String::new(),
        })?;
    }

    #[test]
    fn requests(request in request()) {
        let mut bytes = Vec::new();
        request.encode_body(&mut bytes);
        let op = request.op();
        let mut reader = Reader::new(&bytes);
        let decoded = Request::decode_body(op, &mut reader);
        prop_assert_eq!(decoded.as_ref(), Ok(&request));
        prop_assert_eq!(reader.remaining(), 0);
        for len in 0..bytes.len() {
            prop_assert_eq!(request_from(op, &bytes[..len]), None);
        }
    }

    #[test]
    fn responses((op, response) in answer()) {
        let bytes = to_bytes(&response);
        let mut reader = Reader::new(&bytes);
        let decoded = Response::decode(op, &mut reader);
        prop_assert_eq!(decoded.as_ref(), Ok(&response));
        prop_assert_eq!(reader.remaining(), 0);
        for len in 0..bytes.len() {
            prop_assert_eq!(response_from(op, &bytes[..len]), None);
        }
    }

    #[test]
    fn packets(xid: i32, request in request(), zxid in zxid(), (op, response) in answer()) {
        let mut stream = Vec::new();
        encode_request(xid, &request, &mut stream);
        let header = ReplyHeader { xid, zxid, code: Code::Ok };
        encode_reply(&header, &response, &mut stream);
        let failed = ReplyHeader { code: Code::NoNode, ..header };
        encode_reply(&failed, &response, &mut stream);

        let mut frames = Frames::default();
        frames.push(&stream);
        let packet = frames.next_frame().unwrap().unwrap();
        let mut reader = Reader::new(&packet);
        let asked = RequestHeader { xid: reader.int().unwrap(), op: request.op() };
        prop_assert_eq!(asked, from_bytes(&packet[..8]).unwrap());
        reader.int().unwrap();
        prop_assert_eq!(Request::decode_body(asked.op, &mut reader), Ok(request));
        let packet = frames.next_frame().unwrap().unwrap();
        prop_assert_eq!(from_bytes(&packet[..16]), Ok(header));
        prop_assert_eq!(Response::decode(op, &mut Reader::new(&packet[16..])), Ok(response));
        let packet = frames.next_frame().unwrap().unwrap();
        prop_assert_eq!(from_bytes(&packet), Ok(failed));
        prop_assert_eq!(frames.next_frame(), Ok(None));
    }

    #[test]
    fn any_bytes_leave_the_decoders_standing(
        bytes in vec(prop_oneof![0..4u8, any::<u8>()], 0..90),
    ) {
        reads_what_it_writes::<Id>(&bytes)?;
        reads_what_it_writes::<Acl>(&bytes)?;
        reads_what_it_writes::<Stat>(&bytes)?;
        reads_what_it_writes::<StatPersisted>(&bytes)?;
        reads_what_it_writes::<ConnectRequest>(&bytes)?;
        reads_what_it_writes::<ConnectResponse>(&bytes)?;
        reads_what_it_writes::<RequestHeader>(&bytes)?;
        reads_what_it_writes::<ReplyHeader>(&bytes)?;
        reads_what_it_writes::<WatcherEvent>(&bytes)?;
        for op in (-12..=25).chain(99..=110).map(OpCode::from_wire) {
            if let Some(request) = request_from(op, &bytes) {
                let mut again = Vec::new();
                request.encode_body(&mut again);
                prop_assert_eq!(request_from(op, &again), Some(request));
            }
            if let Some(response) = response_from(op, &bytes) {
                prop_assert_eq!(response_from(op, &to_bytes(&response)), Some(response));
            }
        }
    }

    #[test]
    fn a_flipped_byte_leaves_the_decoders_standing(
        request in request(),
        (op, response) in answer(),
        at: usize,
        flip in 1..=255u8,
    ) {
        let mut bytes = Vec::new();
        request.encode_body(&mut bytes);
        if !bytes.is_empty() {
            let index = at % bytes.len();
            bytes[index] ^= flip;
            request_from(request.op(), &bytes);
        }
        let mut bytes = to_bytes(&response);
        if !bytes.is_empty() {
            let index = at % bytes.len();
            bytes[index] ^= flip;
            response_from(op, &bytes);
        }
    }

    #[test]
    fn frames_take_any_stream(
        parts in vec(vec(prop_oneof![Just(0u8), 0..6u8, any::<u8>()], 0..20), 0..12),
        max in 0..300usize,
    ) {
        let mut frames = Frames::new(max);
        for part in parts {
            frames.push(&part);
            while let Ok(Some(frame)) = frames.next_frame() {
                prop_assert!(frame.len() <= max);
            }
            if frames.next_frame().is_ok() {
                prop_assert!(frames.buffered().len() < 4 + max);
            }
        }
    }

    #[test]
    fn null_lists_read_as_empty(prefix in option::of(text())) {
        let mut bytes = Vec::new();
        keeper_core::jute::put_optional_string(&mut bytes, prefix.as_deref());
        let request = request_from(OpCode::GetEphemerals, &bytes);
        let expected = Request::GetEphemerals { prefix: prefix.unwrap_or_default() };
        prop_assert_eq!(request, Some(expected));
        let children = response_from(OpCode::GetChildren, &[255; 4]);
        prop_assert_eq!(children, Some(Response::Children(Vec::new())));
    }
}

#[test]
fn writes_are_what_a_follower_forwards() {
    let writes: Vec<i32> = (-12..=110).filter(|op| OpCode::from_wire(*op).is_write()).collect();
    assert_eq!(writes, [-11, -10, -1, 1, 2, 5, 7, 13, 14, 15, 16, 19, 20, 21]);
}

#[test]
fn operations_that_are_not_for_clients_are_refused() {
    for op in [OpCode::Notification, OpCode::DeleteContainer, OpCode::Error, OpCode::Other(10)] {
        assert_eq!(request_from(op, &[0; 100]), None);
        assert_eq!(response_from(op, &[0; 100]), None);
    }
}

#[test]
fn reads_and_writes_do_not_mix_in_a_multi() {
    let mut read = Vec::new();
    Request::MultiRead(vec![ReadOp::GetData { path: "/a".into() }]).encode_body(&mut read);
    assert_eq!(request_from(OpCode::Multi, &read), None);
    assert!(request_from(OpCode::MultiRead, &read).is_some());
}
