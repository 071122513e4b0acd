//! Locks and elections against a server that plays a script: what they ask for, in which order, and
//! what they make of lost connections and sessions.

#![allow(missing_docs, reason = "a test program has no readers of its documentation")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use bytes::Bytes;
use keeper_client::recipe::{Election, FencingToken, HoldState, Lock, RecipeError};
use keeper_client::{Client, ClientOptions, ServerAddress};
use keeper_core::error::Code;
use keeper_core::ids::{SessionId, Zxid};
use keeper_core::jute::{Decode, Encode, Reader, from_bytes};
use keeper_core::record::Stat;
use keeper_core::wire::client::*;
use platform::tokio_platform::TokioPlatform;
use platform::{Listener, Platform};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SESSION: i64 = 0x55;
/// Sorts before any name of a recipe's, and after.
const EARLIER: &str = "_c_0-lock-0000000004";
const LATER: &str = "_c_0-lock-0000000009";

type Connections = <TokioPlatform as Platform>::Listener;

/// A server with one connection at a time.
struct Server {
    listener: Connections,
    stream: Option<<TokioPlatform as Platform>::Stream>,
    frames: Frames,
    zxid: u64,
}

impl Server {
    /// Waits for a connection and takes the session, or says that it is over.
    async fn welcome(&mut self, session: i64) {
        self.stream = Some(self.listener.accept().await.unwrap());
        self.frames = Frames::default();
        let hello: ConnectRequest = from_bytes(&self.packet().await.unwrap()).unwrap();
        let answer = ConnectResponse {
            protocol_version: 0,
            timeout_ms: if session == 0 { 0 } else { 20_000 },
            session: SessionId(session),
            password: vec![9; 16],
            read_only: hello.read_only,
        };
        self.send(&frame(|out| answer.encode(out))).await;
    }

    async fn packet(&mut self) -> Option<Bytes> {
        loop {
            if let Some(packet) = self.frames.next_frame().unwrap() {
                return Some(packet);
            }
            let mut bytes = [0; 1024];
            match self.stream.as_mut().unwrap().read(&mut bytes).await.unwrap() {
                0 => return None,
                len => self.frames.push(&bytes[..len]),
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        let stream = self.stream.as_mut().unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
    }

    async fn request(&mut self) -> (i32, Request) {
        let packet = self.packet().await.unwrap();
        let mut reader = Reader::new(&packet);
        let header = RequestHeader::decode(&mut reader).unwrap();
        (header.xid, Request::decode_body(header.op, &mut reader).unwrap())
    }

    async fn reply(&mut self, xid: i32, code: Code, response: &Response) {
        self.zxid += 1;
        let mut out = Vec::new();
        encode_reply(&ReplyHeader { xid, zxid: Zxid(self.zxid), code }, response, &mut out);
        self.send(&out).await;
    }

    /// Takes the creation of a contender's znode, whose path it returns without the number.
    async fn creation(&mut self) -> (i32, String) {
        let (xid, Request::Create(create)) = self.request().await else { panic!("a create") };
        assert_eq!(create.flags, 3, "ephemeral and sequential");
        (xid, create.path)
    }

    /// Takes and answers it: the znode is number 5 and was created at 0x70.
    async fn create(&mut self) -> String {
        let (xid, prefix) = self.creation().await;
        let path = format!("{prefix}0000000005");
        self.reply(xid, Code::Ok, &Response::PathStat { path: path.clone(), stat: stat() }).await;
        path
    }

    /// Takes a reading of the line and answers with these names and the own one.
    async fn list(&mut self, others: &[&str], own: &str) {
        let (xid, Request::GetChildren2 { watch, .. }) = self.request().await else {
            panic!("children")
        };
        assert!(!watch, "a watch on the line would wake the whole herd");
        let (_, own) = own.rsplit_once('/').unwrap();
        let mut children: Vec<String> = others.iter().map(|&name| name.to_owned()).collect();
        children.push(own.to_owned());
        self.reply(xid, Code::Ok, &Response::ChildrenStat { children, stat: stat() }).await;
    }

    /// Takes the last look before the grant.
    async fn look_at(&mut self, node: &str) {
        let (xid, request) = self.request().await;
        assert_eq!(request, Request::Exists { path: node.into(), watch: true });
        self.reply(xid, Code::Ok, &Response::Stat(stat())).await;
    }

    async fn grant(&mut self) -> String {
        let node = self.create().await;
        self.list(&[LATER], &node).await;
        self.look_at(&node).await;
        node
    }

    async fn delete(&mut self, node: &str) {
        let (xid, request) = self.request().await;
        assert_eq!(request, Request::Delete { path: node.into(), version: -1 });
        self.reply(xid, Code::Ok, &Response::Empty).await;
    }

    async fn sync(&mut self) {
        let (xid, request) = self.request().await;
        let Request::Sync { path } = request else { panic!("{request:?} instead of a sync") };
        self.reply(xid, Code::Ok, &Response::Path(path)).await;
    }

    async fn event(&mut self, kind: EventType, path: &str) {
        let mut out = Vec::new();
        self.zxid += 1;
        encode_event(Zxid(self.zxid), &WatcherEvent::new(kind, path), &mut out);
        self.send(&out).await;
    }
}

fn stat() -> Stat {
    Stat { czxid: Zxid(0x70), ..Stat::default() }
}

const TOKEN: FencingToken = FencingToken(Zxid(0x70));

async fn start() -> (Client<TokioPlatform>, Server) {
    let platform = TokioPlatform::new().unwrap();
    let listener = platform.listen("127.0.0.1", 0).await.unwrap();
    let address = ServerAddress { host: "127.0.0.1".into(), port: listener.port() };
    let (client, _) = Client::connect(platform, vec![address], ClientOptions::default());
    (client, Server { listener, stream: None, frames: Frames::default(), zxid: 0x100 })
}

#[tokio::test]
async fn a_free_lock_is_taken_and_given_back() {
    let (client, mut server) = start().await;
    let lock = Lock::new(&client, "/locks/a/");
    let play = async {
        server.welcome(SESSION).await;
        let node = server.grant().await;
        assert!(node.starts_with("/locks/a/_c_"), "{node}");
        server.delete(&node).await;
        node
    };
    let take = async {
        let hold = lock.acquire().await.unwrap();
        assert_eq!((hold.token(), hold.state()), (TOKEN, HoldState::Held));
        assert_eq!((hold.session(), hold.seen()), (SessionId(SESSION), Zxid(0x102)));
        let node = hold.node().to_owned();
        hold.release().await.unwrap();
        node
    };
    let (played, taken) = tokio::join!(play, take);
    assert_eq!(played, taken);
}

#[tokio::test]
async fn a_waiter_watches_only_the_znode_before_its_own() {
    let (client, mut server) = start().await;
    let lock = Lock::new(&client, "/l");
    let play = async {
        server.welcome(SESSION).await;
        let node = server.create().await;
        server.list(&["_c_z-lock-0000000001", EARLIER, LATER, "no lock"], &node).await;
        let before = format!("/l/{EARLIER}");
        let (xid, request) = server.request().await;
        assert_eq!(request, Request::GetData { path: before.clone(), watch: true });
        server.reply(xid, Code::Ok, &Response::DataStat { data: None, stat: stat() }).await;
        server.event(EventType::NodeDeleted, &before).await;
        // The one before that is still there, and may go while this client looks.
        server.list(&["_c_z-lock-0000000001"], &node).await;
        let (xid, request) = server.request().await;
        let first = "/l/_c_z-lock-0000000001".to_owned();
        assert_eq!(request, Request::GetData { path: first, watch: true });
        server.reply(xid, Code::NoNode, &Response::Empty).await;
        server.list(&[LATER], &node).await;
        server.look_at(&node).await;
        server
    };
    let (_server, hold) = tokio::join!(play, lock.acquire());
    assert_eq!(hold.unwrap().token(), TOKEN);
}

#[tokio::test]
async fn missing_parents_are_made() {
    let (client, mut server) = start().await;
    let lock = Lock::new(&client, "/a/b");
    let play = async {
        server.welcome(SESSION).await;
        let (xid, _) = server.creation().await;
        server.reply(xid, Code::NoNode, &Response::Empty).await;
        for (path, code) in [("/a", Code::NodeExists), ("/a/b", Code::Ok)] {
            let (xid, Request::Create(create)) = server.request().await else { panic!("a create") };
            assert_eq!((create.path.as_str(), create.flags), (path, 0));
            server.reply(xid, code, &Response::Path(path.into())).await;
        }
        server.grant().await;
        server
    };
    let (_server, hold) = tokio::join!(play, lock.acquire());
    hold.unwrap();
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_is_found_again() {
    let (client, mut server) = start().await;
    let lock = Lock::new(&client, "/l");
    let play = async {
        server.welcome(SESSION).await;
        let (_, prefix) = server.creation().await;
        server.stream = None;
        server.welcome(SESSION).await;
        server.sync().await;
        let node = format!("{prefix}0000000005");
        server.list(&[LATER], &node).await;
        server.list(&[LATER], &node).await;
        server.look_at(&node).await;
        (server, node)
    };
    let ((_server, node), hold) = tokio::join!(play, lock.acquire());
    assert_eq!(hold.unwrap().node(), node, "it did not create another");
}

#[tokio::test]
async fn a_creation_that_did_not_happen_is_made_again_under_the_same_name() {
    let (client, mut server) = start().await;
    let lock = Lock::new(&client, "/l");
    let play = async {
        server.welcome(SESSION).await;
        let (_, prefix) = server.creation().await;
        server.stream = None;
        server.welcome(SESSION).await;
        server.sync().await;
        server.list(&[], &format!("/l/{LATER}")).await;
        let node = server.grant().await;
        assert!(node.starts_with(&prefix));
        server
    };
    let (_server, hold) = tokio::join!(play, lock.acquire());
    hold.unwrap();
}

#[tokio::test]
async fn a_hold_is_doubtful_without_a_connection_and_ends_with_the_session() {
    let (client, mut server) = start().await;
    let lock = Lock::new(&client, "/l");
    let (_, hold) = tokio::join!(
        async {
            server.welcome(SESSION).await;
            server.grant().await
        },
        lock.acquire()
    );
    let mut hold = hold.unwrap();
    server.stream = None;
    assert_eq!(hold.changed().await, HoldState::Doubtful);
    server.welcome(SESSION).await;
    assert_eq!(hold.changed().await, HoldState::Held);
    server.stream = None;
    assert_eq!(hold.changed().await, HoldState::Doubtful);
    server.welcome(0).await;
    let expired = RecipeError::SessionExpired { path: "/l".into() };
    assert_eq!(hold.ended().await, expired);
    assert_eq!(hold.state(), HoldState::Ended(Some(expired.clone())));
    assert_eq!(hold.release().await, Err(expired));
    let over = lock.acquire().await.err();
    assert_eq!(over, Some(RecipeError::Closed { path: "/l".into() }), "this client is used up");
}

#[tokio::test]
async fn a_hold_ends_when_somebody_deletes_its_znode() {
    let (client, mut server) = start().await;
    let lock = Lock::new(&client, "/l");
    let (node, hold) = tokio::join!(
        async {
            server.welcome(SESSION).await;
            server.grant().await
        },
        lock.acquire()
    );
    let mut hold = hold.unwrap();
    let delete = async {
        server.event(EventType::NodeDeleted, &node).await;
        let (xid, _) = server.request().await;
        server.reply(xid, Code::NoNode, &Response::Empty).await;
        server.delete(&node).await;
    };
    let (ended, ()) = tokio::join!(hold.ended(), delete);
    assert_eq!(ended, RecipeError::NodeDeleted { node });
}

#[tokio::test]
async fn who_stops_waiting_or_drops_its_hold_leaves_the_line() {
    let (client, mut server) = start().await;
    let lock = Lock::new(&client, "/l");
    let (node, waited) = tokio::join!(
        async {
            server.welcome(SESSION).await;
            // The answer comes only after the caller has given up.
            let (xid, prefix) = server.creation().await;
            server.sync_then(xid, &prefix).await
        },
        client.platform().timeout(50, lock.acquire())
    );
    assert!(waited.is_err());
    server.delete(&node).await;
    let (node, hold) = tokio::join!(server.grant(), lock.acquire());
    drop(hold.unwrap());
    server.delete(&node).await;
}

impl Server {
    /// Answers a creation only when its client asks whether it happened, and says that it did.
    async fn sync_then(&mut self, creation: i32, prefix: &str) -> String {
        let node = format!("{prefix}0000000005");
        let (xid, request) = self.request().await;
        assert!(matches!(request, Request::Sync { .. }), "{request:?}");
        let created = Response::PathStat { path: node.clone(), stat: stat() };
        self.reply(creation, Code::Ok, &created).await;
        self.reply(xid, Code::Ok, &Response::Path("/l".into())).await;
        self.list(&[LATER], &node).await;
        node
    }
}

#[tokio::test]
async fn a_leader_is_elected_read_and_resigns() {
    let (client, mut server) = start().await;
    let election = Election::new(&client, "/leader");
    let play = async {
        server.welcome(SESSION).await;
        let node = server.grant().await;
        server.list(&[], &node).await;
        let (xid, request) = server.request().await;
        assert_eq!(request, Request::GetData { path: node.clone(), watch: false });
        let data = Some(Bytes::from_static(b"me:80"));
        server.reply(xid, Code::Ok, &Response::DataStat { data, stat: stat() }).await;
        server.delete(&node).await;
        node
    };
    let lead = async {
        let leadership = election.lead("me:80").await.unwrap();
        assert_eq!((leadership.token(), leadership.state()), (TOKEN, HoldState::Held));
        let leader = election.leader().await.unwrap().unwrap();
        assert_eq!((leader.token, leader.data.as_deref()), (TOKEN, Some(&b"me:80"[..])));
        assert_eq!(leader.node, leadership.hold().node());
        leadership.resign().await.unwrap();
        leader.node
    };
    let (played, led) = tokio::join!(play, lead);
    assert_eq!(played, led);
}

#[tokio::test]
async fn a_refusal_is_told() {
    let (client, mut server) = start().await;
    let lock = Lock::new(&client, "/l");
    let play = async {
        server.welcome(SESSION).await;
        let (xid, _) = server.creation().await;
        server.reply(xid, Code::NoAuth, &Response::Empty).await;
        // It makes sure that nothing of it is left.
        server.sync().await;
        server.list(&[], &format!("/l/{LATER}")).await;
    };
    let ((), refused) = tokio::join!(play, lock.acquire());
    let refused = refused.unwrap_err();
    assert!(matches!(refused, RecipeError::Refused { .. }), "{refused}");
}
