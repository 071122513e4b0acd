//! What the data of quorum packets hold, by kind.
//!
//! Not listed here: PROPOSAL and INFORM carry an encoded transaction ([`crate::txn`]); NEWLEADER
//! the quorum configuration as text; SNAP [`EXACT`] or nothing; ACK, COMMIT, UPTODATE, DIFF and TRUNC
//! nothing. A sync is a REQUEST for the operation `sync`, answered by a SYNC packet of zxid 0 without
//! data: syncs are matched by their order alone.

use bytes::Bytes;

use crate::ids::{Epoch, ServerId, SessionId};
use crate::jute::{Decode, DecodeError, Encode, Reader, put_bool, put_int, put_long};
use crate::wire::client::OpCode;

/// The protocol in which learners acknowledge epochs; every server since 3.3.
pub const PROTOCOL_VERSION: i32 = 0x1_0000;

/// What follows in a [`LearnerInfo`] of a server whose data were damaged: it counts in no quorum before it has
/// acknowledged NEWLEADER.
pub const DAMAGED: &[u8] = b"keeperd: damaged";
/// What follows in a [`LeaderInfo`] of a leader that knows what [`DAMAGED`] means.
pub const KNOWS_DAMAGED: &[u8] = b"keeperd: knows damaged";
/// What a SNAP packet holds if the tree behind it is that of its zxid, and no part of it is from later. Leaders of Apache
/// send theirs while it goes on changing, and learners do not look.
pub const EXACT: &[u8] = b"keeperd: exact";

/// FOLLOWERINFO and OBSERVERINFO: who the learner is. Apache's leader reads as much as it finds
/// (8, 12 or 20 bytes) and ignores what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearnerInfo {
    /// The learner.
    pub server: ServerId,
    /// [`PROTOCOL_VERSION`]; 1 from learners that do not say.
    pub protocol_version: i32,
    /// The version of its quorum configuration, if it says.
    pub config_version: Option<i64>,
    /// What follows; room for capabilities that only keeper servers know.
    pub extra: Bytes,
}

impl Encode for LearnerInfo {
    fn encode(&self, out: &mut Vec<u8>) {
        assert!(
            self.config_version.is_some() || self.extra.is_empty(),
            "what follows can be found only behind a configuration version"
        );
        put_long(out, self.server.0 as i64);
        put_int(out, self.protocol_version);
        if let Some(version) = self.config_version {
            put_long(out, version);
        }
        out.extend_from_slice(&self.extra);
    }
}

impl Decode for LearnerInfo {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let server = ServerId(reader.long()? as u64);
        let protocol_version = if reader.remaining() < 4 { 1 } else { reader.int()? };
        let config_version = if reader.remaining() < 8 { None } else { Some(reader.long()?) };
        let rest = reader.rest();
        let extra = if config_version.is_some() { rest } else { &[] };
        let extra = Bytes::copy_from_slice(extra);
        Ok(LearnerInfo { server, protocol_version, config_version, extra })
    }
}

/// LEADERINFO: the leader's protocol. Apache's learners read the first four bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderInfo {
    /// [`PROTOCOL_VERSION`].
    pub protocol_version: i32,
    /// What follows; room for capabilities that only keeper servers know.
    pub extra: Bytes,
}

impl Encode for LeaderInfo {
    fn encode(&self, out: &mut Vec<u8>) {
        put_int(out, self.protocol_version);
        out.extend_from_slice(&self.extra);
    }
}

impl Decode for LeaderInfo {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let protocol_version = reader.int()?;
        Ok(LeaderInfo { protocol_version, extra: Bytes::copy_from_slice(reader.rest()) })
    }
}

/// ACKEPOCH: the learner's current epoch; `None` (-1) if it had accepted the leader's epoch before,
/// so that this answer does not count as a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochAck(pub Option<Epoch>);

impl Encode for EpochAck {
    fn encode(&self, out: &mut Vec<u8>) {
        put_int(out, self.0.map_or(-1, |epoch| epoch.0 as i32));
    }
}

impl Decode for EpochAck {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let value = reader.int()?;
        reader.rest();
        Ok(EpochAck((value != -1).then_some(Epoch(value as u32))))
    }
}

/// REQUEST: a client's request, forwarded to the leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedRequest {
    /// The client's session.
    pub session: SessionId,
    /// The client's xid.
    pub cxid: i32,
    /// What is asked for.
    pub op: OpCode,
    /// The request's body, as the client sent it.
    pub body: Bytes,
}

impl Encode for ForwardedRequest {
    fn encode(&self, out: &mut Vec<u8>) {
        put_long(out, self.session.0);
        put_int(out, self.cxid);
        put_int(out, self.op.to_wire());
        out.extend_from_slice(&self.body);
    }
}

impl Decode for ForwardedRequest {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(ForwardedRequest {
            session: SessionId(reader.long()?),
            cxid: reader.int()?,
            op: OpCode::from_wire(reader.int()?),
            body: Bytes::copy_from_slice(reader.rest()),
        })
    }
}

/// PING, learner to leader: sessions heard of since the last one, with their time-outs in
/// milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionTouches(pub Vec<(SessionId, i32)>);

impl Encode for SessionTouches {
    fn encode(&self, out: &mut Vec<u8>) {
        for (session, timeout_ms) in &self.0 {
            put_long(out, session.0);
            put_int(out, *timeout_ms);
        }
    }
}

impl Decode for SessionTouches {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut touches = Vec::with_capacity(reader.remaining() / 12);
        while reader.remaining() > 0 {
            touches.push((SessionId(reader.long()?), reader.int()?));
        }
        Ok(SessionTouches(touches))
    }
}

/// REVALIDATE, learner to leader: may a client go on with this session here?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revalidate {
    /// The session.
    pub session: SessionId,
    /// Its time-out in milliseconds.
    pub timeout_ms: i32,
}

impl Encode for Revalidate {
    fn encode(&self, out: &mut Vec<u8>) {
        put_long(out, self.session.0);
        put_int(out, self.timeout_ms);
    }
}

impl Decode for Revalidate {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Revalidate { session: SessionId(reader.long()?), timeout_ms: reader.int()? })
    }
}

/// REVALIDATE, leader to learner: the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revalidated {
    /// The session.
    pub session: SessionId,
    /// Whether it is alive.
    pub valid: bool,
}

impl Encode for Revalidated {
    fn encode(&self, out: &mut Vec<u8>) {
        put_long(out, self.session.0);
        put_bool(out, self.valid);
    }
}

impl Decode for Revalidated {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Revalidated { session: SessionId(reader.long()?), valid: reader.bool()? })
    }
}
