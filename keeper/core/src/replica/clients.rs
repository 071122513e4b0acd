//! Clients at this server: the handshake, requests in, answers out.

use bytes::Bytes;

use crate::effect::{Effect, Level};
use crate::error::Code;
use crate::ids::{ConnectionId, SessionId};
use crate::jute::{Decode, Encode, Reader};
use crate::limits;
use crate::observation::Observation;
use crate::pipeline::client::{Client, Shape, Stage, Waiting, reply_packet};
use crate::session::password;
use crate::wire::client::{
    AUTH_XID, ConnectRequest, ConnectResponse, OpCode, Request, RequestHeader, Response, frame,
};
use crate::{always, planted, reachable, sometimes};
use probe::Probe;

use super::{Replica, Role};

impl<I: Probe<Observation>> Replica<I> {
    /// Somebody connected to the client port. Only a serving server takes clients.
    pub(super) fn on_client(&mut self, connection: ConnectionId) {
        if !self.is_serving() || self.clients.len() >= limits::CONNECTIONS_MAX {
            return self.close(connection);
        }
        let deadline_ms = self.now.mono_ms + limits::HANDSHAKE_MS_MAX;
        self.clients.accept(connection, self.settings.packet_bytes_max, deadline_ms);
    }

    /// Sends away clients that connected and did not open a session.
    pub(super) fn drop_overdue_clients(&mut self) {
        for connection in self.clients.overdue(self.now.mono_ms) {
            self.drop_client(connection);
        }
    }

    pub(super) fn on_client_closed(&mut self, connection: ConnectionId) {
        self.clients.remove(connection);
        self.drop_watches(connection);
    }

    /// Ends a client's connection from this side.
    pub(super) fn drop_client(&mut self, connection: ConnectionId) {
        if self.clients.remove(connection) {
            self.drop_watches(connection);
            self.close(connection);
        }
    }

    /// Ends a client's connection for something that the client did.
    fn refuse_client(&mut self, connection: ConnectionId, why: &str) {
        let message = format!("closing a client's connection: {why}");
        let (level, client, session) = (Level::Info, Some(connection), self.session_of(connection));
        self.out.push(Effect::Log { level, message, client, session });
        self.drop_client(connection);
    }

    /// The session of a client's connection; none if it has none yet.
    pub fn session_of(&self, connection: ConnectionId) -> Option<SessionId> {
        self.clients.session_of(connection)
    }

    /// Watches end with their connection: a client that returns names them again.
    fn drop_watches(&mut self, connection: ConnectionId) {
        let has_some = I::EVENTS && self.watches.connection_len(connection) > 0;
        // Planted: they stay.
        if !(has_some && planted!(self, Zk1382)) {
            self.watches.remove_connection(connection);
        }
        let watches_left = if I::EVENTS { self.watches.connection_len(connection) } else { 0 };
        self.observe(|| Observation::ConnectionEnded { watches_left });
    }

    pub(super) fn on_client_bytes(&mut self, connection: ConnectionId, bytes: &[u8]) {
        if let Some(client) = self.clients.get(connection) {
            client.frames.push(bytes);
        }
        // A frame may end the connection, so it is looked up anew each time.
        while let Some(client) = self.clients.get(connection) {
            // What is sent behind a ConnectRequest waits until it is answered.
            if matches!(client.stage, Stage::Opening { .. }) {
                break;
            }
            match client.frames.next_frame() {
                Ok(Some(packet)) => self.on_packet(connection, &packet),
                Ok(None) => break,
                Err(error) => {
                    return self.refuse_client(connection, &error.to_string());
                }
            }
        }
        self.balance_reading(connection);
    }

    fn on_packet(&mut self, connection: ConnectionId, packet: &[u8]) {
        let Some(client) = self.clients.get(connection) else { return };
        let understood = match client.stage {
            Stage::Handshake => self.on_connect_request(connection, packet),
            Stage::Opening { .. } => Err("a request before the session was confirmed".to_owned()),
            Stage::Open => self.on_request(connection, packet),
        };
        if let Err(reason) = understood {
            self.refuse_client(connection, &reason);
        }
    }

    fn on_connect_request(
        &mut self,
        connection: ConnectionId,
        packet: &[u8],
    ) -> Result<(), String> {
        let request =
            ConnectRequest::decode(&mut Reader::new(packet)).map_err(|e| e.to_string())?;
        let is_behind = request.last_zxid_seen > self.applied();
        if is_behind && !planted!(self, StaleReconnect) {
            // Another server is further; serving here would take the client back in time.
            reachable!(self, ClientSeenMore);
            return Err(format!(
                "the client has seen {}, this server only {}",
                request.last_zxid_seen,
                self.applied()
            ));
        }
        let (min, max) = (self.settings.session_min_ms, self.settings.session_max_ms);
        let asked = u64::try_from(request.timeout_ms).unwrap_or(0);
        let timeout_ms = asked.clamp(min, max) as i32;
        let session = request.session;
        let client = self.clients.get(connection).expect("the caller has it");
        client.timeout_ms = timeout_ms;
        client.stage = Stage::Opening { read_only_byte: request.read_only.is_some() };
        if session == SessionId(0) {
            let session = self.new_session_id();
            self.attach(connection, session);
            self.submit_local(session, 0, &Request::CreateSession { timeout_ms });
        } else {
            self.attach(connection, session);
            if I::EVENTS && is_behind {
                // Planted: the session is let in at once. The leader's word would come behind all
                // that this server lacks.
                self.open_session(connection, true);
            } else if request.password == password(session) {
                self.confirm_session(connection, session, timeout_ms);
            } else {
                self.open_session(connection, false);
            }
        }
        Ok(())
    }

    /// Binds the connection to its session; a former connection of the session is closed.
    fn attach(&mut self, connection: ConnectionId, session: SessionId) {
        if let Some(old) = self.clients.of_session(session) {
            reachable!(self, ConnectionReplaced);
            self.drop_client(old);
        }
        self.clients.get(connection).expect("the caller has it").session = session;
        self.clients.bind(connection, session);
    }

    fn new_session_id(&mut self) -> SessionId {
        loop {
            let session = SessionId(self.next_session);
            self.next_session += 1;
            if !self.sessions.contains_key(&session) && self.clients.of_session(session).is_none() {
                return session;
            }
        }
    }

    /// Asks the leader whether a session is still alive.
    fn confirm_session(&mut self, connection: ConnectionId, session: SessionId, timeout_ms: i32) {
        match &mut self.role {
            Role::Leading(leader) => {
                let tracker = leader.sessions.as_mut().expect("clients come to serving servers");
                let origin = crate::session::Origin::Local;
                sometimes!(self, SessionMoves, tracker.is_owned_elsewhere(session, origin));
                sometimes!(self, ReturnsToClosing, tracker.is_closing(session));
                let valid = tracker.claim(self.now.mono_ms, session, origin)
                    || I::EVENTS && tracker.is_tracked(session) && planted!(self, Zk1496);
                self.open_session(connection, valid);
            }
            Role::Following(_) => self.forward_revalidation(session, timeout_ms),
            Role::Looking => {}
        }
    }

    /// Ends the handshake: the session goes on or, if it is no more, the client is told so.
    pub(super) fn open_session(&mut self, connection: ConnectionId, valid: bool) {
        let granted_ms = self
            .clients
            .get(connection)
            .and_then(|client| self.sessions.get(&client.session))
            .copied();
        let floor = self.history.last();
        let Some(client) = self.clients.get(connection) else { return };
        let Stage::Opening { read_only_byte } = client.stage else { return };
        sometimes!(self, SessionRefused, !valid);
        client.floor = floor;
        let session = client.session;
        // A session keeps the time-out that its creation fixed; the leader expires it by that.
        let timeout_ms = granted_ms.unwrap_or(client.timeout_ms);
        client.timeout_ms = timeout_ms;
        client.stage = Stage::Open;
        self.clients.opened(connection);
        let response = ConnectResponse {
            protocol_version: 0,
            timeout_ms: if valid { timeout_ms } else { 0 },
            session: if valid { session } else { SessionId(0) },
            password: if valid { password(session).to_vec() } else { vec![0; 16] },
            read_only: read_only_byte.then_some(false),
        };
        let packet = frame(|out| response.encode(out));
        self.send(connection, packet);
        if valid {
            self.on_client_bytes(connection, &[]);
        } else {
            self.drop_client(connection);
        }
    }

    fn on_request(&mut self, connection: ConnectionId, packet: &[u8]) -> Result<(), String> {
        let mut reader = Reader::new(packet);
        let RequestHeader { xid, op } =
            RequestHeader::decode(&mut reader).map_err(|e| e.to_string())?;
        let client = self.clients.get(connection).expect("the caller has it");
        let (session, timeout_ms) = (client.session, client.timeout_ms);
        self.touch_session(session, timeout_ms);
        let request = match (op, Request::decode_body(op, &mut reader)) {
            (_, Ok(request)) => request,
            (op, Err(_)) => {
                let code = match op {
                    OpCode::Other(_) => Code::Unimplemented,
                    _ => Code::MarshallingError,
                };
                self.wait(connection, Waiting::Refused { xid, code });
                self.answer(connection);
                return Ok(());
            }
        };
        match request {
            Request::Auth { .. } => {
                // No scheme is served: say so and close, as ZooKeeper does for an unknown scheme.
                let zxid = self.applied();
                let packet = reply_packet(AUTH_XID, zxid, Code::AuthFailed, &Response::Empty);
                self.send(connection, packet);
                self.drop_client(connection);
            }
            Request::CreateSession { .. } => return Err(format!("{op:?} from a client")),
            Request::Sync { path } => {
                self.wait(connection, Waiting::Sync { xid, path: path.clone(), passed: false });
                self.submit_local(session, xid, &Request::Sync { path });
            }
            request => match Shape::of(&request) {
                Some(shape) => self.on_write(connection, xid, shape, request),
                None => {
                    self.wait(connection, Waiting::Read { xid, request });
                    let client = self.clients.get(connection);
                    sometimes!(self, ReadWaits, client.is_some_and(|c| c.waiting.len() > 1));
                }
            },
        }
        self.answer(connection);
        Ok(())
    }

    /// A write goes to the leader, unless a sync before it still waits for its barrier.
    fn on_write(&mut self, connection: ConnectionId, xid: i32, shape: Shape, request: Request) {
        let Some(client) = self.clients.get(connection) else { return };
        let (session, is_held) = (client.session, client.awaits_sync());
        sometimes!(self, WriteBehindSync, is_held);
        let held = is_held.then(|| request.clone());
        self.wait(connection, Waiting::Write { xid, shape, held, reply: None });
        if !is_held {
            self.submit_local(session, xid, &request);
        }
    }

    /// A sync of the connection's client has passed its barrier: what waited for it goes on.
    pub(super) fn sync_passed(&mut self, connection: ConnectionId) {
        let Some(session) = self.clients.get(connection).map(|client| client.session) else {
            return;
        };
        // The reads behind the sync come before the writes behind it.
        self.answer(connection);
        while let Some((xid, request)) =
            self.clients.get(connection).and_then(Client::next_released)
        {
            self.submit_local(session, xid, &request);
        }
    }

    fn wait(&mut self, connection: ConnectionId, waiting: Waiting) {
        if let Some(client) = self.clients.get(connection) {
            client.waiting.push_back(waiting);
        }
    }

    /// Answers what can be answered, in order.
    pub(super) fn answer(&mut self, connection: ConnectionId) {
        while let Some(waiting) = self.clients.get(connection).and_then(Client::next_ready) {
            match waiting {
                Waiting::Refused { xid, code } => {
                    let packet = reply_packet(xid, self.applied(), code, &Response::Empty);
                    self.send(connection, packet);
                }
                Waiting::Read { xid, request } => self.answer_read(connection, xid, &request),
                Waiting::Sync { xid, path, .. } => {
                    let packet = reply_packet(xid, self.applied(), Code::Ok, &Response::Path(path));
                    self.send(connection, packet);
                }
                Waiting::Write { xid, shape, reply, .. } => {
                    let (zxid, code, response) = reply.expect("it is ready");
                    let applied = self.applied();
                    always!(self, AnswerIsApplied, zxid <= applied, "{zxid} after {applied}");
                    let packet: Bytes = reply_packet(xid, zxid, code, &response);
                    self.send(connection, packet);
                    if shape == Shape::Close {
                        self.drop_client(connection);
                    }
                }
            }
        }
        self.balance_reading(connection);
    }

    /// Back-pressure: a client that has many requests in flight is not read until they are answered.
    fn balance_reading(&mut self, connection: ConnectionId) {
        let unapplied = self.history.unapplied();
        let Some(client) = self.clients.get(connection) else { return };
        let waiting = client.waiting.len();
        let overloaded = unapplied > limits::OUTSTANDING_MAX && waiting > 0;
        let pause = waiting > limits::CONNECTION_REQUESTS_MAX || overloaded;
        let resume = waiting <= limits::CONNECTION_REQUESTS_LOW && !overloaded;
        if pause && !client.paused {
            client.paused = true;
            self.out.push(Effect::Read { connection, on: false });
        } else if resume && client.paused {
            client.paused = false;
            self.out.push(Effect::Read { connection, on: true });
        }
    }

    /// The client was heard from: its session lives on.
    fn touch_session(&mut self, session: SessionId, timeout_ms: i32) {
        match &mut self.role {
            Role::Leading(leader) => {
                if let Some(tracker) = leader.sessions.as_mut() {
                    tracker.touch(self.now.mono_ms, session);
                }
            }
            Role::Following(follower) => follower.touched.touch(session, timeout_ms),
            Role::Looking => {}
        }
    }
}

/// Whether a learner hands such a request on to its leader.
pub(super) fn is_forwardable(request: &Request) -> bool {
    Shape::of(request).is_some()
        || matches!(request, Request::CreateSession { .. } | Request::Sync { .. })
}
