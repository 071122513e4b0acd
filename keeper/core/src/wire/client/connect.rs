//! The handshake that begins a connection (`ConnectRequest`, `ConnectResponse`).
//!
//! The trailing `readOnly` byte came with ZooKeeper 3.4. Several clients still leave it out and
//! then refuse an answer that has it (ZOOKEEPER-4814), so each side says whether it was there.

use crate::ids::{SessionId, Zxid};
use crate::jute::{Decode, DecodeError, Encode, Reader, put_bool, put_buffer, put_int, put_long};

/// The first packet of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectRequest {
    /// Always 0.
    pub protocol_version: i32,
    /// The latest state that the client has seen; a server that is behind must not serve it.
    pub last_zxid_seen: Zxid,
    /// The session time-out that the client asks for, in milliseconds.
    pub timeout_ms: i32,
    /// The session to go on with, or 0 for a new one.
    pub session: SessionId,
    /// The session's password; sixteen bytes from every known client.
    pub password: Vec<u8>,
    /// Whether a server that cannot write will do; `None` if the client left the byte out.
    pub read_only: Option<bool>,
}

impl Encode for ConnectRequest {
    fn encode(&self, out: &mut Vec<u8>) {
        put_int(out, self.protocol_version);
        put_long(out, self.last_zxid_seen.to_wire());
        put_int(out, self.timeout_ms);
        put_long(out, self.session.0);
        put_buffer(out, Some(&self.password));
        put_read_only(out, self.read_only);
    }
}

impl Decode for ConnectRequest {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(ConnectRequest {
            protocol_version: reader.int()?,
            last_zxid_seen: Zxid::from_wire(reader.long()?),
            timeout_ms: reader.int()?,
            session: SessionId(reader.long()?),
            password: password(reader)?,
            read_only: read_only(reader)?,
        })
    }
}

/// The server's answer. A time-out of 0 says that the session has expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectResponse {
    /// Always 0.
    pub protocol_version: i32,
    /// The time-out that the server grants, in milliseconds; 0 if the session is no more.
    pub timeout_ms: i32,
    /// The session.
    pub session: SessionId,
    /// What proves later that a client may go on with the session.
    pub password: Vec<u8>,
    /// Whether this server cannot write at present; `None` if the client left its byte out.
    pub read_only: Option<bool>,
}

impl ConnectResponse {
    /// The answer that the session has expired.
    pub fn expired(read_only: Option<bool>) -> ConnectResponse {
        ConnectResponse {
            protocol_version: 0,
            timeout_ms: 0,
            session: SessionId(0),
            password: vec![0; 16],
            read_only,
        }
    }
}

impl Encode for ConnectResponse {
    fn encode(&self, out: &mut Vec<u8>) {
        put_int(out, self.protocol_version);
        put_int(out, self.timeout_ms);
        put_long(out, self.session.0);
        put_buffer(out, Some(&self.password));
        put_read_only(out, self.read_only);
    }
}

impl Decode for ConnectResponse {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(ConnectResponse {
            protocol_version: reader.int()?,
            timeout_ms: reader.int()?,
            session: SessionId(reader.long()?),
            password: password(reader)?,
            read_only: read_only(reader)?,
        })
    }
}

fn password(reader: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    Ok(reader.slice()?.unwrap_or_default().to_vec())
}

fn read_only(reader: &mut Reader<'_>) -> Result<Option<bool>, DecodeError> {
    if reader.remaining() == 0 { Ok(None) } else { reader.bool().map(Some) }
}

fn put_read_only(out: &mut Vec<u8>, read_only: Option<bool>) {
    if let Some(read_only) = read_only {
        put_bool(out, read_only);
    }
}
