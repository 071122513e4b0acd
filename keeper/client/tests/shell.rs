//! The client as a program uses it, on real sockets against a server that plays a script.

#![allow(missing_docs, reason = "a test program has no readers of its documentation")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use bytes::Bytes;
use keeper_client::{
    Client, ClientError, ClientEventKind, ClientOptions, Loss, ServerAddress, multi_failure,
};
use keeper_core::error::Code;
use keeper_core::ids::{SessionId, Zxid};
use keeper_core::jute::{Decode, Encode, Reader, from_bytes};
use keeper_core::record::{Acl, Stat};
use keeper_core::wire::client::*;
use platform::tokio_platform::TokioPlatform;
use platform::{Listener, Platform};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// One connection that the scripted server accepted.
struct Peer {
    stream: <TokioPlatform as Platform>::Stream,
    frames: Frames,
}

impl Peer {
    async fn accept(listener: &mut <TokioPlatform as Platform>::Listener) -> Peer {
        Peer { stream: listener.accept().await.unwrap(), frames: Frames::default() }
    }

    /// The next packet, `None` at the end of the stream.
    async fn packet(&mut self) -> Option<Bytes> {
        loop {
            if let Some(packet) = self.frames.next_frame().unwrap() {
                return Some(packet);
            }
            let mut bytes = [0; 1024];
            match self.stream.read(&mut bytes).await.unwrap() {
                0 => return None,
                len => self.frames.push(&bytes[..len]),
            }
        }
    }

    /// Takes a handshake and answers it.
    async fn welcome(&mut self, session: i64) -> ConnectRequest {
        let hello: ConnectRequest = from_bytes(&self.packet().await.unwrap()).unwrap();
        let answer = ConnectResponse {
            protocol_version: 0,
            timeout_ms: if session == 0 { 0 } else { 20_000 },
            session: SessionId(session),
            password: vec![9; 16],
            read_only: hello.read_only,
        };
        self.send(&frame(|out| answer.encode(out))).await;
        hello
    }

    async fn request(&mut self) -> (i32, Request) {
        let packet = self.packet().await.unwrap();
        let mut reader = Reader::new(&packet);
        let header = RequestHeader::decode(&mut reader).unwrap();
        (header.xid, Request::decode_body(header.op, &mut reader).unwrap())
    }

    /// Takes a request, which must be this one, and answers it.
    async fn answer(&mut self, request: Request, zxid: u64, code: Code, response: Response) {
        let (xid, asked) = self.request().await;
        assert_eq!(asked, request);
        let mut out = Vec::new();
        encode_reply(&ReplyHeader { xid, zxid: Zxid(zxid), code }, &response, &mut out);
        self.send(&out).await;
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }
}

fn get(path: &str) -> Request {
    Request::GetData { path: path.into(), watch: false }
}

fn data(text: &'static str) -> Response {
    Response::DataStat { data: Some(Bytes::from_static(text.as_bytes())), stat: Stat::default() }
}

async fn start() -> (TokioPlatform, <TokioPlatform as Platform>::Listener, Vec<ServerAddress>) {
    let platform = TokioPlatform::new().unwrap();
    let listener = platform.listen("127.0.0.1", 0).await.unwrap();
    let address = ServerAddress { host: "127.0.0.1".into(), port: listener.port() };
    (platform, listener, vec![address])
}

#[tokio::test]
async fn a_session_from_its_beginning_to_its_end() {
    let (platform, mut listener, servers) = start().await;
    let (client, mut events) = Client::connect(platform, servers, ClientOptions::default());
    let server = async {
        let mut peer = Peer::accept(&mut listener).await;
        assert_eq!(peer.welcome(0x55).await.session, SessionId(0));
        let (_, Request::Create(create)) = peer.request().await else { panic!("a create") };
        assert_eq!((create.path.as_str(), create.flags), ("/n-", 3));
        let header = ReplyHeader { xid: 1, zxid: Zxid(7), code: Code::Ok };
        let mut out = Vec::new();
        encode_reply(&header, &Response::Path("/n-0000000001".into()), &mut out);
        let event = WatcherEvent::new(EventType::NodeDataChanged, "/w");
        encode_event(Zxid(8), &event, &mut out);
        peer.send(&out).await;
        peer.answer(get("/gone"), 8, Code::NoNode, Response::Empty).await;
        let check = Request::Multi(vec![MultiOp::Check { path: "/v".into(), version: 4 }]);
        let failed = Response::Multi(vec![MultiResult::Error(Code::BadVersion)]);
        peer.answer(check, 9, Code::Ok, failed).await;
        peer.answer(Request::CloseSession, 10, Code::Ok, Response::Empty).await;
        assert_eq!(peer.packet().await, None);
    };
    let program = async {
        let session = client.granted().await.unwrap();
        assert_eq!((session.id, session.timeout_ms), (SessionId(0x55), 20_000));
        let mode = CreateMode::EphemeralSequential;
        let created = client.create("/n-", "x", Acl::open(), mode).await.unwrap();
        assert_eq!((created.value.as_str(), created.zxid), ("/n-0000000001", Zxid(7)));
        assert_eq!((created.origin.xid, created.origin.session), (1, session.id));
        let error = client.get_data("/gone", false).await.unwrap_err();
        assert_eq!(error.code(), Some(Code::NoNode));
        assert!(!error.outcome_unknown());
        let error = client.check("/v", 4).await.unwrap_err();
        assert_eq!(error.code(), Some(Code::BadVersion));
        client.close().await.unwrap();
        assert_eq!(client.sync("/").await, Err(ClientError::Closed));
        assert_eq!(created.sequence, 2);
    };
    tokio::join!(server, program);
    let mut seen = Vec::new();
    while let Some(event) = events.recv().await {
        seen.push((event.sequence, event.kind));
    }
    assert!(matches!(seen[0], (1, ClientEventKind::Connected { resumed: false, .. })));
    assert!(matches!(seen[1], (3, ClientEventKind::Watch { zxid: Some(Zxid(8)), .. })));
    assert!(matches!(seen[2], (_, ClientEventKind::Closed)));
    assert_eq!(seen.len(), 3);
}

#[tokio::test]
async fn a_lost_connection_is_followed_by_another_with_the_same_session() {
    let (platform, mut listener, servers) = start().await;
    let (client, mut events) = Client::connect(platform, servers, ClientOptions::default());
    let server = async {
        let mut peer = Peer::accept(&mut listener).await;
        peer.welcome(0x55).await;
        peer.answer(get("/a"), 7, Code::Ok, data("one")).await;
        let (_, lost) = peer.request().await;
        assert_eq!(lost.op(), OpCode::SetData);
        drop(peer);
        let mut peer = Peer::accept(&mut listener).await;
        let hello = peer.welcome(0x55).await;
        assert_eq!((hello.session, hello.last_zxid_seen), (SessionId(0x55), Zxid(7)));
        assert_eq!(hello.password, [9; 16]);
        // Sent without waiting for one another.
        let sync = Request::Sync { path: "/a".into() };
        peer.answer(sync, 9, Code::Ok, Response::Path("/a".into())).await;
        peer.answer(get("/a"), 9, Code::Ok, data("two")).await;
        assert_eq!(peer.packet().await, None);
    };
    let program = async {
        let read = client.get_data("/a", false).await.unwrap();
        assert_eq!(read.value.0.as_deref(), Some(&b"one"[..]));
        let error = client.set_data("/a", "x", -1).await.unwrap_err();
        assert!(error.outcome_unknown());
        assert!(matches!(error, ClientError::ConnectionLoss { loss: Loss::Ended, .. }));
        assert_eq!(error.origin().unwrap().xid, 2);
        let read = client.sync_then_get("/a", false).await.unwrap();
        assert_eq!((read.value.0.as_deref(), read.zxid), (Some(&b"two"[..]), Zxid(9)));
        // Without a close: the server sees the stream end and nothing else.
        drop(client);
    };
    tokio::join!(server, program);
    let mut kinds = Vec::new();
    while let Some(event) = events.recv().await {
        kinds.push(event.kind);
    }
    assert!(matches!(
        kinds[..],
        [
            ClientEventKind::Connected { resumed: false, .. },
            ClientEventKind::Disconnected { loss: Loss::Ended, .. },
            ClientEventKind::Connected { resumed: true, .. },
        ]
    ));
}

#[tokio::test]
async fn a_session_taken_over_may_be_found_expired() {
    let (platform, mut listener, servers) = start().await;
    let (first, _events) =
        Client::connect(platform.clone(), servers.clone(), ClientOptions::default());
    let mut peer = Peer::accept(&mut listener).await;
    peer.welcome(0x55).await;
    let session = first.granted().await.unwrap();

    let options = ClientOptions::default();
    let (second, mut events) = Client::resume(platform, servers, &session, Zxid(3), options);
    let waiting = second.submit(get("/a"));
    let mut peer = Peer::accept(&mut listener).await;
    let hello = peer.welcome(0).await;
    assert_eq!((hello.session, hello.last_zxid_seen), (SessionId(0x55), Zxid(3)));
    assert_eq!(waiting.await, Err(ClientError::SessionExpired));
    assert_eq!(events.recv().await.unwrap().kind, ClientEventKind::Expired);
    assert_eq!(events.recv().await, None);
}

#[test]
fn a_failed_multi_names_the_operation_that_failed() {
    let codes = [Code::Ok, Code::BadVersion, Code::RuntimeInconsistency];
    assert_eq!(multi_failure(&codes.map(MultiResult::Error)), Some((1, Code::BadVersion)));
    assert_eq!(multi_failure(&[MultiResult::Delete, MultiResult::Check]), None);
}
