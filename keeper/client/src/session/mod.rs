//! A session as a pure machine: events in, effects out (`ClientCnxn` of ZooKeeper's Java client).
//!
//! The machine connects to one server after another, goes on with its session wherever it is
//! served, and never concludes by itself that the session has expired: only a server can say so.
//! Requests are answered in the order in which they were sent; an answer out of order ends the
//! connection. What was in flight when a connection ends has an unknown outcome and is reported as
//! such; what was not sent yet waits for the next connection.

mod interface;
mod live;
mod servers;
#[cfg(test)]
mod tests;
mod watches;

use std::collections::VecDeque;

use keeper_core::error::Code;
use keeper_core::ids::{SessionId, Zxid};
use keeper_core::jute::{Encode, from_bytes};
use keeper_core::time::Now;
use keeper_core::wire::client::{
    AUTH_XID, ConnectRequest, ConnectResponse, Frames, OpCode, ReplyHeader, Request, Response,
    frame,
};

use crate::error::{ClientError, Loss, ProtocolError};
use crate::event::{ClientEvent, ClientEventKind};
use crate::reply::{Origin, Reply};

pub use interface::{
    Connection, Effect, Event, NotAnAddress, Resume, ServerAddress, SessionConfig, SessionHandle,
    Ticket,
};
use live::{InFlight, Incoming, Live};
use servers::Servers;
use watches::{Watches, Wish};

/// One session of one client.
#[derive(Debug)]
pub struct SessionCore {
    config: SessionConfig,
    servers: Servers,
    session: SessionHandle,
    state: State,
    /// Requests that have not been sent.
    queue: VecDeque<Waiting>,
    watches: Watches,
    /// Identities that every connection has to be told again.
    identities: Vec<Request>,
    /// The latest state seen; a server that is behind must not serve this session.
    last_zxid_seen: Zxid,
    /// The latest state that an *answer* showed. Watches are set again from here: one transaction
    /// may fire several, so that an event's position does not mean that all of its events came.
    relative_zxid: Zxid,
    connections: u64,
    last_xid: i32,
    sequence: u64,
    /// Whether the end of the session was submitted; nothing may follow it.
    closing: bool,
}

#[derive(Debug)]
enum State {
    Disconnected { retry_at_ms: u64 },
    Connecting { connection: Connection, server: usize, give_up_at_ms: u64, frames: Frames },
    Connected(Box<Live>),
    Expired,
    Closed,
}

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    request: Request,
    since_ms: u64,
}

impl SessionCore {
    /// A machine that connects at its first step.
    pub fn new(config: SessionConfig) -> SessionCore {
        assert!(config.max_in_flight > 0, "a client that may not ask is of no use");
        let resume = config.resume.clone();
        let last_zxid_seen = resume.as_ref().map_or(Zxid::ZERO, |resume| resume.last_zxid_seen);
        let (id, password) = match resume {
            Some(resume) => (resume.id, resume.password),
            None => (SessionId(0), vec![0; 16]),
        };
        SessionCore {
            servers: Servers::new(config.servers, config.seed),
            session: SessionHandle { id, password, timeout_ms: config.timeout_ms },
            config,
            state: State::Disconnected { retry_at_ms: 0 },
            queue: VecDeque::new(),
            watches: Watches::default(),
            identities: Vec::new(),
            last_zxid_seen,
            relative_zxid: last_zxid_seen,
            connections: 0,
            last_xid: 0,
            sequence: 0,
            closing: false,
        }
    }

    /// Lets one event happen and appends what is to be done. Events of connections that the machine
    /// has given up are ignored.
    pub fn step(&mut self, now: Now, event: Event, out: &mut Vec<Effect>) {
        match event {
            Event::Tick => {}
            Event::Submit { ticket, request } => self.submit(now, ticket, request, out),
            Event::Connected(connection) => self.greet(connection, out),
            Event::Bytes(connection, bytes) => self.receive(now, connection, &bytes, out),
            Event::Ended(connection) => {
                if self.connection() == Some(connection) {
                    self.lose(now, Loss::Ended, out);
                }
            }
        }
        self.advance(now, out);
    }

    /// When the machine wants [`Event::Tick`], in milliseconds of [`Now::mono_ms`].
    pub fn deadline(&self) -> Option<u64> {
        let waiting = self.queue.front().and_then(|waiting| self.limit(waiting.since_ms));
        let own = match &self.state {
            State::Disconnected { retry_at_ms } => Some(*retry_at_ms),
            State::Connecting { give_up_at_ms, .. } => Some(*give_up_at_ms),
            State::Connected(live) => {
                let unanswered = live.oldest_sent_ms().and_then(|sent_ms| self.limit(sent_ms));
                Some(live.deadline_ms()).into_iter().chain(unanswered).min()
            }
            State::Expired | State::Closed => None,
        };
        own.into_iter().chain(waiting).min()
    }

    /// The session, once a server has granted it.
    pub fn session(&self) -> Option<&SessionHandle> {
        (self.session.id != SessionId(0)).then_some(&self.session)
    }

    /// The latest state that this session has seen.
    pub fn last_zxid_seen(&self) -> Zxid {
        self.last_zxid_seen
    }

    /// Whether nothing can happen any more.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Expired | State::Closed)
    }

    fn submit(&mut self, now: Now, ticket: Ticket, request: Request, out: &mut Vec<Effect>) {
        let op = request.op();
        let refused = match (&self.state, op) {
            (State::Expired, _) => Some(ClientError::SessionExpired),
            (State::Closed, _) => Some(ClientError::Closed),
            _ if self.closing => Some(ClientError::Closed),
            (
                _,
                OpCode::Ping
                | OpCode::SetWatches
                | OpCode::SetWatches2
                | OpCode::CreateSession
                | OpCode::Sasl,
            ) => Some(ClientError::NotForCallers(op)),
            _ => None,
        };
        match refused {
            Some(error) => self.complete(ticket, Err(error), out),
            None => {
                self.closing = op == OpCode::CloseSession;
                self.queue.push_back(Waiting { ticket, request, since_ms: now.mono_ms });
            }
        }
    }

    /// The stream is there: the handshake begins.
    fn greet(&mut self, connected: Connection, out: &mut Vec<Effect>) {
        if !matches!(&self.state, State::Connecting { connection, .. } if *connection == connected)
        {
            return;
        }
        let hello = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: self.last_zxid_seen,
            timeout_ms: self.config.timeout_ms,
            session: self.session.id,
            password: self.session.password.clone(),
            read_only: Some(false),
        };
        out.push(Effect::Send(connected, frame(|out| hello.encode(out))));
    }

    fn receive(&mut self, now: Now, from: Connection, bytes: &[u8], out: &mut Vec<Effect>) {
        if self.connection() != Some(from) {
            return;
        }
        match &mut self.state {
            State::Connecting { frames, .. } => frames.push(bytes),
            State::Connected(live) => live.heard(now.mono_ms, bytes),
            State::Disconnected { .. } | State::Expired | State::Closed => return,
        }
        // Whatever a packet does to the connection, nothing behind it is read once it is gone.
        while self.connection() == Some(from) {
            match self.take_packet(now, out) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => self.lose(now, Loss::Protocol(error), out),
            }
        }
    }

    /// Handles one packet; false if none is whole.
    fn take_packet(&mut self, now: Now, out: &mut Vec<Effect>) -> Result<bool, ProtocolError> {
        match &mut self.state {
            State::Connecting { frames, .. } => {
                let Some(packet) = frames.next_frame()? else { return Ok(false) };
                self.welcomed(now, &from_bytes(&packet)?, out)?;
            }
            State::Connected(live) => {
                let Some(incoming) = live.next_incoming()? else { return Ok(false) };
                self.servers.proved_good();
                self.incoming(now, incoming, out)?;
            }
            State::Disconnected { .. } | State::Expired | State::Closed => return Ok(false),
        }
        Ok(true)
    }

    /// The handshake was answered.
    fn welcomed(
        &mut self,
        now: Now,
        hello: &ConnectResponse,
        out: &mut Vec<Effect>,
    ) -> Result<(), ProtocolError> {
        let State::Connecting { connection, server, frames, .. } = &mut self.state else {
            unreachable!("only a connection under way is answered by a handshake");
        };
        let (connection, server, frames) = (*connection, *server, std::mem::take(frames));
        if hello.timeout_ms <= 0 {
            self.end(State::Expired, ClientEventKind::Expired, out);
            return Ok(());
        }
        let resumed = self.session.id != SessionId(0);
        if resumed && hello.session != self.session.id {
            let (expected, got) = (self.session.id, hello.session);
            return Err(ProtocolError::WrongSession { expected, got });
        }
        self.session = SessionHandle {
            id: hello.session,
            password: hello.password.clone(),
            timeout_ms: hello.timeout_ms,
        };
        let timeout_ms = hello.timeout_ms as u64;
        let mut live = Live::new(connection, server, frames, timeout_ms, now.mono_ms);
        let mut bytes = Vec::new();
        for request in self.identities.iter().chain(&self.watches.restore(self.relative_zxid)) {
            live.restore(request, &mut bytes);
        }
        if !bytes.is_empty() {
            out.push(Effect::Send(connection, bytes));
        }
        self.state = State::Connected(Box::new(live));
        let session = self.session.clone();
        self.notify(ClientEventKind::Connected { session, server, resumed }, out);
        Ok(())
    }

    fn incoming(
        &mut self,
        now: Now,
        incoming: Incoming,
        out: &mut Vec<Effect>,
    ) -> Result<(), ProtocolError> {
        match incoming {
            Incoming::Nothing => {}
            Incoming::Watch { zxid, event, server } => {
                self.watches.fired(&event);
                self.saw(zxid);
                let zxid = (zxid.to_wire() > 0).then_some(zxid);
                self.notify(ClientEventKind::Watch { event, zxid, server }, out);
            }
            Incoming::Answer { header, asked, server, response } => {
                self.saw(header.zxid);
                if header.zxid.to_wire() > 0 {
                    self.relative_zxid = self.relative_zxid.max(header.zxid);
                }
                self.answered(now, &header, asked, server, response, out);
            }
        }
        Ok(())
    }

    fn answered(
        &mut self,
        now: Now,
        header: &ReplyHeader,
        asked: InFlight,
        server: usize,
        response: Response,
        out: &mut Vec<Effect>,
    ) {
        if let Some(wish) = asked.wish {
            self.watches.answered(wish, header.code);
        }
        if let Some(identity) = asked.identity.filter(|_| header.code.is_ok()) {
            self.identities.push(identity);
        }
        let ReplyHeader { zxid, code, .. } = *header;
        let origin = Origin { session: self.session.id, xid: asked.xid, server };
        let sequence = self.next_sequence();
        let result = match code {
            Code::Ok => Ok(Reply { value: response, zxid, sequence, origin }),
            code => Err(ClientError::Server { code, zxid, sequence, origin }),
        };
        out.push(Effect::Complete(asked.ticket, result));
        if asked.op == OpCode::CloseSession {
            match code {
                Code::Ok => self.end(State::Closed, ClientEventKind::Closed, out),
                // The next server will say whether there is a session still.
                _ => {
                    self.closing = false;
                    self.lose(now, Loss::Ended, out);
                }
            }
        }
    }

    /// What the passing of time and the present state call for.
    fn advance(&mut self, now: Now, out: &mut Vec<Effect>) {
        let now_ms = now.mono_ms;
        if let State::Connecting { give_up_at_ms, .. } = self.state
            && now_ms >= give_up_at_ms
        {
            self.lose(now, Loss::Silent, out);
        }
        if let State::Connected(live) = &self.state {
            let unanswered = live.oldest_sent_ms().and_then(|sent_ms| self.limit(sent_ms));
            if now_ms >= live.silent_at_ms() {
                self.lose(now, Loss::Silent, out);
            } else if unanswered.is_some_and(|limit_ms| now_ms >= limit_ms) {
                self.lose(now, Loss::Unanswered, out);
            }
        }
        if let State::Disconnected { retry_at_ms } = self.state
            && now_ms >= retry_at_ms
        {
            self.connect(now_ms, out);
        }
        self.pump(now_ms, out);
        self.give_up_waiting(now, out);
    }

    fn connect(&mut self, now_ms: u64, out: &mut Vec<Effect>) {
        self.connections += 1;
        let connection = Connection(self.connections);
        let server = self.servers.take();
        self.state = State::Connecting {
            connection,
            server,
            give_up_at_ms: now_ms + self.config.connect_timeout_ms,
            frames: Frames::new(self.config.max_packet_bytes),
        };
        out.push(Effect::Connect { connection, server });
    }

    /// Sends what may be sent, and a ping if one is due.
    fn pump(&mut self, now_ms: u64, out: &mut Vec<Effect>) {
        let State::Connected(live) = &mut self.state else { return };
        let mut bytes = Vec::new();
        while live.in_flight() < self.config.max_in_flight {
            let Some(Waiting { ticket, request, .. }) = self.queue.pop_front() else { break };
            let xid = match request.op() {
                OpCode::Auth => AUTH_XID,
                _ => {
                    // Positive: the negative ones have meanings of their own.
                    self.last_xid = self.last_xid.checked_add(1).unwrap_or(1);
                    self.last_xid
                }
            };
            live.ask(now_ms, ticket, xid, request, &mut bytes);
        }
        live.ping_if_due(now_ms, &mut bytes);
        if !bytes.is_empty() {
            out.push(Effect::Send(live.connection, bytes));
        }
    }

    fn give_up_waiting(&mut self, now: Now, out: &mut Vec<Effect>) {
        while let Some(waiting) = self.queue.front()
            && self.limit(waiting.since_ms).is_some_and(|limit_ms| now.mono_ms >= limit_ms)
        {
            let waiting = self.queue.pop_front().expect("it is the front that was looked at");
            let is_close = waiting.request == Request::CloseSession;
            self.complete(waiting.ticket, Err(ClientError::Timeout), out);
            if is_close {
                // Others were refused on account of the close, and have given up. A session that
                // went on would keep their ephemerals for ever: it is left to expire.
                if matches!(self.state, State::Connected(_)) {
                    self.lose(now, Loss::Unanswered, out);
                }
                return self.end(State::Closed, ClientEventKind::Closed, out);
            }
        }
    }

    /// The connection is gone. Everything in flight has an unknown outcome.
    fn lose(&mut self, now: Now, loss: Loss, out: &mut Vec<Effect>) {
        let pause_ms = self.servers.pause_ms();
        let next = State::Disconnected { retry_at_ms: now.mono_ms + pause_ms };
        match std::mem::replace(&mut self.state, next) {
            State::Connecting { connection, .. } => out.push(Effect::Disconnect(connection)),
            State::Connected(live) => {
                out.push(Effect::Disconnect(live.connection));
                let server = live.server;
                let mut was_closing = false;
                for asked in live.into_in_flight() {
                    was_closing |= asked.op == OpCode::CloseSession;
                    let origin = Origin { session: self.session.id, xid: asked.xid, server };
                    let sequence = self.next_sequence();
                    let error = ClientError::ConnectionLoss { loss, sequence, origin };
                    out.push(Effect::Complete(asked.ticket, Err(error)));
                }
                self.notify(ClientEventKind::Disconnected { server, loss }, out);
                if was_closing {
                    self.end(State::Closed, ClientEventKind::Closed, out);
                }
            }
            State::Disconnected { .. } | State::Expired | State::Closed => {
                unreachable!("only a connection can be lost")
            }
        }
    }

    /// The session is over; nothing that waits will be sent.
    fn end(&mut self, state: State, kind: ClientEventKind, out: &mut Vec<Effect>) {
        if let Some(connection) = self.connection() {
            out.push(Effect::Disconnect(connection));
        }
        let error = match &state {
            State::Expired => ClientError::SessionExpired,
            _ => ClientError::Closed,
        };
        self.state = state;
        while let Some(waiting) = self.queue.pop_front() {
            self.complete(waiting.ticket, Err(error.clone()), out);
        }
        self.notify(kind, out);
    }

    fn connection(&self) -> Option<Connection> {
        match &self.state {
            State::Connecting { connection, .. } => Some(*connection),
            State::Connected(live) => Some(live.connection),
            State::Disconnected { .. } | State::Expired | State::Closed => None,
        }
    }

    /// When a request that waits since then has waited too long.
    fn limit(&self, since_ms: u64) -> Option<u64> {
        self.config.request_timeout_ms.map(|limit_ms| since_ms.saturating_add(limit_ms))
    }

    fn saw(&mut self, zxid: Zxid) {
        if zxid.to_wire() > 0 {
            self.last_zxid_seen = self.last_zxid_seen.max(zxid);
        }
    }

    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    fn notify(&mut self, kind: ClientEventKind, out: &mut Vec<Effect>) {
        let sequence = self.next_sequence();
        out.push(Effect::Notify(ClientEvent { sequence, kind }));
    }

    /// Ends a request that was never sent.
    fn complete(
        &mut self,
        ticket: Ticket,
        result: Result<Reply<Response>, ClientError>,
        out: &mut Vec<Effect>,
    ) {
        out.push(Effect::Complete(ticket, result));
    }
}
