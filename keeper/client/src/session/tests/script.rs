//! Plays a server to the session machine and writes down what the machine does.

use std::fmt::Write;

use bytes::Bytes;
use expect_test::Expect;
use keeper_core::error::Code;
use keeper_core::ids::{SessionId, Zxid};
use keeper_core::jute::{Decode, Encode, Reader, from_bytes};
use keeper_core::record::{Acl, Stat};
use keeper_core::time::Now;
use keeper_core::wire::client::*;

use crate::event::ClientEventKind;
use crate::session::{Connection, Effect, Event, SessionConfig, SessionCore, Ticket};

pub(super) struct Script {
    pub(super) core: SessionCore,
    /// The connection that the machine asked for last.
    pub(super) connection: Connection,
    last_ended: Connection,
    now_ms: u64,
    tickets: u64,
    log: String,
    /// Whether the next bytes sent are a handshake.
    greeting: bool,
}

impl Script {
    pub(super) fn new(config: SessionConfig) -> Script {
        Script {
            core: SessionCore::new(config),
            connection: Connection(0),
            last_ended: Connection(0),
            now_ms: 0,
            tickets: 0,
            log: String::new(),
            greeting: false,
        }
    }

    /// Brings up session 0x77 with a time-out of six seconds; nothing of that is written down.
    pub(super) fn online(&mut self) {
        self.tick();
        self.connected();
        self.welcome(0x77, 6_000);
        self.forget_log();
    }

    pub(super) fn forget_log(&mut self) {
        self.log.clear();
    }

    pub(super) fn note(&mut self, text: &str) {
        writeln!(self.log, "-- {text}").unwrap();
    }

    pub(super) fn expect(&self, expected: Expect) {
        expected.assert_eq(&self.log);
    }

    /// Compares only the lines that contain a word.
    pub(super) fn expect_only(&self, word: &str, expected: Expect) {
        let lines = self.log.lines().filter(|line| line.contains(word));
        expected.assert_eq(&lines.map(|line| format!("{line}\n")).collect::<String>());
    }

    pub(super) fn tick(&mut self) {
        self.step(Event::Tick);
    }

    /// Lets time pass up to `at_ms`; the machine is woken at its deadlines.
    pub(super) fn run_to(&mut self, at_ms: u64) {
        while let Some(deadline_ms) = self.core.deadline().filter(|deadline| *deadline <= at_ms) {
            self.now_ms = self.now_ms.max(deadline_ms);
            self.tick();
            assert!(self.core.deadline() != Some(deadline_ms), "deadline {deadline_ms} stays");
        }
        self.now_ms = at_ms;
    }

    /// Lets time pass until the machine has asked for another connection than `ended` last ended.
    pub(super) fn run_to_connect(&mut self) {
        if self.connection == self.last_ended {
            self.run_to(self.core.deadline().unwrap());
        }
        assert_ne!(self.connection, self.last_ended);
    }

    pub(super) fn submit(&mut self, request: Request) {
        self.tickets += 1;
        self.step(Event::Submit { ticket: Ticket(self.tickets), request });
    }

    pub(super) fn connected(&mut self) {
        self.greeting = true;
        self.step(Event::Connected(self.connection));
    }

    pub(super) fn ended(&mut self) {
        self.last_ended = self.connection;
        self.ended_of(self.connection);
    }

    pub(super) fn ended_of(&mut self, connection: Connection) {
        self.step(Event::Ended(connection));
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes_from(self.connection, bytes);
    }

    pub(super) fn bytes_from(&mut self, connection: Connection, bytes: &[u8]) {
        self.step(Event::Bytes(connection, Bytes::copy_from_slice(bytes)));
    }

    pub(super) fn welcome(&mut self, id: i64, timeout_ms: i32) {
        let hello = ConnectResponse {
            protocol_version: 0,
            timeout_ms,
            session: session(id),
            password: vec![3; 16],
            read_only: Some(false),
        };
        self.bytes(&frame(|out| hello.encode(out)));
    }

    pub(super) fn reply(&mut self, xid: i32, zxid: u64, code: Code, response: Response) {
        self.bytes(&reply_bytes(xid, zxid, code, &response));
    }

    pub(super) fn restored(&mut self, code: Code) {
        self.reply(SET_WATCHES_XID, 1, code, Response::Empty);
    }

    pub(super) fn pong(&mut self) {
        self.reply(PING_XID, 1, Code::Ok, Response::Empty);
    }

    pub(super) fn watch(&mut self, zxid: u64, kind: EventType, path: &str) {
        self.bytes(&event_bytes(zxid, &WatcherEvent::new(kind, path)));
    }

    fn step(&mut self, event: Event) {
        let now = Now { mono_ms: self.now_ms, wall_ms: 0 };
        let mut effects = Vec::new();
        self.core.step(now, event, &mut effects);
        for effect in effects {
            self.write_down(&effect);
        }
    }

    fn write_down(&mut self, effect: &Effect) {
        let now_ms = self.now_ms;
        match effect {
            Effect::Connect { connection, server } => {
                self.connection = *connection;
                self.line(&format!("{now_ms} CONNECT server {server}"));
            }
            Effect::Send(_, bytes) => self.sent(bytes),
            Effect::Disconnect(connection) => {
                self.line(&format!("{now_ms} DISCONNECT {}", connection.0));
            }
            Effect::Complete(ticket, Ok(reply)) => {
                let (sequence, xid, zxid) = (reply.sequence, reply.origin.xid, reply.zxid);
                let response = brief(&reply.value);
                self.line(&format!(
                    "{now_ms} DONE {} #{sequence} xid {xid} zxid {zxid}: {response}",
                    ticket.0
                ));
            }
            Effect::Complete(ticket, Err(error)) => {
                self.line(&format!("{now_ms} DONE {}: {error}", ticket.0));
            }
            Effect::Notify(event) => {
                let kind = told(&event.kind);
                self.line(&format!("{now_ms} EVENT #{} {kind}", event.sequence));
            }
        }
    }

    fn sent(&mut self, bytes: &[u8]) {
        let mut frames = Frames::default();
        frames.push(bytes);
        while let Some(packet) = frames.next_frame().unwrap() {
            let text = match std::mem::take(&mut self.greeting) {
                true => {
                    let hello: ConnectRequest = from_bytes(&packet).unwrap();
                    let (session, zxid) = (hello.session, hello.last_zxid_seen);
                    let password = hello.password[0];
                    format!("hello, session {session}, password {password}.., seen {zxid}")
                }
                false => {
                    let mut reader = Reader::new(&packet);
                    let header = RequestHeader::decode(&mut reader).unwrap();
                    let request = Request::decode_body(header.op, &mut reader).unwrap();
                    format!("xid {} {}", header.xid, asked(&request))
                }
            };
            self.line(&format!("{} SEND {text}", self.now_ms));
        }
        assert_eq!(frames.buffered(), b"", "whole packets only");
    }

    fn line(&mut self, line: &str) {
        self.log.push_str(line);
        self.log.push('\n');
    }
}

fn asked(request: &Request) -> String {
    match request {
        Request::Create(create) => format!("create {}", create.path),
        Request::GetData { path, watch } => format!("getData {path} {watch}"),
        Request::Exists { path, watch } => format!("exists {path} {watch}"),
        other => format!("{other:?}"),
    }
}

fn brief(response: &Response) -> String {
    match response {
        Response::DataStat { .. } => "data".into(),
        Response::Stat(_) => "stat".into(),
        other => format!("{other:?}"),
    }
}

fn told(kind: &ClientEventKind) -> String {
    match kind {
        ClientEventKind::Watch { event, zxid, server } => {
            format!("{:?} {} at {zxid:?} from server {server}", event.kind, event.path)
        }
        ClientEventKind::Connected { session, server, resumed } => {
            let (id, timeout_ms) = (session.id, session.timeout_ms);
            format!("connected to server {server}, {id}, {timeout_ms} ms, resumed {resumed}")
        }
        ClientEventKind::Disconnected { server, loss } => {
            format!("disconnected from server {server}: {loss}")
        }
        ClientEventKind::Expired => "expired".into(),
        ClientEventKind::Closed => "closed".into(),
    }
}

pub(super) fn session(id: i64) -> SessionId {
    SessionId(id)
}

pub(super) fn reply_bytes(xid: i32, zxid: u64, code: Code, response: &Response) -> Vec<u8> {
    let mut out = Vec::new();
    encode_reply(&ReplyHeader { xid, zxid: Zxid(zxid), code }, response, &mut out);
    out
}

pub(super) fn event_bytes(zxid: u64, event: &WatcherEvent) -> Vec<u8> {
    let mut out = Vec::new();
    encode_event(Zxid(zxid), event, &mut out);
    out
}

pub(super) fn create(path: &str) -> Request {
    Request::Create(CreateRequest {
        path: path.into(),
        data: None,
        acl: Acl::open(),
        flags: 0,
        want_stat: false,
    })
}

pub(super) fn get(path: &str, watch: bool) -> Request {
    Request::GetData { path: path.into(), watch }
}

pub(super) fn exists(path: &str, watch: bool) -> Request {
    Request::Exists { path: path.into(), watch }
}

pub(super) fn data() -> Response {
    Response::DataStat { data: None, stat: Stat::default() }
}

pub(super) fn stat() -> Response {
    Response::Stat(Stat::default())
}
