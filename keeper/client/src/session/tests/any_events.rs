//! What holds whatever happens.

use std::collections::BTreeSet;

use bytes::Bytes;
use keeper_core::error::Code;
use keeper_core::jute::Encode;
use keeper_core::time::Now;
use keeper_core::wire::client::*;
use proptest::collection::vec;
use proptest::prelude::*;

use super::script::{create, data, event_bytes, get, reply_bytes, session};
use crate::event::ClientEventKind;
use crate::session::{Connection, Effect, Event, SessionConfig, SessionCore, Ticket};

/// Something that the world does to the machine.
#[derive(Clone, Debug)]
enum Act {
    Wait(u64),
    Submit(bool),
    Close,
    Connected,
    Ended,
    Welcome { granted: bool },
    Answer { xid_off: i32, code: i32 },
    Watch,
    Pong,
    Garbage(Vec<u8>),
    Stale,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0..3_000u64).prop_map(Act::Wait),
        6 => any::<bool>().prop_map(Act::Submit),
        1 => Just(Act::Close),
        5 => Just(Act::Connected),
        1 => Just(Act::Ended),
        8 => prop_oneof![19 => Just(true), 1 => Just(false)]
            .prop_map(|granted| Act::Welcome { granted }),
        8 => (prop_oneof![9 => Just(0), 1 => -1..2i32], prop_oneof![Just(0), -112..=0])
            .prop_map(|(xid_off, code)| Act::Answer { xid_off, code }),
        2 => Just(Act::Watch),
        2 => Just(Act::Pong),
        1 => vec(any::<u8>(), 0..30).prop_map(Act::Garbage),
        1 => Just(Act::Stale),
    ]
}

/// The machine with everything that it did, checked at each step.
struct World {
    core: SessionCore,
    now_ms: u64,
    connection: Connection,
    connected: bool,
    online: bool,
    xids: std::collections::VecDeque<(i32, OpCode)>,
    open: BTreeSet<u64>,
    tickets: u64,
    sequence: u64,
    ended: bool,
}

impl World {
    fn new() -> World {
        let config = SessionConfig {
            max_in_flight: 3,
            request_timeout_ms: Some(5_000),
            ..SessionConfig::new(3, 9)
        };
        World {
            core: SessionCore::new(config),
            now_ms: 0,
            connection: Connection(0),
            connected: false,
            online: false,
            xids: Default::default(),
            open: BTreeSet::new(),
            tickets: 0,
            sequence: 0,
            ended: false,
        }
    }

    fn act(&mut self, act: Act) {
        let here = self.connection;
        match act {
            Act::Wait(ms) => {
                self.now_ms += ms;
                self.step(Event::Tick);
            }
            Act::Submit(write) => {
                self.submit(if write { create("/a") } else { get("/a", true) });
            }
            Act::Close => self.submit(Request::CloseSession),
            Act::Connected if !self.connected => {
                self.connected = true;
                self.step(Event::Connected(here));
            }
            Act::Ended => self.step(Event::Ended(here)),
            Act::Welcome { granted } if self.connected && !self.online => {
                let hello = ConnectResponse {
                    protocol_version: 0,
                    timeout_ms: if granted { 6_000 } else { 0 },
                    session: session(5),
                    password: vec![1; 16],
                    read_only: None,
                };
                self.bytes(frame(|out| hello.encode(out)));
            }
            Act::Answer { xid_off, code } if self.online => {
                let Some((xid, op)) = self.xids.pop_front() else { return };
                let response = match op {
                    OpCode::Create => Response::Path("/a".into()),
                    OpCode::GetData => data(),
                    _ => Response::Empty,
                };
                let code = Code::from_wire(code);
                self.bytes(reply_bytes(xid + xid_off, self.now_ms, code, &response));
            }
            Act::Watch if self.online => {
                let event = WatcherEvent::new(EventType::NodeDataChanged, "/a");
                self.bytes(event_bytes(self.now_ms, &event));
            }
            Act::Pong if self.online => {
                self.bytes(reply_bytes(PING_XID, 0, Code::Ok, &Response::Empty));
            }
            Act::Garbage(bytes) => self.bytes(bytes),
            Act::Stale => self.step(Event::Ended(Connection(here.0.wrapping_sub(1)))),
            Act::Connected | Act::Welcome { .. } | Act::Answer { .. } | Act::Watch | Act::Pong => {}
        }
    }

    fn submit(&mut self, request: Request) {
        self.tickets += 1;
        self.open.insert(self.tickets);
        self.step(Event::Submit { ticket: Ticket(self.tickets), request });
    }

    fn bytes(&mut self, bytes: Vec<u8>) {
        self.step(Event::Bytes(self.connection, Bytes::from(bytes)));
    }

    fn step(&mut self, event: Event) {
        let mut effects = Vec::new();
        let was_ended = self.ended;
        self.core.step(Now { mono_ms: self.now_ms, wall_ms: 0 }, event, &mut effects);
        for effect in effects {
            assert!(!was_ended || matches!(effect, Effect::Complete(_, Err(_))), "{effect:?}");
            self.check(effect);
        }
        let deadline = self.core.deadline();
        assert_eq!(deadline.is_none(), self.core.has_ended());
        assert!(deadline.is_none_or(|at_ms| at_ms > self.now_ms), "work left undone");
        assert_eq!(self.ended, self.core.has_ended());
        assert!(!self.ended || self.open.is_empty(), "tickets {:?} left open", self.open);
        assert!(self.xids.len() <= 3, "more in flight than allowed");
    }

    fn check(&mut self, effect: Effect) {
        match effect {
            Effect::Connect { connection, .. } => {
                assert!(connection > self.connection, "connections are never reused");
                self.connection = connection;
                self.connected = false;
                self.online = false;
            }
            Effect::Send(connection, bytes) => {
                assert_eq!(connection, self.connection);
                assert!(self.connected, "nothing is sent before there is a stream");
                if self.online {
                    self.note_requests(&bytes);
                }
            }
            Effect::Disconnect(connection) => {
                assert_eq!(connection, self.connection);
                self.xids.clear();
                self.connected = true;
                self.online = false;
            }
            Effect::Complete(ticket, result) => {
                assert!(self.open.remove(&ticket.0), "ticket {} completed twice", ticket.0);
                let sequence = match result {
                    Ok(reply) => Some(reply.sequence),
                    Err(crate::ClientError::Server { sequence, .. }) => Some(sequence),
                    Err(crate::ClientError::ConnectionLoss { sequence, .. }) => Some(sequence),
                    Err(_) => None,
                };
                sequence.into_iter().for_each(|sequence| self.next(sequence));
            }
            Effect::Notify(event) => {
                self.next(event.sequence);
                match event.kind {
                    ClientEventKind::Connected { .. } => self.online = true,
                    ClientEventKind::Expired | ClientEventKind::Closed => self.ended = true,
                    ClientEventKind::Watch { .. } | ClientEventKind::Disconnected { .. } => {}
                }
            }
        }
    }

    fn next(&mut self, sequence: u64) {
        self.sequence += 1;
        assert_eq!(sequence, self.sequence);
    }

    fn note_requests(&mut self, bytes: &[u8]) {
        let mut frames = Frames::default();
        frames.push(bytes);
        while let Some(packet) = frames.next_frame().unwrap() {
            let header: RequestHeader = keeper_core::jute::from_bytes(&packet[..8]).unwrap();
            if header.xid > 0 {
                self.xids.push_back((header.xid, header.op));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_request_ends_once_and_everything_is_counted(acts in vec(act(), 0..60)) {
        let mut world = World::new();
        world.step(Event::Tick);
        for act in acts {
            world.act(act);
        }
        // Time alone ends whatever is still open: nothing waits for ever.
        for _ in 0..100 {
            world.now_ms += 1_000;
            world.step(Event::Tick);
        }
        prop_assert!(world.open.is_empty(), "{:?} still open", world.open);
    }
}
