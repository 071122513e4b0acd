//! An established connection: requests in flight, silence, and what the server's packets mean.

use std::collections::VecDeque;

use bytes::Bytes;
use keeper_core::error::Code;
use keeper_core::ids::Zxid;
use keeper_core::jute::{Decode, Reader};
use keeper_core::wire::client::{
    AUTH_XID, Frames, NOTIFICATION_XID, OpCode, PING_XID, ReplyHeader, Request, Response,
    SET_WATCHES_XID, WatcherEvent, encode_request,
};

use super::{Connection, Ticket, Wish};
use crate::error::ProtocolError;

/// A connection on which a server serves the session.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) connection: Connection,
    pub(super) server: usize,
    frames: Frames,
    /// Requests with an xid of their own, in the order in which they must be answered.
    in_flight: VecDeque<InFlight>,
    /// Unanswered identities; `None` for those that were told before.
    identities: VecDeque<Option<InFlight>>,
    timeout_ms: u64,
    last_heard_ms: u64,
    last_sent_ms: u64,
    ping_unanswered: bool,
}

/// A request that was sent and not answered yet.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) ticket: Ticket,
    pub(super) xid: i32,
    pub(super) op: OpCode,
    pub(super) wish: Option<Wish>,
    /// The request itself, if it is an identity that later connections have to be told.
    pub(super) identity: Option<Request>,
    sent_ms: u64,
}

/// What a packet means.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it is moved once and never stored")]
pub(super) enum Incoming {
    /// Only that the server lives.
    Nothing,
    /// A watched node changed.
    Watch { zxid: Zxid, event: WatcherEvent, server: usize },
    /// The oldest request is answered. The response is empty unless the code is `Ok`.
    Answer { header: ReplyHeader, asked: InFlight, server: usize, response: Response },
}

impl Live {
    pub(super) fn new(
        connection: Connection,
        server: usize,
        frames: Frames,
        timeout_ms: u64,
        now_ms: u64,
    ) -> Live {
        Live {
            connection,
            server,
            frames,
            in_flight: VecDeque::new(),
            identities: VecDeque::new(),
            timeout_ms,
            last_heard_ms: now_ms,
            last_sent_ms: now_ms,
            ping_unanswered: false,
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len() + self.identities.len()
    }

    /// Everything in flight: requests in the order of sending, then identities.
    pub(super) fn into_in_flight(self) -> impl Iterator<Item = InFlight> {
        self.in_flight.into_iter().chain(self.identities.into_iter().flatten())
    }

    /// When the request that has waited longest was sent.
    pub(super) fn oldest_sent_ms(&self) -> Option<u64> {
        let identity = self.identities.iter().flatten().next();
        self.in_flight.front().into_iter().chain(identity).map(|asked| asked.sent_ms).min()
    }

    /// When the connection is to be given up if nothing comes: late enough for a slow server, early
    /// enough to find another one before the session expires.
    pub(super) fn silent_at_ms(&self) -> u64 {
        self.last_heard_ms + (self.timeout_ms * 2 / 3).max(1)
    }

    /// When a ping is due: a third of the time-out after the last sign of life to or from the
    /// server. A server counts what it hears only, so hearing from it is not enough.
    fn ping_at_ms(&self) -> u64 {
        let third_ms = (self.timeout_ms / 3).max(1);
        let quiet_since_ms = match self.ping_unanswered {
            true => self.last_sent_ms,
            false => self.last_sent_ms.min(self.last_heard_ms),
        };
        quiet_since_ms + third_ms
    }

    pub(super) fn deadline_ms(&self) -> u64 {
        self.silent_at_ms().min(self.ping_at_ms())
    }

    /// Bytes came.
    pub(super) fn heard(&mut self, now_ms: u64, bytes: &[u8]) {
        self.last_heard_ms = now_ms;
        self.frames.push(bytes);
    }

    /// Appends a request of the caller.
    pub(super) fn ask(
        &mut self,
        now_ms: u64,
        ticket: Ticket,
        xid: i32,
        request: Request,
        out: &mut Vec<u8>,
    ) {
        let op = request.op();
        encode_request(xid, &request, out);
        self.last_sent_ms = now_ms;
        let wish = Wish::of(&request);
        let mut asked = InFlight { ticket, xid, op, wish, identity: None, sent_ms: now_ms };
        if op == OpCode::Auth {
            asked.identity = Some(request);
            self.identities.push_back(Some(asked));
        } else {
            self.in_flight.push_back(asked);
        }
    }

    /// Appends a request that sets again what the last connection took with it.
    pub(super) fn restore(&mut self, request: &Request, out: &mut Vec<u8>) {
        if request.op() == OpCode::Auth {
            self.identities.push_back(None);
            encode_request(AUTH_XID, request, out);
        } else {
            encode_request(SET_WATCHES_XID, request, out);
        }
    }

    /// Appends a ping if the connection was quiet for too long.
    pub(super) fn ping_if_due(&mut self, now_ms: u64, out: &mut Vec<u8>) {
        if now_ms >= self.ping_at_ms() {
            encode_request(PING_XID, &Request::Ping, out);
            self.last_sent_ms = now_ms;
            self.ping_unanswered = true;
        }
    }

    /// The next whole packet, if there is one.
    pub(super) fn next_incoming(&mut self) -> Result<Option<Incoming>, ProtocolError> {
        let Some(packet) = self.frames.next_frame()? else { return Ok(None) };
        self.understand(&packet).map(Some)
    }

    fn understand(&mut self, packet: &Bytes) -> Result<Incoming, ProtocolError> {
        let mut reader = Reader::new(packet);
        let header = ReplyHeader::decode(&mut reader)?;
        match header.xid {
            PING_XID => {
                self.ping_unanswered = false;
                Ok(Incoming::Nothing)
            }
            NOTIFICATION_XID => {
                let event = WatcherEvent::decode(&mut reader)?;
                Ok(Incoming::Watch { zxid: header.zxid, event, server: self.server })
            }
            SET_WATCHES_XID => restored(header.code),
            AUTH_XID => match self.identities.pop_front() {
                Some(Some(asked)) => self.answer(header, asked, &mut reader),
                Some(None) => restored(header.code),
                None => Err(ProtocolError::WrongXid { expected: None, got: AUTH_XID }),
            },
            got => {
                let expected = self.in_flight.front().map(|asked| asked.xid);
                let asked = self.in_flight.pop_front_if(|asked| asked.xid == got);
                let asked = asked.ok_or(ProtocolError::WrongXid { expected, got })?;
                self.answer(header, asked, &mut reader)
            }
        }
    }

    fn answer(
        &mut self,
        header: ReplyHeader,
        asked: InFlight,
        reader: &mut Reader<'_>,
    ) -> Result<Incoming, ProtocolError> {
        let response = match header.code {
            Code::Ok => Response::decode(asked.op, reader),
            _ => Ok(Response::Empty),
        };
        match response {
            Ok(response) => Ok(Incoming::Answer { header, asked, server: self.server, response }),
            Err(error) => {
                // It is still in flight: the loss of the connection completes it.
                match asked.op {
                    OpCode::Auth => self.identities.push_front(Some(asked)),
                    _ => self.in_flight.push_front(asked),
                }
                Err(error.into())
            }
        }
    }
}

fn restored(code: Code) -> Result<Incoming, ProtocolError> {
    match code {
        Code::Ok => Ok(Incoming::Nothing),
        code => Err(ProtocolError::NotRestored(code)),
    }
}
