//! What stands before every request and every answer, and whole packets built from them.

use crate::error::Code;
use crate::ids::Zxid;
use crate::jute::{Decode, DecodeError, Encode, Reader, put_int, put_long};
use crate::wire::client::{NOTIFICATION_XID, OpCode, Request, Response, WatcherEvent, frame_into};

/// Before a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// The client's number for the request, or one of the negative special ones.
    pub xid: i32,
    /// What is asked for.
    pub op: OpCode,
}

impl Encode for RequestHeader {
    fn encode(&self, out: &mut Vec<u8>) {
        put_int(out, self.xid);
        put_int(out, self.op.to_wire());
    }
}

impl Decode for RequestHeader {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(RequestHeader { xid: reader.int()?, op: OpCode::from_wire(reader.int()?) })
    }
}

/// Before an answer's body, which is there only if the code is [`Code::Ok`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyHeader {
    /// The request's xid, or one of the special ones.
    pub xid: i32,
    /// The write's own position, or the last one that the server had applied for a read. For a
    /// watch event, the change that caused it (since 3.9; -1 before).
    pub zxid: Zxid,
    /// How it ended.
    pub code: Code,
}

impl Encode for ReplyHeader {
    fn encode(&self, out: &mut Vec<u8>) {
        put_int(out, self.xid);
        put_long(out, self.zxid.to_wire());
        put_int(out, self.code.to_wire());
    }
}

impl Decode for ReplyHeader {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(ReplyHeader {
            xid: reader.int()?,
            zxid: Zxid::from_wire(reader.long()?),
            code: Code::from_wire(reader.int()?),
        })
    }
}

/// Appends a whole request packet, its length included.
pub fn encode_request(xid: i32, request: &Request, out: &mut Vec<u8>) {
    frame_into(out, |out| {
        RequestHeader { xid, op: request.op() }.encode(out);
        request.encode_body(out);
    });
}

/// Appends a whole reply packet, its length included. The body is left out unless the code is
/// [`Code::Ok`].
pub fn encode_reply(header: &ReplyHeader, response: &Response, out: &mut Vec<u8>) {
    frame_into(out, |out| {
        header.encode(out);
        if header.code.is_ok() {
            response.encode(out);
        }
    });
}

/// Appends a whole watch event packet, its length included. `zxid` is the change's position.
pub fn encode_event(zxid: Zxid, event: &WatcherEvent, out: &mut Vec<u8>) {
    frame_into(out, |out| {
        ReplyHeader { xid: NOTIFICATION_XID, zxid, code: Code::Ok }.encode(out);
        event.encode(out);
    });
}
