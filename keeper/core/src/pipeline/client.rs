//! Client connections of one server: their requests in order, and the answers that fit.
//!
//! Requests of a connection are answered in the order in which they came. A read waits for the
//! writes and syncs before it on the same connection, never for those of others (ZooKeeper
//! Programmer's Guide, "Consistency Guarantees"; `CommitProcessor`).

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::error::Code;
use crate::ids::{ConnectionId, SessionId, Zxid};
use crate::tree::TxnResult;
use crate::wire::client::{
    CreateRequest, Frames, MultiOp, MultiResult, ReplyHeader, Request, Response, encode_reply,
};

/// Where a connection stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The ConnectRequest has not come.
    Handshake,
    /// The session is being created, or confirmed by the leader.
    Opening {
        /// Whether the client sent the readOnly byte, and so expects one.
        read_only_byte: bool,
    },
    /// Serving requests.
    Open,
}

/// A request that waits for its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// A request that could not be understood; answered with an error when its turn comes.
    Refused {
        /// The client's number.
        xid: i32,
        /// Why.
        code: Code,
    },
    /// Answered from the tree when its turn comes.
    Read {
        /// The client's number.
        xid: i32,
        /// What is asked.
        request: Request,
    },
    /// Answered with its transaction's result.
    Write {
        /// The client's number.
        xid: i32,
        /// What was asked, to know the answer's form.
        shape: Shape,
        /// The request while it waits for a sync before it. The barrier of a sync takes a round of
        /// its own; a write that overtook it would be seen by the reads that follow the sync, which
        /// come before the write.
        held: Option<Request>,
        /// The whole reply once the transaction is applied.
        reply: Option<(Zxid, Code, Response)>,
    },
    /// Answered once the leader's barrier is passed.
    Sync {
        /// The client's number.
        xid: i32,
        /// Returned to the client.
        path: String,
        /// Whether the barrier is passed.
        passed: bool,
    },
}

/// The form of a write's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The path of a new node.
    Path,
    /// The path and stat of a new node.
    PathStat,
    /// The node's stat.
    Stat,
    /// Nothing.
    Empty,
    /// The end of the session: nothing, then the connection closes.
    Close,
    /// One result for each operation; true where a create wants its stat.
    Multi(Vec<bool>),
}

impl Shape {
    /// The form of the answer to a write, which is what goes to the leader; `None` for all else.
    pub fn of(request: &Request) -> Option<Shape> {
        match request {
            Request::Create(CreateRequest { want_stat, .. }) => {
                Some(if *want_stat { Shape::PathStat } else { Shape::Path })
            }
            Request::CreateContainer(_) | Request::CreateTtl { .. } => Some(Shape::PathStat),
            Request::Delete { .. } => Some(Shape::Empty),
            Request::SetData { .. } | Request::SetAcl { .. } => Some(Shape::Stat),
            Request::CloseSession => Some(Shape::Close),
            Request::Multi(ops) => Some(Shape::Multi(
                ops.iter()
                    .map(|op| matches!(op, MultiOp::Create(create) if create.want_stat))
                    .collect(),
            )),
            _ => None,
        }
    }

    /// The answer to a transaction's result.
    pub fn reply(&self, result: &TxnResult) -> (Code, Response) {
        match (self, result) {
            (Shape::Multi(stats), TxnResult::Multi(parts)) => {
                let part = |(part, stat): (&TxnResult, &bool)| multi_result(part, *stat);
                (Code::Ok, Response::Multi(parts.iter().zip(stats).map(part).collect()))
            }
            (_, TxnResult::Error(code)) => (*code, Response::Empty),
            (Shape::Path, TxnResult::Created { path, .. }) => {
                (Code::Ok, Response::Path(path.to_string()))
            }
            (Shape::PathStat, TxnResult::Created { path, stat }) => {
                (Code::Ok, Response::PathStat { path: path.to_string(), stat: *stat })
            }
            (Shape::Stat, TxnResult::DataSet(stat) | TxnResult::AclSet(stat)) => {
                (Code::Ok, Response::Stat(*stat))
            }
            (Shape::Empty, TxnResult::Deleted)
            | (Shape::Close, TxnResult::SessionClosed { .. }) => (Code::Ok, Response::Empty),
            _ => (Code::RuntimeInconsistency, Response::Empty),
        }
    }
}

fn multi_result(result: &TxnResult, want_stat: bool) -> MultiResult {
    match result {
        TxnResult::Created { path, stat } if want_stat => {
            MultiResult::Create2 { path: path.to_string(), stat: *stat }
        }
        TxnResult::Created { path, .. } => MultiResult::Create { path: path.to_string() },
        TxnResult::Deleted => MultiResult::Delete,
        TxnResult::DataSet(stat) | TxnResult::AclSet(stat) => MultiResult::SetData { stat: *stat },
        TxnResult::Checked => MultiResult::Check,
        TxnResult::Error(code) => MultiResult::Error(*code),
        TxnResult::SessionCreated { .. }
        | TxnResult::SessionClosed { .. }
        | TxnResult::Multi(_) => MultiResult::Error(Code::RuntimeInconsistency),
    }
}

/// One client's connection.
#[derive(Clone, Debug)]
pub struct Client {
    /// Where it stands.
    pub stage: Stage,
    /// Its incoming bytes.
    pub frames: Frames,
    /// Its session, once known.
    pub session: SessionId,
    /// The negotiated time-out.
    pub timeout_ms: i32,
    /// Requests that wait, oldest first.
    pub waiting: VecDeque<Waiting>,
    /// Whether the shell was told to stop reading.
    pub paused: bool,
    /// The last transaction proposed before the session was opened here. Those up to it answer
    /// requests of a former connection, whose numbers the client may use again.
    pub floor: Zxid,
}

/// All client connections of one server.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    connections: BTreeMap<ConnectionId, Client>,
    by_session: BTreeMap<SessionId, ConnectionId>,
    /// Connections without a session, and when they are given up.
    unopened: BTreeMap<ConnectionId, u64>,
}

impl Clients {
    /// A client connected; it must have a session by `deadline_ms`.
    pub fn accept(&mut self, connection: ConnectionId, packet_bytes_max: usize, deadline_ms: u64) {
        self.unopened.insert(connection, deadline_ms);
        let client = Client {
            stage: Stage::Handshake,
            frames: Frames::new(packet_bytes_max),
            session: SessionId(0),
            timeout_ms: 0,
            waiting: VecDeque::new(),
            paused: false,
            floor: Zxid::ZERO,
        };
        self.connections.insert(connection, client);
    }

    /// One connection.
    pub fn get(&mut self, connection: ConnectionId) -> Option<&mut Client> {
        self.connections.get_mut(&connection)
    }

    /// The session of a connection; none if it has none yet.
    pub fn session_of(&self, connection: ConnectionId) -> Option<SessionId> {
        let session = self.connections.get(&connection)?.session;
        (session != SessionId(0)).then_some(session)
    }

    /// The connection that serves a session here.
    pub fn of_session(&self, session: SessionId) -> Option<ConnectionId> {
        self.by_session.get(&session).copied()
    }

    /// Binds a connection to its session.
    pub fn bind(&mut self, connection: ConnectionId, session: SessionId) {
        self.by_session.insert(session, connection);
    }

    /// The connection has its session.
    pub fn opened(&mut self, connection: ConnectionId) {
        self.unopened.remove(&connection);
    }

    /// Connections that have taken too long to open a session.
    pub fn overdue(&self, now_ms: u64) -> Vec<ConnectionId> {
        let late = self.unopened.iter().filter(|(_, deadline_ms)| **deadline_ms <= now_ms);
        late.map(|(connection, _)| *connection).collect()
    }

    /// When the next connection is overdue.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.unopened.values().min().copied()
    }

    /// Forgets a connection. True if there was one.
    pub fn remove(&mut self, connection: ConnectionId) -> bool {
        self.unopened.remove(&connection);
        let Some(client) = self.connections.remove(&connection) else { return false };
        if self.by_session.get(&client.session) == Some(&connection) {
            self.by_session.remove(&client.session);
        }
        true
    }

    /// Forgets all connections and names them.
    pub fn clear(&mut self) -> Vec<ConnectionId> {
        self.by_session.clear();
        self.unopened.clear();
        std::mem::take(&mut self.connections).into_keys().collect()
    }

    /// Whether this is a client's connection.
    pub fn contains(&self, connection: ConnectionId) -> bool {
        self.connections.contains_key(&connection)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// The result of a write reached this server. Returns the connection whose queue may move on,
    /// if the request is one of ours: the oldest unanswered write of its session. A request that a
    /// former connection of the session sent matches nothing.
    pub fn complete_write(
        &mut self,
        session: SessionId,
        cxid: i32,
        zxid: Zxid,
        result: &TxnResult,
    ) -> Option<ConnectionId> {
        let connection = self.of_session(session)?;
        let client = self.connections.get_mut(&connection)?;
        if zxid <= client.floor {
            return None;
        }
        let oldest = client.waiting.iter_mut().find_map(|waiting| match waiting {
            Waiting::Write { xid, shape, reply, held } if reply.is_none() => {
                Some((xid, shape, reply, held.is_some()))
            }
            _ => None,
        });
        let (xid, shape, reply, is_held) = oldest?;
        if *xid != cxid || is_held {
            return None;
        }
        let (code, response) = shape.reply(result);
        *reply = Some((zxid, code, response));
        Some(connection)
    }

    /// A barrier was passed for a sync that came on this connection.
    pub fn complete_sync(&mut self, connection: ConnectionId, cxid: i32) -> Option<ConnectionId> {
        let client = self.connections.get_mut(&connection)?;
        client.waiting.iter_mut().find_map(|waiting| match waiting {
            Waiting::Sync { xid, passed, .. } if !*passed && *xid == cxid => {
                *passed = true;
                Some(connection)
            }
            _ => None,
        })
    }
}

impl Client {
    /// Whether a sync waits for its barrier.
    pub fn awaits_sync(&self) -> bool {
        self.waiting.iter().any(|waiting| matches!(waiting, Waiting::Sync { passed: false, .. }))
    }

    /// Takes the oldest write that was held back and no longer needs to be.
    pub fn next_released(&mut self) -> Option<(i32, Request)> {
        for waiting in &mut self.waiting {
            match waiting {
                Waiting::Sync { passed: false, .. } => return None,
                Waiting::Write { xid, held, .. } if held.is_some() => {
                    return held.take().map(|request| (*xid, request));
                }
                Waiting::Refused { .. }
                | Waiting::Sync { .. }
                | Waiting::Write { .. }
                | Waiting::Read { .. } => {}
            }
        }
        None
    }

    /// Takes the oldest request if it can be answered.
    pub fn next_ready(&mut self) -> Option<Waiting> {
        let ready = match self.waiting.front()? {
            Waiting::Refused { .. } | Waiting::Read { .. } => true,
            Waiting::Write { reply, .. } => reply.is_some(),
            Waiting::Sync { passed, .. } => *passed,
        };
        if ready { self.waiting.pop_front() } else { None }
    }
}

/// A whole reply packet.
pub fn reply_packet(xid: i32, zxid: Zxid, code: Code, response: &Response) -> Bytes {
    let mut packet = Vec::with_capacity(64);
    encode_reply(&ReplyHeader { xid, zxid, code }, response, &mut packet);
    Bytes::from(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECTION: ConnectionId = ConnectionId(1);
    const SESSION: SessionId = SessionId(7);

    /// A connection with a write under xid 1 that waits, opened when 0x5 was the last proposal.
    fn waiting(held: Option<Request>) -> Clients {
        let mut clients = Clients::default();
        clients.accept(CONNECTION, 1_000, 500);
        clients.bind(CONNECTION, SESSION);
        let client = clients.get(CONNECTION).unwrap();
        client.floor = Zxid(5);
        client.waiting.push_back(Waiting::Write { xid: 1, shape: Shape::Empty, held, reply: None });
        clients
    }

    #[test]
    fn a_former_connections_transaction_answers_nothing() {
        let mut clients = waiting(None);
        let done = &TxnResult::Deleted;
        assert_eq!(clients.complete_write(SESSION, 1, Zxid(5), done), None, "proposed before");
        assert_eq!(clients.complete_write(SESSION, 2, Zxid(6), done), None, "another request");
        assert_eq!(clients.complete_write(SESSION, 1, Zxid(7), done), Some(CONNECTION));
    }

    #[test]
    fn a_connection_without_a_session_is_overdue() {
        let mut clients = waiting(None);
        assert_eq!((clients.overdue(499), clients.deadline_ms()), (Vec::new(), Some(500)));
        assert_eq!(clients.overdue(500), vec![CONNECTION]);
        clients.opened(CONNECTION);
        assert_eq!((clients.overdue(900), clients.deadline_ms()), (Vec::new(), None));
    }

    #[test]
    fn a_write_that_was_not_sent_yet_has_no_result() {
        let mut clients = waiting(Some(Request::Ping));
        assert_eq!(clients.complete_write(SESSION, 1, Zxid(7), &TxnResult::Deleted), None);
    }

    #[test]
    fn a_sync_is_passed_on_its_own_connection_only() {
        let mut clients = waiting(None);
        let sync = Waiting::Sync { xid: 2, path: "/".into(), passed: false };
        clients.get(CONNECTION).unwrap().waiting.push_back(sync);
        assert_eq!(clients.complete_sync(ConnectionId(2), 2), None);
        assert_eq!(clients.complete_sync(CONNECTION, 2), Some(CONNECTION));
        assert_eq!(clients.complete_sync(CONNECTION, 2), None, "it has passed");
    }
}
