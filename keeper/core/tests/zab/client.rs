//! Clients as byte streams: requests through the real codecs, and replies in a few words.

use std::collections::VecDeque;

use bytes::Bytes;
use keeper_core::ids::{ConnectionId, SessionId, Zxid};
use keeper_core::jute::{Decode, Encode, Reader};
use keeper_core::record::Acl;
use keeper_core::session::password;
use keeper_core::wire::client::{
    ConnectRequest, ConnectResponse, CreateMode, CreateRequest, Frames, NOTIFICATION_XID, OpCode,
    ReplyHeader, Request, Response, WatcherEvent, encode_request, frame,
};

use crate::text::{Names, request_text};

/// One client and its connection.
pub(crate) struct Client {
    /// The server that it is connected to.
    pub(crate) server: u64,
    /// The server's name for the connection.
    pub(crate) connection: ConnectionId,
    /// Its session once the server has told it.
    pub(crate) session: SessionId,
    frames: Frames,
    opening: bool,
    asked: VecDeque<(i32, OpCode)>,
    next_xid: i32,
}

impl Client {
    /// A client that has connected, and what it says first. Session 0 asks for a new one.
    pub(crate) fn new(
        server: u64,
        connection: ConnectionId,
        session: SessionId,
    ) -> (Client, Bytes) {
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: Zxid::ZERO,
            timeout_ms: 4_000,
            session,
            password: password(session).to_vec(),
            read_only: Some(false),
        };
        let client = Client {
            server,
            connection,
            session,
            frames: Frames::default(),
            opening: true,
            asked: VecDeque::new(),
            next_xid: 1,
        };
        (client, Bytes::from(frame(|out| request.encode(out))))
    }

    /// The bytes of the next request, and the request in a few words.
    pub(crate) fn ask(&mut self, request: &Request) -> (Bytes, String) {
        let xid = self.next_xid;
        self.next_xid += 1;
        self.asked.push_back((xid, request.op()));
        let mut bytes = Vec::new();
        encode_request(xid, request, &mut bytes);
        (Bytes::from(bytes), format!("#{xid} {}", request_text(request)))
    }

    /// What arrived, a line for each packet.
    pub(crate) fn receive(&mut self, bytes: &[u8], names: &mut Names) -> Vec<String> {
        self.frames.push(bytes);
        let mut lines = Vec::new();
        while let Some(packet) = self.frames.next_frame().unwrap() {
            lines.push(self.packet(&packet, names));
        }
        lines
    }

    fn packet(&mut self, packet: &[u8], names: &mut Names) -> String {
        let mut reader = Reader::new(packet);
        if std::mem::take(&mut self.opening) {
            let response = ConnectResponse::decode(&mut reader).unwrap();
            if response.session == SessionId(0) {
                return "the session is no more".to_owned();
            }
            self.session = response.session;
            return format!("session {} of {} ms", names.of(self.session), response.timeout_ms);
        }
        let header = ReplyHeader::decode(&mut reader).unwrap();
        let ReplyHeader { xid, zxid, code } = header;
        if xid == NOTIFICATION_XID {
            let event = WatcherEvent::decode(&mut reader).unwrap();
            return format!("event {:?} {}", event.kind, event.path);
        }
        let (asked_xid, op) = self.asked.pop_front().unwrap();
        assert_eq!(xid, asked_xid, "replies come in the order of the requests");
        if code.to_wire() != 0 {
            return format!("#{xid} {code:?} at {zxid}");
        }
        let text = match Response::decode(op, &mut reader).unwrap() {
            Response::Path(path) => path,
            Response::Children(children) => format!("{children:?}"),
            Response::Empty => "done".to_owned(),
            other => format!("{other:?}"),
        };
        format!("#{xid} {text} at {zxid}")
    }
}

/// `create`, persistent and without data.
pub(crate) fn create(path: &str) -> Request {
    create_as(path, CreateMode::Persistent)
}

/// `create`, ephemeral.
pub(crate) fn ephemeral(path: &str) -> Request {
    create_as(path, CreateMode::Ephemeral)
}

fn create_as(path: &str, mode: CreateMode) -> Request {
    Request::Create(CreateRequest {
        path: path.to_owned(),
        data: None,
        acl: Acl::open(),
        flags: mode.to_flags(),
        want_stat: false,
    })
}

/// `getChildren` of the root.
pub(crate) fn list() -> Request {
    Request::GetChildren { path: "/".to_owned(), watch: false }
}

/// `sync`.
pub(crate) fn sync() -> Request {
    Request::Sync { path: "/".to_owned() }
}
